"""Taking in reports over HTTP: kept once, whatever happens, and given to nobody else."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import func, select

from harness.provider import SERVER, STAMP_KEY, START, Stage
from harness.reports import LEO, MIA, message, picture, report, restamped, unproven
from tutela.provider.errors import SettingsError
from tutela.provider.reports import attachments, intake, resent, stamp_keys
from tutela.provider.reports import tables as report_tables
from tutela.provider.review import audit, cases
from tutela.provider.review.people import Role
from tutela.provider.review.policy import Urgency
from tutela.provider.review.staff import StaffStore
from tutela.wire import limits
from tutela.wire.document import encode
from tutela.wire.franking import stamp_key_id
from tutela.wire.report import (
    Addition,
    Attachment,
    Proof,
    ReadingTime,
    ReadingTimes,
    Receipt,
    Report,
    ReportReason,
    ReportState,
    ReportStatus,
    padded,
)


class Reporter:
    """Somebody with a session, who reports."""

    def __init__(self, stage: Stage, session: str) -> None:
        self._http = stage.http
        self._bearer = {"authorization": f"Bearer {session}"}

    @classmethod
    async def of(cls, stage: Stage, account: str = MIA) -> Reporter:
        return cls(stage, await stage.sign_in(account))

    async def post(self, body: bytes | Report, path: str = "", **headers: str) -> httpx.Response:
        data = body if isinstance(body, bytes) else padded(body)
        sent = self._bearer | {"content-type": "application/json"} | headers
        return await self._http.post(f"/v1/reports{path}", content=data, headers=sent)

    async def report(self, sent: Report) -> Receipt:
        answer = await self.post(sent)
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=Receipt)

    async def put(self, report_id: str, sha256: str, data: Any, **headers: str) -> httpx.Response:
        sent = self._bearer | {"content-type": "application/octet-stream"} | headers
        path = f"/v1/reports/{report_id}/attachments/{sha256}"
        return await self._http.put(path, content=data, headers=sent)

    async def status(self, report_id: str) -> ReportStatus:
        answer = await self._http.get(f"/v1/reports/{report_id}", headers=self._bearer)
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=ReportStatus)

    async def mine(self) -> list[ReportStatus]:
        answer = await self._http.get("/v1/reports", headers=self._bearer)
        return msgspec.json.decode(answer.content, type=list[ReportStatus])

    async def add(self, report_id: str, addition: Addition) -> httpx.Response:
        return await self.post(encode(addition), f"/{report_id}/additions")


@pytest.fixture
async def mia(stage: Stage) -> Reporter:
    return await Reporter.of(stage)


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def count(stage: Stage, table: Any) -> int:
    with stage.provider.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def queue(stage: Stage) -> list[cases.CaseRow]:
    with stage.provider.database.reading() as connection:
        return list(cases.queue(connection))


async def test_a_report_is_kept_and_promised_a_reader(stage: Stage, mia: Reporter) -> None:
    stage.reader()

    receipt = await mia.report(report(message(1), unproven(message(2))))

    assert receipt.proofs == (Proof.PROVEN, Proof.UNPROVEN)
    assert receipt.read_within_minutes == 240
    assert len(receipt.reference) == 9
    [case] = queue(stage)
    assert (case.about, case.urgency, case.reports, case.due) == (LEO, Urgency.CONTACT, 1, START + 240 * 60_000)


@pytest.mark.parametrize(
    ("hours", "nobody_for", "within"),
    [(0, 0, 240), (6, 0, 13 * 60), (10, 9 * 60, 13 * 60), (18, 60, 300)],
    ids=["at 13:00", "at 19:00", "at 23:00", "at 7:00"],
)
async def test_when_it_would_be_read_is_told_before_and_needs_no_session(
    stage: Stage, mia: Reporter, hours: int, nobody_for: int, within: int
) -> None:
    stage.reader()
    stage.clock.forward(seconds=hours * 3600)

    answer = await stage.http.get("/v1/reading-times")

    times = msgspec.json.decode(answer.content, type=ReadingTimes)
    assert times.reasons[ReportReason.THREATENED] == ReadingTime(nobody_for=nobody_for, within=within)
    assert times.reasons.keys() == set(ReportReason)
    assert times.danger_now == ReadingTime(nobody_for=0, within=15)
    assert not times.nobody_reads
    mia = await Reporter.of(stage)
    assert (await mia.report(report())).read_within_minutes == within


async def told(stage: Stage) -> ReadingTimes:
    return msgspec.json.decode((await stage.http.get("/v1/reading-times")).content, type=ReadingTimes)


async def test_nothing_is_promised_while_nobody_can_read_it(stage: Stage, mia: Reporter) -> None:
    sent = report(danger_now=True)
    receipt = await mia.report(sent)
    assert (receipt.nobody_reads, receipt.read_within_minutes) == (True, None)
    times = await told(stage)
    assert times.nobody_reads
    assert {times.danger_now, *times.reasons.values()} == {ReadingTime(nobody_for=None, within=None)}

    staff = StaffStore(stage.provider.database, stage.clock, secrets.token_bytes)
    for role in Role.ADMIN, Role.AUDITOR, Role.PARTNER:
        stage.reader(role)
    staff.invite("Rob", Role.REVIEWER, "Home", by=None)
    assert (await told(stage)).nobody_reads, "nobody has come who may decide"

    reader = stage.reader()
    assert (await mia.report(sent)).read_within_minutes == 15, "the same report again"
    assert not (await told(stage)).nobody_reads
    staff.dismiss(reader.id, by=None)
    assert (await mia.report(sent)).nobody_reads


async def test_answers_are_as_long_whatever_was_reported(stage: Stage, mia: Reporter) -> None:
    few = await mia.post(report(message(1)))
    many = await mia.post(report(*(unproven(message(n)) for n in range(1, 101)), number=2))

    assert len(few.content) == len(many.content) == 4096
    assert len((await stage.http.get("/v1/reading-times")).content) == 4096


async def test_words_alone_are_a_full_report(stage: Stage, mia: Reporter) -> None:
    sent = report(text="He wants me to send pictures.", about=None)

    await mia.report(sent)

    assert [case.reports for case in queue(stage)] == [1]
    assert (await mia.status(sent.id)).state is ReportState.RECEIVED


async def test_the_same_report_again_changes_nothing(stage: Stage, mia: Reporter) -> None:
    sent = report(message(1))

    receipts = [await mia.report(sent) for _ in range(3)]

    assert receipts[0] == receipts[1] == receipts[2]
    assert count(stage, report_tables.Report) == 1
    assert queue(stage)[0].reports == 1


async def test_the_same_report_many_times_at_once(stage: Stage, mia: Reporter) -> None:
    sent = report(message(1))

    receipts = await asyncio.gather(*(mia.report(sent) for _ in range(8)))

    assert len({receipt.reference for receipt in receipts}) == 1
    assert count(stage, report_tables.Report) == 1
    assert len(queue(stage)) == 1


async def test_another_report_under_the_same_id_is_refused(stage: Stage, mia: Reporter) -> None:
    await mia.report(report(message(1)))

    assert problem(await mia.post(report(message(1), text="more"))) == (409, "report-conflict")
    eve = await Reporter.of(stage, f"@eve:{SERVER}")
    assert problem(await eve.post(report(message(1)))) == (409, "report-conflict")


async def test_a_forged_report_is_refused_and_nothing_of_it_is_kept(stage: Stage, mia: Reporter) -> None:
    forged = restamped(message(2), mac="00" * 32)

    answer = await mia.post(report(message(1), forged))

    assert problem(answer) == (422, "report-refused")
    assert answer.json()["item"] == 1
    assert count(stage, report_tables.Report) == 0
    assert queue(stage) == []


async def test_who_reports_is_whose_session_it_is(stage: Stage, mia: Reporter) -> None:
    """mimi-protocol#88: Malek cannot report in Alice's name, whatever he writes."""
    fields = msgspec.to_builtins(report(message(1)))

    for name in ("account", "reporter", "sender", "user_id"):
        answer = await mia.post(msgspec.json.encode(fields | {name: f"@alice:{SERVER}"}))
        assert problem(answer) == (400, "malformed")
    without = await stage.http.post(
        "/v1/reports", content=padded(report()), headers={"content-type": "application/json"}
    )
    assert problem(without) == (401, "session-missing")


