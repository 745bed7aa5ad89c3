"""Stamps from a real Synapse: where they are given, what they are about, and what never gets one."""

from __future__ import annotations

import base64
import itertools
import json
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest

from harness.synapse import Person, make_person, open_homeserver, stamp_key
from tutela.integrations.matrix import homeserver as homeservers
from tutela.integrations.matrix.errors import HomeserverFailed
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.integrations.matrix.synapse_module import arrival, make_key_file, read_key_file
from tutela.wire.errors import BadStamp
from tutela.wire.franking import COMMITMENT_FIELD, STAMP_FIELD, Stamp, StampedEvent, check_stamp

pytestmark = pytest.mark.slow

COMMITMENT = b"c" * 32
FAKE = {
    "version": 1,
    "server": "tutela.localhost",
    "key": "0" * 16,
    "time": 1_000_000_000_000,
    "received": False,
    "mac": "0" * 64,
}
_numbers = itertools.count(1)


class Account:
    """Somebody who speaks to the homeserver directly and sends it what they like."""

    def __init__(self, http: httpx.AsyncClient, user_id: str) -> None:
        self.user_id = user_id
        self._http = http

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        answer = await self._http.request(method, f"/_matrix/client/v3/{path}", **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def room(self, *guests: Account) -> str:
        body = {"preset": "private_chat", "invite": [guest.user_id for guest in guests]}
        room_id = (await self.ask("POST", "createRoom", json=body))["room_id"]
        for guest in guests:
            await guest.ask("POST", f"join/{quote(room_id)}", json={})
        return str(room_id)

    async def send(self, room_id: str, content: dict[str, Any], kind: str = "m.room.encrypted") -> str:
        path = f"rooms/{quote(room_id)}/send/{kind}/{next(_numbers)}"
        return str((await self.ask("PUT", path, json=content))["event_id"])

    async def event(self, room_id: str, event_id: str) -> dict[str, Any]:
        return dict(await self.ask("GET", f"rooms/{quote(room_id)}/event/{quote(event_id)}"))

    async def stamp(self, room_id: str, event_id: str) -> Any:
        return (await self.event(room_id, event_id)).get("unsigned", {}).get(STAMP_FIELD)


Enter = Callable[[str], Awaitable[Account]]


@pytest.fixture
async def enter(homeserver: Homeserver, person: Callable[[str], Awaitable[Person]]) -> Any:
    """Signs in somebody new."""
    opened: list[httpx.AsyncClient] = []

    async def made(name: str) -> Account:
        return await _enter(homeserver, await person(name), opened)

    yield made
    for http in opened:
        await http.aclose()


async def _enter(homeserver: Homeserver, somebody: Person, opened: list[httpx.AsyncClient]) -> Account:
    http = httpx.AsyncClient(base_url=homeserver.url, timeout=30, trust_env=False)
    opened.append(http)
    account = Account(http, somebody.user_id)
    identifier = {"type": "m.id.user", "user": somebody.name}
    body = {"type": "m.login.password", "identifier": identifier, "password": somebody.password}
    http.headers["Authorization"] = f"Bearer {(await account.ask('POST', 'login', json=body))['access_token']}"
    return account


def bearing(commitment: object = base64.b64encode(COMMITMENT).decode(), **more: Any) -> dict[str, Any]:
    return {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "…", COMMITMENT_FIELD: commitment, **more}


def checked(homeserver: Homeserver, event: dict[str, Any], room_id: str) -> StampedEvent:
    """The event's stamp verifies with the homeserver's key, for what the event itself says."""
    made = msgspec.convert(event["unsigned"][STAMP_FIELD], Stamp)
    facts = StampedEvent(
        event["event_id"], room_id, event["sender"], base64.b64decode(event["content"][COMMITMENT_FIELD])
    )
    check_stamp(read_key_file(stamp_key(homeserver.folder)), made, facts)
    assert (made.server, made.time, made.received) == (homeserver.server_name, event["origin_server_ts"], False)
    return facts


async def test_every_way_of_reading_gives_the_same_stamp(homeserver: Homeserver, enter: Enter):
    leo, mia = await enter("leo"), await enter("mia")
    room = await leo.room(mia)
    event_id = await leo.send(room, bearing())
    path = f"rooms/{quote(room)}"
    sync = await mia.ask("GET", "sync")
    found = [
        await mia.event(room, event_id),
        (await mia.ask("GET", f"{path}/context/{quote(event_id)}"))["event"],
        (await mia.ask("GET", f"{path}/messages", params={"dir": "b", "limit": 1}))["chunk"][0],
        sync["rooms"]["join"][room]["timeline"]["events"][-1],
        await leo.event(room, event_id),
    ]
    assert {event["event_id"] for event in found} == {event_id}
    for event in found:
        assert checked(homeserver, event, room).sender == leo.user_id
    assert len({json.dumps(event["unsigned"][STAMP_FIELD]) for event in found}) == 1


async def test_what_a_client_writes_in_a_stamps_place_is_not_one(homeserver: Homeserver, enter: Enter):
    leo = await enter("leo")
    room = await leo.room()
    forged = {
        STAMP_FIELD: FAKE,
        "unsigned": {STAMP_FIELD: FAKE},
        "event_id": "$other",
        "sender": "@mia:tutela.localhost",
    }
    event = await leo.event(room, await leo.send(room, bearing(**forged)))
    checked(homeserver, event, room)
    assert event["unsigned"][STAMP_FIELD] != FAKE
    assert await leo.stamp(room, await leo.send(room, {"ciphertext": "…", **forged})) is None


MALFORMED = [None, 7, True, [], {}, "", "A" * 43, "A" * 45, "A" * 42 + "==", "*" * 43 + "=", "A" * 10_000]


async def test_a_malformed_commitment_gets_none(enter: Enter):
    leo = await enter("leo")
    room = await leo.room()
    sent = [await leo.send(room, bearing(value)) for value in [*MALFORMED, base64.b64encode(COMMITMENT).decode()]]
    assert [await leo.stamp(room, event_id) is None for event_id in sent] == [True] * len(MALFORMED) + [False]


async def test_only_encrypted_events_get_one(enter: Enter):
    leo = await enter("leo")
    room = await leo.room()
    content = {"msgtype": "m.text", "body": "hello", **bearing()}
    assert await leo.stamp(room, await leo.send(room, content, kind="m.room.message")) is None
    assert await leo.stamp(room, await leo.send(room, content, kind="org.tutela.anything")) is None


async def test_a_redacted_event_has_none_any_more(homeserver: Homeserver, enter: Enter):
    leo, mia = await enter("leo"), await enter("mia")
    room = await leo.room(mia)
    event_id = await leo.send(room, bearing())
    held = await mia.event(room, event_id)
    await leo.ask("PUT", f"rooms/{quote(room)}/redact/{quote(event_id)}/{next(_numbers)}", json={})
    event = await mia.event(room, event_id)
    assert event["content"] == {}
    assert STAMP_FIELD not in event["unsigned"]
    checked(homeserver, held, room)  # what the receiver kept stays good


async def test_a_copied_commitment_is_stamped_for_the_copier_and_frames_nobody(homeserver: Homeserver, enter: Enter):
    leo, mia = await enter("leo"), await enter("mia")
    room, own = await leo.room(mia), await mia.room()
    original = await mia.event(room, await leo.send(room, bearing()))
    copies = [
        (own, await mia.event(own, await mia.send(own, bearing()))),
        (room, await mia.event(room, await mia.send(room, bearing()))),
        (room, await mia.event(room, await leo.send(room, bearing()))),
    ]
    key = read_key_file(stamp_key(homeserver.folder))
    about = checked(homeserver, original, room)
    for where, copy in copies:
        facts = checked(homeserver, copy, where)
        assert facts == StampedEvent(copy["event_id"], where, copy["sender"], COMMITMENT)
        # Neither stamp passes for the other.
        for stamped, event in ((original, facts), (copy, about)):
            with pytest.raises(BadStamp):
                check_stamp(key, msgspec.convert(stamped["unsigned"][STAMP_FIELD], Stamp), event)


async def test_a_stamp_cannot_be_had_before_its_event_or_for_another_room(homeserver: Homeserver, enter: Enter):
    """Nothing to hoard and nothing to hand on: the stamp covers an id that the homeserver makes of the sent event."""
    leo, mia = await enter("leo"), await enter("mia")
    room = await leo.room()
    answers = []
    for method, path, body in [
        ("GET", f"rooms/{quote(room)}/event/{quote('$' + 'A' * 43)}", None),
        ("PUT", f"rooms/{quote(await mia.room())}/send/m.room.encrypted/1", bearing()),
        ("POST", "org.tutela.stamp", bearing()),
        ("PUT", f"user/{leo.user_id}/account_data/{STAMP_FIELD}", bearing()),
        ("PUT", f"user/{leo.user_id}/rooms/{quote(room)}/account_data/m.room.encrypted", bearing()),
        ("PUT", f"sendToDevice/m.room.encrypted/{next(_numbers)}", {"messages": {leo.user_id: {"*": bearing()}}}),
    ]:
        answer = await leo._http.request(method, f"/_matrix/client/v3/{path}", json=body)
        answers.append(answer.text)
    answers.append(json.dumps(await leo.ask("GET", "sync")))
    assert not any('"mac"' in answer for answer in answers)
    # What was sent can be had; moved to another room or event, it is worth nothing.
    event = await leo.event(room, await leo.send(room, bearing()))
    facts, made = checked(homeserver, event, room), msgspec.convert(event["unsigned"][STAMP_FIELD], Stamp)
    for moved in (replace(facts, room_id=await leo.room()), replace(facts, event_id="$" + "A" * 43)):
        with pytest.raises(BadStamp):
            check_stamp(read_key_file(stamp_key(homeserver.folder)), made, moved)


async def test_synapses_own_database_says_when_an_event_came(homeserver: Homeserver, enter: Enter):
    leo = await enter("leo")
    room = await leo.room()
    event = await leo.event(room, await leo.send(room, bearing()))
    with closing(sqlite3.connect(f"file:{homeserver.database}?mode=ro", uri=True)) as database:
        assert arrival(database.cursor(), event["event_id"]) >= event["origin_server_ts"]
        with pytest.raises(LookupError):
            arrival(database.cursor(), "$nothing")


ABROAD = '''
"""The module in a homeserver that takes everybody for a user of another one, with all else as it is."""

from tutela.integrations.matrix.synapse_module import Stamps


class Api:
    def __init__(self, api):
        self._api = api

    def __getattr__(self, name):
        return getattr(self._api, name)

    def is_mine(self, user_id):
        return False


class Abroad(Stamps):
    def __init__(self, settings, api):
        super().__init__(settings, Api(api))
'''


async def test_an_event_from_elsewhere_through_synapses_own_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "hs"
    folder.mkdir()
    (folder / "abroad.py").write_text(ABROAD)
    monkeypatch.setenv("PYTHONPATH", str(folder))  # Synapse imports nothing from where it runs
    monkeypatch.setattr(homeservers, "_STAMPS", "abroad.Abroad")
    opened: list[httpx.AsyncClient] = []
    async with open_homeserver(folder) as homeserver:
        leo = await _enter(homeserver, await make_person(homeserver, "leo"), opened)
        room = await leo.room()
        event = await leo.event(room, await leo.send(room, bearing()))
        again = await leo.event(room, event["event_id"])
        with closing(sqlite3.connect(f"file:{homeserver.database}?mode=ro", uri=True)) as database:
            arrived = arrival(database.cursor(), event["event_id"])
    for http in opened:
        await http.aclose()
    made = msgspec.convert(event["unsigned"][STAMP_FIELD], Stamp)
    assert (made.time, made.received) == (arrived, True)
    assert again["unsigned"][STAMP_FIELD] == event["unsigned"][STAMP_FIELD]
    facts = StampedEvent(event["event_id"], room, leo.user_id, COMMITMENT)
    check_stamp(read_key_file(stamp_key(folder)), made, facts)


async def test_a_bad_key_file_keeps_synapse_from_starting_and_says_why(tmp_path: Path):
    key = tmp_path / "stamp.key"
    make_key_file(key)
    key.chmod(0o644)
    with pytest.raises(HomeserverFailed, match=r"other users can read the stamp key .*stamp.key; run: chmod 600"):
        await Homeserver.start(tmp_path / "hs", stamp_key=key)
