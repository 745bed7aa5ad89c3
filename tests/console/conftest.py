"""What the console's tests share."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.console import ConsoleStage, console_staged


@pytest.fixture
async def console(tmp_path: Path, tables: Path) -> AsyncIterator[ConsoleStage]:
    """A console driven without a socket, on SQLite."""
    (tmp_path / "data").mkdir()
    shutil.copy(tables, tmp_path / "data")
    async with console_staged(tmp_path) as made:
        yield made
