"""Fixtures that several rooms share: each starts once for the whole session, and only when a test asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from harness.browser import open_browser
from playwright.async_api import Browser


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    async with open_browser() as started:
        yield started
