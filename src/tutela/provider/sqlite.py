"""What only SQLite needs to keep the contract of `tutela.provider.database`."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event

_WRITES: Final = "tutela_writes"
#: Options of a connection that writes.
WRITES: Final[Mapping[str, Any]] = {_WRITES: True}
#: And of one that reads: it sees one moment anyway, through the write-ahead log.
READS: Final[Mapping[str, Any]] = {}

_HINT: Final = "Check that the disk is not full and that no other program holds the database."
#: What to do, by the name of SQLite's error.
_HINTS: Final = {
    "SQLITE_READONLY": "Its file and folder must be writable for you: see `data` and `database` in the settings.",
    "SQLITE_CANTOPEN": "Its folder must be there and be writable for you: see `data` and `database` in the settings.",
    "SQLITE_FULL": "The disk is full: make room on it.",
    "SQLITE_CORRUPT": "It is damaged: restore it from a backup, as docs/provider.md says.",
    "SQLITE_NOTADB": "Another file lies in its place: look at `data` and `database` in the settings.",
}


def engine(url: URL, busy_seconds: float) -> Engine:
    """Return an engine with real transactions, writers that wait their turn, and deletions that erase."""
    # Parameters hold accounts and digests: they stay out of error messages and logs.
    made = create_engine(url, hide_parameters=True, connect_args={"timeout": busy_seconds})

    @event.listens_for(made, "connect")
    def connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # BEGIN is ours, below: the module's own comes too late
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.close()

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        # A writer that starts as a reader could fail half-way with "locked"; IMMEDIATE waits its turn instead.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return made


def hint(reason: BaseException) -> str:
    """Return what to do about an error of the driver's."""
    name = "_".join(getattr(reason, "sqlite_errorname", "").split("_")[:2])  # without its finer distinctions
    return _HINTS.get(name, _HINT)


def unhurry(connection: Connection) -> None:
    """Nothing to do: no statement is ever cut off."""


def settle(engine: Engine) -> None:
    """Let what was deleted vanish from the write-ahead log, too."""
    raw = engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        raw.close()


def shown(url: URL) -> str:
    """Return the address as an operator may see it."""
    return url.render_as_string()
