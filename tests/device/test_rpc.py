"""`tutela device serve` as a client in another language meets it: a process and lines of JSON."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import re
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from harness.pictures import LISTED, ORDINARY, epoch_of
from harness.provider import SERVER, Stage, staged
from harness.reports import LEO, message, picture
from tutela.device.errors import DeviceError
from tutela.device.guard import Guard
from tutela.device.picture_file import read_picture
from tutela.device.rpc import MOST_CALLS, RpcServer
from tutela.lists import defaults
from tutela.provider.server import running
from tutela.wire import document

ROOT = Path(__file__).parents[2]
CAT, DOG = picture(3, b"a picture of a cat" * 1000), picture(4, b"a picture of a dog" * 1000)


@dataclass
class Rpc:
    process: asyncio.subprocess.Process
    stage: Stage
    tokens_asked: int = 0
    gives_tokens: bool = True
    answers: dict[Any, dict[str, Any]] = field(default_factory=dict)

    async def write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        await self.process.stdin.drain()

    async def read_any(self) -> dict[str, Any]:
        """The next message."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            return json.loads(await self.process.stdout.readline())

    async def read(self) -> dict[str, Any]:
        """The next message, having answered those that ask for a token."""
        while True:
            message = await self.read_any()
            if message.get("method") != "openid_token":
                return message
            self.tokens_asked += 1
            token = f"rpc-token-{self.tokens_asked}"
            self.stage.homeserver.tokens[token] = f"@mia:{SERVER}"
            result = {"matrix_server_name": SERVER, "access_token": token, "expires_in": 3600}
            answer = {"result": result if self.gives_tokens else None}
            await self.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}).encode())

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        await self.write(json.dumps({"jsonrpc": "2.0", "id": method, "method": method, "params": params}).encode())
        message = await self.read()
        assert message["id"] == method
        return message


@pytest.fixture
async def rpc(tmp_path: Path) -> AsyncIterator[Rpc]:
    (tmp_path / "provider").mkdir()
    async with staged(tmp_path / "provider", epoch_of(LISTED)) as stage, _served(tmp_path, stage) as made:
        stage.reader()
        yield made


@asynccontextmanager
async def _served(folder: Path, stage: Stage) -> AsyncIterator[Rpc]:
    (folder / "key").write_bytes(bytes(range(32)))
    (folder / "root.json").write_bytes(document.encode(stage.epoch.trust_root))
    async with running(stage.settings, transport=stage.homeserver) as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "tutela", "device", "serve", "--profile", str(folder / "device"),
            "--key", str(folder / "key"), "--provider", url, "--trust-root", str(folder / "root.json"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20, cwd=folder,
        )  # fmt: skip
        yield Rpc(process, stage)
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(20):
            assert await process.wait() == 0


