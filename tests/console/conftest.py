"""What the console's tests share."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.console import ConsoleStage, console_staged
from tutela.provider.database import Database


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and nothing in them."""
    path = tmp_path_factory.mktemp("tables") / "provider.sqlite"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.settle()
    database.close()
    return path


@pytest.fixture
async def console(tmp_path: Path, tables: Path) -> AsyncIterator[ConsoleStage]:
    """A console driven without a socket, on SQLite."""
    (tmp_path / "data").mkdir()
    shutil.copy(tables, tmp_path / "data")
    async with console_staged(tmp_path) as made:
        yield made
