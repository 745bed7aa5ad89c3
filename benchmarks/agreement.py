"""What it costs that authorities hold different copies of one picture, and what other rules would cost instead.

Agreement is counted band by band (`docs/decisions/0011-agreement-by-band.md`): only patterns that two jurisdictions
submitted enter the filter. Two copies of each photograph stand for what two authorities hold. Measured are the distance
of their hashes, the bands that agree, and how many of the nine ordinary edits a device then finds (`recall.py`);
for the rule that ships, for a tolerance of t bits a band, for don't-care bits, and for authorities that submit
more than one hash of a picture. Beside it, what a hostile authority that knows every honest hash gets from each.

    python benchmarks/agreement.py --photos FOLDER [--photos FOLDER ...] [--json]

FOLDER is as for `recall.py`; the figures in `docs/benchmarks.md` also used the packages `lomiri-wallpapers-16.04`,
`lomiri-wallpapers-20.04`, `lomiri-wallpapers` and `sway-backgrounds`.
"""

from __future__ import annotations

import argparse
import io
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from math import comb
from pathlib import Path

import numpy as np
from PIL import Image
from recall import ORDINARY, crop, file_of, photographs, scaled

from tutela.lists import defaults
from tutela.matching.bands import BandScheme
from tutela.matching.probes import band_probes
from tutela.matching.shield import scheme_of
from tutela.signals.image import luminance, pdq_from_pixels, pdq_of_list_item, views

PARAMETERS = defaults.PARAMETERS
SCHEME: BandScheme = scheme_of(PARAMETERS)
BANDS = range(SCHEME.bands)
PROBES = PARAMETERS.batch // PARAMETERS.bands
DISTANCE = defaults.AGREEMENT.same_item_distance
HONEST = (100_000, 1_000_000)
SEARCH = 1_000_000

#: For each band, patterns.
Patterns = tuple[frozenset[int], ...]
#: For each band, the patterns of two copies that enter the filter.
Rule = Callable[["Copy", "Copy"], Patterns]


def webp(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80)
    return buffer.getvalue()


