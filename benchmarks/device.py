"""What a Shield check costs a device: time for each part, memory, bytes on the wire; at a list of 100,000.

    python benchmarks/device.py [--items 100000] [--checks 30] [--json]

The device is a process of its own, as in a messenger: `Guard`, with its decoding child; the provider serves over a
real socket from this process. The picture is a 12-megapixel JPEG. Named peer, in the same run: plain PDQ of the fully
decoded picture, as HMA hashes it.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tests")]

import numpy as np

try:
    import pdqhash
except ModuleNotFoundError:
    sys.exit("the peer is missing: pip install pdqhash (on Linux it needs a C++ compiler)")
from PIL import Image
from skimage import data

from tutela.device import Guard
from tutela.matching.shield import prepare
from tutela.wire import document, limits
from tutela.wire.check import request_bytes, response_bytes
from tutela.wire.manifest import TrustRoot
from tutela.wire.session import SignIn


def twelve_megapixels() -> bytes:
    """A 4000 x 3000 JPEG with a camera's noise, about 3 MB."""
    image = Image.fromarray(data.astronaut()).resize((4000, 3000), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).normal(0, 6, (3000, 4000, 1))
    buffer = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def peak(process: int | str) -> float:
    """Peak resident memory of a process, in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(match[1]) / 1000 if match else float("nan")


def milliseconds(samples: list[float]) -> float:
    return round(1000 * statistics.median(samples), 1)


async def as_device(url: str, folder: Path, picture: Path, checks: int) -> dict[str, float]:
    root = document.decode((folder / "trust-root.json").read_bytes(), TrustRoot, limit=limits.MANIFEST_BYTES)

    async def sign_in() -> SignIn:
        return SignIn(matrix_server_name="home.example", access_token="bench-token")

    content = picture.read_bytes()
    guard = await Guard.open(folder / "device", key=bytes(32), provider=url, trust_root=root, sign_in=sign_in)
    assert guard.epoch is not None
    public = bytes.fromhex(guard.epoch.key.public)
    parameters = guard.epoch.manifest.parameters
    await guard.check_outgoing(content)
    times: dict[str, list[float]] = {"decode and hash": [], "blind": [], "verify, unblind, look up": [], "answer": []}
    for _ in range(checks):
        t0 = time.perf_counter()
        views = await guard._decoder.margins(content)
        t1 = time.perf_counter()
        pending = prepare(views, parameters, public)
        t2 = time.perf_counter()
        answer = await guard._client.evaluate(guard.epoch.key.id, pending.request, batch=parameters.batch)
        t3 = time.perf_counter()
        pending.finish(answer, guard.epoch.layers)
        t4 = time.perf_counter()
        for name, spent in zip(times, (t1 - t0, t2 - t1, t4 - t3, t3 - t2), strict=True):
            times[name].append(spent)
    figures = {f"{name} (ms)": milliseconds(samples) for name, samples in times.items()}
    own = [sum(parts) for parts in zip(*(times[n] for n in list(times)[:3]), strict=True)]
    figures["whole check on the device, without the provider's part (ms)"] = milliseconds(own)
    figures["the same, least (ms)"] = round(1000 * min(own), 1)
    child = guard._decoder._child
    assert child is not None
    figures["peak memory of the device's process (MB)"] = peak("self")
    figures["peak memory of its decoding child (MB)"] = peak(child.pid)
    await guard.close()
    return figures


async def measured(items: int, checks: int) -> dict[str, float]:
    from harness.provider import FakeHomeserver
    from provider import published
    from tutela.lists import defaults
    from tutela.provider import settings as configuration
    from tutela.provider.server import running

    batch = defaults.PARAMETERS.batch
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, _, size = published(folder, items)
        settings = configuration.load(config, {"TUTELA_PROVIDER_HOMESERVERS": "home.example=http://127.0.0.1:1"})
        homeserver = FakeHomeserver(tokens={"bench-token": "@bench:home.example"})
        picture = folder / "picture.jpg"
        picture.write_bytes(twelve_megapixels())
        async with running(settings, transport=homeserver) as url:
            command = [sys.executable, __file__, "--as-device", url, str(folder), str(picture), str(checks)]
            process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
            out, _ = await process.communicate()
        figures: dict[str, float] = json.loads(out)
        peer = []
        for _ in range(5):
            start = time.perf_counter()
            pdqhash.compute(np.asarray(Image.open(picture).convert("RGB")))
            peer.append(time.perf_counter() - start)
    figures["peer: PDQ of the fully decoded picture (ms)"] = milliseconds(peer)
    figures["ratio to the peer: decode and hash"] = round(
        figures["decode and hash (ms)"] / figures["peer: PDQ of the fully decoded picture (ms)"], 3
    )
    figures["filter (bytes a band entry)"] = round(size / (items * defaults.PARAMETERS.bands), 3)
    figures["request (bytes)"] = request_bytes(batch)
    figures["response (bytes)"] = response_bytes(batch)
    return figures


def main() -> None:
    if sys.argv[1:2] == ["--as-device"]:
        url, folder, picture, checks = sys.argv[2:]
        print(json.dumps(asyncio.run(as_device(url, Path(folder), Path(picture), int(checks)))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--checks", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = asyncio.run(measured(arguments.items, arguments.checks))
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{name:62s} {figure:>10}")


if __name__ == "__main__":
    main()
