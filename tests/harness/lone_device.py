"""One device, without a homeserver: what a test says is what comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from harness.matrix import TableGuard
from tutela.device.profile import Profile
from tutela.integrations.matrix.api import MatrixApi
from tutela.integrations.matrix.key_store import KeyStore
from tutela.integrations.matrix.machine import Machine
from tutela.integrations.matrix.own_device import OwnDevice
from tutela.integrations.matrix.receiving import Receiver
from tutela.integrations.matrix.rooms import MEGOLM
from tutela.integrations.matrix.timeline import Notice, NoticeKind, TimelineEvent

MIA, LEO, ZOE, EVE = (f"@{name}:example.org" for name in ("mia", "leo", "zoe", "eve"))
ENCRYPTION: Mapping[str, Any] = {
    "type": "m.room.encryption",
    "state_key": "",
    "sender": LEO,
    "event_id": "$encryption",
    "content": {"algorithm": MEGOLM},
}


class LoneDevice:
    """Mia's. `answers` says what the homeserver answers to the end of a path; to all else it says `{}`."""

    def __init__(self, folder: Path, profile: Profile) -> None:
        self.answers: dict[str, Any] = {}
        api = MatrixApi("https://matrix.example", transport=httpx.MockTransport(self.answer))
        self.machine = Machine(MIA, "PHONE", folder, "passphrase")
        self.device = OwnDevice(api, self.machine, KeyStore(profile))
        self.receiver = Receiver(self.device, TableGuard(), media_limit=100)

    def answer(self, request: httpx.Request) -> httpx.Response:
        for end, answer in self.answers.items():
            if request.url.path.endswith(end):
                found = answer(request) if callable(answer) else answer
                return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)
        return httpx.Response(200, json={})

    async def take(self, body: Mapping[str, Any], since: str | None = "s1") -> list[TimelineEvent]:
        return [event async for event in self.receiver.take(body, since)]

    def restart(self) -> None:
        """What a device knows after a new start, before its first sync."""
        self.device = OwnDevice(self.device.api, self.machine, self.device.store)
        self.receiver = Receiver(self.device, TableGuard(), media_limit=100)


@asynccontextmanager
async def lone_device(folder: Path) -> AsyncIterator[LoneDevice]:
    """A device that is closed at the end."""
    with Profile(folder, b"k" * 32) as profile:
        lone = LoneDevice(folder, profile)
        try:
            yield lone
        finally:
            lone.machine.close()
            await lone.device.api.close()


def member(user_id: str, membership: str = "join", number: int = 1) -> dict[str, Any]:
    return {
        "type": "m.room.member",
        "state_key": user_id,
        "sender": user_id,
        "event_id": f"${user_id}{membership}{number}",
        "content": {"membership": membership},
    }


def sync(room_id: str, *events: Mapping[str, Any], state: tuple[Any, ...] = (), **timeline: Any) -> dict[str, Any]:
    """A sync answer with one joined room."""
    joined = {"state": {"events": list(state)}, "timeline": {"events": list(events), **timeline}}
    return {"rooms": {"join": {room_id: joined}}}


def asked(events: list[TimelineEvent]) -> list[str]:
    """The people about whom the user is asked."""
    return [e.sender for e in events if isinstance(e, Notice) and e.kind is NoticeKind.SOMEBODY_JOINED]