async def test_a_report_is_its_reporters_alone(stage: Stage, mia: Reporter) -> None:
    """Whoever is reported learns nothing, not even that a report exists: the answer is that for no report at all."""
    sent = report(message(1))
    await mia.report(sent)
    leo = await Reporter.of(stage, LEO)

    theirs = await stage.http.get(f"/v1/reports/{sent.id}", headers=leo._bearer)
    nobodys = await stage.http.get(f"/v1/reports/{'0' * 64}", headers=leo._bearer)

    assert theirs.status_code == 404
    assert theirs.content == nobodys.content
    assert await leo.mine() == []
    assert problem(await leo.add(sent.id, Addition(id="1" * 64, text="no"))) == (404, "unknown-report")
    assert problem(await leo.put(sent.id, "2" * 64, b"x")) == (404, "unknown-report")


async def test_reports_about_one_account_are_one_case(stage: Stage, mia: Reporter) -> None:
    ann = await Reporter.of(stage, f"@ann:{SERVER}")
    await mia.report(report(number=1, reason=ReportReason.SOMETHING_ELSE))
    await mia.report(report(number=2, reason=ReportReason.SOMETHING_ELSE))
    stage.clock.forward(seconds=60)
    await ann.report(report(number=3, reason=ReportReason.THREATENED))
    await ann.report(report(number=4, about=f"@other:{SERVER}"))

    leos, others = queue(stage)

    assert (leos.reports, leos.reporters, leos.urgency, leos.version) == (3, 2, Urgency.CONTACT, 1)
    assert leos.due == START + 60_000 + 240 * 60_000
    assert (others.reports, others.reporters) == (1, 1)


