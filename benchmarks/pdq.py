"""How far a query's hash lies from the list's, which views find which crops, and what it all costs; on one core.

    .venv/bin/python benchmarks/pdq.py                     distances and views over the bundled photographs, times
    .venv/bin/python benchmarks/pdq.py --photos DIR        over the pictures in DIR as well
    .venv/bin/python benchmarks/pdq.py --worst             also files at the limits: time and memory, each in a process

The peer is what HMA does: `pdqhash` on the picture decoded in full by Pillow. Both run in turns in this process.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import io
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

try:
    import pdqhash
except ModuleNotFoundError:
    sys.exit("the peer is missing: pip install pdqhash (on Linux it needs a C++ compiler)")
from PIL import Image, ImageEnhance, ImageFilter

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from signals.image.pictures import PHOTOGRAPHS, file_of
from tutela.signals.image import (
    PADS,
    PLAIN,
    SHIPPED,
    WIDE,
    Limits,
    Pdq,
    PictureError,
    luminance,
    pdq_from_pixels,
    pdq_of_list_item,
    read_container,
    strip_trailing,
    views,
)

THRESHOLD = 31
TWELVE_MEGAPIXELS = (4000, 3000)
TARGET = 0.060


def photographs(folder: Path | None) -> list[Path]:
    found = list(PHOTOGRAPHS)
    if folder is not None:
        found += sorted(
            path for path in folder.rglob("*") if path.suffix in {".jpg", ".jpeg", ".png"} and not path.is_symlink()
        )
    return found


def decoded(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def camera_like(image: Image.Image) -> bytes:
    """A JPEG of twelve megapixels with as much noise, and so as many bytes, as a phone's."""
    size = TWELVE_MEGAPIXELS if image.width >= image.height else TWELVE_MEGAPIXELS[::-1]
    pixels = np.asarray(image.resize(size, Image.Resampling.BICUBIC)).astype(np.float32)
    pixels += np.random.default_rng(1).normal(0, 4, (*pixels.shape[:2], 1)).astype(np.float32)
    return file_of(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), "JPEG", quality=90)


# --- Distances


def normalised(data: bytes) -> Pdq:
    return views(luminance(data, Limits(bytes=1 << 30)), PLAIN)[0].pdq


def distances(paths: list[Path]) -> None:
    print("Hamming distance between the list's hash and the query's normalised view, one and the same file")
    rows: dict[str, list[int]] = {}
    for path in paths:
        image = decoded(path)
        if pdq_from_pixels(np.asarray(image)).quality < 50:
            continue
        data = file_of(image, "JPEG", quality=95)
        for label, file in (("as it is, in JPEG", data), ("as 12 megapixels in JPEG", camera_like(image))):
            listed = pdq_of_list_item(file)
            with Image.open(io.BytesIO(file)) as full:
                whole = normalised(file_of(full.convert("RGB"), "PNG", compress_level=0))
            scaled = normalised(file)
            rows.setdefault(f"{label}, decoded in full", []).append(whole.distance(listed))
            rows.setdefault(f"{label}, scaled decoding", []).append(scaled.distance(listed))
            rows.setdefault(f"{label}, moved by scaling", []).append(scaled.distance(whole))
    print(f"  {'':<46} {'n':>4} {'mean':>6} {'median':>6} {'95 %':>5} {'max':>4} {'<= 31':>6}")
    for label, found in rows.items():
        row = np.array(found)
        spread = f"{row.mean():6.2f} {np.median(row):6.0f} {np.percentile(row, 95):5.0f} {row.max():4d}"
        print(f"  {label:<46} {len(row):4d} {spread} {np.mean(row <= THRESHOLD):6.3f}")


# --- Views


def shrunk(image: Image.Image, longest: float) -> Image.Image:
    scale = longest / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def cropped(image: Image.Image, share: float) -> Image.Image:
    x, y = (round(side * share / 2) for side in image.size)
    return image.crop((x, y, image.width - x, image.height - y))


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "none": lambda image: image,
    "half size": lambda image: shrunk(image, max(image.size) / 2),
    "200 pixels": lambda image: shrunk(image, 200),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "crop 2 %": lambda image: cropped(image, 0.02),
    "crop 4 %": lambda image: cropped(image, 0.04),
    "crop 5 %": lambda image: cropped(image, 0.05),
    "crop 6 %": lambda image: cropped(image, 0.06),
    "crop 8 %": lambda image: cropped(image, 0.08),
    "crop 10 %": lambda image: cropped(image, 0.10),
    "cut top 5 %": lambda image: image.crop((0, round(image.height * 0.05), image.width, image.height)),
}


def view_table(paths: list[Path]) -> None:
    print(
        f"\nShare of edited copies (JPEG, quality 75) found at distance <= {THRESHOLD}; crops take half from each side"
    )
    sets = {"set PLAIN": PLAIN, "set SHIPPED": SHIPPED, "set WIDE": WIDE}
    columns = ["plain PDQ", *PADS, *sets]
    found: dict[tuple[str, str], list[bool]] = {}
    for path in paths:
        image = decoded(path)
        image.thumbnail((1600, 1600))
        listed = pdq_from_pixels(np.asarray(image))
        if listed.quality < 50:
            continue
        for edit, change in EDITS.items():
            data = file_of(change(image), "JPEG", quality=75)
            near = {view.name: view.pdq.distance(listed) <= THRESHOLD for view in views(luminance(data), tuple(PADS))}
            near["plain PDQ"] = pdq_of_list_item(data).distance(listed) <= THRESHOLD
            near |= {name: any(near[view] for view in members) for name, members in sets.items()}
            for column in columns:
                found.setdefault((edit, column), []).append(near[column])
    print(f"  {'':<12}" + "".join(f"{column:>12}" for column in columns))
    for edit in EDITS:
        print(f"  {edit:<12}" + "".join(f"{np.mean(found[edit, column]):12.2f}" for column in columns))


