"""Reports from a device to a real provider: kept until they have arrived, taken once, whatever happens between."""

from __future__ import annotations

import asyncio
import errno
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import select

from harness.provider import SERVER, START, Stage, small_epoch, staged
from harness.reports import LEO, MIA, message, picture, restamped, unproven
from tutela import durable
from tutela.device import Guard, OwnReport
from tutela.device import reports as reports_module
from tutela.device.client import ProviderClient
from tutela.device.errors import (
    NoSuchReport,
    ProviderRefused,
    ReportTooLarge,
    ReportUnusable,
)
from tutela.device.outbox import NOTES
from tutela.device.profile import Profile
from tutela.device.reports import Reports
from tutela.provider.reports import intake
from tutela.provider.reports import tables as rows
from tutela.provider.server import running
from tutela.wire import limits
from tutela.wire.report import LEAST_BYTES, Proof, ReadingTime, ReportReason, ReportState
from tutela.wire.session import SignIn

KEY = bytes(range(32))
ASKED = ReportReason.ASKED_FOR_PICTURES
CAT = picture(3, b"a picture of a cat" * 1000)
DOG = picture(4, b"a picture of a dog" * 10_000)
IDS = ["ab" * 32, "cd" * 32]


class Died(BaseException):
    """The app was killed here."""


@dataclass
class Line(httpx.AsyncBaseTransport):
    """The way to the provider."""

    app: httpx.ASGITransport
    down: bool = False
    silent: bool = False
    meddle: Callable[[httpx.Request, httpx.Response], httpx.Response] = lambda request, answer: answer
    before: Callable[[httpx.Request], None] = lambda request: None
    sizes: list[tuple[str, str, int]] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("down", request=request)
        if self.silent:
            await asyncio.Event().wait()
        self.before(request)
        body = await request.aread()
        self.sizes.append((request.method, request.url.path, len(body)))
        answer = await self.app.handle_async_request(request)
        return self.meddle(request, answer)

    def sent(self, path: str = "/v1/reports", method: str = "POST") -> list[int]:
        return [size for how, where, size in self.sizes if how == method and where.startswith(path)]


@dataclass
class Phone:
    """A device with a profile, and its provider."""

    stage: Stage
    folder: Path
    line: Line
    signed_in: int = 0
    clock: Callable[[], float] = lambda: START / 1000

    async def sign_in(self) -> SignIn:
        self.signed_in += 1
        token = f"phone-{self.signed_in}"
        self.stage.homeserver.tokens[token] = MIA
        return SignIn(matrix_server_name=SERVER, access_token=token)

    @asynccontextmanager
    async def reports(self, *, start: bool = False) -> AsyncIterator[Reports]:
        with Profile(self.folder, KEY) as profile:
            client = ProviderClient("https://provider.invalid", self.sign_in, transport=self.line, seconds=5.0)
            async with client:
                made = Reports(profile, client, clock=self.clock)
                if start:
                    made.start()
                yield made
                await made.close()

    def taken(self, table: Any = rows.Report) -> list[Any]:
        """The provider's rows."""
        with self.stage.provider.database.reading() as connection:
            return list(connection.execute(select(table)))

    @property
    def proofs(self) -> list[str]:
        [report] = self.taken()
        return report.proofs.split()

    @property
    def stored(self) -> set[str]:
        return {path.name for path in self.stage.settings.attachments.glob("*")}

    @property
    def records(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("outbox-*"))


@pytest.fixture
async def phone(tmp_path: Path) -> AsyncIterator[Phone]:
    (tmp_path / "provider").mkdir()
    async with staged(tmp_path / "provider", small_epoch()) as stage:
        stage.reader()
        yield Phone(stage, tmp_path / "phone", Line(httpx.ASGITransport(stage.app)))


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports_module, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(reports_module, "_LONGEST_PAUSE", 0.02)


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The device's disk, not the provider's."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "write_synced", full)
        yield


