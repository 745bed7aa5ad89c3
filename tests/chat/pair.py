"""Two clients in memory that talk to each other, and a guard that is told its verdicts: no homeserver, no provider."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count

import skimage.data
from PIL import Image

from chat.pretend import PretendReports
from tutela.chat import Window
from tutela.device.conversation import Advice, ConversationGuard, Pause
from tutela.device.verdict import Direction, Outcome, Reason, Verdict
from tutela.errors import TutelaError
from tutela.integrations.matrix.client import Held, Sent
from tutela.integrations.matrix.errors import PausedBeforeSending
from tutela.integrations.matrix.franking import Franking
from tutela.integrations.matrix.guarding import question
from tutela.integrations.matrix.identities import SenderTrust
from tutela.integrations.matrix.rooms import Room
from tutela.integrations.matrix.timeline import (
    ConversationAdvice,
    Message,
    Notice,
    NoticeKind,
    PictureMessage,
    TextMessage,
    TimelineEvent,
)
from tutela.wire.manifest import Action
from tutela.wire.report import MessageEvidence
from tutela.wire.submission import ListClass

ROOM = "!room:example.org"
START = datetime(2026, 11, 24, 16, 2, 11, tzinfo=UTC)


def photograph(name: str = "astronaut", format: str = "JPEG") -> bytes:
    """One of scikit-image's photographs, as a file."""
    out = io.BytesIO()
    Image.fromarray(getattr(skimage.data, name)()).convert("RGB").save(out, format)
    return out.getvalue()


def verdict(direction: Direction, outcome: Outcome, action: Action | None = None, **more) -> Verdict:
    """A verdict with what usually goes with its outcome."""
    usual = {
        Outcome.ALLOW: (Action.ALLOW, Reason.NOT_LISTED, None),
        Outcome.WARN: (Action.WARN, Reason.LISTED, ListClass.ATTESTED),
        Outcome.STOP: (Action.STOP, Reason.LISTED, ListClass.AGREED),
        Outcome.UNCHECKED: (Action.WARN, Reason.UNREACHABLE, None),
    }[outcome]
    facts = {"reason": usual[1], "list_class": usual[2], "epoch": 7, **more}
    return Verdict(outcome=outcome, action=action or usual[0], direction=direction, **facts)


def allow_all(_picture: bytes, direction: Direction) -> Verdict:
    return verdict(direction, Outcome.ALLOW)


