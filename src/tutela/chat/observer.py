"""What the homeserver and the provider saw, as the third pane of the side-by-side page shows it.

Whoever starts the chat page gives an `Observer`. `Observations` is one: it keeps the newest lines and wakes whoever
follows. The texts below are the vocabulary; each says what a party saw and claims nothing about what it did not see.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

from tutela.chat.changes import Changes
from tutela.language import N_


class Party(enum.StrEnum):
    """Who saw it."""

    HOMESERVER = "homeserver"
    PROVIDER = "provider"


SIGN_IN: Final = N_("a sign-in")
PUBLIC_KEYS: Final = N_("public keys of a device")
INVITATION: Final = N_("an invitation to a conversation with {other}")
JOINED: Final = N_("somebody joining a conversation")
ROOM_KEY: Final = N_("an encrypted key for {other}'s device")
ENCRYPTED_MESSAGE: Final = N_("an encrypted message to the conversation")
ENCRYPTED_UPLOAD: Final = N_("an encrypted file, stored")
ENCRYPTED_DOWNLOAD: Final = N_("an encrypted file, fetched")
BLINDED_BATCH: Final = N_("a blinded batch of fixed size")
LIST_UPDATE: Final = N_("a request for the newest list")
REPORT: Final = N_("a report that somebody chose to make")


@dataclass(frozen=True)
class Observation:
    """One line of the pane."""

    time: datetime
    """When, with its time zone."""
    party: Party
    account: str
    """Whose account, such as `@mia:example.org`; shown without its server. Empty where the party did not learn one."""
    what: str
    """What was seen: a source text of the catalogue, often one of those above; `{name}` places come from `values`."""
    bytes: int | None = None
    """How large it was on the wire; `None` where the party did not learn a size."""
    values: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


class Observer(Protocol):
    """Where the pane's lines come from."""

    def observations(self) -> Sequence[Observation]:
        """Return the newest lines, oldest first."""
        ...

    def changes(self) -> AsyncIterator[None]:
        """Yield once for each time that new lines may have come, until the observer closes."""
        ...


class Observations:
    """An observer that is told each line by `add`."""

    def __init__(self, *, keep: int = 200) -> None:
        self._lines: deque[Observation] = deque(maxlen=keep)
        self._changes = Changes()

    def add(self, observation: Observation) -> None:
        """Show a line."""
        self._lines.append(observation)
        self._changes.notify()

    def observations(self) -> Sequence[Observation]:
        """Return the newest lines, oldest first; they may have been told in another order."""
        return sorted(self._lines, key=lambda line: line.time)

    def changes(self) -> AsyncIterator[None]:
        """Yield once for each time that new lines came."""
        return self._changes.follow()
