"""One message as the guard reads it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Side(enum.StrEnum):
    """Who wrote a message: the user of this device, or the other person."""

    OWN = "own"
    OTHER = "other"


@dataclass(frozen=True)
class Message:
    """A message of a conversation between two.

    `time` is in milliseconds UTC; `hour` is the hour on the user's clock (0 to 23), or `None` where that is unknown.
    An edited message comes again under its id. Text may hold anything, lone surrogates included.
    """

    id: str
    side: Side
    text: str
    time: int
    hour: int | None = None
