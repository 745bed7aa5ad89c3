"""A running page over a pair of clients in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.applications import Starlette

from chat.pair import Pair, pair
from tutela.chat import Links, Observations, create_app, serve


@dataclass
class Running:
    """The page, its links, and a browser without a script for each window."""

    pair: Pair
    seen: Observations
    links: Links
    app: Starlette | None
    """To be called directly; `None` behind a server."""
    mia: httpx.AsyncClient = field(init=False)
    leo: httpx.AsyncClient = field(init=False)

    def browser(self, window: int, headers: dict[str, str]) -> httpx.AsyncClient:
        """A browser at a window that sends these headers."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False) if self.app else None
        base = self.links.windows[window]
        return httpx.AsyncClient(base_url=base, headers=headers, follow_redirects=True, transport=transport)

    @property
    def origin(self) -> str:
        return origin_of(self.links)

    def at(self, path: str) -> str:
        """The address of `path`, relative to Mia's window or from the root."""
        return self.origin + path if path.startswith("/") else self.links.windows[0] + path


def origin_of(links: Links) -> str:
    """The scheme, host and port of a running page."""
    url = httpx.URL(links.side_by_side)
    return f"http://{url.host}:{url.port}"


@asynccontextmanager
async def browsing(links: Links, both: Pair, seen: Observations, app: Starlette | None) -> AsyncIterator[Running]:
    page = Running(both, seen, links, app)
    headers = {"Origin": origin_of(links)}
    async with page.browser(0, headers) as page.mia, page.browser(1, headers) as page.leo:
        yield page


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """The application, called without a server."""
    both, seen, authority = pair(), Observations(), "127.0.0.1:8000"
    app = create_app([both.mias, both.leos], seen, authority=authority, side_path="/s/side/")
    origin = f"http://{authority}"
    links = Links((origin + both.mias.path, origin + both.leos.path), f"{origin}/s/side/")
    async with app.router.lifespan_context(app), browsing(links, both, seen, app) as page:
        yield page


@pytest.fixture
async def served() -> AsyncIterator[Running]:
    """The page behind its server."""
    both, seen = pair(), Observations()
    async with serve([both.mias, both.leos], seen) as links, browsing(links, both, seen, None) as page:
        yield page


async def until(holds: Callable[[], bool]) -> None:
    """Let the event loop run until something holds; the test's timeout ends what never does."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.005)