async def test_danger_comes_first_and_a_crowd_does_not(stage: Stage) -> None:
    for number in range(10):
        crowd = await Reporter.of(stage, f"@crowd{number}:{SERVER}")
        await crowd.report(report(number=number, about=f"@victim:{SERVER}", reason=ReportReason.SOMETHING_ELSE))
    child = await Reporter.of(stage)
    await child.report(report(number=100, reason=ReportReason.SAW_ABUSE, about=LEO))
    await child.report(report(number=101, danger_now=True, reason=ReportReason.SOMETHING_ELSE, about=None))

    assert [case.urgency for case in queue(stage)] == [Urgency.IMMINENT, Urgency.DISTRIBUTION, Urgency.OTHER]


async def test_a_flood_is_held_back_but_not_a_cry_for_help(stage: Stage, mia: Reporter) -> None:
    for number in range(intake.REPORTS_PER_HOUR):
        await mia.report(report(number=number))

    answer = await mia.post(report(number=50))

    assert problem(answer) == (429, "too-many-reports")
    assert int(answer.headers["retry-after"]) == 3600
    for number in range(51, 51 + intake.URGENT_PER_HOUR - intake.REPORTS_PER_HOUR):
        await mia.report(report(number=number, danger_now=True))
    assert problem(await mia.post(report(number=99, danger_now=True))) == (429, "too-many-reports")
    assert (await mia.report(report(number=0))).proofs == ()  # one that was taken is answered all the same
    stage.clock.forward(seconds=3601)
    await (await Reporter.of(stage)).report(report(number=50))


async def test_a_reporter_in_bad_faith_waits_behind_others(stage: Stage, mia: Reporter) -> None:
    for number in range(3):
        await mia.report(report(number=number, about=f"@x{number}:{SERVER}"))
    with stage.provider.database.writing() as connection:
        connection.execute(report_tables.Report.__table__.update().values(bad_faith=True))  # type: ignore[attr-defined]
    await mia.report(report(number=10, about=f"@y:{SERVER}"))
    stage.clock.forward(seconds=1)
    first_timer = await Reporter.of(stage, f"@new:{SERVER}")
    await first_timer.report(report(number=11, about=f"@z:{SERVER}"))

    behind = [case.about for case in queue(stage)]

    assert behind.index(f"@z:{SERVER}") < behind.index(f"@y:{SERVER}")
    stage.clock.forward(seconds=91 * 86_400)
    mia = await Reporter.of(stage)
    await mia.report(report(number=12, about=f"@w:{SERVER}"))
    assert [case.damped for case in queue(stage) if case.about == f"@w:{SERVER}"] == [False]


# Attachments


