"""Every screen at once, each made by really doing what leads to it, without a homeserver.

`PYTHONPATH=tests .venv/bin/python -m chat.gallery` serves them for a look. The browser tests and the pictures of the
documentation use the same scenes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import uvicorn
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from chat.pair import ROOM, START, Pair, PairedClient, pair, photograph, verdict
from chat.pretend import DAY, NIGHT, an_id
from tutela.chat import Observation, Observations, Party, Window, create_app
from tutela.chat import observer as saw
from tutela.chat.conversation import entry_id
from tutela.device.conversation import Advice, AgeGroup, Focus, Limits, Pause, Settings
from tutela.device.conversation.settings import CAREFUL, allowed_to
from tutela.device.verdict import Outcome, Reason
from tutela.integrations.matrix.errors import IdentityChanged, SomebodyJoined, Unreachable
from tutela.integrations.matrix.identities import SenderTrust
from tutela.integrations.matrix.rooms import Room
from tutela.integrations.matrix.timeline import Problem, ServiceMessage, TextMessage, UnreadableMessage
from tutela.lists import defaults
from tutela.signals.conversation.decision import Level
from tutela.wire.check import request_bytes
from tutela.wire.manifest import Action
from tutela.wire.report import ReportOutcome, ReportReason, ReportState

NOW = datetime(2026, 11, 24, 17, 20, tzinfo=UTC)
BATCH = request_bytes(defaults.PARAMETERS.batch)

DECISION = (
    "We decided about your account: you cannot write for now.\n\nWhy: you sent <b>many</b> messages to people who did "
    "not want them.\n\nIf you think this is wrong, tell us here:\nhttps://provider.example/appeal/"
    + "zt7BqR4nPXwy0kD1"
    * 3
)


class Story:
    """A pair whose clock goes on by a minute with each thing that happens."""

    def __init__(self) -> None:
        self.time = START
        self.pair: Pair = pair(clock=self._tick)
        self.pair.leo.clock = self._tick

    def _tick(self) -> datetime:
        self.time += timedelta(minutes=1)
        return self.time

    def settle(self) -> Window:
        """Let the windows take in what happened; return Mia's."""
        for window in (self.pair.mias, self.pair.leos):
            client = window.client
            while isinstance(client, PairedClient) and not client._queue.empty():
                window.take(client._queue.get_nowait())
        return self.pair.mias

    async def talk(self) -> Window:
        mia, leo = self.pair.mia, self.pair.leo
        self.time = START - timedelta(days=1)
        await leo.send_text(ROOM, "Are you coming to the observatory on Saturday?")
        await mia.send_text(ROOM, "Yes! My aunt drives us there")
        self.time = START
        await leo.send_picture(ROOM, photograph("moon"), "moon.jpg")
        await leo.send_text(ROOM, "This is what they show there. You can see every crater")
        await mia.send_text(ROOM, "Wow. It looks so close")
        return self.settle()


async def beginning(story: Story) -> Window:
    return story.settle()


async def conversation(story: Story) -> Window:
    return await story.talk()


async def chosen(story: Story) -> Window:
    window = await story.talk()
    window.choose(photograph("chelsea"), "cat.jpg")
    return window


def outgoing(outcome: Outcome, action: Action | None = None, **more) -> Callable[[Story], Awaitable[Window]]:
    async def scene(story: Story) -> Window:
        window = await story.talk()
        story.pair.mia.judge = lambda _, direction: verdict(direction, outcome, action, **more)
        window.choose(photograph("coffee"), "coffee.jpg")
        assert window.chosen
        await window.send(window.chosen.id)
        return window

    return scene


def incoming(outcome: Outcome, action: Action | None = None, *, opened: bool = False):
    async def scene(story: Story) -> Window:
        window = await story.talk()
        story.pair.mia.judge = lambda _, direction: verdict(direction, outcome, action)
        await story.pair.leo.send_picture(ROOM, photograph("coffee"), "coffee.jpg")
        story.settle()
        if opened:
            event = window.events[-1]
            window.opened.add(event.event_id)
        return window

    return scene


async def identity(story: Story) -> Window:
    window = await story.talk()
    story.pair.mia.identity_changed("@leo:example.org")
    story.settle()
    story.pair.mia.failure = IdentityChanged("changed", users=("@leo:example.org",))
    await window.say("Hello?")
    return window


async def somebody(story: Story) -> Window:
    window = await story.talk()
    story.pair.mia.somebody_joined("@zoe:elsewhere.example")
    story.settle()
    story.pair.mia.failure = SomebodyJoined("joined", users=("@zoe:elsewhere.example",))
    await window.say("Hello?")
    return window