def answering(path: str, status: int, body: Any) -> Callable[[httpx.Request, httpx.Response], httpx.Response]:
    """A provider that gives one answer at one path."""

    def answered(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        said = httpx.Response(status, stream=httpx.ByteStream(msgspec.json.encode(body)))
        return said if request.url.path == path else answer

    return answered


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


# A report arrives


async def test_a_report_with_messages_and_pictures_arrives(phone: Phone):
    async with phone.reports() as reports:
        own = await reports.send(
            ASKED,
            messages=[DOG.evidence, message(1), CAT.evidence, unproven(message(2))],
            files={CAT.evidence.event_id: CAT.data, DOG.evidence.event_id: DOG.data},
            about=LEO,
            text="He asked again.",
            language="fr",
            region="BE",
        )
        assert own.receipt is not None
        assert (own.reference, own.receipt.read_within_minutes, own.waiting) == (own.receipt.reference, 240, 2)
        assert await reports.deliver()
        assert reports.own(own.id).waiting == 0
    [report] = phone.taken()
    assert (report.account, report.id) == (MIA, own.id)
    assert phone.proofs == ["proven", "unproven", "proven", "proven"]
    body = msgspec.json.decode(report.body)
    assert (body["language"], body["region"], body["text"]) == ("fr", "BE", "He asked again.")
    assert [row.arrived is not None and row.proven for row in phone.taken(rows.ReportAttachment)] == [True, True]
    assert {f"{own.id}-{sent.attachment.sha256}" for sent in (CAT, DOG)} == phone.stored


async def test_what_is_long_goes_in_parts_over_a_real_connection(phone: Phone, tmp_path: Path):
    large = picture(300, b"a large file" * 300_000)
    messages = [message(number, "a long message " * 500) for number in range(limits.REPORT_MESSAGES - 1)]
    async with running(phone.stage.settings, transport=phone.stage.homeserver) as url:
        guard = await Guard.open(
            tmp_path / "guard", key=KEY, provider=url, trust_root=phone.stage.epoch.trust_root, sign_in=phone.sign_in
        )
        async with guard:
            files = {large.evidence.event_id: large.data}
            own = await guard.reports.send(ASKED, messages=[*messages, large.evidence], files=files)
            assert own.receipt is not None
            assert own.receipt.proofs == (Proof.PROVEN,) * limits.REPORT_MESSAGES
            await until(lambda: guard.reports.own(own.id).waiting == 0)
    assert phone.stored == {f"{own.id}-{large.attachment.sha256}"}


async def test_words_alone_are_a_report(phone: Phone):
    async with phone.reports() as reports:
        own = await reports.send(ReportReason.SOMETHING_ELSE, text="I am afraid.")
    assert own.reference
    assert own.waiting == 0


async def test_what_has_arrived_is_erased_here_but_for_a_note(phone: Phone):
    async with phone.reports() as reports:
        own = await reports.send(ASKED, messages=[CAT.evidence], files={CAT.evidence.event_id: CAT.data}, about=LEO)
        assert len(phone.records) == 2
        await reports.deliver()
        assert len(phone.records) == 1
        assert (phone.folder / phone.records[0]).stat().st_size < 2000
    async with phone.reports() as reports:
        again = reports.own(own.id)
        assert (again.reason, again.about, again.made, again.reference) == (ASKED, LEO, START, own.reference)


async def test_nothing_of_it_is_readable_at_rest(phone: Phone):
    phone.line.down = True
    async with phone.reports() as reports:
        own = await reports.send(
            ASKED, messages=[CAT.evidence], files={CAT.evidence.event_id: CAT.data}, about=LEO, text="He asked again."
        )
    stored = b"".join(path.read_bytes() + path.name.encode() for path in phone.folder.iterdir())
    for secret in (b"He asked again.", LEO.encode(), b"picture of a cat", ASKED.encode(), b"report", own.id.encode()):
        assert secret not in stored


async def test_two_hundred_messages(phone: Phone):
    messages = [message(number) for number in range(limits.REPORT_MESSAGES)]
    async with phone.reports() as reports:
        own = await reports.send(ASKED, messages=reversed(messages), about=LEO)
        assert own.receipt is not None
        assert own.receipt.proofs == (Proof.PROVEN,) * limits.REPORT_MESSAGES
        with pytest.raises(ReportTooLarge, match="200 messages"):
            await reports.send(ASKED, messages=[*messages, message(1000)])
    assert len(phone.taken()) == 1


async def test_a_message_chosen_twice_and_one_picture_sent_twice_go_once(phone: Phone):
    again = picture(5, CAT.data)
    async with phone.reports() as reports:
        files = {CAT.evidence.event_id: CAT.data, again.evidence.event_id: again.data}
        await reports.send(ASKED, messages=[again.evidence, CAT.evidence, CAT.evidence], files=files)
        assert await reports.deliver()
    assert phone.proofs == ["proven", "proven"]
    [attachment] = phone.taken(rows.ReportAttachment)
    assert attachment.event_id == CAT.evidence.event_id


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "x" * 4001},
        {"text": "\ud800"},
        {"language": "English please"},
        {"region": "Belgium"},
        {"about": ""},
        {"files": {"$other": b"file"}},
        {"messages": [CAT.evidence], "files": {CAT.evidence.event_id: bytes(limits.ATTACHMENT_BYTES + 1)}},
        {"messages": [message(n, "\u0001" * 10_000) for n in range(80)]},
        {"report_id": "short"},
    ],
    ids=["long", "half a character", "language", "region", "nobody", "other file", "large file", "too much", "id"],
)
async def test_what_is_no_report_is_refused_at_once(phone: Phone, wrong: dict[str, Any]):
    async with phone.reports() as reports:
        with pytest.raises(ReportUnusable) as refused:
            await reports.send(ASKED, **wrong)
        assert await reports.mine() == ()
    assert ("large" in refused.value.code) == isinstance(refused.value, ReportTooLarge)
    assert phone.taken() == []
    assert phone.records == []