async def test_a_file_is_kept_as_it_was_sent(stage: Stage, mia: Reporter) -> None:
    sent = picture(1, b"\xff\xd8" + b"picture" * 1000)
    one = report(sent.evidence, attachments=(sent.attachment,))
    digest = sent.attachment.sha256

    assert (await mia.report(one)).missing == (digest,)
    for _ in range(2):
        answer = await mia.put(one.id, digest, sent.data)
        assert answer.status_code == 204, answer.text
    assert (await mia.report(one)).missing == ()
    path = stage.provider.reports.files.path(one.id, digest)
    assert path.read_bytes() == sent.data
    assert path.stat().st_mode & 0o077 == 0
    assert b"".join(stage.provider.reports.files.read(one.id, digest)) == sent.data


async def test_a_file_of_an_unproven_message_is_kept_too(stage: Stage, mia: Reporter) -> None:
    data = b"not an encrypted file at all"
    evidence = unproven(message(1))
    digest = hashlib.sha256(data).hexdigest()
    announced = Attachment(event_id=evidence.event_id, sha256=digest, size=len(data))
    one = report(evidence, attachments=(announced,))

    await mia.report(one)

    assert (await mia.put(one.id, digest, data)).status_code == 204


@pytest.mark.parametrize("swap", ["shorter", "longer", "other"])
async def test_another_file_than_announced_is_refused(stage: Stage, mia: Reporter, swap: str) -> None:
    sent = picture(1, b"picture" * 1000)
    one = report(sent.evidence, attachments=(sent.attachment,))
    await mia.report(one)
    wrong = {"shorter": sent.data[:-1], "longer": sent.data + b"!", "other": sent.data[::-1]}[swap]

    assert problem(await mia.put(one.id, sent.attachment.sha256, wrong)) == (422, "wrong-attachment")

    assert (await mia.report(one)).missing == (sent.attachment.sha256,)
    assert not list(stage.settings.attachments.glob("*"))


async def test_a_file_that_its_message_does_not_name_is_refused(stage: Stage, mia: Reporter) -> None:
    """Mix and match: the message is proven, the file is another, truthfully announced."""
    sent, other = picture(1, b"picture" * 1000), picture(2, b"other" * 1000)
    announced = msgspec.structs.replace(other.attachment, event_id=sent.evidence.event_id)
    one = report(sent.evidence, attachments=(announced,))
    await mia.report(one)

    assert problem(await mia.put(one.id, announced.sha256, other.data)) == (422, "wrong-attachment")


async def test_a_file_that_was_not_announced_is_refused(stage: Stage, mia: Reporter) -> None:
    one = report(message(1))
    await mia.report(one)

    assert problem(await mia.put(one.id, "0" * 64, b"x")) == (404, "unknown-attachment")
    assert problem(await mia.put(one.id, "../../etc/passwd", b"x"))[0] == 404


async def test_a_file_that_is_too_large_is_not_read(stage: Stage, mia: Reporter) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield bytes(1 << 16)

    one = report(message(1))
    await mia.report(one)
    length = str(limits.ATTACHMENT_BYTES + 1)

    answer = await mia.put(one.id, "0" * 64, endless(), **{"content-length": length})

    assert problem(answer) == (413, "oversized")
    assert read <= 2


# Additions


async def test_adding_to_a_report(stage: Stage, mia: Reporter) -> None:
    one = report(message(1), reason=ReportReason.SOMETHING_ELSE)
    await mia.report(one)
    stage.clock.forward(seconds=5)
    addition = Addition(id="a" * 64, text="He is at the door.", danger_now=True)

    for _ in range(2):
        assert (await mia.add(one.id, addition)).status_code == 200

    assert (await mia.status(one.id)).additions == 1
    [case] = queue(stage)
    assert (case.urgency, case.due) == (Urgency.IMMINENT, START + 5000 + 15 * 60_000)
    changed = msgspec.structs.replace(addition, text="something else")
    assert problem(await mia.add(one.id, changed)) == (409, "report-conflict")


