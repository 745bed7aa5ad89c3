"""The module that stamps, given what Synapse would give it: events from here and from elsewhere, and failures."""

from __future__ import annotations

import base64
import logging
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.integrations.matrix.synapse_module import BadStampKey, Settings, Stamps, make_key_file, read_key_file
from tutela.wire.errors import BadStamp
from tutela.wire.franking import COMMITMENT_FIELD, STAMP_FIELD, Stamp, StampedEvent, check_stamp, stamp_key_id

KEY = bytes(range(32))
COMMITMENT = b"c" * 32
SERVER, ROOM, LEO, ABROAD = "family.example", "!r:family.example", "@leo:family.example", "@zoe:other.example"
SENT, ARRIVED = 1_700_000_000_000, 1_700_000_000_999


@dataclass
class Event:
    """As much of Synapse's events as there is to read."""

    content: Any = field(default_factory=lambda: {COMMITMENT_FIELD: base64.b64encode(COMMITMENT).decode()})
    type: str = "m.room.encrypted"
    event_id: str = "$e"
    room_id: str = ROOM
    sender: str = LEO
    origin_server_ts: int = SENT


class Synapse:
    """The part of Synapse's module API that the module may use; whatever else it asked for would be an error."""

    server_name = SERVER

    def __init__(self) -> None:
        self.database = sqlite3.connect(":memory:")
        self.database.execute("CREATE TABLE events (event_id TEXT, received_ts BIGINT)")
        self.database.execute("INSERT INTO events VALUES ('$e', ?), ('$unknown', NULL)", (ARRIVED,))
        self.asked: list[str] = []
        self.callbacks: list[Callable[[Any], Awaitable[dict[str, Any]]]] = []

    def is_mine(self, user_id: str) -> bool:
        return user_id.endswith(f":{SERVER}")

    async def run_db_interaction(self, desc: str, func: Callable[..., Any], *args: Any) -> Any:
        self.asked.append(desc)
        return func(self.database.cursor(), *args)

    def register_add_extra_fields_to_unsigned_client_event_callbacks(
        self, *, add_field_to_unsigned_callback: Callable[[Any], Awaitable[dict[str, Any]]]
    ) -> None:
        self.callbacks.append(add_field_to_unsigned_callback)


@pytest.fixture
def synapse() -> Synapse:
    synapse = Synapse()
    Stamps(Settings(KEY), synapse)
    return synapse


async def stamp_of(synapse: Synapse, event: Event) -> Stamp | None:
    (callback,) = synapse.callbacks
    added = await callback(event)
    assert set(added) <= {STAMP_FIELD}
    return msgspec.convert(added[STAMP_FIELD], Stamp) if added else None


async def test_an_event_from_here_is_stamped_with_the_time_it_was_sent(synapse: Synapse):
    made = await stamp_of(synapse, Event())
    assert made is not None
    assert (made.server, made.key, made.time, made.received) == (SERVER, stamp_key_id(KEY), SENT, False)
    check_stamp(KEY, made, StampedEvent("$e", ROOM, LEO, COMMITMENT))
    assert synapse.asked == []


async def test_an_event_from_elsewhere_is_stamped_with_the_time_it_came(synapse: Synapse):
    for _ in range(2):
        made = await stamp_of(synapse, Event(sender=ABROAD))
        assert made is not None
        assert (made.server, made.time, made.received) == (SERVER, ARRIVED, True)
        check_stamp(KEY, made, StampedEvent("$e", ROOM, ABROAD, COMMITMENT))
    assert synapse.asked == ["tutela_arrival"]  # asked once: it does not change


