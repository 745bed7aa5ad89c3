"""What a provider costs: time for a check, requests a second, memory, bytes on the wire; at a list of 100,000.

    .venv/bin/python benchmarks/provider.py [--items 100000] [--seconds 5] [--json]

The evaluation alone is timed in this process, on one core. Everything else is measured from outside, on a process
of its own that serves over a real socket; client and service share the machine. The list's filter is made of random
entries: the service hands it out as it is and never looks inside.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tutela.lists import defaults
from tutela.lists.keys import public_key
from tutela.matching import fuse, voprf
from tutela.provider import settings as configuration
from tutela.provider.keys import KeyStore
from tutela.provider.service import Provider
from tutela.provider.sessions import Sessions
from tutela.wire import document
from tutela.wire import envelope as dsse
from tutela.wire.check import CheckRequest, CheckResponse, request_bytes, response_bytes
from tutela.wire.envelope import seal
from tutela.wire.manifest import (
    MANIFEST_TYPE,
    Authority,
    ListDigest,
    Manifest,
    SegmentEntry,
    TrustRoot,
)
from tutela.wire.submission import ListClass

BATCH = defaults.PARAMETERS.batch
BANDS = defaults.PARAMETERS.bands


def authorities() -> tuple[tuple[Authority, Ed25519PrivateKey], ...]:
    made = []
    for name, jurisdiction in (("aurora", "FI"), ("boreal", "CA")):
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes_raw().hex()
        made.append((Authority(id=name, name=name.title(), jurisdiction=jurisdiction, public_key=public), key))
    return tuple(made)


def published(folder: Path, items: int) -> tuple[Path, str, int]:
    """A provider in `folder` that has published a filter of this many items: its settings, key id, filter's size."""
    pair = voprf.key_pair(voprf.random_scalar())
    entries = np.random.default_rng(1).integers(0, 256, size=(items * BANDS, fuse.ENTRY_BYTES), dtype=np.uint8)
    segment = fuse.build(entries).encode()
    signers = authorities()
    digest = hashlib.sha256(segment).hexdigest()
    made_up = [hashlib.sha256(bytes([i])).hexdigest() for i in range(3)]
    policy = msgspec.structs.replace(defaults.POLICY, checks_per_hour=1 << 16)
    manifest = Manifest(
        provider="bench.example",
        epoch=1,
        previous=None,
        created="2026-01-05T06:00:00Z",
        agreement=defaults.AGREEMENT,
        parameters=defaults.PARAMETERS,
        policy=policy,
        keys=(public_key(pair, None),),
        lists=(
            ListDigest(list_class=ListClass.AGREED, items=items, digest=made_up[0]),
            ListDigest(list_class=ListClass.ATTESTED, items=0, digest=made_up[1]),
        ),
        segments=(
            SegmentEntry(
                list_class=ListClass.AGREED,
                since_epoch=1,
                key=voprf.key_id(pair.public),
                items=items,
                items_digest=made_up[2],
                size=len(segment),
                digest=digest,
            ),
        ),
        merge_factor=defaults.MERGE_FACTOR,
        authorities=tuple(authority for authority, _ in signers),
        submissions=(),
    )
    root = TrustRoot(
        provider="bench.example",
        authorities=manifest.authorities,
        signatures=2,
        jurisdictions=2,
        minimum_epoch=0,
    )
    (folder / "data").mkdir()
    (folder / "trust-root.json").write_bytes(document.encode(root))
    values = {
        "name": "bench.example",
        "data": "data",
        "trust_root": "trust-root.json",
        "homeservers": {"bench.example": "http://127.0.0.1:1"},
    }
    config = folder / "provider.toml"
    config.write_text(configuration.template(values) + '\naccess_log = "access.jsonl"\nport = 0\n')
    settings = configuration.load(config, {})
    KeyStore(settings.keys).adopt(pair)
    with contextlib.closing(Provider.open(settings)) as provider:
        envelope = seal(MANIFEST_TYPE, document.encode(manifest), *(key for _, key in signers))
        provider.publish(envelope, {digest: segment})
    return config, voprf.key_id(pair.public), len(segment)


def sessions_for(config: Path, accounts: int) -> list[str]:
    """Sessions of this many accounts, begun beside the service: signing in is the homeserver's speed, not ours."""
    with contextlib.closing(Provider.open(configuration.load(config, {}))) as provider:
        begin: Sessions = provider.sessions
        return [
            begin.begin(f"@user{i}:bench.example", hashlib.sha256(str(i).encode()).hexdigest()).session
            for i in range(accounts)
        ]


