"""Looking is counted and ends in time. Notes, and who looks after a case."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.provider import Stage
from harness.review import ADA, ADMIN, AUDITOR, BOB, PAT, SUSPEND, Review
from tutela.provider.errors import EnoughForNow, NotAllowed, StaleCase, UnknownCase, WrongNote
from tutela.provider.review import audit, notes
from tutela.provider.review.assigning import Assignments
from tutela.provider.review.notes import Notes
from tutela.provider.review.people import Person
from tutela.provider.review.policy import Wellness
from tutela.provider.review.wellness import LONGEST, Exposures, Shift

RULES = Wellness(views=10, seconds=60, seconds_until_break=20, break_minutes=15)


@pytest.fixture
def review(stage: Stage) -> Iterator[Review]:
    review = Review(stage)
    review.hire(ADA, BOB, PAT)
    review.report()
    yield review
    audit.verify(stage.provider.database)


@pytest.fixture
def exposures(review: Review) -> Exposures:
    return Exposures(review.stage.provider.database, review.stage.clock, RULES)


def look(review: Review, exposures: Exposures, seconds: float, person: Person = ADA) -> Shift:
    """Look at a picture for so long."""
    exposures.begin(person)
    review.stage.clock.forward(seconds=seconds)
    exposures.end(person, seconds)
    return exposures.shift(person)


def test_nobody_has_looked_yet(exposures: Exposures) -> None:
    assert exposures.shift(ADA) == Shift(0, 0, 0, 10, 60, 20, None)
    exposures.end(ADA, 5)
    assert exposures.shift(ADA).seconds == 0


def test_views_and_seconds_count(review: Review, exposures: Exposures) -> None:
    look(review, exposures, 3)
    shift = look(review, exposures, 4)

    assert (shift.views, shift.seconds, shift.since_break) == (2, 7, 7)
    assert (shift.views_left, shift.seconds_left, shift.until_break) == (8, 53, 13)
    assert exposures.shift(BOB).views == 0


def test_a_view_that_nobody_ends_counts_the_least(exposures: Exposures) -> None:
    exposures.begin(ADA)

    assert exposures.shift(ADA).seconds == 1


def test_a_view_is_never_longer_than_it_can_have_been(review: Review, exposures: Exposures) -> None:
    exposures.begin(ADA)
    review.stage.clock.forward(seconds=2)
    exposures.end(ADA, 10_000)
    assert exposures.shift(ADA).seconds == 2
    exposures.end(ADA, 10_000)  # said twice: no time has passed since
    assert exposures.shift(ADA).seconds == 2
    exposures.begin(ADA)
    review.stage.clock.forward(seconds=3600)
    exposures.end(ADA, 10_000)
    assert exposures.shift(ADA).seconds == 2 + LONGEST


def test_a_break_is_due_and_ends(review: Review, exposures: Exposures) -> None:
    look(review, exposures, 20)

    with pytest.raises(EnoughForNow, match="break") as caught:
        exposures.begin(ADA)
    assert caught.value.retry_after == 15 * 60
    assert "colleague" in (caught.value.hint or "")
    exposures.begin(BOB)
    review.stage.clock.forward(seconds=15 * 60 - 1)
    with pytest.raises(EnoughForNow) as caught:
        exposures.begin(ADA)
    assert caught.value.retry_after == 1
    review.stage.clock.forward(seconds=1)
    assert exposures.begin(ADA).since_break == 1


def test_asking_during_a_break_does_not_make_it_longer(review: Review, exposures: Exposures) -> None:
    look(review, exposures, 20)
    for _ in range(3):
        review.stage.clock.forward(seconds=5 * 60)
        shift = exposures.shift(ADA)
        if shift.rests_until is not None:
            with pytest.raises(EnoughForNow):
                exposures.begin(ADA)

    assert exposures.shift(ADA).rests_until is None


def test_time_without_looking_is_a_break(review: Review, exposures: Exposures) -> None:
    look(review, exposures, 19)
    review.stage.clock.forward(seconds=15 * 60)

    assert look(review, exposures, 19).since_break == 19


def test_the_days_seconds_end(review: Review, exposures: Exposures) -> None:
    for _ in range(3):
        look(review, exposures, 20)
        review.stage.clock.forward(seconds=15 * 60)

    assert exposures.shift(ADA).over
    with pytest.raises(EnoughForNow, match="today") as caught:
        exposures.begin(ADA)
    # It is 12:46 in the tests' afternoon.
    assert caught.value.retry_after == 11 * 3600 + 14 * 60
    review.stage.clock.forward(seconds=caught.value.retry_after)
    assert exposures.begin(ADA).views == 1


def test_the_days_views_end(review: Review, exposures: Exposures) -> None:
    for _ in range(10):
        exposures.begin(ADA)

    with pytest.raises(EnoughForNow, match="today"):
        exposures.begin(ADA)


def test_midnight_is_no_break(review: Review, exposures: Exposures) -> None:
    review.stage.clock.forward(seconds=12 * 3600 - 25)
    look(review, exposures, 20)
    review.stage.clock.forward(seconds=10)

    shift = exposures.shift(ADA)
    assert (shift.views, shift.seconds, shift.since_break) == (0, 0, 20)
    with pytest.raises(EnoughForNow, match="break"):
        exposures.begin(ADA)


@pytest.mark.parametrize("person", [ADMIN, AUDITOR], ids=lambda p: p.role)
def test_who_sees_no_cases_looks_at_nothing(exposures: Exposures, person: Person) -> None:
    with pytest.raises(NotAllowed):
        exposures.begin(person)


# Notes


@pytest.fixture
def book(review: Review) -> Notes:
    return Notes(review.stage.provider.database, review.stage.clock, review.decisions.random)


def test_a_note_is_kept_and_logged_by_its_digest(review: Review, book: Notes) -> None:
    version = review.case().version
    written = book.write(PAT, 1, "He used this trick before.")

    with review.stage.provider.database.reading() as connection:
        assert notes.of_case(connection, 1) == [written]
        entry = audit.of_case(connection, 1)[-1].entry
    assert (entry.event, entry.by) == ("noted", "pat")
    assert entry.digest is not None
    assert "trick" not in str(entry)
    assert review.case().version == version


@pytest.mark.parametrize("text", ["", " \n", "x" * 4001], ids=["empty", "blank", "long"])
def test_a_note_has_some_words_and_not_too_many(review: Review, book: Notes, text: str) -> None:
    with pytest.raises(WrongNote):
        book.write(ADA, 1, text)
    with pytest.raises(UnknownCase):
        book.write(ADA, 2, "x")
    assert review.events() == ["report-received"]


@pytest.mark.parametrize("person", [ADMIN, AUDITOR], ids=lambda p: p.role)
def test_who_writes_no_notes(book: Notes, person: Person) -> None:
    with pytest.raises(NotAllowed):
        book.write(person, 1, "x")


# Who looks after a case


@pytest.fixture
def desk(review: Review) -> Assignments:
    return Assignments(review.stage.provider.database, review.stage.clock)


def test_a_case_is_taken_and_put_back(review: Review, desk: Assignments) -> None:
    desk.take(ADA, 1, review.case().version)
    assert (review.case().assignee, review.case().assigned) == ("ada", review.stage.clock.now)
    desk.put_back(ADA, 1, review.case().version)

    assert (review.case().assignee, review.case().assigned) == (None, None)
    assert review.events() == ["report-received", "taken", "put-back"]


def test_two_take_a_case_at_once_and_one_has_it(review: Review, desk: Assignments) -> None:
    seen = review.case().version
    desk.take(ADA, 1, seen)

    with pytest.raises(StaleCase):
        desk.take(BOB, 1, seen)
    assert review.case().assignee == "ada"
    review.propose(SUSPEND)


@pytest.mark.parametrize("person", [PAT, ADMIN, AUDITOR], ids=lambda p: p.role)
def test_who_takes_no_case(review: Review, desk: Assignments, person: Person) -> None:
    with pytest.raises(NotAllowed):
        desk.take(person, 1, review.case().version)
    with pytest.raises(UnknownCase):
        desk.take(ADA, 2, 1)
