"""What only PostgreSQL needs to keep the contract of `tutela.provider.database`. Its driver is psycopg 3.

Writers take one lock of the whole database first, so that they come one after the other, as SQLite's do: each sees
all that those before it wrote, and none fails because of another. The lock is the transaction's: it goes with it,
also when the process dies or the network does.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event

from tutela.provider.errors import SettingsError

DRIVER: Final = "postgresql+psycopg"

_WRITES: Final = "tutela_writes"
#: Options of a connection that writes: once it has the lock, every statement sees what was committed before.
WRITES: Final[Mapping[str, Any]] = {_WRITES: True, "isolation_level": "READ COMMITTED"}
#: And of one that reads: it sees one moment, whatever is written meanwhile.
READS: Final[Mapping[str, Any]] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

#: The writers' advisory lock.
_LOCK: Final = int.from_bytes(b"tutela")
#: No statement of ours needs as long, migrations apart; and nobody holds the lock for longer without a word.
_STATEMENT_SECONDS: Final = 30
#: Unless the address says otherwise. A server that has gone without a word is noticed after some 25 seconds.
_DEFAULTS: Final = {
    "application_name": "tutela",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
#: What of an address's parameters may be shown: none of them can hold a secret.
_SHOWN: Final = ("host", "port", "service", "sslmode", "target_session_attrs")

_HINT: Final = "The server's log says more."
_UNREACHABLE: Final = (
    "Look at `database` in the settings: is the server running there, does it know this user and this database, and "
    "is the password right?"
)
#: What to do, by the SQLSTATE or the first two letters of it, its class.
_HINTS: Final = {
    "25006": "This server only reads (a standby): `database` in the settings must name the primary.",
    "42501": "The user in `database` must own the database: see docs/provider.md.",
    "42": "The tables are not those of this version of Tutela: was the database changed by hand?",
    "53100": "The disk of the database server is full: make room on it.",
    "53300": "The server has no connection left: raise its max_connections.",
    "55P03": "Another program holds the database: pg_stat_activity on the server shows which.",
    "57014": "The server is overloaded, or another program holds the database.",
    "57": "The server is stopping or starting: this passes by itself.",
    "XX": "It is damaged: restore it from a backup, as docs/provider.md says.",
}


def engine(url: URL, busy_seconds: float) -> Engine:
    """Return an engine whose writers come one after the other, and that connects again when the server is back."""
    made = create_engine(
        url.set(drivername=DRIVER, query=_showable(url)),
        hide_parameters=True,  # they hold accounts and digests
        connect_args=_arguments(url, busy_seconds),
        pool_pre_ping=True,
        pool_timeout=busy_seconds,
        use_native_hstore=False,  # or it would be looked for
    )

    @event.listens_for(made, "connect")
    def connect(connection: Any, _: object) -> None:
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            connection.close()
            raise SettingsError(
                f"the database has the encoding {encoding}, and must have UTF8",
                hint="Make it anew: createdb --encoding UTF8 --template template0 NAME",
            )

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITES, False):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")

    @event.listens_for(made, "handle_error")
    def handle_error(context: ExceptionContext) -> None:
        # What the server adds to the first line (DETAIL, CONTEXT) repeats rows: accounts and digests.
        for error in (context.original_exception, context.sqlalchemy_exception):
            if error is not None and _state(context.original_exception):
                error.args = (str(error.args[0]).partition("\n")[0], *error.args[1:])

    return made


def hint(reason: BaseException) -> str:
    """Return what to do about an error of the driver's."""
    state = _state(reason)
    return _HINTS.get(state) or _HINTS.get(state[:2]) or (_HINT if state else _UNREACHABLE)


def unhurry(connection: Connection) -> None:
    """Let the statements of this transaction take as long as they need."""
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")


def settle(engine: Engine) -> None:
    """Nothing to do: the server clears away what was deleted in its own time."""


def shown(url: URL) -> str:
    """Return the address as an operator may see it: without passwords, also those among its parameters."""
    return URL.create(
        "postgresql",
        username=url.username,
        host=url.host,
        port=url.port,
        database=url.database,
        query=_showable(url),
    ).render_as_string()


def _showable(url: URL) -> dict[str, Any]:
    return {name: value for name, value in url.query.items() if name in _SHOWN}


def _arguments(url: URL, busy_seconds: float) -> dict[str, str]:
    """Return the parameters of a connection that the address shown does not say: its secret ones, and our choices."""
    said = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    chosen = {name: value for name, value in (_DEFAULTS | said).items() if name not in _SHOWN}
    if not {"sslmode", "service"} & said.keys() and not all(map(_is_here, _hosts(url))):
        chosen["sslmode"] = "require"  # libpq's own default would go on in the clear
    limits = {
        "lock_timeout": max(1, round(busy_seconds * 1000)),
        "statement_timeout": _STATEMENT_SECONDS * 1000,
        "idle_in_transaction_session_timeout": _STATEMENT_SECONDS * 1000,
    }
    options = " ".join(f"-c {name}={value}" for name, value in limits.items())
    # An operator's own come later, and prevail.
    return chosen | {"client_encoding": "utf8", "options": f"{options} {said.get('options', '')}"}


def _hosts(url: URL) -> Iterator[str]:
    if url.host:
        yield url.host
    named = url.query.get("host", "")
    for hosts in (named,) if isinstance(named, str) else named:
        yield from filter(None, hosts.split(","))


def _is_here(host: str) -> bool:
    """Whether it is this machine: a folder with a socket, or a loopback address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.startswith(("/", "@")) or host == "localhost"


def _state(error: BaseException) -> str:
    """Return an error's SQLSTATE, or nothing if the server did not say it."""
    return getattr(error, "sqlstate", None) or ""
