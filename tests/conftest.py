"""Fixtures that several rooms share: each starts once for the whole session, and only when a test asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import settings
from playwright.async_api import Browser

from harness.browser import open_browser
from harness.synapse import Person, make_person, open_homeserver
from tutela.integrations.matrix.homeserver import Homeserver

# The same examples every time, and no time limit on any: a slow machine is no failure. To look further:
# pytest --hypothesis-profile=explore
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("steady")


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
