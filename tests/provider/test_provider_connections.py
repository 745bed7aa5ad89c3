"""Without a proxy: whoever sends half a request, or does not read the answer, holds nothing up for long."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.provider import make_settings, small_epoch
from tutela.provider import bodies, connections
from tutela.provider.errors import SlowBody
from tutela.provider.server import running

HALF = b"GET /v1/health HTTP/1.1\r\nHost: x\r\n"
WHOLE = HALF + b"\r\n"
#: A body that is announced, and does not come.
NO_BODY = b"POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"


#: An upload whose body comes in parts, and what announces one of these parts.
UPLOAD = b"POST /swallow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
PART = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"


class Endless:
    """Answers `/endless` until the other side has gone, and `/swallow` when a whole body has come."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.ended = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/swallow":
            while (await receive()).get("more_body"):
                pass
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        if scope.get("path") != "/endless":
            await self.app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.create_task(self._gone(receive))
        while not gone.done():
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            await asyncio.sleep(0)
        self.loop.call_soon_threadsafe(self.ended.set)

    async def _gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


@pytest.fixture
def endless() -> list[Endless]:
    return []


@pytest.fixture
async def url(tmp_path: Path, endless: list[Endless]) -> AsyncIterator[str]:
    def wrap(app: ASGIApp) -> ASGIApp:
        endless.append(Endless(app))
        return endless[0]

    async with running(make_settings(tmp_path, small_epoch()), wrap=wrap) as address:
        yield address


