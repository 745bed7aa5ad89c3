"""What the provider's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.provider import Stage, staged


@pytest.fixture
async def stage(home: Path) -> AsyncIterator[Stage]:
    """A provider with one published epoch, driven without a socket, on SQLite and on PostgreSQL."""
    async with staged(home) as made:
        yield made
