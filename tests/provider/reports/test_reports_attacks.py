"""How somebody tried to get around reviewing, each way of it closed: one person alone, a crowd, whoever is reported."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.provider import SERVER, Stage
from harness.reports import LEO, MIA, message, picture
from harness.review import ADA, BOB, LOCK, NOTHING, PAT, SUSPEND, WARN, Review
from tutela.provider.errors import DecisionSettled, NamesSomebody, SamePerson, TooManyReports, WrongDecision
from tutela.provider.review import audit, cases, outbox
from tutela.provider.review.decisions import Proposal
from tutela.provider.review.people import Person, Role
from tutela.provider.review.policy import ActionKind, Urgency
from tutela.provider.review.records import IN_FORCE, LAPSED, PROPOSED, UNDONE, DecisionRow
from tutela.wire.report import Addition, ReportReason, ReportState

EVE = f"@eve:{SERVER}"
BAN = Proposal((ActionKind.BAN,), "threats-and-extortion", "You threatened somebody.")


@pytest.fixture
def room(stage: Stage) -> Iterator[Review]:
    room = Review(stage)
    yield room
    audit.verify(stage.provider.database)


def status(room: Review, report: str, account: str = MIA) -> ReportState:
    return room.stage.provider.reports.status(account, report).state


def add(room: Review, report: str, *, number: int = 1, danger_now: bool = True) -> None:
    addition = Addition(id=f"{number:064x}", text="He is at the door.", danger_now=danger_now)
    room.stage.provider.reports.add(MIA, report, addition)


async def test_one_person_cannot_make_their_own_lock_last(room: Review) -> None:
    """A lock at once, then a warning by the same person, which needs nobody else: the lock still ends."""
    room.report(danger_now=True)
    lock = room.propose(LOCK)
    warned = room.propose(WARN)
    assert warned.state == PROPOSED  # in danger a mere warning needs two
    room.second(warned)
    await room.work()

    room.stage.clock.forward(seconds=25 * 3600)
    room.decisions.lapse()

    assert room.state(lock) == LAPSED


def test_one_person_cannot_lock_at_once_again_and_again(room: Review) -> None:
    room.report(danger_now=True)
    room.propose(LOCK)
    room.stage.clock.forward(seconds=25 * 3600)
    room.decisions.lapse()

    assert room.propose(LOCK).state == PROPOSED


async def test_two_people_who_ban_keep_the_lock(room: Review) -> None:
    room.report(danger_now=True)
    lock = room.propose(LOCK)
    room.second(room.propose(BAN, BOB), ADA)
    await room.work()

    room.stage.clock.forward(seconds=25 * 3600)

    assert room.decisions.lapse() == 0
    assert room.state(lock) == IN_FORCE
    assert "confirmed-by" in room.events()


def test_what_came_after_the_page_was_opened_is_not_decided(room: Review) -> None:
    first = room.report(reason=ReportReason.SOMETHING_ELSE)
    seen = room.case().news
    version = room.case().version
    late = room.report(account=EVE, reason=ReportReason.SOMETHING_ELSE)

    room.decisions.propose(ADA, 1, version, NOTHING, seen=seen)

    assert status(room, first.id) is ReportState.DECIDED
    assert status(room, late.id, EVE) is ReportState.RECEIVED
    assert room.case().open
    room.propose(NOTHING)
    assert not room.case().open


def test_an_addition_that_nobody_read_keeps_the_case_open(room: Review) -> None:
    sent = room.report(reason=ReportReason.SOMETHING_ELSE)
    seen, version = room.case().news, room.case().version
    add(room, sent.id, danger_now=False)

    room.decisions.propose(ADA, 1, version, NOTHING, seen=seen)

    assert room.case().open
    assert status(room, sent.id) is not ReportState.DECIDED


def test_what_comes_between_the_first_and_the_second_person_stays_open(room: Review) -> None:
    room.report()
    decision = room.propose(NOTHING)
    cry = room.report(account=EVE, danger_now=True)

    room.second(decision)

    assert room.case().open
    assert room.case().urgency is Urgency.IMMINENT
    assert status(room, cry.id, EVE) is ReportState.RECEIVED


@pytest.mark.parametrize("seen", [0, -1, 99])
def test_nobody_can_have_seen_what_is_not_there(room: Review, seen: int) -> None:
    room.report()

    with pytest.raises(WrongDecision):
        room.decisions.propose(ADA, 1, 1, SUSPEND, seen=seen)


async def appealed(room: Review) -> tuple[DecisionRow, str]:
    sent = room.report()
    decision = room.second(room.propose(SUSPEND))
    await room.work()
    token = room.homeserver.done[0].text.split("https://safety.example/appeal/")[1].split()[0]
    room.decisions.appeal(token, "I did nothing of the kind.")
    return decision, sent.id


async def test_refusing_an_appeal_buries_no_report(room: Review) -> None:
    decision, _ = await appealed(room)
    cry = room.report(account=EVE, danger_now=True)

    room.decisions.answer_appeal(PAT, decision.id, room.case().version, stands=True, reasons="You did.")

    assert room.case().open
    assert status(room, cry.id, EVE) is ReportState.RECEIVED


async def test_an_appeal_puts_nothing_off(room: Review) -> None:
    room.report()
    decision = room.propose(SUSPEND)
    room.report(account=EVE, danger_now=True)
    room.second(decision)
    await room.work()
    token = room.homeserver.done[0].text.split("https://safety.example/appeal/")[1].split()[0]
    due = room.case().due
    room.stage.clock.forward(seconds=14 * 60)

    room.decisions.appeal(token, "I did nothing of the kind.")

    assert room.case().due == due


async def test_whoever_decided_cannot_refuse_what_an_appeal_was_granted(room: Review) -> None:
    decision, _ = await appealed(room)
    undoing = room.decisions.answer_appeal(PAT, decision.id, room.case().version, stands=False, reasons="That is so.")

    for person in (ADA, BOB):
        with pytest.raises(SamePerson):
            room.decisions.refuse(person, undoing.id, room.case().version, "No.")
    assert room.state(decision) == IN_FORCE
    room.second(undoing, BOB)  # to agree that one was wrong is allowed
    assert room.state(decision) == UNDONE


async def test_an_appeal_against_what_was_undone_already(room: Review) -> None:
    room.report()
    decision = room.second(room.propose(SUSPEND))
    await room.work()
    token = room.homeserver.done[0].text.split("https://safety.example/appeal/")[1].split()[0]
    room.second(room.undo(decision))

    with pytest.raises(DecisionSettled, match="taken back"):
        room.decisions.appeal(token, "I did nothing of the kind.")


async def test_an_answer_to_an_appeal_names_no_reporter(room: Review) -> None:
    decision, _ = await appealed(room)

    with pytest.raises(WrongDecision):
        room.decisions.answer_appeal(PAT, decision.id, room.case().version, stands=True, reasons=f"{MIA} showed us.")


def test_the_second_person_sees_who_has_reported_since(room: Review) -> None:
    room.report()
    decision = room.propose(Proposal((ActionKind.SUSPEND,), "child-in-danger", f"You wrote to {EVE} and others."))
    room.report(account=EVE)

    with pytest.raises(WrongDecision):
        room.second(decision)


@pytest.mark.parametrize(
    "reasons",
    ["Mia Smith said so", "MIA_SMITH said so", "mia-smith", "mi\u200ba smith", "\uff2d\uff49\uff41 Smith", "miasmith"],
)
def test_a_name_in_other_letters_is_a_name(room: Review, reasons: str) -> None:
    room.report(account=f"@mia_smith:{SERVER}")

    with pytest.raises(NamesSomebody):
        room.propose(Proposal((ActionKind.SUSPEND,), "child-in-danger", reasons))


def test_nobody_makes_ordinary_words_unwritable(room: Review) -> None:
    room.report(account=f"@you:{SERVER}")
    proposal = Proposal((ActionKind.SUSPEND,), "child-in-danger", "What you did is not allowed.")

    with pytest.raises(NamesSomebody):
        room.propose(proposal)
    sure = Proposal(proposal.actions, proposal.rule, proposal.reasons, sure=True)
    room.second(room.propose(sure))


async def test_nobody_makes_appeals_unanswerable(room: Review) -> None:
    """A reporter's name that is an ordinary word holds up neither the answer to an appeal nor the refusal to undo."""
    decision, _ = await appealed(room)
    room.report(account=f"@you:{SERVER}")
    room.stage.clock.forward(seconds=1)
    answer = room.decisions.answer_appeal
    with pytest.raises(NamesSomebody):
        answer(PAT, decision.id, room.case().version, stands=False, reasons="It was not you.")
    undoing = answer(PAT, decision.id, room.case().version, stands=False, reasons="It was not you.", sure=True)
    third = Person("c" * 16, "Cid", Role.REVIEWER, "Family")
    with pytest.raises(NamesSomebody):
        room.decisions.refuse(third, undoing.id, room.case().version, "It was you.")
    with pytest.raises(WrongDecision):
        room.decisions.refuse(third, undoing.id, room.case().version, f"{MIA} says so.", sure=True)
    room.decisions.refuse(third, undoing.id, room.case().version, "It was you.", sure=True)


