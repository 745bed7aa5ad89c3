"""Fixtures that several rooms share: each starts once for the whole session, and only when a test asks for it."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from pathlib import Path

import httpx._transports.default as transports
import pytest
from hypothesis import settings
from playwright.async_api import Browser

from harness import postgresql as servers
from harness.browser import open_browser
from harness.provider import ADDRESS, address_of
from harness.synapse import Person, make_person, open_homeserver
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.provider.database import Database

# The same examples every time, and no time limit on any: a slow machine is no failure. To look further:
# pytest --hypothesis-profile=explore
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("steady")

# Tests make many small files and wait for the disk at each: keep them in memory where there is plenty of it.
# PostgreSQL runs from a copy in there, so programs must be allowed to.
_MEMORY = Path("/dev/shm")
if not os.environ.get("TMPDIR") and os.access(_MEMORY, os.W_OK | os.X_OK):
    room = os.statvfs(_MEMORY)
    if room.f_bavail * room.f_frsize >= 4 << 30 and not room.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)

# A client reads the machine's certificates when it is made, which takes longer than most tests: read them once.
transports.create_ssl_context = functools.cache(transports.create_ssl_context)


#: These take a minute and more for few tests, most of it in other processes.
LONGEST = {"test_demo.py", "test_provider_kills.py"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes run the tests, begin with the longest files, then those with most tests.

    So all processes end at about the same time.
    """
    if hasattr(config, "workerinput"):
        counts = Counter(item.path for item in items)
        items.sort(key=lambda item: (item.path.name not in LONGEST, -counts[item.path]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what tests print fit for sending between processes: some try halves of characters."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "replace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    async with open_browser() as started:
        yield started


@pytest.fixture(scope="session")
async def homeserver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Homeserver]:
    """A running Synapse."""
    async with open_homeserver(tmp_path_factory.mktemp("synapse")) as started:
        yield started


@pytest.fixture
def person(homeserver: Homeserver) -> Callable[[str], Awaitable[Person]]:
    """Makes a new user: `await person("mia")`."""
    return lambda name: make_person(homeserver, name)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[servers.Server]:
    """A running PostgreSQL."""
    with servers.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder for a provider: each test with one runs twice, with SQLite in it and with PostgreSQL."""
    if request.param == "sqlite":
        yield tmp_path
        return
    with request.getfixturevalue("postgresql").migrated() as url:
        (tmp_path / ADDRESS).write_text(url)
        yield tmp_path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where an empty database is: each test that uses it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/provider.sqlite"
        return
    with request.getfixturevalue("postgresql").empty() as url:
        yield url


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and nothing in them: copying it takes less long than making one."""
    path = tmp_path_factory.mktemp("tables") / "provider.sqlite"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.settle()
    database.close()
    return path


@pytest.fixture
def database(home: Path, tables: Path) -> Iterator[Database]:
    """A database with all tables, on SQLite and on PostgreSQL."""
    address = address_of(home)
    if not address:
        shutil.copy(tables, home)
    opened = Database(address or f"sqlite:///{home}/provider.sqlite")
    opened.migrate()
    yield opened
    opened.close()
