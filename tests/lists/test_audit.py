"""What a list authority refuses to sign: every way in which an epoch may not follow from the submissions."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.epochs import CREATED, SIGNERS, EpochInMemory, MadeEpoch, make_epoch, make_hashes, make_keys, make_signer
from tutela.lists import canonical, errors
from tutela.lists.audit import Audit, audit
from tutela.lists.changes import changes_between
from tutela.lists.evaluation import Evaluation, evaluate, inputs_of
from tutela.lists.keys import KeyRing, public_key
from tutela.matching import fuse, voprf
from tutela.matching.shield import scheme_of
from tutela.wire import document
from tutela.wire.envelope import key_id
from tutela.wire.manifest import Action, Actions, Manifest, SegmentEntry
from tutela.wire.segment import Segment
from tutela.wire.submission import ListClass

LATER, LATEST = "2026-01-12T06:00:00Z", "2026-01-19T06:00:00Z"
replace = msgspec.structs.replace
FEED = make_hashes(3, "feed")
SINGLE = make_hashes(2, "single")


@pytest.fixture(scope="module")
def first() -> MadeEpoch:
    return make_epoch(make_hashes(20), attested=FEED, single=SINGLE)


@pytest.fixture(scope="module")
def second(first: MadeEpoch) -> MadeEpoch:
    return make_epoch(make_hashes(22), attested=FEED, single=SINGLE, created=LATER, previous=first)


def check(
    made: MadeEpoch,
    before: MadeEpoch | None,
    /,
    *,
    files: EpochInMemory | None = None,
    held: Any = None,
    **changes: Any,
) -> Audit:
    """Audit `made` with some fields of its manifest changed."""
    manifest = replace(made.manifest, **changes)
    return audit(document.encode(manifest), files or made.files, held or made.held(before))


# What holds.


def test_an_honest_epoch_holds(first: MadeEpoch) -> None:
    found = check(first, None)
    assert found.manifest == first.manifest
    assert found.payload == first.epoch.payload
    assert found.left_out == ()
    assert (found.layers_rebuilt, found.layers_known, found.entries_verified) == (2, 0, 138)


def test_an_honest_next_epoch_holds_and_evaluates_all_layers(first: MadeEpoch, second: MadeEpoch) -> None:
    found = check(second, first)
    assert found.changes == ()
    assert (found.layers_rebuilt, found.layers_known) == (3, 0)


def test_layers_that_the_auditor_signed_are_not_evaluated_again(first: MadeEpoch, second: MadeEpoch) -> None:
    held = second.held(first, verified=frozenset(first.manifest.segments))
    found = check(second, first, held=held)
    assert (found.layers_rebuilt, found.layers_known, found.entries_verified) == (1, 2, 12)


def test_an_empty_epoch_holds() -> None:
    assert check(make_epoch(), None).entries_verified == 0


def test_progress_is_told_in_entries(first: MadeEpoch) -> None:
    told: list[tuple[int, int]] = []
    audit(
        first.epoch.payload,
        first.files,
        first.held(),
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (138, 138)


# 1. and 2. The manifest and its place.


def test_what_is_no_manifest_is_refused(first: MadeEpoch) -> None:
    with pytest.raises(errors.UnreadableManifest):
        audit(first.epoch.payload + b"\n", first.files, first.held())


def test_another_providers_epoch_is_refused(first: MadeEpoch) -> None:
    with pytest.raises(errors.OtherProvider):
        check(first, None, provider="other.example")


def test_a_manifest_that_contradicts_itself_is_refused(first: MadeEpoch) -> None:
    with pytest.raises(errors.InconsistentManifest):
        check(first, None, previous="0" * 64)


def test_a_gap_in_the_epochs_is_refused(first: MadeEpoch, second: MadeEpoch) -> None:
    with pytest.raises(errors.EpochGap):
        check(second, None)
    with pytest.raises(errors.EpochGap):
        check(second, first, epoch=3)


def test_a_rollback_is_refused(first: MadeEpoch, second: MadeEpoch) -> None:
    with pytest.raises(errors.EpochReplayed, match="not after epoch 2"):
        check(first, second)
    with pytest.raises(errors.EpochReplayed):
        check(second, second)


@pytest.mark.parametrize("created", [CREATED, "2025-12-31T00:00:00Z"])
def test_an_epoch_from_before_the_one_before_is_refused(first: MadeEpoch, second: MadeEpoch, created: str) -> None:
    with pytest.raises(errors.EpochReplayed, match="made at"):
        check(second, first, created=created)


def test_another_past_is_refused(first: MadeEpoch, second: MadeEpoch) -> None:
    with pytest.raises(errors.OtherPrevious):
        check(second, first, previous="0" * 64)


# 3. and 4. The rule and the authorities.


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("agreement", {"same_item_distance": 31}),
        ("agreement", {"authorities": 3}),
        ("agreement", {"minimum_quality": 0}),
        ("parameters", {"bands_needed": 1}),
        ("parameters", {"batch": 1024}),
    ],
)
def test_another_rule_is_refused(first: MadeEpoch, field: str, changes: dict[str, int]) -> None:
    with pytest.raises(errors.OtherRule, match=field):
        check(first, None, **{field: replace(getattr(first.manifest, field), **changes)})


def test_another_schedule_is_refused(first: MadeEpoch) -> None:
    with pytest.raises(errors.OtherRule, match="merge factor"):
        check(first, None, merge_factor=2)


def test_an_authority_that_is_not_admitted_is_refused(first: MadeEpoch) -> None:
    stranger = make_signer("stranger", "XX").authority
    with pytest.raises(errors.OtherAuthorities, match="stranger, which is not admitted"):
        check(first, None, authorities=(*first.manifest.authorities, stranger))


def test_an_authority_in_another_form_is_refused(first: MadeEpoch) -> None:
    """Two authorities of one jurisdiction must not pass for two jurisdictions."""
    aurora, boreal = first.manifest.authorities
    held = first.held(authorities=(aurora, replace(boreal, jurisdiction="FI")))
    with pytest.raises(errors.OtherAuthorities, match="boreal"):
        check(first, None, held=held)


def test_a_missing_authority_is_refused(first: MadeEpoch) -> None:
    held = first.held(authorities=(*first.manifest.authorities, make_signer("zephyr", "NZ").authority))
    with pytest.raises(errors.OtherAuthorities, match="does not name zephyr"):
        check(first, None, held=held)


# 5. The submissions.


def heads(made: MadeEpoch, **changes: Any) -> tuple[Any, ...]:
    return (replace(made.manifest.submissions[0], **changes), *made.manifest.submissions[1:])


def test_fewer_submissions_than_before_are_refused(first: MadeEpoch, second: MadeEpoch) -> None:
    with pytest.raises(errors.SubmissionsDropped):
        check(second, first, submissions=second.manifest.submissions[1:])


def test_submissions_that_the_auditor_does_not_hold_are_refused(first: MadeEpoch) -> None:
    with pytest.raises(errors.SubmissionsUnknown, match="up to number 9; those held here end with 1"):
        check(first, None, submissions=heads(first, number=9))


def test_other_submissions_than_those_held_are_refused(first: MadeEpoch) -> None:
    with pytest.raises(errors.SubmissionsUnknown, match="another one"):
        check(first, None, submissions=heads(first, digest="0" * 64))


def test_a_forged_submission_is_refused(first: MadeEpoch) -> None:
    signed = first.submissions["aurora"][0]
    forged = dataclasses.replace(signed, unverified_payload=signed.unverified_payload.replace(b"2026", b"2027"))
    held = first.held(submissions={**first.submissions, "aurora": (forged,)})
    with pytest.raises(errors.ForgedSubmission):
        check(first, None, held=held)


def test_submissions_that_came_too_late_are_told(first: MadeEpoch, second: MadeEpoch) -> None:
    found = check(first, None, held=first.held(submissions=second.submissions))
    assert found.left_out == ("aurora: 1 (from number 2)", "boreal: 1 (from number 3)")


# 6. The lists.


def with_list(made: MadeEpoch, hashes: list[str], list_class: ListClass = ListClass.AGREED) -> dict[str, Any]:
    """An epoch whose list holds `hashes`, with a manifest that says so."""
    data = canonical.encode(list_class, hashes)
    lists = tuple(
        replace(one, items=len(hashes), digest=canonical.digest(data)) if one.list_class is list_class else one
        for one in made.manifest.lists
    )
    segments = tuple(
        replace(one, items=len(hashes)) if one.list_class is list_class else one for one in made.manifest.segments
    )
    files = dataclasses.replace(made.files, lists={**made.epoch.lists, list_class: data})
    return {"files": files, "lists": lists, "segments": segments}


def test_an_item_with_one_vouch_only_is_refused(first: MadeEpoch) -> None:
    with pytest.raises(errors.OneVouchOnly, match="only aurora vouches for it"):
        check(first, None, **with_list(first, [*make_hashes(20), SINGLE[0]]))


def test_an_item_that_nobody_vouches_for_is_refused(first: MadeEpoch) -> None:
    with pytest.raises(errors.UnvouchedItem):
        check(first, None, **with_list(first, [*make_hashes(20), "f" * 64]))


def test_an_attested_item_in_the_agreed_list_is_refused(first: MadeEpoch) -> None:
    with pytest.raises(errors.UnvouchedItem):
        check(first, None, **with_list(first, [*make_hashes(20), FEED[0]]))


def test_an_agreed_item_in_the_attested_list_is_refused(first: MadeEpoch) -> None:
    with pytest.raises(errors.UnvouchedItem, match="attested list"):
        check(first, None, **with_list(first, [*FEED, make_hashes(1)[0]], ListClass.ATTESTED))


def test_a_missing_item_is_refused(first: MadeEpoch) -> None:
    with pytest.raises(errors.MissingItem, match=r"lacks what the rule lists \(1 in all\)"):
        check(first, None, **with_list(first, make_hashes(20)[1:]))


def test_a_withdrawal_that_was_ignored_is_refused(first: MadeEpoch) -> None:
    """Aurora withdraws an item, and the provider leaves it in: the epoch rests on the submission and breaks it."""
    honest = make_epoch(make_hashes(19), attested=FEED, single=SINGLE, created=LATER, previous=first)
    with pytest.raises(errors.UnvouchedItem):
        check(honest, first, **with_list(honest, make_hashes(20)))


def test_a_list_file_that_is_not_canonical_is_refused(first: MadeEpoch) -> None:
    files = dataclasses.replace(first.files, lists={**first.epoch.lists, ListClass.AGREED: b"whatever"})
    with pytest.raises(errors.ListMismatch, match="not canonical"):
        check(first, None, files=files)


def test_another_list_digest_is_refused(first: MadeEpoch) -> None:
    lists = (replace(first.manifest.lists[0], digest="0" * 64), first.manifest.lists[1])
    with pytest.raises(errors.ListMismatch, match="binds another agreed list"):
        check(first, None, lists=lists)


# 7. The keys.


def test_a_key_that_vanishes_is_refused(first: MadeEpoch) -> None:
    quietly = make_epoch(
        make_hashes(20),
        attested=FEED,
        single=SINGLE,
        created=LATER,
        previous=first,
        key_ring=KeyRing(make_keys("another")),
    )
    with pytest.raises(errors.KeyHistory, match="vanished"):
        check(quietly, first)


def test_a_key_that_retires_without_having_been_is_refused(first: MadeEpoch, second: MadeEpoch) -> None:
    stranger = public_key(make_keys("stranger"), LATEST)
    for made, previous in ((first, None), (second, first)):
        with pytest.raises(errors.KeyHistory, match="without ever"):
            check(made, previous, keys=(*made.manifest.keys, stranger))


@pytest.fixture(scope="module")
def rotated(first: MadeEpoch) -> MadeEpoch:
    ring = first.key_ring.rotated(make_keys("second"), retires=LATEST)
    return make_epoch(make_hashes(20), attested=FEED, created=LATER, previous=first, key_ring=ring)


def test_a_key_that_answers_longer_than_published_is_refused(rotated: MadeEpoch) -> None:
    longer = dataclasses.replace(
        rotated.key_ring,
        retiring=(dataclasses.replace(rotated.key_ring.retiring[0], retires="2026-02-01T00:00:00Z"),),
    )
    third = make_epoch(make_hashes(20), attested=FEED, created=LATEST, previous=rotated, key_ring=longer)
    with pytest.raises(errors.KeyHistory, match="not later"):
        check(third, rotated)


def test_a_key_that_comes_back_is_refused(rotated: MadeEpoch, first: MadeEpoch) -> None:
    back = KeyRing(first.keys).rotated(make_keys("x"), retires=LATEST)
    back = dataclasses.replace(back, current=first.keys, retiring=())
    third = make_epoch(make_hashes(20), attested=FEED, created=LATEST, previous=rotated, key_ring=back)
    with pytest.raises(errors.KeyHistory, match="not later"):
        check(third, rotated)


def test_another_key_under_the_id_of_the_one_before_is_refused(
    first: MadeEpoch, second: MadeEpoch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids are eight bytes: whoever searches long enough finds two keys with one id."""
    monkeypatch.setattr(voprf, "key_id", lambda _: first.manifest.keys[0].id)
    key = replace(second.manifest.keys[0], public=make_keys("twin").public.hex())
    with pytest.raises(errors.KeyHistory, match="another key goes by the id"):
        check(second, first, keys=(key,))


