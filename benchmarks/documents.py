"""Whether documents and drawings are taken for one another, or for photographs, at the parameters that ship.

300 rendered pages and drawings of ten kinds, all of different layout and content, are each listed and each checked
against all others; then ten layouts, each filled in ten ways (one form, other names). Peer: PDQ at distance <= 31.

    python benchmarks/documents.py [--photos FOLDER ...] [--json]

With FOLDER (as for `recall.py`) documents are also checked against photographs, and photographs against documents.
"""

from __future__ import annotations

import argparse
import inspect
import io
import json
import random
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from recall import THRESHOLD, file_of, photographs

from tutela.lists import defaults
from tutela.matching.probes import band_probes
from tutela.matching.shield import scheme_of
from tutela.signals.image import Pdq, luminance, pdq_of_list_item, views

EACH = 30
LAYOUTS = FILLINGS = 10
PARAMETERS = defaults.PARAMETERS
SCHEME = scheme_of(PARAMETERS)
PROBES = PARAMETERS.batch // PARAMETERS.bands
MINIMUM = defaults.AGREEMENT.minimum_quality
FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"
FACES = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono")
SYLLABLES = ["ba", "ten", "mor", "li", "sa", "ver", "dun", "ke", "pra", "gol", "in", "tem", "os", "ril", "ane", "sho"]
#: Source to show on code screens.
SOURCE = [line for module in (argparse, textwrap, random, inspect) for line in inspect.getsource(module).splitlines()]

#: A document from two sources of chance: one for how it is laid out, one for what stands in it.
Render = Callable[[random.Random, random.Random], Image.Image]


def font(size: int, face: str = FACES[0], bold: bool = False) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONTS / f"{face}{'-Bold' if bold else ''}.ttf", size)


def words(content: random.Random, count: int) -> str:
    return " ".join("".join(content.choices(SYLLABLES, k=content.randint(1, 4))) for _ in range(count))


def page(layout: random.Random) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", layout.choice([(1240, 1754), (1275, 1650), (1654, 1169)]), "white")
    return image, ImageDraw.Draw(image)