async def service(story: Story) -> Window:
    """The service tells Mia of a decision, in its own room."""
    window = await story.talk()
    window.take(
        ServiceMessage(
            room_id="!service:example.org",
            event_id="$decision",
            sender="@safety:example.org",
            sent_at=int(story.time.timestamp() * 1000),
            text=DECISION,
        )
    )
    return window


async def doubts(story: Story) -> Window:
    window = await story.talk()
    for trust in (SenderTrust.UNSIGNED, SenderTrust.UNKNOWN):
        await story.pair.leo.send_text(ROOM, "It’s me, from my new phone")
        event = story.pair.mia._queue.get_nowait()
        window.take(replace(event, trust=trust))
    window.take(
        UnreadableMessage(
            room_id=ROOM,
            event_id="$unreadable",
            sender="@leo:example.org",
            sent_at=int(story.time.timestamp() * 1000),
            own=False,
            trust=SenderTrust.VERIFIED,
            problem=Problem.NO_KEY,
        )
    )
    return window


async def failure(story: Story) -> Window:
    window = await story.talk()
    story.pair.mia.failure = Unreachable("no answer")
    await window.say("Are you there?")
    return window


async def asked(story: Story) -> Window:
    """Leo asks for a picture."""
    mia, leo = story.pair.mia, story.pair.leo
    await story.talk()
    await leo.send_text(ROOM, "You know what, send me a picture of you")
    await mia.send_text(ROOM, "Why?")
    await leo.send_text(ROOM, "Just for me. Not with the jumper on. I sent you one, too, so you owe me one")
    await leo.send_picture(ROOM, photograph("coffee"), "coffee.jpg")
    await mia.send_text(ROOM, "I do not want that")
    return story.settle()


def reporting(page: str, *, night: bool = False, away: bool = False, full: bool = False, **filled):
    """A page about a report. `page` is its address, where `ENTRY` stands for the message in which Leo asks."""

    async def scene(story: Story) -> Window:
        window = await asked(story)
        reports = window.client.reports
        reports.clock = lambda: NOW
        reports.times = NIGHT if night else DAY
        reports.away, reports.full = away, full
        if filled:
            values = {"messages": (), "files": {}, "about": "@leo:example.org", "text": "", "language": "en"}
            await reports.send(**values | {"danger_now": False, "report_id": an_id("one")} | filled)
        return window

    scene.page = page
    return scene


async def several_reports(story: Story) -> Window:
    window = await asked(story)
    reports = window.client.reports
    values = {"messages": (), "files": {}, "about": "@leo:example.org", "danger_now": False, "text": ""}
    for hours, (name, reason) in enumerate(
        (
            ("waiting", ReportReason.WORRIED_ABOUT_A_FRIEND),
            ("received", ReportReason.ASKED_FOR_PICTURES),
            ("reading", ReportReason.THREATENED),
            ("more", ReportReason.SOMETHING_ELSE),
            ("acted", ReportReason.WANTS_TO_MEET),
            ("passed", ReportReason.SAW_ABUSE),
            ("allowed", ReportReason.SOMETHING_ELSE),
        )
    ):
        reports.clock = lambda hours=hours: NOW - timedelta(hours=9 * hours)
        reports.away = name == "waiting"
        await reports.send(reason, **values, language="en", report_id=an_id(name))
    reports.away = False
    reports.clock = lambda: NOW
    reports.told(an_id("reading"), ReportState.IN_REVIEW)
    await reports.add(an_id("reading"), "He wrote again.", danger_now=False, addition_id=an_id("a"))
    more = (
        "Hello Mia, thank you for writing to us. Did this person write to you anywhere else, too? Take your time. Ana"
    )
    reports.told(an_id("more"), ReportState.DECIDED, ReportOutcome.MORE_NEEDED, more)
    reports.told(an_id("acted"), ReportState.DECIDED, ReportOutcome.ACTED, "You helped more than only yourself. Ana")
    reports.told(an_id("passed"), ReportState.DECIDED, ReportOutcome.PASSED_ON)
    reports.told(an_id("allowed"), ReportState.DECIDED, ReportOutcome.NOT_AGAINST_RULES)
    return window


several_reports.page = "reports"


