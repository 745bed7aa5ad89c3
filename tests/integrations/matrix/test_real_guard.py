"""The whole way: two guarded clients, a real homeserver, a real provider, and Guard between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.epochs import MadeEpoch
from harness.pictures import LISTED, ORDINARY, epoch_of
from harness.provider import make_settings
from harness.synapse import make_person
from tutela.device.verdict import Outcome
from tutela.integrations.matrix.client import GuardedClient, Held, Sent
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.integrations.matrix.timeline import PictureMessage
from tutela.provider.access import AccessRecord
from tutela.provider.server import running
from tutela.provider.service import Provider
from tutela.wire.manifest import Action

pytestmark = pytest.mark.slow


@dataclass
class Service:
    url: str
    epoch: MadeEpoch
    records: list[AccessRecord]


@pytest.fixture
async def service(tmp_path: Path, homeserver: Homeserver) -> AsyncIterator[Service]:
    epoch = epoch_of(LISTED)
    settings = make_settings(tmp_path, epoch, homeservers={homeserver.server_name: homeserver.url})
    provider = Provider.open(settings)
    provider.publish(epoch.envelope, epoch.segments)
    provider.close()
    records: list[AccessRecord] = []
    async with running(settings, sink=records.append) as url:
        yield Service(url, epoch, records)


async def _enter(homeserver: Homeserver, service: Service, name: str, folder: Path) -> GuardedClient:
    person = await make_person(homeserver, name)
    return await GuardedClient.login(
        homeserver.url,
        person.name,
        person.password,
        profile=folder / person.name,
        key=bytes(32),
        guard_provider=service.url,
        trust_root=service.epoch.trust_root,
    )


async def test_guard_signs_in_through_the_client_and_stops_what_is_listed(
    homeserver: Homeserver, service: Service, tmp_path: Path
):
    async with (
        await _enter(homeserver, service, "mia", tmp_path) as mia,
        await _enter(homeserver, service, "leo", tmp_path) as leo,
    ):
        room = await mia.create_encrypted_room(invite=[leo.user_id])
        await leo.join(room)
        await mia.sync_once()
        held = await mia.send_picture(room, LISTED, "astronaut.jpg")
        assert isinstance(held, Held)
        assert isinstance(await mia.send_picture(room, LISTED, "astronaut.jpg", confirmed=held.verdict), Held)
        assert (held.verdict.outcome, held.verdict.action) == (Outcome.STOP, Action.STOP)
        mia.choose_picture(ORDINARY)
        sent = await mia.send_picture(room, ORDINARY, "coffee.jpg")
        assert isinstance(sent, Sent)
        assert sent.verdict.outcome is Outcome.ALLOW
        await leo.sync_once()
        picture = await anext(aiter(leo.events))
        assert isinstance(picture, PictureMessage)
        assert (picture.data, picture.verdict.outcome) == (ORDINARY, Outcome.ALLOW)
        accounts = {record.account for record in service.records if record.account}
        assert accounts == {mia.user_id, leo.user_id}
