"""The access log: what the provider saw of a request, in one record. There is nothing else to see it by.

No address of the network, no headers, no query, no path beyond the route's template, no body.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tutela.provider.clock import Clock, text_of
from tutela.provider.errors import SettingsError

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ACCOUNT: Final = "tutela.account"
_log: Final = logging.getLogger("tutela.provider")


@dataclass(frozen=True)
class AccessRecord:
    """One request, as the provider saw it."""

    time: str
    """When it began, UTC."""
    account: str | None
    """Whose session it was, if it had one."""
    method: str
    route: str | None
    """The route's template, `/v1/segments/{sha256}`; `None` if there is none."""
    status: int | None
    """`None` if the other side left before there was an answer."""
    bytes_in: int
    """Bytes of the body that were read."""
    bytes_out: int
    """Bytes of the body that were sent."""
    duration_ms: float

    def line(self) -> str:
        """Return the record as one line of JSON, without its end."""
        return msgspec.json.encode(self).decode()


Sink = Callable[[AccessRecord], None]


@dataclass(frozen=True)
class LineSink:
    """Writes one line a record; whole lines, also from several threads."""

    stream: TextIO
    _lock: threading.Lock

    @classmethod
    def to(cls, target: str, standard: TextIO) -> Sink:
        """Return the sink that the setting `access_log` names: a file, `-` for `standard`, empty for none.

        Raises:
            SettingsError: the file cannot be written.
        """
        if not target:
            return lambda _: None
        try:
            stream = standard if target == "-" else Path(target).open("a", encoding="utf-8")  # noqa: SIM115 (lives on)
        except OSError as error:
            raise SettingsError(
                f"cannot write the access log {target}: {error.strerror}", hint="`access_log` in the settings names it."
            ) from error
        return cls(stream, threading.Lock())

    def __call__(self, record: AccessRecord) -> None:
        """Write a record."""
        with self._lock:
            self.stream.write(record.line() + "\n")
            self.stream.flush()


def note_account(request: Request, account: str) -> None:
    """Say whose request this is."""
    request.scope[_ACCOUNT] = account


class AccessLog:
    """Hands one record of each request to a sink, when its answer has been sent."""

    def __init__(self, app: ASGIApp, sink: Sink, clock: Clock) -> None:
        self._app = app
        self._sink = sink
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, watch = self._clock(), time.perf_counter()
        bytes_in = bytes_out = 0
        status: int | None = None

        async def receiving() -> Message:
            nonlocal bytes_in
            message = await receive()
            if message["type"] == "http.request":
                bytes_in += len(message.get("body", b""))
            return message

        async def sending(message: Message) -> None:
            nonlocal bytes_out, status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                bytes_out += len(message.get("body", b""))
            await send(message)

        scope[_ACCOUNT] = None
        try:
            await self._app(scope, receiving, sending)
        finally:
            self._hand_over(
                AccessRecord(
                    time=text_of(began),
                    account=scope[_ACCOUNT],
                    method=scope["method"] if scope["method"] in METHODS else "other",
                    route=getattr(scope.get("route"), "path_format", None),
                    status=status,
                    bytes_in=bytes_in,
                    bytes_out=bytes_out,
                    duration_ms=round(1000 * (time.perf_counter() - watch), 1),
                )
            )

    def _hand_over(self, record: AccessRecord) -> None:
        try:
            self._sink(record)
        except OSError:
            # A full disk must not turn an answer that was already sent into an error.
            _log.exception("the access log cannot be written")
