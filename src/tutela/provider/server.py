"""Running the service: in this process on a thread of its own, or as the command `tutela provider serve`."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import httpx
import uvicorn
from starlette.types import ASGIApp

from tutela.matching.voprf import RandomBytes
from tutela.provider.access import LineSink, Sink
from tutela.provider.app import Beside, create_app
from tutela.provider.clock import Clock, system_clock
from tutela.provider.connections import Connection
from tutela.provider.errors import SettingsError
from tutela.provider.service import Provider
from tutela.provider.settings import Settings

#: On stopping, requests under way may take this long to finish.
GRACE_SECONDS: Final = 10
_BACKLOG: Final = 128
_START_SECONDS: Final = 30.0

Wrap = Callable[[ASGIApp], ASGIApp]


def serve(settings: Settings, *, started: Callable[[str], None] | None = None, beside: Sequence[Beside] = ()) -> None:
    """Serve until a signal stops it; `started` is told the address once it listens. `beside`: as in `create_app`.

    Raises:
        SettingsError: the address cannot be listened at, the access log not be written, or as `Provider.open`.
        StorageUnavailable: as `Provider.open`.
    """
    sink = LineSink.to(settings.access_log, sys.stdout)
    with contextlib.closing(Provider.open(settings)) as provider, _listening(settings) as listener:
        provider.forget()  # now, so that a database that cannot be written is told before anybody relies on it
        if started is not None:
            started(_address(listener))
        server = _uvicorn(create_app(provider, sink, beside=beside))
        with _signals_spent():
            server.run(sockets=[listener])


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    sink: Sink | None = None,
    wrap: Wrap | None = None,
    clock: Clock = system_clock,
    random: RandomBytes = secrets.token_bytes,
    transport: httpx.AsyncBaseTransport | None = None,
    beside: Sequence[Beside] = (),
) -> AsyncIterator[str]:
    """Run the service in this process and yield its address, `http://127.0.0.1:…`.

    It has a thread and an event loop of its own, so that nothing in the caller's loop can hold it up. `sink` is called
    on that thread. `wrap` puts something around the application, such as `tampered.Tampered`. With port 0 in the
    settings a free port is taken. `beside` is as in `create_app`.

    Raises:
        SettingsError, StorageUnavailable: as `serve`.
    """
    provider = await asyncio.to_thread(lambda: Provider.open(settings, clock=clock, random=random, transport=transport))
    with contextlib.closing(provider), _listening(settings) as listener:
        app: ASGIApp = create_app(provider, sink or LineSink.to(settings.access_log, sys.stdout), beside=beside)
        server = _uvicorn(wrap(app) if wrap else app)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="tutela-provider", daemon=True
        )
        thread.start()
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not server.started:
                    if not thread.is_alive():
                        raise SettingsError("the service stopped while it was starting", hint="Its log says why.")
                    await asyncio.sleep(0.01)
            yield _address(listener)
        finally:
            server.should_exit = True
            await asyncio.to_thread(thread.join, GRACE_SECONDS + 5)


def _uvicorn(app: ASGIApp) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            backlog=_BACKLOG,
            access_log=False,  # ours says less: no addresses
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=GRACE_SECONDS,
            lifespan="on",
        )
    )


@contextlib.contextmanager
def _signals_spent() -> Iterator[None]:
    """uvicorn stops at a signal and then raises it again; by then it has done its work, and we close in order."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named as TCP, or asyncio does not switch Nagle's algorithm off and every answer waits 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            hint = _HINTS.get(
                error.errno, "`host` must be an address of this machine; behind a proxy on it, 127.0.0.1."
            )
            raise SettingsError(
                f"cannot listen at {settings.host} port {settings.port}: {error.strerror}", hint=hint
            ) from error
        listener.listen(_BACKLOG)
        yield listener


_HINTS: Final[dict[int | None, str]] = {
    errno.EADDRINUSE: "Is it running already? Choose another `port` in the settings.",
    errno.EACCES: "Ports below 1024 are root's: choose a higher `port`, and let the proxy have 443.",
}


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