@contextlib.contextmanager
def served(config: Path) -> Iterator[tuple[int, str]]:
    """`tutela provider serve`: its process id and address."""
    command = [str(Path(sys.executable).with_name("tutela")), "provider", "serve", "--config", str(config), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.pid, json.loads(process.stdout.readline())["listening"]
        finally:
            process.terminate()


def memory(pid: int) -> dict[str, float]:
    """Resident memory of a process now, and at its peak, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    values = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return {"now": values["VmRSS"] / 1024, "peak": values["VmHWM"] / 1024}


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def request(batch: int = BATCH) -> bytes:
    return CheckRequest(tuple(voprf.random_element() for _ in range(batch))).encode()


def evaluation_alone(batch: int, rounds: int) -> dict[str, float]:
    """Milliseconds of decoding, evaluating and proving one batch, on the one core that this process may use.

    Processor time is what counts on a machine that others use, too.
    """
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {next(iter(os.sched_getaffinity(0)))})
    pair = voprf.key_pair(voprf.random_scalar())
    bodies = [request(batch) for _ in range(4)]
    taken, used = [], []
    for body in itertools.islice(itertools.cycle(bodies), rounds):
        began, cpu = time.perf_counter(), time.process_time()
        elements = CheckRequest.decode(body, batch=batch).elements
        evaluated, proof = voprf.blind_evaluate(pair, elements)
        CheckResponse(tuple(evaluated), proof).encode()
        taken.append(1000 * (time.perf_counter() - began))
        used.append(1000 * (time.process_time() - cpu))
    return {"ms_median": statistics.median(taken), "cpu_ms_median": statistics.median(used), "cpu_ms_least": min(used)}


async def rate(pid: int, call: Callable[[], Awaitable[None]], seconds: float, parallel: int) -> dict[str, float]:
    """Calls a second, with `parallel` of them at a time; the milliseconds of each, and the service's own of these."""
    cpu = cpu_seconds(pid)
    taken: list[float] = []
    until = time.perf_counter() + seconds

    async def worker() -> None:
        while time.perf_counter() < until:
            began = time.perf_counter()
            await call()
            taken.append(1000 * (time.perf_counter() - began))

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(parallel)))
    return {
        "per_second": len(taken) / (time.perf_counter() - began),
        "ms_median": statistics.median(taken),
        "cpu_ms": 1000 * (cpu_seconds(pid) - cpu) / len(taken),
    }


async def measured(url: str, pid: int, key: str, sessions: list[str], seconds: float) -> dict[str, object]:
    bodies = itertools.cycle([request() for _ in range(8)])
    accounts = itertools.cycle(sessions)
    found: dict[str, object] = {"memory_after_start": memory(pid)}
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:

        async def check() -> None:
            headers = {"authorization": f"Bearer {next(accounts)}", "content-type": "application/octet-stream"}
            answer = await http.post(f"/v1/keys/{key}/evaluate", content=next(bodies), headers=headers)
            assert answer.status_code == 200, answer.text

        async def manifest() -> None:
            (await http.get("/v1/manifest")).raise_for_status()

        async def segment() -> None:
            digest = latest["digest"]
            async with http.stream("GET", f"/v1/segments/{digest}") as answer:
                async for _ in answer.aiter_raw():
                    pass

        envelope = (await http.get("/v1/manifest")).content
        payload = json.loads(dsse.decode(envelope).unverified_payload)
        latest = payload["segments"][0]
        await check()
        found["check_one_at_a_time"] = await rate(pid, check, seconds, 1)
        found["check_eight_at_a_time"] = await rate(pid, check, seconds, 8)
        found["manifest"] = await rate(pid, manifest, seconds, 8)
        found["memory_after_checks"] = memory(pid)
        found["segment_download"] = downloads = await rate(pid, segment, seconds, 8)
        downloads["mb_per_second"] = downloads["per_second"] * latest["size"] / 1e6
        found["memory_after_downloads"] = memory(pid)
        found["manifest_bytes"] = len(envelope)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config, key, size = published(Path(folder), options.items)
        sessions = sessions_for(config, 50)
        with served(config) as (pid, url):
            found = asyncio.run(measured(url, pid, key, sessions, options.seconds))
    for batch in sorted({BATCH, 384}):
        found[f"evaluation_of_{batch}"] = evaluation_alone(batch, 50)
    found["filter_bytes"] = size
    found["filter_bytes_per_band_entry"] = size / (options.items * BANDS)
    found["request_bytes"], found["response_bytes"] = request_bytes(BATCH), response_bytes(BATCH)
    if options.json:
        print(json.dumps(found))
        return
    print(f"A list of {options.items:,}, batches of {BATCH}\n")
    for name, value in found.items():
        shown = value if isinstance(value, dict) else {"": value}
        for part, number in shown.items():
            print(f"{name.replace('_', ' '):>28}  {part.replace('_', ' '):<14} {number:>14,.2f}")


if __name__ == "__main__":
    main()
