"""`examples/guard.py` as somebody runs it who wants to see the SDK work."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from harness.client_api import ACCESS_TOKEN, client_api
from harness.pictures import ATTESTED, LISTED, ORDINARY, epoch_of
from harness.provider import Stage, make_settings, staged
from harness.synapse import Person
from tutela.extras import install
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.provider.server import running
from tutela.provider.service import Provider
from tutela.signals.image import pdq_of_list_item
from tutela.wire import document

EXAMPLE = Path(__file__).parents[2] / "examples/guard.py"


@dataclass
class Program:
    folder: Path
    provider: str
    homeserver: str

    async def run(self, picture: bytes | None, *more: str, typed: str = "") -> tuple[int, str]:
        process = await self.start(picture, *more)
        said, _ = await process.communicate(typed.encode())
        assert process.returncode is not None
        return process.returncode, said.decode()

    async def start(self, picture: bytes | None, *more: str) -> asyncio.subprocess.Process:
        if picture is not None:
            (self.folder / "photo.jpg").write_bytes(picture)
        return await asyncio.create_subprocess_exec(
            sys.executable, str(EXAMPLE), "photo.jpg", "--provider", self.provider, "--trust-root", "root.json",
            "--homeserver", self.homeserver, "--token-file", "token", "--profile", "mia", *more,
            cwd=self.folder, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip


@asynccontextmanager
async def program_of(stage: Stage, folder: Path, homeserver: str, token: str) -> AsyncIterator[Program]:
    (folder / "root.json").write_bytes(document.encode(stage.epoch.trust_root))
    (folder / "token").write_text(token + "\n")
    async with running(stage.settings, transport=stage.homeserver) as url:
        yield Program(folder, url, homeserver)


@pytest.fixture
async def program(tmp_path: Path) -> AsyncIterator[Program]:
    (tmp_path / "provider").mkdir()
    epoch = epoch_of(LISTED, attested=[pdq_of_list_item(ATTESTED).hex])
    async with staged(tmp_path / "provider", epoch) as stage:
        with client_api(stage.homeserver) as homeserver:
            async with program_of(stage, tmp_path, homeserver, ACCESS_TOKEN) as made:
                yield made


async def test_an_ordinary_picture_is_sent_without_what_trails_behind_it(program: Program):
    assert await program.run(ORDINARY + b"trailing") == (0, f"Now encrypt and send {len(ORDINARY):,} bytes.\n")
    assert (program.folder / "mia.key").stat().st_mode & 0o777 == 0o600


async def test_a_listed_picture_is_not_sent_and_the_user_reads_why(program: Program):
    code, said = await program.run(LISTED, "--language", "fr")
    assert code == 1
    assert said.startswith("Cette photo n’a pas été envoyée\n")
    assert "Now encrypt" not in said


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
async def test_a_picture_to_warn_of_is_sent_if_the_user_says_so(program: Program, typed: str, code: int):
    ended, said = await program.run(ATTESTED, typed=typed)
    assert ended == code
    assert said.startswith("Do you want to send this picture?\n")
    assert ("Now encrypt" in said) == (code == 0)


async def test_what_was_not_checked_is_told_to_the_log(program: Program):
    (program.folder / "token").write_text("somebody-elses")
    code, said = await program.run(ORDINARY, typed="n\n")
    assert code == 1
    assert "unreachable: signing in failed" in said
    assert "401 M_UNKNOWN_TOKEN" in said


async def test_nobody_there_to_answer_is_a_no(program: Program):
    code, said = await program.run(ATTESTED, typed="")
    assert code == 1
    assert "Traceback" not in said
    assert "Now encrypt" not in said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--token-file", "nowhere"], "nowhere: No such file or directory"),
        (["--trust-root", "nowhere"], "the trust root nowhere cannot be read"),
        (["--profile", "token"], "the profile token cannot be made"),
    ],
)
async def test_what_is_not_there_is_one_sentence(program: Program, more: list[str], said: str):
    code, told = await program.run(ORDINARY, *more)
    assert code == 1
    assert said in told
    assert "Traceback" not in told


async def test_a_picture_that_is_not_there(program: Program):
    assert await program.run(None) == (1, "photo.jpg: No such file or directory\n")


async def test_the_current_folder_can_be_the_profile(program: Program):
    code, said = await program.run(ORDINARY, "--profile", ".", "--trust-root", "root.json")
    assert (code, "Now encrypt" in said) == (0, True), said
    assert program.folder.with_name(f"{program.folder.name}.key").stat().st_size == 32


async def test_ctrl_c_is_no_traceback(program: Program):
    process = await program.start(ATTESTED)
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(60):
        while b"[y/N]" not in said:
            said += await process.stdout.read(100)
        ending = asyncio.create_task(process.communicate())
        while not ending.done():  # what comes between the question and the waiting for an answer is pressed again
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            await asyncio.wait([ending], timeout=5)
        rest, _ = await ending
    assert process.returncode == 130
    assert b"Traceback" not in rest


def test_without_its_packages_it_says_how_to_install_them(tmp_path: Path):
    (tmp_path / "httpx.py").write_text("raise ModuleNotFoundError(\"No module named 'httpx'\", name='httpx')\n")
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), "--help"], env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "No module named 'httpx'\n" + install("device") + "\n"


async def test_a_wrong_address_is_one_sentence(program: Program):
    program.provider = "http://provider.example"
    code, said = await program.run(ORDINARY)
    assert code == 1
    assert "not encrypted" in said
    assert "Traceback" not in said


@pytest.mark.slow
async def test_with_a_real_homeserver(
    tmp_path: Path, homeserver: Homeserver, person: Callable[[str], Awaitable[Person]]
):
    mia = await person("mia")
    login = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": mia.user_id},
        "password": mia.password,
    }
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{homeserver.url}/_matrix/client/v3/login", json=login)
    epoch = epoch_of(LISTED)
    settings = make_settings(tmp_path, epoch, homeservers={homeserver.server_name: homeserver.url})
    provider = Provider.open(settings)
    provider.publish(epoch.envelope, epoch.segments)
    provider.close()
    (tmp_path / "root.json").write_bytes(document.encode(epoch.trust_root))
    (tmp_path / "token").write_text(answer.json()["access_token"])
    async with running(settings) as url:
        program = Program(tmp_path, url, homeserver.url)
        assert (await program.run(ORDINARY))[0] == 0
        code, said = await program.run(LISTED)
        assert code == 1
        assert said.startswith("This picture was not sent\n")
