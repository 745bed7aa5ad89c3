"""What anybody may fetch: manifests and segments, with caching that a device and a proxy can rely on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.provider import Stage, small_epoch, staged
from tutela.lists.acceptance import accept, check_segment
from tutela.provider.review import policy
from tutela.provider.review.policy import Policy
from tutela.wire import envelope
from tutela.wire.envelope import sign
from tutela.wire.manifest import MANIFEST_TYPE


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_the_newest_manifest(stage: Stage):
    answer = await stage.http.get("/v1/manifest")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"
    manifest = accept(envelope.decode(answer.content), stage.epoch.trust_root, last=None)
    assert manifest == stage.epoch.manifest
    again = await stage.http.get("/v1/manifest", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"]
    weak = await stage.http.get("/v1/manifest", headers={"if-none-match": f'"x", W/{answer.headers["etag"]}'})
    assert weak.status_code == 304
    other = await stage.http.get("/v1/manifest", headers={"if-none-match": '"other"'})
    assert other.status_code == 200


async def test_nothing_is_published_yet(home: Path):
    async with staged(home, publish=False) as stage:
        assert code(await stage.http.get("/v1/manifest")) == (404, "nothing-published")
        assert code(await stage.http.get("/v1/manifests/1")) == (404, "unknown-epoch")
        assert (await stage.http.get("/v1/health")).json() == {"status": "ok", "epoch": None}


async def test_epochs_by_number(stage: Stage):
    second = small_epoch("11" * 32, previous=stage.epoch, created="2026-01-06T06:00:00Z")
    stage.provider.publish(second.envelope, second.segments)
    newest = await stage.http.get("/v1/manifest")
    assert (await stage.http.get("/v1/manifests/2")).content == newest.content
    first = await stage.http.get("/v1/manifests/1")
    assert envelope.decode(first.content) == stage.epoch.envelope
    assert first.headers["cache-control"] == "public, max-age=3600"
    assert (await stage.http.get("/v1/health")).json() == {"status": "ok", "epoch": 2}


async def test_the_policy_that_reviewers_are_bound_by(stage: Stage):
    answer = await stage.http.get("/v1/review-policy")
    assert msgspec.json.decode(answer.content, type=Policy) == policy.load()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    again = await stage.http.get("/v1/review-policy", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await stage.http.get("/v1/review-policy", headers={"if-none-match": '"other"'})).status_code == 200


@pytest.mark.parametrize("number", ["0", "2", str(1 << 40), str((1 << 40) + 1), "9" * 100])
async def test_an_unknown_epoch(stage: Stage, number: str):
    assert code(await stage.http.get(f"/v1/manifests/{number}")) == (404, "unknown-epoch")


@pytest.mark.parametrize(
    "path", ["/v1/manifests/-1", "/v1/manifests/one", "/v1/manifest/", "/v1", "/", "/docs", "/redoc"]
)
async def test_no_such_path(stage: Stage, path: str):
    assert code(await stage.http.get(path)) == (404, "not-found")


async def test_another_method(stage: Stage):
    answer = await stage.http.post("/v1/manifest")
    assert code(answer) == (405, "method-not-allowed")
    assert answer.headers["allow"] == "GET"
    assert code(await stage.http.get("/v1/session")) == (405, "method-not-allowed")


async def test_segments_are_immutable(stage: Stage):
    for entry in stage.epoch.manifest.segments:
        answer = await stage.http.get(f"/v1/segments/{entry.digest}")
        assert answer.status_code == 200
        check_segment(entry, answer.content)
        assert answer.headers["etag"] == f'"{entry.digest}"'
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-length"] == str(entry.size)
        again = await stage.http.get(f"/v1/segments/{entry.digest}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "digest", ["", "0" * 64, "0" * 63, "A" * 64, "..%2f..%2fprovider.sqlite", "%00" * 64, "provider.sqlite"]
)
async def test_an_unknown_segment(stage: Stage, digest: str):
    answer = await stage.http.get(f"/v1/segments/{digest}")
    assert answer.status_code == 404
    assert answer.json()["code"] in ("unknown-segment", "not-found")


async def test_a_file_without_a_row_is_invisible(stage: Stage):
    digest = hashlib.sha256(b"stray").hexdigest()
    stage.provider.publisher.files.put(digest, b"stray")
    assert code(await stage.http.get(f"/v1/segments/{digest}")) == (404, "unknown-segment")


async def test_a_row_without_a_file_is_our_fault(stage: Stage):
    digest, content = next(iter(stage.epoch.segments.items()))
    stage.provider.publisher.files.path(digest).unlink()
    answer = await stage.http.get(f"/v1/segments/{digest}")
    assert code(answer) == (503, "storage")
    assert answer.headers["retry-after"]
    assert str(stage.settings.data) not in answer.text
    stage.provider.publish(stage.epoch.envelope, stage.epoch.segments)
    assert (await stage.http.get(f"/v1/segments/{digest}")).content == content


RANGES = {
    "bytes=0-9": (206, slice(0, 10)),
    "bytes=10-": (206, slice(10, None)),
    "bytes=0-999999": (206, slice(0, None)),
    "bytes=5-2": (200, slice(None)),
    "bytes=0-1,5-6": (200, slice(None)),
    "bytes=-5": (200, slice(None)),
    "lines=0-1": (200, slice(None)),
    "bytes=0x1-2": (200, slice(None)),
    "bytes=": (200, slice(None)),
}


@pytest.mark.parametrize("asked", RANGES)
async def test_one_range(stage: Stage, asked: str):
    status, part = RANGES[asked]
    digest, content = next(iter(stage.epoch.segments.items()))
    answer = await stage.http.get(f"/v1/segments/{digest}", headers={"range": asked})
    assert (answer.status_code, answer.content) == (status, content[part])
    if status == 206:
        assert answer.headers["content-range"].endswith(f"/{len(content)}")


async def test_a_download_continues_only_in_the_same_file(stage: Stage):
    digest, content = next(iter(stage.epoch.segments.items()))
    path = f"/v1/segments/{digest}"
    same = await stage.http.get(path, headers={"range": "bytes=10-", "if-range": f'"{digest}"'})
    assert (same.status_code, same.content) == (206, content[10:])
    other = await stage.http.get(path, headers={"range": "bytes=10-", "if-range": '"other"'})
    assert (other.status_code, other.content) == (200, content)


async def test_a_range_behind_the_end(stage: Stage):
    digest, content = next(iter(stage.epoch.segments.items()))
    answer = await stage.http.get(f"/v1/segments/{digest}", headers={"range": f"bytes={len(content)}-"})
    assert code(answer) == (416, "no-such-range")


async def test_a_signature_more_changes_the_tag(stage: Stage):
    before = await stage.http.get("/v1/manifest")
    # By somebody whom this trust root does not know yet.
    third = sign(MANIFEST_TYPE, stage.epoch.envelope.unverified_payload, Ed25519PrivateKey.generate())
    stage.provider.publish(stage.epoch.envelope.with_signature(third), stage.epoch.segments)
    after = await stage.http.get("/v1/manifest")
    assert after.headers["etag"] != before.headers["etag"]
    assert len(envelope.decode(after.content).signatures) == 3