@pytest.mark.parametrize("wrong", [False, True], ids=["the same file", "another file"])
async def test_sending_a_file_again_and_again_is_counted(
    stage: Stage, mia: Reporter, monkeypatch: pytest.MonkeyPatch, wrong: bool
) -> None:
    sent = picture(1, b"a picture")
    one = report(sent.evidence, attachments=(sent.attachment,))
    await mia.report(one)
    digest = sent.attachment.sha256
    if not wrong:
        assert (await mia.put(one.id, digest, sent.data)).status_code == 204
    monkeypatch.setattr(intake, "FILES_PER_DAY", 3 * resent.LEAST)

    for _ in range(3):
        again = await mia.put(one.id, digest, b"x" * len(sent.data) if wrong else sent.data)
        assert again.status_code == (422 if wrong else 204)
    answer = await mia.put(one.id, digest, sent.data)
    assert problem(answer) == (429, "too-many-reports")
    assert int(answer.headers["retry-after"]) > 0

    leo = await Reporter.of(stage, LEO)
    his = report(sent.evidence, number=2, attachments=(sent.attachment,))
    await leo.report(his)
    assert (await leo.put(his.id, digest, sent.data)).status_code == 204
    stage.clock.forward(seconds=24 * 3600)
    mia = await Reporter.of(stage)
    assert (await mia.put(one.id, digest, sent.data)).status_code == 204


def test_no_more_accounts_are_remembered_than_sent_something_within_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resent, "_ACCOUNTS", 2)
    counted = resent.Resent()
    for number in range(5):
        counted.count(f"@a{number}", 1, START + number * 24 * 3_600_000)
    assert len(counted._counted) == 1
    assert counted.of("@a4", START + 4 * 24 * 3_600_000) == resent.LEAST
    assert counted.of("@a0", START + 4 * 24 * 3_600_000) == 0


async def test_adding_without_end_is_held_back(stage: Stage, mia: Reporter) -> None:
    one = report(message(1))
    await mia.report(one)
    for number in range(intake.ADDITIONS):
        await mia.add(one.id, Addition(id=f"{number:064x}", text="more"))

    answer = await mia.add(one.id, Addition(id="f" * 64, text="more"))

    assert problem(answer) == (429, "too-many-reports")


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"id":"1","text":"x"}', encode(Addition(id="1" * 64, text="x" * 4001)), b"x" * (65 << 10)]
)
async def test_a_malformed_addition(stage: Stage, mia: Reporter, body: bytes) -> None:
    one = report(message(1))
    await mia.report(one)

    assert (await mia.post(body, f"/{one.id}/additions")).status_code in (400, 413)


# Bad input


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[" * 100_000, b"\xff" * 1000, b'{"version":1}', b'"\\ud800"'], ids=range(6)
)
async def test_a_malformed_report(stage: Stage, mia: Reporter, body: bytes) -> None:
    assert problem(await mia.post(body)) == (400, "malformed")
    assert count(stage, report_tables.Report) == 0


async def test_a_report_of_fifty_megabytes_is_refused_unread(mia: Reporter) -> None:
    assert problem(await mia.post(bytes(50 << 20))) == (413, "oversized")


async def test_ten_thousand_messages_are_refused(mia: Reporter) -> None:
    fields = msgspec.to_builtins(report())
    fields["evidence"] = [{"kind": "message"}] * 10_000

    assert problem(await mia.post(msgspec.json.encode(fields))) == (400, "malformed")


# What is kept, and where


async def test_every_report_and_addition_is_in_the_audit_log(stage: Stage, mia: Reporter) -> None:
    one = report(message(1))
    await mia.report(one)
    await mia.report(one)
    await mia.add(one.id, Addition(id="a" * 64, text="more"))

    with stage.provider.database.reading() as connection:
        logged = audit.of_case(connection, queue(stage)[0].id)
    assert [entry.entry.event for entry in logged] == ["report-received", "report-added-to"]
    assert logged[0].entry.digest == hashlib.sha256(encode(one)).hexdigest()
    assert audit.verify(stage.provider.database).size == 2


async def test_the_audit_log_names_neither_reporter_nor_reported(stage: Stage, mia: Reporter) -> None:
    await mia.report(report(message(1, "secret words"), text="my own words"))

    with stage.provider.database.reading() as connection:
        leaves = b"".join(entry.leaf for entry in connection.execute(select(audit.AuditLeaf)))
    assert b"report-received" in leaves
    for word in (MIA, LEO, "secret", "own words"):
        assert word.encode() not in leaves


