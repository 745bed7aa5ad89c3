"""Guarded clients on a real homeserver, with a guard and a network that do as they are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import httpx

from harness.synapse import Person, make_person
from tutela.device.verdict import Direction, Outcome, Reason, Verdict
from tutela.integrations.matrix.client import GuardedClient
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.integrations.matrix.timeline import TimelineEvent
from tutela.wire.manifest import Action

T = TypeVar("T", bound=TimelineEvent)
#: Changes the answer to a request, or lets it be by returning `None`.
Meddler = Callable[[str, dict[str, Any]], dict[str, Any] | httpx.Response | None]


class TableGuard:
    """A guard in memory: what it was told about a picture is the verdict, and it remembers what it was asked."""

    def __init__(self) -> None:
        self.outgoing = self.incoming = (Outcome.ALLOW, Action.ALLOW)
        self.asked: list[tuple[Direction, str]] = []
        self.chosen: list[str] = []
        self.closed = False

    def choose(self, picture: bytes) -> None:
        self.chosen.append(digest(picture))

    async def check_outgoing(self, picture: bytes) -> Verdict:
        return self._verdict(Direction.OUTGOING, picture, *self.outgoing)

    async def check_incoming(self, picture: bytes) -> Verdict:
        return self._verdict(Direction.INCOMING, picture, *self.incoming)

    async def close(self) -> None:
        self.closed = True

    def _verdict(self, direction: Direction, picture: bytes, outcome: Outcome, action: Action) -> Verdict:
        self.asked.append((direction, digest(picture)))
        reasons = {Outcome.ALLOW: Reason.NOT_LISTED, Outcome.UNCHECKED: Reason.UNREACHABLE}
        return Verdict(outcome, action, direction, reasons.get(outcome, Reason.LISTED))


class Network(httpx.AsyncHTTPTransport):
    """The way to the homeserver: notes every request, and lets a test play a homeserver that lies or fails."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[str, str]] = []
        self.meddle: Meddler = lambda path, answer: None
        self.down = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.requests.append((request.method, path))
        if self.down:
            raise httpx.ConnectError("down", request=request)
        answer = await super().handle_async_request(request)
        if answer.headers.get("content-type") != "application/json":
            return answer
        await answer.aread()
        changed = self.meddle(path, json.loads(answer.content))
        await answer.aclose()
        if isinstance(changed, httpx.Response):
            return changed
        content = answer.content if changed is None else json.dumps(changed).encode()
        return httpx.Response(answer.status_code, content=content, headers={"content-type": "application/json"})

    def paths(self, part: str) -> list[str]:
        """The requested paths that contain `part`."""
        return [path for _, path in self.requests if part in path]


@dataclass
class Partner:
    """A person with a guarded client."""

    person: Person
    client: GuardedClient
    guard: TableGuard
    network: Network
    profile: Path
    seen: list[TimelineEvent] = field(default_factory=list)

    @property
    def user_id(self) -> str:
        return self.client.user_id

    async def sync(self, seconds: float = 0.0) -> list[TimelineEvent]:
        """Synchronise once, and return what came of it."""
        await self.client.sync_once(seconds=seconds)
        return self.drain()

    def drain(self) -> list[TimelineEvent]:
        """Return the events that wait."""
        queue, new = self.client._events, []
        while not queue.empty():
            new.append(queue.get_nowait())
        self.seen += new
        return new

    async def until(self, kind: type[T], holds: Callable[[T], bool] = lambda event: True) -> T:
        """Synchronise until such an event is there."""
        async with asyncio.timeout(30):
            while True:
                for event in await self.sync(seconds=1.0):
                    if isinstance(event, kind) and holds(event):
                        return event

    async def recipients(self, room_id: str) -> set[tuple[str, str]]:
        """Send a text and return the devices to which its key goes."""
        gone: set[tuple[str, str]] = set()
        machine = self.client._device.machine
        original = machine.room_key_messages

        def noted(room_id: str, devices: Any) -> Any:
            messages = original(room_id, devices)
            gone.update((user, device) for user, contents in messages.items() for device in contents)
            return messages

        machine.room_key_messages = noted  # type: ignore[method-assign]
        await self.client.send_text(room_id, "who reads this?")
        machine.room_key_messages = original  # type: ignore[method-assign]
        return gone

    async def send_raw(self, room_id: str, content: dict[str, Any], kind: str = "m.room.message") -> str:
        """Encrypt and send whatever a test wants."""
        return await self.client._device.send(room_id, kind, content, f"raw-{len(self.network.requests)}")

    async def send_unfranked(
        self, room_id: str, content: dict[str, Any], kind: str = "m.room.message", **beside: Any
    ) -> str:
        """Encrypt and send as a client that does not commit, or commits falsely, in fields beside the ciphertext."""
        machine = self.client._device.machine

        def encrypt(room_id: str, kind: str, content: Any) -> dict[str, Any]:
            return {**machine._olm.group_encrypt(room_id, {"type": kind, "content": dict(content)}), **beside}

        machine.encrypt = encrypt  # type: ignore[method-assign]
        try:
            return await self.send_raw(room_id, content, kind)
        finally:
            del machine.encrypt


class Unvouched(GuardedClient):
    """A client for whose device no identity vouches, as matrix-nio alone would be: for the counter-tests."""

    @staticmethod
    async def _establish(device: Any, **_: Any) -> None:
        await device.upload_keys()


class Company:
    """Makes people on a homeserver and signs them in."""

    def __init__(self, homeserver: Homeserver, folder: Path, stack: AsyncExitStack) -> None:
        self.homeserver = homeserver
        self._folder = folder
        self._stack = stack

    async def person(self, name: str) -> Person:
        return await make_person(self.homeserver, name)

    async def enter(
        self,
        who: str | Person,
        *,
        profile: str | None = None,
        kind: type[GuardedClient] = GuardedClient,
        network: Network | None = None,
        **options: Any,
    ) -> Partner:
        """Sign a person in, with a profile of their own unless one is named."""
        person = await self.person(who) if isinstance(who, str) else who
        guard, network = TableGuard(), network or Network()
        folder = self._folder / (profile or person.name)
        options = {"password": person.password, "key": sha256(folder.name.encode()).digest()} | options
        client = await kind.login(
            self.homeserver.url, person.user_id, profile=folder, guard=guard, transport=network, **options
        )
        self._stack.push_async_callback(client.close)
        return Partner(person, client, guard, network, folder)

    async def room(self, host: Partner, *guests: Partner) -> str:
        """An encrypted room in which all of them are, and know it."""
        room_id = await host.client.create_encrypted_room(invite=[guest.user_id for guest in guests])
        for guest in guests:
            await guest.client.join(room_id)
        for partner in (host, *guests):
            await partner.sync()
        return room_id


@asynccontextmanager
async def open_company(homeserver: Homeserver, folder: Path) -> AsyncIterator[Company]:
    """People who are signed out at the end."""
    async with AsyncExitStack() as stack:
        yield Company(homeserver, folder, stack)


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()
