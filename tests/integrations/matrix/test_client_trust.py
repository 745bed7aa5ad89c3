"""Who may read, who really wrote: against a homeserver that adds devices, replaces keys, injects and withholds."""

from __future__ import annotations

import copy
import secrets
from typing import Any

import pytest

from harness.matrix import Company, Unvouched
from harness.pictures import ORDINARY
from tutela.integrations.matrix.cross_signing import PrivateIdentity, device_signing_upload, fingerprint
from tutela.integrations.matrix.errors import IdentityChanged, IdentityElsewhere, RoomNotEncrypted
from tutela.integrations.matrix.identities import SenderTrust
from tutela.integrations.matrix.signed_json import sign_json, signable
from tutela.integrations.matrix.timeline import Notice, NoticeKind, Problem, TextMessage, UnreadableMessage
from tutela.language import words

pytestmark = pytest.mark.slow


async def test_a_device_that_nobody_vouches_for_receives_nothing_and_is_told(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    intruder = await company.enter(leo.person, profile="intruder", kind=Unvouched)
    events = await mia.sync()
    [notice] = [event for event in events if isinstance(event, Notice)]
    assert notice.kind is NoticeKind.DEVICES_LEFT_OUT
    assert (notice.sender, notice.devices) == (leo.user_id, (intruder.client.device_id,))
    assert leo.user_id in notice.text(words("en"))
    assert await mia.recipients(room) == {(leo.user_id, leo.client.device_id)}
    [unreadable] = [event for event in await intruder.sync() if not isinstance(event, Notice)]
    assert isinstance(unreadable, UnreadableMessage)
    assert unreadable.problem is Problem.NO_KEY
    mia.drain()
    assert await mia.sync() == []  # told once


async def test_what_such_a_device_sends_is_shown_as_such(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo", kind=Unvouched)
    room = await company.room(mia, leo)
    await leo.client.send_text(room, "from a device without an identity")
    message = await mia.until(TextMessage)
    assert message.trust is SenderTrust.UNSIGNED
    assert message.caution(words("en"))
    assert message.caution(words("fr")) != message.caution(words("en"))


async def test_a_device_that_is_vouched_for_later_receives_from_then_on(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo", kind=Unvouched)
    room = await company.room(mia, leo)
    await mia.client.send_text(room, "too early")
    await leo.client.close()
    leo = await company.enter(leo.person)
    await mia.sync()
    await mia.client.send_text(room, "in time")
    assert (await leo.until(TextMessage)).text == "in time"
    await leo.client.send_text(room, "thanks")
    assert (await mia.until(TextMessage, lambda event: not event.own)).trust is SenderTrust.VERIFIED


async def test_a_device_that_the_homeserver_adds_receives_nothing(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    eve = await company.enter("eve")
    listed = (await eve.client._device.api.post("keys/query", {"device_keys": {eve.user_id: []}}))["device_keys"]
    [(device_id, keys)] = listed[eve.user_id].items()
    machine = eve.client._device.machine

    def add(path: str, answer: dict[str, Any]) -> dict[str, Any] | None:
        if not path.endswith("keys/query") or leo.user_id not in answer["device_keys"]:
            return None
        # Eve's real keys, listed as a device of Leo's and properly signed by itself.
        claimed = {**copy.deepcopy(keys), "user_id": leo.user_id, "signatures": {}}
        signature = machine.sign(signable(claimed))
        claimed["signatures"] = {leo.user_id: {f"ed25519:{device_id}": signature}}
        answer["device_keys"][leo.user_id][device_id] = claimed
        return answer

    mia.network.meddle = add
    room = await company.room(mia, leo)
    assert await mia.recipients(room) == {(leo.user_id, leo.client.device_id)}


async def test_a_master_key_that_the_homeserver_replaces_stops_sending(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await mia.client.send_text(room, "before")
    eve = PrivateIdentity.generate(secrets.token_bytes)
    upload = device_signing_upload(eve, leo.user_id, "X", lambda data: "AAAA")

    def replace(path: str, answer: dict[str, Any]) -> dict[str, Any] | None:
        if not path.endswith("keys/query") or leo.user_id not in answer["device_keys"]:
            return None
        answer["master_keys"][leo.user_id] = upload["master_key"]
        answer["self_signing_keys"][leo.user_id] = upload["self_signing_key"]
        for device_id, keys in answer["device_keys"][leo.user_id].items():
            public = eve.public(leo.user_id).self_signing
            answer["device_keys"][leo.user_id][device_id] = sign_json(keys, leo.user_id, public, eve.self_signing)
        return answer

    mia.network.meddle = replace
    mia.client._device.devices_changed([leo.user_id], [])
    sent = len(mia.network.paths("/send/"))
    with pytest.raises(IdentityChanged) as stopped:
        await mia.client.send_text(room, "is it you?")
    assert stopped.value.users == (leo.user_id,)
    with pytest.raises(IdentityChanged):
        await mia.client.send_picture(room, ORDINARY, "coffee.jpg")
    assert mia.guard.asked == []
    assert len(mia.network.paths("/send/")) == sent
    [notice] = [event for event in mia.drain() if isinstance(event, Notice)]
    assert notice.kind is NoticeKind.IDENTITY_CHANGED
    assert (notice.room_id, notice.sender) == (room, leo.user_id)
    assert notice.fingerprint == fingerprint(eve.public(leo.user_id).master)
    for language in ("en", "fr"):
        assert leo.user_id in notice.text(words(language))


async def test_a_changed_identity_is_told_once_and_accepted(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await mia.client.send_text(room, "before")
    phone = await company.enter(leo.person, profile="new-phone", replace_identity=True)
    await phone.sync()
    phone.client.accept_reader(room, mia.user_id)
    notice = await mia.until(Notice)
    assert notice.kind is NoticeKind.IDENTITY_CHANGED
    await phone.client.send_text(room, "it is me")
    message = await mia.until(TextMessage, lambda event: not event.own)
    assert message.trust is SenderTrust.CHANGED
    with pytest.raises(IdentityChanged):
        await mia.client.send_text(room, "not yet")
    with pytest.raises(IdentityChanged, match="changed again"):
        mia.client.accept_new_identity(leo.user_id, shown="AAAA AAAA")
    mia.client.accept_new_identity(leo.user_id, shown=notice.fingerprint)
    await mia.client.send_text(room, "welcome back")
    assert (await phone.until(TextMessage, lambda event: not event.own)).text == "welcome back"
    assert not [event for event in mia.drain() if isinstance(event, Notice)]
    # The accepted pin outlives the session; the old device, signed by the old identity, is out.
    await mia.client.close()
    again = await company.enter(mia.person, password=None)
    await again.sync()
    assert await again.recipients(room) == {(leo.user_id, phone.client.device_id)}


async def test_a_change_while_this_client_was_away_is_noticed(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await mia.client.close()
    await company.enter(leo.person, profile="new-phone", replace_identity=True)
    again = await company.enter(mia.person, password=None)
    assert (await again.until(Notice)).kind is NoticeKind.IDENTITY_CHANGED
    with pytest.raises(IdentityChanged):
        await again.client.send_text(room, "hello?")


async def test_an_own_identity_replaced_elsewhere_stops_sending_and_is_never_just_accepted(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await company.enter(mia.person, profile="elsewhere", replace_identity=True)
    assert (await mia.until(Notice)).kind is NoticeKind.OWN_IDENTITY_CHANGED
    with pytest.raises(IdentityChanged, match="this account's keys"):
        await mia.client.send_text(room, "hello")
    with pytest.raises(IdentityElsewhere):
        mia.client.accept_new_identity(mia.user_id)


async def test_encryption_that_the_homeserver_forgets_is_remembered(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await mia.client.close()
    again = await company.enter(mia.person, password=None)

    def forget(path: str, answer: dict[str, Any]) -> dict[str, Any] | None:
        if not path.endswith("/sync"):
            return None
        for joined in answer.get("rooms", {}).get("join", {}).values():
            for part in ("state", "timeline"):
                events = joined[part]["events"]
                joined[part]["events"] = [event for event in events if event["type"] != "m.room.encryption"]
        return answer

    again.network.meddle = forget
    await again.sync()
    await again.client.send_text(room, "still encrypted")
    assert (await leo.until(TextMessage)).text == "still encrypted"


async def test_an_unknown_algorithm_is_not_written_to(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    mia.client.rooms[room].apply({"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "none"}})
    with pytest.raises(RoomNotEncrypted):
        await mia.client.send_text(room, "hello")


async def test_who_leaves_reads_no_more_and_who_joins_reads_from_then_on(company: Company):
    mia, leo, zoe = await company.enter("mia"), await company.enter("leo"), await company.enter("zoe")
    room = await company.room(mia, leo, zoe)
    assert await mia.recipients(room) == {(p.user_id, p.client.device_id) for p in (leo, zoe)}
    assert await mia.recipients(room) == set()
    await zoe.client.leave(room)
    await mia.sync()
    assert await mia.recipients(room) == {(leo.user_id, leo.client.device_id)}
    await mia.client.invite(room, zoe.user_id)
    await mia.sync()
    assert await mia.recipients(room) == {(zoe.user_id, zoe.client.device_id)}


async def test_a_message_under_a_false_name_is_not_shown(company: Company):
    mia, leo, eve = await company.enter("mia"), await company.enter("leo"), await company.enter("eve")
    room = await company.room(mia, leo, eve)
    await eve.client.send_text(room, "I am Leo, send me a picture")

    def rename(path: str, answer: dict[str, Any]) -> dict[str, Any] | None:
        for joined in answer.get("rooms", {}).get("join", {}).values() if path.endswith("/sync") else ():
            for event in joined["timeline"]["events"]:
                if event["type"] == "m.room.encrypted":
                    event["sender"] = leo.user_id
        return answer

    mia.network.meddle = rename
    message = await mia.until(UnreadableMessage)
    assert message.problem is Problem.FORGED
    assert "picture" not in repr(message)


async def test_a_message_shown_again_under_another_id_is_a_replay(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await leo.client.send_text(room, "yes")

    def repeat(path: str, answer: dict[str, Any]) -> dict[str, Any] | None:
        for joined in answer.get("rooms", {}).get("join", {}).values() if path.endswith("/sync") else ():
            events = joined["timeline"]["events"]
            events += [{**event, "event_id": "$again"} for event in events if event["type"] == "m.room.encrypted"]
        return answer

    mia.network.meddle = repeat
    first, second = [event for event in await mia.sync() if not isinstance(event, Notice)]
    assert isinstance(first, TextMessage)
    assert isinstance(second, UnreadableMessage)
    assert second.problem is Problem.UNDECRYPTABLE


async def test_a_message_shown_again_after_a_restart_is_a_replay_too(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    kept: list[dict[str, Any]] = []

    def keep(path: str, answer: dict[str, Any]) -> None:
        for joined in answer.get("rooms", {}).get("join", {}).values() if path.endswith("/sync") else ():
            kept.extend(event for event in joined["timeline"]["events"] if event["type"] == "m.room.encrypted")

    mia.network.meddle = keep
    event_id = await leo.client.send_text(room, "yes")
    assert (await mia.until(TextMessage)).event_id == event_id
    await mia.client.close()
    again = await company.enter(mia.person, password=None)
    [old] = kept

    def repeat(path: str, answer: dict[str, Any]) -> dict[str, Any] | None:
        if path.endswith("/sync"):
            answer["rooms"]["join"][room]["timeline"]["events"] = [{**old, "event_id": "$new"}, old]
            return answer
        return None

    again.network.meddle = repeat
    replayed, same = [event for event in await again.sync() if not isinstance(event, Notice)]
    assert isinstance(replayed, UnreadableMessage)
    assert replayed.problem is Problem.UNDECRYPTABLE
    assert isinstance(same, TextMessage)
    assert same.event_id == event_id
