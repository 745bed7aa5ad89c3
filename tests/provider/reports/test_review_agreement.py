"""How well decisions agree: the figures, and where they come from."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.provider import SERVER, Stage
from harness.review import ADA, BOB, NOTHING, PAT, SUSPEND, WARN, Review
from tutela.provider.errors import DecisionSettled, NotAllowed, UnknownCase, UnknownSample, WrongDecision
from tutela.provider.review import audit, policy
from tutela.provider.review.agreement import agreement, by_rule, kappa, share
from tutela.provider.review.notes import Notes
from tutela.provider.review.people import Person, Role
from tutela.provider.review.policy import ActionKind, Sampling
from tutela.provider.review.sampling import Choice, Samples
from tutela.wire.report import ReportReason

CAI = Person("cai", "Cai", Role.REVIEWER, "Home")
LABELS = st.sampled_from("abc")
PAIRS = st.lists(st.tuples(LABELS, LABELS), max_size=60)


def table(*rows: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(i, j) for i, row in enumerate(rows) for j, count in enumerate(row) for _ in range(count)]


def test_the_textbooks_example() -> None:
    """Fleiss, *Statistical Methods for Rates and Proportions*, kappa 0.68, standard error 0.087."""
    found = kappa(table((75, 1, 4), (5, 4, 1), (0, 0, 10)))

    assert found is not None
    assert found.value == pytest.approx(0.676, abs=0.0005)
    assert (found.high - found.value) / 1.96 == pytest.approx(0.0877, abs=0.0005)


def test_the_standard_error_is_what_resampling_finds() -> None:
    draws = random.Random(1)
    pairs = table((53, 5, 2), (11, 14, 5), (1, 6, 3))
    found = kappa(pairs)
    values = [again.value for _ in range(800) if (again := kappa(draws.choices(pairs, k=len(pairs))))]

    assert found is not None
    mean = sum(values) / len(values)
    deviation = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
    assert (found.high - found.value) / 1.96 == pytest.approx(deviation, rel=0.1)


def test_wilsons_interval() -> None:
    """Newcombe (1998), table I: 81 of 263, and 0 of 20."""
    found, none = share(81, 263), share(0, 20)

    assert found is not None
    assert none is not None
    assert (found.low, found.high) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))
    assert (none.low, none.high) == (0, pytest.approx(0.1611, abs=5e-5))
    assert share(0, 0) is None


def test_where_chance_explains_all_there_is_no_kappa() -> None:
    assert kappa([]) is None
    assert kappa([("a", "a")] * 9) is None
    assert kappa([("a", "b")] * 9) is not None


@given(PAIRS)
def test_kappa_is_bounded_and_symmetric(pairs: list[tuple[str, str]]) -> None:
    found, turned = kappa(pairs), kappa([(b, a) for a, b in pairs])

    assert (found is None) == (turned is None)
    if found is not None and turned is not None:
        assert -1 <= found.low <= found.value <= found.high <= 1
        assert found.value == pytest.approx(turned.value)
        assert found.low == pytest.approx(turned.low, abs=1e-9)


@given(PAIRS)
def test_kappa_is_one_exactly_where_all_agree(pairs: list[tuple[str, str]]) -> None:
    found = agreement(pairs)

    if found.kappa is not None:
        assert (found.kappa.value == 1) == (found.equal == found.n)


@given(PAIRS, st.permutations("abc"))
def test_names_do_not_matter(pairs: list[tuple[str, str]], names: list[str]) -> None:
    renamed = dict(zip("abc", names, strict=True))
    found, again = kappa(pairs), kappa([(renamed[a], renamed[b]) for a, b in pairs])

    assert (found is None) == (again is None)
    if found is not None and again is not None:
        assert found.value == pytest.approx(again.value)
        assert found.high == pytest.approx(again.high)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_lies_in_its_interval(counted: tuple[int, int]) -> None:
    found = share(*counted)

    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_independent_decisions_agree_by_chance_alone() -> None:
    found = kappa([*product("abc", "abc")] * 20)

    assert found is not None
    assert found.value == pytest.approx(0)
    assert found.low < 0 < found.high


def test_by_rule() -> None:
    found = by_rule([("a", "a"), ("a", "b"), ("b", "b"), ("c", "c")])

    assert {rule: (one.n, one.equal) for rule, one in found.items()} == {"a": (4, 3), "b": (4, 3), "c": (4, 4)}


# Which cases are looked at twice


@pytest.fixture
def review(stage: Stage) -> Iterator[Review]:
    review = Review(stage)
    yield review
    audit.verify(stage.provider.database)


def samples_of(review: Review, share: float = 1.0) -> Samples:
    shipped = policy.load()
    rules = policy.Policy(
        **{name: getattr(shipped, name) for name in shipped.__struct_fields__} | {"sampling": Sampling(share=share)}
    )
    draws = random.Random(7)
    return Samples(review.stage.provider.database, review.stage.clock, draws.randbytes, rules)


def decided(review: Review, number: int, person: Person = ADA) -> None:
    """Decide a case of its own, alone."""
    review.report(about=f"@x{number}:{SERVER}", reason=ReportReason.SOMETHING_ELSE)
    review.propose(WARN, person, case=number)


WARNED = Choice("unwanted-contact", (ActionKind.WARN,))
BANNED = Choice("asking-a-child-for-pictures", (ActionKind.BAN, ActionKind.DISCLOSE))


def test_a_second_look_is_given_to_somebody_who_took_no_part(review: Review) -> None:
    samples = samples_of(review)
    decided(review, 1)

    assert samples.offer(ADA) is None
    sample = samples.offer(BOB)
    assert sample is not None
    assert (sample.case, sample.reviewer, sample.expected, sample.given) == (1, "bob", WARNED, None)
    assert samples.offer(BOB) == sample
    assert samples.offer(CAI) is None  # there is no other
    assert samples.of_case(BOB, 1) == sample.id
    assert not samples.of_case(CAI, 1)


def test_whoever_seconded_noted_or_looked_after_it_took_part(review: Review) -> None:
    samples = samples_of(review)
    review.report()
    review.second(review.propose(SUSPEND))
    Notes(review.stage.provider.database, review.stage.clock, review.decisions.random).write(CAI, 1, "I know him.")

    for person in (ADA, BOB, CAI):
        assert samples.offer(person) is None
    assert samples.offer(Person("dee", "Dee", Role.REVIEWER, "Home")) is not None


def test_open_undone_and_refused_cases_are_not_drawn(review: Review) -> None:
    samples = samples_of(review)
    review.report(reason=ReportReason.SOMETHING_ELSE)
    assert samples.offer(BOB) is None
    review.undo(review.propose(WARN))

    assert samples.offer(BOB) is None


def test_the_share_that_is_drawn(review: Review) -> None:
    samples = samples_of(review, 0.25)
    drawn = []
    for number in range(1, 9):
        decided(review, number)
        sample = samples.offer(BOB)
        if sample is not None:
            drawn.append(sample.case)
            samples.answer(BOB, sample.id, WARNED)

    assert len(drawn) == len(set(drawn)) == 2
    assert samples_of(review, 0).offer(CAI) is None


def test_every_decided_case_can_be_drawn(review: Review) -> None:
    for number in range(1, 6):
        decided(review, number)
    samples, found = samples_of(review), set()
    while (sample := samples.offer(BOB)) is not None:
        found.add(samples.answer(BOB, sample.id, WARNED).case)

    assert found == {1, 2, 3, 4, 5}


def test_an_answer_is_given_once_by_whoever_was_asked(review: Review) -> None:
    samples = samples_of(review)
    decided(review, 1)
    sample = samples.offer(BOB)
    assert sample is not None

    with pytest.raises(UnknownSample):
        samples.answer(CAI, sample.id, WARNED)
    with pytest.raises(UnknownSample):
        samples.mine(BOB, "0" * 32)
    with pytest.raises(WrongDecision):
        samples.answer(BOB, sample.id, Choice("no-breach", (ActionKind.BAN,)))
    with pytest.raises(WrongDecision):
        samples.answer(BOB, sample.id, Choice("no-breach", ()))
    assert samples.answer(BOB, sample.id, BANNED).given == Choice("asking-a-child-for-pictures", BANNED.actions)
    with pytest.raises(DecisionSettled):
        samples.answer(BOB, sample.id, WARNED)
    assert not samples.of_case(BOB, 1)
    assert review.events()[-1] == "decided-again"


def test_partners_are_given_none(review: Review) -> None:
    with pytest.raises(NotAllowed):
        samples_of(review).offer(PAT)


def test_the_order_of_actions_does_not_matter() -> None:
    assert (
        Choice("r", (ActionKind.LOCK, ActionKind.BAN)).encode()
        == Choice("r", (ActionKind.BAN, ActionKind.LOCK)).encode()
    )
    assert Choice.decode(BANNED.encode()) == BANNED


def test_the_golden_set_is_given_to_everybody_once(review: Review) -> None:
    samples = samples_of(review, 0)
    decided(review, 1)
    item = samples.mark_golden(1, BANNED)
    assert (item.golden, item.reviewer) == (True, None)

    for person in (BOB, CAI):
        sample = samples.offer(person)
        assert sample is not None
        assert (sample.golden, sample.expected, sample.reviewer) == (True, BANNED, person.id)
        samples.answer(person, sample.id, WARNED if person is BOB else BANNED)
        assert samples.offer(person) is None
    assert samples.offer(ADA) is None  # who decided it

    found = samples.agreements()
    assert (found.golden.n, found.golden.equal, found.second.n, found.waiting) == (2, 1, 0, 0)


def test_the_right_answer_can_be_corrected(review: Review) -> None:
    samples = samples_of(review, 0)
    decided(review, 1)
    first = samples.mark_golden(1, WARNED)

    assert samples.mark_golden(1, BANNED).id == first.id
    sample = samples.offer(BOB)
    assert sample is not None
    assert sample.expected == BANNED


def test_only_decided_cases_become_golden(review: Review) -> None:
    samples = samples_of(review)
    review.report()

    with pytest.raises(DecisionSettled):
        samples.mark_golden(1, WARNED)
    with pytest.raises(UnknownCase):
        samples.mark_golden(2, WARNED)
    with pytest.raises(WrongDecision):
        samples.mark_golden(1, Choice("no-breach", (ActionKind.BAN,)))


def test_what_is_measured(review: Review) -> None:
    samples = samples_of(review)
    for number in range(1, 5):
        decided(review, number)
    review.report(about=f"@y:{SERVER}", reason=ReportReason.SOMETHING_ELSE)
    review.propose(NOTHING, case=5)
    for _ in range(4):
        sample = samples.offer(BOB)
        assert sample is not None
        samples.answer(BOB, sample.id, WARNED)
    assert samples.offer(BOB) is not None

    found = samples.agreements()

    assert (found.second.n, found.waiting) == (4, 1)
    assert found.rules["unwanted-contact"].n == 4


def test_nothing_is_measured_yet(review: Review) -> None:
    found = samples_of(review).agreements()

    assert (found.second.n, found.second.share, found.second.kappa, found.rules) == (0, None, None, {})
