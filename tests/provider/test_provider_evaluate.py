"""The check: proofs that verify, constant sizes, keys that retire, and refusals that tell nothing."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest

from harness.epochs import CREATED, make_epoch, make_keys
from harness.provider import LISTED, PARAMETERS, START, Stage, hold, random_request, small_epoch, staged
from tutela.lists import times
from tutela.lists.keys import KeyRing
from tutela.matching import shield, voprf
from tutela.matching.shield import Layer
from tutela.provider.clock import text_of
from tutela.wire.check import CheckRequest, CheckResponse, request_bytes, response_bytes
from tutela.wire.segment import Segment

BATCH = PARAMETERS.batch


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_the_proof_holds_under_the_published_key(stage: Stage):
    request = random_request()
    answer = await stage.check(await stage.sign_in(), request)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == "no-store"
    elements = CheckRequest.decode(request, batch=BATCH).elements
    response = CheckResponse.decode(answer.content, batch=BATCH)
    public = bytes.fromhex(stage.epoch.manifest.keys[0].public)
    voprf.verify_proof(public, elements, response.elements, response.proof)


@pytest.mark.parametrize(("pdq", "bands"), [(LISTED[0], 2), (hashlib.sha256(b"unlisted").hexdigest(), 0)])
async def test_a_whole_check(stage: Stage, pdq: str, bands: int):
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(pdq), dtype=np.uint8))
    margins = np.where(bits == 1, 1.0, -1.0) * np.linspace(1, 2, 256)
    manifest = stage.epoch.manifest
    public = bytes.fromhex(manifest.keys[0].public)
    pending = shield.prepare([margins], manifest.parameters, public)
    answer = await stage.check(await stage.sign_in(), pending.request)
    layers = []
    for entry in manifest.segments:
        file = await stage.http.get(f"/v1/segments/{entry.digest}")
        layers.append(Layer(entry.list_class, Segment.decode(file.content)))
    assert sum(pending.finish(answer.content, layers).bands.values()) == bands


async def test_every_answer_has_one_size(stage: Stage):
    session = await stage.sign_in()
    one = random_request(1)[3:]
    requests = [random_request(), random_request(), b"\x01\x00\x08" + one * BATCH]
    sizes = {len((await stage.check(session, request)).content) for request in requests}
    assert sizes == {response_bytes(BATCH)}


WRONG = {
    "empty": b"",
    "one element less": random_request(BATCH - 1),
    "one element more": random_request(BATCH + 1),
    "a byte less": random_request()[:-1],
    "a byte more": random_request() + b"\x00",
    "the largest batch": random_request(2048),
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
async def test_another_size_is_not_read(stage: Stage, body: bytes):
    answer = await stage.check(await stage.sign_in(), body)
    assert code(answer) == (400, "wrong-batch")
    assert str(request_bytes(BATCH)) in answer.json()["message"]
    assert stage.records[-1].bytes_in == 0


@pytest.mark.parametrize("head", [b"\x00\x00\x08", b"\x02\x00\x08", b"\x01\x00\x07", b"\x01\x08\x00", b"\x01\xff\xff"])
async def test_another_head(stage: Stage, head: bytes):
    answer = await stage.check(await stage.sign_in(), head + random_request()[3:])
    assert answer.status_code in (400, 413)
    assert answer.json()["code"] in ("malformed", "oversized")


INVALID = {
    "the identity": bytes(32),
    "not canonical": b"\xff" * 32,
    "a negative": b"\x01" + bytes(31),
    "no point": b"\x02" + bytes(31),
}


@pytest.mark.parametrize("element", INVALID.values(), ids=INVALID)
async def test_what_is_no_element_is_refused_alike(stage: Stage, element: bytes):
    session = await stage.sign_in()
    honest = random_request()
    answers = set()
    for place in (0, 3, BATCH - 1):
        start = 3 + 32 * place
        answer = await stage.check(session, honest[:start] + element + honest[start + 32 :])
        answers.add((answer.status_code, answer.content))
    assert len(answers) == 1, "neither the place nor the kind shows"
    assert code(answer) == (400, "invalid-element")


async def test_another_type(stage: Stage):
    answer = await stage.check(await stage.sign_in(), **{"content-type": "application/json"})
    assert code(answer) == (415, "wrong-content-type")
    assert stage.records[-1].bytes_in == 0


async def test_no_length(stage: Stage):
    async def body():
        yield random_request()

    headers = {
        "authorization": f"Bearer {await stage.sign_in()}",
        "content-type": "application/octet-stream",
    }
    path = f"/v1/keys/{stage.epoch.manifest.keys[0].id}/evaluate"
    answer = await stage.http.post(path, content=body(), headers=headers)
    assert code(answer) == (411, "length-required")
    for length in ("-1", "+259", "0x103", "2 59"):
        answer = await stage.http.post(path, content=body(), headers=headers | {"content-length": length})
        assert code(answer) == (411, "length-required")
    answer = await stage.http.post(path, content=body(), headers=headers | {"content-length": "9" * 40})
    assert code(answer) == (400, "wrong-batch")


@pytest.mark.parametrize(("sent", "expected"), [(request_bytes(BATCH) - 1, 400), (request_bytes(BATCH) + 1, 413)])
async def test_a_body_that_is_not_as_long_as_it_said(stage: Stage, sent: int, expected: int):
    async def body():
        yield (random_request() + b"x")[:sent]

    answer = await stage.http.post(
        f"/v1/keys/{stage.epoch.manifest.keys[0].id}/evaluate",
        content=body(),
        headers={
            "authorization": f"Bearer {await stage.sign_in()}",
            "content-type": "application/octet-stream",
            "content-length": str(request_bytes(BATCH)),
        },
    )
    assert answer.status_code == expected


async def test_a_body_that_does_not_come(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tutela.provider.bodies.SECONDS", 0.01)

    async def body():
        yield random_request()[:10]
        await asyncio.sleep(60)

    answer = await stage.http.post(
        f"/v1/keys/{stage.epoch.manifest.keys[0].id}/evaluate",
        content=body(),
        headers={
            "authorization": f"Bearer {await stage.sign_in()}",
            "content-type": "application/octet-stream",
            "content-length": str(request_bytes(BATCH)),
        },
    )
    assert code(answer) == (408, "slow-body")


@pytest.mark.parametrize("key_id", ["0" * 16, "x", "A" * 300, "%00", "' OR 1=1 --"])
async def test_an_unknown_key(stage: Stage, key_id: str):
    assert code(await stage.check(await stage.sign_in(), key_id=key_id)) == (404, "unknown-key")


async def test_a_key_that_is_held_but_was_never_published(stage: Stage):
    other = make_keys("unpublished")
    hold(stage.settings, other)
    answer = await stage.check(await stage.sign_in(), key_id=voprf.key_id(other.public))
    assert code(answer) == (404, "unknown-key")


async def test_a_replaced_key_answers_until_it_retires(home: Path):
    first = small_epoch()
    async with staged(home, first) as stage:
        session = await stage.sign_in()
        old, new = first.keys, make_keys("second")
        retires = text_of(START + 600_000).replace(".000Z", "Z")
        rotated = first.key_ring.rotated(new, retires=retires)
        second = small_epoch(previous=first, key_ring=rotated, created="2026-01-05T11:00:00Z")
        hold(stage.settings, new)
        stage.provider.publish(second.envelope, second.segments)
        for pair in (old, new):
            request = random_request()
            answer = await stage.check(session, request, key_id=voprf.key_id(pair.public))
            response = CheckResponse.decode(answer.content, batch=BATCH)
            elements = CheckRequest.decode(request, batch=BATCH).elements
            voprf.verify_proof(pair.public, elements, response.elements, response.proof)
        stage.clock.forward(seconds=599.999)
        assert (await stage.check(session, key_id=voprf.key_id(old.public))).status_code == 200
        stage.clock.forward(seconds=0.001)
        answer = await stage.check(session, key_id=voprf.key_id(old.public))
        assert code(answer) == (410, "key-retired")
        assert "/v1/manifest" in answer.json()["hint"]
        assert (await stage.check(session, key_id=voprf.key_id(new.public))).status_code == 200


async def test_after_a_leak_the_old_key_stops_at_once(home: Path):
    first = small_epoch()
    async with staged(home, first) as stage:
        session = await stage.sign_in()
        new = make_keys("second")
        created = times.later(CREATED, timedelta(hours=1))
        second = small_epoch(previous=first, key_ring=first.key_ring.rotated(new, retires=created), created=created)
        hold(stage.settings, new)
        stage.provider.publish(second.envelope, second.segments)
        assert code(await stage.check(session, key_id=voprf.key_id(first.keys.public))) == (410, "key-retired")
        assert (await stage.check(session, key_id=voprf.key_id(new.public))).status_code == 200


async def test_a_key_that_the_newest_epoch_does_not_name_is_retired(home: Path):
    first = small_epoch()
    async with staged(home, first) as stage:
        session = await stage.sign_in()
        new = make_keys("second")
        second = small_epoch(previous=first, key_ring=KeyRing(new), created="2026-01-05T11:00:00Z")
        hold(stage.settings, new)
        stage.provider.publish(second.envelope, second.segments)
        assert code(await stage.check(session, key_id=voprf.key_id(first.keys.public))) == (410, "key-retired")


async def test_nothing_published(home: Path):
    async with staged(home, publish=False) as stage:
        assert code(await stage.check(await stage.sign_in())) == (404, "unknown-key")


async def test_a_lost_secret_is_an_error_of_ours_and_says_no_more(stage: Stage, caplog: pytest.LogCaptureFixture):
    session = await stage.sign_in()
    key_id = stage.epoch.manifest.keys[0].id
    stage.provider.keys.destroy(key_id)
    answer = await stage.check(session)
    assert code(answer) == (500, "internal")
    assert str(stage.settings.data) not in answer.text
    assert key_id in caplog.text, "the operator learns which"


async def test_the_loop_is_not_blocked_and_the_queue_is_bounded(home: Path, monkeypatch: pytest.MonkeyPatch):
    begun, go_on = threading.Semaphore(0), threading.Event()
    honest = voprf.blind_evaluate

    def wait(*args: object, **options: object):
        begun.release()
        go_on.wait(30)
        return honest(*args, **options)

    async with staged(home, evaluation_threads=1, evaluation_queue=1) as stage:
        session = await stage.sign_in()
        monkeypatch.setattr(voprf, "blind_evaluate", wait)
        tasks = [asyncio.create_task(stage.check(session)) for _ in range(3)]
        await asyncio.to_thread(begun.acquire)
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        assert (await stage.http.get("/v1/health")).status_code == 200, "others are served meanwhile"
        (refused,) = done
        assert code(refused.result()) == (503, "busy")
        assert refused.result().headers["retry-after"] == "1"
        go_on.set()
        assert [(await task).status_code for task in waiting] == [200, 200]


async def test_the_batch_size_is_the_newest_epochs(home: Path):
    first = small_epoch()
    async with staged(home, first) as stage:
        session = await stage.sign_in()
        wider = make_epoch(
            LISTED,
            previous=first,
            parameters=type(PARAMETERS)(bands=2, band_bits=40, bands_needed=1, batch=16),
            created="2026-01-05T11:00:00Z",
        )
        stage.provider.publish(wider.envelope, wider.segments)
        assert code(await stage.check(session)) == (400, "wrong-batch")
        answer = await stage.check(session, random_request(16))
        assert len(answer.content) == response_bytes(16)
