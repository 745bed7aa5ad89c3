"""What reviewers look at: a case's reports, its messages each once, and what is said of each; the queue."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.provider import SERVER, STAMP_KEY, Stage
from harness.reports import LEO, MIA, NOON, message, picture, report, restamped, unproven
from harness.review import ADA, ADMIN, AUDITOR, BOB, LOCK, NOTHING, PAT, SUSPEND, WARN, Review
from tutela.provider.errors import NotAllowed, UnknownCase, UnknownMedium
from tutela.provider.reports.verification import StampKeys
from tutela.provider.review import view
from tutela.provider.review.assigning import Assignments
from tutela.provider.review.decisions import Proposal
from tutela.provider.review.lanes import Lanes, Show, Waits
from tutela.provider.review.policy import ActionKind, Urgency
from tutela.provider.review.timeline import HeldReport, ReportedFile, TimeOf, timeline
from tutela.provider.review.view import CasePage, Link, Views
from tutela.wire.franking import stamp_key_id
from tutela.wire.report import Addition, MessageEvidence, Proof, Report, ReportReason

SARA = f"@sara:{SERVER}"
STAMPS = StampKeys({(SERVER, stamp_key_id(STAMP_KEY)): STAMP_KEY})


@pytest.fixture
def review(stage: Stage) -> Review:
    return Review(stage)


def views(review: Review) -> Views:
    reports = review.stage.provider.reports
    return Views(reports.database, reports.stamps, reports.files)


def page(review: Review, case: int = 1, **options: object) -> CasePage:
    return views(review).case(ADA, case, **options)  # type: ignore[arg-type]


def lanes(review: Review) -> Lanes:
    return Lanes(review.stage.provider.database, review.stage.clock)


# The messages


def held(number: int, *messages: tuple[MessageEvidence, Proof]) -> HeldReport:
    sent = report(*(evidence for evidence, _ in messages), number=number)
    return HeldReport(f"REF{number}", sent, [proof for _, proof in messages])


def test_a_message_that_two_reported_is_shown_once_with_the_best_proof() -> None:
    first = held(1, (unproven(message(1)), Proof.UNPROVEN), (message(2), Proof.PROVEN))
    second = held(2, (message(1), Proof.PROVEN))

    shown = timeline([first, second], [], STAMPS)

    assert [(one.evidence.event_id, one.proof, one.references) for one in shown] == [
        ("$event-1", Proof.PROVEN, ("REF1", "REF2")),
        ("$event-2", Proof.PROVEN, ("REF1",)),
    ]
    assert not any(one.disputed for one in shown)


def test_two_stories_of_one_event_are_both_shown_and_marked() -> None:
    true, false = message(1, "hello"), unproven(message(1, "send me a picture"))

    shown = timeline([held(1, (true, Proof.PROVEN)), held(2, (false, Proof.UNPROVEN))], [], STAMPS)

    assert [(one.said.text, one.disputed) for one in shown] == [("hello", True), ("send me a picture", True)]


def test_whose_clock_it_is() -> None:
    sent, arrived = message(1), message(2, received=True, time=NOON + 9000)
    told = msgspec.structs.replace(unproven(message(3)), sent_at=NOON - 5000)

    shown = timeline([held(1, (told, Proof.UNPROVEN), (sent, Proof.PROVEN), (arrived, Proof.PROVEN))], [], STAMPS)

    assert [(one.time, one.time_of) for one in shown] == [
        (NOON - 5000, TimeOf.TOLD),
        (NOON + 1000, TimeOf.SENT),
        (NOON + 9000, TimeOf.ARRIVED),
    ]


def test_a_stamp_of_nobody_we_know_says_nothing_about_time() -> None:
    """A proven message may carry stamps of others, too, with any time: they are not believed."""
    ours = message(1, received=True, time=NOON + 9000)
    foreign = restamped(ours, server="elsewhere.example", time=NOON + 1, received=False).stamps[0]
    both = msgspec.structs.replace(ours, stamps=(foreign, ours.stamps[0]))

    (shown,) = timeline([held(1, (both, Proof.PROVEN))], [], STAMPS)

    assert (shown.time, shown.time_of) == (NOON + 9000, TimeOf.ARRIVED)
    (unknown,) = timeline([held(1, (ours, Proof.PROVEN))], [], StampKeys({}))
    assert unknown.time_of is TimeOf.TOLD


def test_files_belong_to_their_message_and_the_best_copy_counts() -> None:
    first, second = held(1, (message(1), Proof.PROVEN)), held(2, (message(1), Proof.PROVEN))
    missing = ReportedFile(first.report.id, "$event-1", "a" * 64, 10, True, None)
    there = ReportedFile(second.report.id, "$event-1", "a" * 64, 10, True, NOON)
    other = ReportedFile(first.report.id, "$event-1", "b" * 64, 10, False, NOON)
    stray = ReportedFile(first.report.id, "$event-9", "c" * 64, 10, True, NOON)

    (shown,) = timeline([first, second], [missing, there, other, stray], STAMPS)

    assert shown.files == (there, other)


@given(st.lists(st.lists(st.integers(1, 6), unique=True, max_size=6).map(sorted), max_size=4))
def test_every_message_once_in_order(reports: list[list[int]]) -> None:
    kept = [held(n, *((message(one), Proof.PROVEN) for one in numbers)) for n, numbers in enumerate(reports)]

    shown = timeline(kept, [], STAMPS)

    assert [one.evidence.event_id for one in shown] == [
        f"$event-{n}" for n in sorted({n for ns in reports for n in ns})
    ]
    for one in shown:
        number = int(one.evidence.event_id.removeprefix("$event-"))
        assert one.references == tuple(f"REF{n}" for n, numbers in enumerate(reports) if number in numbers)


# The case's page


def test_what_is_said_of_each_report(review: Review) -> None:
    old = review.report(text="old", about=f"@other:{SERVER}", reason=ReportReason.SOMETHING_ELSE)
    review.propose(Proposal((ActionKind.NO_ACTION,), "no-breach", "Made up.", bad_faith=frozenset({old.id})))
    review.stage.clock.forward(seconds=60)
    sent = review.report(text="he scares me", region="BE", language="fr", evidence=(message(1), unproven(message(2))))
    review.stage.clock.forward(seconds=60)
    review.stage.provider.reports.add(MIA, sent.id, Addition(id="a" * 64, text="again", danger_now=True))
    review.report(account=SARA, evidence=())

    evidence = page(review, 2).evidence

    first, second = evidence.reports
    assert (first.account, first.text, first.region, first.language) == (MIA, "he scares me", "BE", "fr")
    assert (first.before, first.before_in_bad_faith) == (1, 1)
    assert first.proofs == {Proof.PROVEN: 1, Proof.UNPROVEN: 1}
    assert [(added.text, added.danger_now) for added in first.additions] == [("again", True)]
    assert (second.account, second.before, second.proofs) == (SARA, 0, {})
    assert evidence.reports_in_all == 2


def test_what_was_decided_is_shown_with_what_became_of_it(review: Review) -> None:
    review.report()
    review.second(review.propose(SUSPEND))

    (shown,) = page(review).decisions

    assert [(action.kind, action.state) for action in shown.actions] == [
        ("statement", "waiting"),
        ("suspend", "waiting"),
    ]
    assert shown.appeal is None
    assert [logged.entry.event for logged in page(review).entries] == ["report-received", "proposed", "seconded"]


async def test_an_appeal_is_shown(review: Review) -> None:
    review.report()
    review.second(review.propose(SUSPEND))
    await review.work()
    token = review.homeserver.done[0].text.split("/appeal/")[1].split()[0]
    assert page(review).decisions[0].appeal is None
    review.decisions.appeal(token, "It was my brother.")

    (shown,) = page(review).decisions

    assert shown.appeal is not None
    assert (shown.appeal.text, shown.appealed) == ("It was my brother.", True)
    review.decisions.answer_appeal(PAT, shown.decision.id, review.case().version, stands=True, reasons="No.")
    assert not page(review).decisions[0].appealed


def test_related_cases_and_why(review: Review) -> None:
    data = b"a file that several sent"
    one, two = picture(1, data), picture(2, data, sender=f"@b:{SERVER}", room="!elsewhere:x")
    review.report(evidence=(one.evidence,), attachments=(one.attachment,), reason=ReportReason.SOMETHING_ELSE)
    review.propose(NOTHING)
    review.report(evidence=(message(7, room="!far:x"),))  # the same account, later
    review.report(about=f"@b:{SERVER}", evidence=(two.evidence,), attachments=(two.attachment,))  # the same file
    review.report(about=f"@c:{SERVER}", evidence=(one.evidence,), account=SARA)  # the same message, and its room
    review.report(about=f"@d:{SERVER}", evidence=(message(9, room="!nowhere:x"),))

    related = {one.case.id: set(one.links) for one in page(review).related}

    assert related == {2: {Link.ACCOUNT}, 3: {Link.FILE}, 4: {Link.MESSAGE, Link.ROOM}}
    assert [one.case.id for one in page(review).related] == [4, 3, 2]


def test_reports_that_name_nobody_are_not_related_by_that(review: Review) -> None:
    review.report(about=None, evidence=())
    review.report(about=None, evidence=())

    assert page(review).related == []


def test_pages_of_reports_and_messages(review: Review, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "REPORTS", 2)
    monkeypatch.setattr(view, "MESSAGES", 2)
    for number in range(1, 4):
        review.report(account=f"@r{number}:{SERVER}", evidence=(message(number), message(number + 1)))
        review.stage.clock.forward(seconds=1)

    second = page(review, reports_page=2, messages_page=2).evidence

    assert [shown.account for shown in second.reports] == [f"@r3:{SERVER}"]
    assert [shown.evidence.event_id for shown in second.messages] == ["$event-3", "$event-4"]
    assert (second.reports_in_all, second.messages_in_all) == (3, 4)
    assert page(review, messages_page=9).evidence.messages == []
    alone = page(review, only=second.reports[0].reference).evidence
    assert [shown.evidence.event_id for shown in alone.messages] == ["$event-3", "$event-4"]
    with pytest.raises(UnknownCase):
        page(review, only="0000-0000")


def test_what_is_too_much_for_one_page_is_named(review: Review, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "BODIES", 2000)
    for number in range(1, 4):
        review.report(account=f"@r{number}:{SERVER}", evidence=(message(number, "x" * 800),))
        review.stage.clock.forward(seconds=1)

    evidence = page(review).evidence

    assert [shown.evidence.event_id for shown in evidence.messages] == ["$event-1"]
    assert list(evidence.unread) == [shown.reference for shown in evidence.reports[1:]]
    beyond = page(review, only=evidence.unread[-1]).evidence
    assert [shown.evidence.event_id for shown in beyond.messages] == ["$event-3"]


def test_no_more_files_are_read_for_one_page_than_messages(review: Review, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever floods a case keeps nobody from opening it: the files beyond are chosen with their report."""
    monkeypatch.setattr(view, "BODIES", 1500)
    for number in range(1, 4):
        sent = picture(number, bytes([number]), url=f"mxc://{SERVER}/{number}")
        review.report(account=f"@r{number}:{SERVER}", evidence=(sent.evidence,))
        review.stage.clock.forward(seconds=1)
    found = page(review)

    assert [medium.address for medium in found.media] == [f"mxc://{SERVER}/1"]
    beyond = page(review, only=found.evidence.unread[-1])
    assert [medium.address for medium in beyond.media] == [f"mxc://{SERVER}/3"]


