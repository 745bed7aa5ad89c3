"""People with guarded clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.matrix import Company, open_company
from tutela.integrations.matrix.homeserver import Homeserver


@pytest.fixture
async def company(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[Company]:
    async with open_company(homeserver, tmp_path) as opened:
        yield opened
