"""Signing in through a homeserver: one that answers, and those that do not, or not like Matrix."""

from __future__ import annotations

import httpx
import pytest

from harness.client_api import ACCESS_TOKEN, USER, client_api
from harness.provider import SERVER, FakeHomeserver
from tutela.device import matrix_sign_in
from tutela.device.errors import DeviceError, SignInFailed


async def test_a_fresh_token_each_time():
    homeserver = FakeHomeserver()
    with client_api(homeserver) as url:
        sign_in = matrix_sign_in(url + "/", ACCESS_TOKEN)
        first, second = await sign_in(), await sign_in()
    assert first.matrix_server_name == second.matrix_server_name == SERVER
    assert first.access_token != second.access_token
    assert homeserver.tokens == {first.access_token: USER, second.access_token: USER}


async def test_a_token_that_the_homeserver_does_not_know():
    with client_api(FakeHomeserver()) as url:
        with pytest.raises(SignInFailed, match="401 M_UNKNOWN_TOKEN") as refused:
            await matrix_sign_in(url, "another")()
        assert "Log in" in (refused.value.hint or "")
    with pytest.raises(SignInFailed, match="does not answer"):
        await matrix_sign_in(url, ACCESS_TOKEN)()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (httpx.Response(200, stream=httpx.ByteStream(b"<html>")), "no Matrix homeserver"),
        (httpx.Response(404, stream=httpx.ByteStream(b"<html>")), "status 404"),
        (httpx.Response(200, stream=httpx.ByteStream(b"{}")), "no Matrix homeserver"),
        (httpx.Response(200, stream=httpx.ByteStream(b'{"user_id": 3}')), "no Matrix homeserver"),
        (httpx.Response(200, stream=httpx.ByteStream(b'"' * 100_000)), "too long"),
        (httpx.Response(302, headers={"location": "https://elsewhere.example"}, stream=httpx.ByteStream(b"{}")), "302"),
    ],
)
async def test_what_answers_otherwise_is_no_homeserver(answer: httpx.Response, why: str):
    asked: list[httpx.URL] = []

    def answered(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=answer.stream)

    sign_in = matrix_sign_in("https://home.example", ACCESS_TOKEN, transport=httpx.MockTransport(answered))
    with pytest.raises(SignInFailed, match=why):
        await sign_in()
    assert {url.host for url in asked} == {"home.example"}


@pytest.mark.parametrize("token", ["", "two words", "one\nline", "émigré", "token\n"])
def test_what_is_no_access_token_never_leaves(token: str):
    with pytest.raises(DeviceError, match="no access token"):
        matrix_sign_in("https://home.example", token)


@pytest.mark.parametrize("address", ["http://home.example", "home.example"])
def test_an_access_token_goes_over_tls_only(address: str):
    with pytest.raises(DeviceError, match=r"not encrypted.*homeserver|no address of a homeserver"):
        matrix_sign_in(address, ACCESS_TOKEN)