# 8. The layers.


def test_a_layer_too_few_is_refused(first: MadeEpoch, second: MadeEpoch) -> None:
    """The provider merges where the schedule does not, which would cost every device a whole download."""
    merged = make_epoch(make_hashes(22), attested=FEED, single=SINGLE, created=LATER)
    assert len(merged.manifest.segments) == 2
    manifest = replace(second.manifest, segments=merged.manifest.segments)
    with pytest.raises(errors.ScheduleViolated, match="layers is 2; from the epoch before follow 3"):
        audit(document.encode(manifest), merged.files, second.held(first))


def segments_with(made: MadeEpoch, place: int, **changes: Any) -> tuple[SegmentEntry, ...]:
    segments = list(made.manifest.segments)
    segments[place] = replace(segments[place], **changes)
    return tuple(segments)


def test_items_in_another_layer_are_refused(first: MadeEpoch, second: MadeEpoch) -> None:
    segments = list(second.manifest.segments)
    segments[0], segments[1] = replace(segments[0], items=21), replace(segments[1], items=1)
    with pytest.raises(errors.ScheduleViolated):
        check(second, first, segments=tuple(segments))


@pytest.mark.parametrize(("place", "changes"), [(1, {"since_epoch": 1}), (1, {"items_digest": "0" * 64})])
def test_a_layer_that_says_something_else_of_itself_is_refused(
    first: MadeEpoch, second: MadeEpoch, place: int, changes: dict[str, Any]
) -> None:
    with pytest.raises(errors.ScheduleViolated, match="stands where one"):
        check(second, first, segments=segments_with(second, place, **changes))


