"""Fixtures that several rooms share: each starts once for the whole session, and only when a test asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Browser

from harness.browser import open_browser
from harness.synapse import Person, make_person, open_homeserver
from tutela.integrations.matrix.homeserver import Homeserver


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    async with open_browser() as started:
        yield started


@pytest.fixture(scope="session")
async def homeserver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Homeserver]:
    """A running Synapse."""
    async with open_homeserver(tmp_path_factory.mktemp("synapse")) as started:
        yield started


@pytest.fixture
def person(homeserver: Homeserver) -> Callable[[str], Awaitable[Person]]:
    """Makes a new user: `await person("mia")`."""
    return lambda name: make_person(homeserver, name)