def test_a_case_of_10_000_messages(review: Review) -> None:
    for number in range(50):
        messages = tuple(message(number * 200 + n) for n in range(200))
        review.report(account=f"@r{number}:{SERVER}", evidence=messages)

    evidence = page(review, messages_page=100).evidence

    assert (evidence.messages_in_all, evidence.reports_in_all, evidence.unread) == (10_000, 50, [])
    assert [shown.evidence.event_id for shown in evidence.messages][-1] == "$event-9999"


def test_hostile_words_do_not_break_the_page(review: Review) -> None:
    content = "[" * 3000
    hostile = unproven(msgspec.structs.replace(message(1, sender="@\u202e<b>:x"), content=content))
    review.report(
        evidence=(hostile,),
        about="@" + "n" * 190 + ":" + "x" * 60,
        text="<script>\u202e" * 200,
        reason=ReportReason.SOMETHING_ELSE,
    )

    (shown,) = page(review).evidence.messages

    assert shown.said.text == content
    assert shown.proof is Proof.UNPROVEN


def test_a_case_that_is_not_there(review: Review) -> None:
    with pytest.raises(UnknownCase):
        page(review, 7)
    with pytest.raises(UnknownCase):
        views(review).evidence(7)
    with pytest.raises(UnknownCase):
        views(review).check(ADA, 7)