def test_another_file_for_a_layer_that_did_not_change_is_refused(first: MadeEpoch, second: MadeEpoch) -> None:
    with pytest.raises(errors.ScheduleViolated, match="did not change"):
        check(second, first, segments=segments_with(second, 0, digest="0" * 64))


# 9. to 11. The filters.


def with_filter(made: MadeEpoch, data: bytes, **evaluation: bytes) -> dict[str, Any]:
    """An epoch whose first filter is `data`, with a manifest that binds it."""
    old = made.manifest.segments[0]
    entry = replace(old, digest=canonical.digest(data), size=len(data))
    files = dataclasses.replace(
        made.files,
        segments={**made.segments, entry.digest: data},
        evaluations={**made.evaluations, entry.digest: evaluation.get("evaluation", made.evaluations[old.digest])},
    )
    return {"files": files, "segments": (entry, *made.manifest.segments[1:])}


def outputs(made: MadeEpoch, hashes: list[str]) -> Any:
    inputs = inputs_of(hashes, scheme_of(made.manifest.parameters))
    return evaluate(made.keys, inputs)[1]


def test_a_segment_file_that_the_manifest_does_not_bind_is_refused(first: MadeEpoch) -> None:
    entry = first.manifest.segments[0]
    for data in (first.segments[entry.digest] + bytes(4), first.segments[first.manifest.segments[1].digest]):
        files = dataclasses.replace(first.files, segments={**first.segments, entry.digest: data})
        with pytest.raises(errors.SegmentMismatch):
            check(first, None, files=files)


