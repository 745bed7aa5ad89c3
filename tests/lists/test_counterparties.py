"""The documents and signatures, checked by programs that nobody here wrote."""

from __future__ import annotations

import hashlib
import json

import pytest
import rfc8785
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import CryptoSigner, Key, SSlibKey

from harness.epochs import MadeEpoch, Signer, make_epoch, make_hashes
from tutela.lists import submission
from tutela.lists.acceptance import accept
from tutela.lists.submission import Chain
from tutela.wire import document, envelope
from tutela.wire.manifest import MANIFEST_TYPE
from tutela.wire.submission import Item


@pytest.fixture(scope="module")
def first() -> MadeEpoch:
    return make_epoch(make_hashes(5), attested=make_hashes(2, "feed"))


def their_key(signer: Signer) -> Key:
    """A signer's public key, under our name for it."""
    name = envelope.key_id(signer.key.public_key())
    return SSlibKey(name, "ed25519", "ed25519", {"public": signer.authority.public_key})


def test_securesystemslib_verifies_our_manifests(first: MadeEpoch) -> None:
    theirs = TheirEnvelope.from_dict(json.loads(envelope.encode(first.envelope)))
    keys = [their_key(signer) for signer in first.signers]
    accepted = theirs.verify(keys, threshold=2)
    assert sorted(accepted) == sorted(key.keyid for key in keys)
    assert theirs.payload == first.epoch.payload


def test_securesystemslib_refuses_what_we_refuse(first: MadeEpoch) -> None:
    told = json.loads(envelope.encode(first.envelope))
    told["payloadType"] = "application/vnd.tutela.other+json"
    keys = [their_key(signer) for signer in first.signers]
    with pytest.raises((VerificationError, UnverifiedSignatureError)):
        TheirEnvelope.from_dict(told).verify(keys, threshold=2)


def test_securesystemslib_verifies_our_submissions(first: MadeEpoch) -> None:
    signer = first.signers[0]
    signed = first.submissions[signer.authority.id][0]
    theirs = TheirEnvelope.from_dict(json.loads(envelope.encode(signed)))
    assert theirs.verify([their_key(signer)], threshold=1)


def test_we_accept_a_manifest_that_securesystemslib_signed(first: MadeEpoch) -> None:
    theirs = TheirEnvelope(first.epoch.payload, MANIFEST_TYPE, {})
    for signer in first.signers:
        theirs.sign(CryptoSigner(signer.key, their_key(signer)))
    ours = envelope.decode(json.dumps(theirs.to_dict()).encode())
    assert accept(ours, first.trust_root, last=None) == first.manifest


def test_we_take_a_submission_that_securesystemslib_signed(first: MadeEpoch) -> None:
    signer = first.signers[0]
    empty = Chain(signer.authority, first.settings.provider)
    made = empty.next(created="2026-01-01T00:00:00Z", vouched=[Item(pdq="0" * 64, quality=90)])
    theirs = TheirEnvelope(document.encode(made), "application/vnd.tutela.submission.v1+json", {})
    theirs.sign(CryptoSigner(signer.key, their_key(signer)))
    ours = envelope.decode(json.dumps(theirs.to_dict()).encode())
    chain = submission.extend(empty, ours, first.settings.agreement)
    assert chain.head is not None
    assert chain.head.number == 1


def test_documents_are_in_the_canonical_form_of_rfc_8785(first: MadeEpoch) -> None:
    payloads = [first.epoch.payload, document.encode(first.trust_root)]
    payloads += [one.unverified_payload for chain in first.submissions.values() for one in chain]
    payloads.append(
        document.encode(Chain(first.signers[0].authority, "p.example").next(created="2026-01-01T00:00:00Z"))
    )
    for payload in payloads:
        assert rfc8785.dumps(json.loads(payload)) == payload


def test_names_in_any_script_are_canonical_too(first: MadeEpoch) -> None:
    item = Item(pdq="0" * 64, quality=90, verified_by=('Ünïcode "Board" \u2028 \\ 児童 \U0001f9f8 \x7f', "b\x01\t/"))
    payload = document.encode(item)
    assert rfc8785.dumps(json.loads(payload)) == payload


def test_the_digests_are_plain_sha256_of_the_files(first: MadeEpoch) -> None:
    for bound in first.manifest.lists:
        assert hashlib.sha256(first.epoch.lists[bound.list_class]).hexdigest() == bound.digest
    for layer in first.epoch.built:
        assert hashlib.sha256(layer.items).hexdigest() == layer.entry.items_digest
        assert hashlib.sha256(layer.segment).hexdigest() == layer.entry.digest