def advised(level: Level, focus: Focus = Focus.GENERAL, *, group: AgeGroup = AgeGroup.TEEN, page: str = "", **more):
    """Leo asks for a picture, and Mia is told something."""

    async def scene(story: Story) -> Window:
        window = await asked(story)
        evidence = tuple(
            e.event_id for e in window.events if isinstance(e, TextMessage) and e.sender == "@leo:example.org"
        )
        reasons = ("You were asked for a picture, for your camera, or to meet.", "You were put under pressure.")
        if focus is not Focus.GENERAL:
            reasons = (REASONS[focus], *reasons)
        story.pair.mia.advise(Advice(level, focus, group, (), reasons, evidence[1:]))
        story.settle()
        story.pair.mia.rooms = {one.room_id: one for one in CHATS}
        story.pair.mia.conversations = Remembering(Settings(group))
        if more.get("blocked"):
            await window.block(blocked=True)
        if more.get("left"):
            await window.leave()
        return window

    scene.page = page
    return scene


REASONS = {Focus.THREAT: "You were threatened.", Focus.SELF_HARM: "You were pushed to hurt yourself."}
CHATS = (
    Room("!nora:example.org", encrypted=True, joined={"@mia:example.org", "@nora:example.org"}),
    Room("!club:example.org", encrypted=True, name="Star club", joined={"@mia:example.org", "@ida:example.org"}),
)


class Remembering:
    """The settings of a conversation guard, without the guard."""

    def __init__(self, settings: Settings, limits: Limits = CAREFUL) -> None:
        self.settings, self.limits = settings, limits

    def allowed(self, settings: Settings) -> Limits:
        return allowed_to(settings, self.limits)

    def change(self, settings: Settings) -> None:
        self.settings = settings


async def pausing(story: Story) -> Window:
    """Mia is asked before she sends."""
    window = await story.talk()
    story.pair.mia.pause = Pause(threat=False, many=True)
    await window.say("Come on, why do you not answer me? You promised")
    return window


SCENES: dict[str, Callable[[Story], Awaitable[Window]]] = {
    "beginning": beginning,
    "conversation": conversation,
    "chosen": chosen,
    "stop": outgoing(Outcome.STOP),
    "stop-unchecked": outgoing(Outcome.UNCHECKED, Action.STOP),
    "warn": outgoing(Outcome.WARN),
    "warn-unchecked": outgoing(Outcome.UNCHECKED, Action.WARN, reason=Reason.UNREADABLE),
    "received-stop": incoming(Outcome.STOP),
    "received-warn": incoming(Outcome.WARN),
    "received-warn-opened": incoming(Outcome.WARN, opened=True),
    "received-unchecked": incoming(Outcome.UNCHECKED, Action.ALLOW),
    "identity": identity,
    "somebody": somebody,
    "service": service,
    "doubts": doubts,
    "failure": failure,
    "report-message": asked,
    "report-reasons": reporting("report?entry=ENTRY"),
    "report-confirm": reporting("report?entry=ENTRY&reason=asked-for-pictures"),
    "report-confirm-night": reporting("report?entry=ENTRY&reason=threatened", night=True),
    "report-confirm-alone": reporting("report?reason=something-else", away=True),
    "report-sent": reporting(f"sent?report={an_id('one')}", reason=ReportReason.ASKED_FOR_PICTURES),
    "report-sent-night": reporting(f"sent?report={an_id('one')}", night=True, reason=ReportReason.THREATENED),
    "report-sent-danger": reporting(
        f"sent?report={an_id('one')}", night=True, reason=ReportReason.THREATENED, danger_now=True
    ),
    "report-waiting": reporting(f"sent?report={an_id('one')}", away=True, reason=ReportReason.SAW_ABUSE),
    "report-waiting-full": reporting(
        f"sent?report={an_id('one')}", away=True, full=True, reason=ReportReason.SAW_ABUSE
    ),
    "tip": advised(Level.TIP),
    "nudge": advised(Level.NUDGE),
    "nudge-child": advised(Level.NUDGE, group=AgeGroup.CHILD),
    "warning": advised(Level.WARNING),
    "warning-threat": advised(Level.WARNING, Focus.THREAT),
    "warning-self-harm": advised(Level.WARNING, Focus.SELF_HARM),
    "blocked": advised(Level.NUDGE, blocked=True),
    "left": advised(Level.NUDGE, left=True),
    "tell": advised(Level.NUDGE, page="tell"),
    "leave": advised(Level.NUDGE, page="leave"),
    "tips": advised(Level.NUDGE, page="settings"),
    "tips-adult": advised(Level.NUDGE, group=AgeGroup.ADULT, page="settings"),
    "help-self-harm": advised(Level.WARNING, Focus.SELF_HARM, page="help?for=self-harm"),
    "report-advised": advised(Level.NUDGE, page="report?advice=yes&reason=asked-for-pictures"),
    "pause": pausing,
    "reports": several_reports,
    "reports-none": reporting("reports"),
}