async def test_the_newest_report_is_listed_first(stage: Stage, mia: Reporter) -> None:
    for number in range(3):
        await mia.report(report(number=number))
        stage.clock.forward(seconds=1)

    assert [status.id for status in await mia.mine()] == [report(number=n).id for n in (2, 1, 0)]


async def test_the_access_log_says_that_somebody_reported_and_not_what(stage: Stage, mia: Reporter) -> None:
    one = report(message(1, "secret words"))
    await mia.report(one)
    await mia.status(one.id)

    lines = "".join(record.line() for record in stage.records)
    assert "/v1/reports/{report_id}" in lines
    for word in ("secret", one.id, LEO):
        assert word not in lines


# Keys


@pytest.mark.parametrize("content", ["", "xyz", "ab" * 31, "ab" * 33, "AB" * 32])
def test_a_file_that_holds_no_key(tmp_path: Any, content: str) -> None:
    path = tmp_path / "a.key"
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(SettingsError):
        stamp_keys.load(tmp_path, [SERVER])


def test_a_key_that_others_can_read(tmp_path: Any) -> None:
    path = tmp_path / "a.key"
    path.write_text(STAMP_KEY.hex())
    path.chmod(0o644)

    with pytest.raises(SettingsError, match="others can read"):
        stamp_keys.load(tmp_path, [SERVER])


def test_all_keys_of_the_folder_count(tmp_path: Any) -> None:
    for name, key in (("old", bytes(32)), ("new", STAMP_KEY)):
        (tmp_path / f"{name}.key").write_text(key.hex() + "\n")
        (tmp_path / f"{name}.key").chmod(0o600)

    loaded = stamp_keys.load(tmp_path, [SERVER])
    assert set(loaded.keys) == {(SERVER, stamp_key_id(bytes(32))), (SERVER, stamp_key_id(STAMP_KEY))}
    assert stamp_keys.load(tmp_path / "nowhere", [SERVER]).keys == {}


async def test_nobody_sends_more_files_at_once_than_they_may_in_a_day(mia: Reporter, monkeypatch: pytest.MonkeyPatch):
    """While none of them has arrived, each is not the first."""
    monkeypatch.setattr(intake, "FILES_PER_DAY", 250)
    files = [bytes([number]) * 100 for number in range(3)]
    digests = [hashlib.sha256(data).hexdigest() for data in files]
    evidence = unproven(message(1))
    announced = (Attachment(event_id=evidence.event_id, sha256=digest, size=100) for digest in digests)
    one = report(evidence, attachments=tuple(announced))
    await mia.report(one)
    going_on = asyncio.Event()
    begun = [asyncio.Event() for _ in files[:2]]

    async def slowly(number: int) -> AsyncIterator[bytes]:
        begun[number].set()
        await going_on.wait()
        yield files[number]

    sending = [
        asyncio.ensure_future(mia.put(one.id, digests[n], slowly(n), **{"content-length": "100"})) for n in range(2)
    ]
    for event in begun:
        await event.wait()

    assert problem(await mia.put(one.id, digests[2], files[2])) == (429, "too-many-reports")
    going_on.set()
    assert [answer.status_code for answer in await asyncio.gather(*sending)] == [204, 204]


async def test_files_at_once_leave_room_for_reports(mia: Reporter, monkeypatch: pytest.MonkeyPatch):
    """Each of two finds room on the disk, and both together do not."""
    usage = SimpleNamespace(free=attachments.RESERVE + 150)
    monkeypatch.setattr(attachments.shutil, "disk_usage", lambda _: usage)
    files = [bytes([number]) * 100 for number in range(2)]
    digests = [hashlib.sha256(data).hexdigest() for data in files]
    evidence = unproven(message(1))
    announced = (Attachment(event_id=evidence.event_id, sha256=digest, size=100) for digest in digests)
    one = report(evidence, attachments=tuple(announced))
    await mia.report(one)
    begun, going_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        begun.set()
        await going_on.wait()
        yield files[0]

    first = asyncio.ensure_future(mia.put(one.id, digests[0], slowly(), **{"content-length": "100"}))
    await begun.wait()
    refused = await mia.put(one.id, digests[1], files[1])
    going_on.set()

    assert (await first).status_code == 204
    assert refused.status_code == 503
    assert (await mia.put(one.id, digests[1], files[1])).status_code == 204
