"""A sync answer of any form: the receiver gives timeline events, and never raises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.matrix import TableGuard
from tutela.device.profile import Profile
from tutela.integrations.matrix.api import MatrixApi
from tutela.integrations.matrix.key_store import KeyStore
from tutela.integrations.matrix.machine import Machine
from tutela.integrations.matrix.own_device import OwnDevice
from tutela.integrations.matrix.receiving import Receiver
from tutela.integrations.matrix.rooms import MEGOLM
from tutela.integrations.matrix.timeline import TimelineEvent

MIA, ROOM = "@mia:example.org", "!r:example.org"


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={}))
    with Profile(tmp_path, b"k" * 32) as profile:
        api = MatrixApi("https://matrix.example", transport=transport)
        machine = Machine(MIA, "PHONE", tmp_path, "passphrase")
        yield Receiver(OwnDevice(api, machine, KeyStore(profile)), TableGuard(), media_limit=100)
        machine.close()
        await api.close()


NAMES = [
    "rooms",
    "join",
    "invite",
    "leave",
    "timeline",
    "state",
    "events",
    "limited",
    "prev_batch",
    "invite_state",
    "to_device",
    "device_lists",
    "changed",
    "left",
    "device_one_time_keys_count",
    "signed_curve25519",
    "type",
    "content",
    "sender",
    "state_key",
    "event_id",
    "origin_server_ts",
    "unsigned",
    "transaction_id",
    "membership",
    "algorithm",
    "session_id",
    "ciphertext",
    "msgtype",
    "body",
    "file",
]
WORDS = ["m.room.encrypted", "m.room.message", "m.room.member", "m.room.encryption", MEGOLM, MIA, "join", "invite", ""]
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2**70) | st.floats() | st.sampled_from(WORDS),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.sampled_from(NAMES), children, max_size=4),
    max_leaves=12,
)


def some(**fields: Any) -> st.SearchStrategy[Any]:
    """An object with any of these fields, or something else altogether."""
    return st.fixed_dictionaries({}, optional=fields) | anything


event = some(
    type=st.sampled_from(WORDS),
    event_id=st.just("$1") | anything,
    sender=st.just(MIA) | anything,
    state_key=anything,
    origin_server_ts=anything,
    unsigned=anything,
    content=some(algorithm=st.just(MEGOLM) | anything, session_id=anything, ciphertext=anything, membership=anything),
)
events = some(events=st.lists(event, max_size=3) | anything)
timeline = some(events=st.lists(event, max_size=3) | anything, limited=st.booleans() | anything, prev_batch=anything)
room = some(timeline=timeline, state=events)


def rooms(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from([ROOM, ""]), of, max_size=2) | anything


answers = st.fixed_dictionaries(
    {},
    optional={
        "rooms": some(join=rooms(room), invite=rooms(some(invite_state=events)), leave=rooms(room)),
        "to_device": events,
        "device_lists": some(changed=st.lists(st.just(MIA) | anything, max_size=2) | anything, left=anything),
        "device_one_time_keys_count": anything,
        "device_unused_fallback_key_types": anything,
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(answers, st.none() | st.just("s1"))
def test_a_sync_answer_of_any_form_is_survived(receiver: Receiver, body: dict[str, Any], since: str | None):
    async def take() -> list[TimelineEvent]:
        return [found async for found in receiver.take(body, since)]

    assert all(isinstance(found, TimelineEvent) for found in asyncio.run(take()))
