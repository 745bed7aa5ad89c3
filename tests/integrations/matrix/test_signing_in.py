"""Signing in: the order of the uploads, second devices, replaced identities, and whatever goes wrong on the way."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import httpx
import pytest

from harness.matrix import Company, Network
from tutela.device.errors import DamagedProfile, ProfileInUse, WrongProfileKey
from tutela.integrations.matrix.client import GuardedClient, HandedOver
from tutela.integrations.matrix.errors import (
    BadKeySignature,
    IdentityElsewhere,
    MatrixError,
    OtherAccount,
    Refused,
    SignedOut,
    SomebodyJoined,
    Unreachable,
    UnreadableIdentity,
    WrongPassword,
)
from tutela.integrations.matrix.key_store import export_identity
from tutela.integrations.matrix.signing_in import establish_identity
from tutela.integrations.matrix.timeline import TextMessage

pytestmark = pytest.mark.slow

KEY = b"k" * 32


async def test_the_identity_vouches_for_the_device_before_any_room_key_is_shared(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await mia.client.send_text(room, "hello")
    order = [path.rpartition("/v3/")[2].split("/m.room")[0] for path in mia.network.paths("/v3/")]
    steps = ["keys/upload", "keys/device_signing/upload", "keys/signatures/upload", "sendToDevice"]
    assert sorted(steps, key=order.index) == steps
    assert order.count("keys/signatures/upload") == 1


@pytest.mark.parametrize("status", [201, 403, 500])
@pytest.mark.parametrize("step", ["keys/upload", "keys/device_signing/upload", "keys/signatures/upload"])
async def test_any_status_but_200_stops_and_the_next_login_completes(company: Company, step: str, status: int):
    person = await company.person("mia")
    network = Network()
    network.meddle = lambda path, answer: httpx.Response(status, json={}) if path.endswith(step) else None
    with pytest.raises(Refused):
        await company.enter(person, network=network)
    assert network.requests[-1][1].endswith(step)
    mia, leo = await company.enter(person), await company.enter("leo")
    room = await company.room(mia, leo)
    await mia.client.send_text(room, "hello")
    assert (await leo.until(TextMessage)).trust == "verified"


async def test_a_signature_that_the_homeserver_does_not_take_stops(company: Company):
    network = Network()
    failed = {"failures": {"@mia:x": {"DEVICE": {"errcode": "M_INVALID_SIGNATURE"}}}}
    network.meddle = lambda path, answer: failed if path.endswith("signatures/upload") else None
    with pytest.raises(BadKeySignature):
        await company.enter("mia", network=network)


async def test_a_signature_that_the_homeserver_swallows_stops(company: Company):
    network = Network()

    def forget(path: str, answer: dict[str, Any]) -> dict[str, Any] | None:
        if path.endswith("keys/query"):
            for devices in answer["device_keys"].values():
                for device in devices.values():
                    for made in device["signatures"].values():
                        for name in [name for name in made if not name.endswith(device["device_id"])]:
                            del made[name]
            return answer
        return None

    network.meddle = forget
    with pytest.raises(MatrixError, match="does not show this device as signed"):
        await company.enter("mia", network=network)


async def test_other_keys_for_this_device_stop(company: Company):
    other = await company.enter("leo")
    theirs = await other.client._device.api.post("keys/query", {"device_keys": {other.user_id: []}})
    network = Network()

    def swap(path: str, answer: dict[str, Any]) -> dict[str, Any] | None:
        if path.endswith("keys/query"):
            # The homeserver shows another device's keys in place of ours; here, none that fit our names.
            for user in answer["device_keys"]:
                for device in answer["device_keys"][user]:
                    answer["device_keys"][user][device] = next(iter(theirs["device_keys"][other.user_id].values()))
            return answer
        return None

    network.meddle = swap
    with pytest.raises(BadKeySignature):
        await company.enter("mia", network=network)


async def test_a_wrong_password(company: Company):
    person = await company.person("mia")
    with pytest.raises(WrongPassword):
        await company.enter(person, password="not this one")


async def test_a_session_is_resumed_without_a_password(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await leo.client.send_text(room, "before")
    await mia.sync()
    await mia.client.close()
    await leo.client.send_text(room, "while away")
    again = await company.enter(mia.person, password=None)
    assert again.client.device_id == mia.client.device_id
    assert again.network.paths("/login") == []
    assert again.network.paths("/upload") == []
    [event] = await again.sync()
    assert isinstance(event, TextMessage)
    assert (event.text, event.trust) == ("while away", "verified")
    await again.client.send_text(room, "back")
    assert (await leo.until(TextMessage, lambda event: not event.own)).text == "back"


async def test_a_session_that_ended_needs_the_password_and_keeps_its_device(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(mia, leo)
    await mia.client._device.api.post("logout", {})
    with pytest.raises(SignedOut):
        await mia.client.sync_once()
    await mia.client.close()
    with pytest.raises(SignedOut):
        await company.enter(mia.person, password=None)
    again = await company.enter(mia.person)
    assert again.client.device_id == mia.client.device_id
    await again.sync()
    await again.client.send_text(room, "back")
    assert (await leo.until(TextMessage)).trust == "verified"


async def test_nothing_to_resume(company: Company):
    with pytest.raises(SignedOut):
        await company.enter("mia", password=None)


async def test_a_profile_belongs_to_one_account_one_process_and_one_key(company: Company):
    mia, leo = await company.enter("mia"), await company.person("leo")
    with pytest.raises(ProfileInUse):
        await company.enter(mia.person)
    await mia.client.close()
    with pytest.raises(OtherAccount):
        await company.enter(leo, profile=mia.person.name)
    with pytest.raises(WrongProfileKey):
        await company.enter(mia.person, key=KEY)


async def test_a_lost_olm_account_makes_another_device(company: Company):
    mia = await company.enter("mia")
    await mia.client.close()
    (mia.profile / "matrix" / "olm.db").unlink()
    again = await company.enter(mia.person)
    assert again.client.device_id != mia.client.device_id


async def test_a_damaged_olm_account_is_told(company: Company):
    mia = await company.enter("mia")
    await mia.client.close()
    other = await company.enter("leo")
    await other.client.close()
    database, theirs = (profile / "matrix" / "olm.db" for profile in (mia.profile, other.profile))
    with closing(sqlite3.connect(theirs)) as connection:
        connection.execute("UPDATE accounts SET user_id = ?, device_id = ?", (mia.user_id, mia.client.device_id))
        connection.commit()
    database.write_bytes(theirs.read_bytes())
    with pytest.raises(DamagedProfile):
        await company.enter(mia.person)


async def test_a_second_device_with_the_identity_handed_over(company: Company):
    phone, leo = await company.enter("mia"), await company.enter("leo")
    room = await company.room(phone, leo)
    sealed = phone.client.export_identity(KEY)
    tablet = await company.enter(phone.person, profile="tablet", identity=HandedOver(sealed, KEY))
    assert tablet.client.device_id != phone.client.device_id
    assert tablet.network.paths("device_signing") == []
    await tablet.sync()
    await leo.sync()  # learns of the new device
    await leo.client.send_text(room, "to both")
    assert (await tablet.until(TextMessage)).trust == "verified"
    assert (await phone.until(TextMessage)).trust == "verified"
    with pytest.raises(SomebodyJoined):
        await tablet.client.send_text(room, "this device has not been told who Leo is")
    tablet.client.accept_reader(room, leo.user_id)
    await tablet.client.send_text(room, "from the tablet")
    assert (await leo.until(TextMessage, lambda event: not event.own)).trust == "verified"
    seen = await phone.until(TextMessage, lambda event: event.text == "from the tablet")
    assert (seen.own, seen.trust) == (True, "verified")


async def test_a_second_device_without_the_identity_is_told_what_to_do(company: Company):
    phone = await company.enter("mia")
    with pytest.raises(IdentityElsewhere) as told:
        await company.enter(phone.person, profile="tablet")
    assert told.value.hint
    sealed = phone.client.export_identity(KEY)
    for damaged, key in ((sealed, b"x" * 32), (sealed[:-1], KEY), (sealed, b"short"), (b"", KEY)):
        with pytest.raises(UnreadableIdentity):
            await company.enter(phone.person, profile="tablet", identity=HandedOver(damaged, key))


async def test_another_accounts_identity_is_not_used(company: Company):
    mia, leo = await company.enter("mia"), await company.enter("leo")
    sealed = export_identity(leo.client._device.store.state.identity.identity(), KEY)
    with pytest.raises(IdentityElsewhere):
        await company.enter(mia.person, profile="tablet", identity=HandedOver(sealed, KEY))


async def test_an_identity_is_replaced_with_the_password_only(company: Company):
    phone = await company.enter("mia")
    first = phone.client._device.directory.pins[phone.user_id]
    tablet = await company.enter(phone.person, profile="tablet", replace_identity=True)
    second = tablet.client._device.directory.pins[phone.user_id]
    assert first != second
    assert len(tablet.network.paths("device_signing")) == 2  # the first was answered with 401
    store = phone.client._device.store
    store.update(identity=None)
    with pytest.raises(WrongPassword):
        await establish_identity(phone.client._device, password="not this one", replace=True)
    with pytest.raises(WrongPassword, match="asks for the password"):
        await establish_identity(phone.client._device, password=None, replace=True)
    assert store.state.identity is None
    await establish_identity(phone.client._device, password=phone.person.password, replace=True)
    assert phone.client._device.directory.pins[phone.user_id] not in (first, second)


async def test_a_homeserver_that_wants_another_proof_is_told_apart(company: Company):
    network = Network()
    ask = httpx.Response(401, json={"session": "s", "flows": [{"stages": ["m.login.sso"]}], "params": {}})
    network.meddle = lambda path, answer: ask if path.endswith("device_signing/upload") else None
    with pytest.raises(Refused, match="another proof"):
        await company.enter("mia", network=network)


async def test_a_crash_between_the_uploads_loses_no_key(company: Company):
    network, person = Network(), await company.person("mia")

    def crash(path: str, answer: dict[str, Any]) -> None:
        if path.endswith("device_signing/upload"):
            raise KeyboardInterrupt

    network.meddle = crash
    with pytest.raises(KeyboardInterrupt):
        await company.enter(person, network=network)
    mia = await company.enter(person)
    assert mia.network.paths("device_signing") == []  # the homeserver has it, and so does the profile
    assert len(mia.network.paths("signatures/upload")) == 1


async def test_an_unreachable_homeserver(company: Company):
    network = Network()
    network.down = True
    with pytest.raises(Unreachable):
        await company.enter("mia", network=network)


async def test_the_openid_token_is_good_at_the_homeserver(company: Company):
    mia = await company.enter("mia")
    token = await mia.client.openid_token()
    async with httpx.AsyncClient(base_url=company.homeserver.url) as http:
        answer = await http.get("/_matrix/federation/v1/openid/userinfo", params={"access_token": token.access_token})
    assert answer.json() == {"sub": mia.user_id}
    assert token.matrix_server_name == company.homeserver.server_name


async def test_a_client_without_a_guard_is_refused_and_leaves_the_profile_free(company: Company):
    mia = await company.person("mia")
    options = {"profile": company._folder / "mia", "key": KEY}
    with pytest.raises(MatrixError, match="needs a guard"):
        await GuardedClient.login(company.homeserver.url, mia.name, mia.password, **options)
    await company.enter(mia, profile="mia", key=KEY)
