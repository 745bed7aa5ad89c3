"""The Matrix client-server API over HTTP: requests, uploads, downloads, with every failure as one of our errors."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx

from tutela.device.address import check_address
from tutela.integrations.matrix.errors import (
    AccountLocked,
    OversizedMedia,
    Refused,
    SignedOut,
    Unreachable,
    WrongPassword,
)

#: How often a request that the homeserver throttles is tried, and the longest wait (seconds) in between.
_THROTTLED_TRIES: Final = 5
_THROTTLED_WAIT: Final = 30.0
#: How often a request that may be repeated is tried when no answer comes.
_REPEATS: Final = 3
#: How long a request may take, from the first byte to the last, in seconds.
_SECONDS: Final = 30.0
_MEDIA_SECONDS: Final = 300.0
#: The longest answers taken in, in bytes: to a sync, to anything else, and an error's. At some 500 bytes a member, a
#: sync with 60,000 members of all rooms fits; and a page of a hundred events of the greatest size, 64 KiB, twice.
SYNC_BYTES: Final = 32 << 20
ANSWER_BYTES: Final = 16 << 20
_ERROR_BYTES: Final = 64 << 10
#: The longest token that a request carries back.
_TOKEN: Final = 4096
#: The values that a JSON answer may hold, as parsed values take up many times their text. A member takes some 20.
_VALUES: Final = 1_500_000


@dataclass(frozen=True)
class _Answer:
    """What came back: HTTP's status, and the body, cut off soon after its limit."""

    status: int
    body: bytes

    @property
    def json(self) -> dict[str, Any] | None:
        """The JSON object in the body; `None` if it is anything else, or holds more values than any honest one."""
        if sum(self.body.count(mark) for mark in (b"{", b"[", b",")) > _VALUES:
            return None
        try:
            parsed = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return parsed if isinstance(parsed, dict) else None