def test_whoever_reports_themselves_learns_nothing(room: Review) -> None:
    room.report()
    version = room.case().version
    with room.stage.provider.database.writing() as connection:
        cases.change(connection, 1, version, assignee="ada", assigned=room.stage.clock())
    own = room.report(account=LEO)
    room.stage.clock.forward(seconds=5)
    accomplices = room.report(account=EVE)

    assert status(room, own.id, LEO) is ReportState.RECEIVED
    assert status(room, accomplices.id, EVE) is ReportState.RECEIVED
    assert room.case(2).about is None
    room.second(room.propose(SUSPEND))
    assert room.stage.provider.reports.status(LEO, own.id).message == ""


def test_an_answer_to_one_reporter_is_read_by_all_and_names_none(room: Review) -> None:
    room.report()

    with pytest.raises(NamesSomebody):
        room.propose(Proposal((ActionKind.SUSPEND,), "child-in-danger", "You were reported.", "Dear Mia, thank you."))


def test_junk_in_a_case_does_not_make_a_child_suspect(room: Review) -> None:
    true = room.report(reason=ReportReason.SOMETHING_ELSE)
    junk = room.report(account=EVE, reason=ReportReason.SOMETHING_ELSE)
    made_up = Proposal((ActionKind.NO_ACTION,), "no-breach", "Some of it was made up.", bad_faith=frozenset({junk.id}))
    room.propose(made_up)

    again = [room.report(account=account, about=f"@x:{SERVER}") for account in (MIA, EVE)]

    assert again
    with room.stage.provider.database.reading() as connection:
        rows = {row.id: row.bad_faith for row in connection.exec_driver_sql("SELECT id, bad_faith FROM report")}
    assert not rows[true.id]
    assert rows[junk.id]


