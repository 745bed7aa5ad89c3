"""A local Synapse on the loopback interface with SQLite: for the demo and the tests, never for the internet.

Synapse is AGPL-3.0. It is run as a separate program and never imported; this module is the only one that knows of it,
beside `synapse_module`, which Synapse loads itself. It reaches no other server: no federation, no key servers, no URL
previews, no push.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from tutela.extras import install
from tutela.integrations.matrix import attached
from tutela.integrations.matrix.errors import HomeserverFailed

SERVER_NAME: Final = "tutela.localhost"
_STAMPS: Final = "tutela.integrations.matrix.synapse_module.Stamps"
_POLL: Final = 0.05
_ATTEMPTS: Final = 3
_UNLIMITED: Final = {"per_second": 1000, "burst_count": 10_000}


class Homeserver:
    """A running Synapse. `url` is where clients find it, `server_name` what its users' names end in."""

    def __init__(self, folder: Path, url: str, server_name: str, secret: str, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.url = url
        self.server_name = server_name
        self._secret = secret
        self._process = process

    @property
    def database(self) -> Path:
        """The SQLite file; its write-ahead log lies beside it."""
        return self.folder / "homeserver.db"

    @property
    def log(self) -> Path:
        """One line for each request, and warnings."""
        return self.folder / "homeserver.log"

    @classmethod
    async def start(
        cls,
        folder: Path,
        *,
        server_name: str = SERVER_NAME,
        stamp_key: Path | None = None,
        ready_within: float = 60.0,
    ) -> Homeserver:
        """Start a Synapse that keeps everything in `folder`, and wait until it answers (seconds).

        Args:
            folder: where it keeps everything.
            server_name: what its users' names end in.
            stamp_key: the file with the key under which it stamps messages (`synapse_module.make_key_file`), or none.
            ready_within: how long to wait for it.

        Raises:
            HomeserverFailed: it is not installed, ended, or did not answer within `ready_within` seconds.
        """
        folder = _made(folder)
        for attempt in range(_ATTEMPTS):
            # Between finding a free port and Synapse's binding it somebody else may take it: then try another.
            port = _free_port()
            secret = _configure(folder, server_name, port, stamp_key)
            homeserver = cls(folder, f"http://127.0.0.1:{port}", server_name, secret, _run(folder))
            try:
                await homeserver._ready(ready_within)
            except BaseException as error:
                await homeserver.stop()
                if isinstance(error, _PortTaken) and attempt + 1 < _ATTEMPTS:
                    continue
                raise
            return homeserver
        raise AssertionError("unreachable")

    async def register(self, name: str, password: str, *, admin: bool = False) -> str:
        """Make a user and return its full id, such as `@mia:tutela.localhost`.

        Raises:
            HomeserverFailed: the name is taken or not allowed, or the homeserver has stopped.
        """
        path = "/_synapse/admin/v1/register"
        try:
            async with httpx.AsyncClient(base_url=self.url, timeout=30, trust_env=False) as http:
                nonce = (await http.get(path)).raise_for_status().json()["nonce"]
                fields = (nonce, name, password, "admin" if admin else "notadmin")
                mac = hmac.new(self._secret.encode(), "\0".join(fields).encode(), hashlib.sha1).hexdigest()
                body = {"nonce": nonce, "username": name, "password": password, "admin": admin, "mac": mac}
                answer = await http.post(path, json=body)
        except httpx.HTTPError as error:
            raise HomeserverFailed(f"the local homeserver at {self.url} does not answer: {error}") from error
        if answer.status_code != 200:
            raise HomeserverFailed(f"the homeserver did not make the user {name!r}: {answer.text}")
        return str(answer.json()["user_id"])

    async def stop(self) -> None:
        """Stop it and wait until all its processes are gone. May be called twice."""
        process = self._process
        if process.stdin and not process.stdin.closed:
            process.stdin.close()  # `attached` sees this and stops Synapse's whole group
        await asyncio.shield(asyncio.to_thread(_wait, process))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.stop()

    async def _ready(self, within: float) -> None:
        deadline = asyncio.get_running_loop().time() + within
        async with httpx.AsyncClient(base_url=self.url, timeout=5, trust_env=False) as http:
            while True:
                if self._process.poll() is not None:
                    raise _failure(self.folder)
                try:
                    if (await http.get("/health")).status_code == 200:
                        return
                except httpx.HTTPError:
                    pass
                if asyncio.get_running_loop().time() > deadline:
                    raise HomeserverFailed(
                        f"the local homeserver did not answer within {within:.0f} seconds",
                        hint="May programs here reach each other at 127.0.0.1? `tutela doctor` tries it. "
                        "On a slow machine, try once more",
                    )
                await asyncio.sleep(_POLL)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder.absolute()


class _PortTaken(HomeserverFailed):
    pass


def _failure(folder: Path) -> HomeserverFailed:
    text = "\n".join(
        (folder / name).read_text(errors="replace")
        for name in ("console.log", "homeserver.log")
        if (folder / name).exists()
    )
    if "No module named" in text and "synapse" in text:
        return HomeserverFailed("Synapse is not installed", hint=install("demo"))
    if "Address already in use" in text or "CannotListenError" in text:
        return _PortTaken("the local homeserver found its port taken")
    last = text.strip().splitlines()[-1:] or ["it said nothing"]
    return HomeserverFailed(f"the local homeserver ended while it started: {last[0]}")


def _run(folder: Path) -> subprocess.Popen[bytes]:
    synapse = (sys.executable, "-P", "-m", "synapse.app.homeserver", "--config-path", str(folder / "homeserver.yaml"))
    keeper = (sys.executable, "-I", "-S", attached.__file__)
    with (folder / "console.log").open("wb") as console:
        # In a session of its own, so that Ctrl-C reaches us alone and we stop it in order.
        return subprocess.Popen(  # noqa: S603
            [*keeper, *synapse],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(timeout=attached.GRACE + 5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _configure(folder: Path, server_name: str, port: int, stamp_key: Path | None) -> str:
    """Write Synapse's configuration (JSON is YAML too) and return the registration secret."""
    secret = secrets.token_urlsafe(32)
    logging = _write(
        folder / "log.yaml",
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
            "handlers": {
                "file": {
                    "class": "logging.FileHandler",
                    "filename": str(folder / "homeserver.log"),
                    "formatter": "line",
                }
            },
            "loggers": {"synapse.access": {"level": "INFO"}},
            "root": {"level": "WARNING", "handlers": ["file"]},
        },
    )
    _write(
        folder / "homeserver.yaml",
        {
            "server_name": server_name,
            "public_baseurl": f"http://127.0.0.1:{port}/",
            "listeners": [
                {
                    "port": port,
                    "bind_addresses": ["127.0.0.1"],
                    "type": "http",
                    "tls": False,
                    "resources": [{"names": ["client", "openid"], "compress": False}],
                }
            ],
            "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
            "media_store_path": str(folder / "media"),
            "signing_key_path": str(folder / "signing.key"),
            "log_config": str(logging),
            "modules": [{"module": _STAMPS, "config": {"key_file": str(stamp_key.absolute())}}] if stamp_key else [],
            "registration_shared_secret": secret,
            "macaroon_secret_key": secrets.token_urlsafe(32),
            "form_secret": secrets.token_urlsafe(32),
            "bcrypt_rounds": 4,
            "max_upload_size": "50M",
            "federation_domain_whitelist": [],
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            "report_stats": False,
            "url_preview_enabled": False,
            "enable_metrics": False,
            "presence": {"enabled": False},
            "push": {"enabled": False},
            "user_directory": {"enabled": False},
            "rc_message": _UNLIMITED,
            "rc_registration": _UNLIMITED,
            "rc_joins": {"local": _UNLIMITED, "remote": _UNLIMITED},
            "rc_joins_per_room": _UNLIMITED,
            "rc_invites": {"per_room": _UNLIMITED, "per_user": _UNLIMITED, "per_issuer": _UNLIMITED},
            "rc_login": {"address": _UNLIMITED, "account": _UNLIMITED, "failed_attempts": _UNLIMITED},
            "rc_key_requests": _UNLIMITED,
            "rc_room_creation": _UNLIMITED,
            "rc_media_create": _UNLIMITED,
        },
    )
    return secret


def _write(path: Path, data: dict[str, Any]) -> Path:
    path.write_text(json.dumps(data, indent=1))
    path.chmod(0o600)
    return path
