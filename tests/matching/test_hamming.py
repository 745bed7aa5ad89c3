from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutela.matching.hamming import near_pairs


def naive(bits: np.ndarray, distance: int) -> list[list[int]]:
    n = len(bits)
    return [[i, j] for i in range(n) for j in range(i + 1, n) if (bits[i] != bits[j]).sum() <= distance]


@given(st.integers(0, 40), st.integers(0, 31), st.integers(0, 1 << 30))
@settings(max_examples=60, deadline=None)
def test_agrees_with_comparing_everything(n: int, distance: int, seed: int):
    rng = np.random.default_rng(seed)
    centres = rng.random((3, 256)) < 0.5
    bits = centres[rng.integers(0, 3, n)] ^ (rng.random((n, 256)) < rng.choice([0.0, 0.03, 0.06], (n, 1)))
    assert near_pairs(bits, distance).tolist() == naive(bits, distance)


@pytest.mark.parametrize("flipped", [15, 16])
def test_the_border(flipped: int):
    bits = np.zeros((2, 256), dtype=bool)
    bits[1, :: 256 // flipped][:flipped] = True
    bits[1] = False
    bits[1, np.linspace(0, 255, flipped).astype(int)] = True
    assert len(near_pairs(bits, 15)) == (flipped <= 15)
