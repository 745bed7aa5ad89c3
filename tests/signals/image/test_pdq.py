from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from signals.image.pictures import PHOTOGRAPHS, photograph, pixels_of
from signals.image.reference_cases import CASES
from tutela.signals.image import FeaturelessPicture, Pdq, pdq_from_pixels

VECTORS = json.loads((Path(__file__).parent / "vectors/pdq.json").read_text())
FLAT = np.full((64, 64), 128, np.uint8)


def load(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        image.thumbnail((700, 700))
        return pixels_of(image if image.mode in ("L", "RGB") else image.convert("RGB"))


@pytest.mark.parametrize("name", CASES)
def test_bits_and_quality_are_those_of_metas_program_and_of_the_package_that_hma_uses(name: str):
    known = VECTORS["hashes"][name]
    pixels = CASES[name]()
    assert list(pixels.shape) == known["shape"]
    ours = pdq_from_pixels(pixels)
    assert (ours.hex, ours.quality) == (known["meta"], known["quality"])
    assert ours.hex == known["pdqhash"]


def test_memory_layout_does_not_matter():
    pixels = pixels_of(photograph("chelsea"))
    turned = np.rot90(pixels)
    assert not turned.flags.c_contiguous
    assert pdq_from_pixels(turned).hex == pdq_from_pixels(turned.copy()).hex
    grey = np.asfortranarray(pixels[..., 0])
    assert pdq_from_pixels(grey).hex == pdq_from_pixels(np.ascontiguousarray(grey)).hex


def test_grey_equals_three_equal_channels():
    grey = pixels_of(photograph("camera").convert("L"))
    assert pdq_from_pixels(grey).hex == pdq_from_pixels(np.dstack([grey] * 3)).hex


def test_margins_carry_the_bits_and_split_them_in_half():
    pdq = pdq_from_pixels(pixels_of(photograph()))
    assert np.array_equal(pdq.margins > 0, pdq.bits)
    assert np.count_nonzero(pdq.bits) == 128
    assert pdq.coefficients.shape == pdq.margins.shape == pdq.bits.shape == (256,)
    assert pdq.coefficients.dtype == pdq.margins.dtype == np.float64


def test_distance():
    one, other = (pdq_from_pixels(pixels_of(photograph(name))) for name in ("astronaut", "coffee"))
    assert one.distance(one) == 0
    assert one.distance(other) == other.distance(one) == (int(one.hex, 16) ^ int(other.hex, 16)).bit_count() > 80


@given(arrays(np.float64, 256, elements=st.floats(-1e6, 1e6), unique=True))
def test_any_distinct_coefficients_give_half_the_bits(coefficients: np.ndarray):
    pdq = Pdq(coefficients, 100)
    assert np.count_nonzero(pdq.bits) == 128
    assert int(pdq.hex, 16).bit_count() == 128


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 100), (100, 4)])
def test_too_small_to_hash_has_quality_nought(rows: int, columns: int):
    pdq = pdq_from_pixels(np.arange(rows * columns, dtype=np.uint8).reshape(rows, columns))
    assert (pdq.hex, pdq.quality) == ("0" * 64, 0)


def test_flat_pictures_have_quality_nought_and_are_refused_only_on_demand():
    pdq = pdq_from_pixels(FLAT)
    assert pdq.quality == 0
    assert pdq.demand(0) is pdq
    with pytest.raises(FeaturelessPicture, match="quality 0") as raised:
        pdq.demand(1)
    assert raised.value.code == "featureless-picture"
    photo = pdq_from_pixels(pixels_of(photograph()))
    assert photo.demand(photo.quality) is photo


@pytest.mark.parametrize(
    "pixels", [FLAT.astype(np.float64), FLAT[0], np.dstack([FLAT] * 4), np.zeros((8, 8, 1), np.uint8)], ids=str
)
def test_other_arrays_are_refused(pixels: np.ndarray):
    with pytest.raises(ValueError, match="expected grey or RGB bytes"):
        pdq_from_pixels(pixels)


def test_photographs_are_told_apart():
    hashes = [pdq_from_pixels(load(path)) for path in PHOTOGRAPHS]
    assert min(one.distance(other) for one, other in itertools.combinations(hashes, 2)) > 60
