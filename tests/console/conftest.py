"""What the console's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.console import ConsoleStage, console_staged


@pytest.fixture
async def console(home: Path) -> AsyncIterator[ConsoleStage]:
    """A console driven without a socket, on SQLite and on PostgreSQL."""
    async with console_staged(home) as made:
        yield made
