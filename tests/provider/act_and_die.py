"""Takes in reports, decides, and acts; and is killed at another point each time (run by a test, on each database).

The points have names: what was under way, and where in it. They are found by running each story once. At each of them
a child process kills itself with SIGKILL; a later one finishes the story as people and a restarted service do: who was
not answered asks again, reviewers look at the case anew, the worker goes on. Then all must be there, once.

What takes time is done before the children are forked: modules are imported, statements compiled. No connection is open
then, and no thread runs.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import itertools
import json
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.fake_synapse import SERVICE, TOKEN, FakeSynapse
from harness.provider import SERVER, STAMP_KEY, TestClock, address_of
from harness.reports import message, picture, report
from harness.review import ADA, BOB, LOCK, PAT, WARN
from tutela.integrations.matrix.admin_api import AdminApi
from tutela.integrations.matrix.enforcement import SynapseEnforcer
from tutela.provider.database import Database
from tutela.provider.errors import DecisionSettled
from tutela.provider.reports.attachments import AttachmentFiles
from tutela.provider.reports.intake import Reports
from tutela.provider.reports.tables import Report as ReportTable
from tutela.provider.reports.verification import StampKeys
from tutela.provider.review import audit, cases, policy
from tutela.provider.review.acting import Worker
from tutela.provider.review.decisions import Decisions, Proposal
from tutela.provider.review.policy import ActionKind
from tutela.provider.review.records import PROPOSED, DecisionRow
from tutela.provider.review.tables import Action, Case, Decision
from tutela.wire.document import encode
from tutela.wire.franking import stamp_key_id
from tutela.wire.report import ReportReason

POLICY = policy.load()
APPEALS = "https://safety.example/appeal/"
MINUTE, DAY = 60_000, 86_400_000
Point = tuple[str, int]


@dataclass
class Points:
    """Counts the points that are passed, and kills this process at one of them."""

    at: Point | None = None
    passed: list[Point] = field(default_factory=list)
    doing: str = "nothing"
    counts: Counter[str] = field(default_factory=Counter)

    def begin(self, at: Point | None) -> None:
        """Count anew, and die at a point."""
        self.at, self.doing = at, "nothing"
        self.passed.clear()
        self.counts.clear()

    def reach(self, where: str) -> None:
        name = f"{self.doing}: {where}"
        self.counts[name] += 1
        self.passed.append((name, self.counts[name]))
        if self.passed[-1] == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Have the points reached that are the same wherever they occur."""
        writing, take, settle = Database.writing, Worker._take, Worker._settle

        @contextlib.contextmanager
        def written(database: Database) -> Iterator[sa.Connection]:
            with writing(database) as connection:
                yield connection
                self.reach("before commit")
            self.reach("after commit")

        def taken(worker: Worker) -> Any:
            self.doing = "take"
            found = take(worker)
            self.doing = f"perform {found[0].kind}" if found else "idle"
            return found

        def settled(worker: Worker, action: Any, *rest: Any) -> None:
            self.doing = f"settle {action.kind}"
            settle(worker, action, *rest)

        Database.writing, Worker._take, Worker._settle = written, taken, settled  # type: ignore[method-assign, assignment]
        for name in ("fsync", "replace"):
            setattr(os, name, self._around(name, getattr(os, name)))

    def _around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def passed(*args: Any, **options: Any) -> Any:
            self.reach(f"before {name}")
            result = call(*args, **options)
            self.reach(f"after {name}")
            return result

        return passed


