"""What is logged of a request, and that what was checked is written nowhere."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import logging
import re
from pathlib import Path

import msgspec
import pytest

from harness.provider import SERVER, Stage, everything_in, random_request, small_epoch, staged
from tutela.lists import defaults
from tutela.provider import problems
from tutela.provider.access import AccessRecord, LineSink
from tutela.provider.errors import StorageUnavailable
from tutela.provider.tables import Base
from tutela.wire.check import CheckResponse, request_bytes, response_bytes

FIELDS = ["time", "account", "method", "route", "status", "bytes_in", "bytes_out", "duration_ms"]


async def test_a_record_holds_exactly_this(stage: Stage):
    await stage.check(await stage.sign_in())
    record = json.loads(stage.records[-1].line())
    assert list(record) == FIELDS == [field.name for field in dataclasses.fields(AccessRecord)]
    assert record["duration_ms"] >= 0
    del record["duration_ms"]
    assert record == {
        "time": "2026-01-05T12:00:00.000Z",
        "account": f"@ann:{SERVER}",
        "method": "POST",
        "route": "/v1/keys/{key_id}/evaluate",
        "status": 200,
        "bytes_in": request_bytes(8),
        "bytes_out": response_bytes(8),
    }


async def test_a_check_that_matches_looks_like_one_that_does_not(stage: Stage):
    session = await stage.sign_in()
    for request in (random_request(), random_request()):
        await stage.check(session, request)
    first, second = (dataclasses.replace(record, duration_ms=0) for record in stage.records[-2:])
    assert first == second


async def test_no_address_no_query_no_path(stage: Stage):
    digest = next(iter(stage.epoch.segments))
    await stage.http.get(
        f"/v1/segments/{digest}?who=ann", headers={"x-forwarded-for": "203.0.113.7", "user-agent": "A"}
    )
    await stage.http.get("/v1/somewhere/else?who=ann")
    lines = [record.line() for record in stage.records]
    assert [json.loads(line)["route"] for line in lines] == ["/v1/segments/{sha256}", None]
    for line in lines:
        for secret in (digest, "who", "203.0.113.7", "127.0.0.1", "somewhere", '"A"'):
            assert secret not in line


async def test_a_method_that_nobody_knows(stage: Stage):
    await stage.http.request("STEAL", "/v1/manifest")
    assert stage.records[-1].method == "other"


async def test_the_account_of_a_sign_in_and_of_a_refused_check(stage: Stage):
    stage.homeserver.tokens["t"] = f"@ann:{SERVER}"
    await stage.post_sign_in("forged")
    await stage.post_sign_in("t")
    assert [record.account for record in stage.records] == [None, f"@ann:{SERVER}"]
    session = await stage.sign_in()
    await stage.check(session, b"")
    assert (stage.records[-1].account, stage.records[-1].status) == (f"@ann:{SERVER}", 400)
    await stage.check("wrong")
    assert stage.records[-1].account is None


async def test_a_mistake_of_ours_is_an_answer_and_a_record(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail() -> None:
        raise ZeroDivisionError("a detail of the inside")

    monkeypatch.setattr(stage.provider.epochs, "newest", fail)
    answer = await stage.http.get("/v1/manifest")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "inside" not in answer.text
    assert "a detail of the inside" in caplog.text
    assert stage.records[-1].status == 500
    assert stage.records[-1].bytes_out == len(answer.content)


async def test_somebody_who_leaves_is_recorded_without_a_status(stage: Stage):
    session = await stage.sign_in()
    scope = {
        "type": "http",
        "method": "POST",
        "path": f"/v1/keys/{stage.epoch.manifest.keys[0].id}/evaluate",
        "query_string": b"",
        "headers": [
            (b"authorization", f"Bearer {session}".encode()),
            (b"content-type", b"application/octet-stream"),
            (b"content-length", str(request_bytes(8)).encode()),
        ],
    }
    messages = [{"type": "http.disconnect"}, {"type": "http.request", "body": b"\x01", "more_body": True}]

    async def receive():
        return messages.pop()

    async def send(message):
        pytest.fail("there is nobody to answer")

    await stage.app(scope, receive, send)
    assert (stage.records[-1].status, stage.records[-1].bytes_in) == (None, 1)


async def test_a_full_log_does_not_spoil_answers(home: Path, caplog: pytest.LogCaptureFixture):
    def full(record: AccessRecord) -> None:
        raise OSError(28, "No space left on device")

    async with staged(home, sink=full) as stage:
        assert (await stage.http.get("/v1/health")).status_code == 200
    assert "access log cannot be written" in caplog.text


def test_the_default_sink_writes_lines(tmp_path: Path):
    record = AccessRecord("2026-01-05T12:00:00.000Z", None, "GET", "/v1/health", 200, 0, 25, 0.4)
    printed = io.StringIO()
    LineSink.to("-", printed)(record)
    LineSink.to("", printed)(record)
    path = tmp_path / "access.jsonl"
    for _ in range(2):
        sink = LineSink.to(str(path), printed)
        sink(record)
        sink.stream.close()  # type: ignore[attr-defined]
    assert printed.getvalue() == record.line() + "\n"
    assert path.read_text() == (record.line() + "\n") * 2
    assert json.loads(record.line())["account"] is None


def spellings(secret: bytes) -> list[bytes]:
    """How bytes could have been written: raw, in hexadecimal, in base64, as Python shows them."""
    shown = repr(secret).encode()[2:-1]
    return [secret, secret.hex().encode(), base64.b64encode(secret)[:40], base64.urlsafe_b64encode(secret)[:40], shown]


async def test_nothing_about_what_was_checked_is_written_anywhere(home: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    policy = msgspec.structs.replace(defaults.POLICY, checks_per_hour=4)
    log = io.StringIO()
    sent: list[bytes] = []
    answered: list[bytes] = []
    async with staged(home, small_epoch(policy=policy), sink=LineSink.to("-", log)) as stage:
        session = await stage.sign_in()
        for _ in range(6):  # four are answered, two are over the limit
            sent.append(random_request())
            answer = await stage.check(session, sent[-1])
            if answer.status_code == 200:
                answered.append(answer.content)
        stage.clock.forward(seconds=7200)
        session = await stage.sign_in()
        broken = random_request()
        sent.append(broken[:-32] + b"\xff" * 32)
        assert (await stage.check(session, sent[-1])).status_code == 400
        sent.append(random_request(9))
        assert (await stage.check(session, sent[-1])).status_code == 400
        assert (await stage.check(session, sent[0], key_id="0" * 16)).status_code == 404
    assert len(answered) == 4
    elements = {body[i : i + 32] for body in sent for i in range(3, len(body), 32)} - {b"\xff" * 32}
    for body in answered:
        response = CheckResponse.decode(body, batch=8)
        elements |= {*response.elements, response.proof[:32], response.proof[32:]}
    written = everything_in(home) + log.getvalue().encode() + caplog.text.encode()
    assert f"@ann:{SERVER}".encode() in written, "the account is what it does store"
    for element in elements:
        for spelling in spellings(element):
            assert spelling not in written


def test_no_table_has_room_for_it():
    """The only columns that could hold bytes or long text are those of what is published, or reported on purpose."""
    roomy = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if not table.name.startswith(("report", "review_", "audit_", "staff"))
        if re.match(r"BLOB|BYTEA|TEXT|VARCHAR\((?!16|32|64|255)", str(column.type))
    }
    assert roomy == {"epoch.envelope"}


@pytest.mark.parametrize(("error", "traced"), [(StorageUnavailable("it is away"), False), (KeyError("ours"), True)])
def test_a_database_that_is_away_is_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture, error: Exception, traced: bool
):
    """It says so at each request, and there are many."""
    problems.answer(error)
    [record] = caplog.records
    assert bool(record.exc_info) is traced
