"""How many edited copies a Shield check finds at the parameters that ship, and how often it would be wrong.

Named peer, in the same run: plain PDQ of the edited picture, fully decoded, at Hamming distance <= 31, as HMA matches.

    python benchmarks/recall.py --photos FOLDER [--photos FOLDER ...] [--json]

FOLDER holds photographs (JPEG, PNG, WebP), for example unpacked wallpaper packages of a distribution:

    apt-get download mate-backgrounds gnome-backgrounds ukui-wallpapers plasma-workspace-wallpapers
    for p in *.deb; do dpkg -x $p photos; done

Without one, the few photographs that scikit-image and Matplotlib ship are used, which is too few for a figure.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable
from math import comb
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from tutela.lists import defaults
from tutela.matching.bands import BandScheme
from tutela.matching.probes import band_probes
from tutela.signals.image import Pdq, luminance, pdq_from_pixels, pdq_of_list_item, views

SIDE = 1600
THRESHOLD = 31


def file_of(image: Image.Image, quality: int = 92) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)


def thumbnail(image: Image.Image) -> Image.Image:
    return scaled(image, 200 / max(image.size))


def crop(image: Image.Image, share: float) -> Image.Image:
    x, y = round(image.width * share / 2), round(image.height * share / 2)
    return image.crop((x, y, image.width - x, image.height - y))


#: Nine ordinary edits, and three beyond them.
ORDINARY: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG quality 30": lambda i: file_of(i, 30),
    "half size": lambda i: file_of(scaled(i, 0.5)),
    "200 px thumbnail": lambda i: file_of(thumbnail(i), 85),
    "resized 0.7, JPEG 60": lambda i: file_of(scaled(i, 0.7), 60),
    "brightness +20 %": lambda i: file_of(ImageEnhance.Brightness(i).enhance(1.2)),
    "contrast +20 %": lambda i: file_of(ImageEnhance.Contrast(i).enhance(1.2)),
    "grey": lambda i: file_of(i.convert("L")),
    "blur": lambda i: file_of(i.filter(ImageFilter.GaussianBlur(max(i.size) / 500))),
    "crop 2 %": lambda i: file_of(crop(i, 0.02)),
}
BEYOND = {
    "crop 5 %": lambda i: file_of(crop(i, 0.05)),
    "crop 10 %": lambda i: file_of(crop(i, 0.10)),
    "brightness +40 %": lambda i: file_of(ImageEnhance.Brightness(i).enhance(1.4)),
}


def photographs(folders: list[Path]) -> list[Image.Image]:
    """Photographs at most SIDE wide, no two alike (wallpapers come in several sizes), none too flat to be listed."""
    if folders:
        files = sorted(
            p for f in folders for p in f.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"}
        )
        opened = (Image.open(file) for file in files)
    else:
        import matplotlib
        from skimage import data

        shipped = [
            Image.fromarray(getattr(data, n)())
            for n in ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field")
        ]
        opened = iter([*shipped, Image.open(Path(matplotlib.get_data_path()) / "sample_data/grace_hopper.jpg")])
    kept: list[Image.Image] = []
    hashes: list[Pdq] = []
    for image in opened:
        image.draft("RGB", (SIDE, SIDE))
        picture = image.convert("RGB")
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        pdq = pdq_from_pixels(np.asarray(picture))
        if pdq.quality >= defaults.AGREEMENT.minimum_quality and all(pdq.distance(h) > 60 for h in hashes):
            kept.append(picture)
            hashes.append(pdq)
    return kept


def bands_hit(listed: np.ndarray, query: bytes, scheme: BandScheme, per_band: int) -> int:
    """How many bands of one listed hash a query's probes hit."""
    margins = [view.pdq.margins for view in views(luminance(query))]
    return sum(int(listed[b]) in band_probes(margins, scheme, b, per_band) for b in range(scheme.bands))


def computed_false_rate(scheme: BandScheme, per_band: int, needed: int, items: int) -> float:
    """False matches a picture for independent uniform bits: `needed` of T bands hit by chance."""
    p = items * per_band / 2.0**scheme.bits
    return sum(comb(scheme.bands, k) * p**k * (1 - p) ** (scheme.bands - k) for k in range(needed, scheme.bands + 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, action="append", default=[])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    parameters = defaults.PARAMETERS
    scheme = BandScheme(parameters.bands, parameters.band_bits)
    per_band = parameters.batch // parameters.bands
    pictures = photographs(arguments.photos)
    listed_files = [file_of(picture, 95) for picture in pictures]
    listed = [pdq_of_list_item(data) for data in listed_files]
    patterns = [scheme.patterns(pdq.bits) for pdq in listed]
    rows = {}
    for name, edit in {**ORDINARY, **BEYOND}.items():
        ours = peer = 0
        for picture, pdq, pattern in zip(pictures, listed, patterns, strict=True):
            query = edit(picture)
            ours += bands_hit(pattern, query, scheme, per_band) >= parameters.bands_needed
            peer += pdq.distance(pdq_of_list_item(query)) <= THRESHOLD
        rows[name] = (ours / len(pictures), peer / len(pictures))
    means = [float(np.mean([rows[name][k] for name in ORDINARY])) for k in (0, 1)]
    false = {n: computed_false_rate(scheme, per_band, parameters.bands_needed, n) for n in (100_000, 1_000_000)}
    wrong = one = 0
    for i, data in enumerate(listed_files):
        margins = [view.pdq.margins for view in views(luminance(data))]
        asked = [set(band_probes(margins, scheme, b, per_band)) for b in range(scheme.bands)]
        for j, pattern in enumerate(patterns):
            hits = sum(int(pattern[b]) in asked[b] for b in range(scheme.bands)) if i != j else 0
            one += hits > 0
            wrong += hits >= parameters.bands_needed
    pairs = len(pictures) * (len(pictures) - 1)
    if arguments.json:
        print(json.dumps({"photographs": len(pictures), "recall": rows, "mean": means, "false": false, "wrong": wrong}))
        return
    print(f"{len(pictures)} photographs; {parameters.bands} bands of {scheme.bits} bits, {per_band} probes each,")
    print(f"{parameters.bands_needed} bands needed, {parameters.batch} probes in all\n")
    print(f"{'share found':26s}  Shield  PDQ <= {THRESHOLD} (HMA)")
    for name, (ours, peer) in rows.items():
        print(f"{name:26s}  {ours:6.3f}  {peer:6.3f}")
    print(f"{'mean of the nine ordinary':26s}  {means[0]:6.3f}  {means[1]:6.3f}   ratio {means[0] / means[1]:.3f}\n")
    for items, rate in false.items():
        print(f"false matches a picture, computed, list of {items:>9,}: {rate:.1e}")
    print(f"false matches among {pairs:,} pairs of different photographs: {wrong} ({one} with one band in common)")


if __name__ == "__main__":
    main()
