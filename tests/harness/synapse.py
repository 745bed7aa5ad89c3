"""One Synapse for the whole session, and people on it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tutela.integrations.matrix.homeserver import Homeserver

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Person:
    """A user of the homeserver."""

    name: str
    user_id: str
    password: str


@asynccontextmanager
async def open_homeserver(folder: Path) -> AsyncIterator[Homeserver]:
    """Start a homeserver, and stop it at the end."""
    async with await Homeserver.start(folder) as homeserver:
        yield homeserver


async def make_person(homeserver: Homeserver, name: str) -> Person:
    """Make a user whose name starts with `name` and is not taken."""
    name = f"{name}{next(_numbers)}"
    password = f"the password of {name}"
    return Person(name, await homeserver.register(name, password), password)
