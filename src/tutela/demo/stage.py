"""The stage: a homeserver, a provider, two list authorities and three people, on this machine, in one folder."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from starlette.types import ASGIApp

from tutela.chat.observer import Observations
from tutela.demo import pictures
from tutela.demo.lists import DemoList
from tutela.demo.watching import HomeserverWatch, provider_observation
from tutela.device import Direction, Guard, Outcome, Reason, Verdict
from tutela.integrations.matrix.client import GuardedClient
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.integrations.matrix.timeline import Invitation, TimelineEvent
from tutela.lists.epochfolder import EpochFolder
from tutela.lists.workspace import Workspace
from tutela.provider.access import AccessRecord
from tutela.provider.server import running
from tutela.provider.service import Provider
from tutela.provider.settings import Settings
from tutela.provider.tampered import Tampered
from tutela.wire import document
from tutela.wire.manifest import Action

Event = TypeVar("Event", bound=TimelineEvent)

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


class NoGuard:
    """What a modified client has in place of a guard: it lets everything through. Tutela cannot prevent that."""

    def choose(self, picture: bytes) -> None:
        """Check nothing."""

    async def check_outgoing(self, picture: bytes) -> Verdict:
        """Allow."""
        return Verdict(Outcome.ALLOW, Action.ALLOW, Direction.OUTGOING, Reason.NOT_LISTED)

    async def check_incoming(self, picture: bytes) -> Verdict:
        """Allow."""
        return Verdict(Outcome.ALLOW, Action.ALLOW, Direction.INCOMING, Reason.NOT_LISTED)

    async def close(self) -> None:
        """Nothing to end."""


class Person:
    """Somebody with a client that stays up to date; what it was shown is kept in order."""

    def __init__(self, name: str, client: GuardedClient) -> None:
        self.name = name
        self.client = client
        self.shown: list[TimelineEvent] = []
        self._news = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Keep up to date from now on."""
        self._tasks = [asyncio.create_task(self.client.run()), asyncio.create_task(self._listen())]

    async def stop_listening(self) -> None:
        """Leave the events to somebody else, such as the chat page; keep up to date all the same."""
        listening = self._tasks.pop()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    async def close(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.client.close()

    async def wait_for(self, kind: type[Event], event_id: str | None = None, *, seconds: float = 30.0) -> Event:
        """Wait until an event of `kind` has been shown (the one with `event_id`, if given), and return it.

        Raises:
            TimeoutError: it did not come.
        """
        async with asyncio.timeout(seconds), self._news:
            while True:
                for event in self.shown:
                    if isinstance(event, kind) and event_id in (None, event.event_id):
                        return event
                await self._news.wait()

    async def _listen(self) -> None:
        async for event in self.client.events:
            async with self._news:
                self.shown.append(event)
                self._news.notify_all()


@dataclass
class Stage:
    """Everything that the story needs. Steps fill in what is made on the way."""

    folder: Path
    homeserver: Homeserver
    demo_list: DemoList
    settings: Settings
    provider_url: str
    tampered: Tampered
    records: list[AccessRecord]
    observations: Observations
    watch: HomeserverWatch
    people: dict[str, Person] = field(default_factory=dict)
    room_id: str = ""
    epoch: int = 0

    def picture(self, name: str) -> bytes:
        """Return a stand-in picture."""
        return pictures.picture(name)

    @property
    def created(self) -> str:
        """A time for the next document: an hour after the one before, so that the order is plain."""
        self.epoch += 1
        return (_START + timedelta(hours=self.epoch)).strftime("%Y-%m-%dT%H:%M:%SZ")

    async def publish(self) -> tuple[EpochFolder, int, int]:
        """Build, audit, sign and publish an epoch; return it, its signatures, and how many entries were verified."""
        folder, audits = await asyncio.to_thread(self.demo_list.publishable, created=self.created)
        envelope = folder.envelope()
        segments = {entry.digest: folder.segment_file(entry) for entry in folder.manifest().segments}
        await asyncio.to_thread(_publish, self.settings, self.demo_list.workspace, folder, segments)
        return folder, len(envelope.signatures), sum(one.entries_verified for one in audits)

    async def join(self, name: str, *, guarded: bool = True) -> Person:
        """Let a new person sign in; without a guard, as somebody does whose client was modified."""
        password = secrets.token_urlsafe(16)
        await self.homeserver.register(name, password)
        client = await GuardedClient.login(
            self.homeserver.url,
            name,
            password,
            profile=self.folder / "devices" / name,
            key=secrets.token_bytes(32),
            guard=None if guarded else NoGuard(),
            guard_provider=self.provider_url if guarded else None,
            trust_root=self.demo_list.trust_root if guarded else None,
        )
        person = Person(name, client)
        person.start()
        self.people[name] = person
        return person

    async def room_of(self, host: Person, guest: Person) -> str:
        """Make an encrypted room of two."""
        room_id = await host.client.create_encrypted_room(invite=[guest.client.user_id])
        invitation = await guest.wait_for(Invitation)
        await guest.client.join(invitation.room_id)
        async with asyncio.timeout(30):  # the host's client learns of it by its own sync
            while guest.client.user_id not in host.client.rooms[room_id].joined:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return room_id

    async def fresh_guard(self, name: str, person: Person) -> Guard:
        """Open a guard on a device that has seen no epoch yet, for `person`."""
        return await Guard.open(
            self.folder / "devices" / name,
            key=secrets.token_bytes(32),
            provider=self.provider_url,
            trust_root=self.demo_list.trust_root,
            sign_in=person.client.openid_token,
            update=False,
        )


def _publish(settings: Settings, workspace: Workspace, folder: EpochFolder, segments: dict[str, bytes]) -> None:
    with contextlib.closing(Provider.open(settings)) as provider:
        ring = workspace.key_ring(folder.published(), at=folder.manifest().created)
        for pair in (ring.current, *(key.pair for key in ring.retiring)):
            provider.keys.adopt(pair)
        provider.publish(folder.envelope(), segments)


@contextlib.asynccontextmanager
async def set_stage(folder: Path) -> AsyncIterator[Stage]:
    """Start everything in `folder` and stop it at the end, however the end comes."""
    async with contextlib.AsyncExitStack() as stack:
        homeserver = await stack.enter_async_context(await Homeserver.start(folder / "homeserver"))
        demo_list = DemoList.make(folder / "list", homeserver.server_name)
        data = folder / "provider"
        data.mkdir()
        (data / "trust-root.json").write_bytes(document.encode(demo_list.trust_root))
        settings = Settings(
            name=homeserver.server_name,
            data=data,
            homeservers={homeserver.server_name: homeserver.url},
            trust_root=data / "trust-root.json",
            port=0,
            access_log="",
        )
        wrapped: list[Tampered] = []
        records: list[AccessRecord] = []
        observations = Observations()
        loop = asyncio.get_running_loop()

        def wrap(app: ASGIApp) -> ASGIApp:
            wrapped.append(Tampered(app))
            return wrapped[0]

        def see(record: AccessRecord) -> None:
            records.append(record)
            seen = provider_observation(record)
            if seen is not None:
                loop.call_soon_threadsafe(observations.add, seen)

        url = await stack.enter_async_context(running(settings, sink=see, wrap=wrap))
        watch = HomeserverWatch(homeserver, observations.add)
        await stack.enter_async_context(watch.following())
        stage = Stage(folder, homeserver, demo_list, settings, url, wrapped[0], records, observations, watch)
        stack.push_async_callback(_close_people, stage)
        yield stage


async def _close_people(stage: Stage) -> None:
    await asyncio.gather(*(person.close() for person in stage.people.values()), return_exceptions=True)
