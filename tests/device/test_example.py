"""`examples/guard.py` as somebody runs it who wants to see the SDK work."""

from __future__ import annotations

import asyncio
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

    async def run(self, picture: bytes, *more: str, typed: str = "") -> tuple[int, str]:
        (self.folder / "photo.jpg").write_bytes(picture)
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(EXAMPLE), "photo.jpg", "--provider", self.provider, "--trust-root", "root.json",
            "--homeserver", self.homeserver, "--token-file", "token", "--profile", "mia", *more,
            cwd=self.folder, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate(typed.encode())
        assert process.returncode is not None
        return process.returncode, said.decode()


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
