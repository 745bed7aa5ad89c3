"""What was seen once is not taken for something new, however often the record is opened again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tutela.device.errors import DamagedProfile
from tutela.integrations.matrix import replays as module
from tutela.integrations.matrix.errors import RecordUnavailable, UndecryptableEvent
from tutela.integrations.matrix.replays import FILE, Origin, Replays

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


def check(
    record: Replays, room: str, key: str, session: str, index: int, event: str, sender: str = "@leo", known: bool = True
) -> None:
    record.check(Origin(room, key, session, index), sender, event, established=known)


def test_a_replay_is_refused_after_a_restart_and_the_same_event_is_not(opened: Callable[[], Replays]):
    check(opened(), "!r", "sender", "session", 0, "$1")
    again = opened()
    check(again, "!r", "sender", "session", 0, "$1")
    for sender in ("@leo", "@eve"):
        for known in (True, False):
            with pytest.raises(UndecryptableEvent, match="replay"):
                check(again, "!r", "sender", "session", 0, "$2", sender, known)
    check(again, "!r", "sender", "session", 0, "$1")


def test_a_copy_under_another_name_does_not_stand_in_for_the_true_message(opened: Callable[[], Replays]):
    record = opened()
    check(record, "!r", "sender", "session", 0, "$copy", "@eve", known=False)
    check(record, "!r", "sender", "session", 0, "$copy", "@eve", known=False)
    with pytest.raises(UndecryptableEvent):
        check(record, "!r", "sender", "session", 0, "$copy-of-copy", "@eve", known=False)
    check(record, "!r", "sender", "session", 0, "$true")
    with pytest.raises(UndecryptableEvent):
        check(record, "!r", "sender", "session", 0, "$copy", "@eve", known=False)


def test_what_came_from_an_unknown_device_does_not_come_again_from_a_known_one(opened: Callable[[], Replays]):
    record = opened()
    check(record, "!r", "sender", "session", 0, "$1", known=False)
    with pytest.raises(UndecryptableEvent):
        check(record, "!r", "sender", "session", 0, "$2")
    check(record, "!r", "sender", "session", 0, "$1")


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
            check(record, *message, event_id)
        else:
            with pytest.raises(UndecryptableEvent):
                check(record, *message, event_id)


def test_a_room_keeps_its_newest_whatever_happens_in_another(
    opened: Callable[[], Replays], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "MESSAGES", 5)
    monkeypatch.setattr(module, "_BETWEEN", 1)
    record = opened()
    check(record, "!quiet", "s", "s", 0, "$quiet")
    for index in range(20):
        check(record, "!loud", "s", "s", index, f"${index}")
    [(rows,)] = record._database.execute("SELECT count(*) FROM seen").fetchall()
    assert rows == 1 + 5
    for room, index in (("!quiet", 0), ("!loud", 15), ("!loud", 19)):
        with pytest.raises(UndecryptableEvent):
            check(record, room, "s", "s", index, "$another")


def test_nothing_in_it_can_be_read(opened: Callable[[], Replays], tmp_path: Path):
    record = opened()
    check(record, "!the-room:example.org", "the-sender", "the-session", 7, "$the-event", "@the-person")
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"CREATE TABLE" in stored
    for secret in (b"the-room", b"example.org", b"the-sender", b"the-session", b"the-event", b"the-person"):
        assert secret not in stored


def test_a_damaged_record_is_said_so(tmp_path: Path):
    (tmp_path / FILE).write_bytes(b"something else altogether" * 100)
    with pytest.raises(DamagedProfile, match="seen messages"):
        Replays(tmp_path, KEY)


def test_a_record_that_somebody_else_holds_is_said_so_and_works_again(
    opened: Callable[[], Replays], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_BUSY_SECONDS", 0.01)
    record = opened()
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RecordUnavailable):
            check(record, "!r", "sender", "session", 0, "$1")
        other.rollback()
    check(record, "!r", "sender", "session", 0, "$2")


def test_a_record_that_cannot_be_opened_is_said_so(tmp_path: Path):
    (tmp_path / FILE).mkdir()
    with pytest.raises(RecordUnavailable):
        Replays(tmp_path, KEY)


def test_another_record_in_its_place_has_another_number(opened: Callable[[], Replays], tmp_path: Path):
    number = opened().number
    assert number > 0
    assert opened().number == number
    (tmp_path / FILE).unlink()
    assert opened().number not in (0, number)
