"""The device's side of the provider's HTTP service: every answer bounded in size and time, every error typed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx

from tutela.device.address import check_address
from tutela.device.connecting import why
from tutela.device.errors import ProviderRefused, ProviderUnreachable, UntrustedAnswer
from tutela.errors import TutelaError
from tutela.wire import document, limits
from tutela.wire.check import response_bytes
from tutela.wire.errors import WireError
from tutela.wire.report import Addition, ReadingTimes, Receipt, Report, ReportStatus, padded
from tutela.wire.session import Problem, Session, SignIn

T = TypeVar("T")

SignInCallback = Callable[[], Awaitable[SignIn]]

#: For whoever gave the address of something else.
IS_IT_ONE: Final = "Is this the address of a Tutela provider? Whoever runs it knows it."
_SMALL: Final = 64 * 1024
#: The provider's codes for a session that it does not know any more.
_SESSION_ENDED: Final = frozenset({"session-unknown", "session-expired", "session-missing"})
_ENVELOPE: Final = 2 * limits.MANIFEST_BYTES
#: The answer to what one has reported: at most 100 of them, each with what a person wrote.
_REPORTS: Final = 4 * limits.MEBIBYTE
_JSON: Final = "application/json"
_OCTETS: Final = "application/octet-stream"
#: A transfer of many megabytes may be as slow as this (bytes a second), no slower: 32 kbit/s.
_SLOWEST: Final = 4096
#: What is sent goes out in parts of this size, each of which may take the time limit: never the whole of it at once.
_PART: Final = 64 * 1024


class ProviderClient:
    """Asks the provider for manifests, segments and evaluations, signing in when needed."""

    def __init__(
        self,
        base_url: str,
        sign_in: SignInCallback,
        *,
        seconds: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Speak to the provider at `base_url`; `sign_in` fetches a fresh OpenID token from the homeserver.

        Raises:
            DeviceError: `base_url` is no address, or not encrypted and not on this machine.
        """
        check_address(base_url, "provider")
        self._sign_in = sign_in
        self._seconds = seconds
        # No environment: a proxy variable must not be able to redirect a child's checks.
        self._http = httpx.AsyncClient(
            base_url=base_url,
            transport=transport,
            timeout=httpx.Timeout(seconds),
            trust_env=False,
            # Nothing that arrives may unfold to more than it is.
            headers={"accept-encoding": "identity"},
        )
        self._session: str | None = None
        self._signing_in = asyncio.Lock()

    async def manifest(self) -> bytes:
        """Return the latest manifest's envelope, unverified."""
        return await self._fetch("GET", "/v1/manifest", limit=_ENVELOPE)

    async def segment(self, digest: str, size: int) -> bytes:
        """Return the segment with this digest and size, unverified."""
        limit = min(size, limits.SEGMENT_BYTES)
        return await self._fetch("GET", f"/v1/segments/{digest}", limit=limit, more_seconds=limit / _SLOWEST)

    async def evaluate(self, key_id: str, request: bytes, *, batch: int) -> bytes:
        """Have a blinded batch evaluated; the answer is unverified.

        Signs in first where needed, and once again if the session has ended meanwhile.
        """
        return await self._ask(
            "POST", f"/v1/keys/{key_id}/evaluate", limit=response_bytes(batch), content=request, kind=_OCTETS
        )

    async def reading_times(self) -> ReadingTimes:
        """Ask when somebody would read a report that is made now."""
        return _told(await self._fetch("GET", "/v1/reading-times", limit=_SMALL), ReadingTimes)

    async def report(self, report: Report) -> Receipt:
        """Send a report, padded. Sending it again gives the same receipt."""
        answer = await self._ask("POST", "/v1/reports", limit=_SMALL, content=padded(report), kind=_JSON)
        receipt = _told(answer, Receipt)
        announced = {attachment.sha256 for attachment in report.attachments}
        if (receipt.id, len(receipt.proofs)) != (report.id, len(report.evidence)) or set(receipt.missing) - announced:
            raise UntrustedAnswer("the provider's receipt is for another report")
        return receipt

    async def attach(self, report_id: str, sha256: str, data: bytes) -> None:
        """Send a file that a report announced. Sending it again changes nothing."""
        path = f"/v1/reports/{report_id}/attachments/{sha256}"
        await self._ask("PUT", path, limit=_SMALL, content=data, kind=_OCTETS)

    async def add(self, report_id: str, addition: Addition) -> ReportStatus:
        """Add to a report, padded. Sending the same addition again changes nothing."""
        path = f"/v1/reports/{report_id}/additions"
        return _told(await self._ask("POST", path, limit=_SMALL, content=padded(addition), kind=_JSON), ReportStatus)

    async def reports(self) -> tuple[ReportStatus, ...]:
        """Ask what became of all that this account has reported, the newest first."""
        return _told(await self._ask("GET", "/v1/reports", limit=_REPORTS), tuple[ReportStatus, ...])

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(
        self, method: str, path: str, *, limit: int, content: bytes | None = None, kind: str | None = None
    ) -> bytes:
        """One exchange in a session: a new one where needed, and once again if it has ended meanwhile."""
        session = self._session or await self._new_session(None)
        for last_try in (False, True):
            headers = {"authorization": f"Bearer {session}", **({"content-type": kind} if kind else {})}
            seconds = max(0, len(content or b"") - _SMALL) / _SLOWEST
            try:
                return await self._fetch(
                    method, path, limit=limit, content=content, headers=headers, more_seconds=seconds
                )
            except ProviderRefused as refused:
                if last_try or refused.problem not in _SESSION_ENDED:
                    raise
            session = await self._new_session(session)
        raise AssertionError("unreachable")  # pragma: no cover

    async def _new_session(self, stale: str | None) -> str:
        async with self._signing_in:
            if self._session is not None and self._session != stale:
                return self._session
            try:
                async with asyncio.timeout(self._seconds):
                    token = await self._sign_in()
            except Exception as error:  # the client's own code, which may raise anything
                hint = error.hint if isinstance(error, TutelaError) else None
                raise ProviderUnreachable(f"signing in failed: the client got no token ({error})", hint=hint) from error
            answer = await self._fetch(
                "POST",
                "/v1/session",
                limit=_SMALL,
                content=document.encode(token),
                headers={"content-type": _JSON},
            )
            self._session = _told(answer, Session).session
            return self._session

    async def _fetch(
        self,
        method: str,
        path: str,
        *,
        limit: int,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        more_seconds: float = 0.0,
    ) -> bytes:
        """One exchange. Each silence may last as long as the time limit, the whole of it `more_seconds` longer."""
        body: bytes | AsyncIterator[bytes] | None = content
        if content is not None and len(content) > _PART:
            body, headers = _parts(content), {**(headers or {}), "content-length": str(len(content))}
        try:
            async with (
                asyncio.timeout(self._seconds + more_seconds),
                self._http.stream(method, path, content=body, headers=headers) as response,
            ):
                body = await _read(response, limit if response.is_success else _SMALL)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise ProviderUnreachable(
                f"the provider did not answer: {why(error)}", hint="Check its address and the connection."
            ) from error
        if response.is_success:
            return body
        raise _refusal(response.status_code, body)


async def _parts(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PART):
        yield content[start : start + _PART]


def _told(answer: bytes, kind: type[T]) -> T:
    try:
        return document.decode(answer, kind, limit=len(answer), canonical=False)
    except WireError as error:
        raise UntrustedAnswer("the provider's answer makes no sense") from error


async def _read(response: httpx.Response, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            raise UntrustedAnswer(f"the provider's answer is longer than the {limit} bytes it may have")
    return bytes(body)


def _refusal(status: int, body: bytes) -> ProviderRefused | ProviderUnreachable:
    if status >= 500:
        return ProviderUnreachable(f"the provider answered with status {status}")
    try:
        problem = document.decode(body, Problem, limit=_SMALL, canonical=False)
    except WireError:
        return ProviderRefused(
            f"what answers there refused with status {status}, not as a provider does",
            problem=f"http-{status}",
            hint=IS_IT_ONE,
        )
    hint = problem.hint[:200] if problem.hint else None
    item = problem.item if isinstance(problem.item, int) else None
    return ProviderRefused(f"the provider refused: {problem.message:.200}", problem=problem.code, hint=hint, item=item)