class World:
    """One process of the service, with the people who use it."""

    def __init__(self, folder: Path, database: Database, points: Points) -> None:
        self.clock, self.points, self.database = TestClock(), points, database
        self.files = AttachmentFiles(folder / "attachments")
        stamps = StampKeys({(SERVER, stamp_key_id(STAMP_KEY)): STAMP_KEY})
        self.reports = Reports(self.database, self.files, self.clock, os.urandom, POLICY, stamps)
        self.decisions = Decisions(self.database, self.clock, os.urandom, POLICY)
        self.homeserver = FakeSynapse(folder / "homeserver.jsonl", points.reach)
        api = AdminApi("http://homeserver", lambda: TOKEN, transport=self.homeserver)
        self.worker = Worker(
            self.database,
            self.clock,
            POLICY,
            self.decisions,
            SynapseEnforcer(api, SERVER, bytes(32)),
            APPEALS,
            bytes(32),
        )

    async def work(self) -> None:
        while await self.worker.run_once():
            pass

    def case(self, about: str) -> cases.CaseRow:
        with self.database.reading() as connection:
            number = connection.scalar(sa.select(Case.id).where(Case.about == about))
            assert number is not None
            return cases.load(connection, number)

    def decision(self, case: int, kind: str) -> DecisionRow | None:
        found = [decision for decision in self.decisions.of_case(case) if decision.kind == kind]
        assert len(found) <= 1
        return found[0] if found else None

    def answered(self, what: str) -> None:
        """Somebody has been told that this is done."""
        if ANSWERS >= 0:
            os.write(ANSWERS, f"{what}\n".encode())


#: Where a child writes what was answered; a rehearsal tells nobody.
ANSWERS = -1

CARRIED = "carried-out {}".format
#: What the audit log says of each kind of story.
EXPECTED = {
    "warn": [
        *("report-received", "attachment-received", "decided", "appealed", "appeal-refused"),
        *map(CARRIED, ("statement", "correction")),
    ],
    "remove": [
        *("report-received", "attachment-received", "proposed", "seconded", "undo-proposed", "undone"),
        *map(CARRIED, ("statement", "quarantine", "suspend", "unsuspend", "unquarantine", "correction")),
    ],
    "lock": [
        *("report-received", "attachment-received", "acted-at-once", "lapsed"),
        *map(CARRIED, ("statement", "lock", "unlock", "correction")),
    ],
    "confirm": [
        *("report-received", "attachment-received", "acted-at-once", "confirmed"),
        *map(CARRIED, ("statement", "lock", "confirmation")),
    ],
}
#: And what the homeserver saw, in order.
DONE = {
    "warn": [("message", "sent"), ("message", "sent")],
    "remove": [
        *(("message", "sent"), ("quarantined", SERVICE), ("suspended", True)),
        *(("suspended", False), ("quarantined", None), ("message", "sent")),
    ],
    "lock": [("message", "sent"), ("locked", True), ("locked", False), ("message", "sent")],
    "confirm": [("message", "sent"), ("locked", True), ("message", "sent")],
}


