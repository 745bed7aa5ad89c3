"""Asking a homeserver whose OpenID token this is (Matrix server-server API, "OpenID").

Only homeservers in the settings are ever asked, so that nobody can make the service call an address of their choice.
The specification puts the token into the address; requests are therefore sent below the layer of `httpx` that logs
addresses. Answers are bounded in time and size, redirects are not followed, and what is not an answer is said to be
none: it never becomes a refusal of the user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx
import msgspec

from tutela.provider.errors import (
    Busy,
    ForeignAccount,
    ForeignHomeserver,
    HomeserverNonsense,
    HomeserverUnavailable,
    TokenUnknown,
)
from tutela.wire.session import SignIn

PATH: Final = "/_matrix/federation/v1/openid/userinfo"
#: An answer holds one user id, of at most 255 bytes.
ANSWER_BYTES: Final = 16_384
ACCOUNT_BYTES: Final = 255
#: Questions to homeservers at once; more are sent away.
CONCURRENT: Final = 32
_RETRY_SECONDS: Final = 10


class _UserInfo(msgspec.Struct):
    sub: str


@dataclass(frozen=True)
class OpenIdVerifier:
    """Verifies sign-ins at the homeservers that this provider serves, given by name and address."""

    homeservers: Mapping[str, str]
    transport: httpx.AsyncBaseTransport
    seconds: float
    _slots: asyncio.Semaphore

    @classmethod
    def over(
        cls, transport: httpx.AsyncBaseTransport, homeservers: Mapping[str, str], *, seconds: float
    ) -> OpenIdVerifier:
        """Return a verifier that asks over `transport` and gives each answer `seconds`."""
        return cls(dict(homeservers), transport, seconds, asyncio.Semaphore(CONCURRENT))

    def check_served(self, server_name: str) -> None:
        """Raise `ForeignHomeserver` unless this provider serves that homeserver's users."""
        if server_name not in self.homeservers:
            raise ForeignHomeserver(
                "this provider does not serve users of that homeserver",
                hint="Use the Tutela provider of your own homeserver.",
            )

    async def account(self, sign_in: SignIn) -> str:
        """Return the user id to whom the homeserver gave this token.

        Raises:
            ForeignHomeserver: not one of ours; it was not asked.
            TokenUnknown: the homeserver does not know the token.
            ForeignAccount: it named an account that is not its own.
            HomeserverUnavailable: it did not answer, or not in time.
            HomeserverNonsense: it answered, but not as Matrix does.
            Busy: too many sign-ins wait for their homeserver.
        """
        self.check_served(sign_in.matrix_server_name)
        if self._slots.locked():
            raise Busy("too many sign-ins at once", hint="Try again in a moment.", retry_after=2)
        async with self._slots:
            status, body = await self._ask(self.homeservers[sign_in.matrix_server_name], sign_in.access_token)
        if status in (401, 403):
            raise TokenUnknown(
                "the homeserver does not know this token: it is forged, or it has expired",
                hint="Ask the homeserver for a new OpenID token.",
            )
        if status >= 500 or status == 429:
            raise _unavailable(f"the homeserver answered with status {status}")
        if status != 200:
            raise HomeserverNonsense(f"the homeserver answered with status {status}", hint=_CONFIGURATION)
        return _own_account(body, sign_in.matrix_server_name)

    async def _ask(self, address: str, token: str) -> tuple[int, bytes]:
        request = httpx.Request(
            "GET",
            address.rstrip("/") + PATH,
            params={"access_token": token},
            headers={"accept": "application/json", "accept-encoding": "identity"},
            extensions={"timeout": httpx.Timeout(self.seconds).as_dict()},
        )
        try:
            # The transport's own limits hold for single reads; this one for the whole, however slowly it drips.
            async with asyncio.timeout(self.seconds):
                response = await self.transport.handle_async_request(request)
                try:
                    return response.status_code, await _bounded(response)
                finally:
                    await response.aclose()
        except httpx.RemoteProtocolError as error:
            raise HomeserverNonsense("the homeserver does not speak HTTP", hint=_CONFIGURATION) from error
        except (httpx.TransportError, TimeoutError, OSError) as error:
            raise _unavailable("the homeserver does not answer") from error


_CONFIGURATION: Final = "The operator should check the homeserver's address in the settings, and its `openid` listener."


async def _bounded(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise HomeserverNonsense("the homeserver compressed an answer unasked", hint=_CONFIGURATION)
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > ANSWER_BYTES:
            raise HomeserverNonsense(
                f"the homeserver's answer is longer than {ANSWER_BYTES} bytes", hint=_CONFIGURATION
            )
    return bytes(body)


def _own_account(body: bytes, server_name: str) -> str:
    try:
        account = msgspec.json.decode(body, type=_UserInfo).sub
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HomeserverNonsense("the homeserver's answer names no account", hint=_CONFIGURATION) from error
    local, colon, server = account.partition(":")
    if not (
        local.startswith("@") and len(local) > 1 and colon and len(account.encode()) <= 255 and account.isprintable()
    ):
        raise HomeserverNonsense("the homeserver's answer is not a Matrix user id", hint=_CONFIGURATION)
    if server != server_name:
        raise ForeignAccount("the homeserver vouches for an account that is not its own")
    return account


def _unavailable(message: str) -> HomeserverUnavailable:
    return HomeserverUnavailable(
        message, hint="The token is not used up: try again with it.", retry_after=_RETRY_SECONDS
    )
