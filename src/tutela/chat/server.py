"""Serve the page on a free port of this machine, in the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tutela.chat.app import create_app
from tutela.chat.observer import Observer
from tutela.chat.window import Window

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Links:
    """The secret addresses of a running page."""

    windows: tuple[str, ...]
    """One for each window, in their order; those apart last."""
    side_by_side: str
    """The windows that are not apart, and what others saw."""


class _Quiet(H11Protocol):
    """No access log, whatever other servers of this process configure: paths are secrets."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.access_log = False


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave Ctrl-C to the program that we are part of."""
        yield


@contextlib.asynccontextmanager
async def serve(
    windows: Sequence[Window], observer: Observer | None = None, *, apart: Sequence[Window] = (), port: int = 0
) -> AsyncIterator[Links]:
    """Serve `windows` while the context is open, and those `apart`, which no other page shows; yield their links.

    Listens on 127.0.0.1 only, on `port` or a free one. Open streams end with the context.

    Raises:
        OSError: the port is taken.
    """
    # Named as TCP, or asyncio does not switch Nagle's algorithm off and every answer waits 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_LOOPBACK, port))
        listener.listen(64)
        authority = f"{_LOOPBACK}:{listener.getsockname()[1]}"
        side_path, closing = f"/s/{secrets.token_urlsafe(24)}/", asyncio.Event()
        app = create_app(windows, observer, apart=apart, authority=authority, side_path=side_path, closing=closing)
        config = uvicorn.Config(
            app, http=_Quiet, ws="none", lifespan="on", log_config=None, server_header=False, proxy_headers=False
        )
        server = _Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await server.up.wait()
            yield Links(
                windows=tuple(f"http://{authority}{window.path}" for window in (*windows, *apart)),
                side_by_side=f"http://{authority}{side_path}",
            )
        finally:
            closing.set()
            server.should_exit = True
            await running