@dataclass
class Story:
    """What happens around one account: told from wherever it stands."""

    number: int
    kind: str

    @property
    def about(self) -> str:
        return f"@u{self.number}:{SERVER}"

    @property
    def reporter(self) -> str:
        return f"@mia{self.number}:{SERVER}"

    @property
    def medium(self) -> str:
        return f"{SERVER}/m{self.number}"

    def __post_init__(self) -> None:
        self.file = picture(2, b"p%d" % self.number, url=f"mxc://{self.medium}", sender=self.about)
        evidence = (message(1, sender=self.about), self.file.evidence)
        self.report = report(
            *evidence,
            number=self.number,
            about=self.about,
            reason={"warn": ReportReason.SOMETHING_ELSE, "remove": ReportReason.SAW_ABUSE}.get(
                self.kind, ReportReason.THREATENED
            ),
            danger_now=self.kind in ("lock", "confirm"),
            attachments=(self.file.attachment,),
        )

    async def tell(self, world: World) -> None:
        """Do what is not done yet."""
        points = world.points
        points.doing = "report"
        receipt = world.reports.take(self.reporter, encode(self.report))
        world.answered("report")
        points.doing = "attachment"
        for sha256 in receipt.missing:
            await world.reports.attach(self.reporter, self.report.id, sha256, len(self.file.data), self._chunks())
        world.answered("attachment")
        case = world.case(self.about)
        if (decision := world.decision(case.id, "act")) is None:
            points.doing = "propose"
            decision = world.decisions.propose(ADA, case.id, case.version, self._proposal())
        world.answered("propose")
        if decision.state == PROPOSED:
            points.doing = "second"
            world.decisions.second(BOB, decision.id, world.case(self.about).version)
        world.answered("second")
        await world.work()
        if self.kind == "warn":
            self._appeal(world, decision)
        if self.kind == "remove":
            self._undo(world, decision)
        if self.kind == "confirm" and decision.settled_by is None:
            points.doing = "confirm"
            world.decisions.second(BOB, decision.id, world.case(self.about).version)
        if self.kind == "lock":
            world.clock.now += DAY
            points.doing = "lapse"
            world.decisions.lapse()
        await world.work()

    def _proposal(self) -> Proposal:
        if self.kind != "remove":
            return {"warn": WARN, "lock": LOCK, "confirm": LOCK}[self.kind]
        actions = (ActionKind.QUARANTINE_MEDIUM, ActionKind.SUSPEND)
        return Proposal(actions, "abuse-material", "This is not allowed.", media=(f"mxc://{self.medium}",))

    def _appeal(self, world: World, decision: DecisionRow) -> None:
        (join,) = world.homeserver.of("join", user=self.about)
        text = world.homeserver.of("message", room=join["room"])[0]["body"]
        token = text.partition(APPEALS)[2].split()[0]
        world.points.doing = "appeal"
        with contextlib.suppress(DecisionSettled):  # "you have appealed already"
            world.decisions.appeal(token, "My brother had my phone.")
        world.answered("appeal")
        world.points.doing = "answer the appeal"
        with contextlib.suppress(DecisionSettled):  # somebody answered it already
            version = world.case(self.about).version
            world.decisions.answer_appeal(PAT, decision.id, version, stands=True, reasons="You did.")

    def _undo(self, world: World, decision: DecisionRow) -> None:
        if (undoing := world.decision(decision.case, "undo")) is None:
            world.points.doing = "undo"
            undoing = world.decisions.undo(ADA, decision.id, world.case(self.about).version, "That was wrong.")
        if undoing.state == PROPOSED:
            world.points.doing = "second the undoing"
            world.decisions.second(BOB, undoing.id, world.case(self.about).version)
        world.answered("undo")

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield self.file.data

    def check_answered(self, world: World, answered: set[str]) -> None:
        """What somebody was told is done is there, before anybody asks again."""
        if "report" in answered:
            world.reports.status(self.reporter, self.report.id)
        if "attachment" in answered:
            assert self._kept(world)
        if "propose" in answered:
            assert world.decision(world.case(self.about).id, "act")
        if "second" in answered:
            decision = world.decision(world.case(self.about).id, "act")
            assert decision is not None
            assert decision.state != PROPOSED
        if "undo" in answered:
            assert world.decision(world.case(self.about).id, "undo")

    def check_whole(self, world: World) -> None:
        """All is there, once."""
        case = world.case(self.about)
        with world.database.reading() as connection:
            reports = connection.scalars(sa.select(ReportTable.id).where(ReportTable.case == case.id)).all()
            actions = connection.execute(
                sa.select(Action).join(Decision, Decision.id == Action.decision).where(Decision.case == case.id)
            ).all()
            logged = Counter(
                f"{entry.event} {entry.action}" if entry.action else entry.event
                for entry in (logged.entry for logged in audit.of_case(connection, case.id))
            )
        assert (list(reports), case.reports) == ([self.report.id], 1)
        assert self._kept(world)
        expected = EXPECTED[self.kind]
        assert logged == Counter(expected), logged
        assert {action.state for action in actions} == {"done"}
        it = world.homeserver
        told = [action.id for action in actions if action.kind in ("statement", "correction", "confirmation")]
        (join,) = it.of("join", user=self.about)
        assert sorted(m["action"] for m in it.of("message", room=join["room"])) == sorted(told)
        changes = [
            (entry["what"], entry.get("value", "sent"))
            for entry in it.history
            if entry.get("of") in (self.about, self.medium)
            or (entry["what"] == "message" and entry["room"] == join["room"])
        ]
        assert changes == DONE[self.kind], changes

    def _kept(self, world: World) -> bool:
        kept = b"".join(world.files.read(self.report.id, self.file.attachment.sha256))
        return hashlib.sha256(kept).hexdigest() == self.file.attachment.sha256


