"""The demo as its user runs it: whole, for machines, interrupted, and where something does not hold."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tutela.demo.story import STEPS

pytestmark = pytest.mark.slow


@asynccontextmanager
async def started(folder: Path, *arguments: str, **environment: str) -> AsyncIterator[Process]:
    """`tutela demo` without a terminal, with a temporary folder of its own; gone at the end, whatever happens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "tutela", "demo", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder), **environment}, start_new_session=True, limit=1 << 20,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def running_in(folder: Path) -> list[str]:
    """The command lines of processes that name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if str(folder).encode() in line:
            found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found


async def gone(folder: Path) -> None:
    async with asyncio.timeout(20):
        while running_in(folder):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert list(folder.iterdir()) == []


async def test_every_step_holds_and_nothing_is_left(tmp_path: Path):
    async with started(tmp_path) as process:
        out, err = await asyncio.wait_for(process.communicate(), 240)
    text = out.decode()
    assert process.returncode == 0, text + err.decode()
    assert err == b""
    assert text.count("✓") == len(STEPS)
    assert "✗" not in text
    assert "make run KEEP=1" in text
    await gone(tmp_path)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_interrupted_half_way_it_cleans_up(tmp_path: Path, stop: signal.Signals):
    async with started(tmp_path, "--json") as process:
        assert process.stdout is not None
        while json.loads(await asyncio.wait_for(process.stdout.readline(), 120))["kind"] != "step":
            pass
        process.send_signal(stop)
        await asyncio.sleep(0.1)
        process.send_signal(stop)  # by somebody who does not like to wait
        await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 130
    await gone(tmp_path)


async def test_interrupted_while_it_starts(tmp_path: Path):
    async with started(tmp_path) as process:
        await asyncio.sleep(2.5)
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode in (1, 130)  # 1: Python was still loading
    await gone(tmp_path)


async def test_killed_it_takes_the_homeserver_with_it(tmp_path: Path):
    async with started(tmp_path, "--json") as process:
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readline(), 120)
        assert running_in(tmp_path)
        process.kill()
        await process.wait()
    async with asyncio.timeout(30):
        while running_in(tmp_path):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_kept_open_it_serves_the_windows_until_it_is_stopped(tmp_path: Path):
    async with started(tmp_path, "--keep") as process:
        assert process.stdout is not None
        text = ""
        async with asyncio.timeout(240):
            while "Ctrl-C" not in text:
                line = (await process.stdout.readline()).decode()
                assert line, f"it ended by itself:\n{text}"
                text += line
        links = re.findall(r"http://127\.0\.0\.1:\d+/[sw]/\S+", text)
        assert len(links) == 4
        async with httpx.AsyncClient(trust_env=False) as http:
            pages = [await http.get(link) for link in links]
        assert [page.status_code for page in pages] == [200, 200, 200, 200]
        assert "blinded batch" in pages[0].text
        assert "a report that somebody chose to make" in pages[0].text
        assert "school trip" in pages[1].text
        assert "Mia’s phone" in pages[0].text
        assert pages[0].text.count("<iframe") == 2  # what Sam sent is shown apart
        assert "This picture is hidden" in pages[3].text
        assert "school trip" not in pages[3].text
        invitations = re.findall(r"http://localhost:\d+/invitation/\S+", text)
        assert len(set(invitations)) == 4
        async with httpx.AsyncClient(trust_env=False) as http:
            welcomes = [await http.get(link) for link in invitations]
        assert [page.status_code for page in welcomes] == [200] * 4
        folder = re.search(r"pictures to send, some of them listed:\s+(\S+)", text)
        assert folder is not None
        pictures = Path(folder[1])
        assert len(list(pictures.glob("*.jpg"))) >= 5
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0
    await gone(tmp_path)


async def test_a_step_that_does_not_hold_is_an_exit_code(tmp_path: Path):
    """With a guard that lets everything through, the fourth step must not hold."""
    (tmp_path / "sitecustomize.py").write_text(
        "import tutela.device.guard as g\n"
        "from tutela.device.verdict import *\n"
        "from tutela.wire.manifest import Action\n"
        "async def blind(self, picture, direction):\n"
        "    return Verdict(Outcome.ALLOW, Action.ALLOW, direction, Reason.NOT_LISTED)\n"
        "g.Guard._verdict = blind\n"
    )
    (tmp_path / "tmp").mkdir()
    async with started(tmp_path / "tmp", "--json", PYTHONPATH=str(tmp_path)) as process:
        out, _ = await asyncio.wait_for(process.communicate(), 240)
    lines = [json.loads(line) for line in out.splitlines()]
    steps = [line for line in lines if line["kind"] == "step"]
    assert [line["kind"] for line in lines] == ["ready", "step", "step", "step", "step", "end"]
    assert lines[-1]["held"] is False
    assert [step["name"] for step in steps] == [step.name for step in STEPS][:4]
    assert process.returncode == 1
    assert [step["held"] for step in steps] == [True, True, True, False]