def page_of(scene: Callable[[Story], Awaitable[Window]], window: Window) -> str:
    """The address, below the window, of the page that a scene is about."""
    texts = [event for event in window.events if isinstance(event, TextMessage)]
    asking = [entry_id(event.event_id) for event in texts if event.text.startswith("Just for me")]
    return getattr(scene, "page", "").replace("ENTRY", asking[0] if asking else "")


def sightings(time: datetime) -> Observations:
    """What the two parties would have seen of a short conversation with a stopped picture."""
    seen = Observations()
    mia, leo = "@mia", "@leo"
    for seconds, party, account, what, size in (
        (0, Party.HOMESERVER, leo, saw.ENCRYPTED_MESSAGE, 1043),
        (19, Party.HOMESERVER, mia, saw.ENCRYPTED_MESSAGE, 1011),
        (34, Party.PROVIDER, leo, saw.BLINDED_BATCH, BATCH),
        (41, Party.HOMESERVER, leo, saw.ENCRYPTED_UPLOAD, 191_386),
        (41, Party.HOMESERVER, leo, saw.ENCRYPTED_MESSAGE, 1622),
        (42, Party.HOMESERVER, mia, saw.ENCRYPTED_DOWNLOAD, 191_386),
        (42, Party.PROVIDER, mia, saw.BLINDED_BATCH, BATCH),
        (66, Party.HOMESERVER, leo, saw.ENCRYPTED_MESSAGE, 1075),
        (80, Party.HOMESERVER, mia, saw.ENCRYPTED_MESSAGE, 1059),
        (95, Party.PROVIDER, mia, saw.BLINDED_BATCH, BATCH),
    ):
        seen.add(Observation(time + timedelta(seconds=seconds), party, account, what, size))
    return seen


@dataclass(frozen=True)
class Gallery:
    """A running gallery: the address of each scene."""

    origin: str
    scenes: dict[str, str]
    stories: dict[str, Story]


@contextlib.asynccontextmanager
async def serve_gallery(port: int = 0) -> AsyncIterator[Gallery]:
    """Serve all scenes on loopback."""
    stories = {name: Story() for name in SCENES}
    windows = {name: await make(stories[name]) for name, make in SCENES.items()}
    sides = Story()
    await outgoing(Outcome.STOP)(sides)
    listener = socket.create_server(("127.0.0.1", port))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # or each answer waits 40 ms for its second part
    authority = f"127.0.0.1:{listener.getsockname()[1]}"
    closing = asyncio.Event()
    shown = [sides.pair.mias, sides.pair.leos]
    app = create_app(
        shown, sightings(START), authority=authority, side_path="/side/", closing=closing, clock=lambda: NOW, zone=UTC
    )
    more = create_app([*windows.values()], None, authority=authority, closing=closing, clock=lambda: NOW, zone=UTC)
    paths = {name: window.path + page_of(SCENES[name], window) for name, window in windows.items()}
    paths |= {"help": windows["stop"].path + "help", "side-by-side": "/side/", "lost": "/w/unknown/"}

    async def overview(_request: Request) -> HTMLResponse:
        frames = "".join(
            f'<section class="side"><h2>{name}</h2><div class="phone"><iframe src="{path}" title="{name}"></iframe>'
            "</div></section>"
            for name, path in paths.items()
        )
        head = '<meta charset="utf-8"><title>Gallery</title><link rel="stylesheet" href="/static/chat.css">'
        return HTMLResponse(
            f'<!doctype html><html lang="en"><head>{head}</head><body><main class="sides-main">{frames}</main></body>'
        )

    async def everything(scope, receive, send) -> None:
        known = {window.token for window in windows.values()}
        other = scope["type"] == "http" and scope["path"].removeprefix("/w/").split("/")[0] in known
        await (more if other else app)(scope, receive, send)

    app.router.routes.append(Route("/gallery", overview))
    server = uvicorn.Server(uvicorn.Config(everything, log_config=None, ws="none", lifespan="off"))
    server.capture_signals = contextlib.nullcontext
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        origin = f"http://{authority}"
        yield Gallery(origin, {name: origin + path for name, path in paths.items()}, {**stories, "side-by-side": sides})
    finally:
        closing.set()
        server.should_exit = True
        await running
        listener.close()


async def main() -> None:
    async with serve_gallery(8123) as gallery:
        print(f"{gallery.origin}/gallery")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
