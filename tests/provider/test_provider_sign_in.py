"""Signing in: whose token it is, once; short sessions; a homeserver that lies, breaks or stalls."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from harness.provider import SERVER, START, FakeHomeserver, Stage, everything_in, staged
from tutela.provider.errors import HomeserverUnavailable, SessionUnknown
from tutela.provider.openid import ANSWER_BYTES, CONCURRENT, OpenIdVerifier
from tutela.wire import limits
from tutela.wire.session import SignIn

ANN = f"@ann:{SERVER}"


def problem(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of an answer that is a problem."""
    found = answer.json()
    assert set(found) == {"code", "message", "hint"}
    return answer.status_code, found["code"]


async def test_a_token_becomes_a_session(stage: Stage):
    stage.homeserver.tokens["t"] = ANN
    answer = await stage.post_sign_in("t")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    session = answer.json()
    assert session["account"] == ANN
    assert session["expires_in"] == 3600
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", session["session"])
    assert [str(url) for url in stage.homeserver.asked] == [
        "http://homeserver.invalid/_matrix/federation/v1/openid/userinfo?access_token=t"
    ]
    assert (await stage.check(session["session"])).status_code == 200


async def test_sessions_are_random_and_only_digests_are_kept(stage: Stage):
    secrets = {await stage.sign_in() for _ in range(5)}
    assert len(secrets) == 5
    database = everything_in(stage.settings.data.parent)
    for secret in secrets:
        assert secret.encode() not in database
        digest = hashlib.sha256(b"tutela/session/1\x00" + secret.encode()).hexdigest()
        assert digest.encode() in database
    assert b"token-0" not in database


async def test_forged_or_expired(stage: Stage):
    # Matrix answers M_UNKNOWN_TOKEN for both; nobody but the homeserver can tell them apart.
    assert problem(await stage.post_sign_in("forged")) == (403, "token-unknown")
    stage.homeserver.tokens["t"] = ANN
    del stage.homeserver.tokens["t"]  # what expiry looks like from here
    assert problem(await stage.post_sign_in("t")) == (403, "token-unknown")


async def test_replayed(stage: Stage):
    await stage.sign_in(token="t")
    asked = len(stage.homeserver.asked)
    assert problem(await stage.post_sign_in("t")) == (403, "token-replayed")
    assert len(stage.homeserver.asked) == asked, "a known replay does not reach the homeserver"
    stage.clock.forward(seconds=7199)
    stage.provider.forget()
    assert problem(await stage.post_sign_in("t")) == (403, "token-replayed")


async def test_replayed_at_the_same_moment(stage: Stage):
    stage.homeserver.tokens["t"] = ANN
    answers = await asyncio.gather(*(stage.post_sign_in("t") for _ in range(6)))
    assert sorted(a.status_code for a in answers) == [200, 403, 403, 403, 403, 403]
    assert {problem(a) for a in answers if a.status_code == 403} == {(403, "token-replayed")}


async def test_a_token_of_another_homeserver_is_another_token(home: Path):
    servers = {SERVER: "http://homeserver.invalid", "other.example": "http://other.invalid/"}
    async with staged(home, homeservers=servers) as stage:
        await stage.sign_in(token="t")
        stage.homeserver.tokens["t"] = "@bob:other.example"
        answer = await stage.post_sign_in("t", server="other.example")
        assert answer.json()["account"] == "@bob:other.example"
        assert stage.homeserver.asked[-1].host == "other.invalid"
        assert stage.homeserver.asked[-1].path.startswith("/_matrix/")


@pytest.mark.parametrize(
    "server", ["other.example", "127.0.0.1:22", "home.example.evil", "HOME.example", "home.example\n"]
)
async def test_a_foreign_homeserver_is_not_even_asked(stage: Stage, server: str):
    assert problem(await stage.post_sign_in("t", server=server)) == (403, "foreign-homeserver")
    assert stage.homeserver.asked == []


@pytest.mark.parametrize(
    "account", ["@ann:other.example", f"@ann:{SERVER}.evil", f"@ann:x:{SERVER}", f"@a:{SERVER}:8448"]
)
async def test_a_foreign_account(stage: Stage, account: str):
    stage.homeserver.tokens["t"] = account
    assert problem(await stage.post_sign_in("t")) == (403, "foreign-account")


def stream(*chunks: bytes, pause: float = 0) -> AsyncIterator[bytes]:
    async def drip() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk
            await asyncio.sleep(pause)

    return drip()


