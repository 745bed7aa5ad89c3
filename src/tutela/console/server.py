"""Serving the console beside the provider's service: the same process and event loop, a listener of its own."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

import uvicorn

from tutela.console.app import create_console
from tutela.console.site import Site
from tutela.matching.voprf import RandomBytes
from tutela.provider.access import LineSink, Sink
from tutela.provider.connections import Connection
from tutela.provider.errors import SettingsError
from tutela.provider.review import audit_key
from tutela.provider.review.staff import StaffStore
from tutela.provider.service import Provider
from tutela.provider.settings import Settings

_LOOPBACK: Final = "127.0.0.1"
_BACKLOG: Final = 64
_GRACE_SECONDS: Final = 5


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the service that we stand beside."""
        yield


@dataclass(frozen=True)
class ConsoleListener:
    """A console that listens, and is served beside the service that it is called with (`provider.app.Beside`)."""

    site: Site
    _socket: socket.socket
    _random: RandomBytes
    _sink: Sink | None

    @contextlib.asynccontextmanager
    async def __call__(self, provider: Provider) -> AsyncIterator[None]:
        """Serve the console of `provider`."""
        settings = provider.settings
        app = create_console(
            provider,
            StaffStore(provider.database, provider.clock, self._random),
            provider.decisions,
            site=self.site,
            signer=audit_key.load(settings.audit_key, settings.name, self._random),
            random=self._random,
            sink=self._sink or LineSink.to(settings.access_log, sys.stdout),
        )
        server = _Server(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_GRACE_SECONDS,
                lifespan="off",
            )
        )
        running = asyncio.create_task(server.serve(sockets=[self._socket]))
        try:
            await server.up.wait()
            yield
        finally:
            server.should_exit = True
            await running


@contextlib.contextmanager
def listening(
    settings: Settings,
    *,
    port: int | None = None,
    random: RandomBytes = secrets.token_bytes,
    sink: Sink | None = None,
) -> Iterator[ConsoleListener]:
    """Listen at the console's port (0 takes a free one), and yield what serves it beside the service.

    On loopback only, unless `console_origin` says that a proxy with TLS stands before it.

    Raises:
        SettingsError: the port cannot be had.
    """
    host = settings.host if settings.console_origin else _LOOPBACK
    wanted = settings.console_port if port is None else port
    # Named as TCP, or asyncio does not switch Nagle's algorithm off and every answer waits 40 ms.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, wanted))
        except OSError as error:
            raise SettingsError(
                f"the console cannot listen at {host} port {wanted}: {error.strerror}",
                hint="Choose another `console_port` in the settings, or 0 for no console.",
            ) from error
        listener.listen(_BACKLOG)
        site = Site(settings.console_origin) if settings.console_origin else Site.local(listener.getsockname()[1])
        yield ConsoleListener(site, listener, random, sink)
