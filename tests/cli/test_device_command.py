"""`tutela device check`, against a provider and the part of a homeserver that vouches for its user."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.client_api import ACCESS_TOKEN, client_api
from harness.pictures import ATTESTED, LISTED, ORDINARY, epoch_of
from harness.provider import Stage, staged
from tutela.cli.main import main
from tutela.provider.server import running
from tutela.signals.image import pdq_of_list_item
from tutela.wire import document


@dataclass
class Installation:
    """A provider and a homeserver, and what somebody types to see whether they work."""

    stage: Stage
    folder: Path
    provider: str
    homeserver: str

    async def check(self, picture: bytes, *more: str, token: str | None = ACCESS_TOKEN, **options: str) -> Result:
        file = self.folder / "photo.jpg"
        file.write_bytes(picture)
        arguments = {
            "provider": self.provider,
            "homeserver": self.homeserver,
            "trust-root": str(self.folder / "root.json"),
        } | options
        typed = ["device", "check", str(file), *more, *(f"--{name}={value}" for name, value in arguments.items())]
        environment = {"TUTELA_ACCESS_TOKEN": token}
        # In a thread, because the command has an event loop of its own.
        return await asyncio.to_thread(CliRunner(env=environment).invoke, main, typed)


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    (tmp_path / "provider").mkdir()
    epoch = epoch_of(LISTED, attested=[pdq_of_list_item(ATTESTED).hex])
    async with staged(tmp_path / "provider", epoch) as stage:
        (tmp_path / "root.json").write_bytes(document.encode(epoch.trust_root))
        with client_api(stage.homeserver) as homeserver:
            async with running(stage.settings, transport=stage.homeserver) as provider:
                yield Installation(stage, tmp_path, provider, homeserver)


@pytest.mark.parametrize(
    ("picture", "code", "outcome"),
    [
        (ORDINARY, 0, "outcome: allow (not-listed)"),
        (ATTESTED, 3, "outcome: warn (listed, attested)"),
        (LISTED, 4, "outcome: stop (listed, agreed)"),
        (b"no picture", 5, "outcome: unchecked (unreadable)"),
    ],
)
async def test_each_outcome_has_its_exit_code_and_its_words(
    installation: Installation, picture: bytes, code: int, outcome: str
):
    result = await installation.check(picture)
    assert result.exit_code == code, result.output
    assert result.output.splitlines()[0] == outcome
    assert "epoch:   1 of provider.example, made 2026-01-05T06:00:00Z" in result.output
    assert ("words:" in result.output) == (code != 0)


async def test_in_json_and_in_french_and_as_received(installation: Installation):
    result = await installation.check(LISTED, "--json", "--received", language="fr")
    facts = json.loads(result.output)
    assert result.exit_code == 4
    assert (facts["outcome"], facts["direction"], facts["epoch"]) == ("stop", "incoming", 1)
    assert facts["title"] == "Cette photo est cachée"


async def test_nothing_is_kept_unless_in_a_profile(installation: Installation):
    await installation.check(ORDINARY)
    assert {path.name for path in installation.folder.iterdir()} == {"provider", "root.json", "photo.jpg"}
    (installation.folder / "key").write_bytes(bytes(32))
    profile = {"profile": str(installation.folder / "device"), "key": str(installation.folder / "key")}
    assert (await installation.check(ORDINARY, **profile)).exit_code == 0
    assert (installation.folder / "device" / "epoch.sealed").is_file()
    # With an epoch in hand, a provider that is away is no error but an unchecked picture, as in a client.
    result = await installation.check(ORDINARY, **profile, provider="http://127.0.0.1:9")
    assert result.exit_code == 5
    assert "outcome: unchecked (unreachable)" in result.output
    assert "no newer one: the provider did not answer" in result.output


async def test_the_token_comes_from_a_file_or_standard_input_or_the_environment(installation: Installation):
    (installation.folder / "token").write_text(ACCESS_TOKEN + "\n")
    given = {"token-file": str(installation.folder / "token")}
    assert (await installation.check(ORDINARY, token=None, **given)).exit_code == 0
    typed = ["device", "check", str(installation.folder / "photo.jpg"), "--provider", installation.provider]
    typed += ["--homeserver", installation.homeserver, "--trust-root", str(installation.folder / "root.json")]
    piped = await asyncio.to_thread(
        lambda: CliRunner().invoke(main, [*typed, "--token-file", "-"], input=f"{ACCESS_TOKEN}\n")
    )
    assert piped.exit_code == 0, piped.output
    assert "--token-file" in (missing := await installation.check(ORDINARY, token=None)).output
    assert missing.exit_code == 2


async def test_a_token_that_does_not_count_leaves_the_picture_unchecked_and_says_why(installation: Installation):
    result = await installation.check(ORDINARY, token="somebody-elses")
    assert result.exit_code == 5
    assert "outcome: unchecked (unreachable)" in result.output
    assert "401 M_UNKNOWN_TOKEN" in result.output
    assert "Log in for another access token." in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"provider": "http://127.0.0.1:9"}, "the provider did not answer"),
        ({"provider": "http://provider.example"}, "not encrypted"),
        ({"homeserver": "http://home.example"}, "not encrypted"),
        ({"token-file": "nowhere"}, "nowhere cannot be read"),
        ({"trust-root": "nowhere"}, "trust root nowhere cannot be read"),
    ],
)
async def test_what_cannot_be_asked_is_an_error(installation: Installation, options: dict[str, str], said: str):
    result = await installation.check(ORDINARY, **options)
    assert (result.exit_code, result.output.startswith("Error: ")) == (1, True)
    assert said in result.output
    assert ACCESS_TOKEN not in result.output


async def test_what_is_no_file_is_an_error(installation: Installation):
    typed = ["--provider", installation.provider, "--homeserver", installation.homeserver]
    typed += ["--trust-root", str(installation.folder / "root.json")]
    runner = CliRunner(env={"TUTELA_ACCESS_TOKEN": ACCESS_TOKEN})
    result = runner.invoke(main, ["device", "check", str(installation.folder), *typed])
    assert result.exit_code == 1
    assert "cannot be read: Is a directory" in result.output


async def test_a_profile_without_its_key_is_wrong_usage(installation: Installation):
    assert (await installation.check(ORDINARY, profile="device")).exit_code == 2