def test_only_reports_of_the_case_can_be_called_bad(room: Review) -> None:
    room.report(reason=ReportReason.SOMETHING_ELSE)
    elsewhere = room.report(account=EVE, about=f"@x:{SERVER}")
    proposal = Proposal((ActionKind.NO_ACTION,), "no-breach", "Made up.", bad_faith=frozenset({elsewhere.id}))

    with pytest.raises(WrongDecision):
        room.propose(proposal)


async def test_only_what_the_person_concerned_sent_is_withdrawn(room: Review) -> None:
    """Eve adds a true message of her own, which names another's picture, to the case about Leo."""
    leos = picture(1, b"his")
    hers = picture(2, b"hers", sender=EVE)
    room.report(evidence=(leos.evidence, hers.evidence), account=EVE, reason=ReportReason.SAW_ABUSE)
    with room.stage.provider.database.reading() as connection:
        media = outbox.media_of(connection, 1)
        proven = list(outbox.proven_of(connection, 1))

    assert list(media) == [f"mxc://{SERVER}/abc"]
    assert [evidence.sender for evidence in proven] == [LEO]
    proposal = Proposal((ActionKind.QUARANTINE_MEDIUM,), "abuse-material", "Not allowed.", media=("mxc://x/y",))
    with pytest.raises(WrongDecision):
        room.propose(proposal)
    with pytest.raises(WrongDecision):
        room.propose(Proposal((ActionKind.QUARANTINE_MEDIUM,), "abuse-material", "Not allowed."))


