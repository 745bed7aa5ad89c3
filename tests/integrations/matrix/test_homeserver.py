"""A local Synapse that starts, answers, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from harness.synapse import make_person
from tutela.integrations.matrix import attached, homeserver
from tutela.integrations.matrix.errors import HomeserverFailed
from tutela.integrations.matrix.homeserver import Homeserver

# The wheel of Synapse is a program to us: nothing of ours may import it.
SOURCES = Path(homeserver.__file__).parents[2]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 (there is no event to wait for)
            await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_users_are_made_once(homeserver: Homeserver):
    mia = await make_person(homeserver, "mia")
    assert mia.user_id == f"@{mia.name}:{homeserver.server_name}"
    with pytest.raises(HomeserverFailed, match="did not make the user"):
        await homeserver.register(mia.name, "another")


@pytest.mark.slow
async def test_only_the_client_api_and_openid_are_served_and_only_on_loopback(homeserver: Homeserver):
    assert homeserver.url.startswith("http://127.0.0.1:")
    async with httpx.AsyncClient(base_url=homeserver.url) as http:
        assert (await http.get("/_matrix/client/versions")).status_code == 200
        unknown = await http.get("/_matrix/federation/v1/openid/userinfo", params={"access_token": "no-such-token"})
        assert unknown.status_code == 401
        assert unknown.json()["errcode"] == "M_UNKNOWN_TOKEN"
        assert (await http.get("/_matrix/federation/v1/version")).status_code == 404
        assert (await http.get("/_matrix/key/v2/server")).status_code == 404


@pytest.mark.slow
async def test_it_stops_and_leaves_no_process(tmp_path: Path):
    async with await Homeserver.start(tmp_path / "hs") as started:
        children = _descendants(started._process.pid)
        assert len(children) == 1
        assert started.database.exists()
        assert started.log.exists()
        url = started.url
    assert not any(_alive(pid) for pid in children)
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{url}/health")
    await started.stop()
    with pytest.raises(HomeserverFailed, match="does not answer"):
        await started.register("late", "late")


@pytest.mark.slow
async def test_one_that_cannot_be_reached_is_given_up_with_a_hint(tmp_path: Path):
    with pytest.raises(HomeserverFailed, match="did not answer within 0 seconds") as failed:
        await Homeserver.start(tmp_path / "hs", ready_within=0)
    assert "`tutela doctor`" in (failed.value.hint or "")


@pytest.mark.slow
async def test_it_stops_when_the_start_is_interrupted(tmp_path: Path):
    starting = asyncio.create_task(Homeserver.start(tmp_path / "hs"))
    config = str(tmp_path / "hs" / "homeserver.yaml")
    await _until(lambda: bool(_running(config)))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not _running(config)


@pytest.mark.slow
async def test_a_broken_configuration_is_told_not_waited_for(tmp_path: Path):
    (tmp_path / "hs" / "homeserver.db").mkdir(parents=True)
    with pytest.raises(HomeserverFailed, match="ended while it started"):
        await Homeserver.start(tmp_path / "hs")


async def test_a_program_ends_when_its_starter_is_killed(tmp_path: Path):
    note = tmp_path / "pids"
    # A grandchild that ignores SIGTERM, as the worst of programs do; ours is the process group that must go.
    program = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(note)!r} + '.new', 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        f"os.rename({str(note)!r} + '.new', {str(note)!r})\n"
        "time.sleep(600)\n"
    )
    starter = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {attached_with_short_grace()!r}, sys.executable, '-c', {program!r}],"
        " stdin=subprocess.PIPE)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", starter])  # noqa: ASYNC220
    await _until(note.exists)
    pids = [int(pid) for pid in note.read_text().split()]
    assert all(_alive(pid) for pid in pids)
    process.send_signal(signal.SIGKILL)
    process.wait()
    await _until(lambda: not any(_alive(pid) for pid in pids))


async def test_a_program_ends_on_sigterm_and_its_code_is_passed_on(tmp_path: Path):
    def run(code: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, attached.__file__, sys.executable, "-c", code], stdin=subprocess.PIPE)

    with run("raise SystemExit(7)") as done:
        assert done.wait() == 7
    ready = tmp_path / "ready"
    with run(f"open({str(ready)!r}, 'w'); import time; time.sleep(600)") as running:
        await _until(ready.exists)
        running.terminate()
        assert running.wait() == 128 + signal.SIGTERM


def test_synapse_is_never_imported():
    sources = [path.read_text() for path in SOURCES.rglob("*.py")]
    assert not any("import synapse" in source or "from synapse" in source for source in sources)
    assert sum("synapse.app.homeserver" in source for source in sources) == 1


def attached_with_short_grace() -> str:
    source = Path(attached.__file__).read_text()
    assert "GRACE: Final = 5.0" in source
    return source.replace("GRACE: Final = 5.0", "GRACE: Final = 0.2")


def _descendants(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _running(argument: str) -> list[int]:
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                arguments = (path / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if argument.encode() in arguments:
                found.append(int(path.name))
    return found
