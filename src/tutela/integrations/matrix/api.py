"""The Matrix client-server API over HTTP: requests, uploads, downloads, with every failure as one of our errors."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import quote

import httpx

from tutela.integrations.matrix.errors import OversizedMedia, Refused, SignedOut, Unreachable, WrongPassword

#: How often a request that the homeserver throttles is tried, and the longest wait (seconds) in between.
_THROTTLED_TRIES: Final = 5
_THROTTLED_WAIT: Final = 30.0
#: How often a request that may be repeated is tried when no answer comes.
_REPEATS: Final = 3
_SECONDS: Final = 30.0


class MatrixApi:
    """One account's way to its homeserver. `token` is `None` until somebody has signed in."""

    def __init__(self, homeserver: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.homeserver = homeserver.rstrip("/")
        self.token: str | None = None
        self._http = httpx.AsyncClient(base_url=self.homeserver, timeout=_SECONDS, transport=transport)

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
            WrongPassword: HTTP 403 `M_FORBIDDEN` in answer to a password.
            Refused: any other status than 200.
        """
        url = f"/_matrix/client/v3/{path}"
        for attempt in range(_THROTTLED_TRIES):
            try:
                answer = await self._http.request(
                    method, url, json=body, params=params, headers=self._headers(), timeout=seconds
                )
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise self._unreachable(error) from error
            if answer.status_code != 429 or attempt + 1 == _THROTTLED_TRIES:
                break
            await asyncio.sleep(_throttled(answer))
        if answer.status_code != 200:
            raise _refusal(answer, path, body)
        parsed = _object(answer)
        if parsed is None:
            raise Refused(
                f"{self.homeserver} does not answer like a Matrix homeserver", status=200, errcode="M_NOT_JSON"
            )
        return parsed

    async def upload(self, data: bytes, *, content_type: str = "application/octet-stream") -> str:
        """Upload `data` and return its `mxc://` address; for errors see `request`."""
        headers = {**self._headers(), "Content-Type": content_type}
        try:
            answer = await self._http.post("/_matrix/media/v3/upload", content=data, headers=headers, timeout=300)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        parsed = _object(answer) or {}
        if answer.status_code != 200 or not isinstance(parsed.get("content_uri"), str):
            raise _refusal(answer, "upload", None)
        return str(parsed["content_uri"])

    async def download(self, server: str, media_id: str, *, limit: int) -> bytes:
        """Download one medium of at most `limit` bytes.

        Raises:
            OversizedMedia: there are more bytes; no more than the limit were taken in.
            Unreachable, SignedOut, Refused: as in `request`.
        """
        path = f"/_matrix/client/v1/media/download/{quote(server, safe='')}/{quote(media_id, safe='')}"
        data = bytearray()
        try:
            async with self._http.stream(
                "GET", path, headers=self._headers(), follow_redirects=True, timeout=60
            ) as answer:
                if answer.status_code != 200:
                    await answer.aread()
                    raise _refusal(answer, "download", None)
                async for chunk in answer.aiter_bytes(1 << 16):
                    data += chunk
                    if len(data) > limit:
                        raise OversizedMedia(f"the attachment is larger than {limit} bytes")
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        return bytes(data)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"the homeserver {self.homeserver} does not answer ({type(error).__name__})",
            hint="Check the address and the connection.",
        )


def text(answer: dict[str, Any], name: str) -> str:
    """Return the text that an answer must have under `name`.

    Raises:
        Refused: it has none.
    """
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(f"the homeserver's answer lacks {name!r}", status=200, errcode="M_BAD_JSON")
    return value


def _object(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        parsed = answer.json()
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _throttled(answer: httpx.Response) -> float:
    wait = (_object(answer) or {}).get("retry_after_ms")
    return min(wait / 1000, _THROTTLED_WAIT) if isinstance(wait, int) and wait >= 0 else 1.0


def _refusal(answer: httpx.Response, path: str, body: dict[str, Any] | None) -> Refused:
    parsed = _object(answer) or {}
    status = answer.status_code
    errcode = str(parsed.get("errcode", "M_UNKNOWN"))
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
