"""What was seen once is not taken for something new, however often the record is opened again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tutela.device.errors import DamagedProfile
from tutela.integrations.matrix import replays as module
from tutela.integrations.matrix.errors import UndecryptableEvent
from tutela.integrations.matrix.replays import FILE, Replays

KEY = bytes(32)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], Replays]]:
    records: list[Replays] = []

    def reopen() -> Replays:
        if records:
            records[-1].close()
        records.append(Replays(tmp_path, KEY))
        return records[-1]

    yield reopen
    records[-1].close()


def test_a_replay_is_refused_after_a_restart_and_the_same_event_is_not(opened: Callable[[], Replays]):
    opened().check("!r", "sender", "session", 0, "$1")
    again = opened()
    again.check("!r", "sender", "session", 0, "$1")
    for _ in range(2):
        with pytest.raises(UndecryptableEvent, match="replay"):
            again.check("!r", "sender", "session", 0, "$2")
    again.check("!r", "sender", "session", 0, "$1")


names = st.text(max_size=4) | st.sampled_from(["a", "b", "\ud800", '","'])
messages = st.tuples(names, names, names, st.integers(0, 2**32 - 1) | st.integers(0, 2))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(messages, names), max_size=12))
def test_it_remembers_as_a_dictionary_does(opened: Callable[[], Replays], seen: list[tuple[tuple, str]]):
    record, known = opened(), {}
    record._database.execute("DELETE FROM seen")
    for number, (message, event_id) in enumerate(seen):
        if number == 6:
            record = opened()
        if known.setdefault(message, event_id) == event_id:
            record.check(*message, event_id)
        else:
            with pytest.raises(UndecryptableEvent):
                record.check(*message, event_id)


def test_a_room_keeps_its_newest_whatever_happens_in_another(
    opened: Callable[[], Replays], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "MESSAGES", 5)
    monkeypatch.setattr(module, "_BETWEEN", 1)
    record = opened()
    record.check("!quiet", "s", "s", 0, "$quiet")
    for index in range(20):
        record.check("!loud", "s", "s", index, f"${index}")
    [(rows,)] = record._database.execute("SELECT count(*) FROM seen").fetchall()
    assert rows == 1 + 5
    for room, index in (("!quiet", 0), ("!loud", 15), ("!loud", 19)):
        with pytest.raises(UndecryptableEvent):
            record.check(room, "s", "s", index, "$another")


def test_nothing_in_it_can_be_read(opened: Callable[[], Replays], tmp_path: Path):
    record = opened()
    record.check("!the-room:example.org", "the-sender", "the-session", 7, "$the-event")
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"CREATE TABLE" in stored
    for secret in (b"the-room", b"example.org", b"the-sender", b"the-session", b"the-event"):
        assert secret not in stored


def test_a_damaged_record_is_said_so(tmp_path: Path):
    (tmp_path / FILE).write_bytes(b"something else altogether" * 100)
    with pytest.raises(DamagedProfile, match="seen messages"):
        Replays(tmp_path, KEY)