def letter(layout: random.Random, content: random.Random) -> Image.Image:
    image, draw = page(layout)
    face, size, margin = layout.choice(FACES), layout.randint(18, 34), layout.randint(80, 220)
    y = margin
    if layout.random() < 0.6:
        draw.text((margin, y), words(content, 3).title(), "black", font(size * 2, face, True))
        y += size * 4
    for _ in range(layout.randint(0, 5)):
        draw.text((layout.choice([margin, image.width // 2]), y), words(content, 3), "black", font(size, face))
        y += size * 3 // 2
    y += size * 2
    columns = int((image.width - 2 * margin) / size / 0.6)
    for _ in range(layout.randint(2, 9)):
        for line in textwrap.wrap(words(content, layout.randint(20, 120)), columns):
            if y < image.height - margin:
                draw.text((margin, y), line, "black", font(size, face))
            y += size * 3 // 2
        y += size
    return image


def form(layout: random.Random, content: random.Random) -> Image.Image:
    image, draw = page(layout)
    size, margin = layout.randint(18, 28), layout.randint(60, 140)
    draw.rectangle((0, 0, image.width, margin), layout.choice(["white", "#dddddd", "#335577"]))
    y = margin + 30
    while y < image.height - 2 * margin:
        columns, height = layout.randint(1, 4), layout.randint(50, 150)
        width = (image.width - 2 * margin) // columns
        for column in range(columns):
            x = margin + column * width
            draw.rectangle((x, y, x + width - 12, y + height), outline="black", width=layout.randint(1, 3))
            draw.text((x + 8, y + 4), words(layout, 2), "#444444", font(size - 6))
            if layout.random() < 0.8:
                draw.text(
                    (x + 14, y + height - size - 10), words(content, max(1, 3 - columns // 2)), "#112288", font(size)
                )
        y += height + layout.randint(10, 60)
    return image


def table(layout: random.Random, content: random.Random) -> Image.Image:
    image, draw = page(layout)
    size, margin, row = layout.randint(16, 26), layout.randint(30, 120), layout.randint(30, 64)
    widths = [layout.randint(1, 5) for _ in range(layout.randint(3, 9))]
    edges = margin + np.cumsum([0, *widths]) * (image.width - 2 * margin) / sum(widths)
    striped, ruled = layout.random() < 0.5, layout.random() < 0.6
    for n, y in enumerate(range(margin, layout.randint(image.height // 2, image.height - margin), row)):
        if n == 0 or (striped and n % 2):
            draw.rectangle((margin, y, image.width - margin, y + row), "#bbbbbb" if n == 0 else "#eeeeee")
        for left, right in pairwise(edges):
            cell = words(content, 1) if content.random() < 0.4 else f"{content.uniform(0, 9999):,.2f}"
            draw.text((left + 6, y + 6), cell[: int((right - left) / size * 1.4)], "black", font(size, bold=n == 0))
        if ruled:
            draw.line((margin, y, image.width - margin, y), "black")
            for x in edges:
                draw.line((x, y, x, y + row), "black")
    return image


def code(layout: random.Random, content: random.Random) -> Image.Image:
    back, fore = layout.choice([("#1e1e1e", "#d4d4d4"), ("white", "black"), ("#002b36", "#93a1a1")])
    image = Image.new("RGB", layout.choice([(1920, 1080), (1440, 900), (1080, 1350)]), back)
    draw = ImageDraw.Draw(image)
    size, side = layout.randint(14, 26), layout.choice([0, 60, 320])
    draw.rectangle((0, 0, side, image.height), "#555555")
    start = content.randrange(len(SOURCE) - 100)
    for n, line in enumerate(SOURCE[start : start + (image.height - 40) // (size * 4 // 3)]):
        draw.text((side + 20, 20 + n * size * 4 // 3), line, fore, font(size, FACES[2]))
    return image


def chat(layout: random.Random, content: random.Random) -> Image.Image:
    dark = layout.random() < 0.5
    image = Image.new("RGB", layout.choice([(1080, 2340), (1170, 2532), (828, 1792)]), "#101418" if dark else "#f4f4f8")
    draw = ImageDraw.Draw(image)
    size, bar = image.width // layout.randint(24, 34), layout.randint(140, 240)
    colours = layout.choice([("#226644", "#303438"), ("#2266cc", "#50545c"), ("#d8f8c8", "#ffffff")])
    draw.rectangle((0, 0, image.width, bar), "#202830" if dark else "#dddddd")
    draw.text((bar, bar // 3), words(content, 2), "white" if dark else "black", font(size, bold=True))
    y = bar + 30
    while y < image.height - bar:
        mine = content.random() < 0.5
        lines = textwrap.wrap(words(content, content.randint(1, 30)), 28)
        height, width = len(lines) * size * 3 // 2 + 30, int(max(map(len, lines)) * size * 0.62) + 50
        x = image.width - width - 20 if mine else 20
        draw.rounded_rectangle((x, y, x + width, y + height), 25, colours[0 if mine else 1])
        ink = "black" if colours[1] == "#ffffff" else "white"
        draw.multiline_text((x + 25, y + 12), "\n".join(lines), ink, font(size), spacing=size // 3)
        y += height + layout.randint(14, 30)
    return image


def drawing(layout: random.Random, content: random.Random) -> Image.Image:
    image = Image.new("RGB", (1200, layout.choice([900, 1200, 1500])), "white")
    draw = ImageDraw.Draw(image)
    for _ in range(layout.randint(8, 60)):
        x, y, r = content.uniform(0, 1200), content.uniform(0, image.height), content.uniform(20, 350)
        shape, width = content.randrange(4), content.randint(2, 9)
        if shape == 0:
            draw.ellipse((x - r, y - r / 2, x + r, y + r / 2), outline="black", width=width)
        elif shape == 1:
            draw.arc((x - r, y - r, x + r, y + r), content.uniform(0, 360), content.uniform(0, 360), "black", width)
        elif shape == 2:
            draw.regular_polygon(
                (x, y, r), content.randint(3, 7), content.uniform(0, 360), outline="black", width=width
            )
        else:
            points = np.cumsum([(x, y), *(([content.gauss(0, r / 4), content.gauss(0, r / 4)]) for _ in range(12))], 0)
            draw.line([tuple(p) for p in points], "black", width, joint="curve")
    return image


def plot(layout: random.Random, content: random.Random) -> Image.Image:
    figure = Figure((layout.uniform(5, 9), layout.uniform(4, 7)), dpi=150)
    FigureCanvasAgg(figure)
    rows, columns = layout.choice([(1, 1), (1, 1), (1, 2), (2, 1), (2, 2)])
    chance = np.random.default_rng(content.randrange(1 << 32))
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        kind, n = layout.randrange(4), layout.randint(6, 40)
        if kind == 0:
            axes.plot(chance.normal(size=(n, layout.randint(1, 4))).cumsum(0))
        elif kind == 1:
            axes.bar(range(n), chance.uniform(size=n))
        elif kind == 2:
            axes.scatter(chance.normal(size=n * 5), chance.normal(size=n * 5), s=layout.randint(5, 50))
        else:
            axes.hist(chance.gamma(2, size=400), n)
        axes.grid(layout.random() < 0.5)
        axes.set_title(words(content, 3))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB")


def logo(layout: random.Random, content: random.Random) -> Image.Image:
    side = 1000
    image = Image.new("RGB", (side, side), layout.choice(["white", "white", "#222244", "#ddcc44"]))
    draw = ImageDraw.Draw(image)
    for _ in range(layout.randint(1, 4)):
        x, y, r = layout.uniform(350, 650), layout.uniform(250, 550), layout.uniform(80, 300)
        colour = layout.choice(["#cc2222", "#2244cc", "#118833", "black", "white", "#ff9900"])
        if layout.random() < 0.5:
            draw.ellipse((x - r, y - r, x + r, y + r), colour)
        else:
            draw.regular_polygon((x, y, r), layout.randint(3, 8), layout.uniform(0, 360), colour)
    name = words(content, 1).upper()[:8]
    draw.text(
        (side / 2, 850), name, layout.choice(["black", "#888888"]), font(layout.randint(90, 170), bold=True), "mm"
    )
    return image


def matrix_code(layout: random.Random, content: random.Random) -> Image.Image:
    """Laid out like a QR code, with random modules: finder and timing patterns where they belong."""
    n = layout.choice([25, 29, 33, 37, 41, 57])
    modules = np.array([[content.random() < 0.5 for _ in range(n)] for _ in range(n)])
    modules[6, :] = modules[:, 6] = np.arange(n) % 2 == 0
    ring = np.maximum.outer(*(abs(np.arange(8) - 3),) * 2)
    finder = (ring != 2) & (ring < 4)
    modules[:8, :8], modules[:8, -8:], modules[-8:, :8] = finder, finder[:, ::-1], finder[::-1]
    scale, border = 1000 // (n + 8), layout.choice([1, 2, 4])
    image = Image.fromarray(np.where(np.pad(modules, border), 0, 255).astype(np.uint8))
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST).convert("RGB")


def music(layout: random.Random, content: random.Random) -> Image.Image:
    image, draw = page(layout)
    gap, margin = layout.randint(9, 16), layout.randint(60, 140)
    draw.text((image.width / 2, margin), words(content, 3).title(), "black", font(44, FACES[1], True), "mm")
    for top in range(margin + 80, image.height - margin, gap * layout.randint(9, 15)):
        for line in range(5):
            draw.line((margin, top + line * gap, image.width - margin, top + line * gap), "black", 2)
        x = margin + 60
        while x < image.width - margin - 20:
            y = top + content.randint(-2, 10) * gap / 2
            draw.ellipse((x - gap * 0.7, y - gap / 2, x + gap * 0.7, y + gap / 2), "black")
            draw.line((x + gap * 0.65, y, x + gap * 0.65, y - 3.5 * gap), "black", 3)
            if content.random() < 0.15:
                draw.line((x + gap * 2, top, x + gap * 2, top + 4 * gap), "black", 2)
            x += content.choice([2.5, 3, 4, 6]) * gap
    return image


KINDS: dict[str, Render] = {
    "letters": letter,
    "forms": form,
    "tables": table,
    "code": code,
    "chats": chat,
    "line drawings": drawing,
    "plots": plot,
    "logos": logo,
    "matrix codes": matrix_code,
    "sheet music": music,
}
#: Kinds of which one layout is filled in again and again.
FILLED = ("letters", "forms", "tables", "code", "chats", "plots", "matrix codes", "sheet music")


@dataclass(frozen=True, eq=False)
class Picture:
    """As it would be listed, and what a device asks for."""

    kind: str
    listed: Pdq
    patterns: np.ndarray
    asked: tuple[frozenset[int], ...]

    @classmethod
    def of(cls, kind: str, data: bytes) -> Picture:
        pdq = pdq_of_list_item(data)
        margins = [view.pdq.margins for view in views(luminance(data))]
        asked = tuple(frozenset(band_probes(margins, SCHEME, k, PROBES)) for k in range(SCHEME.bands))
        return cls(kind, pdq, SCHEME.patterns(pdq.bits), asked)

    def bands_of(self, other: Picture) -> int:
        """How many bands of another, listed, a check of this one hits."""
        return sum(int(p) in asked for p, asked in zip(other.patterns, self.asked, strict=True))


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def compare(queries: Sequence[Picture], lists: Sequence[Picture]) -> dict[str, int]:
    """Pairs of a query and another picture that could be listed: how many, with one band, with enough, by PDQ."""
    pairs = [(q, item) for q in queries for item in lists if q is not item and item.listed.quality >= MINIMUM]
    hits = Counter(q.bands_of(item) for q, item in pairs)
    return {
        "pairs": len(pairs),
        "one band": hits[1],
        "matches": sum(n for bands, n in hits.items() if bands >= PARAMETERS.bands_needed),
        "PDQ": sum(q.listed.distance(item.listed) <= THRESHOLD for q, item in pairs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, action="append", default=[])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    documents = [
        Picture.of(kind, png(render(random.Random(f"{kind} layout {n}"), random.Random(f"{kind} content {n}"))))
        for kind, render in KINDS.items()
        for n in range(EACH)
    ]
    quality = {
        kind: {
            "median": float(np.median([d.listed.quality for d in documents if d.kind == kind])),
            "refused": sum(d.listed.quality < MINIMUM for d in documents if d.kind == kind),
        }
        for kind in KINDS
    }
    rows = {"all kinds": compare(documents, documents)}
    for kind in KINDS:
        same = [d for d in documents if d.kind == kind]
        rows[kind] = compare(same, same)
    photos = [
        Picture.of("photograph", file_of(p, 95)) for p in (photographs(arguments.photos) if arguments.photos else [])
    ]
    rows["documents, photographs listed"] = compare(documents, photos)
    rows["photographs, documents listed"] = compare(photos, documents)
    filled: dict[str, dict[str, int]] = {}
    for kind in FILLED:
        total: Counter[str] = Counter()
        for n in range(LAYOUTS):
            family = [
                Picture.of(
                    kind, png(KINDS[kind](random.Random(f"{kind} layout {n}"), random.Random(f"filled {n} {m}")))
                )
                for m in range(FILLINGS)
            ]
            total.update(compare(family, family))
        filled[kind] = dict(total)
    if arguments.json:
        print(json.dumps({"quality": quality, "different": rows, "one layout": filled}))
        return
    print(f"{len(documents)} documents and drawings, {len(photos)} photographs; lists refuse quality under {MINIMUM}\n")
    for kind, row in quality.items():
        print(f"{kind:16s} median quality {row['median']:4.0f}, {row['refused']:2d} of {EACH} refused")
    for title, table_ in (("different documents", rows), ("one layout, filled in differently", filled)):
        print(f"\n{title:34s}   pairs   one band in common   matches   PDQ <= {THRESHOLD}")
        for kind, row in table_.items():
            print(f"{kind:34s} {row['pairs']:7,d} {row['one band']:20d} {row['matches']:9d} {row['PDQ']:11d}")


if __name__ == "__main__":
    main()