def test_an_extra_entry_in_a_filter_is_refused(first: MadeEpoch) -> None:
    more = fuse.build(np.concatenate([outputs(first, make_hashes(20)), outputs(first, ["f" * 64])[:1]]))
    with pytest.raises(errors.ExtraEntry, match="holds 121 entries; its items have 120"):
        check(first, None, **with_filter(first, more.encode()))


def test_an_extra_entry_that_hides_in_the_count_is_refused(first: MadeEpoch) -> None:
    more = fuse.build(np.concatenate([outputs(first, make_hashes(20)), outputs(first, ["f" * 64])[:1]]))
    hidden = dataclasses.replace(more, entries=120)
    with pytest.raises(errors.FilterMismatch):
        check(first, None, **with_filter(first, hidden.encode()))


def test_a_missing_entry_in_a_filter_is_refused(first: MadeEpoch) -> None:
    fewer = fuse.build(outputs(first, make_hashes(20))[1:])
    with pytest.raises(errors.MissingEntry):
        check(first, None, **with_filter(first, fewer.encode()))


def test_an_entry_swapped_for_another_is_refused(first: MadeEpoch) -> None:
    swapped = fuse.build(np.concatenate([outputs(first, make_hashes(20))[1:], outputs(first, ["f" * 64])[:1]]))
    assert swapped.entries == 120
    with pytest.raises(errors.MissingEntry):
        check(first, None, **with_filter(first, swapped.encode()))


