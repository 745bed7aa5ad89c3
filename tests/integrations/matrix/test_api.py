"""Every failure of the way to the homeserver is one of our errors."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tutela.device.errors import DeviceError
from tutela.integrations.matrix import api as module
from tutela.integrations.matrix.api import MatrixApi, text
from tutela.integrations.matrix.errors import OversizedMedia, Refused, SignedOut, Unreachable, WrongPassword

Answer = Callable[[httpx.Request], httpx.Response]


@asynccontextmanager
async def api_of(answer: Answer) -> AsyncIterator[MatrixApi]:
    api = MatrixApi("https://matrix.example/", transport=httpx.MockTransport(answer))
    try:
        yield api
    finally:
        await api.close()


def said(status: int, **body: Any) -> Answer:
    return lambda request: httpx.Response(status, json=body)


async def test_a_request_carries_the_token_and_its_body():
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"a": 1})

    async with api_of(answer) as api:
        await api.post("login", {"b": 2})
        api.token = "secret"
        assert await api.get("sync", params={"since": "s&1"}) == {"a": 1}
    assert str(seen[0].url) == "https://matrix.example/_matrix/client/v3/login"
    assert (seen[0].content, seen[0].headers.get("authorization")) == (b'{"b":2}', None)
    assert (seen[1].url.params["since"], seen[1].headers["authorization"]) == ("s&1", "Bearer secret")
    assert "secret" not in str(seen[1].url)


@pytest.mark.parametrize("status", [201, 204, 302, 400, 404, 500, 502])
async def test_any_status_but_200_is_refused(status: int):
    async with api_of(said(status, errcode="M_SOMETHING", error="no")) as api:
        with pytest.raises(Refused) as refused:
            await api.post("keys/upload", {})
    assert (refused.value.status, refused.value.errcode) == (status, "M_SOMETHING")


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"7", b"null", b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("status", [200, 500])
async def test_an_answer_of_another_form_is_refused(content: bytes, status: int):
    async with api_of(lambda request: httpx.Response(status, content=content)) as api:
        with pytest.raises(Refused):
            await api.get("sync")


@pytest.mark.parametrize("errcode", ["M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"])
async def test_an_ended_session(errcode: str):
    async with api_of(said(401, errcode=errcode)) as api:
        with pytest.raises(SignedOut):
            await api.get("sync")


async def test_a_wrong_password_and_nothing_else_is_called_so():
    async with api_of(said(403, errcode="M_FORBIDDEN")) as api:
        with pytest.raises(WrongPassword):
            await api.post("login", {"password": "x"})
        with pytest.raises(WrongPassword):
            await api.post("keys/device_signing/upload", {"auth": {"password": "x"}})
        with pytest.raises(Refused) as refused:
            await api.post("rooms/!a/join", {})
    assert not isinstance(refused.value, WrongPassword)


@pytest.mark.parametrize(
    ("body", "flows"),
    [
        ({"session": "s", "flows": [{"stages": ["m.login.password"]}, {"stages": ["a", "b"]}]}, 2),
        ({"session": "s", "flows": [None, {"stages": "x"}, {}]}, 0),
        ({"session": "s", "flows": "x"}, 0),
    ],
)
async def test_a_homeserver_that_asks_for_more_says_how(body: dict[str, Any], flows: int):
    async with api_of(said(401, **body)) as api:
        with pytest.raises(Refused) as refused:
            await api.post("keys/device_signing/upload", {})
    assert (refused.value.session, len(refused.value.flows)) == ("s", flows)


async def test_throttling_is_waited_out_and_not_for_ever(monkeypatch: pytest.MonkeyPatch):
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    answers = [httpx.Response(429, json={"retry_after_ms": 2000}), httpx.Response(429), httpx.Response(200, json={})]
    async with api_of(lambda request: answers.pop(0)) as api:
        assert await api.get("sync") == {}
    assert waits == [2.0, 1.0]
    async with api_of(said(429, errcode="M_LIMIT_EXCEEDED", retry_after_ms=10**9)) as api:
        with pytest.raises(Refused, match="429"):
            await api.get("sync")
    assert max(waits) == 30.0
    for wait in (10**400, True, -1, "soon", None, 1e300):
        async with api_of(said(429, retry_after_ms=wait)) as api:
            with pytest.raises(Refused, match="429"):
                await api.get("sync")
    assert max(waits) == 30.0


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
async def test_no_answer(error: type[httpx.TransportError]):
    tries: list[str] = []

    def fail(request: httpx.Request) -> httpx.Response:
        tries.append(request.method)
        raise error("x")

    async with api_of(fail) as api:
        for call in (api.get("sync"), api.post("login", {}), api.upload(b"x"), api.download("s", "m", limit=1)):
            with pytest.raises(Unreachable):
                await call
        assert len(tries) == 4
        with pytest.raises(Unreachable):
            await api.put("sendToDevice/m.room.encrypted/1", {})
        assert tries.count("PUT") == 3  # with a transaction's id it may be repeated


@pytest.mark.parametrize(
    "address", ["not an address", "", "http://matrix.example", "http://192.168.1.2:8008", "ftp://localhost", "https://"]
)
def test_a_password_goes_nowhere_in_the_clear(address: str):
    with pytest.raises(DeviceError):
        MatrixApi(address)


async def test_this_machine_is_asked_without_tls():
    for address in ("http://localhost:8008", "http://127.0.0.1:8008", "http://[::1]:8008"):
        await MatrixApi(address).close()


@pytest.mark.parametrize("answer", [said(413, errcode="M_TOO_LARGE"), said(200), said(200, content_uri=7)])
async def test_a_refused_upload(answer: Answer):
    async with api_of(answer) as api:
        with pytest.raises(Refused):
            await api.upload(b"x")


async def test_an_upload():
    async with api_of(said(200, content_uri="mxc://a/b")) as api:
        assert await api.upload(b"x") == "mxc://a/b"


@pytest.mark.parametrize(("size", "fits"), [(99, True), (100, True), (101, False), (1_000_000, False)])
async def test_a_download_takes_no_more_than_the_limit(size: int, fits: bool):
    taken = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        for start in range(0, size, 50):
            chunk = bytes(min(50, size - start))
            taken += len(chunk)
            yield chunk

    async with api_of(lambda request: httpx.Response(200, content=body())) as api:
        if fits:
            assert await api.download("example.org", "m", limit=100) == bytes(size)
        else:
            with pytest.raises(OversizedMedia):
                await api.download("example.org", "m", limit=100)
    assert taken < 100_000


async def _endless() -> AsyncIterator[bytes]:
    yield b'{"errcode": "'
    while True:
        yield b"x" * 10_000


@pytest.mark.parametrize("status", [200, 401, 429, 500])
async def test_an_endless_answer_is_cut_off(status: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SYNC_BYTES", 1_000_000)
    monkeypatch.setattr(module, "ANSWER_BYTES", 900_000)
    monkeypatch.setattr(module, "_THROTTLED_TRIES", 1)
    async with api_of(lambda request: httpx.Response(status, content=_endless())) as api:
        for call in (api.get("sync"), api.upload(b"x")):
            with pytest.raises(Refused) as refused:
                await call
            assert refused.value.status == status
        if status == 200:
            with pytest.raises(Refused, match="more than 1000000 bytes"):
                await api.get("sync")
            with pytest.raises(Refused, match="more than 900000 bytes"):
                await api.get("keys/query")
        else:
            with pytest.raises(Refused):
                await api.download("example.org", "m", limit=100)


@pytest.mark.parametrize("filler", [b"[],", b"{},", b"0,", b'"",'])
async def test_an_answer_of_more_values_than_any_honest_one_is_not_parsed(
    filler: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_VALUES", 1000)
    for count, taken in ((400, True), (1000, False)):
        content = b'{"a":[' + filler * count + b"0]}"
        async with api_of(lambda request, content=content: httpx.Response(200, content=content)) as api:
            if taken:
                assert len((await api.get("sync"))["a"]) == count + 1
            else:
                with pytest.raises(Refused):
                    await api.get("sync")


async def test_an_answer_that_drips_ends_with_its_time(monkeypatch: pytest.MonkeyPatch):
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.005)

    monkeypatch.setattr(module, "_MEDIA_SECONDS", 0.05)
    async with api_of(lambda request: httpx.Response(200, content=drip())) as api, asyncio.timeout(30):
        for call in (api.get("sync", seconds=0.05), api.upload(b"x"), api.download("s", "m", limit=10**6)):
            with pytest.raises(Unreachable, match="TimeoutError"):
                await call


async def test_an_answer_that_would_unfold_is_not_unfolded():
    async def body() -> AsyncIterator[bytes]:
        yield gzip.compress(b"{}")

    headers = {"Content-Encoding": "gzip"}
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Accept-Encoding"])
        return httpx.Response(200, content=body(), headers=headers)

    async with api_of(answer) as api:
        with pytest.raises(Unreachable, match="DecodingError"):
            await api.get("sync")
    assert seen == ["identity"]


async def test_the_environment_names_no_other_way(monkeypatch: pytest.MonkeyPatch):
    """The proxy does not exist: who asked it would get no answer."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        api = MatrixApi(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        assert await api.get("versions") == {}
        await api.close()


async def test_a_download_asks_for_what_was_named_and_nothing_else():
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path.decode())
        return httpx.Response(404, json={"errcode": "M_NOT_FOUND"})

    async with api_of(answer) as api:
        with pytest.raises(Refused):
            await api.download("example.org", "../../admin?x=1", limit=1)
    assert seen == ["/_matrix/client/v1/media/download/example.org/..%2F..%2Fadmin%3Fx%3D1"]


@pytest.mark.parametrize("answer", [{}, {"a": ""}, {"a": 7}, {"a": None}])
def test_an_answer_that_lacks_text(answer: dict[str, Any]):
    with pytest.raises(Refused, match="lacks"):
        text(answer, "a")
