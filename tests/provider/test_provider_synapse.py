"""Signing in with tokens of a real homeserver (Synapse)."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from harness.epochs import MadeEpoch
from harness.provider import make_settings, random_request, small_epoch
from harness.synapse import Person
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.provider.access import AccessRecord
from tutela.provider.server import running
from tutela.provider.service import Provider
from tutela.wire import document
from tutela.wire.check import response_bytes
from tutela.wire.session import SignIn

pytestmark = pytest.mark.slow


@dataclass
class Service:
    """A running provider beside a running homeserver."""

    http: httpx.AsyncClient
    homeserver: Homeserver
    epoch: MadeEpoch
    records: list[AccessRecord]

    async def sign_in(self, token: str, server: str | None = None) -> httpx.Response:
        request = SignIn(matrix_server_name=server or self.homeserver.server_name, access_token=token)
        headers = {"content-type": "application/json"}
        return await self.http.post("/v1/session", content=document.encode(request), headers=headers)


@pytest.fixture
async def service(tmp_path: Path, homeserver: Homeserver) -> AsyncIterator[Service]:
    epoch = small_epoch()
    settings = make_settings(tmp_path, epoch, homeservers={homeserver.server_name: homeserver.url})
    provider = Provider.open(settings)
    provider.publish(epoch.envelope, epoch.segments)
    provider.close()
    records: list[AccessRecord] = []
    async with running(settings, sink=records.append) as url, httpx.AsyncClient(base_url=url) as http:
        yield Service(http, homeserver, epoch, records)


async def openid_token(homeserver: Homeserver, person: Person) -> str:
    """Ask the homeserver for a token with which others can verify who this is."""
    async with httpx.AsyncClient(base_url=homeserver.url) as http:
        login = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": person.name},
            "password": person.password,
        }
        session = (await http.post("/_matrix/client/v3/login", json=login)).raise_for_status().json()
        path = f"/_matrix/client/v3/user/{quote(person.user_id, safe='')}/openid/request_token"
        headers = {"authorization": f"Bearer {session['access_token']}"}
        token = (await http.post(path, json={}, headers=headers)).raise_for_status().json()
        assert token["matrix_server_name"] == homeserver.server_name
        return str(token["access_token"])


MakePerson = Callable[[str], Awaitable[Person]]


async def test_a_token_of_the_homeserver_serves_once(service: Service, person: MakePerson):
    mia = await person("mia")
    token = await openid_token(service.homeserver, mia)
    answer = await service.sign_in(token)
    assert answer.status_code == 200, answer.text
    assert answer.json()["account"] == mia.user_id
    headers = {
        "authorization": f"Bearer {answer.json()['session']}",
        "content-type": "application/octet-stream",
    }
    path = f"/v1/keys/{service.epoch.manifest.keys[0].id}/evaluate"
    checked = await service.http.post(path, content=random_request(), headers=headers)
    assert (checked.status_code, len(checked.content)) == (200, response_bytes(8))
    again = await service.sign_in(token)
    assert (again.status_code, again.json()["code"]) == (403, "token-replayed")
    # A record is written when its answer has gone out, so that the last one may still be on its way.
    assert [record.account for record in service.records][:2] == [mia.user_id, mia.user_id]


async def test_forged(service: Service):
    answer = await service.sign_in("a-token-that-nobody-gave")
    assert (answer.status_code, answer.json()["code"]) == (403, "token-unknown")


async def test_expired(service: Service, person: MakePerson):
    token = await openid_token(service.homeserver, await person("noa"))
    with sqlite3.connect(service.homeserver.database, timeout=30) as database:
        # An hour passes for this token.
        changed = database.execute(
            "UPDATE open_id_tokens SET ts_valid_until_ms = ts_valid_until_ms - 3600000 WHERE token = ?", (token,)
        )
        assert changed.rowcount == 1
    database.close()
    answer = await service.sign_in(token)
    assert (answer.status_code, answer.json()["code"]) == (403, "token-unknown")


async def test_under_another_homeservers_name(service: Service, person: MakePerson):
    token = await openid_token(service.homeserver, await person("lea"))
    answer = await service.sign_in(token, server="elsewhere.example")
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign-homeserver")
    assert (await service.sign_in(token)).status_code == 200, "the token was not used up"


async def test_two_people_are_two_accounts(service: Service, person: MakePerson):
    accounts = set()
    for name in ("ida", "ole"):
        answer = await service.sign_in(await openid_token(service.homeserver, await person(name)))
        accounts.add(answer.json()["account"])
    assert len(accounts) == 2
