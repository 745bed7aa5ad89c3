"""Carrying out what was decided: in which order, how often, what waits for what, and what happens when it fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from harness.postgresql import Server
from harness.provider import SERVER, Stage, staged
from harness.reports import LEO, MIA, message, report
from harness.review import BOB, LOCK, SUSPEND, WARN, Review
from tutela.cli.provider import _lacks
from tutela.provider.errors import EnforcerAway, EnforcerError, EnforcerRefused, SettingsError, StorageUnavailable
from tutela.provider.review import audit, outbox, secret
from tutela.provider.review.acting import PATIENCE, WAITS, PendingAction
from tutela.provider.review.decisions import Proposal
from tutela.provider.review.policy import ActionKind
from tutela.provider.review.records import DecisionRow
from tutela.provider.review.tables import Action
from tutela.wire.document import encode
from tutela.wire.report import ReportReason

BAN = Proposal((ActionKind.BAN,), "threats-and-extortion", "You threatened somebody.")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """On SQLite alone, but where a test says otherwise: what is tested here is no query's business."""
    async with staged(tmp_path, publish=False) as made:
        yield made


@pytest.fixture
def review(stage: Stage) -> Iterator[Review]:
    review = Review(stage)
    yield review
    audit.verify(stage.provider.database)


def quarantine(*media: str) -> Proposal:
    reasons = "A file that you sent is not allowed."
    return Proposal((ActionKind.QUARANTINE_MEDIUM,), "abuse-material", reasons, media=media)


def decided(review: Review, proposal: Proposal, case: int = 1, **values: object) -> DecisionRow:
    review.report(**values)
    return settled(review, proposal, case)


def locked_at_once(review: Review) -> DecisionRow:
    review.report(danger_now=True)
    return review.propose(LOCK)


def settled(review: Review, proposal: Proposal, case: int = 1) -> DecisionRow:
    proposed = review.propose(proposal, case=case)
    return review.second(proposed) if proposed.waiting else proposed


def undone(review: Review, decision: DecisionRow) -> None:
    undoing = review.undo(decision)
    if undoing.waiting:
        review.second(undoing)


def detail(review: Review, kind: str) -> str:
    with review.stage.provider.database.reading() as connection:
        return str(connection.scalar(select(Action.detail).where(Action.kind == kind)))


# Failing


async def test_it_is_tried_again_and_each_time_later(review: Review) -> None:
    decided(review, WARN, reason=ReportReason.SOMETHING_ELSE)
    review.homeserver.fail = EnforcerError("not now", hint="Look there.")
    for wait in (*WAITS, WAITS[-1]):
        assert await review.worker.run_once()
        assert not await review.worker.run_once()
        review.stage.clock.forward(seconds=wait / 1000 - 0.001)
        assert not await review.worker.run_once()
        review.stage.clock.forward(seconds=0.001)
    assert detail(review, outbox.STATEMENT) == "not now Look there."

    review.homeserver.fail = None
    assert await review.work() == [outbox.STATEMENT]


@pytest.mark.parametrize(("asked", "waited"), [(20, 20), (0, 1), (None, 1), (10**9, 3600)])
async def test_a_homeserver_that_asks_for_a_pause_gets_it(review: Review, asked: int | None, waited: int) -> None:
    decided(review, WARN, reason=ReportReason.SOMETHING_ELSE)
    review.homeserver.fail = EnforcerAway("too many requests", retry_after=asked)
    assert await review.worker.run_once()
    review.homeserver.fail = None

    review.stage.clock.forward(seconds=waited - 0.001)
    assert await review.work() == []
    review.stage.clock.forward(seconds=0.001)
    assert await review.work() == [outbox.STATEMENT]


