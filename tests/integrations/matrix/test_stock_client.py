"""The proof: a client that we did not write, in the mode that accepts only cross-signed devices."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.matrix import Company, Partner, Unvouched
from harness.pictures import ATTESTED, ORDINARY
from harness.stock_client import StockClient, open_stock_client
from tutela.integrations.matrix.client import HandedOver, Sent
from tutela.integrations.matrix.errors import IdentityChanged
from tutela.integrations.matrix.identities import SenderTrust
from tutela.integrations.matrix.timeline import (
    Notice,
    NoticeKind,
    PictureMessage,
    Problem,
    TextMessage,
    UnreadableMessage,
)

pytestmark = pytest.mark.slow

NO_SHIELD = 0


@pytest.fixture
async def stock(tmp_path: Path) -> AsyncIterator[StockClient]:
    async with open_stock_client(tmp_path / "stock-client.log") as client:
        yield client


async def _conversation(company: Company, stock: StockClient, ours: Partner, *, bootstrap: bool = True) -> str:
    """A room of ours with the stock client in it."""
    await stock.login(company.homeserver, await company.person("zoe"), bootstrap=bootstrap)
    room = await ours.client.create_encrypted_room(invite=[stock.user_id])
    await stock.join(room, ours.user_id, stock.user_id)
    await ours.sync()
    return room


async def test_text_and_encrypted_pictures_both_ways(company: Company, stock: StockClient):
    mia = await company.enter("mia")
    room = await _conversation(company, stock, mia)

    text = await stock.message(await mia.client.send_text(room, "hello"))
    assert text["content"]["body"] == "hello"
    assert (text["encrypted"], text["sender"], text["shield"]["shieldColour"]) == (True, mia.user_id, NO_SHIELD)
    sent = await mia.client.send_picture(room, ORDINARY, "coffee.jpg")
    assert isinstance(sent, Sent)
    picture = await stock.message(sent.event_id)
    assert base64.b64decode(picture["attachment"]) == ORDINARY
    assert picture["content"]["info"] == {"mimetype": "image/jpeg", "size": len(ORDINARY)}

    await stock.call("send_text", room_id=room, text="and hello to you")
    answer = await mia.until(TextMessage, lambda event: not event.own)
    assert (answer.text, answer.sender, answer.trust) == ("and hello to you", stock.user_id, SenderTrust.VERIFIED)
    event_id = await stock.send_picture(room, ATTESTED, "cat.jpg", "image/jpeg")
    received = await mia.until(PictureMessage, lambda event: not event.own)
    assert (received.event_id, received.data, received.filename) == (event_id, ATTESTED, "cat.jpg")
    assert received.trust is SenderTrust.VERIFIED


async def test_a_room_that_the_stock_client_made(company: Company, stock: StockClient):
    mia = await company.enter("mia")
    await stock.login(company.homeserver, await company.person("zoe"))
    room = (await stock.call("create_room", invite=[mia.user_id]))["room_id"]
    await mia.client.join(room)
    await mia.sync()
    await stock.join(room, mia.user_id, stock.user_id)
    assert (await stock.message(await mia.client.send_text(room, "thanks")))["content"]["body"] == "thanks"
    await stock.call("send_text", room_id=room, text="welcome")
    assert (await mia.until(TextMessage, lambda event: not event.own)).text == "welcome"


async def test_without_cross_signing_the_stock_client_refuses_our_messages(company: Company, stock: StockClient):
    mia = await company.enter("mia", kind=Unvouched)
    room = await _conversation(company, stock, mia)
    refused = await stock.message(await mia.client.send_text(room, "hello"), readable=False)
    assert refused["failure"] == "UNSIGNED_SENDER_DEVICE"
    assert "hello" not in str(refused)


async def test_without_cross_signing_the_stock_client_gives_us_no_keys(company: Company, stock: StockClient):
    mia = await company.enter("mia", kind=Unvouched)
    room = await _conversation(company, stock, mia)
    await stock.call("send_text", room_id=room, text="only for signed devices")
    unreadable = await mia.until(UnreadableMessage)
    assert unreadable.problem is Problem.NO_KEY


async def test_an_unsigned_stock_client_is_left_out_until_it_is_signed(company: Company, stock: StockClient):
    mia = await company.enter("mia")
    room = await _conversation(company, stock, mia, bootstrap=False)
    unread = await stock.message(await mia.client.send_text(room, "too early"), readable=False)
    assert unread["failure"]
    assert NoticeKind.DEVICES_LEFT_OUT in {event.kind for event in mia.seen + mia.drain() if isinstance(event, Notice)}
    assert (await stock.call("bootstrap"))["ready"]
    async with asyncio.timeout(30):
        while not mia.client._device.directory.passing(stock.user_id):
            await mia.sync(seconds=1.0)
    assert (await stock.message(await mia.client.send_text(room, "in time")))["content"]["body"] == "in time"


async def test_our_second_device_is_accepted(company: Company, stock: StockClient):
    phone = await company.enter("mia")
    room = await _conversation(company, stock, phone)
    handed = HandedOver(phone.client.export_identity(b"k" * 32), b"k" * 32)
    tablet = await company.enter(phone.person, profile="tablet", identity=handed)
    await tablet.sync()
    tablet.client.accept_reader(room, stock.user_id)
    text = await stock.message(await tablet.client.send_text(room, "from the tablet"))
    assert (text["content"]["body"], text["shield"]["shieldColour"]) == ("from the tablet", NO_SHIELD)


async def test_a_stock_client_that_replaces_its_identity_is_noticed(company: Company, stock: StockClient):
    mia = await company.enter("mia")
    room = await _conversation(company, stock, mia)
    await stock.message(await mia.client.send_text(room, "before"))
    assert (await stock.call("bootstrap", replace=True))["ready"]
    notice = await mia.until(Notice, lambda event: event.kind is NoticeKind.IDENTITY_CHANGED)
    with pytest.raises(IdentityChanged):
        await mia.client.send_text(room, "not yet")
    mia.client.accept_new_identity(stock.user_id, shown=notice.fingerprint)
    assert (await stock.message(await mia.client.send_text(room, "after")))["content"]["body"] == "after"
