"""The lying provider lies as it says, and what a device is built from catches each lie."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest

from harness.epochs import MadeEpoch
from harness.provider import PARAMETERS, Stage, random_request, small_epoch, staged
from tutela.errors import TutelaError
from tutela.lists.acceptance import accept, check_segment
from tutela.lists.errors import ForgedManifest, Rollback, SegmentMismatch, TooFewSignatures
from tutela.matching import fuse, voprf
from tutela.matching.errors import InvalidProof
from tutela.provider.tampered import HUGE_BYTES, Lie, Tampered
from tutela.wire import envelope, limits
from tutela.wire.check import CheckRequest, CheckResponse
from tutela.wire.segment import Segment

EPOCHS_LIES = {
    Lie.OLD_EPOCH: Rollback,
    Lie.EDITED_POLICY: ForgedManifest,
    Lie.ONE_SIGNATURE: TooFewSignatures,
}
SEGMENT_LIES = (Lie.TRUNCATED_FILTER, Lie.EXTRA_ENTRY, Lie.OTHER_FILTER)
CHECK_LIES = (Lie.OTHER_KEY, Lie.BAD_PROOF)
ANY_LIES = (Lie.SLOW, Lie.GARBAGE, Lie.SERVER_ERROR, Lie.HUGE)


@dataclass
class Lying:
    """A stage whose answers may be lies."""

    stage: Stage
    tampered: Tampered
    epoch: MadeEpoch

    @property
    def http(self) -> httpx.AsyncClient:
        return self.stage.http

    async def check(self) -> tuple[tuple[bytes, ...], CheckResponse]:
        request = random_request()
        answer = await self.stage.check(await self.stage.sign_in(), request)
        assert answer.status_code == 200
        elements = CheckRequest.decode(request, batch=PARAMETERS.batch).elements
        return elements, CheckResponse.decode(answer.content, batch=PARAMETERS.batch)

    async def segment(self) -> bytes:
        answer = await self.http.get(f"/v1/segments/{self.epoch.manifest.segments[0].digest}")
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) == len(answer.content)
        return answer.content


@asynccontextmanager
async def lying(folder: Path, lie: Lie | None, **options: object) -> AsyncIterator[Lying]:
    first = small_epoch()
    second = small_epoch("11" * 32, previous=first, created="2026-01-05T11:00:00Z")
    async with staged(folder, first) as stage:
        stage.provider.publish(second.envelope, second.segments)
        tampered = Tampered(stage.app, lie, **options)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=httpx.ASGITransport(tampered), base_url="http://lie.invalid") as http:
            stage.http = http
            yield Lying(stage, tampered, second)


async def test_without_a_lie_it_is_honest(tmp_path: Path):
    async with lying(tmp_path, None) as it:
        elements, response = await it.check()
        public = bytes.fromhex(it.epoch.manifest.keys[0].public)
        voprf.verify_proof(public, elements, response.elements, response.proof)
        check_segment(it.epoch.manifest.segments[0], await it.segment())
        answer = await it.http.get("/v1/manifest")
        assert accept(envelope.decode(answer.content), it.epoch.trust_root, last=None) == it.epoch.manifest


@pytest.mark.parametrize("lie", CHECK_LIES)
async def test_lies_about_a_check(tmp_path: Path, lie: Lie):
    async with lying(tmp_path, lie) as it:
        elements, response = await it.check()
        public = bytes.fromhex(it.epoch.manifest.keys[0].public)
        with pytest.raises(InvalidProof):
            voprf.verify_proof(public, elements, response.elements, response.proof)
        own = it.tampered.own_keys.public
        if lie is Lie.OTHER_KEY:
            voprf.verify_proof(own, elements, response.elements, response.proof)
        assert (await it.stage.check("no session")).status_code == 401, "refusals stay as they are"


@pytest.mark.parametrize("lie", SEGMENT_LIES)
async def test_lies_about_a_segment(tmp_path: Path, lie: Lie):
    async with lying(tmp_path, lie) as it:
        data = await it.segment()
        entry = it.epoch.manifest.segments[0]
        with pytest.raises(SegmentMismatch):
            check_segment(entry, data)
        if lie is not Lie.TRUNCATED_FILTER:
            row = np.frombuffer(it.tampered.entry, dtype=np.uint8).reshape(1, -1)
            assert fuse.contains(Segment.decode(data), row).all(), "the lie would work on who does not look"
            assert not fuse.contains(Segment.decode(it.epoch.segments[entry.digest]), row).any()
        if lie is Lie.EXTRA_ENTRY:
            assert len(data) == entry.size
        assert (await it.http.get(f"/v1/segments/{'0' * 64}")).status_code == 404


async def test_an_extra_entry_in_an_empty_segment(tmp_path: Path):
    empty = fuse.build(np.zeros((0, fuse.ENTRY_BYTES), dtype=np.uint8)).encode()
    async with lying(tmp_path, Lie.EXTRA_ENTRY) as it:
        digest = it.epoch.manifest.segments[0].digest
        it.stage.provider.publisher.files.path(digest).write_bytes(empty)
        row = np.frombuffer(it.tampered.entry, dtype=np.uint8).reshape(1, -1)
        assert fuse.contains(Segment.decode(await it.segment()), row).all()


@pytest.mark.parametrize(("lie", "error"), EPOCHS_LIES.items())
async def test_lies_about_the_epoch(tmp_path: Path, lie: Lie, error: type[TutelaError]):
    async with lying(tmp_path, lie) as it:
        answer = await it.http.get("/v1/manifest")
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) == len(answer.content)
        with pytest.raises(error):
            accept(envelope.decode(answer.content), it.epoch.trust_root, last=it.epoch.manifest)


async def test_there_may_be_no_older_epoch(tmp_path: Path):
    async with staged(tmp_path) as stage:
        honest = await stage.http.get("/v1/manifest")
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(Tampered(stage.app, Lie.OLD_EPOCH)), base_url="http://lie.invalid"
        ) as http:
            assert (await http.get("/v1/manifest")).content == honest.content


async def test_garbage_and_errors(tmp_path: Path):
    async with lying(tmp_path, Lie.GARBAGE) as it:
        for path in ("/v1/manifest", f"/v1/segments/{'0' * 64}", "/v1/health"):
            answer = await it.http.get(path)
            assert (answer.status_code, len(answer.content)) == (200, 4096)
        it.tampered.lie = Lie.SERVER_ERROR
        assert (await it.http.get("/v1/manifest")).status_code == 500
        it.tampered.only = "/evaluate"
        assert (await it.http.get("/v1/manifest")).status_code == 200
        assert (await it.stage.check("whoever")).status_code == 500


async def test_slow(tmp_path: Path):
    async with lying(tmp_path, Lie.SLOW, seconds=0.05, only="/evaluate") as it:
        elements, response = await it.check()
        public = bytes.fromhex(it.epoch.manifest.keys[0].public)
        voprf.verify_proof(public, elements, response.elements, response.proof)


async def drive(app: Tampered, path: str) -> list[dict[str, object]]:
    """Ask, and leave at once."""
    messages = [{"type": "http.disconnect"}, {"type": "http.request", "body": b"", "more_body": False}]
    sent: list[dict[str, object]] = []

    async def receive():
        return messages.pop()

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    await app(scope, receive, send)
    return sent


async def test_slow_notices_that_nobody_waits(tmp_path: Path):
    async with lying(tmp_path, Lie.SLOW) as it:
        assert await drive(it.tampered, "/v1/manifest") == []


async def test_huge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert HUGE_BYTES > limits.SEGMENT_BYTES, "more than any answer may have"
    monkeypatch.setattr("tutela.provider.tampered.HUGE_BYTES", 3 * limits.MEBIBYTE)
    async with lying(tmp_path, Lie.HUGE) as it:
        start, *rest = await drive(it.tampered, "/v1/manifest")
        assert b"content-length" not in dict(start["headers"])  # type: ignore[arg-type]
        assert sum(len(message["body"]) for message in rest) == 3 * limits.MEBIBYTE  # type: ignore[arg-type]


def test_every_lie_is_tested():
    assert {*EPOCHS_LIES, *SEGMENT_LIES, *CHECK_LIES, *ANY_LIES} == set(Lie)