async def test_somebody_is_asked_to_look_in_the_end(review: Review, caplog: pytest.LogCaptureFixture) -> None:
    decided(review, WARN, reason=ReportReason.SOMETHING_ELSE)
    review.homeserver.fail = EnforcerError("not now")
    levels = []
    for _ in range(8):
        caplog.clear()
        await review.worker.run_once()
        levels.append(caplog.records[-1].levelno)
        review.stage.clock.forward(seconds=600)

    assert levels == [logging.WARNING] * 7 + [logging.ERROR]


@pytest.mark.parametrize("error", [TimeoutError(), OSError("no route"), KeyError("a mistake of ours")], ids=repr)
async def test_no_mistake_ends_all_acting(review: Review, error: Exception) -> None:
    decided(review, WARN, reason=ReportReason.SOMETHING_ELSE)
    decided(review, WARN, 2, about=f"@eve:{SERVER}", reason=ReportReason.SOMETHING_ELSE)
    review.homeserver.failing = {outbox.STATEMENT: error}
    assert await review.work() == []

    review.homeserver.failing = {}
    review.stage.clock.forward(seconds=601)
    assert await review.work() == [outbox.STATEMENT, outbox.STATEMENT]


async def test_a_homeserver_that_hangs_holds_an_action_for_no_longer_than_its_lease(
    review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided(review, WARN, reason=ReportReason.SOMETHING_ELSE)

    async def perform(_: PendingAction) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("tutela.provider.review.acting._ATTEMPT_SECONDS", 0.01)
    hanging = replace(review.worker, enforcer=type("Hanging", (), {"perform": staticmethod(perform)})())
    assert await hanging.run_once()

    assert detail(review, outbox.STATEMENT) == "TimeoutError"
    review.stage.clock.forward(seconds=2)
    assert await review.work() == [outbox.STATEMENT]


async def test_what_is_refused_is_on_record_and_the_rest_goes_on(review: Review) -> None:
    decided(review, SUSPEND)
    review.homeserver.failing = {outbox.STATEMENT: EnforcerRefused("cannot be told", hint="Write a letter.")}

    assert await review.work() == [outbox.SUSPEND]

    assert review.events()[-2:] == ["could-not-be-carried-out", "carried-out"]
    assert detail(review, outbox.STATEMENT) == "cannot be told Write a letter."
    assert await review.work() == []


# What waits for what


async def test_a_lock_waits_for_its_statement_but_not_for_ever(review: Review) -> None:
    """The homeserver answers, and does not send this message: the lock comes without it."""
    decided(review, LOCK, danger_now=True)
    review.homeserver.failing = {outbox.STATEMENT: EnforcerError("no room can be made")}
    attempts = 0
    while not (done := await review.work()):
        attempts += 1
        review.stage.clock.forward(seconds=30)
        assert attempts < 100

    assert done == [outbox.LOCK]
    assert attempts <= 2 * PATIENCE
    review.homeserver.failing = {}
    review.stage.clock.forward(seconds=600)
    assert await review.work() == [outbox.STATEMENT], "they are told all the same"


async def test_while_the_homeserver_is_away_the_order_is_kept(review: Review) -> None:
    decided(review, LOCK, danger_now=True)
    review.homeserver.failing = {outbox.STATEMENT: EnforcerAway("down")}
    for _ in range(20):
        assert await review.work() == []
        review.stage.clock.forward(seconds=600)

    review.homeserver.failing = {}
    assert await review.work() == [outbox.STATEMENT, outbox.LOCK]


async def test_what_was_decided_first_is_done_first(review: Review) -> None:
    """An unlock that could not be done yet never comes after a later lock: the account would be open."""
    locked = locked_at_once(review)
    await review.work()
    review.homeserver.failing = {outbox.UNLOCK: EnforcerError("not this")}
    review.decisions.refuse(BOB, locked.id, review.case().version, "A joke between friends.")
    for _ in range(2 * PATIENCE):
        await review.work()
        review.stage.clock.forward(seconds=600)
    settled(review, BAN)
    done = await review.work()
    assert outbox.LOCK not in done

    review.homeserver.failing = {}
    review.stage.clock.forward(seconds=600)
    assert (await review.work())[-2:] == [outbox.UNLOCK, outbox.LOCK]


async def test_other_accounts_wait_for_nothing(review: Review) -> None:
    decided(review, SUSPEND)
    decided(review, SUSPEND, 2, about=f"@eve:{SERVER}")

    class Selective:
        async def perform(self, action: PendingAction) -> None:
            if action.target == LEO:
                raise EnforcerAway("down")
            await review.homeserver.perform(action)

    worker = replace(review.worker, enforcer=Selective())
    while await worker.run_once():
        pass

    assert [(action.kind, action.target) for action in review.homeserver.done] == [
        (outbox.STATEMENT, f"@eve:{SERVER}"),
        (outbox.SUSPEND, f"@eve:{SERVER}"),
    ]


# Taking back


async def test_what_another_decision_still_asks_for_stays_and_they_are_told_so(review: Review) -> None:
    first = locked_at_once(review)
    settled(review, BAN)
    await review.work()

    undone(review, first)

    assert await review.work() == [outbox.CORRECTION]
    text = review.homeserver.done[-1].text
    assert f"Decision {first.id}" in text
    assert "not everything is as before" in text


async def test_a_medium_that_two_decisions_quarantined_stays_so_when_one_is_undone(review: Review) -> None:
    address = f"mxc://{SERVER}/abc"
    content = {"body": "p", "file": {"url": address, "hashes": {"sha256": "abc"}}, "msgtype": "m.image"}
    for number, about in enumerate((LEO, f"@eve:{SERVER}"), 1):
        evidence = message(number, sender=about, content=content)
        reported = {"about": about, "evidence": (evidence,), "reason": ReportReason.SAW_ABUSE}
        decision = decided(review, quarantine(address), number, **reported)
    assert await review.work() == [outbox.STATEMENT, outbox.QUARANTINE] * 2

    undone(review, decision)

    assert await review.work() == [outbox.CORRECTION]
    assert "not everything" not in review.homeserver.done[-1].text


async def test_the_small_picture_of_a_file_is_quarantined_too(review: Review) -> None:
    addresses = [f"mxc://{SERVER}/{name}" for name in ("file", "small")]
    content = {
        "body": "p",
        "file": {"url": addresses[0], "hashes": {"sha256": "abc"}},
        "info": {"thumbnail_file": {"url": addresses[1], "hashes": {"sha256": "def"}}},
        "msgtype": "m.image",
    }
    decided(review, quarantine(*addresses), evidence=(message(1, content=content),), reason=ReportReason.SAW_ABUSE)

    await review.work()

    withdrawn = [(action.target, action.text) for action in review.homeserver.done[1:]]
    assert withdrawn == list(zip(addresses, ("abc", "def"), strict=True))


# Stopping, dying, and a database that goes away


async def test_a_service_that_stops_leaves_no_lease_behind(review: Review) -> None:
    decided(review, WARN, reason=ReportReason.SOMETHING_ELSE)
    at_it = asyncio.Event()

    class Slow:
        async def perform(self, _: PendingAction) -> None:
            at_it.set()
            await asyncio.Event().wait()

    working = asyncio.create_task(replace(review.worker, enforcer=Slow()).run())
    await at_it.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working

    assert await review.work() == [outbox.STATEMENT], "at once, in the next process"


async def test_two_workers_share_the_work(review: Review) -> None:
    for number in range(1, 6):
        decided(review, WARN, number, about=f"@u{number}:{SERVER}", reason=ReportReason.SOMETHING_ELSE)
    workers = [replace(review.worker) for _ in range(2)]
    while any(await asyncio.gather(*(worker.run_once() for worker in workers))):
        pass

    assert len(review.homeserver.done) == len({action.id for action in review.homeserver.done}) == 5


async def test_a_locked_database_is_waited_for(review: Review, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done and could not be noted is done again, and noted once."""
    decided(review, WARN, reason=ReportReason.SOMETHING_ELSE)
    database = review.stage.provider.database
    locked = contextlib.ExitStack()
    perform = review.homeserver.perform

    async def performing(action: PendingAction) -> None:
        await perform(action)
        locked.enter_context(database.writing())

    monkeypatch.setattr(database, "_busy_seconds", 0.05)
    monkeypatch.setattr(review.homeserver, "perform", performing)
    with pytest.raises(StorageUnavailable):
        await review.worker.run_once()
    with pytest.raises(StorageUnavailable):
        review.report(account=f"@ann:{SERVER}")
    locked.close()
    monkeypatch.setattr(review.homeserver, "perform", perform)

    assert await review.work() == [], "for another worker might still be at it"
    review.stage.clock.forward(seconds=61)
    assert await review.work() == [outbox.STATEMENT]
    review.report(account=f"@ann:{SERVER}")
    assert review.events().count("carried-out") == 1


@pytest.mark.parametrize("home", ["postgresql"], indirect=True)
async def test_a_database_that_dies_and_comes_back(home: Path, postgresql: Server) -> None:
    """Reports and decisions go on where they were; the worker, which runs all the time, notices nothing else."""
    async with staged(home, publish=False) as stage:
        review = Review(stage)
        decided(review, SUSPEND)
        working = asyncio.create_task(review.worker.run(0.01))
        session = await stage.sign_in(MIA)
        sent = report(message(2), about=f"@eve:{SERVER}", number=2)
        headers = {"authorization": f"Bearer {session}", "content-type": "application/json"}
        await asyncio.to_thread(postgresql.kill)
        try:
            answer = await stage.http.post("/v1/reports", content=encode(sent), headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "storage")
            with pytest.raises(StorageUnavailable):
                review.propose(WARN)
        finally:
            await asyncio.to_thread(postgresql.start)

        assert (await stage.http.post("/v1/reports", content=encode(sent), headers=headers)).status_code == 200
        settled(review, SUSPEND, 2)
        stage.clock.forward(seconds=61)
        async with asyncio.timeout(60):
            while await asyncio.to_thread(review.waiting):
                pass
        working.cancel()
        assert {(action.kind, action.target) for action in review.homeserver.done} == {
            (kind, about) for kind in (outbox.STATEMENT, outbox.SUSPEND) for about in (LEO, f"@eve:{SERVER}")
        }
        assert review.events()[-2:] == ["carried-out", "carried-out"]
        audit.verify(stage.provider.database)


def test_an_operator_who_lets_nothing_be_carried_out_is_told(review: Review) -> None:
    def told() -> str:
        return " ".join(_lacks(review.stage.settings))

    assert "reviewers have decided" not in told()
    decided(review, SUSPEND)
    assert "2 things that reviewers have decided cannot be done" in told()


# The secret


def test_the_secret_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "review.key"

    made = secret.load(path, lambda size: b"\x01" * size)

    assert secret.load(path, lambda size: b"\x02" * size) == made == b"\x01" * 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["review.key"]


def test_two_that_make_the_secret_at_once_get_the_same(tmp_path: Path) -> None:
    path = tmp_path / "review.key"

    def random(size: int) -> bytes:
        path.write_text("03" * size + "\n")  # the other one is quicker
        path.chmod(0o600)
        return b"\x04" * size

    assert secret.load(path, random) == b"\x03" * 32


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [("", 0o600, "holds no secret"), ("ab", 0o600, "holds no secret"), ("ab" * 32, 0o644, "others can read")],
)
def test_a_secret_that_is_none(tmp_path: Path, text: str, mode: int, said: str) -> None:
    path = tmp_path / "review.key"
    path.write_text(text)
    path.chmod(mode)

    with pytest.raises(SettingsError, match=said):
        secret.load(path, bytes)


def test_a_secret_that_cannot_be_kept(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read the secret"):
        secret.load(tmp_path / "nowhere" / "review.key", bytes)