async def test_a_false_hash_beside_the_true_one_hides_no_medium(room: Review) -> None:
    """Leo names his file again, with the hash of another: as its small picture, and in another message."""
    true, false, other = ({"url": f"mxc://{SERVER}/abc", "hashes": {"sha256": n}} for n in ("true", "false", "other"))
    room.report(
        evidence=(
            message(1, content={"file": true, "info": {"thumbnail_file": false}}),
            message(2, content={"file": other}),
        ),
        reason=ReportReason.SAW_ABUSE,
    )

    with room.stage.provider.database.reading() as connection:
        media = outbox.media_of(connection, 1)

    assert media == {f"mxc://{SERVER}/abc": "true false other"}


@pytest.mark.parametrize("url", ["mxc://{}/a\tbc\n", " mxc://{}/abc?x", "mxc://{}/abc#x y"])
async def test_an_address_that_browsers_read_otherwise_is_withdrawn(room: Review, url: str) -> None:
    """What is chosen is what is withdrawn: no address is told to be, and falls apart on its way."""
    sent = picture(1, b"his", url=url.format(SERVER))
    room.report(evidence=(sent.evidence,), reason=ReportReason.SAW_ABUSE)
    with room.stage.provider.database.reading() as connection:
        media = tuple(outbox.media_of(connection, 1))

    room.propose(Proposal((ActionKind.QUARANTINE_MEDIUM,), "abuse-material", "Not allowed.", media=media))

    assert await room.work() == [outbox.STATEMENT, outbox.QUARANTINE]
    assert room.homeserver.done[-1].target == f"mxc://{SERVER}/abc"


@pytest.mark.parametrize("url", ["mxc://../users", "mxc://./a", "mxc:///a", "mxc://x/", "http://x/a"])
async def test_what_is_no_address_is_never_asked_for(room: Review, url: str) -> None:
    room.report(evidence=(picture(1, b"his", url=url).evidence,), reason=ReportReason.SAW_ABUSE)

    with room.stage.provider.database.reading() as connection:
        assert outbox.media_of(connection, 1) == {}


async def test_a_statement_does_not_rest_on_what_others_sent(room: Review) -> None:
    room.report(evidence=(message(1, sender=EVE),), account=EVE)
    room.second(room.propose(SUSPEND))

    await room.work()

    assert "what was reported to the service" in room.homeserver.done[0].text
    assert "could verify" not in room.homeserver.done[0].text


def test_additions_count_and_do_not_escape_damping(room: Review) -> None:
    sent = room.report(reason=ReportReason.SOMETHING_ELSE)
    with room.stage.provider.database.writing() as connection:
        connection.exec_driver_sql("UPDATE report SET bad_faith = true")
        connection.exec_driver_sql("UPDATE review_case SET open = false")
    for number in range(5):
        room.report(about=f"@x{number}:{SERVER}")
    with room.stage.provider.database.writing() as connection:
        connection.exec_driver_sql("UPDATE report SET bad_faith = true")

    add(room, sent.id)

    assert room.case().damped
    for number in range(2, 20):
        add(room, sent.id, number=number)
    with pytest.raises(TooManyReports):
        add(room, sent.id, number=20)


def test_an_old_report_that_is_added_to_joins_the_open_case(room: Review) -> None:
    old = room.report(reason=ReportReason.SOMETHING_ELSE)
    room.propose(NOTHING)
    room.report(account=EVE, reason=ReportReason.SOMETHING_ELSE)

    add(room, old.id)

    assert not room.case(1).open
    assert room.case(2).open
    assert room.case(2).urgency is Urgency.IMMINENT
    assert status(room, old.id) is ReportState.IN_REVIEW


def test_a_flood_of_emergencies_waits_behind_a_single_one(room: Review) -> None:
    for number in range(8):
        room.report(account=EVE, about=None, danger_now=True, text=str(number))
    room.stage.clock.forward(seconds=1)
    room.report(about=None, danger_now=True)

    with room.stage.provider.database.reading() as connection:
        order = [case.id for case in cases.queue(connection)]

    assert order.index(9) == 5  # behind the five that anybody may make in a day