def test_a_partner_sees_a_case_while_it_waits_for_them_and_what_they_settled(review: Review) -> None:
    review.report()
    review.report(about=f"@other:{SERVER}")
    seen = views(review)
    with pytest.raises(NotAllowed):
        seen.case(PAT, 1)
    decision = review.propose(SUSPEND)

    assert seen.case(PAT, 1).related == ()
    seen.check(PAT, 1)
    with pytest.raises(NotAllowed):
        seen.check(PAT, 2)
    review.second(decision, PAT)
    assert seen.case(PAT, 1).case.id == 1


def test_a_partner_does_not_see_what_others_settled(review: Review) -> None:
    review.report()
    review.second(review.propose(SUSPEND), BOB)

    with pytest.raises(NotAllowed):
        views(review).case(PAT, 1)


@pytest.mark.parametrize("person", [ADMIN, AUDITOR], ids=lambda p: p.role)
def test_who_sees_no_case(review: Review, person) -> None:
    review.report()
    review.propose(SUSPEND)

    with pytest.raises(NotAllowed):
        views(review).case(person, 1)
    with pytest.raises(NotAllowed):
        views(review).check(person, 1)


def test_for_a_second_look_nothing_of_the_decision_is_read(review: Review) -> None:
    review.report(reason=ReportReason.SOMETHING_ELSE)
    review.propose(WARN)

    evidence = views(review).evidence(1)

    assert len(evidence.messages) == 1
    assert "unwanted" not in repr(evidence)