class MatrixApi:
    """One account's way to its homeserver. `token` is `None` until somebody has signed in."""

    def __init__(self, homeserver: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Prepare the way to `homeserver`.

        Raises:
            DeviceError: its address is none, or neither `https` nor on this machine: the password goes there.
        """
        check_address(homeserver, "homeserver")
        self.homeserver = homeserver.rstrip("/")
        self.token: str | None = None
        self._http = httpx.AsyncClient(
            base_url=self.homeserver,
            transport=transport,
            # A variable in the environment must not send a child's messages another way, nor this machine's elsewhere.
            trust_env=False,
            # Nothing that arrives may unfold to more than it is.
            headers={"Accept-Encoding": "identity"},
        )

    async def get(
        self, path: str, *, params: dict[str, str] | None = None, seconds: float = _SECONDS
    ) -> dict[str, Any]:
        """GET `path` and return the JSON object that was answered; for errors see `request`."""
        return await self.request("GET", path, params=params, seconds=seconds)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST `body`; for errors see `request`."""
        return await self.request("POST", path, body=body)

    async def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """PUT `body`, again if no answer comes: paths end in a transaction's id; for errors see `request`."""
        for _ in range(_REPEATS - 1):
            try:
                return await self.request("PUT", path, body=body)
            except Unreachable:
                continue
        return await self.request("PUT", path, body=body)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        params: dict[str, str] | None = None,
        seconds: float = _SECONDS,
    ) -> dict[str, Any]:
        """Make one request below `/_matrix/client/v3` and return the JSON object that was answered.

        Raises:
            Unreachable: no answer, or none in `seconds`.
            SignedOut: the session has ended.
            AccountLocked: the account is locked, the session is not over.
            WrongPassword: HTTP 403 `M_FORBIDDEN` in answer to a password.
            Refused: any other status than 200, no JSON object, or too large an answer.
        """
        url, limit = f"/_matrix/client/v3/{path}", SYNC_BYTES if path == "sync" else ANSWER_BYTES
        for attempt in range(_THROTTLED_TRIES):
            answer = await self._ask(method, url, json=body, params=params, seconds=seconds, limit=limit)
            if answer.status != 429 or attempt + 1 == _THROTTLED_TRIES:
                break
            await asyncio.sleep(_throttled(answer))
        if answer.status != 200:
            raise _refusal(answer, path, body)
        if len(answer.body) > limit:
            raise Refused(f"{self.homeserver} answers with more than {limit} bytes", status=200, errcode="M_TOO_LARGE")
        parsed = answer.json
        if parsed is None:
            raise Refused(
                f"{self.homeserver} does not answer like a Matrix homeserver", status=200, errcode="M_NOT_JSON"
            )
        return parsed

    async def upload(self, data: bytes, *, content_type: str = "application/octet-stream") -> str:
        """Upload `data` and return its `mxc://` address; for errors see `request`."""
        url, headers = "/_matrix/media/v3/upload", {"Content-Type": content_type}
        answer = await self._ask("POST", url, content=data, headers=headers, seconds=_MEDIA_SECONDS, limit=_ERROR_BYTES)
        parsed = answer.json or {}
        if answer.status != 200 or not isinstance(parsed.get("content_uri"), str):
            raise _refusal(answer, "upload", None)
        return str(parsed["content_uri"])

    async def download(self, server: str, media_id: str, *, limit: int) -> bytes:
        """Download one medium of at most `limit` bytes.

        Raises:
            OversizedMedia: there are more bytes; no more than the limit were taken in.
            Unreachable, SignedOut, Refused: as in `request`.
        """
        path = f"/_matrix/client/v1/media/download/{quote(server, safe='')}/{quote(media_id, safe='')}"
        answer = await self._ask("GET", path, follow_redirects=True, seconds=_MEDIA_SECONDS, limit=limit)
        if answer.status != 200:
            raise _refusal(answer, "download", None)
        if len(answer.body) > limit:
            raise OversizedMedia(f"the attachment is larger than {limit} bytes")
        return answer.body

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _ask(
        self,
        method: str,
        url: str,
        *,
        seconds: float,
        limit: int,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> _Answer:
        """Make one request, within `seconds`, and take in no more of the answer than tells that it is over its limit.

        The time is that of the whole: whoever waits for each byte only can be kept waiting for ever.
        """
        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        body = bytearray()
        try:
            async with (
                asyncio.timeout(seconds),
                self._http.stream(
                    method, url, headers=(headers or {}) | authorization, timeout=None, **options
                ) as answer,
            ):
                limit = limit if answer.status_code == 200 else _ERROR_BYTES
                if answer.headers.get("Content-Encoding", "identity") != "identity":
                    raise httpx.DecodingError("encoded, which nobody asked for")
                async for chunk in answer.aiter_bytes(1 << 16):
                    body += chunk
                    if len(body) > limit:
                        break
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise Unreachable(
                f"the homeserver {self.homeserver} does not answer ({type(error).__name__})",
                hint="Check the address and the connection.",
            ) from error
        return _Answer(answer.status_code, bytes(body))


def text(answer: dict[str, Any], name: str) -> str:
    """Return the text that an answer must have under `name`.

    Raises:
        Refused: it has none.
    """
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(f"the homeserver's answer lacks {name!r}", status=200, errcode="M_BAD_JSON")
    return value


def token(value: object) -> str | None:
    """Return `value` if it can be a place in the homeserver's order of events, to be sent back; else `None`."""
    return value if isinstance(value, str) and 0 < len(value) <= _TOKEN and value.isprintable() else None


def _throttled(answer: _Answer) -> float:
    wait = (answer.json or {}).get("retry_after_ms")
    return min(wait, int(_THROTTLED_WAIT * 1000)) / 1000 if isinstance(wait, int) and wait >= 0 else 1.0


def _refusal(answer: _Answer, path: str, body: dict[str, Any] | None) -> Refused:
    parsed = answer.json or {}
    status = answer.status
    errcode = str(parsed.get("errcode", "M_UNKNOWN"))
    if errcode == "M_USER_LOCKED":
        hint = "The service's last message says why, and how to appeal. The session goes on when it is unlocked."
        return AccountLocked("the account is locked", status=status, errcode=errcode, hint=hint)
    if errcode in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"):
        return SignedOut("the homeserver has ended this session", status=status, errcode=errcode, hint="Log in again.")
    if errcode == "M_FORBIDDEN" and body and ("password" in body or "auth" in body):
        return WrongPassword("the homeserver does not accept this name and password", status=status, errcode=errcode)
    flows = parsed.get("flows")
    stages = [flow.get("stages") for flow in flows if isinstance(flow, dict)] if isinstance(flows, list) else []
    said = str(parsed.get("error", ""))[:200]
    return Refused(
        f"the homeserver refused {path.split('/')[0]!r}: {status} {errcode} {said}".rstrip(),
        status=status,
        errcode=errcode,
        session=str(parsed.get("session", "")),
        flows=tuple(stages_of for stages_of in stages if isinstance(stages_of, list)),
    )
