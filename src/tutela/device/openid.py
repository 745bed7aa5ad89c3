"""Signing in through a Matrix homeserver: it vouches to the provider for its user, by a token for that alone."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import quote

import httpx
import msgspec

from tutela.device.address import check_address
from tutela.device.client import SignInCallback
from tutela.device.connecting import why
from tutela.device.errors import DeviceError, SignInFailed
from tutela.wire.session import SignIn

_SECONDS: Final = 10.0
_ANSWER_BYTES: Final = 64 * 1024


class _Answer(msgspec.Struct):
    """Of a homeserver's answers, what matters here."""

    user_id: str = ""
    matrix_server_name: str = ""
    access_token: str = ""
    errcode: str = ""


def matrix_sign_in(
    homeserver: str, access_token: str, *, transport: httpx.AsyncBaseTransport | None = None
) -> SignInCallback:
    """Return a `sign_in` for `Guard.open`: it asks the user's homeserver for a fresh OpenID token each time.

    Matrix client-server API, `account/whoami` and `user/{userId}/openid/request_token`. The access token goes to the
    homeserver alone, the OpenID token to the provider, which learns from it who the user is and can do nothing else
    with it. What it returns raises `SignInFailed`.

    Raises:
        DeviceError: `homeserver` is no address, or neither encrypted nor on this machine; or `access_token` is none.
    """
    check_address(homeserver, "homeserver")
    if not access_token.isascii() or not access_token.isprintable() or not access_token or " " in access_token:
        raise DeviceError("that is no access token: it is one word of ASCII", hint="Look for stray spaces and lines.")

    async def sign_in() -> SignIn:
        async with httpx.AsyncClient(
            base_url=homeserver.rstrip("/") + "/_matrix/client/v3/",
            headers={
                "authorization": f"Bearer {access_token}",
                "accept-encoding": "identity",
                "content-type": "application/json",
            },
            transport=transport,
            timeout=_SECONDS,
            trust_env=False,
        ) as http:
            user_id = (await _asked(http, "GET", "account/whoami")).user_id
            path = f"user/{quote(user_id, safe='')}/openid/request_token"
            answer = await _asked(http, "POST", path, content=b"{}")
        token = {"matrix_server_name": answer.matrix_server_name, "access_token": answer.access_token}
        try:
            return msgspec.convert(token, SignIn)
        except msgspec.ValidationError as error:
            raise _nonsense() from error

    return sign_in


async def _asked(http: httpx.AsyncClient, method: str, path: str, *, content: bytes | None = None) -> _Answer:
    body = bytearray()
    try:
        async with asyncio.timeout(_SECONDS), http.stream(method, path, content=content) as answer:
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > _ANSWER_BYTES:
                    raise SignInFailed("the homeserver's answer is too long")
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
        raise SignInFailed(
            f"the homeserver does not answer: {why(error)}", hint="Check its address and the connection."
        ) from error
    try:
        parsed = msgspec.json.decode(bytes(body), type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _nonsense(answer.status_code) from error
    if answer.status_code != 200:
        raise SignInFailed(
            f"the homeserver refused: {answer.status_code} {parsed.errcode:.100}".rstrip(),
            hint="Log in for another access token." if answer.status_code == 401 else None,
        )
    return parsed


def _nonsense(status: int = 200) -> SignInFailed:
    return SignInFailed(
        f"what answers (with status {status}) is no Matrix homeserver", hint="Give the address that clients use."
    )