# Proof


async def test_what_does_not_open_is_sent_as_the_users_word(phone: Phone):
    forged = msgspec.structs.replace(message(2), content='{"body":"other","msgtype":"m.text"}')
    half = msgspec.structs.replace(message(4), opening=None)
    async with phone.reports() as reports:
        await reports.send(ASKED, messages=[message(1), forged, message(3), half])
    assert phone.proofs == ["proven", "unproven", "proven", "unproven"]
    assert len(phone.line.sent()) == 1


async def test_a_message_with_a_forged_stamp_goes_again_as_the_users_word(phone: Phone):
    messages = [message(n) if n not in (2, 5) else restamped(message(n), mac="00" * 32) for n in range(1, 7)]
    async with phone.reports() as reports:
        own = await reports.send(ASKED, messages=messages, about=LEO)
        assert own.reference
    assert phone.proofs == ["proven", "unproven", "proven", "proven", "unproven", "proven"]
    assert len(phone.line.sent()) == 3


async def test_a_refusal_that_names_no_message_is_not_believed(phone: Phone):
    async with phone.reports() as reports:
        for item in (1, -1, 99):
            refusal = {"code": "report-refused", "message": "no", "item": item}
            phone.line.meddle = answering("/v1/reports", 422, refusal)
            own = await reports.send(ASKED, messages=[unproven(message(2)), message(1)], report_id=IDS[0])
            assert own.waiting == 1
        phone.line.meddle = lambda _, answer: answer
        assert await reports.deliver()
    assert phone.proofs == ["proven", "unproven"]


# The provider is away


async def test_it_waits_for_a_provider_that_is_away_and_then_goes_by_itself(phone: Phone, soon: None):
    phone.line.down = True
    async with phone.reports(start=True) as reports:
        own = await reports.send(ASKED, messages=[CAT.evidence], files={CAT.evidence.event_id: CAT.data})
        assert (own.receipt, own.reference, own.waiting, own.kept, own.arrived) == (None, "", 2, True, False)
        await asyncio.sleep(0.1)
        phone.line.down = False
        await until(lambda: reports.own(own.id).waiting == 0)
    assert len(phone.stored) == 1


async def test_a_silent_provider_does_not_hold_the_user_up(phone: Phone, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reports_module, "_PATIENCE", 0.05)
    monkeypatch.setattr(reports_module, "_TIMES_PATIENCE", 0.05)
    phone.line.silent = True
    async with phone.reports() as reports:
        own = await reports.send(ASKED)
        assert not own.arrived
        assert await reports.reading_times() is None
        assert [one.id for one in await reports.mine()] == [own.id]
        assert (await reports.add(own.id, "more")).waiting == 2
        phone.line.silent = False
        assert await reports.deliver()
        assert reports.own(own.id).status is not None
    assert len(phone.taken(rows.ReportAddition)) == 1