async def test_a_reported_file(review: Review) -> None:
    sent = picture(1, b"some file")
    made = review.report(evidence=(sent.evidence,), attachments=(sent.attachment,))
    digest = hashlib.sha256(sent.data).hexdigest()
    with pytest.raises(UnknownMedium):
        views(review).medium(made.id, digest)
    await arrive(review, made, sent.data)

    medium = views(review).medium(made.id, digest)

    assert (medium.case, medium.size, Path(medium.path).read_bytes()) == (1, 9, sent.data)
    for wrong in (("0" * 64, digest), (made.id, "0" * 64), (made.id, "../../x")):
        with pytest.raises(UnknownMedium):
            views(review).medium(*wrong)


async def arrive(review: Review, made: Report, data: bytes) -> None:
    async def chunks():
        yield data

    digest = hashlib.sha256(data).hexdigest()
    await review.stage.provider.reports.attach(MIA, made.id, digest, len(data), chunks())


# The queue


def filled(review: Review) -> None:
    """One case of each urgency, opened a minute apart."""
    for name, values in {
        "other": {"reason": ReportReason.SOMETHING_ELSE},
        "seen": {"reason": ReportReason.SAW_ABUSE},
        "asked": {},
        "danger": {"danger_now": True},
    }.items():
        review.report(about=f"@{name}:{SERVER}", **values)
        review.stage.clock.forward(seconds=60)