def test_another_filter_of_the_same_entries_is_refused(first: MadeEpoch) -> None:
    """Filters are deterministic: another one could mark a device, even if it answers alike."""
    honest = Segment.decode(first.segments[first.manifest.segments[0].digest])
    free = honest.fingerprints.copy()
    for place in range(len(free)):
        marked = free.copy()
        marked[place] ^= 1
        candidate = dataclasses.replace(honest, fingerprints=marked)
        if fuse.contains(candidate, outputs(first, make_hashes(20))).all():
            break
    with pytest.raises(errors.FilterMismatch):
        check(first, None, **with_filter(first, candidate.encode()))


def test_a_filter_that_does_not_read_as_one_is_refused(first: MadeEpoch) -> None:
    with pytest.raises(errors.FilterMismatch, match="does not read"):
        check(first, None, **with_filter(first, b"whatever"))


def test_a_filter_made_with_another_key_than_the_manifests_is_refused(first: MadeEpoch) -> None:
    """With its own evaluations, honestly named; and under the manifest's name."""
    other = make_keys("for one user alone")
    made, entries = evaluate(other, inputs_of(make_hashes(20), scheme_of(first.manifest.parameters)))
    data = fuse.build(entries).encode()
    with pytest.raises(errors.OtherKey):
        check(first, None, **with_filter(first, data, evaluation=made.encode()))
    lying = dataclasses.replace(made, public=first.keys.public)
    with pytest.raises(errors.WrongProof):
        check(first, None, **with_filter(first, data, evaluation=lying.encode()))


def test_a_manifest_that_names_another_key_is_refused(first: MadeEpoch) -> None:
    other = public_key(make_keys("other"), None)
    segments = tuple(replace(entry, key=other.id) for entry in first.manifest.segments)
    with pytest.raises(errors.OtherKey):
        check(first, None, keys=(other,), segments=segments)


def test_a_wrong_proof_is_refused(first: MadeEpoch) -> None:
    entry = first.manifest.segments[0]
    made = Evaluation.decode(first.evaluations[entry.digest])
    (elements, proof), *_ = made.batches
    wrong = dataclasses.replace(made, batches=((elements, proof[:-1] + bytes([proof[-1] ^ 1])),))
    files = dataclasses.replace(first.files, evaluations={**first.evaluations, entry.digest: wrong.encode()})
    with pytest.raises(errors.WrongProof):
        check(first, None, files=files)


@pytest.mark.parametrize("hashes", [19, 21])
def test_evaluations_of_other_entries_are_refused(first: MadeEpoch, hashes: int) -> None:
    entry = first.manifest.segments[0]
    made, _ = evaluate(first.keys, inputs_of(make_hashes(hashes), scheme_of(first.manifest.parameters)))
    files = dataclasses.replace(first.files, evaluations={**first.evaluations, entry.digest: made.encode()})
    with pytest.raises(errors.MalformedEvaluation):
        check(first, None, files=files)


