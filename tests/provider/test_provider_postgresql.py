"""What only PostgreSQL can do wrong: a server that goes and comes back, passwords, networks, its own refusals."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from harness.postgresql import ASKED, PASSWORD, Server
from harness.provider import SERVER, Stage, address_of, make_settings, small_epoch
from tutela.cli.main import main
from tutela.provider import postgresql as kind
from tutela.provider.database import Database
from tutela.provider.errors import SettingsError, StorageUnavailable
from tutela.provider.service import Provider

ON_POSTGRESQL = pytest.mark.parametrize("home", ["postgresql"], indirect=True)


@pytest.fixture
def url(postgresql: Server) -> Iterator[str]:
    """The address of an empty database."""
    with postgresql.empty() as made:
        yield made


def opened(url: str, **options: float) -> closing[Database]:
    return closing(Database(url, **options))


def ask(database: Database, statement: str) -> object:
    with database.reading() as connection:
        return connection.scalar(sa.text(statement))


# A server that goes and comes back


def unavailable(answer: httpx.Response) -> bool:
    if answer.status_code != 503:
        return False
    assert answer.json()["code"] == "storage"
    assert answer.headers["retry-after"] == "5"
    return True


@ON_POSTGRESQL
async def test_killed_while_people_sign_in_and_check(stage: Stage, postgresql: Server):
    """Whoever was answered keeps what they have, others are told to come back, and then all works again."""
    count = 60
    tokens = [f"t{i}" for i in range(count)]
    stage.homeserver.tokens = {token: f"@u{token}:{SERVER}" for token in tokens}
    some = asyncio.Event()
    answers: dict[str, httpx.Response] = {}

    async def sign_in(token: str) -> None:
        answers[token] = await stage.post_sign_in(token)
        if sum(answer.status_code == 200 for answer in answers.values()) == 5:
            some.set()

    signing_in = [asyncio.create_task(sign_in(token)) for token in tokens]
    await some.wait()
    await asyncio.to_thread(postgresql.kill)
    try:
        await asyncio.gather(*signing_in)
        assert unavailable(await stage.http.get("/v1/manifest"))
        assert unavailable(await stage.http.get("/v1/health"))
        assert unavailable(await stage.check("nobody's"))
    finally:
        await asyncio.to_thread(postgresql.start)

    good = {token for token, answer in answers.items() if answer.status_code == 200}
    assert len(good) >= 5
    # Some were sent away because too many came at once; they have nothing to do with the database.
    assert all(unavailable(answers[token]) for token in tokens if token not in good and not busy(answers[token]))
    assert (await stage.http.get("/v1/health")).json() == {"status": "ok", "epoch": 1}
    for token in good:
        assert (await stage.check(answers[token].json()["session"])).status_code == 200
        assert (await stage.post_sign_in(token)).json()["code"] == "token-replayed"
    for token in answers.keys() - good:
        # Its fate was open: it has been spent, or it can be now. Never both, never neither.
        again = await stage.post_sign_in(token)
        assert again.status_code == 200 or again.json()["code"] == "token-replayed"
        assert (await stage.post_sign_in(token)).json()["code"] == "token-replayed"
    with stage.provider.database.reading() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM spent_token")) == count


def name_of(home: Path) -> str:
    """The name of the database."""
    return address_of(home).partition("?")[0].rpartition("/")[2]


def busy(answer: httpx.Response) -> bool:
    return answer.json()["code"] == "busy"


@ON_POSTGRESQL
async def test_a_restart_between_requests_is_not_noticed(stage: Stage, postgresql: Server):
    session = await stage.sign_in()
    await asyncio.to_thread(postgresql.stop)
    await asyncio.to_thread(postgresql.start)
    assert (await stage.check(session)).status_code == 200


@ON_POSTGRESQL
async def test_connections_that_the_server_closes_are_replaced(stage: Stage, postgresql: Server):
    session = await stage.sign_in()
    name = name_of(stage.settings.data.parent)
    ended = postgresql.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    assert ended
    assert (await stage.check(session)).status_code == 200


def cut(postgresql: Server, connection: sa.Connection) -> None:
    """What a network does, or a server that is stopped."""
    pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
    assert postgresql.run(f"SELECT pg_terminate_backend({pid}, 10000)") == [(True,)]


def test_a_transaction_that_loses_its_connection_leaves_nothing(postgresql: Server, url: str):
    def write(database: Database) -> None:
        with database.writing() as connection:
            connection.execute(sa.text("INSERT INTO oprf_key (id) VALUES ('0011223344556677')"))
            cut(postgresql, connection)

    with opened(url) as database:
        database.migrate()
        with pytest.raises(StorageUnavailable) as refused:
            write(database)
        assert refused.value.retry_after == 5
        assert ask(database, "SELECT count(*) FROM oprf_key") == 0


def test_the_writers_lock_goes_with_the_writer(postgresql: Server, url: str):
    """A process that dies, or a machine that is gone, holds nobody up for longer than the server takes to notice."""

    def go(gone: Database, database: Database) -> None:
        with gone.writing() as connection:
            cut(postgresql, connection)
            with database.writing():
                pass

    with opened(url) as database, opened(url) as gone:
        with pytest.raises(StorageUnavailable):
            go(gone, database)
        assert ask(database, "SHOW idle_in_transaction_session_timeout") == "30s"


def test_nobody_is_there(tmp_path: Path):
    with opened(f"postgresql://tutela@/tutela?host={tmp_path}") as database:
        with pytest.raises(StorageUnavailable, match="No such file") as refused:
            database.migrate()
        assert "is the server running there" in (refused.value.hint or "")


def test_more_at_once_than_connections(url: str):
    # 15 connections; the sixteenth reader waits, and is told.
    with opened(url, busy_seconds=0.05) as database:
        done, started = threading.Event(), threading.Semaphore(0)

        def hold() -> None:
            with database.reading():
                started.release()
                done.wait(30)

        holding = [threading.Thread(target=hold) for _ in range(15)]
        for thread in holding:
            thread.start()
            started.acquire()
        with pytest.raises(StorageUnavailable, match="all connections"):
            ask(database, "SELECT 1")
        done.set()
        for thread in holding:
            thread.join()
        assert ask(database, "SELECT 1") == 1


# What the server refuses

REFUSALS = {
    "40001": "server's log",
    "40P01": "server's log",
    "25006": "the primary",
    "42501": "must own the database",
    "42P01": "changed by hand",
    "53100": "make room",
    "53300": "max_connections",
    "55P03": "pg_stat_activity",
    "57014": "overloaded",
    "57P03": "passes by itself",
    "XX001": "restore it from a backup",
}


@pytest.mark.parametrize(("state", "said"), REFUSALS.items(), ids=REFUSALS)
def test_what_the_server_refuses_is_told_with_what_to_do(url: str, state: str, said: str):
    with opened(url) as database, pytest.raises(StorageUnavailable, match="it happened") as refused:
        ask(database, f"DO $$ BEGIN RAISE 'it happened' USING ERRCODE = '{state}', DETAIL = '@a' || 'nn'; END $$")
    assert said in (refused.value.hint or "")
    assert refused.value.retry_after == 5
    assert "@ann" not in str(refused.value) + str(refused.value.__cause__) + str(refused.value.__cause__.__cause__)


def test_a_statement_may_take_so_long_and_no_longer(url: str):
    slow = Database(f"{url}&options=-c statement_timeout=20")
    with closing(slow), pytest.raises(StorageUnavailable, match="statement timeout"):
        ask(slow, "SELECT pg_sleep(60)")
    with opened(url) as database:
        assert ask(database, "SHOW statement_timeout") == "30s"


def test_migrations_may_take_as_long_as_they_need(url: str):
    seen = []
    with opened(url) as database:
        database._run(lambda config, _: seen.append(config.attributes["connection"].scalar(sa.text(SHOW))), "head")
        assert ask(database, SHOW) == "30s", "and nothing else may"
    assert seen == ["0"]


SHOW = "SHOW statement_timeout"


def test_an_operators_own_options_prevail(url: str):
    with opened(f"{url}&options=-c%20lock_timeout%3D1234&application_name=mine", busy_seconds=2) as database:
        assert ask(database, "SHOW lock_timeout") == "1234ms"
        assert ask(database, "SHOW application_name") == "mine"
    with opened(url, busy_seconds=2) as database:
        assert ask(database, "SHOW lock_timeout") == "2s"
        assert ask(database, "SHOW application_name") == "tutela"


def test_another_encoding(postgresql: Server):
    postgresql.run("CREATE DATABASE old ENCODING 'SQL_ASCII' TEMPLATE template0")
    with opened(postgresql.url("old")) as database, pytest.raises(SettingsError, match="SQL_ASCII") as refused:
        database.migrate()
    assert "--encoding UTF8" in (refused.value.hint or "")
    postgresql.drop("old")


def test_a_reader_cannot_write(url: str):
    with opened(url) as database, pytest.raises(StorageUnavailable, match="read-only"):
        ask(database, "CREATE TABLE t (x INTEGER)")


@ON_POSTGRESQL
def test_what_cannot_be_opened_leaves_no_connection(postgresql: Server, home: Path):
    with opened(address_of(home)) as database, database.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageUnavailable, match="cannot be migrated"):
        Provider.open(make_settings(home, small_epoch()))
    open_now = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name_of(home)}'"
    while postgresql.run(open_now) != [(0,)]:  # the server notices in its own time
        pass


# Addresses, passwords and networks


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_all_spellings_mean_the_same(url: str, scheme: str):
    with opened(f"{scheme}{url.removeprefix('postgresql')}") as database:
        assert ask(database, "SELECT 1") == 1


def test_without_its_driver(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match="driver") as refused:
        Database("postgresql://db/tutela")
    assert 'pip install ".[postgres]"' in (refused.value.hint or "")


SECRETIVE = "postgres://ann:Secret1@db/tutela?password=Secret2&sslpassword=Secret3&host=/run/db&sslmode=verify-full"


def test_what_is_shown_of_an_address_holds_no_password():
    with opened(SECRETIVE) as database:
        assert database.address == "postgresql://ann@db/tutela?host=%2Frun%2Fdb&sslmode=verify-full"
        assert "Secret" not in repr(database._engine)
    with opened("sqlite:////srv/tutela/provider.sqlite") as database:
        assert database.address == "sqlite:////srv/tutela/provider.sqlite"


def asked_for_a_password(postgresql: Server, home: Path, password: str) -> str:
    name = name_of(home)
    postgresql.run(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {ASKED}", name)
    return postgresql.url(name, user=f"{ASKED}:{quote(password, safe='')}")


@ON_POSTGRESQL
def test_a_wrong_password_is_not_repeated(postgresql: Server, home: Path, caplog: pytest.LogCaptureFixture):
    database = Database(asked_for_a_password(postgresql, home, "Wrong:%/1"))
    with closing(database), pytest.raises(StorageUnavailable, match="password authentication failed") as refused:
        database.migrate()
    said, error = caplog.text, refused.value
    while error is not None:
        said += str(error) + repr(error)
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    assert "Wrong" not in said
    assert "is the password right" in (refused.value.hint or "")


@ON_POSTGRESQL
@pytest.mark.parametrize("password", [PASSWORD, "Wrong:%/1"])
async def test_no_command_prints_the_password(
    postgresql: Server, home: Path, monkeypatch: pytest.MonkeyPatch, password: str
):
    address = asked_for_a_password(postgresql, home, password)
    settings = home / "provider.toml"
    settings.write_text(
        'name = "provider.example"\ndata = "data"\ntrust_root = "nowhere.json"\nhomeservers = { a = "http://a" }\n'
        f'database = "{address}"\nport = 1\nhost = "203.0.113.1"\n'
    )
    (home / "data").mkdir()
    said = ""
    for command in ("status", "serve", "gc", "publish"):
        for extra in ([], ["--json"]):
            arguments = ["provider", command, "--config", str(settings), *extra]
            result = CliRunner().invoke(main, arguments + (["--list", str(home)] if command == "publish" else []))
            said += result.output + repr(result.exception)
    assert "password authentication failed" in said or password == PASSWORD
    for secret in (password, quote(password, safe=""), password[:5]):
        assert secret not in said


class Stranger(threading.Thread):
    """A server that speaks no TLS, and notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.told = b""

    def run(self) -> None:
        with self._listener:
            connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(30)
            self.told += connection.recv(8)
            connection.sendall(b"N")
            self.told += connection.recv(1000)