class Raw:
    """A connection without manners."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def closed(self) -> bytes:
        """Wait until the other side closes; return what it said before."""
        said = b""
        with contextlib.suppress(ConnectionError):
            while data := await self.reader.read(65536):
                said += data
        return said


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Raw]:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def healthy(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{url}/v1/health")).status_code == 200


@pytest.mark.parametrize("sent", [b"", b"G", HALF, NO_BODY], ids=["nothing", "a letter", "half a head", "no body"])
async def test_half_a_request_is_not_waited_for(url: str, monkeypatch: pytest.MonkeyPatch, sent: bytes):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.5)
    async with connected(url) as raw, connected(url) as another:
        for one in (raw, another):
            await one.send(sent)
        await healthy(url)
        assert await raw.closed() == b""
        assert await another.closed() == b""
    await healthy(url)


async def test_a_letter_now_and_then_wins_no_time(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.5)

    async def trickle(raw: Raw) -> None:
        with contextlib.suppress(ConnectionError):
            await raw.send(HALF)
            while True:
                await raw.send(b"X: y\r\n")
                await asyncio.sleep(0.05)

    async with connected(url) as raw:
        trickling = asyncio.create_task(trickle(raw))
        assert await raw.closed() == b""
        trickling.cancel()


async def test_the_next_request_on_a_connection_is_not_waited_for_either(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.5)
    async with connected(url) as raw:
        await raw.send(WHOLE + HALF)
        assert (await raw.closed()).startswith(b"HTTP/1.1 200 ")


async def test_a_body_that_was_not_asked_for_is_not_waited_for(url: str, monkeypatch: pytest.MonkeyPatch):
    """The answer is sent at once; what then trickles in must not hold the connection."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.5)
    async with connected(url) as raw:
        await raw.send(b"GET /v1/health HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
        assert (await raw.head()).startswith(b"HTTP/1.1 200 ")
        await raw.send(b"x")
        await raw.closed()


async def test_a_body_that_keeps_coming_is_waited_for(url: str, monkeypatch: pytest.MonkeyPatch):
    """At the pace of a poor line an attachment takes much longer than a head may."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 1.0)
    async with connected(url) as raw:
        await raw.send(UPLOAD + PART)
        assert (await raw.head()).startswith(b"HTTP/1.1 100 ")
        for _ in range(30):
            await asyncio.sleep(0.05)
            await raw.send(PART)
        await raw.send(b"0\r\n\r\n")
        assert (await raw.head()).startswith(b"HTTP/1.1 204 ")


async def test_a_body_may_go_on_after_its_answer(url: str, monkeypatch: pytest.MonkeyPatch):
    """Whoever sends again what is there already is answered at once, and often reads that only at the end."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 1.0)
    async with connected(url) as raw:
        await raw.send(HALF + b"Content-Length: 491520\r\n\r\n")
        for _ in range(30):
            await raw.send(b"x" * 0x4000)
            await asyncio.sleep(0.05)
        await raw.send(HALF + b"Connection: close\r\n\r\n")
        assert (await raw.closed()).count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize(
    ("pace", "longest"), [(1e9, 60), (1, 0.5)], ids=["more slowly than a poor line", "longer than the largest takes"]
)
async def test_a_body_is_not_waited_for_without_end(
    url: str, monkeypatch: pytest.MonkeyPatch, pace: float, longest: float
):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(connections, "LONGEST_SECONDS", longest)
    monkeypatch.setattr(bodies, "PACE", pace)

    async def trickle(raw: Raw) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await raw.send(PART)
                await asyncio.sleep(0.05)

    async with connected(url) as raw:
        await raw.send(UPLOAD)
        await raw.head()
        trickling = asyncio.create_task(trickle(raw))
        assert await raw.closed() == b""
        trickling.cancel()


async def test_a_small_body_has_the_time_that_its_size_needs(monkeypatch: pytest.MonkeyPatch):
    parts = asyncio.Queue[Message]()
    request = Request({"type": "http", "headers": []}, parts.get)
    monkeypatch.setattr(bodies, "SECONDS", 1e-3)
    with pytest.raises(SlowBody):
        await bodies.read(request, 0)
    monkeypatch.setattr(bodies, "PACE", 1e-3)
    monkeypatch.setattr(bodies, "LARGE_SECONDS", 2e-3)
    with pytest.raises(SlowBody):
        await bodies.read(request, 10)


async def test_several_requests_at_once_are_all_answered(url: str):
    async with connected(url) as raw:
        await raw.send(WHOLE * 5 + HALF + b"Connection: close\r\n\r\n")
        assert (await raw.closed()).count(b"HTTP/1.1 200 ") == 6


async def test_work_of_ours_is_not_cut_short(url: str, endless: list[Endless], monkeypatch: pytest.MonkeyPatch):
    """While we work, nothing runs out."""
    waits: list[asyncio.TimerHandle | None] = []
    made = connections.Connection.handle_events

    def watched(connection: connections.Connection) -> None:
        waits.append(connection.deadline)
        made(connection)
        waits.append(connection.deadline)

    monkeypatch.setattr(connections.Connection, "handle_events", watched)
    async with connected(url) as raw:
        await raw.send(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        await raw.reader.readexactly(65536)
        assert waits[0] is not None
        assert waits[1] is None
    await asyncio.wait_for(endless[0].ended.wait(), 60)


async def test_an_answer_that_nobody_reads_is_given_up(
    url: str, endless: list[Endless], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 0.2)
    async with connected(url) as raw:
        raw.writer.transport.pause_reading()
        await raw.send(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(endless[0].ended.wait(), 60)


async def test_where_too_many_wait_the_longest_makes_room(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "CONNECTIONS", 4)
    async with contextlib.AsyncExitStack() as stack:
        held = []
        for _ in range(12):
            raw = await stack.enter_async_context(connected(url))
            await raw.send(WHOLE)
            await raw.head()
            held.append(raw)
        await healthy(url)
        for raw in held[:8]:
            await raw.closed()
        await held[-1].send(WHOLE)
        await held[-1].reader.readuntil(b"HTTP/1.1 200 ")


async def test_who_is_being_answered_is_not_sent_away(
    url: str, endless: list[Endless], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connections, "CONNECTIONS", 1)
    async with connected(url) as served:
        await served.send(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        await served.head()
        reading = asyncio.create_task(served.closed())
        async with connected(url) as late:
            with contextlib.suppress(ConnectionError):
                await late.send(WHOLE)
            await late.closed()
        assert not endless[0].ended.is_set()
        reading.cancel()


async def test_an_upload_does_not_make_room_for_who_sends_nothing(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "CONNECTIONS", 4)
    async with contextlib.AsyncExitStack() as stack:
        uploading = await stack.enter_async_context(connected(url))
        await uploading.send(UPLOAD)
        await uploading.head()
        idle = [await stack.enter_async_context(connected(url)) for _ in range(12)]
        for raw in idle[:8]:
            await raw.closed()
        await uploading.send(PART + b"0\r\n\r\n")
        assert (await uploading.head()).startswith(b"HTTP/1.1 204 ")


async def test_bodies_that_do_not_come_leave_room_for_others(url: str, monkeypatch: pytest.MonkeyPatch):
    """Who holds connections by announcing bodies holds no more than half of them against newcomers."""
    monkeypatch.setattr(connections, "CONNECTIONS", 4)
    async with contextlib.AsyncExitStack() as stack:
        held = []
        for _ in range(12):
            raw = await stack.enter_async_context(connected(url))
            await raw.send(UPLOAD)
            await raw.head()
            held.append(raw)
        for _ in range(3):
            await healthy(url)
        for raw in held[:8]:
            await raw.closed()


def test_they_fit_in_the_files_that_a_process_may_open():
    assert 2 * connections.CONNECTIONS + 128 < 1024
    assert socket.SOMAXCONN >= 128
