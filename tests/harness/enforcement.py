"""A service account on the real homeserver, and people with ordinary clients there, over plain HTTP."""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from harness.synapse import Person, make_person
from tutela.integrations.matrix.admin_api import AdminApi
from tutela.integrations.matrix.enforcement import SynapseEnforcer
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.integrations.matrix.notices import ACTION_FIELD
from tutela.provider.review.acting import PendingAction
from tutela.provider.review.outbox import action_id

SECRET = bytes(range(32))
_numbers = itertools.count(1)


class PlainClient:
    """One person's session."""

    def __init__(self, homeserver: Homeserver, person: Person) -> None:
        self.person = person
        self.user_id = person.user_id
        self.http = httpx.AsyncClient(base_url=homeserver.url, trust_env=False, timeout=30)

    async def log_in(self) -> str:
        """Begin a new session, and return its token."""
        identifier = {"type": "m.id.user", "user": self.user_id}
        body = {"type": "m.login.password", "identifier": identifier, "password": self.person.password}
        answer = (await self.http.post("/_matrix/client/v3/login", json=body)).raise_for_status()
        token = str(answer.json()["access_token"])
        self.http.headers["authorization"] = f"Bearer {token}"
        return token

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.http.request(method, f"/_matrix/client/v3/{path}", **options)

    async def rooms(self) -> list[str]:
        return list((await self.ask("GET", "joined_rooms")).raise_for_status().json()["joined_rooms"])

    async def notices(self) -> list[dict[str, Any]]:
        """What this person reads of decisions, oldest first: every such message, in all rooms."""
        # Synapse answers the same first sync from its cache for two minutes: so it is never the same.
        limit = {"room": {"timeline": {"limit": 50 + next(_numbers)}}}
        sync = (await self.ask("GET", "sync", params={"filter": json.dumps(limit)})).raise_for_status().json()
        rooms = sync.get("rooms", {}).get("join", {}).values()
        events = [event for room in rooms for event in room["timeline"]["events"]]
        return [event for event in events if ACTION_FIELD in event.get("content", {})]

    async def texts(self) -> list[str]:
        return [event["content"]["body"] for event in await self.notices()]


@dataclass
class Service:
    """The service account, and an enforcer with its token."""

    client: PlainClient
    homeserver: Homeserver
    api: AdminApi
    enforcer: SynapseEnforcer
    token: str
    others: list[AdminApi] = field(default_factory=list)

    @classmethod
    async def open(cls, homeserver: Homeserver, *, admin: bool = True) -> Service:
        name = f"safety{next(_numbers)}"
        person = Person(name, await homeserver.register(name, "its password", admin=admin), "its password")
        client = PlainClient(homeserver, person)
        token = await client.log_in()
        api = AdminApi(homeserver.url, lambda: token)
        return cls(client, homeserver, api, SynapseEnforcer(api, homeserver.server_name, SECRET), token)

    async def user(self, name: str) -> PlainClient:
        client = PlainClient(self.homeserver, await make_person(self.homeserver, name))
        await client.log_in()
        return client

    async def record(self, user_id: str) -> dict[str, Any]:
        """What the homeserver has noted of an account."""
        return await self.api.request("GET", f"/_synapse/admin/v2/users/{quote(user_id, safe='')}")

    async def perform(self, kind: str, target: str, text: str = "", action: str = "") -> None:
        await self.enforcer.perform(PendingAction(action or new_id(), kind, target, text))

    def over(self, transport: httpx.AsyncBaseTransport, token: str = "") -> SynapseEnforcer:
        """Another enforcer of the same account, by another way or with another token."""
        api = AdminApi(self.homeserver.url, lambda: token or self.token, transport=transport)
        self.others.append(api)
        return SynapseEnforcer(api, self.homeserver.server_name, SECRET)

    async def close(self) -> None:
        await asyncio.gather(self.client.http.aclose(), *(api.close() for api in (self.api, *self.others)))


def new_id() -> str:
    return action_id(f"decision {next(_numbers)}", 0)