def encoded(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


async def test_a_client_in_another_language(rpc: Rpc, tmp_path: Path):
    assert (await rpc.call("status"))["result"] == {"epoch": None}
    assert (await rpc.call("update"))["result"]["epoch"] == 1
    stopped = (await rpc.call("check_outgoing", picture=encoded(LISTED), language="fr"))["result"]
    assert (stopped["outcome"], stopped["action"], stopped["list_class"]) == ("stop", "stop", "agreed")
    assert stopped["title"] == "Cette photo n’a pas été envoyée"
    (tmp_path / "picture.jpg").write_bytes(ORDINARY)
    assert (await rpc.call("choose", path=str(tmp_path / "picture.jpg")))["result"] == {}
    passed = (await rpc.call("check_outgoing", path=str(tmp_path / "picture.jpg")))["result"]
    assert (passed["outcome"], passed["title"], passed["text"]) == ("allow", "", "")
    hidden = (await rpc.call("check_incoming", picture=encoded(LISTED)))["result"]
    assert hidden["title"] == "This picture is hidden"
    assert rpc.tokens_asked == 1


EXCHANGE = re.findall(r"^([→←]) (.+)$", (ROOT / "docs/device.md").read_text(), re.MULTILINE)


def matches(said: Any, written: Any) -> bool:
    """Whether `said` is what is `written`, where `…` stands for anything but nothing."""
    if written == "…":
        return bool(said)
    if isinstance(written, dict) and isinstance(said, dict):
        return said.keys() == written.keys() and all(matches(said[name], written[name]) for name in written)
    return said == written


@pytest.fixture
async def shipped(tmp_path: Path) -> AsyncIterator[Rpc]:
    """Under the policy that a new list starts with; only cover checks are left out, for they come at any time."""
    (tmp_path / "provider").mkdir()
    policy = msgspec.structs.replace(defaults.POLICY, cover_checks_per_day=0)
    async with (
        staged(tmp_path / "provider", epoch_of(LISTED, policy=policy)) as stage,
        _served(tmp_path, stage) as made,
    ):
        stage.reader()
        yield made


async def test_the_exchange_in_the_documentation_is_what_happens(shipped: Rpc, tmp_path: Path):
    rpc = shipped
    (tmp_path / "holiday.jpg").write_bytes(ORDINARY)
    (tmp_path / "listed.jpg").write_bytes(LISTED)
    rpc.stage.homeserver.tokens["a-token-for-tutela"] = f"@mia:{SERVER}"
    assert len(EXCHANGE) > 20
    for side, line in EXCHANGE:
        if side == "→":
            await rpc.write(line.encode())
        else:
            said = await rpc.read_any()
            assert matches(said, json.loads(line.replace("{…}", '"…"'))), (said, line)


async def test_a_client_in_another_language_reports(rpc: Rpc, tmp_path: Path):
    (tmp_path / "cat.jpg").write_bytes(CAT.data)
    sent = {
        "reason": "asked-for-pictures",
        "messages": [msgspec.to_builtins(e) for e in (message(1), CAT.evidence, DOG.evidence)],
        "files": [
            {"event_id": CAT.evidence.event_id, "path": "cat.jpg"},
            {"event_id": DOG.evidence.event_id, "picture": encoded(DOG.data)},
        ],
        "about": LEO,
        "text": "He asked again.",
        "language": "fr",
        "id": "ab" * 32,
    }
    first = (await rpc.call("report", **sent))["result"]
    assert first["receipt"]["proofs"] == ["proven"] * 3
    assert (await rpc.call("report", **sent))["result"]["reference"] == first["reference"]
    added = (await rpc.call("add_to_report", report=first["id"], text="And again.", danger_now=True))["result"]
    assert added["status"]["additions"] == 1
    while (mine := (await rpc.call("reports"))["result"])[0]["waiting"]:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert [one["id"] for one in mine] == [first["id"]]
    assert (await rpc.call("looked_at_reports"))["result"] is None
    assert (await rpc.call("reading_times"))["result"]["danger_now"] == {"nobody_for": 0, "within": 15}


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("report", {}, -32602),
        ("report", {"reason": "because"}, -32602),
        ("report", {"reason": "threatened", "reporter": "@mia:home.example"}, -32602),
        ("report", {"reason": "threatened", "messages": [{"kind": "message"}]}, -32602),
        ("report", {"reason": "threatened", "files": [{"event_id": "$1"}]}, -32602),
        ("report", {"reason": "threatened", "files": [{"event_id": "$1", "picture": "!"}]}, -32602),
        ("report", {"reason": "threatened", "files": [{"event_id": "$1", "path": "/nowhere"}]}, -32602),
        ("report", {"reason": "threatened", "text": "x" * 4001}, -32000),
        ("add_to_report", {"report": "ab" * 32, "text": "more"}, -32000),
        ("reports", {"of": "@leo:home.example"}, -32602),
        ("reading_times", {"now": True}, -32602),
    ],
)
async def test_what_cannot_be_reported_like_this(rpc: Rpc, method: str, params: dict[str, Any], code: int):
    assert (await rpc.call(method, **params))["error"]["code"] == code


