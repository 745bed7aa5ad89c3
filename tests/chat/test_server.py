"""The server: loopback only, live streams, and an end that nothing holds up."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest

from chat.conftest import Running, until
from chat.pair import ROOM, pair
from tutela.chat import Observations, Window, serve
from tutela.chat import app as app_module
from tutela.integrations.matrix.timeline import TextMessage


async def test_only_this_machine_can_connect(served: Running):
    port = httpx.URL(served.origin).port
    assert port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # The port is free on every other address: nobody listens there.
        probe.bind(("127.0.0.2", port))


async def test_a_taken_port_is_said():
    both = pair()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        async with serve([both.mias], port=taken.getsockname()[1]):
            pass


async def test_a_stream_tells_of_each_change(served: Running):
    async with served.leo.stream("GET", "events") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        assert await anext(lines) == "event: changed"
        assert [await anext(lines), await anext(lines)] == ["data: 1", ""]
        await served.pair.mia.send_text(ROOM, "hi")
        assert await anext(lines) == "event: changed"


async def test_the_panes_stream(served: Running):
    from chat.test_observer import seen

    async with served.mia.stream("GET", served.links.side_by_side + "events") as stream:
        lines = stream.aiter_lines()
        assert [await anext(lines) for _ in range(3)] == ["event: changed", "data: 1", ""]
        served.seen.add(seen())
        assert await anext(lines) == "event: changed"


async def test_a_silent_stream_says_that_it_is_alive(served: Running, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app_module, "_HEARTBEAT", 0.01)
    async with served.mia.stream("GET", "events") as stream:
        async for line in stream.aiter_lines():
            if line.startswith(":"):
                break
        assert line == ": still here"


async def test_open_streams_do_not_hold_up_the_end():
    both = pair()
    async with httpx.AsyncClient() as client:
        async with serve([both.mias, both.leos], Observations()) as links:
            paths = [*links.windows, links.side_by_side]
            streams = [await client.send(client.build_request("GET", f"{path}events"), stream=True) for path in paths]
            bodies = [asyncio.create_task(stream.aread()) for stream in streams]
        assert all(body.endswith(b"\n\n") for body in await asyncio.gather(*bodies))
        with pytest.raises(httpx.ConnectError):
            await client.get(links.windows[0])


async def test_a_reader_who_leaves_is_forgotten(served: Running):
    async with served.mia.stream("GET", "events") as stream:
        await anext(stream.aiter_lines())
        await until(lambda: len(served.pair.mias.changes._waiting) == 1)
    await until(lambda: not served.pair.mias.changes._waiting)


async def test_an_error_inside_ends_the_server_too():
    both = pair()
    with pytest.raises(RuntimeError, match="inside"):
        async with serve([both.mias]) as links:
            raise RuntimeError("inside")
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(links.windows[0])


async def test_a_client_that_breaks_leaves_the_page_up(served: Running, caplog: pytest.LogCaptureFixture):
    served.pair.mia.happen("not an event")
    await until(lambda: "no longer receives" in caplog.text)
    assert (await served.mia.get("")).status_code == 200


async def test_two_windows_of_one_client_share_its_events_and_one_may_stand_apart():
    both = pair()
    other = Window(both.mia, "!other:example.org", other="Sam")
    async with serve([both.mias, both.leos], Observations(), apart=[other]) as links:
        assert len(links.windows) == 3
        await both.leo.send_text(ROOM, "hello")
        both.mia.happen(TextMessage(**both.leo._head() | {"room_id": other.room_id, "own": False}, text="psst"))
        await until(lambda: len(other.events) == 1 and len(both.mias.events) == 1)
        async with httpx.AsyncClient(trust_env=False) as client:
            pages = [(await client.get(link)).text for link in links.windows]
            sides = (await client.get(links.side_by_side)).text
    assert ["hello" in page for page in pages] == [True, True, False]
    assert ["psst" in page for page in pages] == [False, False, True]
    assert other.path not in sides
    assert both.mias.path in sides
