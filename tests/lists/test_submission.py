"""The chain of one authority's submissions, and each submission that is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.epochs import CREATED, make_hashes, make_signer
from tutela.lists import defaults, errors
from tutela.lists.submission import Chain, check, extend, replay, seal, unverified_author
from tutela.wire import document
from tutela.wire.envelope import Envelope
from tutela.wire.envelope import seal as seal_bytes
from tutela.wire.manifest import MANIFEST_TYPE
from tutela.wire.submission import SUBMISSION_TYPE, Item, ListClass, Submission

RULE = defaults.AGREEMENT
AURORA = make_signer("aurora", "FI")
BOREAL = make_signer("boreal", "CA")
LIST = "provider.example"
HASHES = sorted(make_hashes(6))
replace = msgspec.structs.replace


def items(*hashes: str, quality: int = 100, verified_by: tuple[str, ...] = ()) -> list[Item]:
    return [Item(pdq=pdq, quality=quality, verified_by=verified_by) for pdq in hashes]


def submit(chain: Chain, **what: Any) -> Chain:
    return extend(chain, seal(chain.next(created=CREATED, **what), AURORA.key), RULE)


@pytest.fixture
def empty() -> Chain:
    return Chain(AURORA.authority, LIST)


@pytest.fixture
def chain(empty: Chain) -> Chain:
    """Aurora vouches for the first two hashes."""
    return submit(empty, vouched=items(*HASHES[:2]))


def test_what_is_vouched_for_stands_until_it_is_withdrawn(chain: Chain) -> None:
    assert list(chain.standing[ListClass.AGREED]) == HASHES[:2]
    after = submit(chain, vouched=items(HASHES[2]), withdrawn=[HASHES[0]])
    assert set(after.standing[ListClass.AGREED]) == {HASHES[1], HASHES[2]}
    assert after.head is not None
    assert after.head.number == 2
    again = submit(after, vouched=items(HASHES[0]))
    assert HASHES[0] in again.standing[ListClass.AGREED]


def test_extending_leaves_the_chain_before_as_it_was(chain: Chain) -> None:
    submit(chain, withdrawn=HASHES[:2])
    assert set(chain.standing[ListClass.AGREED]) == set(HASHES[:2])


def test_each_list_class_stands_on_its_own(chain: Chain) -> None:
    feed = items(HASHES[0], verified_by=("A Board",))
    after = submit(chain, list_class=ListClass.ATTESTED, vouched=feed)
    assert list(after.standing[ListClass.ATTESTED]) == [HASHES[0]]
    with pytest.raises(errors.NotVouched):
        submit(after, list_class=ListClass.ATTESTED, withdrawn=[HASHES[1]])


def test_replaying_gives_what_extending_gave(empty: Chain) -> None:
    first = seal(empty.next(created=CREATED, vouched=items(*HASHES[:3])), AURORA.key)
    middle = extend(empty, first, RULE)
    second = seal(middle.next(created=CREATED, withdrawn=HASHES[:1]), AURORA.key)
    assert replay(Chain(AURORA.authority, LIST), [first, second]) == extend(middle, second, RULE)


# Who speaks.


def test_a_submission_of_another_authority_is_refused(empty: Chain) -> None:
    theirs = seal(Chain(BOREAL.authority, LIST).next(created=CREATED, vouched=items(*HASHES[:1])), BOREAL.key)
    assert unverified_author(theirs) == "boreal"
    with pytest.raises(errors.UnknownAuthority):
        extend(empty, theirs, RULE)


def test_another_authoritys_signature_does_not_count(empty: Chain) -> None:
    signed = seal(empty.next(created=CREATED, vouched=items(*HASHES[:1])), BOREAL.key)
    with pytest.raises(errors.UnsignedSubmission):
        extend(empty, signed, RULE)


def test_a_changed_byte_is_a_forgery(empty: Chain) -> None:
    signed = seal(empty.next(created=CREATED, vouched=items(*HASHES[:1])), AURORA.key)
    payload = signed.unverified_payload.replace(HASHES[0].encode(), HASHES[1].encode())
    with pytest.raises(errors.ForgedSubmission):
        extend(empty, dataclasses.replace(signed, unverified_payload=payload), RULE)


def test_a_submission_to_another_list_does_not_count(empty: Chain) -> None:
    """A provider that is handed a submission for one list cannot put it on another."""
    theirs = Chain(AURORA.authority, "another.example").next(created=CREATED, vouched=items(*HASHES[:1]))
    signed = seal(theirs, AURORA.key)
    for refuse in (lambda: extend(empty, signed, RULE), lambda: replay(empty, [signed]), lambda: check(empty, theirs)):
        with pytest.raises(errors.OtherList, match=r"for the list of another\.example, not for that of provider"):
            refuse()


def test_a_submission_that_names_no_list_is_refused(empty: Chain) -> None:
    payload = document.encode(empty.next(created=CREATED, vouched=items(*HASHES[:1])))
    nameless = payload.replace(b'"provider":"provider.example",', b"")
    assert nameless != payload
    with pytest.raises(errors.UnreadableSubmission, match="provider"):
        extend(empty, seal_bytes(SUBMISSION_TYPE, nameless, AURORA.key), RULE)
    with pytest.raises(errors.UnreadableSubmission):
        extend(empty, seal(replace(empty.next(created=CREATED), provider=""), AURORA.key), RULE)


# The form.


@pytest.mark.parametrize(
    "malformed",
    ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64, "0" * 63 + "\n", "0" * 64 + "\n", "０" * 64],
    ids=["empty", "short", "long", "no digits", "upper case", "line feed", "line feed after", "other digits"],
)
def test_a_malformed_hash_is_refused(empty: Chain, malformed: str) -> None:
    bad = seal(empty.next(created=CREATED, vouched=items(malformed)), AURORA.key)
    with pytest.raises(errors.UnreadableSubmission):
        extend(empty, bad, RULE)
    with pytest.raises(errors.UnreadableSubmission):
        check(empty, empty.next(created=CREATED, vouched=items(malformed)))


def test_a_document_of_another_type_is_refused(empty: Chain) -> None:
    payload = document.encode(empty.next(created=CREATED, vouched=items(*HASHES[:1])))
    with pytest.raises(errors.UnreadableSubmission):
        extend(empty, seal_bytes(MANIFEST_TYPE, payload, AURORA.key), RULE)


@pytest.mark.parametrize(
    "created", ["", "yesterday", "2026-02-30T06:00:00Z", "2026-01-05T24:00:00Z", "2026-01-05T06:00:00+00:00"]
)
def test_a_time_that_is_none_is_refused(empty: Chain, created: str) -> None:
    made = empty.next(created=created, vouched=items(*HASHES[:1]))
    with pytest.raises(errors.UnreadableSubmission):
        extend(empty, seal(made, AURORA.key), RULE)
    with pytest.raises(errors.UnreadableSubmission):
        check(empty, made)


def test_a_submission_that_is_not_canonical_is_refused(empty: Chain) -> None:
    payload = document.encode(empty.next(created=CREATED, vouched=items(*HASHES[:1])))
    with pytest.raises(errors.UnreadableSubmission):
        extend(empty, seal_bytes(SUBMISSION_TYPE, payload + b"\n", AURORA.key), RULE)
    with pytest.raises(errors.UnreadableSubmission):
        unverified_author(Envelope(SUBMISSION_TYPE, b"{}", ()))


def test_a_submission_over_the_limit_is_refused(empty: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tutela.wire.limits.SUBMISSION_ITEMS", 3)
    assert submit(empty, vouched=items(*HASHES[:3])).head is not None
    with pytest.raises(errors.UnreadableSubmission, match="more than 3"):
        submit(empty, vouched=items(*HASHES[:4]))


def test_a_submission_of_nothing_is_refused(empty: Chain) -> None:
    with pytest.raises(errors.EmptySubmission):
        submit(empty)


def test_a_duplicate_within_a_submission_is_refused(empty: Chain) -> None:
    with pytest.raises(errors.DuplicateItem):
        submit(empty, vouched=items(HASHES[0], HASHES[0]))


def test_a_hash_vouched_for_and_withdrawn_at_once_is_refused(chain: Chain) -> None:
    with pytest.raises(errors.DuplicateItem):
        submit(chain, vouched=items(HASHES[0]), withdrawn=[HASHES[0]])


@pytest.mark.parametrize("field", ["vouched", "withdrawn"])
def test_hashes_out_of_order_are_refused(chain: Chain, field: str) -> None:
    what: dict[str, Any] = {"vouched": items(*HASHES[2:4])} if field == "vouched" else {"withdrawn": HASHES[:2]}
    made = chain.next(created=CREATED, **what)
    turned = replace(made, **{field: getattr(made, field)[::-1]})
    with pytest.raises(errors.UnorderedSubmission):
        extend(chain, seal(turned, AURORA.key), RULE)


# What it says.


def test_vouching_twice_is_refused(chain: Chain) -> None:
    with pytest.raises(errors.AlreadyVouched):
        submit(chain, vouched=items(HASHES[0]))


def test_withdrawing_what_does_not_stand_is_refused(chain: Chain) -> None:
    with pytest.raises(errors.NotVouched):
        submit(chain, withdrawn=[HASHES[5]])
    with pytest.raises(errors.NotVouched):
        check(chain, chain.next(created=CREATED, withdrawn=[HASHES[5]]))


def test_a_quality_below_the_rules_minimum_is_refused(empty: Chain) -> None:
    assert submit(empty, vouched=items(HASHES[0], quality=RULE.minimum_quality)).head is not None
    with pytest.raises(errors.LowQuality):
        submit(empty, vouched=items(HASHES[0], quality=RULE.minimum_quality - 1))


def test_a_rule_made_stricter_leaves_the_past_readable(empty: Chain) -> None:
    signed = seal(empty.next(created=CREATED, vouched=items(HASHES[0], quality=60)), AURORA.key)
    stricter = replace(RULE, minimum_quality=70)
    assert HASHES[0] in replay(Chain(AURORA.authority, LIST), [signed]).standing[ListClass.AGREED]
    with pytest.raises(errors.LowQuality):
        extend(empty, signed, stricter)


def test_an_attested_item_says_who_verified_it(empty: Chain) -> None:
    with pytest.raises(errors.Unattested):
        submit(empty, list_class=ListClass.ATTESTED, vouched=items(HASHES[0]))


def test_only_an_attested_feed_says_who_verified_an_item(empty: Chain) -> None:
    with pytest.raises(errors.MisplacedAttestation):
        submit(empty, vouched=items(HASHES[0], verified_by=("A Board",)))


# Its place in the chain.


def sealed(chain: Chain, **changes: Any) -> Envelope:
    made: Submission = chain.next(created=CREATED, vouched=items(HASHES[3]))
    return seal(replace(made, **changes), AURORA.key)


def test_a_replayed_submission_is_refused(empty: Chain) -> None:
    signed = seal(empty.next(created=CREATED, vouched=items(*HASHES[:1])), AURORA.key)
    chain = extend(empty, signed, RULE)
    with pytest.raises(errors.SubmissionReplayed):
        extend(chain, signed, RULE)


def test_a_gap_is_refused(chain: Chain) -> None:
    with pytest.raises(errors.SubmissionGap):
        extend(chain, sealed(chain, number=3), RULE)


def test_another_past_is_refused(chain: Chain, empty: Chain) -> None:
    for previous in ("0" * 64, None):
        with pytest.raises(errors.SubmissionForked):
            extend(chain, sealed(chain, previous=previous), RULE)
    with pytest.raises(errors.SubmissionForked):
        extend(empty, sealed(empty, previous="0" * 64), RULE)


def test_a_dropped_submission_breaks_the_chain(empty: Chain) -> None:
    first = seal(empty.next(created=CREATED, vouched=items(HASHES[0])), AURORA.key)
    chain = extend(empty, first, RULE)
    second = seal(chain.next(created=CREATED, vouched=items(HASHES[1])), AURORA.key)
    with pytest.raises(errors.SubmissionGap):
        replay(Chain(AURORA.authority, LIST), [second])
    with pytest.raises(errors.SubmissionGap):
        replay(Chain(AURORA.authority, LIST), [second, first])


@settings(deadline=None)
@given(st.lists(st.sets(st.sampled_from(HASHES)), max_size=8))
def test_a_chain_stands_as_a_set_would(wanted: list[set[str]]) -> None:
    """Whatever an authority wants to stand after each submission, stands."""
    chain = Chain(AURORA.authority, LIST)
    stands: set[str] = set()
    for want in wanted:
        if want != stands:
            chain = submit(chain, vouched=items(*want - stands), withdrawn=stands - want)
        stands = want
        assert set(chain.standing[ListClass.AGREED]) == stands
