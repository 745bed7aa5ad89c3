"""The ten lines of the SDK in README, run as they are written, against a provider."""

from __future__ import annotations

import re
import textwrap
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from harness.pictures import ATTESTED, LISTED, ORDINARY, POLICY, epoch_of
from harness.provider import SERVER, Stage, staged
from tutela.provider.server import running
from tutela.signals.image import pdq_of_list_item
from tutela.wire.manifest import Action, Actions
from tutela.wire.session import SignIn

README = Path(__file__).parents[2] / "README.md"
(SNIPPET,) = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
ADDRESS = "https://tutela.example.org"


@dataclass
class Client:
    """What the snippet takes for granted: its user, its messenger, its key store."""

    stage: Stage
    folder: Path
    provider: str
    user_agrees: bool = True
    shown: list[tuple[str, bool]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)

    async def show(self, title: str, text: str, *, ask: bool) -> bool:
        assert title
        assert text
        self.shown.append((title, ask))
        return ask and self.user_agrees

    async def send(self, picture: bytes) -> None:
        self.sent.append(picture)

    async def openid_token(self) -> SignIn:
        token = f"token-{len(self.stage.homeserver.tokens)}"
        self.stage.homeserver.tokens[token] = f"@mia:{SERVER}"
        return SignIn(matrix_server_name=SERVER, access_token=token)

    async def run(self, picture: bytes) -> None:
        given = {
            "profile_folder": self.folder,
            "profile_key": bytes(32),
            "trust_root": self.stage.epoch.trust_root,
            "openid_token": self.openid_token,
            "picture": picture,
            "show": self.show,
            "send": self.send,
        }
        assert ADDRESS in SNIPPET
        body = SNIPPET.replace(ADDRESS, self.provider)
        exec(f"async def client():\n{textwrap.indent(body, '    ')}", given)  # the page is the program
        await given["client"]()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    (tmp_path / "provider").mkdir()
    policy = msgspec.structs.replace(POLICY, unchecked=Actions(outgoing=Action.STOP, incoming=Action.STOP))
    epoch = epoch_of(LISTED, attested=[pdq_of_list_item(ATTESTED).hex], policy=policy)
    async with (
        staged(tmp_path / "provider", epoch) as stage,
        running(stage.settings, transport=stage.homeserver) as url,
    ):
        yield Client(stage, tmp_path / "device", url)


def test_there_are_ten_lines():
    assert sum(bool(line) for line in SNIPPET.splitlines()) == 10


async def test_what_passes_is_sent_and_what_is_listed_is_not(client: Client):
    await client.run(ORDINARY)
    assert (client.sent, client.shown) == ([ORDINARY], [])
    await client.run(LISTED)
    assert client.sent == [ORDINARY]
    assert client.shown == [("Cette photo n’a pas été envoyée", False)]


@pytest.mark.parametrize("agrees", [True, False])
async def test_the_user_is_asked_where_the_policy_warns(client: Client, agrees: bool):
    client.user_agrees = agrees
    await client.run(ATTESTED)
    assert client.sent == ([ATTESTED] if agrees else [])
    assert client.shown == [("Veux-tu envoyer cette photo\u00a0?", True)]


async def test_what_could_not_be_checked_is_not_sent_where_the_policy_stops_it(client: Client):
    await client.run(ORDINARY)
    client.provider = "http://127.0.0.1:9"
    await client.run(ORDINARY)
    assert client.sent == [ORDINARY]
    assert [ask for _, ask in client.shown] == [False]
