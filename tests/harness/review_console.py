"""A console that runs, full of cases of every kind: for looking at, and for browsers."""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import skimage.data
from PIL import Image
from sqlalchemy import select

from harness.provider import SERVER, TestClock, make_settings, small_epoch
from harness.reports import MIA, SentFile, message, picture, report, unproven
from tutela.console.server import listening
from tutela.provider.reports.tables import Report as ReportRow
from tutela.provider.review import cases
from tutela.provider.review.acting import PendingAction, Worker
from tutela.provider.review.decisions import Proposal
from tutela.provider.review.notes import Notes
from tutela.provider.review.people import Person, Role
from tutela.provider.review.policy import ActionKind
from tutela.provider.review.sampling import Choice, Samples
from tutela.provider.review.staff import StaffStore
from tutela.provider.server import running
from tutela.provider.service import Provider
from tutela.wire.document import encode
from tutela.wire.report import Addition, Report, ReportReason

HOUR = 3600


def photograph(name: str = "astronaut", kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(getattr(skimage.data, name)()).save(out, kind)
    return out.getvalue()


def named(file: SentFile, **content: object) -> SentFile:
    """The same file under another name, kind or type; without proof, for its commitment is to the first one."""
    values = msgspec.json.decode(file.evidence.content) | content
    text = msgspec.json.encode(values, order="sorted").decode()
    return SentFile(file.data, unproven(msgspec.structs.replace(file.evidence, content=text)))


class _Homeserver:
    def __init__(self) -> None:
        self.done: list[PendingAction] = []

    async def perform(self, action: PendingAction) -> None:
        self.done.append(action)


@dataclass
class Scene:
    """A running console and what is in it."""

    origin: str
    provider: Provider
    clock: TestClock
    staff: StaffStore
    homeserver: _Homeserver
    members: dict[str, Person] = field(default_factory=dict)
    cases: dict[str, int] = field(default_factory=dict)
    appeal: str = ""
    """The token of an appeal that was not made yet."""
    sent: int = 0
    last: int = 0
    """The case of the last report."""

    def hire(self, name: str, role: Role, organisation: str = "Family") -> Person:
        person, _ = self.staff.invite(name, role, organisation, by=None)
        self.members[name] = person
        return person

    async def report(self, *files: SentFile, account: str = MIA, **values: object) -> Report:
        """Report something; the files arrive."""
        self.sent += 1
        attachments = tuple(file.attachment for file in files)
        values = {"attachments": attachments} | values
        made = report(*values.pop("evidence", ()), number=self.sent, **values)  # type: ignore[misc]
        self.provider.reports.take(account, encode(made))
        for file in files:
            await self.provider.reports.attach(
                account, made.id, hashlib.sha256(file.data).hexdigest(), len(file.data), _chunks(file.data)
            )
        with self.provider.database.reading() as connection:
            self.last = connection.execute(select(ReportRow.case).where(ReportRow.id == made.id)).scalar_one()
        return made

    def version(self, case: int) -> int:
        with self.provider.database.reading() as connection:
            return cases.load(connection, case).version

    def propose(self, person: Person, case: int, rule: str, *actions: ActionKind, reasons: str = "You did.", **more):
        proposal = Proposal(actions, rule, reasons, **more)
        return self.provider.decisions.propose(person, case, self.version(case), proposal)

    def second(self, person: Person, decision) -> None:
        self.provider.decisions.second(person, decision.id, self.version(decision.case))

    async def carry_out(self) -> None:
        worker = Worker(
            self.provider.database,
            self.clock,
            self.provider.reports.policy,
            self.provider.decisions,
            self.homeserver,
            f"{self.origin}/appeal/",
            bytes(32),
        )
        while await worker.run_once():
            pass

    def token(self) -> str:
        """The token of the last statement that was sent."""
        text = next(one.text for one in reversed(self.homeserver.done) if one.kind == "statement")
        return text.split("/appeal/")[1].split()[0]


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data


@asynccontextmanager
async def scene(folder: Path, **values: object) -> AsyncIterator[Scene]:
    """An empty console that runs; its clock stands until it is moved."""
    clock, settings = TestClock(), make_settings(folder, small_epoch(), **values)
    provider = Provider.open(settings, clock=clock)
    staff = StaffStore(provider.database, clock, secrets.token_bytes)
    with listening(settings, port=0) as console:
        async with running(settings, clock=clock, beside=[console]):
            yield Scene(console.site.origin, provider, clock, staff, _Homeserver())
    provider.close()


async def filled(made: Scene) -> Scene:
    """Put cases of every kind into a console."""
    ada, bob, cai = (made.hire(name, Role.REVIEWER) for name in ("Ada", "Bob", "Cai"))
    made.hire("Pat", Role.PARTNER, "Child Focus")
    made.hire("Root", Role.ADMIN)
    made.hire("Aud", Role.AUDITOR, "Press")
    database, clock = made.provider.database, made.clock

    # A closed one, appealed against by nobody yet.
    await made.report(evidence=(message(1, "your mum need not know"),), about=f"@past:{SERVER}")
    warned = made.propose(
        ada, made.last, "unwanted-contact", ActionKind.SUSPEND, reasons="You pressed a child for secrets."
    )
    made.second(bob, warned)
    await made.carry_out()
    made.appeal = made.token()
    made.cases["closed"] = made.last

    # The full one: proven, unproven, disputed, hostile, with files of all kinds.
    clock.forward(seconds=HOUR)
    cat, coffee = picture(20, photograph("chelsea")), picture(21, photograph("coffee"))
    lying = named(picture(22, b"MZ\x90 this is a program" * 20), body="holiday.jpg", info={"mimetype": "image/jpeg"})
    video = named(
        picture(23, b"\x00\x00\x00\x20ftypisom" + bytes(200)),
        body="clip.mp4",
        msgtype="m.video",
        info={"mimetype": "video/mp4"},
    )
    late = picture(24, photograph("rocket"))
    talk = (
        message(10, "hi! i saw you in the group, you are funny"),
        message(11, "how old are you?"),
        message(12, "12", sender=MIA),
        message(13, "do you have a picture of you? just for me"),
        message(
            14,
            content={
                "msgtype": "m.text",
                "body": "ok",
                "formatted_body": "ok <a href='https://chat.example/x'>talk there</a>, nobody reads it",
            },
        ),
        unproven(message(15, "\u202egnp.ton-si-siht <script>alert(1)</script>")),
        cat.evidence,
        coffee.evidence,
        lying.evidence,
        video.evidence,
        late.evidence,
    )
    first = await made.report(
        cat,
        coffee,
        lying,
        video,
        evidence=talk,
        text="He asked me for pictures, and now he says he will tell everybody.",
        attachments=tuple(one.attachment for one in (cat, coffee, lying, video, late)),
        region="BE",
    )
    clock.forward(seconds=600)
    made.provider.reports.add(MIA, first.id, Addition(id="a" * 64, text="He wrote again just now."))
    await made.report(
        evidence=(
            unproven(message(11, "what school do you go to?")),
            message(13, "do you have a picture of you? just for me"),
        ),
        account=f"@sara:{SERVER}",
        reason=ReportReason.WORRIED_ABOUT_A_FRIEND,
        text="Mia is afraid of him.",
        language="fr",
    )
    made.cases["full"] = made.last
    Notes(database, clock, secrets.token_bytes).write(
        bob, made.last, "Looks like the account from last month: same opening line."
    )

    # Danger, proposed by somebody, acted on at once, distribution, and others.
    await made.report(
        danger_now=True, about=f"@danger:{SERVER}", text="He is outside.", reason=ReportReason.WANTS_TO_MEET
    )
    made.propose(bob, made.last, "threats-and-extortion", ActionKind.LOCK, reasons="You threatened to come to a child.")
    made.cases["urgent"] = made.last
    await made.report(
        evidence=(message(30, "send it or I share the other one"),),
        about=f"@threat:{SERVER}",
        reason=ReportReason.THREATENED,
    )
    made.propose(
        bob,
        made.last,
        "threats-and-extortion",
        ActionKind.SUSPEND,
        ActionKind.DISCLOSE,
        reasons="You threatened to share a picture of a child.",
        answer="Thank you for telling us. None of this is your fault.",
    )
    made.cases["second"] = made.last
    await made.report(about=f"@spread:{SERVER}", reason=ReportReason.SAW_ABUSE, text="He posts links in the group.")
    await made.report(about=None, reason=ReportReason.SOMETHING_ELSE, text="Somebody is mean in the chat.")
    made.cases["open"] = made.last

    # One that was decided and appealed against.
    await made.report(
        evidence=(message(40, "you are a liar"),), about=f"@appealing:{SERVER}", reason=ReportReason.SOMETHING_ELSE
    )
    made.propose(ada, made.last, "unwanted-contact", ActionKind.WARN, reasons="You pressed a child for a meeting.")
    await made.carry_out()
    made.provider.decisions.appeal(made.token(), "It was my little brother, who had my phone that day.")
    made.cases["appealed"] = made.last

    # Decided by Ada, for a second look of others.
    samples = Samples(database, clock, secrets.token_bytes, made.provider.reports.policy)
    warned, nothing = (
        Choice("unwanted-contact", (ActionKind.WARN,)),
        Choice("no-breach", (ActionKind.NO_ACTION,)),
    )
    for number in range(44):
        expected, other = (warned, nothing) if number % 2 else (nothing, warned)
        evidence = (message(100 + number, "go away", room=f"!r{number}:{SERVER}"),)
        of_nobody_else = {"about": f"@x{number}:{SERVER}", "account": f"@r{number}:{SERVER}"}
        await made.report(evidence=evidence, reason=ReportReason.SOMETHING_ELSE, **of_nobody_else)
        made.propose(ada, made.last, expected.rule, *expected.actions)
        samples.mark_golden(made.last, expected)
        sample = samples.offer(cai)
        assert sample is not None
        samples.answer(cai, sample.id, other if number % 9 == 4 else sample.expected)
    clock.forward(seconds=12 * 60)
    return made