# --- Times


def peer(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        pdqhash.compute(np.asarray(image))


def times(paths: list[Path], rounds: int) -> None:
    print(f"\nFrom a JPEG of 12 megapixels to a hash, decoding included; medians of {rounds}")
    candidates: dict[str, bytes] = {}
    for stem in ("coffee", "grace_hopper"):
        candidates[stem] = camera_like(decoded(next(path for path in paths if path.stem == stem)))
    own = (path for path in paths if path.suffix in {".jpg", ".jpeg"} and path not in PHOTOGRAPHS)
    for path in own:
        data = path.read_bytes()
        found = read_container(data)
        if 11_500_000 <= found.width * found.height <= 13_500_000:
            candidates[path.name] = data
    tasks: dict[str, Callable[[bytes], object]] = {
        "one view": lambda data: views(luminance(data), PLAIN),
        "shipped views": lambda data: views(luminance(data)),
        "decoding alone": luminance,
        "strip_trailing": strip_trailing,
        "peer": peer,
    }
    for name, data in candidates.items():
        taken: dict[str, list[float]] = {task: [] for task in tasks}
        for _ in range(rounds):
            for task, run in tasks.items():
                started = time.perf_counter()
                run(data)
                taken[task].append(time.perf_counter() - started)
        middle = {task: statistics.median(values) for task, values in taken.items()}
        kind = "progressive" if read_container(data).scans > 1 else "baseline"
        print(f"  {name:<44} {len(data) / 1e6:4.1f} MB {kind}")
        print("    " + ", ".join(f"{task} {1e3 * value:.1f} ms" for task, value in middle.items()))
        verdict = "within" if middle["one view"] <= TARGET else "OVER"
        ratio = middle["peer"] / middle["one view"]
        print(
            f"    one view is {ratio:.1f} times as fast as the peer, and {verdict} the target of {TARGET * 1e3:.0f} ms"
        )


# --- At the limits


def hostile() -> Iterator[tuple[str, bytes]]:
    """Files of 64 megapixels, the most that the limits let through."""
    side = 8000
    smooth = decoded(next(path for path in PHOTOGRAPHS if path.stem == "coffee")).resize((side, side))
    pixels = np.asarray(smooth).astype(np.int16)
    pixels += np.random.default_rng(1).integers(-20, 20, pixels.shape, dtype=np.int16)
    noisy = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    yield "JPEG", file_of(noisy, "JPEG", quality=75, subsampling=0)
    progressive = file_of(noisy, "JPEG", quality=75, subsampling=0, progressive=True)
    yield "JPEG, progressive", progressive
    yield "JPEG, the last scan repeated up to 32 MiB", repeated(progressive)
    yield "JPEG, smooth, 64 scans", repeated(file_of(smooth, "JPEG", quality=20, subsampling=0, progressive=True))
    del noisy, pixels
    clear = smooth.convert("RGBA")
    yield "PNG, RGBA", file_of(clear.reduce(4).resize((side, side), Image.Resampling.NEAREST), "PNG")
    yield "WebP, lossy", file_of(smooth, "WEBP", quality=90, method=0)
    yield "WebP, lossless with alpha", file_of(clear, "WEBP", lossless=True, method=0)
    yield "GIF", file_of(smooth.quantize(256), "GIF")


def repeated(data: bytes) -> bytes:
    """The JPEG with its last scan repeated as often as the limits allow."""
    limits, scans = Limits(), read_container(data).scans
    last = data[data.rindex(b"\xff\xc4", 0, data.rindex(b"\xff\xda")) : -2]
    more = min(limits.scans - scans, (limits.bytes - len(data)) // len(last))
    return data[:-2] + last * more + data[-2:]


def measured(task: str, path: str) -> tuple[float, int, int, str]:
    """Run in a process of its own: seconds of its processor, MB at the most, MB before, and what came of it."""
    run: dict[str, Callable[[bytes], object]] = {"query": luminance, "list item": pdq_of_list_item}
    data = Path(path).read_bytes()
    before = peak_memory()
    started = time.process_time()
    try:
        run[task](data)
        outcome = "read"
    except PictureError as error:
        outcome = error.code
    return time.process_time() - started, peak_memory(), before, outcome


def peak_memory() -> int:
    """The most memory that this process has had, in MB (Linux)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1000


def worst() -> None:
    print("\nAt the limits: 64 megapixels, at most 32 MiB and 64 scans")
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for name, data in hostile():
            path = Path(folder) / "picture"
            path.write_bytes(data)
            for task in ("query", "list item"):
                with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                    seconds, peak, before, outcome = pool.submit(measured, task, str(path)).result()
                size = f"{len(data) / 2**20:5.1f} MiB"
                memory = f"{peak:5d} MB ({before} before)"
                print(f"  {name:<42} {size}  {task:<9} {seconds:6.2f} s of processor  {memory}  {outcome}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder with more pictures")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--worst", action="store_true", help="files at the limits as well (several minutes)")
    chosen = parser.parse_args()
    paths = photographs(chosen.photos)
    distances(paths)
    view_table(paths)
    times(paths, chosen.rounds)
    if chosen.worst:
        worst()


if __name__ == "__main__":
    main()
