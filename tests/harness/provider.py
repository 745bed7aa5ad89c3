"""A provider with one published epoch, a fake homeserver, and a clock that tests move."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import sqlalchemy as sa
from fastapi import FastAPI

from harness.epochs import MadeEpoch, make_epoch
from tutela.matching import voprf
from tutela.provider.access import AccessRecord, Sink
from tutela.provider.app import create_app
from tutela.provider.keys import KeyStore
from tutela.provider.review.people import Person, Role
from tutela.provider.review.staff import StaffStore
from tutela.provider.service import Provider
from tutela.provider.settings import Settings
from tutela.wire import document
from tutela.wire.check import CheckRequest
from tutela.wire.manifest import Parameters
from tutela.wire.session import Session, SignIn

SERVER = "home.example"
#: Small, so that tests are fast; the sizes that ship are the benchmark's business.
PARAMETERS = Parameters(bands=2, band_bits=40, bands_needed=1, batch=8)
LISTED = tuple(hashlib.sha256(name).hexdigest() for name in (b"first", b"second"))
#: A file in a provider's folder, with the address of its database if that is not in the folder.
ADDRESS = "database.url"
#: The key under which the homeserver stamps messages.
STAMP_KEY = bytes(range(32))
#: 2026-01-05T12:00:00Z
START = 1_767_614_400_000


@dataclass
class TestClock:
    """A clock that stands until a test moves it."""

    __test__ = False
    now: int = START

    def __call__(self) -> int:
        return self.now

    def forward(self, *, seconds: float) -> None:
        self.now += round(seconds * 1000)


@dataclass
class FakeHomeserver(httpx.AsyncBaseTransport):
    """Answers `userinfo` as a homeserver does, or as `lie` says; remembers what it was asked."""

    tokens: dict[str, str] = field(default_factory=dict)
    asked: list[httpx.URL] = field(default_factory=list)
    lie: httpx.Response | Exception | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url)
        if isinstance(self.lie, Exception):
            raise self.lie
        if self.lie is not None:
            return self.lie
        account = self.tokens.get(request.url.params["access_token"])
        if account is None:
            unknown = {"errcode": "M_UNKNOWN_TOKEN", "error": "Access Token unknown or expired"}
            return httpx.Response(401, json=unknown)
        return httpx.Response(200, json={"sub": account})


@dataclass
class Stage:
    """Everything that a test of the service touches."""

    settings: Settings
    epoch: MadeEpoch
    clock: TestClock
    homeserver: FakeHomeserver
    provider: Provider
    records: list[AccessRecord]
    app: FastAPI
    http: httpx.AsyncClient

    async def sign_in(self, account: str = f"@ann:{SERVER}", token: str | None = None) -> str:
        """Sign in with a token of the homeserver's, and return the session."""
        token = token or f"token-{len(self.homeserver.tokens)}"
        self.homeserver.tokens[token] = account
        answer = await self.post_sign_in(token)
        assert answer.status_code == 200, answer.text
        return document.decode(answer.content, Session, limit=1000, canonical=False).session

    async def post_sign_in(self, token: str, server: str = SERVER) -> httpx.Response:
        body = document.encode(SignIn(matrix_server_name=server, access_token=token))
        return await self.http.post("/v1/session", content=body, headers={"content-type": "application/json"})

    def reader(self, role: Role = Role.REVIEWER) -> Person:
        """Somebody on the staff with a passkey: from then on times are promised to those who report."""
        staff = StaffStore(self.provider.database, self.clock, secrets.token_bytes)
        _, secret = staff.invite("Rita", role, "Home", by=None)
        return staff.register(secret, secrets.token_hex(8), b"public", 0)

    async def check(
        self, session: str, body: bytes | None = None, *, key_id: str | None = None, **headers: str | bytes
    ) -> httpx.Response:
        """Send one check; by default of random elements, with the current key."""
        sent = {"authorization": f"Bearer {session}", "content-type": "application/octet-stream"} | headers
        return await self.http.post(
            f"/v1/keys/{key_id or self.epoch.manifest.keys[0].id}/evaluate",
            content=random_request() if body is None else body,
            headers=sent,
        )


def random_request(batch: int = PARAMETERS.batch) -> bytes:
    return CheckRequest(tuple(voprf.random_element() for _ in range(batch))).encode()


def small_epoch(*hashes: str, **options: object) -> MadeEpoch:
    """An epoch with small parameters that lists `hashes` (by default two)."""
    listed = hashes or LISTED
    return make_epoch(listed, **({"parameters": PARAMETERS} | options))  # type: ignore[arg-type]


def address_of(folder: Path) -> str:
    """The address of the database of the provider in `folder`, as its settings say it: none if it is in there."""
    path = folder / ADDRESS
    return path.read_text() if path.exists() else ""


def everything_in(folder: Path) -> bytes:
    """All that the provider in `folder` keeps: its files and, on PostgreSQL, the rows of all its tables."""
    parts = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    if address := address_of(folder):
        engine = sa.create_engine(sa.make_url(address).set(drivername="postgresql+psycopg"))
        with engine.connect() as connection:
            tables = sa.MetaData()
            tables.reflect(connection)
            rows = [row for table in tables.sorted_tables for row in connection.execute(sa.select(table))]
        engine.dispose()
        parts += [value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row]
    return b"\n".join(parts)


def make_settings(folder: Path, epoch: MadeEpoch, **values: object) -> Settings:
    """Settings in `folder`, with the epoch's trust root and secret key."""
    data = folder / "data"
    data.mkdir(exist_ok=True)
    root = folder / "trust_root.json"
    root.write_bytes(document.encode(epoch.trust_root))
    defaults_: dict[str, object] = {
        "name": epoch.manifest.provider,
        "data": data,
        "database": address_of(folder),
        "homeservers": {SERVER: "http://homeserver.invalid"},
        "trust_root": root,
        "port": 0,
        "console_port": 0,
        "access_log": "",
    }
    settings = Settings(**(defaults_ | values))  # type: ignore[arg-type]
    hold(settings, epoch.keys)
    stamp_key = settings.stamp_keys / SERVER / "home.key"
    stamp_key.parent.mkdir(parents=True, exist_ok=True)
    stamp_key.write_text(STAMP_KEY.hex() + "\n")
    stamp_key.chmod(0o600)
    return settings


def hold(settings: Settings, pair: voprf.KeyPair) -> None:
    """Put a key pair into the key store."""
    KeyStore(settings.keys).adopt(pair)


@asynccontextmanager
async def staged(
    folder: Path,
    epoch: MadeEpoch | None = None,
    *,
    publish: bool = True,
    sink: Sink | None = None,
    busy_seconds: float = 5,
    **values: object,
) -> AsyncIterator[Stage]:
    """A provider in `folder`, driven without a socket; its access records go into a list unless `sink` takes them."""
    epoch = epoch or small_epoch()
    settings = make_settings(folder, epoch, **values)
    clock, homeserver, records = TestClock(), FakeHomeserver(), list[AccessRecord]()
    provider = Provider.open(settings, clock=clock, transport=homeserver, busy_seconds=busy_seconds)
    if publish:
        provider.publish(epoch.envelope, epoch.segments)
    app = create_app(provider, sink or records.append)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://provider.invalid") as http:
        yield Stage(settings, epoch, clock, homeserver, provider, records, app, http)
    provider.close()
