"""People with guarded clients."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from harness.matrix import Company, open_company
from tutela.integrations.matrix.homeserver import Homeserver


@pytest.fixture
async def company(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[Company]:
    async with open_company(homeserver, tmp_path) as opened:
        yield opened


@pytest.fixture(autouse=True)
def nothing_unforeseen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A client goes on after an error that nobody has foreseen; a test in which there was one fails."""
    yield
    records = [record for record in caplog.get_records("call") if record.name == "tutela.matrix"]
    assert not [record.getMessage() for record in records if record.levelno >= logging.ERROR]
