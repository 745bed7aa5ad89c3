"""The service on a real socket: in this process, and as the command `tutela provider serve`."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from starlette.types import ASGIApp, Receive, Scope, Send

from harness.epochs import MadeEpoch
from harness.provider import SERVER, FakeHomeserver, make_settings, random_request, small_epoch
from tutela.provider import settings as configuration
from tutela.provider.access import AccessRecord
from tutela.provider.database import Database
from tutela.provider.errors import SettingsError, StorageUnavailable
from tutela.provider.server import _listening, running, serve
from tutela.provider.service import Provider
from tutela.provider.settings import Settings
from tutela.wire import document
from tutela.wire.check import response_bytes
from tutela.wire.session import SignIn


@pytest.fixture
def published(home: Path) -> tuple[Settings, MadeEpoch]:
    """Settings of a provider that has published an epoch."""
    epoch = small_epoch()
    settings = make_settings(home, epoch)
    provider = Provider.open(settings)
    provider.publish(epoch.envelope, epoch.segments)
    provider.close()
    return settings, epoch


async def check_once(http: httpx.AsyncClient, epoch: MadeEpoch, token: str) -> httpx.Response:
    """Sign in and check, as a device does."""
    body = document.encode(SignIn(matrix_server_name=SERVER, access_token=token))
    answer = await http.post("/v1/session", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    return await http.post(
        f"/v1/keys/{epoch.manifest.keys[0].id}/evaluate",
        content=random_request(),
        headers={
            "authorization": f"Bearer {answer.json()['session']}",
            "content-type": "application/octet-stream",
        },
    )


async def test_in_this_process(published: tuple[Settings, MadeEpoch]):
    settings, epoch = published
    records: list[AccessRecord] = []
    homeserver = FakeHomeserver({"t": f"@ann:{SERVER}"})
    async with running(settings, sink=records.append, transport=homeserver) as url:
        assert url.startswith("http://127.0.0.1:")
        async with httpx.AsyncClient(base_url=url) as http:
            answer = await check_once(http, epoch, "t")
            assert (answer.status_code, len(answer.content)) == (200, response_bytes(8))
            assert {"server", "x-powered-by"}.isdisjoint(answer.headers)
    assert [record.route for record in records] == ["/v1/session", "/v1/keys/{key_id}/evaluate"]
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{url}/v1/health")


async def test_two_at_once_on_ports_of_their_own(tmp_path: Path):
    urls = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        epoch = small_epoch()
        urls.append(running(make_settings(tmp_path / name, epoch)))
    async with urls[0] as first, urls[1] as second:
        assert first != second
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{first}/v1/health")).json() == {"status": "ok", "epoch": None}
            assert (await http.get(f"{second}/v1/health")).status_code == 200


async def test_a_blocked_caller_does_not_block_it(published: tuple[Settings, MadeEpoch]):
    settings, _ = published
    async with running(settings) as url:
        answer = httpx.get(f"{url}/v1/health")  # noqa: ASYNC210 (it blocks this loop: that is the test)
    assert answer.json() == {"status": "ok", "epoch": 1}


async def test_requests_under_way_are_finished(published: tuple[Settings, MadeEpoch]):
    settings, _ = published
    arrived, go_on = threading.Event(), threading.Event()

    def wrap(app: ASGIApp) -> ASGIApp:
        async def slowly(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                arrived.set()
                await asyncio.to_thread(go_on.wait, 30)
            await app(scope, receive, send)

        return slowly

    service = running(settings, wrap=wrap)
    url = await service.__aenter__()
    async with httpx.AsyncClient(base_url=url) as http:
        request = asyncio.create_task(http.get("/v1/health", headers={"connection": "close"}))
        await asyncio.to_thread(arrived.wait, 30)
        stopping = asyncio.create_task(service.__aexit__(None, None, None))
        await asyncio.sleep(0)
        go_on.set()
        assert (await request).json() == {"status": "ok", "epoch": 1}
        await stopping


async def test_what_has_run_out_is_erased_without_being_asked(published: tuple[Settings, MadeEpoch]):
    settings, _ = published
    provider = Provider.open(settings)
    provider.sessions.begin(f"@ann:{SERVER}", "00" * 32)
    provider.close()
    database = Database(settings.database_url)

    def sessions() -> int:
        with database.reading() as connection:
            return connection.execute(sa.text("SELECT count(*) FROM session")).scalar_one()

    async with running(settings, clock=lambda: 1 << 45):
        while sessions():
            await asyncio.to_thread(time.sleep, 0.01)
    database.close()


async def test_a_port_that_is_taken(published: tuple[Settings, MadeEpoch]):
    settings, _ = published
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = Settings(**{**vars_of(settings), "port": taken.getsockname()[1]})
        with pytest.raises(SettingsError, match="cannot listen") as refused:
            async with running(busy):
                pytest.fail("it cannot be running")
        assert "port" in (refused.value.hint or "")


@pytest.mark.parametrize("host", ["203.0.113.1", "a" * 300])
async def test_an_address_that_is_not_this_machines(published: tuple[Settings, MadeEpoch], host: str):
    settings, _ = published
    elsewhere = Settings(**{**vars_of(settings), "host": host})
    with pytest.raises(SettingsError, match="cannot listen") as refused:
        async with running(elsewhere):
            pytest.fail("it cannot be running")
    assert "`host` must be an address of this machine" in (refused.value.hint or "")


def test_a_database_that_cannot_be_written_is_told_before_serving(published: tuple[Settings, MadeEpoch]):
    settings, _ = published
    readonly = f"sqlite:///file:{settings.data}/provider.sqlite?mode=ro&uri=true"
    if settings.database:
        readonly = f"{settings.database}&options=-c default_transaction_read_only=on"
    with pytest.raises(StorageUnavailable, match=r"readonly|read-only"):
        serve(Settings(**{**vars_of(settings), "database": readonly}), started=pytest.fail)


@pytest.mark.parametrize("log", ["nowhere/access.jsonl", "."])
def test_an_access_log_that_cannot_be_written(published: tuple[Settings, MadeEpoch], tmp_path: Path, log: str):
    settings, _ = published
    with pytest.raises(SettingsError, match="cannot write the access log") as refused:
        serve(Settings(**{**vars_of(settings), "access_log": str(tmp_path / log)}))
    assert "`access_log`" in (refused.value.hint or "")


async def test_no_data_folder(tmp_path: Path):
    settings = make_settings(tmp_path, small_epoch())
    missing = Settings(**{**vars_of(settings), "data": tmp_path / "nowhere"})
    with pytest.raises(SettingsError, match="there is no folder") as refused:
        async with running(missing):
            pytest.fail("it cannot be running")
    assert "tutela provider init" in (refused.value.hint or "")


def vars_of(settings: Settings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in configuration.described()}


@contextmanager
def served(settings: Settings, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`tutela provider serve` as a process of its own, and its address."""
    values = {name: str(value) if isinstance(value, Path) else value for name, value in vars_of(settings).items()}
    values["port"] = 0
    config = folder / "provider.toml"
    lines = []
    for name, value in values.items():
        if isinstance(value, dict):
            pairs = ", ".join(f"{json.dumps(a)} = {json.dumps(b)}" for a, b in value.items())
            lines.append(f"{name} = {{ {pairs} }}")
        else:
            lines.append(f"{name} = {json.dumps(value)}")
    config.write_text("\n".join(lines))
    command = [str(Path(sys.executable).with_name("tutela")), "provider", "serve", "--config", str(config), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["listening"]
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_as_a_command(published: tuple[Settings, MadeEpoch], tmp_path: Path, stop: signal.Signals):
    settings, epoch = published
    logged = Settings(**{**vars_of(settings), "access_log": "-"})
    with served(logged, tmp_path) as (process, url):
        assert httpx.get(f"{url}/v1/manifest").status_code == 200
        # A body that is announced and never read must not hold anybody up.
        answer = httpx.post(
            f"{url}/v1/keys/{epoch.manifest.keys[0].id}/evaluate",
            content=b"x" * 10_000_000,
            headers={"content-type": "application/octet-stream"},
        )
        assert answer.status_code == 401
        process.send_signal(stop)
        printed, complaints = process.communicate(timeout=30)
    assert process.returncode == 0, complaints
    records = [json.loads(line) for line in printed.splitlines()]
    assert [(r["route"], r["status"], r["bytes_in"] < 1_000_000) for r in records] == [
        ("/v1/manifest", 200, True),
        ("/v1/keys/{key_id}/evaluate", 401, True),
    ]
    assert "127.0.0.1" not in printed


def test_answers_do_not_wait_for_more(tmp_path: Path):
    """asyncio switches Nagle's algorithm off only for sockets that are named as TCP."""
    with _listening(make_settings(tmp_path, small_epoch())) as listener:
        assert listener.proto == socket.IPPROTO_TCP
