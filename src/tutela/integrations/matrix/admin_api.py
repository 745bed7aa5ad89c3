"""Synapse's admin API and the client-server API, with the token of an account that is an admin there."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final

import httpx

from tutela.provider.errors import EnforcerAway, EnforcerError, SettingsError

_SECONDS: Final = 10.0
#: A page of messages has some megabytes.
_BYTES: Final = 32 << 20
_CHUNK: Final = 1 << 20
#: What a homeserver, or the proxy before it, answers when it can do nothing at all just now.
_AWAY: Final = frozenset({429, 502, 503, 504})
_MAKE_ONE: Final = "docs/provider.md says how to make a service account and its token."


class Denied(EnforcerError):
    """The homeserver answered with an error. `status` is HTTP's, `errcode` Matrix's."""

    code: ClassVar[str] = "enforcer-denied"

    def __init__(self, message: str, *, status: int, errcode: str) -> None:
        super().__init__(message, hint="The homeserver's log says more.")
        self.status = status
        self.errcode = errcode


class AdminApi:
    """The way to one homeserver. Close it."""

    def __init__(
        self, address: str, token: Callable[[], str], *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Reach it at `address`; the token is asked for at each request, so that it can be replaced at any time."""
        self._token = token
        self._http = httpx.AsyncClient(
            base_url=address.rstrip("/"),
            transport=transport,
            timeout=_SECONDS,
            trust_env=False,  # a variable must not send the token another way
        )

    async def request(
        self, method: str, path: str, body: dict[str, Any] | None = None, params: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Make one request and return the JSON object that was answered.

        Raises:
            EnforcerAway: it cannot be reached, or asks for a pause.
            Denied: it answers with an error.
            EnforcerError: it knows the token no more, answers nonsense, or not in time.
        """
        headers = {"Authorization": f"Bearer {self._token()}"}
        try:
            async with self._http.stream(method, path, json=body, params=params, headers=headers) as answer:
                found = _object(await _bounded(answer))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise EnforcerAway(f"the homeserver cannot be reached ({type(error).__name__})") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EnforcerError(f"the homeserver did not answer ({type(error).__name__})") from error
        if answer.is_success and found is not None:
            return found
        said = found or {}
        errcode = str(said.get("errcode", ""))
        if answer.status_code in _AWAY:
            raise EnforcerAway(
                f"the homeserver can do nothing just now: {answer.status_code} {errcode}".rstrip(),
                retry_after=_pause(answer, said),
            )
        if errcode in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"):
            raise EnforcerError("the homeserver does not know the service account's token", hint=_MAKE_ONE)
        why = f"{answer.status_code} {errcode} {str(said.get('error', ''))[:200]}".rstrip()
        raise Denied(
            f"the homeserver refused {method} {path}: {why}",
            status=answer.status_code,
            errcode=errcode,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def token_in(path: Path) -> str:
    """Return the token in a file.

    Raises:
        SettingsError: the file cannot be read, can be read by others, or holds no token.
    """
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SettingsError(f"others can read the service account's token in {path}", hint=f"chmod 600 {path}")
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the service account's token in {path}: {error}", hint=_MAKE_ONE) from error
    if not token or not token.isprintable() or " " in token:
        raise SettingsError(f"{path} holds no access token", hint=_MAKE_ONE)
    return token


async def _bounded(answer: httpx.Response) -> bytes:
    """Read an answer as far as it may go: what begins an endless one is no JSON."""
    body = b""
    async for chunk in answer.aiter_bytes(_CHUNK):
        body += chunk
        if len(body) > _BYTES:
            break
    return body


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _pause(answer: httpx.Response, said: dict[str, Any]) -> int | None:
    """Return for how many seconds the homeserver asks to be left alone."""
    header = answer.headers.get("retry-after", "")
    if header.isascii() and header.isdecimal():
        return int(header[:9])
    wait = said.get("retry_after_ms")
    return -(-wait // 1000) if isinstance(wait, int) and wait >= 0 else None