NONSENSE = {
    "no JSON": httpx.Response(200, text="<html>hello</html>"),
    "no object": httpx.Response(200, json=["@ann:home.example"]),
    "no account": httpx.Response(200, json={"user": ANN}),
    "a number": httpx.Response(200, json={"sub": 7}),
    "no user id": httpx.Response(200, json={"sub": f"ann:{SERVER}"}),
    "nobody": httpx.Response(200, json={"sub": f"@:{SERVER}"}),
    "no server": httpx.Response(200, json={"sub": "@ann"}),
    "control characters": httpx.Response(200, json={"sub": f"@a\x00nn:{SERVER}"}),
    "a long id": httpx.Response(200, json={"sub": "@" + "a" * 300 + f":{SERVER}"}),
    "deep": httpx.Response(200, content=b"[" * 10_000),
    "bad UTF-8": httpx.Response(200, content=b'{"sub": "\xff"}'),
    "huge": lambda: httpx.Response(200, content=stream(*[b" " * 4096] * 64)),
    "one over": httpx.Response(200, content=b" " * (ANSWER_BYTES + 1)),
    "compressed": lambda: httpx.Response(200, content=stream(b"x"), headers={"content-encoding": "gzip"}),
    "a redirect": httpx.Response(302, headers={"location": "http://169.254.169.254/"}),
    "not found": httpx.Response(404, json={"errcode": "M_UNRECOGNIZED"}),
    "not HTTP": httpx.RemoteProtocolError("illegal status line"),
}


@pytest.mark.parametrize("lie", NONSENSE.values(), ids=NONSENSE)
async def test_a_homeserver_that_talks_nonsense(
    stage: Stage, lie: httpx.Response | Exception | Callable[[], httpx.Response]
):
    stage.homeserver.lie = lie() if callable(lie) else lie  # a stream can be read once only
    answer = await stage.post_sign_in("t")
    assert problem(answer) == (502, "homeserver-nonsense")
    assert len(stage.homeserver.asked) == 1, "nothing is followed or asked again"


UNAVAILABLE = {
    "refused": httpx.ConnectError("connection refused"),
    "slow to read": httpx.ReadTimeout("timed out"),
    "reset": httpx.ReadError("reset"),
    "a broken pipe": BrokenPipeError(),
    "a server error": httpx.Response(500, text="oops"),
    "a gateway": httpx.Response(503, text="later"),
    "busy": httpx.Response(429, json={"errcode": "M_LIMIT_EXCEEDED"}),
}


@pytest.mark.parametrize("lie", UNAVAILABLE.values(), ids=UNAVAILABLE)
async def test_a_homeserver_that_is_down_leaves_the_token_usable(stage: Stage, lie: httpx.Response | Exception):
    stage.homeserver.lie = lie
    stage.homeserver.tokens["t"] = ANN
    answer = await stage.post_sign_in("t")
    assert problem(answer) == (503, "homeserver-unavailable")
    assert answer.headers["retry-after"] == "10"
    stage.homeserver.lie = None
    assert (await stage.post_sign_in("t")).status_code == 200


STALLED = {"drips": ([b" "] * 1000, 0.01), "stops": ([b"{"], 3600)}


@pytest.mark.parametrize(("chunks", "pause"), STALLED.values(), ids=STALLED)
async def test_a_homeserver_that_stalls(chunks: list[bytes], pause: float):
    homeserver = FakeHomeserver(lie=httpx.Response(200, content=stream(*chunks, pause=pause)))
    verifier = OpenIdVerifier.over(homeserver, {SERVER: "http://homeserver.invalid"}, seconds=0.05)
    with pytest.raises(HomeserverUnavailable):
        await verifier.account(SignIn(matrix_server_name=SERVER, access_token="t"))


async def test_too_many_at_once_are_sent_away(stage: Stage):
    arrived, waiting = asyncio.Semaphore(0), asyncio.Event()
    honest = FakeHomeserver.handle_async_request

    async def wait(self: FakeHomeserver, request: httpx.Request) -> httpx.Response:
        arrived.release()
        await waiting.wait()
        return await honest(self, request)

    stage.homeserver.handle_async_request = wait.__get__(stage.homeserver)  # type: ignore[method-assign]
    many = [f"t{i}" for i in range(CONCURRENT)]
    stage.homeserver.tokens = dict.fromkeys([*many, "late"], ANN)
    tasks = [asyncio.create_task(stage.post_sign_in(token)) for token in many]
    for _ in many:
        await arrived.acquire()
    answer = await stage.post_sign_in("late")
    assert problem(answer) == (503, "busy")
    assert answer.headers["retry-after"] == "2"
    waiting.set()
    assert {a.status_code for a in await asyncio.gather(*tasks)} == {200}
    assert (await stage.post_sign_in("late")).status_code == 200


