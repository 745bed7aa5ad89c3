"""What this client must know of a room: who is in it, and whether it is encrypted.

Pure. Events come from other people: what is malformed changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from tutela.integrations.matrix.signed_json import whole

MEGOLM: Final = "m.megolm.v1.aes-sha2"


@dataclass
class Room:
    """A joined room."""

    room_id: str
    encrypted: bool = False
    """Once true it stays true, whatever the homeserver says later."""
    algorithm: str = MEGOLM
    name: str = ""
    history_visibility: str = "shared"
    joined: set[str] = field(default_factory=set)
    invited: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    """Who may read, as far as this account's user knows. Nobody is, just for being there."""
    creator: str = ""
    """Who made it, as the homeserver says."""
    fresh: bool = False
    """Joined since the last sync, which will therefore tell of the time before, too."""

    @property
    def readers(self) -> frozenset[str]:
        """Those who receive room keys: the joined, and the invited too unless the room's history is for the joined."""
        return frozenset(self.joined if self.history_visibility == "joined" else self.joined | self.invited)

    @property
    def strangers(self) -> frozenset[str]:
        """The readers that nobody has accepted."""
        return self.readers - self.accepted

    def apply(self, event: Any) -> None:
        """Take in one state event; anything else is ignored."""
        kind, state_key, content = _state(event)
        if kind == "m.room.member" and state_key and is_user_id(state_key):
            self.joined.discard(state_key)
            self.invited.discard(state_key)
            if content.get("membership") == "join":
                self.joined.add(state_key)
            elif content.get("membership") == "invite":
                self.invited.add(state_key)
            else:
                self.accepted.discard(state_key)  # who went and comes again is asked about again
        elif kind == "m.room.encryption" and state_key == "":
            self.encrypted = True
            algorithm = content.get("algorithm")
            self.algorithm = algorithm if isinstance(algorithm, str) else ""
        elif kind == "m.room.create" and state_key == "":
            creator = event.get("sender")
            self.creator = creator if isinstance(creator, str) else ""
        elif kind == "m.room.name" and state_key == "":
            name = content.get("name")
            self.name = whole(name) if isinstance(name, str) else ""
        elif kind == "m.room.history_visibility" and state_key == "":
            visibility = content.get("history_visibility")
            self.history_visibility = visibility if isinstance(visibility, str) else "shared"

    def apply_past(self, event: Any) -> None:
        """Take in an event that later state covers already: who went then, and is here again, is asked about again."""
        kind, state_key, content = _state(event)
        if kind == "m.room.member" and state_key and content.get("membership") not in ("join", "invite"):
            self.accepted.discard(state_key)


@dataclass(frozen=True)
class Invited:
    """An invitation that has not been answered."""

    room_id: str
    inviter: str
    name: str


def read_invitation(room_id: str, user_id: str, state: Iterable[Any]) -> Invited:
    """Take the inviter and the room's name out of an invitation's stripped state."""
    inviter = name = ""
    for event in state:
        kind, state_key, content = _state(event)
        sender = event.get("sender") if isinstance(event, dict) else None
        if kind == "m.room.member" and state_key == user_id and isinstance(sender, str):
            inviter = sender
        elif kind == "m.room.name" and isinstance(content.get("name"), str):
            name = content["name"]
    return Invited(room_id, inviter, name)


def is_user_id(text: str) -> bool:
    """Whether this is the whole name of an account."""
    # Printable: neither halves of characters, which no encoding takes, nor what would turn a line of text around.
    return text.startswith("@") and ":" in text and text.isprintable()


def _state(event: Any) -> tuple[str, str | None, dict[str, Any]]:
    if not isinstance(event, dict):
        return "", None, {}
    kind, state_key, content = event.get("type"), event.get("state_key"), event.get("content")
    return (
        kind if isinstance(kind, str) else "",
        state_key if isinstance(state_key, str) else None,
        content if isinstance(content, dict) else {},
    )