async def test_arrivals_in_memory_are_bounded(synapse: Synapse, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tutela.integrations.matrix.synapse_module._ARRIVALS", 1)
    synapse.database.execute("INSERT INTO events VALUES ('$f', 7)")
    for event_id in ("$e", "$f", "$e"):
        assert await stamp_of(synapse, Event(sender=ABROAD, event_id=event_id))
    assert len(synapse.asked) == 3


@pytest.mark.parametrize("event_id", ["$unknown", "$purged"])
async def test_without_a_time_of_arrival_there_is_no_stamp(
    synapse: Synapse, event_id: str, caplog: pytest.LogCaptureFixture
):
    assert await stamp_of(synapse, Event(sender=ABROAD, event_id=event_id)) is None
    (line,) = caplog.messages
    assert line == f"no stamp for {event_id}: LookupError: the database does not say when it came"


async def test_another_schema_costs_the_stamp_and_nothing_else(synapse: Synapse, caplog: pytest.LogCaptureFixture):
    synapse.database.execute("ALTER TABLE events RENAME COLUMN received_ts TO arrived_ts")
    assert await stamp_of(synapse, Event(sender=ABROAD)) is None
    assert len(caplog.messages) == 1
    assert await stamp_of(synapse, Event()) is not None


@pytest.mark.parametrize(
    "event",
    [
        Event(content=None),
        Event(content=[]),
        Event(event_id=None),  # type: ignore[arg-type]
        Event(event_id="\ud800"),
        Event(room_id=7),  # type: ignore[arg-type]
        Event(origin_server_ts=-1),
        Event(origin_server_ts="now"),  # type: ignore[arg-type]
        object(),
    ],
    ids=range(8),
)
async def test_nothing_makes_a_sync_fail(synapse: Synapse, event: Event, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    assert await stamp_of(synapse, event) is None
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("kind", ["m.room.message", "m.room.member", "m.reaction", "org.tutela.stamp"])
async def test_only_encrypted_events_are_stamped(synapse: Synapse, kind: str):
    assert await stamp_of(synapse, Event(type=kind)) is None


@pytest.mark.parametrize(
    "value",
    [None, 7, True, [], {}, "", "AAAA", "A" * 43, "A" * 44, "A" * 42 + "==", "*" * 43 + "=", "A" * 1_000_000, "é" * 44],
    ids=lambda v: str(v)[:8],
)
async def test_a_malformed_commitment_gets_no_stamp(synapse: Synapse, value: Any, caplog: pytest.LogCaptureFixture):
    assert await stamp_of(synapse, Event(content={COMMITMENT_FIELD: value})) is None
    assert await stamp_of(synapse, Event(content={})) is None
    assert caplog.messages == []


@given(
    st.tuples(
        *[st.text(min_size=1, max_size=20)] * 3,
        st.binary(min_size=32, max_size=32),
        st.integers(0, 253_402_300_799_999),
    )
)
async def test_a_stamp_is_about_one_event(facts: tuple[str, str, str, bytes, int]):
    event_id, room_id, sender, commitment, time = facts
    synapse = Synapse()
    Stamps(Settings(KEY), synapse)
    content = {COMMITMENT_FIELD: base64.b64encode(commitment).decode()}
    event = Event(content, event_id=event_id, room_id=room_id, sender=f"{sender}:{SERVER}", origin_server_ts=time)
    made = await stamp_of(synapse, event)
    assert made is not None
    own = StampedEvent(event_id, room_id, event.sender, commitment)
    check_stamp(KEY, made, own)
    moved = [
        StampedEvent(event_id + "x", room_id, event.sender, commitment),
        StampedEvent(event_id, room_id + "x", event.sender, commitment),
        StampedEvent(event_id, room_id, "x" + event.sender, commitment),
        StampedEvent(event_id, room_id, event.sender, bytes(32) if any(commitment) else b"1" * 32),
    ]
    for other in moved:
        with pytest.raises(BadStamp):
            check_stamp(KEY, made, other)


def test_nothing_can_be_asked_of_the_module(synapse: Synapse):
    """No route, no hook into sending: `Synapse` above has nothing else to register with, so a stamp needs an event."""
    assert len(synapse.callbacks) == 1


# The key file and the configuration


def test_a_key_file_is_made_once_and_read(tmp_path: Path):
    path = tmp_path / "stamp.key"
    make_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = read_key_file(path)
    assert (len(key), path.read_text()) == (32, key.hex() + "\n")
    assert Stamps.parse_config({"key_file": str(path)}) == Settings(key)
    assert key.hex() not in repr(Settings(key))
    with pytest.raises(BadStampKey, match="is there already"):
        make_key_file(path)
    assert read_key_file(path) == key
    with pytest.raises(BadStampKey, match="cannot write the stamp key"):
        make_key_file(tmp_path / "nowhere" / "stamp.key")


@pytest.mark.parametrize(
    "text",
    ["", "00" * 31, "00" * 33, "0" * 63, "g" * 64, "00" * 32 + "\n\n", " " + "00" * 32, "A" * 64, "é" * 64, "0" * 5000],
    ids=range(10),
)
def test_another_form_of_key_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "stamp.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BadStampKey, match="must hold 64 hexadecimal digits"):
        read_key_file(path)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o602, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int):
    path = tmp_path / "stamp.key"
    make_key_file(path)
    path.chmod(mode)
    with pytest.raises(BadStampKey, match="run: chmod 600"):
        read_key_file(path)


def test_a_missing_key_is_told(tmp_path: Path):
    with pytest.raises(BadStampKey, match=r"cannot read the stamp key .*nowhere\.key: No such file"):
        Stamps.parse_config({"key_file": str(tmp_path / "nowhere.key")})
    with pytest.raises(BadStampKey, match="cannot read"):
        read_key_file(tmp_path)


@pytest.mark.parametrize("config", [{}, {"key_file": 7}, {"key_file": None}, {"key": "x"}, {"key_file": "x", "y": 1}])
def test_other_settings_are_refused(config: dict[str, Any]):
    with pytest.raises(BadStampKey, match="takes one setting, key_file"):
        Stamps.parse_config(config)


def test_synapse_is_given_the_wire_format_and_no_more_of_tutela():
    program = (
        "import sys, tutela.integrations.matrix.synapse_module\n"
        "print(*sorted(name for name in sys.modules if name.split('.')[0] in ('tutela', 'synapse', 'twisted', 'nio',"
        " 'numpy', 'PIL', 'cryptography', 'httpx')))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == [
        "tutela",
        "tutela.errors",
        "tutela.integrations",
        "tutela.integrations.matrix",
        "tutela.integrations.matrix.synapse_module",
        "tutela.wire",
        "tutela.wire.document",
        "tutela.wire.errors",
        "tutela.wire.franking",
    ]