async def test_it_goes_as_soon_as_the_app_is_there_again(phone: Phone, soon: None):
    phone.line.down = True
    async with phone.reports() as reports:
        own = await reports.send(ASKED)
    phone.line.down = False
    async with phone.reports(start=True) as reports:
        await until(lambda: reports.own(own.id).arrived)
    assert len(phone.taken()) == 1


async def test_what_is_urgent_goes_first(phone: Phone):
    phone.line.down = True
    async with phone.reports() as reports:
        first = await reports.send(ASKED, messages=[DOG.evidence], files={DOG.evidence.event_id: DOG.data})
        second = await reports.send(ASKED, danger_now=True)
        phone.line.down = False
        order, posted = list[str](), list[str]()

        def note(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
            order.append(request.url.path)
            if request.url.path == "/v1/reports":
                posted.append(msgspec.json.decode(request.content)["id"])
            return answer

        phone.line.meddle = note
        await reports.deliver()
    assert [path.split("/")[2] for path in order] == ["session", "reports", "reports", "reports"]
    assert "attachments" in order[-1]
    assert posted == [second.id, first.id]


async def test_more_reports_than_are_taken_in_an_hour_wait(phone: Phone):
    async with phone.reports() as reports:
        owns = [await reports.send(ASKED, text=f"{n}") for n in range(intake.REPORTS_PER_HOUR + 1)]
        assert [own.arrived for own in owns] == [True] * intake.REPORTS_PER_HOUR + [False]
        urgent = await reports.send(ASKED, danger_now=True)
        assert urgent.arrived
        assert not await reports.deliver()
        phone.stage.clock.forward(seconds=3601)
        assert await reports.deliver()
    assert len(phone.taken()) == intake.REPORTS_PER_HOUR + 2


async def test_a_session_that_ended_is_renewed(phone: Phone):
    async with phone.reports() as reports:
        await reports.send(ASKED)
        phone.stage.clock.forward(seconds=phone.stage.settings.session_seconds + 1)
        assert (await reports.send(ASKED)).arrived
    assert phone.signed_in == 2


LIES: list[Callable[[dict[str, Any]], Any]] = [
    lambda receipt: receipt | {"id": "00" * 32},
    lambda receipt: receipt | {"proofs": []},
    lambda receipt: receipt | {"missing": ["00" * 32]},
    lambda receipt: receipt | {"reference": ""},
    lambda receipt: [],
]


@pytest.mark.parametrize("lie", LIES, ids=["id", "proofs", "missing", "reference", "nonsense"])
async def test_a_receipt_for_something_else_is_none(phone: Phone, lie: Callable[[dict[str, Any]], Any]):
    async with phone.reports() as reports:
        own = await reports.send(ASKED)
        receipt = msgspec.to_builtins(own.receipt)
        phone.line.meddle = answering("/v1/reports", 200, lie(receipt | {"id": IDS[0], "proofs": ["proven"]}))
        told = await reports.send(ASKED, messages=[message(1)], report_id=IDS[0])
        assert (told.arrived, told.waiting) == (False, 1)


# Files that cannot be sent


async def test_a_file_that_is_no_longer_here_holds_nothing_up(phone: Phone):
    async with phone.reports() as reports:
        files = {CAT.evidence.event_id: CAT.data, DOG.evidence.event_id: DOG.data}
        own = await reports.send(ASKED, messages=[CAT.evidence, DOG.evidence], files=files)
        gone, damaged = (name for name in phone.records if name.count("-") == 2)
        (phone.folder / gone).unlink()
        (phone.folder / damaged).write_bytes(b"rubbish")
        assert await reports.deliver()
        assert (reports.own(own.id).lost, reports.own(own.id).waiting) == (2, 0)
    assert len(phone.taken()) == 1
    assert len(phone.records) == 1


async def test_a_file_that_is_not_the_messages_holds_nothing_up(phone: Phone):
    other = b"x" * len(CAT.data)
    async with phone.reports() as reports:
        files = {CAT.evidence.event_id: other, DOG.evidence.event_id: DOG.data}
        own = await reports.send(ASKED, messages=[CAT.evidence, DOG.evidence], files=files)
        assert await reports.deliver()
        assert (reports.own(own.id).lost, reports.own(own.id).waiting) == (1, 0)
    assert {f"{own.id}-{DOG.attachment.sha256}"} == phone.stored


async def test_a_report_that_the_provider_lost_is_sent_anew(phone: Phone):
    async with phone.reports() as reports:
        own = await reports.send(ASKED, messages=[CAT.evidence], files={CAT.evidence.event_id: CAT.data})
        with phone.stage.provider.database.writing() as connection:  # an old copy of the database was brought back
            for table in (rows.ReportAttachment, rows.ReportMessage, rows.Report):
                connection.execute(table.__table__.delete())
        assert not await reports.deliver()
        assert await reports.deliver()
        assert reports.own(own.id).waiting == 0
    assert len(phone.stored) == 1


# A full disk


async def test_a_full_disk_does_not_stop_a_report(phone: Phone, monkeypatch: pytest.MonkeyPatch):
    async with phone.reports() as reports:
        with full_disk(monkeypatch):
            own = await reports.send(ASKED, messages=[CAT.evidence], files={CAT.evidence.event_id: CAT.data})
            assert (own.arrived, own.kept) == (True, False)
        assert await reports.deliver()
        assert reports.own(own.id).waiting == 0
    assert len(phone.stored) == 1
    assert not [name for name in phone.records if name.count("-") == 2]


async def test_a_full_disk_and_no_provider_is_told_and_tried_on(phone: Phone, monkeypatch: pytest.MonkeyPatch):
    phone.line.down = True
    async with phone.reports() as reports:
        with full_disk(monkeypatch):
            own = await reports.send(ASKED, messages=[CAT.evidence], files={CAT.evidence.event_id: CAT.data})
            assert (own.arrived, own.kept, own.waiting) == (False, False, 2)
            assert phone.records == []
        phone.line.down = False
        assert await reports.deliver()
    assert len(phone.stored) == 1


async def test_a_disk_that_fills_later_doubles_nothing(phone: Phone, monkeypatch: pytest.MonkeyPatch):
    phone.line.down = True
    async with phone.reports() as reports:
        own = await reports.send(ASKED, messages=[CAT.evidence], files={CAT.evidence.event_id: CAT.data})
        phone.line.down = False
        with full_disk(monkeypatch):
            assert await reports.deliver()
    async with phone.reports() as reports:
        assert reports.own(own.id).kept
        assert await reports.deliver()
        assert reports.own(own.id).waiting == 0
    assert len(phone.taken()) == 1


# The app dies


class Deaths:
    """Kills the app at the n-th of the moments at which it can matter: around each exchange and each file written."""

    def __init__(self, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        replace, delete = durable.replace, Profile.delete

        def replaced(path: Path, data: bytes, *, mode: int) -> None:
            self.moment()
            replace(path, data, mode=mode)
            self.moment()

        def deleted(profile: Profile, name: str) -> None:
            self.moment()
            delete(profile, name)

        def answered(_: httpx.Request, answer: httpx.Response) -> httpx.Response:
            self.moment()
            return answer

        monkeypatch.setattr(durable, "replace", replaced)
        monkeypatch.setattr(Profile, "delete", deleted)
        phone.line.before = lambda _: self.moment()
        phone.line.meddle = answered

    def moment(self) -> None:
        if self.left == 0:
            self.left = -1
            raise Died
        self.left -= 1


async def _all_of_it(reports: Reports) -> None:
    forged = restamped(message(2), mac="00" * 32)
    own = await reports.send(
        ASKED,
        messages=[message(1), forged, CAT.evidence, DOG.evidence],
        files={CAT.evidence.event_id: CAT.data, DOG.evidence.event_id: DOG.data},
        about=LEO,
        report_id=IDS[0],
    )
    await reports.add(own.id, "He asked again.", addition_id=IDS[1])
    await reports.deliver()


async def test_killed_at_any_moment_nothing_is_lost_and_nothing_doubled(phone: Phone, monkeypatch: pytest.MonkeyPatch):
    """Whoever pressed Send once and came back finds the report there, or, if it was not kept yet, sends it again."""
    deaths = Deaths(phone, monkeypatch)
    for number in itertools.count():
        _start_anew(phone)
        deaths.left, died = number, False
        try:
            async with phone.reports() as reports:
                await _all_of_it(reports)
        except Died:
            died = True
        deaths.left = -1
        async with phone.reports() as reports:
            if died and any(name.count("-") == 1 for name in phone.records):
                assert reports.own(IDS[0]).about == LEO
                await reports.deliver()
                assert len(phone.taken()) == 1
            await _all_of_it(reports)
            assert reports.own(IDS[0]).waiting == 0
        assert phone.proofs == ["proven", "unproven", "proven", "proven"]
        assert len(phone.stored) == 2
        assert len(phone.taken(rows.ReportAddition)) == 1
        assert len(phone.records) == 1
        if not died:
            break
    assert number > 25


def _start_anew(phone: Phone) -> None:
    for path in (*phone.folder.glob("outbox-*"), *phone.stage.settings.attachments.glob("*")):
        path.unlink()
    with phone.stage.provider.database.writing() as connection:
        for table in (rows.ReportAddition, rows.ReportAttachment, rows.ReportMessage, rows.Report):
            connection.execute(table.__table__.delete())


async def test_a_real_kill_between_pressing_send_and_the_providers_return(phone: Phone):
    program = f"""
import asyncio, os
from pathlib import Path
from tutela.device.client import ProviderClient
from tutela.device.profile import Profile
from tutela.device.reports import Reports
from tutela.wire.report import ReportReason

async def main():
    async def sign_in(): raise OSError("offline")
    client = ProviderClient("http://127.0.0.1:9", sign_in)
    reports = Reports(Profile(Path({str(phone.folder)!r}), bytes(range(32))), client)
    reports.start()
    await reports.send(ReportReason.THREATENED, text="He threatens me.", about={LEO!r}, danger_now=True)
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], check=False)
    assert done.returncode == -9
    async with phone.reports() as reports:
        assert await reports.deliver()
    [report] = phone.taken()
    assert (report.reason, report.danger_now) == ("threatened", True)


# What becomes of it


async def test_the_user_sees_what_became_of_it(phone: Phone):
    async with phone.reports() as reports:
        phone.clock = lambda: START / 1000 + 60
        first = await reports.send(ASKED, about=LEO)
        [seen] = await reports.mine()
        assert seen.status is not None
        assert (seen.status.state, seen.status.outcome) == (ReportState.RECEIVED, None)
        with phone.stage.provider.database.writing() as connection:
            values = {"state": "decided", "outcome": "acted", "answer": "Thank you, Mia."}
            connection.execute(rows.Report.__table__.update().values(**values))
        [seen] = await reports.mine()
        assert seen.status is not None
        assert (seen.status.state, seen.status.outcome, seen.status.message) == ("decided", "acted", "Thank you, Mia.")
    phone.line.down = True
    async with phone.reports() as reports:
        [offline] = await reports.mine()
        assert offline == seen
        assert offline.id == first.id


async def test_an_answer_is_news_until_the_user_has_looked(phone: Phone):
    def decide(**values: object) -> None:
        with phone.stage.provider.database.writing() as connection:
            connection.execute(rows.Report.__table__.update().values(state="decided", outcome="acted", **values))

    async with phone.reports() as reports:
        await reports.send(ASKED, about=LEO)
        [seen] = await reports.mine()
        assert (seen.open, seen.news) == (True, False)
        reports.looked()
        decide(updated=START + 1000)
        assert [(own.open, own.news) for own in reports.known()] == [(True, False)], "nothing is asked"
        [seen] = await reports.mine()
        assert (seen.open, seen.news) == (False, True)
    phone.line.down = True
    async with phone.reports() as reports:
        assert [own.news for own in reports.known()] == [True]
        reports.looked()
        assert [own.news for own in reports.known()] == [False]
    phone.line.down = False
    async with phone.reports() as reports:
        assert [own.news for own in await reports.mine()] == [False], "kept, and sealed"
        decide(updated=START + 2000, answer="Thank you, Mia.")
        assert [own.news for own in await reports.mine()] == [True]


async def test_reports_of_another_device_are_there_too(phone: Phone):
    async with phone.reports() as reports:
        own = await reports.send(ASKED, about=LEO)
    other = Phone(phone.stage, phone.folder.with_name("tablet"), phone.line, signed_in=50)
    async with other.reports() as reports:
        with pytest.raises(NoSuchReport):
            await reports.add(own.id, "more")
        [seen] = await reports.mine()
        assert (seen.id, seen.reference, seen.reason, seen.about, seen.made) == (
            own.id,
            own.reference,
            None,
            None,
            START,
        )
        added = await reports.add(own.id, "It happened again.", danger_now=True)
        assert added.status is not None
        assert (added.waiting, added.status.additions) == (0, 1)


async def test_the_newest_come_first_and_only_so_many_notes_stay(phone: Phone, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reports_module, "NOTES", 3)
    moments = iter(range(10))
    phone.clock = lambda: START / 1000 + next(moments)
    async with phone.reports() as reports:
        owns = [await reports.send(ASKED, text=f"{n}") for n in range(5)]
    assert len(phone.records) == 3
    phone.line.down = True
    async with phone.reports() as reports:
        assert [one.id for one in await reports.mine()] == [own.id for own in reversed(owns)][:3]
    assert NOTES == 100


async def test_an_addition_goes_once_however_often_it_is_pressed(phone: Phone):
    async with phone.reports() as reports:
        own = await reports.send(ASKED)
        await asyncio.gather(*(reports.add(own.id, "again", addition_id=IDS[0]) for _ in range(5)))
        assert reports.own(own.id).waiting == 0
    assert len(phone.taken(rows.ReportAddition)) == 1


async def test_a_report_goes_once_however_often_it_is_pressed(phone: Phone):
    async with phone.reports(start=True) as reports:
        owns = await asyncio.gather(*(reports.send(ASKED, report_id=IDS[0]) for _ in range(5)))
        assert {own.reference for own in owns} == {owns[0].reference}
    assert len(phone.taken()) == 1


@pytest.mark.parametrize("text", ["", "x" * 4001, "\ud800"])
async def test_what_cannot_be_added(phone: Phone, text: str):
    async with phone.reports() as reports:
        own = await reports.send(ASKED)
        with pytest.raises(ReportUnusable):
            await reports.add(own.id, text)
        assert reports.own(own.id).waiting == 0


async def test_an_addition_that_the_provider_never_takes_is_told_and_dropped(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(intake, "ADDITIONS", 1)
    async with phone.reports() as reports:
        own = await reports.send(ASKED)
        await reports.add(own.id, "first")
        with pytest.raises(ProviderRefused, match="very often"):
            await reports.add(own.id, "second")
        assert reports.own(own.id).waiting == 0
        assert await reports.deliver()


async def test_when_it_would_be_read_is_asked_without_a_session(phone: Phone):
    async with phone.reports() as reports:
        times = await reports.reading_times()
    assert times is not None
    assert times.reasons[ASKED] == ReadingTime(nobody_for=0, within=240)
    assert phone.signed_in == 0


# What the line shows


@pytest.mark.parametrize("messages", [0, 1, 5])
async def test_small_reports_and_additions_have_one_size(phone: Phone, messages: int):
    async with phone.reports() as reports:
        own = await reports.send(ASKED, messages=[message(n) for n in range(messages)], text="x" * 400 * messages)
        await reports.add(own.id, "y" * 100 * messages or "y")
    assert phone.line.sent() == [LEAST_BYTES, LEAST_BYTES]


async def test_guard_has_them(phone: Phone, tmp_path: Path):
    async with await Guard.open(
        tmp_path / "guard", key=KEY, provider="https://provider.invalid", trust_root=phone.stage.epoch.trust_root,
        sign_in=phone.sign_in, transport=phone.line,
    ) as guard:  # fmt: skip
        own = await guard.reports.send(ASKED, messages=[CAT.evidence], files={CAT.evidence.event_id: CAT.data})
        await until(lambda: guard.reports.own(own.id).waiting == 0)
    assert len(phone.stored) == 1


def test_facts_are_json():
    own = OwnReport(IDS[0], 1, ASKED, LEO, False, None, None, 1, 0, True)
    facts = msgspec.json.decode(msgspec.json.encode(own.facts()))
    assert (facts["reason"], facts["receipt"], facts["reference"]) == ("asked-for-pictures", None, "")