def test_nothing_goes_to_another_machine_in_the_clear():
    stranger = Stranger()
    stranger.start()
    # The name is another machine's, the address is here.
    url = f"postgresql://ann:Secret@db.example/tutela?hostaddr=127.0.0.1&port={stranger.port}"
    with opened(url) as database, pytest.raises(StorageUnavailable, match="SSL was required"):
        database.migrate()
    stranger.join()
    assert stranger.told == bytes([0, 0, 0, 8, 4, 210, 22, 47]), "only whether it speaks TLS was asked"


@pytest.mark.parametrize(
    ("rest", "mode"),
    [
        ("@/tutela", None),
        ("@/tutela?host=/run/postgresql", None),
        ("@localhost/tutela", None),
        ("@127.0.0.1/tutela", None),
        ("@[::1]/tutela", None),
        ("@db.example/tutela", "require"),
        ("@192.0.2.1/tutela", "require"),
        ("@/tutela?host=localhost,db.example", "require"),
        ("@/tutela?host=localhost&host=db.example", "require"),
        ("@db.example/tutela?sslmode=disable", None),
        ("@db.example/tutela?sslmode=verify-full", None),
        ("@/tutela?service=tutela", None),
    ],
)
def test_when_tls_is_asked_for(rest: str, mode: str | None):
    assert kind._arguments(sa.make_url(f"postgresql://ann{rest}"), 5).get("sslmode") == mode
