"""What a device accepts, and each thing that it refuses."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from harness.epochs import CREATED, MadeEpoch, make_epoch, make_hashes, make_keys, make_signer
from tutela.lists import errors
from tutela.lists.acceptance import accept, check_segment
from tutela.lists.keys import public_key
from tutela.matching import voprf
from tutela.wire import document, limits
from tutela.wire.envelope import Envelope, Signature, seal, sign
from tutela.wire.manifest import MANIFEST_TYPE, Action, Actions, Manifest, TrustRoot
from tutela.wire.submission import SUBMISSION_TYPE

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def first() -> MadeEpoch:
    return make_epoch(make_hashes(9), attested=make_hashes(3, "feed"), single=make_hashes(2, "single"))


@pytest.fixture(scope="module")
def second(first: MadeEpoch) -> MadeEpoch:
    return make_epoch(make_hashes(10), attested=make_hashes(3, "feed"), created="2026-01-12T06:00:00Z", previous=first)


def test_a_first_epoch_and_the_one_after_are_accepted(first: MadeEpoch, second: MadeEpoch) -> None:
    accepted = accept(first.envelope, first.trust_root, last=None)
    assert accepted == first.manifest
    assert [entry.items for entry in accepted.lists] == [9, 3]
    assert accept(second.envelope, second.trust_root, last=accepted).epoch == 2


def test_the_same_epoch_again_is_accepted(second: MadeEpoch) -> None:
    assert accept(second.envelope, second.trust_root, last=second.manifest) == second.manifest


def test_a_device_that_slept_may_skip_epochs(first: MadeEpoch, second: MadeEpoch) -> None:
    third = make_epoch(make_hashes(11), created="2026-01-19T06:00:00Z", previous=second)
    assert accept(third.envelope, third.trust_root, last=first.manifest).epoch == 3


def test_more_signatures_than_needed_do_no_harm(first: MadeEpoch) -> None:
    stranger = make_signer("stranger", "XX")
    envelope = first.envelope.with_signature(sign(MANIFEST_TYPE, first.epoch.payload, stranger.key))
    assert accept(envelope, first.trust_root, last=None) == first.manifest


# 1. The trust root.


def test_a_trust_root_that_names_a_key_twice_is_refused(first: MadeEpoch) -> None:
    aurora, boreal = first.trust_root.authorities
    twin = replace(aurora, id="twin", jurisdiction="CA")
    with pytest.raises(errors.BadTrustRoot, match="twice"):
        accept(first.envelope, replace(first.trust_root, authorities=(aurora, boreal, twin)), last=None)


@pytest.mark.parametrize(("field", "value"), [("signatures", 3), ("jurisdictions", 3)])
def test_a_trust_root_that_cannot_be_satisfied_is_refused(first: MadeEpoch, field: str, value: int) -> None:
    with pytest.raises(errors.BadTrustRoot, match="asks for"):
        accept(first.envelope, replace(first.trust_root, **{field: value}), last=None)


# 2. The form.


def test_a_document_of_another_type_is_refused(first: MadeEpoch) -> None:
    envelope = seal(SUBMISSION_TYPE, first.epoch.payload, *(signer.key for signer in first.signers))
    with pytest.raises(errors.UnreadableManifest):
        accept(envelope, first.trust_root, last=None)


@pytest.mark.parametrize(
    "change",
    [
        lambda payload: payload + b" ",
        lambda payload: payload.replace(b'"epoch":1', b'"epoch":1,"extra":1'),
        lambda payload: payload.replace(b'"epoch":1', b'"epoch":"1"'),
        lambda payload: b"not json",
        lambda payload: payload + b" " * limits.MANIFEST_BYTES,
    ],
    ids=["not canonical", "unknown field", "wrong type", "not json", "too large"],
)
def test_a_manifest_that_does_not_read_is_refused_although_it_is_signed(first: MadeEpoch, change: Any) -> None:
    envelope = seal(MANIFEST_TYPE, change(first.epoch.payload), *(signer.key for signer in first.signers))
    with pytest.raises(errors.UnreadableManifest):
        accept(envelope, first.trust_root, last=None)


# 3. The signatures.


def test_a_changed_byte_breaks_the_signatures(first: MadeEpoch) -> None:
    payload = first.epoch.payload.replace(b'"stop"', b'"allow"')
    with pytest.raises(errors.ForgedManifest):
        accept(dataclasses.replace(first.envelope, unverified_payload=payload), first.trust_root, last=None)


def test_a_bad_signature_beside_enough_good_ones_is_refused(first: MadeEpoch) -> None:
    third = make_signer("third", "NZ")
    forged = Signature(sign(MANIFEST_TYPE, b"", third.key).key_id, bytes(64))
    root = replace(first.trust_root, authorities=(*first.trust_root.authorities, third.authority))
    with pytest.raises(errors.ForgedManifest):
        accept(first.envelope.with_signature(forged), root, last=None)


def test_one_signature_is_too_few(first: MadeEpoch) -> None:
    envelope = dataclasses.replace(first.envelope, signatures=first.envelope.signatures[:1])
    with pytest.raises(errors.TooFewSignatures, match="aurora signed the epoch; 2 are needed"):
        accept(envelope, first.trust_root, last=None)


def test_an_authority_outside_the_trust_root_does_not_count(first: MadeEpoch) -> None:
    stranger = make_signer("stranger", "XX")
    envelope = seal(MANIFEST_TYPE, first.epoch.payload, first.signers[0].key, stranger.key)
    with pytest.raises(errors.TooFewSignatures):
        accept(envelope, first.trust_root, last=None)


def test_two_authorities_of_one_jurisdiction_are_too_few(first: MadeEpoch) -> None:
    neighbour = make_signer("neighbour", "FI")
    root = replace(first.trust_root, authorities=(*first.trust_root.authorities, neighbour.authority))
    envelope = seal(MANIFEST_TYPE, first.epoch.payload, first.signers[0].key, neighbour.key)
    with pytest.raises(errors.TooFewJurisdictions):
        accept(envelope, root, last=None)


def test_a_key_for_one_user_alone_finds_no_signatures(first: MadeEpoch) -> None:
    """The provider serves one user a manifest with a key of their own: no authority signed that."""
    own = public_key(make_keys("for one user alone"), None)
    segments = tuple(replace(entry, key=own.id) for entry in first.manifest.segments)
    manifest = replace(first.manifest, keys=(own,), segments=segments)
    provider = make_signer("provider", "XX")
    with pytest.raises(errors.TooFewSignatures):
        accept(seal(MANIFEST_TYPE, document.encode(manifest), provider.key), first.trust_root, last=None)
    copied = Envelope(MANIFEST_TYPE, document.encode(manifest), first.envelope.signatures)
    with pytest.raises(errors.ForgedManifest):
        accept(copied, first.trust_root, last=None)


# 4. to 7.


def test_another_providers_epoch_is_refused(first: MadeEpoch) -> None:
    with pytest.raises(errors.OtherProvider):
        accept(first.envelope, replace(first.trust_root, provider="other.example"), last=None)


def test_an_epoch_older_than_the_trust_root_allows_is_refused(second: MadeEpoch) -> None:
    with pytest.raises(errors.EpochTooOld):
        accept(second.envelope, replace(second.trust_root, minimum_epoch=3), last=None)


def test_an_older_epoch_is_a_rollback(first: MadeEpoch, second: MadeEpoch) -> None:
    with pytest.raises(errors.Rollback):
        accept(first.envelope, first.trust_root, last=second.manifest)


def test_another_epoch_under_the_same_number_is_refused(first: MadeEpoch) -> None:
    gentle = replace(first.manifest.policy, agreed=Actions(outgoing=Action.ALLOW, incoming=Action.ALLOW))
    other = replace(first.manifest, policy=gentle)
    with pytest.raises(errors.Equivocation):
        accept(first.seal(other), first.trust_root, last=first.manifest)


def test_an_epoch_that_does_not_follow_the_last_is_refused(first: MadeEpoch, second: MadeEpoch) -> None:
    last = replace(first.manifest, created="2026-01-06T06:00:00Z")
    with pytest.raises(errors.BrokenHistory):
        accept(second.envelope, second.trust_root, last=last)


# 5. What must fit together within a manifest, whoever signed it.


@pytest.mark.parametrize(("authorities", "jurisdictions"), [(1, 1), (2, 1), (1, 2)])
def test_a_rule_below_two_authorities_of_two_jurisdictions_is_refused(
    first: MadeEpoch, authorities: int, jurisdictions: int
) -> None:
    rule = replace(first.manifest.agreement, authorities=authorities, jurisdictions=jurisdictions)
    with pytest.raises(errors.WeakRule):
        accept(first.seal(replace(first.manifest, agreement=rule)), first.trust_root, last=None)


def _first_segment(manifest: Manifest, **changes: Any) -> Manifest:
    return replace(manifest, segments=(replace(manifest.segments[0], **changes), *manifest.segments[1:]))


def _parameters(manifest: Manifest, **changes: Any) -> Manifest:
    return replace(manifest, parameters=replace(manifest.parameters, **changes))


def _keys(manifest: Manifest, *more: Any, **changes: Any) -> Manifest:
    return replace(manifest, keys=(replace(manifest.keys[0], **changes), *more))


OLD = make_keys("old")
INCONSISTENT = {
    "the first epoch names one before it": ("only the first epoch", lambda m: replace(m, previous="0" * 64)),
    "a later epoch names none before it": ("only the first epoch", lambda m: replace(m, epoch=2)),
    "no such day": ("is not a time", lambda m: replace(m, created="2026-02-30T06:00:00Z")),
    "a key retires on no such day": ("is not a time", lambda m: _keys(m, public_key(OLD, "2026-13-01T00:00:00Z"))),
    "bands that do not fit into a hash": ("do not fit into a hash", lambda m: _parameters(m, bands=16, band_bits=40)),
    "more bands needed than there are": ("more bands are needed", lambda m: _parameters(m, bands_needed=7)),
    "a batch without room for each band": ("no room for one probe", lambda m: _parameters(m, batch=5)),
    "authorities out of order": (
        "authorities are not in ascending",
        lambda m: replace(m, authorities=m.authorities[::-1]),
    ),
    "two authorities with one key": (
        "share a key",
        lambda m: replace(
            m, authorities=(m.authorities[0], replace(m.authorities[1], public_key=m.authorities[0].public_key))
        ),
    ),
    "submissions out of order": (
        "submissions are not in ascending",
        lambda m: replace(m, submissions=m.submissions[::-1]),
    ),
    "a submission of nobody": ("of no authority", lambda m: replace(m, authorities=m.authorities[:1])),
    "no key": ("no key is named", lambda m: replace(m, keys=(), segments=())),
    "the current key retires": ("already retires", lambda m: _keys(m, retires="2027-01-01T00:00:00Z")),
    "two current keys": ("past, or current", lambda m: _keys(m, public_key(OLD, None))),
    "a key that has retired": ("past, or current", lambda m: _keys(m, public_key(OLD, "2026-01-01T00:00:00Z"))),
    "a key twice": ("a key is named twice", lambda m: _keys(m, replace(m.keys[0], retires="2027-01-01T00:00:00Z"))),
    "a key under another id": ("does not have that id", lambda m: _keys(m, id="0" * 16)),
    "a key that is no element": ("is none", lambda m: _keys(m, public="f" * 64, id=voprf.key_id(b"\xff" * 32))),
    "a list class is missing": ("each list class", lambda m: replace(m, lists=m.lists[:1])),
    "a list class twice": ("each list class", lambda m: replace(m, lists=(m.lists[0], m.lists[0]))),
    "two lists with one digest": (
        "two lists",
        lambda m: replace(m, lists=(m.lists[0], replace(m.lists[1], digest=m.lists[0].digest))),
    ),
    "too many segments": ("too many segments", lambda m: replace(m, segments=m.segments * 33)),
    "segments out of order": ("in order of list class", lambda m: replace(m, segments=m.segments[::-1])),
    "two segments with one digest": ("two segments have", lambda m: _first_segment(m, digest=m.segments[1].digest)),
    "two layers with the same items": (
        "two layers hold",
        lambda m: _first_segment(m, items_digest=m.segments[1].items_digest),
    ),
    "a segment built with another key": ("another key than the current", lambda m: _first_segment(m, key="0" * 16)),
    "a segment from an epoch to come": ("still to come", lambda m: _first_segment(m, since_epoch=2)),
    "a segment from no epoch": ("still to come", lambda m: _first_segment(m, since_epoch=0)),
    "an empty segment": ("is empty", lambda m: _first_segment(m, items=0)),
    "a segment over the limit": ("over the limit", lambda m: _first_segment(m, size=limits.SEGMENT_BYTES + 1)),
    "other counts than the list": ("the segments hold", lambda m: _first_segment(m, items=10)),
}


@pytest.mark.parametrize(("reason", "change"), INCONSISTENT.values(), ids=INCONSISTENT.keys())
def test_a_manifest_that_contradicts_itself_is_refused(first: MadeEpoch, reason: str, change: Any) -> None:
    with pytest.raises(errors.InconsistentManifest, match=reason):
        accept(first.seal(change(first.manifest)), first.trust_root, last=None)


def test_the_changes_above_are_refused_for_what_they_change(first: MadeEpoch) -> None:
    """The manifest that they all start from is accepted, also once it went through `replace`."""
    assert accept(first.seal(replace(first.manifest, created=CREATED)), first.trust_root, last=None)


# What the caller still owes.


def test_another_filter_under_the_same_key_is_refused(first: MadeEpoch) -> None:
    entry, other = first.manifest.segments
    check_segment(entry, first.segments[entry.digest])
    with pytest.raises(errors.SegmentMismatch):
        check_segment(entry, first.segments[other.digest])
    with pytest.raises(errors.SegmentMismatch):
        check_segment(entry, first.segments[entry.digest][:-1])
    with pytest.raises(errors.SegmentMismatch):
        check_segment(entry, first.segments[entry.digest] + bytes(1))


def test_a_trust_root_asks_for_two_of_two_at_least(first: MadeEpoch) -> None:
    for field in ("signatures", "jurisdictions"):
        weak = document.encode(replace(first.trust_root, **{field: 1}))
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(weak, type=TrustRoot)
