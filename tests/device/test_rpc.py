"""`tutela device serve` as a client in another language meets it: a process and lines of JSON."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.pictures import LISTED, ORDINARY, epoch_of
from harness.provider import SERVER, Stage, staged
from tutela.provider.server import running
from tutela.wire import document


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

    async def read(self) -> dict[str, Any]:
        """The next message, having answered those that ask for a token."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            while True:
                message = json.loads(await self.process.stdout.readline())
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
        yield made


@asynccontextmanager
async def _served(folder: Path, stage: Stage) -> AsyncIterator[Rpc]:
    (folder / "key").write_bytes(bytes(range(32)))
    (folder / "root.json").write_bytes(document.encode(stage.epoch.trust_root))
    async with running(stage.settings, transport=stage.homeserver) as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tutela", "device", "serve", "--profile", str(folder / "device"),
            "--key", str(folder / "key"), "--provider", url, "--trust-root", str(folder / "root.json"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
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
]


async def test_what_makes_no_sense_is_answered_and_the_server_goes_on(rpc: Rpc):
    for line, code in NONSENSE:
        await rpc.write(line)
        assert (await rpc.read())["error"]["code"] == code, line[:80]
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
        sys.executable, "-m", "tutela", "device", "serve", "--profile", str(folder / "device"),
        "--key", str(folder / "key"), "--provider", "http://127.0.0.1:9", "--trust-root", str(folder / "root.json"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    yield Rpc(process, stage)
    assert process.stdin is not None
    process.stdin.close()
    assert await process.wait() == 0


async def test_a_notification_gets_no_answer(rpc: Rpc):
    await rpc.write(b'{"jsonrpc": "2.0", "method": "status"}')
    assert (await rpc.call("status"))["id"] == "status"
