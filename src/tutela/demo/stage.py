"""The stage: a homeserver, a provider, two list authorities and three people, on this machine, in one folder."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

import httpx
from starlette.types import ASGIApp

from tutela.chat.observer import Observations
from tutela.console.server import listening
from tutela.console.site import Site
from tutela.demo import pictures
from tutela.demo.lists import DemoList
from tutela.demo.reviewer import Reviewer
from tutela.demo.watching import HomeserverWatch, provider_observation
from tutela.device import Direction, Guard, Outcome, Reason, Verdict
from tutela.device.conversation import shipped_reader
from tutela.integrations.matrix.client import GuardedClient
from tutela.integrations.matrix.enforcement import acting
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.integrations.matrix.synapse_module import make_key_file
from tutela.integrations.matrix.timeline import Invitation, TimelineEvent
from tutela.lists import files
from tutela.lists.epochfolder import EpochFolder
from tutela.lists.workspace import Workspace
from tutela.provider.access import AccessRecord
from tutela.provider.review import audit
from tutela.provider.review.people import Role
from tutela.provider.review.staff import StaffStore
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
    console: Site
    service: str
    """The account that carries out decisions and tells people of them."""
    tampered: Tampered
    records: list[AccessRecord]
    observations: Observations
    watch: HomeserverWatch
    people: dict[str, Person] = field(default_factory=dict)
    reviewers: list[Reviewer] = field(default_factory=list)
    """Those who read reports: the provider's, and a helpline's."""
    room_id: str = ""
    other_room_id: str = ""
    """Mia's and Sam's."""
    reported: str = ""
    """The report's id."""
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
            service=self.service,
            conversations=shipped_reader if guarded else None,
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

    async def invite(self, name: str, organisation: str, role: Role = Role.REVIEWER) -> str:
        """Return a one-time link with which somebody comes into the console."""

        def invited() -> str:
            with contextlib.closing(Provider.open(self.settings)) as provider:
                staff = StaffStore(provider.database, provider.clock, secrets.token_bytes)
                return staff.invite(name, role, organisation, by=None)[1]

        return self.console.invitation(await asyncio.to_thread(invited))

    async def verify_audit(self) -> int:
        """Verify the provider's whole audit log; return how many acts are in it."""

        def verified() -> int:
            with contextlib.closing(Provider.open(self.settings)) as provider:
                return audit.verify(provider.database).size

        return await asyncio.to_thread(verified)

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
        data = folder / "provider"
        stamp_key = data / "stamp-keys" / "homeserver.key"
        stamp_key.parent.mkdir(parents=True)
        make_key_file(stamp_key)
        starting = Homeserver.start(folder / "homeserver", stamp_key=stamp_key)
        homeserver = await stack.enter_async_context(await starting)
        service, token = await _service_account(homeserver, data / "service.token")
        demo_list = DemoList.make(folder / "list", homeserver.server_name)
        (data / "trust-root.json").write_bytes(document.encode(demo_list.trust_root))
        settings = Settings(
            name=homeserver.server_name,
            data=data,
            homeservers={homeserver.server_name: homeserver.url},
            trust_root=data / "trust-root.json",
            port=0,
            access_log="",
        )
        console = stack.enter_context(listening(settings, port=0, sink=lambda _: None))
        settings = replace(
            settings,
            enforcer_homeserver=homeserver.server_name,
            enforcer_token_file=str(token),
            appeal_address=f"{console.site.origin}/appeal/",
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

        beside = (console, acting(settings))
        url = await stack.enter_async_context(running(settings, sink=see, wrap=wrap, beside=beside))
        watch = HomeserverWatch(homeserver, observations.add)
        await stack.enter_async_context(watch.following())
        stage = Stage(
            folder,
            homeserver,
            demo_list,
            settings,
            url,
            console.site,
            service,
            wrapped[0],
            records,
            observations,
            watch,
        )
        stack.push_async_callback(_close_people, stage)
        yield stage


async def _service_account(homeserver: Homeserver, token: Path) -> tuple[str, Path]:
    """Make the account that carries out decisions, an admin of the homeserver, and keep its token in a file."""
    password = secrets.token_urlsafe(16)
    user_id = await homeserver.register("safety", password, admin=True)
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user_id},
        "password": password,
        "initial_device_display_name": "Tutela",
    }
    async with httpx.AsyncClient(base_url=homeserver.url, timeout=30, trust_env=False) as http:
        answer = (await http.post("/_matrix/client/v3/login", json=body)).raise_for_status().json()
    await asyncio.to_thread(files.create, token, answer["access_token"].encode(), mode=0o600)
    return user_id, token


async def _close_people(stage: Stage) -> None:
    people: list[Person | Reviewer] = [*stage.people.values(), *stage.reviewers]
    await asyncio.gather(*(person.close() for person in people), return_exceptions=True)