async def test_a_session_ends(stage: Stage):
    session = await stage.sign_in()
    stage.clock.forward(seconds=3599)
    assert (await stage.check(session)).status_code == 200
    stage.clock.forward(seconds=1)
    answer = await stage.check(session)
    assert problem(answer) == (401, "session-expired")
    assert answer.headers["www-authenticate"] == "Bearer"
    stage.provider.forget()
    assert problem(await stage.check(session)) == (401, "session-unknown")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "bearer\t"])
async def test_no_session(stage: Stage, header: str):
    answer = await stage.check("", authorization=header)
    assert problem(answer) == (401, "session-missing")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_an_unknown_session(stage: Stage):
    session = await stage.sign_in()
    for wrong in (session[:-1], session + "A", session.swapcase(), "\xe9"):
        answer = await stage.check("", authorization=b"Bearer " + wrong.encode("latin-1"))
        assert problem(answer) == (401, "session-unknown")


async def test_an_account_has_so_many_sessions_and_no_more(home: Path):
    async with staged(home, sessions_per_account=2) as stage:
        other = await stage.sign_in(f"@bob:{SERVER}")
        sessions = []
        for _ in range(3):
            sessions.append(await stage.sign_in())
            stage.clock.forward(seconds=1)
        kept = stage.provider.sessions
        with pytest.raises(SessionUnknown):
            kept.account_of(sessions[0])
        assert [kept.account_of(s) for s in sessions[1:]] == [ANN, ANN]
        assert kept.account_of(other) == f"@bob:{SERVER}"


async def test_one_session_per_account(home: Path):
    async with staged(home, sessions_per_account=1) as stage:
        first, second = await stage.sign_in(), await stage.sign_in()
        with pytest.raises(SessionUnknown):
            stage.provider.sessions.account_of(first)
        assert stage.provider.sessions.account_of(second) == ANN


async def test_accounts_are_forgotten(stage: Stage):
    await stage.check(await stage.sign_in())
    stage.clock.forward(seconds=3600)
    assert stage.provider.forget() == 2, "the session, and the allowance that is whole again"
    stage.clock.forward(seconds=3600)
    assert stage.provider.forget() == 1, "the spent token"
    assert stage.clock.now == START + 7_200_000
    stage.provider.close()
    kept = everything_in(stage.settings.data.parent)
    assert ANN.encode() not in kept


BODIES = {
    "no JSON": b"hello",
    "no object": b"[]",
    "a field missing": b'{"access_token": "t"}',
    "a field too many": b'{"access_token": "t", "matrix_server_name": "home.example", "expires_in": 3600}',
    "an empty token": b'{"access_token": "", "matrix_server_name": "home.example"}',
    "a long token": b'{"access_token": "' + b"t" * 4097 + b'", "matrix_server_name": "home.example"}',
    "a long name": b'{"access_token": "t", "matrix_server_name": "' + b"n" * 256 + b'"}',
    "bad UTF-8": b'{"access_token": "\xff", "matrix_server_name": "home.example"}',
    "deep": b"[" * 8000,
    "empty": b"",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_malformed_sign_in(stage: Stage, body: bytes):
    answer = await stage.http.post("/v1/session", content=body, headers={"content-type": "application/json"})
    assert problem(answer) == (400, "malformed")


async def test_a_sign_in_one_byte_over(stage: Stage):
    body = b'{"access_token": "t", "matrix_server_name": "home.example"}'.ljust(limits.SIGN_IN_BYTES + 1)
    answer = await stage.http.post("/v1/session", content=body, headers={"content-type": "application/json"})
    assert problem(answer) == (413, "oversized")
    assert stage.records[-1].bytes_in == 0, "its body was not read"
    answer = await stage.http.post("/v1/session", content=body[:-1], headers={"content-type": "application/json"})
    assert problem(answer) == (403, "token-unknown")


async def test_a_sign_in_of_another_type_or_without_length(stage: Stage):
    answer = await stage.http.post("/v1/session", content=b"{}", headers={"content-type": "text/plain"})
    assert problem(answer) == (415, "wrong-content-type")
    answer = await stage.http.post("/v1/session", content=stream(b"{}"), headers={"content-type": "application/json"})
    assert problem(answer) == (411, "length-required")


async def test_tokens_and_sessions_stay_out_of_the_log(stage: Stage, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    session = await stage.sign_in(token="secret-token")
    await stage.post_sign_in("secret-token")
    stage.homeserver.lie = httpx.ConnectError("refused")
    await stage.post_sign_in("another-secret")
    await stage.check(session)
    said = caplog.text + "".join(record.line() for record in stage.records)
    assert "secret" not in said
    assert session not in said
