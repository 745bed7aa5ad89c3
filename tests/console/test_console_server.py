"""The console on a real socket, beside the service: one process, two listeners."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from harness.console import Visitor
from harness.provider import make_settings, small_epoch
from tutela.cli.provider import _console
from tutela.console.server import listening
from tutela.console.site import Site
from tutela.provider.errors import SettingsError
from tutela.provider.server import running
from tutela.provider.settings import Settings

ADDRESS = "localhost"


def changed(settings: Settings, **values: object) -> Settings:
    return Settings(**{name: getattr(settings, name) for name in settings.__dataclass_fields__} | values)


async def test_two_listeners_one_service(tmp_path: Path):
    settings = make_settings(tmp_path, small_epoch())
    with listening(settings, port=0) as console:
        assert console.site.rp_id == "localhost"
        async with running(settings, beside=[console]) as service, httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{service}/v1/health")).status_code == 200
            page = await http.get(f"{console.site.origin}/sign-in")
            assert page.status_code == 200
            assert "server" not in page.headers
            assert (await http.get(f"{service}/sign-in")).status_code == 404  # each has its own pages
            assert (await http.get(f"{console.site.origin}/v1/health")).status_code == 404
            at_loopback = console.site.origin.replace("localhost", "127.0.0.1")
            assert (await http.get(at_loopback)).status_code == 421
        with pytest.raises(httpx.ConnectError):  # it ends with the service
            async with httpx.AsyncClient(trust_env=False) as http:
                await http.get(f"{console.site.origin}/sign-in")


async def test_it_listens_on_loopback_unless_a_proxy_stands_before_it(tmp_path: Path):
    settings = make_settings(tmp_path, small_epoch(), host="0.0.0.0")
    with listening(settings, port=0) as console:
        assert console._socket.getsockname()[0] == "127.0.0.1"
        assert console._socket.proto == socket.IPPROTO_TCP  # or every answer waits for more
    with listening(changed(settings, console_origin="https://review.example.org"), port=0) as console:
        assert console._socket.getsockname()[0] == "0.0.0.0"
        assert console.site == Site("https://review.example.org")


def test_a_port_that_is_taken_is_told(tmp_path: Path):
    settings = make_settings(tmp_path, small_epoch())
    with listening(settings, port=0) as console:
        port = console._socket.getsockname()[1]
        with (
            pytest.raises(SettingsError, match=f"cannot listen at 127.0.0.1 port {port}") as told,
            listening(settings, port=port),
        ):
            pytest.fail("two listen at one port")
        assert "`console_port`" in (told.value.hint or "")


async def test_one_who_does_not_send_on_holds_nobody_up(tmp_path: Path):
    settings = make_settings(tmp_path, small_epoch())
    with listening(settings, port=0) as console:
        async with running(settings, beside=[console]), httpx.AsyncClient(trust_env=False) as http:
            _, slow = await asyncio.open_connection("127.0.0.1", console._socket.getsockname()[1])
            slow.write(b"POST /sign-in HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf")
            await slow.drain()
            assert (await http.get(f"{console.site.origin}/sign-in")).status_code == 200
            slow.close()
            await slow.wait_closed()


@pytest.mark.parametrize(
    ("origin", "good"),
    [
        ("https://review.example.org", True),
        ("https://review.example.org:8443", True),
        ("http://localhost:9000", True),
        ("http://review.example.org", False),
        ("https://review.example.org/", False),
        ("https://review.example.org/console", False),
        ("https://Review.example.org", False),
        ("https://user@review.example.org", False),
        ("review.example.org", False),
        ("http://127.0.0.1:8471", False),
    ],
)
def test_an_origin_is_as_browsers_write_it(tmp_path: Path, origin: str, good: bool):
    settings = make_settings(tmp_path, small_epoch())
    if good:
        assert Site.of(changed(settings, console_origin=origin)).origin == origin
        return
    with pytest.raises(SettingsError, match="`console_origin` must be an address"):
        changed(settings, console_origin=origin)


def test_no_console_without_a_port(tmp_path: Path):
    settings = make_settings(tmp_path, small_epoch())
    with _console(settings) as (beside, site):
        assert (beside, site) == ([], None)
    with pytest.raises(SettingsError, match="there is no console"):
        Site.of(settings)


def test_without_its_packages_the_service_runs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    settings = changed(make_settings(tmp_path, small_epoch()), console_port=1)
    monkeypatch.delitem(sys.modules, "tutela.console.server", raising=False)
    for name in [name for name in sys.modules if name.startswith("tutela.console")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "webauthn", None)
    with _console(settings) as (beside, site):
        assert (beside, site) == ([], None)
    assert 'pip install ".[console]"' in capsys.readouterr().err


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.mark.slow
async def test_as_a_command_from_the_first_invitation_on(tmp_path: Path):
    """An operator's first minutes: `init`, `staff invite`, `serve`; and the first admin comes in."""
    tutela, folder, port = str(Path(sys.executable).with_name("tutela")), tmp_path / "service", free_port()
    environment = {
        "PATH": "/usr/bin:/bin",
        "TUTELA_CONFIG": str(folder / "provider.toml"),
        "TUTELA_PROVIDER_PORT": "0",
        "TUTELA_PROVIDER_CONSOLE_PORT": str(port),
    }

    def command(*arguments: str) -> str:
        done = subprocess.run([tutela, *arguments], env=environment, check=True, capture_output=True, text=True)
        return done.stdout

    command(
        "provider", "init", str(folder), "--name", "home.example", "--homeserver", "home.example=http://127.0.0.1:1"
    )
    link = json.loads(command("staff", "invite", "Anna", "--role", "admin", "--json"))["link"]
    serve = [tutela, "provider", "serve", "--json"]
    with subprocess.Popen(serve, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            assert told["console"] == f"http://localhost:{port}"
            assert link.startswith(f"{told['console']}/invitation/")
            async with httpx.AsyncClient(
                base_url=told["console"], headers={"origin": told["console"]}, trust_env=False
            ) as http:
                from tutela.demo.authenticator import Authenticator

                anna = Visitor(http, Authenticator(told["console"]))
                assert (await anna.join(link.rpartition("/")[2])).status_code == 303
                assert (await anna.get("/staff")).status_code == 200
            process.send_signal(signal.SIGTERM)
            printed, complaints = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, complaints
    assert "/invitation/{secret}" in printed
    assert link.rpartition("/")[2] not in printed + complaints