def framed(image: Image.Image) -> Image.Image:
    """As a screenshot shows it: bars of 2 % above and below, of 1 % at the sides."""
    frame = Image.new("RGB", (round(image.width * 1.02), round(image.height * 1.04)), (24, 24, 24))
    frame.paste(image, ((frame.width - image.width) // 2, (frame.height - image.height) // 2))
    return frame


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "original": lambda i: file_of(i, 95),
    "JPEG 90": lambda i: file_of(i, 90),
    "JPEG 75": lambda i: file_of(i, 75),
    "JPEG 50": lambda i: file_of(i, 50),
    "WebP 80": webp,
    "size 0.75": lambda i: file_of(scaled(i, 0.75), 90),
    "size 0.7, JPEG 60": lambda i: file_of(scaled(i, 0.7), 60),
    "size 0.5": lambda i: file_of(scaled(i, 0.5), 90),
    "size 0.25": lambda i: file_of(scaled(i, 0.25), 90),
    "crop 1 %": lambda i: file_of(crop(i, 0.01), 90),
    "crop 2 %": lambda i: file_of(crop(i, 0.02), 90),
    "framed": lambda i: file_of(framed(i), 90),
}
#: A pair belongs to the last kind that one of its copies is of.
KINDS = {
    "recompressed": tuple(COPIES)[:5],
    "resized to a half or more": tuple(COPIES)[5:8],
    "resized to a quarter": ("size 0.25",),
    "cropped by 1 %": ("crop 1 %",),
    "cropped by 2 %": ("crop 2 %",),
    "framed": ("framed",),
}


@dataclass(frozen=True, eq=False)
class Hash:
    """One hash that an authority can submit."""

    margins: np.ndarray
    bits: np.ndarray
    patterns: tuple[int, ...]

    @classmethod
    def of(cls, margins: np.ndarray) -> Hash:
        bits = margins > 0
        return cls(margins, bits, tuple(SCHEME.patterns(bits).tolist()))


@dataclass(frozen=True, eq=False)
class Copy:
    """What an authority can compute from its copy."""

    plain: Hash
    views: tuple[Hash, ...]

    @classmethod
    def of(cls, data: bytes) -> Copy:
        return cls(
            Hash.of(pdq_of_list_item(data).margins),
            tuple(Hash.of(view.pdq.margins) for view in views(luminance(data))),
        )


def near(one: Iterable[Hash], other: Sequence[Hash], distance: int) -> Iterator[tuple[Hash, Hash]]:
    return ((a, b) for a in one for b in other if np.count_nonzero(a.bits != b.bits) <= distance)


def exact(recipe: Callable[[Copy], Sequence[Hash]], distance: int = DISTANCE) -> Rule:
    """The rule that ships, for authorities that submit all hashes of a recipe."""

    def rule(one: Copy, other: Copy) -> Patterns:
        pairs = list(near(recipe(one), recipe(other), distance))
        return tuple(frozenset(a.patterns[k] for a, b in pairs if a.patterns[k] == b.patterns[k]) for k in BANDS)

    return rule


def tolerant(bits: int, entered: Callable[[int, int], set[int]], distance: int = DISTANCE) -> Rule:
    """Two patterns agree that differ in at most `bits`."""

    def rule(one: Copy, other: Copy) -> Patterns:
        pairs = [(a.patterns, b.patterns) for a, b in near([one.plain], [other.plain], distance)]
        return tuple(
            frozenset(chain.from_iterable(entered(a[k], b[k]) for a, b in pairs if (a[k] ^ b[k]).bit_count() <= bits))
            for k in BANDS
        )

    return rule


def unsure(bits: int, distance: int = 31) -> Rule:
    """Each hash names the `bits` least sure bits of each band, and covers all patterns that differ only there.

    What both cover enters. (Were two whole patterns entered that differ in the bits of either mask, a hostile mask
    would be free to choose: a tolerance of `bits`.)
    """

    def covered(one: Hash, band: int) -> set[int]:
        margins = one.margins[SCHEME.positions(band)]
        masks = [1 << (SCHEME.bits - 1 - int(i)) for i in np.argsort(np.abs(margins))[:bits]]
        return {one.patterns[band] ^ sum(some) for n in range(bits + 1) for some in combinations(masks, n)}

    def rule(one: Copy, other: Copy) -> Patterns:
        pairs = list(near([one.plain], [other.plain], distance))
        return tuple(frozenset().union(*(covered(a, k) & covered(b, k) for a, b in pairs)) for k in BANDS)

    return rule


def plain(copy: Copy) -> Sequence[Hash]:
    return [copy.plain]


def with_normalised(copy: Copy) -> Sequence[Hash]:
    return [copy.plain, copy.views[0]]


def with_views(copy: Copy) -> Sequence[Hash]:
    return [copy.plain, *copy.views]


def one_and_four(one: Copy, other: Copy) -> Patterns:
    pairs = list(near([one.plain], with_views(other), DISTANCE))
    return tuple(frozenset(a.patterns[k] for a, b in pairs if a.patterns[k] == b.patterns[k]) for k in BANDS)


RULES: dict[str, Rule] = {
    "exact (as shipped)": exact(plain),
    "exact, same item within 31": exact(plain, 31),
    "tolerance 1, both patterns": tolerant(1, lambda a, b: {a, b}),
    "tolerance 2, both patterns": tolerant(2, lambda a, b: {a, b}),
    "tolerance 3, both patterns": tolerant(3, lambda a, b: {a, b}),
    "tolerance 3, both, within 31": tolerant(3, lambda a, b: {a, b}, 31),
    "tolerance 1, the lesser one": tolerant(1, lambda a, b: {min(a, b)}),
    "tolerance 2, the lesser one": tolerant(2, lambda a, b: {min(a, b)}),
    "1 unsure bit a band": unsure(1),
    "2 unsure bits a band": unsure(2),
    "3 unsure bits a band": unsure(3),
    "exact, and the normalised view": exact(with_normalised),
    "exact, and all three views": exact(with_views),
    "the same by one authority only": one_and_four,
}


def found(entries: Patterns, queries: Sequence[Patterns]) -> float:
    """The share of edits that a device finds."""
    hits = [sum(bool(entries[k] & asked[k]) for k in BANDS) for asked in queries]
    return float(np.mean([n >= PARAMETERS.bands_needed for n in hits]))


def listed(entries: Patterns) -> bool:
    return sum(bool(band) for band in entries) >= PARAMETERS.bands_needed


def kind_of(pair: Sequence[str]) -> str:
    return [kind for kind, copies in KINDS.items() if any(name in copies for name in pair)][-1]


def ball(patterns: Iterable[int], bits: int) -> int:
    """How many patterns lie within `bits` of one of these."""
    inside = outer = set(patterns)
    for _ in range(bits):
        outer = {p ^ (1 << i) for p in outer for i in range(SCHEME.bits)} - inside
        inside = inside | outer
    return len(inside)


def attacks(asked: Sequence[frozenset[int]], per_band: dict[str, float]) -> dict[str, dict[str, float]]:
    """By rule: the chance that enough bands of one target, for which nobody else vouches, enter the filter.

    The hostile authority may enter what lies within the rule's reach of an honest pattern. `asked` are the probes of
    sampled bands, `per_band` the distinct patterns that authorities submit for a band of one picture.
    """
    reach = {"exact (as shipped)": 1.0}
    for bits, samples in ((1, 40), (2, 20), (3, 4)):
        reach[f"tolerance {bits}"] = float(np.mean([ball(a, bits) for a in asked[:samples]])) / PROBES
    reach |= {f"{bits} unsure": 2.0**bits for bits in (1, 2, 3)} | per_band
    result = {}
    for name, factor in reach.items():
        row = {"gain a band": factor}
        for honest in HONEST:
            p = min(1.0, honest * PROBES * factor / 2.0**SCHEME.bits)
            needed = range(PARAMETERS.bands_needed, SCHEME.bands + 1)
            row[f"{honest}"] = sum(comb(SCHEME.bands, k) * p**k * (1 - p) ** (SCHEME.bands - k) for k in needed)
        result[name] = row
    return result


def independence(pictures: Sequence[Image.Image], windows: int, targets: int = 400) -> dict[int, float]:
    """How often bands of different photographs lie within t bits, against independent uniform bits.

    Many hashes with the statistics of photographs: random windows of the photographs. Pairs from one are left out.
    """
    choice = random.Random(1)
    bits, source = [], []
    while len(bits) < windows:
        i = choice.randrange(len(pictures))
        picture = pictures[i]
        side = choice.randint(min(picture.size) // 5, min(picture.size))
        x, y = choice.randint(0, picture.width - side), choice.randint(0, picture.height - side)
        window = picture.resize((128, 128), Image.Resampling.BILINEAR, (x, y, x + side, y + side))
        pdq = pdq_from_pixels(np.asarray(window))
        if pdq.quality >= defaults.AGREEMENT.minimum_quality:
            bits.append(pdq.bits)
            source.append(i)
    patterns, origin = SCHEME.patterns(np.array(bits)), np.array(source)
    counts, pairs = np.zeros(SCHEME.bits + 1, np.int64), 0
    for target in range(targets):
        others = origin != origin[target]
        distance = np.bitwise_count(patterns[others] ^ patterns[target])
        counts += np.bincount(distance.reshape(-1), minlength=SCHEME.bits + 1)
        pairs += distance.size
    uniform = np.cumsum([comb(SCHEME.bits, k) for k in range(SCHEME.bits + 1)]) / 2.0**SCHEME.bits
    return {t: float(counts[: t + 1].sum() / pairs / uniform[t]) for t in range(3, 9)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, action="append", default=[])
    parser.add_argument("--windows", type=int, default=30_000, help="hashes to test independence with")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    pictures = photographs(arguments.photos)
    copies = [{name: Copy.of(make(picture)) for name, make in COPIES.items()} for picture in pictures]
    queries: list[list[Patterns]] = []
    for picture in pictures:
        margins = [[view.pdq.margins for view in views(luminance(edit(picture)))] for edit in ORDINARY.values()]
        queries.append([tuple(frozenset(band_probes(m, SCHEME, k, PROBES)) for k in BANDS) for m in margins])
    pairs = list(combinations(COPIES, 2))
    kinds = {pair: kind_of(pair) for pair in pairs}

    gaps: dict[str, list[tuple[int, int]]] = {kind: [] for kind in KINDS}
    for held in copies:
        for pair in pairs:
            one, other = (held[name].plain for name in pair)
            agreed = sum(a == b for a, b in zip(one.patterns, other.patterns, strict=True))
            gaps[kinds[pair]].append((int(np.count_nonzero(one.bits != other.bits)), agreed))

    rows: dict[str, dict[str, tuple[float, float]]] = {}
    three: dict[str, float] = {}
    entries: dict[str, float] = {}
    identical: dict[str, float] = {}
    for name, rule in RULES.items():
        agreed = [{pair: rule(held[pair[0]], held[pair[1]]) for pair in pairs} for held in copies]
        rows[name] = {
            kind: (
                float(np.mean([listed(a[pair]) for a in agreed for pair in pairs if kinds[pair] == kind])),
                float(
                    np.mean(
                        [
                            found(a[p], q)
                            for a, q in zip(agreed, queries, strict=True)
                            for p in pairs
                            if kinds[p] == kind
                        ]
                    )
                ),
            )
            for kind in KINDS
        }
        same = [rule(held["original"], held["original"]) for held in copies]
        identical[name] = float(np.mean([found(s, q) for s, q in zip(same, queries, strict=True)]))
        entries[name] = float(np.mean([sum(map(len, s)) for s in same]))
        triples = [t for t in combinations(COPIES, 3) if "framed" not in t]
        three[name] = float(
            np.mean(
                [
                    found(tuple(frozenset().union(*(a[p][k] for p in combinations(t, 2))) for k in BANDS), q)
                    for a, q in zip(agreed, queries, strict=True)
                    for t in triples
                ]
            )
        )
    per_band = {
        name: float(np.mean([len({h.patterns[k] for h in recipe(c["original"])}) for c in copies for k in BANDS]))
        for name, recipe in (("and normalised", with_normalised), ("and all three views", with_views))
    }
    sampled = [band for asked in queries for edit in asked for band in edit]
    random.Random(1).shuffle(sampled)
    attack = attacks(sampled, per_band)
    ratio = independence(pictures, arguments.windows)
    if arguments.json:
        print(
            json.dumps(
                {
                    "photographs": len(pictures),
                    "rules": rows,
                    "identical": identical,
                    "three": three,
                    "attack": attack,
                    "independence": ratio,
                }
            )
        )
        return
    print(f"{len(pictures)} photographs, {len(COPIES)} copies of each, {len(pairs)} pairs of copies\n")
    print(f"{'hashes of two copies':28s} distance: median  90 %  max   share by bands that agree, 0 to {SCHEME.bands}")
    for kind, both in gaps.items():
        d, a = np.array(both).T
        shares = " ".join(f"{share:5.2f}" for share in np.bincount(a, minlength=SCHEME.bands + 1) / len(a))
        print(f"{kind:28s} {np.median(d):16.0f} {np.percentile(d, 90):5.0f} {d.max():4d}   {shares}")
    heads = " ".join(f"{kind[-14:]:>14s}" for kind in KINDS)
    print(f"\n{'listed at all / found':32s} identical {heads}  any three  entries")
    for name, row in rows.items():
        cells = " ".join(f"{share:7.2f}/{recall:6.3f}" for share, recall in row.values())
        print(f"{name:32s} {identical[name]:9.3f} {cells} {three[name]:10.3f} {entries[name]:8.1f}")
    print(f"\n{'attack':20s} patterns in reach  a target, by honest pictures; after a search of {SEARCH:,}")
    for name, row in attack.items():
        cells = "  ".join(f"{n:>9,}: {row[str(n)]:.1e}, {1 - (1 - row[str(n)]) ** SEARCH:.1e}" for n in HONEST)
        print(f"{name:20s} {row['gain a band']:17.1f}  {cells}")
    print("\nbands of windows of different photographs within t bits, against independent bits:")
    print("  ".join(f"t = {t}: {share:.1f}" for t, share in ratio.items()))


if __name__ == "__main__":
    main()
