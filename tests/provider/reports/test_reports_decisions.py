"""Deciding: who may, with whom, in which order, and that nothing is done twice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.provider import SERVER, Stage
from harness.reports import LEO, MIA, message, picture
from harness.review import ADA, ADMIN, AUDITOR, BOB, LOCK, NOTHING, PAT, SUSPEND, WARN, Review
from tutela.provider.errors import (
    DecisionSettled,
    EnforcerError,
    EnforcerRefused,
    NamesSomebody,
    NotAllowed,
    SamePerson,
    StaleCase,
    UnknownDecision,
    WrongDecision,
)
from tutela.provider.review import audit, outbox
from tutela.provider.review.decisions import Proposal, token_digest
from tutela.provider.review.people import Person
from tutela.provider.review.policy import ActionKind
from tutela.provider.review.records import IN_FORCE, LAPSED, PROPOSED, REFUSED, UNDONE, DecisionRow
from tutela.wire.report import Addition, ReportOutcome, ReportReason, ReportState


@pytest.fixture
def room(stage: Stage) -> Iterator[Review]:
    room = Review(stage)
    yield room
    audit.verify(stage.provider.database)


async def test_one_person_warns(room: Review) -> None:
    sent = room.report(reason=ReportReason.SOMETHING_ELSE)

    decision = room.propose(WARN)

    assert decision.state == IN_FORCE
    assert not room.case().open
    assert await room.work() == [outbox.STATEMENT]
    status = room.stage.provider.reports.status(MIA, sent.id)
    assert (status.state, status.outcome, status.message) == (ReportState.DECIDED, ReportOutcome.ACTED, "Thank you.")
    assert room.events() == ["report-received", "decided", "carried-out"]


async def test_two_people_suspend(room: Review) -> None:
    room.report()

    decision = room.propose(SUSPEND)

    assert decision.state == PROPOSED
    assert room.case().open
    assert await room.work() == []
    assert room.second(decision).state == IN_FORCE
    assert await room.work() == [outbox.STATEMENT, outbox.SUSPEND]
    assert [action.target for action in room.homeserver.done] == [LEO, LEO]
    assert room.events() == ["report-received", "proposed", "seconded", "carried-out", "carried-out"]


@pytest.mark.parametrize("second", [BOB, PAT], ids=["colleague", "partner organisation"])
async def test_the_second_may_be_of_a_partner_organisation(room: Review, second: Person) -> None:
    room.report()

    assert room.second(room.propose(SUSPEND), second).settled_by == second.id


async def test_the_first_person_is_never_the_second(room: Review) -> None:
    room.report()
    decision = room.propose(SUSPEND)

    with pytest.raises(SamePerson):
        room.second(decision, ADA)

    assert room.state(decision) == PROPOSED
    assert await room.work() == []


@pytest.mark.parametrize("person", [PAT, ADMIN, AUDITOR], ids=lambda p: p.role)
def test_who_may_not_propose(room: Review, person: Person) -> None:
    room.report()

    with pytest.raises(NotAllowed):
        room.propose(SUSPEND, person)


@pytest.mark.parametrize("person", [ADMIN, AUDITOR], ids=lambda p: p.role)
def test_who_may_not_settle(room: Review, person: Person) -> None:
    room.report()
    decision = room.propose(SUSPEND)

    with pytest.raises(NotAllowed):
        room.second(decision, person)
    with pytest.raises(NotAllowed):
        room.decisions.refuse(person, decision.id, room.case().version, "no")


def test_a_child_is_not_turned_away_by_one_person(room: Review) -> None:
    room.report(reason=ReportReason.ASKED_FOR_PICTURES)
    room.report(reason=ReportReason.SOMETHING_ELSE, about=f"@other:{SERVER}")

    assert room.propose(NOTHING).state == PROPOSED
    assert room.propose(NOTHING, case=2).state == IN_FORCE


async def test_in_danger_one_person_locks_at_once_and_a_second_confirms(room: Review) -> None:
    room.report(danger_now=True)

    decision = room.propose(LOCK)

    assert decision.state == IN_FORCE
    assert room.case().open
    assert await room.work() == [outbox.STATEMENT, outbox.LOCK]
    assert "24 hours" in room.homeserver.done[0].text
    confirmed = room.second(decision)
    assert (confirmed.lapses, confirmed.settled_by) == (None, "bob")
    assert not room.case().open
    assert await room.work() == [outbox.CONFIRMATION]
    assert "does not end by itself any more" in room.homeserver.done[-1].text
    assert decision.id in room.homeserver.done[-1].text
    room.stage.clock.forward(seconds=25 * 3600)
    assert room.decisions.lapse() == 0
    assert await room.work() == []


@pytest.mark.parametrize("how", ["confirmed", "banned"])
async def test_whoever_was_not_told_that_it_ends_is_not_told_that_it_does_not(room: Review, how: str) -> None:
    room.report(danger_now=True)
    decision = room.propose(LOCK)
    if how == "confirmed":
        room.second(decision)
    else:
        ban = room.propose(Proposal((ActionKind.BAN,), "threats-and-extortion", "You threatened somebody."), BOB)
        room.second(ban, ADA)

    assert outbox.CONFIRMATION not in await room.work()
    assert all("24 hours" not in action.text for action in room.homeserver.done)


async def test_what_is_taken_back_is_not_said_to_be_confirmed(room: Review) -> None:
    room.report(danger_now=True)
    decision = room.propose(LOCK)
    await room.work()
    undoing = room.undo(room.second(decision))
    room.second(undoing)

    assert await room.work() == [outbox.UNLOCK, outbox.CORRECTION]


async def test_a_lock_that_nobody_confirms_ends_by_itself(room: Review) -> None:
    room.report(danger_now=True)
    decision = room.propose(LOCK)
    await room.work()

    room.stage.clock.forward(seconds=24 * 3600 - 1)
    assert room.decisions.lapse() == 0
    room.stage.clock.forward(seconds=1)
    assert room.decisions.lapse() == 1

    assert room.state(decision) == LAPSED
    assert await room.work() == [outbox.UNLOCK, outbox.CORRECTION]
    assert room.case().open
    assert room.decisions.lapse() == 0


def test_without_danger_a_lock_needs_two(room: Review) -> None:
    room.report()

    assert room.propose(LOCK).state == PROPOSED


async def test_what_is_decided_later_keeps_the_lock(room: Review) -> None:
    room.report(danger_now=True)
    locked = room.propose(LOCK)
    await room.work()
    banned = room.propose(Proposal((ActionKind.BAN,), "threats-and-extortion", "You threatened somebody."), BOB)
    room.second(banned, ADA)
    assert await room.work() == [outbox.CONFIRMATION, outbox.STATEMENT, outbox.LOCK]
    assert locked.id in room.homeserver.done[2].text

    room.stage.clock.forward(seconds=25 * 3600)

    assert room.decisions.lapse() == 0
    assert room.state(locked) == IN_FORCE
    undoing = room.undo(locked)
    room.second(undoing)
    assert await room.work() == [outbox.CORRECTION]  # the ban still asks for the lock


async def test_refusing_what_was_proposed(room: Review) -> None:
    room.report()
    decision = room.propose(SUSPEND)

    refused = room.decisions.refuse(BOB, decision.id, room.case().version, "There is no proof.")

    assert refused.state == REFUSED
    assert room.case().open
    assert await room.work() == []
    with pytest.raises(DecisionSettled):
        room.second(decision)


async def test_taking_back_ones_own_proposal(room: Review) -> None:
    room.report()
    decision = room.propose(SUSPEND)

    assert room.decisions.refuse(ADA, decision.id, room.case().version, "I was wrong.").state == REFUSED


async def test_refusing_what_one_person_did_at_once(room: Review) -> None:
    room.report(danger_now=True)
    decision = room.propose(LOCK)
    await room.work()

    room.decisions.refuse(BOB, decision.id, room.case().version, "It was a joke between friends.")

    assert await room.work() == [outbox.UNLOCK, outbox.CORRECTION]


@pytest.mark.parametrize(
    "proposal",
    [
        Proposal((), "no-breach", "x"),
        Proposal((ActionKind.WARN, ActionKind.WARN), "unwanted-contact", "x"),
        Proposal((ActionKind.BAN,), "unwanted-contact", "x"),
        Proposal((ActionKind.WARN,), "no-such-rule", "x"),
        Proposal((ActionKind.WARN,), "unwanted-contact", " \n"),
        Proposal((ActionKind.WARN,), "unwanted-contact", "x" * 4001),
        Proposal((ActionKind.WARN,), "unwanted-contact", "x", "y" * 4001),
    ],
    ids=["nothing", "twice", "not by this rule", "no rule", "no reasons", "long reasons", "long answer"],
)
def test_what_the_policy_does_not_allow(room: Review, proposal: Proposal) -> None:
    room.report()

    with pytest.raises(WrongDecision):
        room.propose(proposal)
    assert room.case().version == 1


@pytest.mark.parametrize(
    "reasons", [f"As {MIA} told us.", "Because Mia reported you.", "It was MIA.", "because ANNABEL said so"]
)
def test_nobody_learns_who_reported(room: Review, reasons: str) -> None:
    room.report(account=f"@annabel:{SERVER}")
    room.report()

    with pytest.raises((NamesSomebody, WrongDecision), match="who reported"):
        room.propose(Proposal((ActionKind.SUSPEND,), "child-in-danger", reasons))


def test_a_name_inside_another_word_is_no_name(room: Review) -> None:
    room.report()

    room.propose(Proposal((ActionKind.SUSPEND,), "child-in-danger", "You wrote from Miami."))


async def test_what_the_person_concerned_reads_says_all_it_must_and_nothing_of_the_reporter(room: Review) -> None:
    room.report(evidence=(message(1, "the child's secret"),), text="he scares me", account=f"@annabel:{SERVER}")
    room.second(room.propose(SUSPEND))

    await room.work()

    text = room.homeserver.done[0].text
    for part in (
        "suspended",
        "Asking a child for intimate pictures",
        "You asked a child for pictures.",
        "verify",
        "followed a report",
        "No machine found or decided",
        "https://safety.example/appeal/",
        "out-of-court",
        "Aucune machine",
    ):
        assert part in text
    for secret in ("annabel", "secret", "scares", "Ada", "ada", "bob"):
        assert secret not in text.replace("deciding", "")


async def test_a_statement_that_is_written_again_is_the_same(room: Review) -> None:
    room.report(reason=ReportReason.SOMETHING_ELSE)
    room.propose(WARN)
    room.homeserver.fail = EnforcerError("the homeserver is away")
    await room.worker.run_once()
    room.homeserver.fail = None
    room.stage.clock.forward(seconds=2)
    first = room.worker._take()
    room.stage.clock.forward(seconds=61)
    second = room.worker._take()

    assert first is not None
    assert second is not None
    assert first[0] == second[0]
    assert second[1] == 3


# Two at once


def test_a_stale_page_changes_nothing(room: Review) -> None:
    room.report()
    seen = room.case().version
    room.propose(SUSPEND)

    with pytest.raises(StaleCase):
        room.decisions.propose(BOB, 1, seen, SUSPEND)

    assert len(room.decisions.of_case(1)) == 1


def test_two_propose_at_once(room: Review) -> None:
    room.report()
    version = room.case().version

    def propose(person: Person) -> bool:
        try:
            room.decisions.propose(person, 1, version, SUSPEND)
        except StaleCase:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(propose, [ADA, BOB] * 4)) == 1
    assert len(room.decisions.of_case(1)) == 1


async def test_two_second_at_once(room: Review) -> None:
    room.report()
    decision = room.propose(SUSPEND)
    version = room.case().version

    def second(person: Person) -> bool:
        try:
            room.decisions.second(person, decision.id, version)
        except (StaleCase, DecisionSettled):
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(second, [BOB, PAT] * 4)) == 1
    assert await room.work() == [outbox.STATEMENT, outbox.SUSPEND]


def test_only_one_thing_is_proposed_at_a_time(room: Review) -> None:
    room.report()
    room.propose(SUSPEND)

    with pytest.raises(DecisionSettled):
        room.propose(WARN, BOB)


def test_a_closed_case_is_not_decided_again(room: Review) -> None:
    room.report(reason=ReportReason.SOMETHING_ELSE)
    room.propose(WARN)

    with pytest.raises(DecisionSettled):
        room.propose(WARN, BOB)


# Undo


async def test_undoing_takes_as_many_people(room: Review) -> None:
    sent = room.report()
    decision = room.second(room.propose(SUSPEND))
    await room.work()

    undoing = room.undo(decision)

    assert undoing.state == PROPOSED
    assert await room.work() == []
    with pytest.raises(SamePerson):
        room.second(undoing, ADA)
    room.second(undoing, PAT)
    assert room.state(decision) == UNDONE
    assert await room.work() == [outbox.UNSUSPEND, outbox.CORRECTION]
    assert room.case().open
    assert room.stage.provider.reports.status(MIA, sent.id).state is ReportState.IN_REVIEW
    with pytest.raises(DecisionSettled):
        room.undo(decision)


async def test_undoing_what_was_not_carried_out_yet(room: Review) -> None:
    room.report(reason=ReportReason.SOMETHING_ELSE)
    decision = room.propose(WARN)

    room.undo(decision)

    assert await room.work() == []  # nobody was told, so there is nothing to take back


@pytest.mark.parametrize(("done", "after"), [(0, []), (1, [outbox.UNSUSPEND])], ids=["told", "acted"])
async def test_undoing_what_is_under_way_waits_for_its_worker(room: Review, done: int, after: list[str]) -> None:
    room.report()
    decision = room.second(room.propose(SUSPEND))
    for _ in range(done):
        await room.worker.run_once()
    assert room.worker._take() is not None  # by a worker that died here, or is still at it
    room.second(room.undo(decision))

    assert await room.work() == []
    room.stage.clock.forward(seconds=61)
    assert await room.work() == [*after, outbox.CORRECTION]


def test_what_was_disclosed_cannot_be_undone(room: Review) -> None:
    room.report()
    decision = room.second(room.propose(Proposal((ActionKind.DISCLOSE,), "child-in-danger", "A child is in danger.")))

    with pytest.raises(WrongDecision):
        room.undo(decision)


async def test_media_are_quarantined_by_what_was_proven(room: Review) -> None:
    sent = picture(2, b"picture")
    room.report(evidence=(message(1), sent.evidence), reason=ReportReason.SAW_ABUSE)
    address = f"mxc://{SERVER}/abc"
    reasons = "A file that you sent is not allowed."
    proposal = Proposal((ActionKind.QUARANTINE_MEDIUM,), "abuse-material", reasons, media=(address,))

    decision = room.propose(proposal)

    assert await room.work() == [outbox.STATEMENT, outbox.QUARANTINE]
    assert room.homeserver.done[-1].target == f"mxc://{SERVER}/abc"
    room.undo(decision)
    assert await room.work() == [outbox.UNQUARANTINE, outbox.CORRECTION]


# Appeals


async def appealed(room: Review) -> tuple[DecisionRow, str]:
    room.report()
    decision = room.second(room.propose(SUSPEND))
    await room.work()
    text = room.homeserver.done[0].text
    token = text.split("https://safety.example/appeal/")[1].split()[0]
    return decision, token


async def test_an_appeal_that_is_refused(room: Review) -> None:
    decision, token = await appealed(room)
    room.decisions.appeal(token, "I did nothing of the kind.")
    assert room.case().open

    answered = room.decisions.answer_appeal(PAT, decision.id, room.case().version, stands=True, reasons="You did.")

    assert answered.state == IN_FORCE
    assert not room.case().open
    assert await room.work() == [outbox.CORRECTION]
    assert "It stands: You did." in room.homeserver.done[-1].text


async def test_an_appeal_that_is_granted(room: Review) -> None:
    decision, token = await appealed(room)
    room.decisions.appeal(token, "My little brother had my phone.")

    undoing = room.decisions.answer_appeal(PAT, decision.id, room.case().version, stands=False, reasons="That is so.")

    assert undoing.state == PROPOSED
    room.second(undoing, BOB)
    assert room.state(decision) == UNDONE
    assert await room.work() == [outbox.UNSUSPEND, outbox.CORRECTION]


@pytest.mark.parametrize("person", [ADA, BOB], ids=["who proposed", "who seconded"])
async def test_nobody_judges_an_appeal_against_their_own_decision(room: Review, person: Person) -> None:
    decision, token = await appealed(room)
    room.decisions.appeal(token, "I did nothing of the kind.")

    with pytest.raises(SamePerson):
        room.decisions.answer_appeal(person, decision.id, room.case().version, stands=True, reasons="You did.")


async def test_one_appeal_and_no_more(room: Review) -> None:
    decision, token = await appealed(room)
    with pytest.raises(DecisionSettled):
        room.decisions.answer_appeal(PAT, decision.id, room.case().version, stands=True, reasons="There is none.")
    room.decisions.appeal(token, "I did nothing of the kind.")

    with pytest.raises(DecisionSettled):
        room.decisions.appeal(token, "Once more.")
    with pytest.raises(UnknownDecision):
        room.decisions.appeal(token[:-1] + ("A" if token[-1] != "A" else "B"), "A guess.")
    with pytest.raises(WrongDecision):
        room.decisions.appeal(token, "")


def test_an_appeals_token_is_kept_as_a_digest_only() -> None:
    assert token_digest("one") != token_digest("two")
    assert "one" not in token_digest("one")


# After the decision


async def test_an_addition_opens_a_decided_case_again(room: Review) -> None:
    sent = room.report(reason=ReportReason.SOMETHING_ELSE)
    room.propose(NOTHING)
    assert not room.case().open

    room.stage.provider.reports.add(MIA, sent.id, Addition(id="a" * 64, text="He did it again.", danger_now=True))

    case = room.case()
    assert case.open
    assert case.urgency == 0


def test_bad_faith_is_remembered_and_can_be_undone(room: Review) -> None:
    sent = room.report(reason=ReportReason.SOMETHING_ELSE)
    made_up = Proposal((ActionKind.NO_ACTION,), "no-breach", "It was made up.", bad_faith=frozenset({sent.id}))
    decision = room.propose(made_up)
    assert decision.bad_faith == (sent.id,)

    room.undo(decision)

    assert room.case().open


# Carrying out


async def test_an_action_that_fails_is_tried_again_later(room: Review) -> None:
    room.report()
    room.second(room.propose(SUSPEND))
    room.homeserver.fail = EnforcerError("the homeserver is away")

    assert await room.worker.run_once()
    assert not await room.worker.run_once()  # the next one waits for this one
    room.homeserver.fail = None
    room.stage.clock.forward(seconds=0.999)
    assert not await room.worker.run_once()
    room.stage.clock.forward(seconds=0.001)
    assert await room.work() == [outbox.STATEMENT, outbox.SUSPEND]


async def test_an_action_that_can_never_be_done_does_not_stop_the_next(room: Review) -> None:
    room.report()
    room.second(room.propose(SUSPEND))
    room.homeserver.fail = EnforcerRefused("no such account here")
    await room.worker.run_once()
    room.homeserver.fail = None

    assert await room.work() == [outbox.SUSPEND]
    assert "could-not-be-carried-out" in room.events()


async def test_a_worker_that_dies_half_way_is_replaced(room: Review) -> None:
    room.report()
    room.second(room.propose(SUSPEND))
    taken = room.worker._take()
    assert taken is not None

    assert await room.work() == []
    room.stage.clock.forward(seconds=60)
    assert await room.work() == [outbox.STATEMENT, outbox.SUSPEND]
    assert room.homeserver.done[0].id == taken[0].id


async def test_several_workers_take_each_action_once(room: Review) -> None:
    for number in range(6):
        room.report(about=f"@x{number}:{SERVER}", reason=ReportReason.SOMETHING_ELSE)
        room.propose(WARN, case=number + 1)

    with ThreadPoolExecutor(6) as pool:
        taken = [action for action in pool.map(lambda _: room.worker._take(), range(12)) if action]

    assert len({action.id for action, _ in taken}) == len(taken) == 6