async def test_a_report_waits_for_a_dead_provider(tmp_path: Path):
    (tmp_path / "provider").mkdir()
    async with staged(tmp_path / "provider", epoch_of(LISTED)) as stage:
        async with _served(tmp_path, stage) as rpc:
            assert (await rpc.call("reports"))["result"] == []
        async with _unreachable(tmp_path, stage) as rpc:
            waits = (await rpc.call("report", reason="threatened", text="He threatens me."))["result"]
            assert (waits["waiting"], waits["reference"], waits["receipt"], waits["kept"]) == (1, "", None, True)
        async with _served(tmp_path, stage) as rpc:
            while not (mine := (await rpc.call("reports"))["result"])[0]["reference"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert mine[0]["id"] == waits["id"]


async def test_a_client_that_gives_no_token(rpc: Rpc):
    rpc.gives_tokens = False
    verdict = (await rpc.call("check_outgoing", picture=encoded(LISTED)))["result"]
    assert (verdict["outcome"], verdict["action"]) == ("unchecked", "warn")


NONSENSE = [
    (b"rubbish", -32700),
    (b"[" * 10_000, -32600),
    (b"[]", -32600),
    (b'{"id": 1, "method": "status"}', -32600),
    (b'{"jsonrpc": "2.0", "id": 1}', -32600),
    (b'{"jsonrpc": "2.0", "id": "server-9", "result": 1}', -32600),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "nothing"}', -32601),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "check_outgoing"}', -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "choose", "params": {"picture": "!"}}', -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "choose", "params": {"picture": 3}}', -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "choose", "params": {"path": "/nowhere"}}', -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "choose", "params": {"path": "a\\u0000b"}}', -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "choose", "params": {"path": "/dev/zero"}}', -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "choose", "params": {"path": "/"}}', -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "choose", "params": [1]}', -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "choose", "params": "picture"}', -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "check_outgoing", "params": {"path": "/", "language": 3}}', -32602),
    (b' [{"jsonrpc": "2.0", "id": 1, "method": "status"}]', -32600),
    (b'{"jsonrpc": "2.0", "id": 1.5, "method": "status"}', -32600),
    (b'{"jsonrpc": "2.0", "id": "\xff", "method": "status"}', -32700),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "status", "params": ' + b'{"a":' * 10_000, -32700),
    (b'{"jsonrpc": "2.0", "id": 1} {}', -32700),
]


async def test_what_makes_no_sense_is_answered_and_the_server_goes_on(rpc: Rpc):
    for line, code in NONSENSE:
        await rpc.write(line)
        answer = await rpc.read()
        assert answer["error"]["code"] == code, line[:80]
        assert answer["id"] == (1 if code in (-32601, -32602) else answer["id"]), line[:80]
    assert "result" in await rpc.call("status")


async def test_a_dead_provider_is_an_error_with_a_hint(tmp_path: Path):
    (tmp_path / "provider").mkdir()
    async with staged(tmp_path / "provider", epoch_of(LISTED)) as stage, _served(tmp_path, stage) as rpc:
        stage.settings.trust_root.unlink()
        await rpc.call("update")
    async with _unreachable(tmp_path, stage) as rpc:
        error = (await rpc.call("update"))["error"]
        assert (error["code"], error["data"]["code"]) == (-32000, "provider-unreachable")
        verdict = (await rpc.call("check_outgoing", picture=encoded(LISTED)))["result"]
        assert (verdict["outcome"], verdict["action"], verdict["reason"]) == ("unchecked", "warn", "unreachable")


