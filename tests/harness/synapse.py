"""One Synapse for the whole session, and people on it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tutela.integrations.matrix.homeserver import Homeserver
from tutela.integrations.matrix.synapse_module import make_key_file

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Person:
    """A user of the homeserver."""

    name: str
    user_id: str
    password: str


@asynccontextmanager
async def open_homeserver(folder: Path) -> AsyncIterator[Homeserver]:
    """Start a homeserver that stamps messages, and stop it at the end."""
    folder.mkdir(exist_ok=True)
    make_key_file(stamp_key(folder))
    async with await Homeserver.start(folder, stamp_key=stamp_key(folder)) as homeserver:
        yield homeserver


def stamp_key(folder: Path) -> Path:
    """Where the homeserver in `folder` has its key, which it shares with its provider."""
    return folder / "stamp.key"


async def make_person(homeserver: Homeserver, name: str) -> Person:
    """Make a user whose name starts with `name` and is not taken."""
    name = f"{name}{next(_numbers)}"
    password = f"the password of {name}"
    return Person(name, await homeserver.register(name, password), password)
