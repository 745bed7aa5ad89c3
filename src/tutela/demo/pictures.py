"""Harmless stand-in pictures, drawn here: landscapes from fractal noise. No other pictures are needed, ever.

Ridges are midpoint-displacement profiles after Fournier, Fussell, Carpenter, *Computer Rendering of Stochastic
Models* (CACM 25, 1982). A scene follows from its name alone.
"""

from __future__ import annotations

import functools
import io
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

WIDTH: Final = 1600
HEIGHT: Final = 1200

Colour = tuple[int, int, int]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """Colours from the top of the sky to the nearest ridge; where the sun and the water are, as shares of the size."""

    sky: tuple[Colour, Colour]
    far: Colour
    near: Colour
    sun: tuple[float, float, float]
    ridges: int
    water: float
    roughness: float


SCENES: Final[dict[str, Scene]] = {
    "lake": Scene(((86, 142, 190), (244, 214, 178)), (150, 168, 186), (34, 62, 66), (0.68, 0.30, 0.055), 4, 0.66, 0.55),
    "dunes": Scene(((58, 96, 150), (250, 206, 150)), (226, 178, 120), (120, 72, 40), (0.27, 0.38, 0.07), 5, 1.0, 0.34),
    "fjord": Scene(((34, 52, 92), (214, 130, 128)), (104, 96, 138), (18, 24, 44), (0.46, 0.52, 0.09), 6, 0.74, 0.62),
    "forest": Scene(
        ((150, 190, 206), (232, 238, 226)), (140, 170, 164), (22, 54, 40), (0.82, 0.18, 0.04), 7, 1.0, 0.70
    ),
    "island": Scene(((40, 120, 170), (190, 230, 230)), (96, 150, 150), (44, 84, 60), (0.18, 0.22, 0.05), 2, 0.58, 0.48),
}


@functools.cache
def picture(name: str, *, quality: int = 88) -> bytes:
    """Return the scene called `name` (see `SCENES`) as a JPEG file; drawn once, which takes a while."""
    return encode(Image.fromarray(_draw(SCENES[name], np.random.default_rng(zlib.crc32(name.encode())))), quality)


def encode(image: Image.Image, quality: int) -> bytes:
    """Return `image` as a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def halved(data: bytes) -> bytes:
    """Return the picture at half its size."""
    with Image.open(io.BytesIO(data)) as image:
        return encode(image.resize((image.width // 2, image.height // 2)), 88)


def recompressed(data: bytes) -> bytes:
    """Return the picture at JPEG quality 30."""
    with Image.open(io.BytesIO(data)) as image:
        return encode(image, 30)


def cropped(data: bytes) -> bytes:
    """Return the picture without a hundredth of it on each side."""
    with Image.open(io.BytesIO(data)) as image:
        x, y = image.width // 100, image.height // 100
        return encode(image.crop((x, y, image.width - x, image.height - y)), 88)


def _draw(scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    rows = np.linspace(0, 1, HEIGHT)[:, None, None]
    top, horizon = (np.array(colour, dtype=np.float64) for colour in scene.sky)
    canvas = np.broadcast_to(top + (horizon - top) * np.sqrt(np.clip(rows * 1.6, 0, 1)), (HEIGHT, WIDTH, 3)).copy()
    _sun(canvas, scene)
    canvas += (_clouds(rng) * (1 - rows[:, :, 0]) ** 2 * 60)[:, :, None]
    shore = int(scene.water * HEIGHT)
    for step in range(scene.ridges):
        _ridge(canvas, scene, step, shore, rng)
    if shore < HEIGHT:
        _water(canvas, shore, rng)
    canvas += rng.normal(0, 2.5, canvas.shape)
    drawn: NDArray[np.uint8] = np.clip(canvas, 0, 255).astype(np.uint8)
    return drawn


def _sun(canvas: Floats, scene: Scene) -> None:
    x, y, radius = scene.sun
    down, across = np.ogrid[0:HEIGHT, 0:WIDTH]
    distance = np.hypot(across / WIDTH - x, (down / HEIGHT - y) * HEIGHT / WIDTH)
    disc = np.clip((radius - distance) * 400, 0, 1)
    glow = np.exp(-((distance / (radius * 3)) ** 2)) * 0.6
    light = np.maximum(disc, glow)[:, :, None]
    canvas += (np.array([255, 244, 214]) - canvas) * light


def _clouds(rng: np.random.Generator) -> Floats:
    total = np.zeros((HEIGHT, WIDTH))
    for size in (3, 6, 12, 24, 48):
        noise = (rng.random((size, size)) * 255).astype(np.uint8)
        grown = Image.fromarray(noise).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        total += np.asarray(grown, dtype=np.float64) / 255 / size
    total -= total.min()
    clouds: Floats = np.clip(total / total.max() - 0.45, 0, 1) * 2
    return clouds


def _ridge(canvas: Floats, scene: Scene, step: int, shore: int, rng: np.random.Generator) -> None:
    nearness = (step + 1) / scene.ridges
    base = 0.42 + (min(scene.water, 0.95) - 0.40) * nearness**1.2
    outline = (base - 0.16 * (1.15 - nearness * 0.6) * _profile(rng, scene.roughness)) * HEIGHT
    far, near = np.array(scene.far, dtype=np.float64), np.array(scene.near, dtype=np.float64)
    top = max(int(outline.min()), 0)  # what lies above every point of the outline stays as it is
    down = np.arange(top, shore)[:, None]
    below = down >= outline[None, :]
    depth = np.clip((down - outline[None, :]) / (0.35 * HEIGHT), 0, 1)[:, :, None]
    texture = np.cumsum(rng.normal(0, 1, WIDTH))
    shade = 1 + 0.10 * np.tanh((texture - texture.mean()) / texture.std())[None, :, None]
    colour = (far + (near - far) * nearness) * (1.12 - 0.35 * depth) * shade
    canvas[top:shore][below] = colour[below]


def _profile(rng: np.random.Generator, roughness: float) -> Floats:
    """A midpoint-displacement profile in -1 … 1, of the picture's width."""
    points = rng.normal(0, 1, 2)
    scale = 1.0
    while len(points) < WIDTH:
        middles = (points[:-1] + points[1:]) / 2 + rng.normal(0, scale, len(points) - 1)
        woven = np.empty(len(points) + len(middles))
        woven[0::2], woven[1::2] = points, middles
        points, scale = woven, scale * roughness
    points = points[:WIDTH] - points[:WIDTH].mean()
    scaled: Floats = points / np.abs(points).max()
    return scaled


def _water(canvas: Floats, shore: int, rng: np.random.Generator) -> None:
    """Mirror what stands above the shore, darker, blurred and rippled."""
    height = HEIGHT - shore
    mirrored = canvas[shore - height : shore][::-1] * 0.78 + np.array([6, 16, 26])
    blurred = Image.fromarray(np.clip(mirrored, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(4))
    still = np.asarray(blurred, dtype=np.float64)
    waves = np.sin(np.linspace(0, 1, height) ** 0.6 * 120) * np.linspace(1, 14, height) + rng.normal(0, 1.5, height)
    for row, shift in enumerate(waves.astype(int)):
        canvas[shore + row] = np.roll(still[row], shift, axis=0)