@dataclass
class PairedClient:
    """One end. What it does is written into `log`."""

    user_id: str
    judge: Callable[[bytes, Direction], Verdict] = allow_all
    failure: Exception | None = None
    """Raised by whatever sends, until it is taken away."""
    peer: PairedClient | None = None
    log: list[str] = field(default_factory=list)
    clock: Callable[[], datetime] = lambda: START
    reports: PretendReports | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    """What messages brought, by their ids, whatever the verdict on it was."""
    rooms: dict[str, Room] = field(default_factory=dict)
    conversations: ConversationGuard | None = None
    pause: Pause | None = None
    """What this client's user is asked before any text goes out."""
    _queue: asyncio.Queue[TimelineEvent] = field(default_factory=asyncio.Queue)
    _ids = count()

    def __post_init__(self) -> None:
        self.reports = PretendReports(lambda: self.clock())  # noqa: PLW0108 (tests replace the clock)

    @property
    def events(self) -> AsyncIterator[TimelineEvent]:
        return self._next()

    async def _next(self) -> AsyncIterator[TimelineEvent]:
        while True:
            yield await self._queue.get()

    def happen(self, event: TimelineEvent) -> None:
        self._queue.put_nowait(event)

    def _head(self) -> dict:
        if self.failure:
            raise self.failure
        return {
            "room_id": ROOM,
            "event_id": f"$event-{next(PairedClient._ids)}",
            "sender": self.user_id,
            "sent_at": int(self.clock().timestamp() * 1000),
            "own": True,
            "trust": SenderTrust.VERIFIED,
            "franking": Franking.COMMITTED,
        }

    def _deliver(self, event: TimelineEvent) -> None:
        self.happen(event)
        if self.peer:
            self.peer.happen(replace(event, own=False))

    async def send_text(self, room_id: str, text: str, *, confirmed: bool = False) -> str:
        head = self._head()
        if self.pause and not confirmed:
            raise PausedBeforeSending(self.pause)
        if room_id != ROOM:
            self.log.append(f"send to {room_id}: {text}")
            return head["event_id"]
        event = TextMessage(**head, text=text)
        self._deliver(event)
        return event.event_id

    async def leave(self, room_id: str, *, forget: bool = False) -> None:
        self._head()
        self.log.append(f"leave {room_id} forget={forget}")

    async def ignore(self, user_id: str, *, ignored: bool = True) -> None:
        self._head()
        self.log.append(f"{'ignore' if ignored else 'heed'} {user_id}")

    def advise(self, advice: Advice, sender: str = "@leo:example.org") -> None:
        """As the real client does: an event of its own, with no id."""
        time = int(self.clock().timestamp() * 1000)
        self.happen(ConversationAdvice(room_id=ROOM, event_id="", sender=sender, sent_at=time, advice=advice))

    def choose_picture(self, data: bytes) -> None:
        self.log.append("choose")

    async def send_picture(
        self, room_id: str, data: bytes, filename: str, *, confirmed: Verdict | None = None
    ) -> Sent | Held:
        head = self._head()
        self.log.append(f"send confirmed={confirmed is not None}")
        found = self.judge(data, Direction.OUTGOING)
        agreed = confirmed is not None and question(confirmed) == question(found)
        if found.action is Action.STOP or (found.action is Action.WARN and not agreed):
            return Held(found)
        event = PictureMessage(**head, filename=filename, data=data, verdict=found)
        self.happen(event)
        if self.peer:
            judged = self.peer.judge(data, Direction.INCOMING)
            self.peer.files[event.event_id] = data
            kept = None if judged.action is Action.STOP else data
            self.peer.happen(replace(event, own=False, verdict=judged, data=kept))
        return Sent(event.event_id, found)

    def accept_new_identity(self, user_id: str, *, shown: str | None = None) -> None:
        if isinstance(self.failure, TutelaError):
            raise self.failure
        self.log.append(f"accept {user_id} {shown}")

    def accept_reader(self, room_id: str, user_id: str) -> None:
        if isinstance(self.failure, TutelaError):
            raise self.failure
        self.log.append(f"accept {user_id} in {room_id}")

    def evidence(self, message: Message) -> MessageEvidence | None:
        content = {"body": message.text if isinstance(message, TextMessage) else "a file"}
        names = {"event_id": message.event_id, "room_id": message.room_id, "sender": message.sender}
        return MessageEvidence(**names, sent_at=message.sent_at, type="m.room.message", content=json.dumps(content))

    async def attachment(self, evidence: MessageEvidence) -> bytes:
        if self.failure:
            raise self.failure
        return self.files[evidence.event_id]

    def somebody_joined(self, user_id: str) -> None:
        """As the real client does."""
        kind = NoticeKind.SOMEBODY_JOINED
        self.happen(Notice(room_id=ROOM, event_id="", sender=user_id, sent_at=0, kind=kind))

    def identity_changed(self, user_id: str) -> None:
        """As the real client does: a notice of its own, with no id and no time."""
        kind, key = NoticeKind.IDENTITY_CHANGED, "m6Vq PZ1x 8TtE nWc3"
        self.happen(Notice(room_id=ROOM, event_id="", sender=user_id, sent_at=0, kind=kind, fingerprint=key))


@dataclass
class Pair:
    """Mia's and Leo's clients and windows."""

    mia: PairedClient
    leo: PairedClient
    mias: Window
    leos: Window


def pair(**mia) -> Pair:
    """Make two clients that talk to each other, each with its window; `mia` is what differs for hers."""
    left, right = PairedClient("@mia:example.org", **mia), PairedClient("@leo:example.org")
    left.peer, right.peer = right, left
    return Pair(left, right, window_of(left, "Leo"), window_of(right, "Mia"))


def window_of(client: PairedClient, other: str) -> Window:
    """A window whose clock is its client's."""
    return Window(client, ROOM, other=other, clock=lambda: client.clock().timestamp())