def test_the_queue_in_order_and_in_numbers(review: Review) -> None:
    filled(review)
    review.stage.clock.forward(seconds=15 * 60)

    queue = lanes(review).queue(ADA)

    assert [row.about for row in queue.rows] == [f"@{n}:{SERVER}" for n in ("danger", "asked", "seen", "other")]
    assert [(lane.urgency, lane.cases, lane.overdue) for lane in queue.lanes] == [
        (Urgency.IMMINENT, 1, 1),
        (Urgency.CONTACT, 1, 0),
        (Urgency.DISTRIBUTION, 1, 0),
        (Urgency.OTHER, 1, 0),
    ]
    assert (queue.onwards, queue.waits) == (None, {})


def test_pages_of_the_queue(review: Review) -> None:
    filled(review)
    found, place = [], None
    for _ in range(3):
        queue = lanes(review).queue(ADA, after=place, limit=2)
        found += [row.id for row in queue.rows]
        if (place := queue.onwards) is None:
            break

    assert found == [4, 3, 2, 1]
    assert lanes(review).queue(ADA, urgency=Urgency.CONTACT).rows[0].id == 3


def test_what_is_shown_of_the_queue(review: Review) -> None:
    filled(review)
    desk = Assignments(review.stage.provider.database, review.stage.clock)
    desk.take(ADA, 2, review.case(2).version)
    desk.take(BOB, 3, review.case(3).version)
    review.propose(SUSPEND, ADA, 3)
    review.propose(LOCK, BOB, 4)
    review.stage.clock.forward(seconds=4 * 3600)

    def shown(show: Show, person=ADA) -> list[int]:
        return [row.id for row in lanes(review).queue(person, show=show).rows]

    assert shown(Show.ALL) == [4, 3, 2, 1]
    assert shown(Show.MINE) == [2]
    assert shown(Show.UNTAKEN) == [4, 1]
    assert shown(Show.SECOND) == [4]
    assert shown(Show.SECOND, BOB) == [3]
    assert shown(Show.OVERDUE) == [4, 3]
    assert shown(Show.APPEALED) == []
    assert lanes(review).queue(ADA).waits == {3: Waits.SECOND, 4: Waits.SECOND}
    assert [row.id for row in lanes(review).waiting(PAT).rows] == [4, 3]
    assert [row.id for row in lanes(review).waiting(ADA).rows] == [4]


async def test_appeals_wait_for_whoever_took_no_part(review: Review) -> None:
    review.report()
    review.second(review.propose(SUSPEND))
    await review.work()
    assert lanes(review).waiting(PAT).rows == []
    token = review.homeserver.done[0].text.split("/appeal/")[1].split()[0]
    review.decisions.appeal(token, "It was my brother.")

    assert [row.id for row in lanes(review).waiting(PAT).rows] == [1]
    assert lanes(review).waiting(PAT).waits == {1: Waits.APPEAL}
    assert lanes(review).waiting(ADA).rows == []
    assert lanes(review).queue(BOB, show=Show.APPEALED).rows == []
    assert lanes(review).queue(ADA).waits == {1: Waits.APPEAL}


def test_finding_a_case(review: Review) -> None:
    review.report()
    review.report(about=f"@x:{SERVER}")
    reference = page(review, 2).evidence.reports[0].reference

    def find(words: str) -> list[int]:
        return [row.id for row in lanes(review).find(ADA, words)]

    assert find(LEO) == [1]
    assert find(f" {reference.lower()} ") == [2]
    assert find("#2") == find("2") == [2]
    assert find("9" * 15) == find("") == find("'; drop table staff") == find("９") == []


@pytest.mark.parametrize("person", [PAT, ADMIN, AUDITOR], ids=lambda p: p.role)
def test_who_sees_no_queue(review: Review, person) -> None:
    with pytest.raises(NotAllowed):
        lanes(review).queue(person)
    with pytest.raises(NotAllowed):
        lanes(review).find(person, LEO)
    if person is not PAT:
        with pytest.raises(NotAllowed):
            lanes(review).waiting(person)
