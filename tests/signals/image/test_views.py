from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from signals.image.pictures import PHOTOGRAPHS, file_of, photograph, pixels_of
from tutela.signals.image import PADS, PLAIN, SHIPPED, WIDE, Pdq, luminance, pdq_from_pixels, views

NAMES = [path.stem for path in PHOTOGRAPHS]
THRESHOLD = 31


def query(image: Image.Image, names: tuple[str, ...] = SHIPPED) -> list[Pdq]:
    return [view.pdq for view in views(luminance(file_of(image, "JPEG", quality=90)), names)]


def nearest(listed: Pdq, image: Image.Image, names: tuple[str, ...] = SHIPPED) -> int:
    return min(pdq.distance(listed) for pdq in query(image, names))


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Without `share` of its width and height, half of it at each border."""
    x, y = (round(side * share / 2) for side in image.size)
    return image.crop((x, y, image.width - x, image.height - y))


def test_sets_are_known_views_with_the_normalised_first():
    for names in (PLAIN, SHIPPED, WIDE):
        assert names[0] == "normalised"
        assert set(names) <= set(PADS)
        assert len(set(names)) == len(names) <= 4
    assert PADS["normalised"] == 0


def test_views_come_with_their_names_in_the_order_asked_for():
    luma = luminance(file_of(photograph(), "JPEG"))
    assert [view.name for view in views(luma)] == list(SHIPPED)
    assert [view.name for view in views(luma, WIDE[::-1])] == list(WIDE[::-1])
    alone = {name: views(luma, (name,))[0].pdq.hex for name in WIDE}
    assert [view.pdq.hex for view in views(luma, WIDE)] == list(alone.values())
    assert len(set(alone.values())) == len(WIDE)


@pytest.mark.parametrize("name", ["astronaut", "camera", "rocket"])
@pytest.mark.parametrize("view", PADS)
def test_a_view_is_what_pdq_makes_of_a_large_padded_copy(name: str, view: str):
    luma = luminance(file_of(photograph(name), "PNG"))
    large = luma.pixels.repeat(4, axis=0).repeat(4, axis=1)
    padded = np.pad(large, round(PADS[view] * len(large)), mode="edge")
    expected = pdq_from_pixels(padded)
    (found,) = views(luma, (view,))
    assert found.pdq.distance(expected) <= 8  # PDQ's even windows lie half a pixel off, even at this size
    assert abs(found.pdq.quality - expected.quality) <= 1


@pytest.mark.parametrize("view", PADS)
def test_the_grid_leans_to_no_side(view: str):
    luma = luminance(file_of(photograph("coffee"), "PNG"))
    mirrored = replace(luma, pixels=luma.pixels[:, ::-1])
    plain, flipped = (views(one, (view,))[0].pdq.coefficients[::-1].reshape(16, 16) for one in (luma, mirrored))
    signs = np.where(np.arange(1, 17) % 2, -1, 1)
    np.testing.assert_allclose(flipped, plain * signs, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("longest", [2000, 700, 333, 200])
def test_a_picture_of_any_size_is_found_by_its_normalised_view(name: str, longest: int):
    image = photograph(name)
    listed = pdq_from_pixels(pixels_of(image))
    scale = longest / max(image.size)
    resized = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    assert nearest(listed, resized, PLAIN) <= 20


@pytest.mark.parametrize("name", NAMES)
def test_small_crops_are_found(name: str):
    listed = pdq_from_pixels(pixels_of(photograph(name)))
    assert nearest(listed, cropped(photograph(name), 0.02)) <= THRESHOLD


def test_most_crops_of_five_in_a_hundred_are_found_and_none_without_padding():
    found = {PLAIN: 0, SHIPPED: 0}
    for name, names in itertools.product(NAMES, found):
        listed = pdq_from_pixels(pixels_of(photograph(name)))
        found[names] += nearest(listed, cropped(photograph(name), 0.05), names) <= THRESHOLD
    assert found[PLAIN] <= 2
    assert found[SHIPPED] >= 8


def test_views_of_other_pictures_stay_far():
    listed = {name: pdq_from_pixels(pixels_of(photograph(name))) for name in NAMES}
    for name in NAMES:
        for view in query(photograph(name), WIDE):
            assert min(view.distance(pdq) for other, pdq in listed.items() if other != name) > 60


def test_flat_pictures_have_quality_nought_in_every_view():
    assert [pdq.quality for pdq in query(Image.new("RGB", (300, 200), "teal"), WIDE)] == [0, 0, 0, 0]


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (3000, 2), (5, 5)])
def test_pictures_of_hardly_any_pixels_have_views(size: tuple[int, int]):
    assert [view.pdq.bits.shape for view in views(luminance(file_of(Image.new("L", size), "PNG")))] == [(256,)] * 3