@asynccontextmanager
async def _unreachable(folder: Path, stage: Stage) -> AsyncIterator[Rpc]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "tutela", "device", "serve", "--profile", str(folder / "device"),
        "--key", str(folder / "key"), "--provider", "http://127.0.0.1:9", "--trust-root", str(folder / "root.json"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    yield Rpc(process, stage)
    assert process.stdin is not None
    process.stdin.close()
    assert await process.wait() == 0


async def test_a_notification_gets_no_answer(rpc: Rpc):
    await rpc.write(b'{"jsonrpc": "2.0", "method": "status"}')
    await rpc.write(b'{"jsonrpc": "2.0", "method": "nothing"}')
    await rpc.write(b'{"jsonrpc": "2.0", "method": "check_outgoing", "params": {"picture": "!"}}')
    assert (await rpc.call("status"))["id"] == "status"


# Paths


def test_only_ordinary_files_are_read_and_no_more_of_them_than_a_picture_may_have(tmp_path: Path):
    (tmp_path / "photo").write_bytes(b"bytes")
    (tmp_path / "link").symlink_to("photo")
    assert read_picture(tmp_path / "photo") == read_picture(tmp_path / "link") == b"bytes"
    with (tmp_path / "endless").open("wb") as file:
        file.truncate(1 << 40)
    assert len(read_picture(tmp_path / "endless")) == (32 << 20) + 1
    os.mkfifo(tmp_path / "pipe")
    for refused in (tmp_path, tmp_path / "pipe", Path("/dev/zero"), Path("/dev/null"), tmp_path / "none"):
        with pytest.raises(DeviceError, match=r"no ordinary file|cannot be read"):
            read_picture(refused)


async def test_a_pipe_that_nobody_writes_to_holds_nothing_up(rpc: Rpc, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    assert (await rpc.call("check_outgoing", path=str(tmp_path / "pipe")))["error"]["code"] == -32602
    with (tmp_path / "endless").open("wb") as file:
        file.truncate(1 << 40)
    await rpc.call("update")
    verdict = (await rpc.call("check_outgoing", path=str(tmp_path / "endless")))["result"]
    assert (verdict["outcome"], verdict["reason"]) == ("unchecked", "unreadable")


# The server by itself, over streams in memory


@dataclass
class Wire:
    """The client's end of an `RpcServer` in this process, which takes lines of at most 1,000 bytes."""

    reader: asyncio.StreamReader
    sent: asyncio.Queue[dict[str, Any]]
    gone: bool = False

    def write(self, line: bytes) -> None:
        self.reader.feed_data(line + b"\n")

    def call(self, method: str, **params: Any) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode())

    async def read(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            return await self.sent.get()


@asynccontextmanager
async def served_in_memory(folder: Path) -> AsyncIterator[tuple[Wire, Guard]]:
    (folder / "provider").mkdir()
    async with staged(folder / "provider", epoch_of(LISTED)) as stage:
        wire = Wire(asyncio.StreamReader(limit=1000), asyncio.Queue())

        async def send(line: bytes) -> None:
            if wire.gone:
                raise BrokenPipeError
            wire.sent.put_nowait(json.loads(line))

        server = RpcServer(wire.reader, send)
        guard = await Guard.open(
            folder / "device",
            key=bytes(32),
            provider="https://provider.invalid",
            trust_root=stage.epoch.trust_root,
            sign_in=server.openid_token,
            transport=httpx.ASGITransport(stage.app),
        )
        async with guard:
            serving = asyncio.create_task(server.serve(guard))
            try:
                yield wire, guard
            finally:
                wire.reader.feed_eof()
                async with asyncio.timeout(30):
                    await serving


async def test_a_token_that_never_comes_leaves_the_picture_unchecked(tmp_path: Path):
    (tmp_path / "photo.jpg").write_bytes(LISTED)
    async with served_in_memory(tmp_path) as (wire, guard):
        guard._client._seconds = 0.2
        wire.call("check_outgoing", path=str(tmp_path / "photo.jpg"))
        question = await wire.read()
        assert question["method"] == "openid_token"
        answer = await wire.read()
        assert (answer["id"], answer["result"]["outcome"], answer["result"]["reason"]) == (
            1,
            "unchecked",
            "unreachable",
        )
        wire.write(json.dumps({"jsonrpc": "2.0", "id": question["id"], "result": {}}).encode())
        late = await wire.read()
        assert (late["id"], late["error"]["code"]) == (question["id"], -32600)


async def test_a_client_that_refuses_a_token_reads_why_the_picture_was_not_checked(tmp_path: Path):
    (tmp_path / "photo.jpg").write_bytes(LISTED)
    async with served_in_memory(tmp_path) as (wire, _):
        wire.call("check_outgoing", path=str(tmp_path / "photo.jpg"))
        error = {"code": 1, "message": "signed out"}
        wire.write(json.dumps({"jsonrpc": "2.0", "id": (await wire.read())["id"], "error": error}).encode())
        assert "signed out" in (await wire.read())["result"]["detail"]


async def test_a_client_that_leaves_while_it_is_asked_for_a_token(tmp_path: Path):
    (tmp_path / "photo.jpg").write_bytes(LISTED)
    async with served_in_memory(tmp_path) as (wire, _):
        wire.call("check_outgoing", path=str(tmp_path / "photo.jpg"))
        assert (await wire.read())["method"] == "openid_token"


async def test_a_bug_in_one_call_is_its_answer_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async def broken() -> None:
        raise ZeroDivisionError

    async with served_in_memory(tmp_path) as (wire, guard):
        monkeypatch.setattr(guard, "update", broken)
        wire.write(b'{"jsonrpc": "2.0", "id": 1, "method": "update"}')
        assert (await wire.read())["error"]["code"] == -32603
        assert "ZeroDivisionError" in caplog.text
        wire.write(b'{"jsonrpc": "2.0", "id": 2, "method": "status"}')
        assert (await wire.read())["result"]["epoch"] == 1


async def test_too_many_calls_at_once_are_refused_until_one_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    going_on = asyncio.Event()

    async with served_in_memory(tmp_path) as (wire, guard):
        monkeypatch.setattr(guard, "update", going_on.wait)
        for number in range(MOST_CALLS):
            wire.write(b'{"jsonrpc": "2.0", "id": %d, "method": "update"}' % number)
        wire.write(b'{"jsonrpc": "2.0", "method": "status"}')  # a notification: no answer
        wire.write(b'{"jsonrpc": "2.0", "id": "one more", "method": "status"}')
        refused = await wire.read()
        assert (refused["id"], refused["error"]["code"]) == ("one more", -32000)
        assert refused["error"]["data"] == {"code": "too-many-calls", "hint": "Wait for an answer, then call again."}
        going_on.set()
        assert {(await wire.read())["id"] for _ in range(MOST_CALLS)} == set(range(MOST_CALLS))
        wire.write(b'{"jsonrpc": "2.0", "id": "once more", "method": "status"}')
        assert (await wire.read())["result"]["epoch"] == 1


async def test_a_large_picture_in_base64_holds_no_other_call_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    threads = []

    def decode(*text: Any, **options: Any) -> bytes:
        threads.append(threading.current_thread())
        return binascii.a2b_base64(*text)

    async with served_in_memory(tmp_path) as (wire, _):
        monkeypatch.setattr("tutela.device.rpc.base64.b64decode", decode)
        wire.call("choose", picture=encoded(b"x"))
        assert (await wire.read())["result"] == {}
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


@pytest.mark.parametrize("length", [1001, 2500, 100_000])
async def test_a_line_that_is_too_long_is_refused_and_the_next_is_read(tmp_path: Path, length: int):
    async with served_in_memory(tmp_path) as (wire, _):
        for number in (1, 2):
            wire.write(b"x" * length)
            assert (await wire.read())["error"] == {"code": -32600, "message": "a message is too long"}
            wire.write(b'{"jsonrpc": "2.0", "id": %d, "method": "status"}' % number)
            assert (await wire.read())["id"] == number
        wire.reader.feed_data(b"x" * length)  # and never ended


async def test_a_client_that_reads_no_more_ends_the_server_quietly(tmp_path: Path):
    async with served_in_memory(tmp_path) as (wire, _):
        wire.gone = True
        wire.write(b'{"jsonrpc": "2.0", "id": 1, "method": "status"}')
        wire.write(b"rubbish")


async def test_input_that_is_no_pipe_is_told(tmp_path: Path):
    (tmp_path / "key").write_bytes(bytes(32))
    (tmp_path / "root.json").write_bytes(document.encode(epoch_of(LISTED).trust_root))
    with (tmp_path / "key").open("rb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "tutela", "device", "serve", "--profile", str(tmp_path / "device"),
            "--key", str(tmp_path / "key"), "--provider", "https://provider.invalid",
            "--trust-root", str(tmp_path / "root.json"),
            stdin=file, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
    _, told = await process.communicate()
    assert process.returncode == 1
    assert b"standard input is no pipe" in told
    assert b"Traceback" not in told


async def test_the_conversation_guard_is_called_in_the_same_way(rpc: Rpc) -> None:
    told = None
    lines = ("how old r u", "so mature for your age, not like other kids", "are your parents home?", "keep us a secret",
             "dont tell your mum about us", "u got snapchat? its more private there")  # fmt: skip
    for i, line in enumerate(lines):
        params = {"room": "!r:x", "person": "@b:x", "id": f"${i}", "text": line, "time": i * 60_000}
        told = (await rpc.call("message_received", **params))["result"] or told
    assert told is not None
    assert told["level"] in ("nudge", "warning")
    refused = await rpc.call("message_received", room="!r:x")
    assert refused["error"]["code"] == -32602
