"""Which message was seen under which event id, so that an old message cannot come again as a new one.

A homeserver may deliver what it holds a second time, under another event id and with a later date; the ciphertext is
good, so Megolm alone does not notice. A message is known by its session and its index there. Kept on disk, one short
row a message, in SQLite: rooms, messages and event ids only as digests under a key, which tell nothing.
"""

from __future__ import annotations

import hmac
import json
import sqlite3
from pathlib import Path
from typing import Final

from tutela.device.errors import DamagedProfile
from tutela.integrations.matrix.errors import UndecryptableEvent

FILE: Final = "seen.db"
#: The newest messages of one room that are kept, and after how many new ones the older are let go.
MESSAGES: Final = 100_000
_BETWEEN: Final = 1000
_DIGEST_BYTES: Final = 16

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS seen (number INTEGER PRIMARY KEY, room BLOB NOT NULL, message BLOB NOT NULL UNIQUE,
                                 event BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS by_room ON seen (room, number);
"""
_FORGET: Final = """
DELETE FROM seen WHERE room = :room AND number <=
    (SELECT number FROM seen WHERE room = :room ORDER BY number DESC LIMIT 1 OFFSET :kept)
"""


class Replays:
    """The record of one device. Not thread-safe; what was seen is on disk when `check` returns."""

    def __init__(self, folder: Path, key: bytes) -> None:
        """Open the record in `folder`, or begin one.

        Raises:
            DamagedProfile: there is something else in its place.
        """
        self._key = key
        self._database = sqlite3.connect(folder / FILE, isolation_level=None)
        try:
            # Nothing to wait for at each message: a crash of the machine may cost the last few rows, never the file.
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_TABLE)
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise DamagedProfile("the profile's record of seen messages is damaged", hint=f"Remove {FILE}.") from error

    def check(self, room_id: str, sender_key: str, session_id: str, index: int, event_id: str) -> None:
        """Note that this message came as `event_id`.

        Raises:
            UndecryptableEvent: it was seen before, as another event.
        """
        room, event = self._digest("room", room_id), self._digest("event", event_id)
        message = self._digest("message", room_id, sender_key, session_id, index)
        row = "INSERT INTO seen (room, message, event) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING number"
        new = self._database.execute(row, (room, message, event)).fetchall()
        if not new:
            [(known,)] = self._database.execute("SELECT event FROM seen WHERE message = ?", (message,)).fetchall()
            if known != event:
                raise UndecryptableEvent("a replay of another message")
        elif new[0][0] % _BETWEEN == 0:
            self._database.execute(_FORGET, {"room": room, "kept": MESSAGES})

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _digest(self, *values: str | int) -> bytes:
        return hmac.digest(self._key, json.dumps(values).encode(), "sha256")[:_DIGEST_BYTES]