def begun(world: World, number: int, kind: str) -> Story:
    """A new story, whose file lies at the homeserver."""
    story = Story(number, kind)
    digest = json.loads(story.file.evidence.content)["file"]["hashes"]["sha256"]
    world.homeserver.hashes[story.medium] = base64.b64decode(f"{digest}=").hex()
    return story


def in_child(act: Callable[[], object]) -> tuple[int, list[str]]:
    """Fork, act, and return how the child ended and what it wrote."""
    global ANSWERS
    reading, ANSWERS = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(ANSWERS)
    with os.fdopen(reading) as pipe:
        lines = pipe.read().splitlines()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), lines


def told(world: World, story: Story, at: Point) -> tuple[int, list[str]]:
    """Tell a story in a child that dies at a point."""

    def act() -> None:
        world.points.begin(at)
        world.homeserver.read()
        world.clock.now = start_of(story)
        asyncio.run(story.tell(world))

    return in_child(act)


def repaired(world: World, stories: list[tuple[Story, set[str]]]) -> int:
    """Go on with stories whose tellers died, a minute after the last, in another child, and check."""

    def act() -> None:
        world.points.begin(None)
        world.homeserver.read()
        world.clock.now = start_of(stories[-1][0]) + DAY + MINUTE + 1
        for story, answered in stories:
            story.check_answered(world, answered)
            asyncio.run(story.tell(world))
            story.check_whole(world)

    return in_child(act)[0]


def start_of(story: Story) -> int:
    return TestClock().now + story.number * 3 * DAY


def rehearsed(world: World, story: Story) -> list[Point]:
    """Tell a story without dying; return the points that were passed."""
    world.points.begin(None)
    world.clock.now = start_of(story)
    asyncio.run(story.tell(world))
    story.check_whole(world)
    return list(world.points.passed)


def main(folder: Path, part: int) -> None:
    """Kill at every second point; both parts hold some from before a step and some from after it."""
    database = Database(address_of(folder) or f"sqlite:///{folder}/provider.sqlite")
    database.migrate()
    points = Points()
    points.install()
    world = World(folder, database, points)
    numbers = itertools.count(1)
    plan: list[tuple[str, Point]] = []
    for kind in EXPECTED:
        story = begun(world, next(numbers), kind)
        plan += [(kind, point) for point in rehearsed(world, story)]
    killed = []
    mine = [step for number, step in enumerate(plan) if (number + number // 2) % 2 == part]
    # Each kind for itself: where one story's time passes, another's urgent lock would end.
    for batch in itertools.chain.from_iterable(
        batches(list(steps), 5) for _, steps in itertools.groupby(mine, key=lambda step: step[0])
    ):
        database.close()
        stories = []
        for kind, point in batch:
            story = begun(world, next(numbers), kind)
            code, answered = told(world, story, point)
            assert code == -signal.SIGKILL, (kind, point, code)
            stories.append((story, set(answered)))
            killed.append(f"{kind}, {point[0]} ({point[1]})")
        assert repaired(world, stories) == 0, batch
    audit.verify(database)
    world.files.sweep(1e12)
    assert not list((folder / "attachments").glob(".*"))
    print(json.dumps({"points": len(plan), "killed": killed}))


def batches(plan: list[tuple[str, Point]], size: int) -> Iterator[list[tuple[str, Point]]]:
    for start in range(0, len(plan), size):
        yield plan[start : start + size]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
