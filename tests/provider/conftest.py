"""What the provider's tests share."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.provider import ADDRESS, Stage, staged


@pytest.fixture
async def stage(home: Path, tables: Path) -> AsyncIterator[Stage]:
    """A provider with one published epoch, driven without a socket, on SQLite and on PostgreSQL."""
    if not (home / ADDRESS).exists():
        (home / "data").mkdir()
        shutil.copy(tables, home / "data")
    async with staged(home) as made:
        yield made
