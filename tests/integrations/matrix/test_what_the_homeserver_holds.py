"""The homeserver's own database, media and logs after an exchange: no plaintext, no hash, no verdict.

A homeserver of its own, so that all it holds comes from this exchange. Its rows are read for what may be in them, and
every byte of every file is searched for what must not be; a marker that is sent unencrypted shows that the search
finds what is there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.matrix import Company
from harness.pictures import ATTESTED, LISTED, ORDINARY
from harness.synapse import open_homeserver, stamp_key
from tutela.device.verdict import Outcome
from tutela.integrations.matrix.client import Held, Sent
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.integrations.matrix.synapse_module import read_key_file
from tutela.integrations.matrix.timeline import Message, PictureMessage, TextMessage
from tutela.signals.image import luminance, pdq_of_list_item, views
from tutela.wire.franking import COMMITMENT_FIELD, OPENING_FIELD
from tutela.wire.manifest import Action
from tutela.wire.report import MessageEvidence

pytestmark = pytest.mark.slow

TEXT = "meet me behind the lighthouse at midnight"
ANSWER = "I would rather stay at home, my mother cooks"
FILENAME = "holiday-at-the-lighthouse.jpg"
MARKER = "this-marker-is-not-encrypted"
VERDICTS = [(Outcome.ALLOW, Action.ALLOW), (Outcome.WARN, Action.WARN), (Outcome.UNCHECKED, Action.WARN)]


@dataclass(frozen=True)
class Exchange:
    """A homeserver after the exchange, the events in which one picture went out under each verdict, and what those who
    took part hold of their messages."""

    homeserver: Homeserver
    room: str
    pictures: list[str]
    evidence: list[MessageEvidence]
    files: dict[Path, bytes]


@pytest.fixture(scope="module")
async def exchange(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Exchange]:
    folder = tmp_path_factory.mktemp("seen")
    async with open_homeserver(folder / "homeserver") as homeserver:
        pictures = []
        async with AsyncExitStack() as stack:
            company = Company(homeserver, folder, stack)
            mia, leo = await company.enter("mia"), await company.enter("leo")
            room = await company.room(mia, leo)
            await mia.client.send_text(room, TEXT)
            for mia.guard.outgoing in VERDICTS:
                mia.client.choose_picture(ORDINARY)
                sent = await mia.client.send_picture(room, ORDINARY, FILENAME)
                if mia.guard.outgoing[1] is Action.WARN:
                    assert isinstance(sent, Held)
                    sent = await mia.client.send_picture(room, ORDINARY, FILENAME, confirmed=sent.verdict)
                assert isinstance(sent, Sent)
                pictures.append(sent.event_id)
            mia.guard.outgoing = (Outcome.STOP, Action.STOP)
            assert isinstance(await mia.client.send_picture(room, LISTED, FILENAME), Held)
            leo.guard.incoming = (Outcome.STOP, Action.STOP)
            await leo.client.send_text(room, ANSWER)
            await leo.client.send_picture(room, ATTESTED, FILENAME)
            seen = [event for event in await leo.sync() if not event.own]
            assert {type(event) for event in seen} == {TextMessage, PictureMessage}
            seen.append(await mia.until(PictureMessage, lambda event: not event.own))
            evidence = [held for event in seen if isinstance(event, Message) and (held := event.evidence)]
            await mia.client._device.api.put(
                f"rooms/{room}/send/m.room.message/marker", {"msgtype": "m.text", "body": MARKER}
            )
        running = _files(homeserver.folder)
        assert homeserver.folder / "homeserver.db-wal" in running
        await homeserver.stop()
        stopped = {Path(f"{path} (stopped)"): data for path, data in _files(homeserver.folder).items()}
        yield Exchange(homeserver, room, pictures, evidence, running | stopped)


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _spellings(secret: bytes) -> Iterator[bytes]:
    """A secret as it might be stored: raw, as text in two encodings, as hex, as base64 at any alignment."""
    yield secret
    if secret.isascii():
        yield secret.decode().encode("utf-16-le")
        yield secret.decode().encode("utf-16-be")
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for offset in range(3):
        # Whole groups only, so that neighbours do not change them.
        whole = secret[-offset % 3 :]
        whole = whole[: len(whole) // 3 * 3]
        yield base64.b64encode(whole)
        yield base64.urlsafe_b64encode(whole)


def _found(exchange: Exchange, secret: bytes) -> list[str]:
    return [
        str(path) for path, data in exchange.files.items() if any(spelling in data for spelling in _spellings(secret))
    ]


def _rows(exchange: Exchange, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{exchange.homeserver.database}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


def test_the_search_finds_what_is_there(exchange: Exchange):
    assert len(_found(exchange, MARKER.encode())) >= 2
    assert _found(exchange, exchange.room.encode())
    encoded = base64.b64encode(b"xy" + TEXT.encode() + b"z")
    assert any(spelling in encoded for spelling in _spellings(TEXT.encode()))


@pytest.mark.parametrize("text", [TEXT, ANSWER, FILENAME, "lighthouse", "m.image", "image/jpeg", "A256CTR"])
def test_no_plaintext(exchange: Exchange, text: str):
    assert _found(exchange, text.encode()) == []


@pytest.mark.parametrize("picture", [ORDINARY, LISTED, ATTESTED], ids=["sent", "stopped", "received"])
def test_no_part_of_a_picture(exchange: Exchange, picture: bytes):
    parts = [picture[start : start + 24] for start in range(0, len(picture) - 24, 4096)]
    assert [part for part in parts if len(set(part)) > 8 and _found(exchange, part)] == []


@pytest.mark.parametrize("picture", [ORDINARY, LISTED, ATTESTED], ids=["sent", "stopped", "received"])
def test_no_hash_of_a_picture(exchange: Exchange, picture: bytes):
    perceptual = [pdq_of_list_item(picture), *(view.pdq for view in views(luminance(picture)))]
    digests = [bytes.fromhex(pdq.hex) for pdq in perceptual]
    digests += [hashlib.new(name, picture).digest() for name in ("md5", "sha1", "sha256")]
    # Bands are parts of the hash: eight bytes in a row may not be there either.
    parts = digests + [digest[start : start + 8] for digest in digests for start in range(0, len(digest) - 7, 8)]
    assert [part.hex() for part in parts if _found(exchange, part)] == []


@pytest.mark.parametrize("word", ["not-listed", "unchecked", "unreachable", "list_class", "check_outgoing"])
def test_no_word_of_a_verdict(exchange: Exchange, word: str):
    assert _found(exchange, word.encode()) == []


def test_no_value_in_any_table_speaks_of_a_check(exchange: Exchange):
    # Read as values, because Synapse's own schema has such words in the names of columns.
    tables = [name for (name,) in _rows(exchange, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    values = [
        str(value).lower() for table in tables for row in _rows(exchange, f'SELECT * FROM "{table}"') for value in row
    ]
    assert len(tables) > 100
    assert any(MARKER in value for value in values)
    # As whole words: ciphertext in base64 may spell a short word by chance.
    spoken = re.compile(r"""(?:^|[\s"':,._])(?:verdict|guard|listed|stopped|pdq|epoch|warn)(?:$|[\s"':,._])""")
    assert [value for value in values if spoken.search(value)] == []


def test_messages_are_ciphertext_and_nothing_beside_it(exchange: Exchange):
    events = [json.loads(row[0]) for row in _rows(exchange, "SELECT json FROM event_json")]
    encrypted = [event["content"] for event in events if event["type"] == "m.room.encrypted"]
    assert len(encrypted) == 1 + len(VERDICTS) + 2
    assert {frozenset(content) for content in encrypted} == {
        frozenset({"algorithm", "ciphertext", "device_id", "sender_key", "session_id", COMMITMENT_FIELD})
    }
    plain = [event["content"] for event in events if event["type"] == "m.room.message"]
    assert [content["body"] for content in plain] == [MARKER]


def test_commitments_are_there_and_nothing_that_opens_them(exchange: Exchange):
    assert len(exchange.evidence) == 1 + len(VERDICTS) + 1
    for evidence in exchange.evidence:
        opened = evidence.opened()
        assert opened is not None
        commitment, opening = opened
        assert len(_found(exchange, base64.b64encode(commitment))) >= 2
        assert _found(exchange, opening) == []
        assert _found(exchange, opening[:16]) == []
        assert _found(exchange, evidence.content.encode()) == []
    assert _found(exchange, OPENING_FIELD.encode()) == []


def test_the_key_of_the_stamps_is_in_its_file_alone(exchange: Exchange):
    path = str(stamp_key(exchange.homeserver.folder))
    assert sorted(_found(exchange, read_key_file(Path(path)))) == [path, f"{path} (stopped)"]


def test_media_are_ciphertext_without_a_name_or_a_kind(exchange: Exchange):
    rows = _rows(exchange, "SELECT media_type, media_length, upload_name FROM local_media_repository")
    # One upload for each picture sent and none for the one stopped. Sizes are what the homeserver does learn.
    assert sorted(rows) == sorted(
        ("application/octet-stream", len(picture), None) for picture in [ORDINARY] * len(VERDICTS) + [ATTESTED]
    )
    stored = [
        data for path, data in exchange.files.items() if "local_content" in str(path) and "stopped" not in str(path)
    ]
    assert len(stored) == len(rows) == len(set(stored))


def test_a_picture_looks_the_same_whatever_its_verdict(exchange: Exchange):
    rows = dict(_rows(exchange, "SELECT event_id, json FROM event_json"))
    contents = [json.loads(rows[event_id])["content"] for event_id in exchange.pictures]
    assert len({len(content["ciphertext"]) for content in contents}) == 1


def test_keys_travel_encrypted(exchange: Exchange):
    messages = [json.loads(row[0]) for row in _rows(exchange, "SELECT message_json FROM device_inbox")]
    assert {message["type"] for message in messages} <= {"m.room.encrypted"}
    assert _found(exchange, b"session_key") == []
