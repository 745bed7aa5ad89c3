"""Which message was seen under which event id, so that an old message cannot come again as a new one.

A homeserver may deliver what it holds a second time, under another event id and with a later date; the ciphertext is
good, so Megolm alone does not notice. A message is known by its session and its index there. Kept on disk, one short
row a message, in SQLite: rooms, messages and event ids only as digests under a key, which tell nothing.

A copy under somebody else's name must not make the true message a replay. So a message whose sender is not established
is noted for the name it came under, and for no other.
"""

from __future__ import annotations

import hmac
import json
import secrets
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tutela.device.errors import DamagedProfile
from tutela.integrations.matrix.errors import RecordUnavailable, UndecryptableEvent

FILE: Final = "seen.db"
#: The newest messages of one room that are kept, and after how many new ones the older are let go.
MESSAGES: Final = 100_000
_BETWEEN: Final = 1000
_DIGEST_BYTES: Final = 16
#: How long to wait for another program that has the file, in seconds. Nothing else happens meanwhile.
_BUSY_SECONDS: Final = 1.0

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS seen (number INTEGER PRIMARY KEY, room BLOB NOT NULL, message BLOB NOT NULL UNIQUE,
                                 event BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS by_room ON seen (room, number);
"""
_FORGET: Final = """
DELETE FROM seen WHERE room = :room AND number <=
    (SELECT number FROM seen WHERE room = :room ORDER BY number DESC LIMIT 1 OFFSET :kept)
"""


_UNAVAILABLE: Final = "the profile's record of seen messages cannot be used now"
_HINT: Final = f"Is the disk full, or does another program hold {FILE}?"


@dataclass(frozen=True)
class Origin:
    """Which message it is: only who has the session's private half can make one with these four."""

    room_id: str
    sender_key: str
    session_id: str
    index: int


class Replays:
    """The record of one device. Not thread-safe; what was seen is on disk when `check` returns."""

    def __init__(self, folder: Path, key: bytes) -> None:
        """Open the record in `folder`, or begin one.

        Raises:
            DamagedProfile: there is something else in its place.
            RecordUnavailable: it cannot be read or written now.
        """
        self._key = key
        try:
            self._database = sqlite3.connect(folder / FILE, isolation_level=None, timeout=_BUSY_SECONDS)
        except sqlite3.Error as error:
            raise RecordUnavailable(_UNAVAILABLE, hint=_HINT) from error
        try:
            # Nothing to wait for at each message: a crash of the machine may cost the last few rows, never the file.
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_TABLE)
            self.number = self._number()
        except sqlite3.OperationalError as error:
            self._database.close()
            raise RecordUnavailable(_UNAVAILABLE, hint=_HINT) from error
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise DamagedProfile("the profile's record of seen messages is damaged", hint=f"Remove {FILE}.") from error

    def check(self, message: Origin, sender: str, event_id: str, *, established: bool) -> None:
        """Note that `message` came as `event_id` from `sender`; whether that is its true sender is `established`.

        Raises:
            UndecryptableEvent: it was seen before, as another event.
            RecordUnavailable: it cannot be noted now.
        """
        room, event = self._digest("room", message.room_id), self._digest("event", event_id)
        origin = (message.room_id, message.sender_key, message.session_id, message.index)
        truly, allegedly = self._digest("message", *origin), self._digest("message", *origin, sender)
        try:
            rows = self._database.execute("SELECT event FROM seen WHERE message IN (?, ?)", (truly, allegedly))
            if any(known != event for (known,) in rows.fetchall()):
                raise UndecryptableEvent("a replay of another message")
            row = "INSERT INTO seen (room, message, event) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING number"
            new = self._database.execute(row, (room, truly if established else allegedly, event)).fetchall()
            if new and new[0][0] % _BETWEEN == 0:
                self._database.execute(_FORGET, {"room": room, "kept": MESSAGES})
        except sqlite3.Error as error:
            raise RecordUnavailable(_UNAVAILABLE, hint=_HINT) from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _number(self) -> int:
        """Return the number that tells this record from another in its place; a new record gets one."""
        [(number,)] = self._database.execute("PRAGMA user_version").fetchall()
        if number == 0:
            number = secrets.randbelow(2**31 - 1) + 1
            self._database.execute(f"PRAGMA user_version = {number}")
        return int(number)

    def _digest(self, *values: str | int) -> bytes:
        return hmac.digest(self._key, json.dumps(values).encode(), "sha256")[:_DIGEST_BYTES]
