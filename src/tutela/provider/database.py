"""The database: SQLite beside the service by default, PostgreSQL if its address says so.

Contract, the same on both:

- What `writing` wraps happens wholly or not at all, and is durable when it returns. If the connection is lost while
  it ends, an error is raised although it may have happened: whoever writes must be able to ask again.
- Writers come one after the other, those of other processes too. Each sees all that those before it wrote; none
  fails because of another. A lock is waited for during `busy_seconds`, then `StorageUnavailable` is raised.
- What `reading` wraps sees one moment, and waits for no writer.
- When the database has gone, `StorageUnavailable` is raised until it is back; then all works again.

`sqlite` and `postgresql` hold what only one of them needs; nothing else in this room knows which it is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tutela.extras import install
from tutela.provider import postgresql, sqlite
from tutela.provider.errors import SettingsError, StorageUnavailable

MIGRATIONS: Final = Path(__file__).parent / "migrations"


class Kind(Protocol):
    """What a kind of database does in its own way; a module for each."""

    @property
    def READS(self) -> Mapping[str, Any]: ...  # noqa: D102, N802 (constants of the module)
    @property
    def WRITES(self) -> Mapping[str, Any]: ...  # noqa: D102, N802

    def engine(self, url: URL, busy_seconds: float) -> Engine:
        """Return an engine that keeps the contract."""

    def hint(self, reason: BaseException) -> str:
        """Return what to do about an error of the driver's."""

    def unhurry(self, connection: Connection) -> None:
        """Let the statements of this transaction take as long as they need."""

    def settle(self, engine: Engine) -> None:
        """Let what was deleted vanish."""

    def shown(self, url: URL) -> str:
        """Return the address without secrets."""


#: By the first part of the address.
_KINDS: Final[Mapping[str, Kind]] = {
    "sqlite": sqlite,
    "sqlite+pysqlite": sqlite,
    "postgres": postgresql,
    "postgresql": postgresql,
    postgresql.DRIVER: postgresql,
}
_LOOKS: Final = "`database` must look like sqlite:////folder/file or postgresql://user@host/name."
_LOCKED: Final = "Check that no other program holds the database."


class Database:
    """A pool of connections. Safe to share between threads."""

    def __init__(self, url: str, *, busy_seconds: float = 5.0) -> None:
        """Prepare to use the database at `url`; a lock is waited for during `busy_seconds`.

        Raises:
            SettingsError: no such kind of database, or its driver is not installed.
        """
        self._kind, self._url = _parsed(url)
        try:
            self._engine = self._kind.engine(self._url, busy_seconds)
        except ImportError as error:
            raise SettingsError(
                "the driver of this kind of database is not installed", hint=install("postgres")
            ) from error
        self._reader = self._engine.execution_options(**self._kind.READS)
        self._writer = self._engine.execution_options(**self._kind.WRITES)
        self._writing = threading.Lock()
        self._busy_seconds = busy_seconds

    @property
    def address(self) -> str:
        """Where it is, without passwords."""
        return self._kind.shown(self._url)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads.

        Raises:
            StorageUnavailable: locked, full, damaged or gone.
        """
        with self._translated(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: all of it or nothing. `IntegrityError` is the caller's to handle.

        Raises:
            StorageUnavailable: locked, full, damaged or gone.
        """
        with self._turn(), self._translated(), self._writer.begin() as connection:
            yield connection

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables to `revision`, upwards. Of several processes that start at once, one does it.

        Raises:
            StorageUnavailable: as `writing`, or the database was made by a newer version.
        """
        self._run(command.upgrade, revision)

    def downgrade(self, revision: str) -> None:
        """Bring the tables back to `revision`; raises as `migrate`."""
        self._run(command.downgrade, revision)

    def check(self) -> None:
        """Raise `alembic.util.AutogenerateDiffsDetected` unless tables and migrations agree (for tests)."""
        with self._writer.begin() as connection:
            command.check(_alembic(connection))

    def settle(self) -> None:
        """Let what was deleted vanish from the write-ahead log, too (SQLite)."""
        with self._translated():
            self._kind.settle(self._engine)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Queue the writers of this process here: SQLite would have them poll, PostgreSQL hold a connection each."""
        if not self._writing.acquire(timeout=self._busy_seconds):
            raise StorageUnavailable("the database is locked by another request", hint=_LOCKED, retry_after=5)
        try:
            yield
        finally:
            self._writing.release()

    def _run(self, action: Any, revision: str) -> None:
        try:
            with self.writing() as connection:
                self._kind.unhurry(connection)
                action(_alembic(connection), revision)
        except CommandError as error:
            raise StorageUnavailable(
                f"the database cannot be migrated: {error}",
                hint="It was probably made by a newer version of Tutela: install that one.",
            ) from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, DataError):
            raise  # the caller's, or a mistake of ours: trying again would not help
        except PoolTimeout as error:
            raise StorageUnavailable("all connections to the database are in use", retry_after=5) from error
        except DBAPIError as error:
            reason = error.orig or error
            raise StorageUnavailable(
                f"the database cannot be used: {reason}", hint=self._kind.hint(reason), retry_after=5
            ) from error


def _parsed(address: str) -> tuple[Kind, URL]:
    try:
        url = make_url(address)
        return _KINDS[url.drivername], url
    except (ArgumentError, ValueError, KeyError):
        # Not with its cause: that repeats a piece of the address, of the password perhaps.
        raise SettingsError("the database address cannot be used", hint=_LOOKS) from None


def _alembic(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