# What is reported.


def test_a_policy_that_changes_silently_is_reported(first: MadeEpoch, second: MadeEpoch) -> None:
    gentle = replace(first.manifest.policy, agreed=Actions(outgoing=Action.ALLOW, incoming=Action.STOP))
    found = check(second, first, policy=gentle)
    assert "the policy changes: agreed.outgoing from stop to allow" in found.changes
    assert "the policy differs from list.json: agreed.outgoing from stop to allow" in found.changes


def test_a_rule_for_childrens_conversations_that_changes_silently_is_reported(
    first: MadeEpoch, second: MadeEpoch
) -> None:
    child, *teens = first.manifest.policy.conversations
    louder = replace(first.manifest.policy, conversations=(replace(child, may_switch_off=True), *teens[1:]))
    changes = check(second, first, policy=louder).changes
    on, off = "tip at first, nudge at most, stays on", "tip at first, nudge at most, may be switched off"
    assert f"the policy changes: conversations.a child (everywhere else) from {on} to {off}" in changes
    was = "tip at first, warning at most, may be switched off"
    assert f"the policy changes: conversations.a teen (BE) from {was} to None" in changes
    none = replace(first.manifest.policy, conversations=msgspec.UNSET)
    assert len([one for one in check(second, first, policy=none).changes if "conversations.a " in one]) == 20


def test_a_rule_that_changes_with_everybodys_knowledge_is_reported(first: MadeEpoch) -> None:
    stricter = replace(first.settings, agreement=replace(first.settings.agreement, same_item_distance=10))
    second = make_epoch(make_hashes(20), attested=FEED, created=LATER, previous=first)
    found = check(second, first, held=second.held(first, settings=stricter), agreement=stricter.agreement)
    assert found.changes == ("the rule changes: same_item_distance from 15 to 10",)


def test_authorities_that_join_leave_or_change_are_reported(first: MadeEpoch) -> None:
    aurora, boreal = first.manifest.authorities
    before = replace(first.manifest, authorities=(aurora, boreal))
    after = replace(
        first.manifest, authorities=(replace(aurora, jurisdiction="SE"), make_signer("zephyr", "NZ").authority)
    )
    assert changes_between(before, after, first.settings) == (
        "an authority joins: zephyr is Zephyr, of NZ, with the key id 99ca298ea25f801d7c499a120f6f4711",
        "the authority boreal (CA) leaves",
        "the authority aurora changes: jurisdiction from FI to SE",
    )


def test_everything_in_a_first_epoch_is_a_change(first: MadeEpoch) -> None:
    """There is none before to compare with, so a person must look at whom the provider admitted, and at the rule."""
    key_ids = [key_id(signer.key.public_key()) for signer in SIGNERS]
    assert check(first, None).changes == (
        "it is the first epoch: compare all that follows with what you know and agreed to",
        f"the authority aurora is Aurora, of FI, with the key id {key_ids[0]}",
        f"the authority boreal is Boreal, of CA, with the key id {key_ids[1]}",
        "the rule: authorities 2, jurisdictions 2, same_item_distance 15, minimum_quality 50",
        "the parameters: bands 6, band_bits 40, bands_needed 2, batch 288",
        "the policy: mode shield, agreed.outgoing stop, agreed.incoming stop, attested.outgoing warn, "
        "attested.incoming warn, unchecked.outgoing warn, unchecked.incoming warn, cover_checks_per_day 6, "
        "checks_per_hour 300",
        "the merge schedule: 4",
        "the policy for conversations of a child (everywhere else): tip at first, nudge at most, stays on",
        "the policy for conversations of a teen (BE, EE, FI, GB, LV, MT, PT, SE, US): "
        "tip at first, warning at most, may be switched off",
        f"the key is {first.manifest.keys[0].id}",
    )


def test_the_signers_of_these_tests_are_of_two_jurisdictions() -> None:
    assert len({signer.authority.jurisdiction for signer in SIGNERS}) == 2


def test_a_manifest_is_what_is_signed(first: MadeEpoch) -> None:
    assert document.decode(first.epoch.payload, Manifest, limit=1 << 20) == first.manifest
