"""A running page over a pair of clients in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx
import pytest

from chat.pair import Pair, pair
from tutela.chat import Links, Observations, serve


@dataclass
class Running:
    """The page, its links, and a browser without a script for each window."""

    pair: Pair
    seen: Observations
    links: Links
    mia: httpx.AsyncClient
    leo: httpx.AsyncClient

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


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    both, seen = pair(), Observations()
    async with serve([both.mias, both.leos], seen) as links:
        headers = {"Origin": origin_of(links)}
        async with (
            httpx.AsyncClient(base_url=links.windows[0], headers=headers, follow_redirects=True) as mia,
            httpx.AsyncClient(base_url=links.windows[1], headers=headers, follow_redirects=True) as leo,
        ):
            yield Running(both, seen, links, mia, leo)


async def until(holds: Callable[[], bool]) -> None:
    """Let the event loop run until something holds; the test's timeout ends what never does."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.005)
