from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutela.matching import hamming
from tutela.matching.errors import TooManyPairs
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


def test_pairs_are_compared_in_chunks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hamming, "_CHUNK", 7)
    rng = np.random.default_rng(4)
    bits = np.tile(rng.random(256) < 0.5, (30, 1)) ^ (rng.random((30, 256)) < 0.02)
    assert near_pairs(bits, 15).tolist() == naive(bits, 15)


def crowd(many: int, others: int) -> np.ndarray:
    """So many hashes within two bits of one, and others far from all."""
    rng = np.random.default_rng(5)
    bits = rng.random((many + others, 256)) < 0.5
    bits[:many] = bits[0]
    bits[np.arange(many), np.arange(many)] ^= True
    return bits


def test_pairs_over_the_limit_are_refused_and_say_whose_they_are():
    bits = crowd(20, 10)
    assert len(near_pairs(bits, 15, most=190)) == 190
    with pytest.raises(TooManyPairs, match="more than 189 pairs of hashes are within 15 bits") as refused:
        near_pairs(bits, 15, most=189)
    assert set(refused.value.counts[:20].tolist()) == {19}
    assert refused.value.counts[20:].max() == 0
    assert len(refused.value.pairs) == 190


def test_comparisons_over_the_limit_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch):
    """Hashes that agree on one part alone make no pair, but the work of comparing them."""
    bits = np.random.default_rng(6).random((100, 256)) < 0.5
    bits[:50, :16] = True
    monkeypatch.setattr(hamming, "_FREE_COMPARISONS", 1225)
    assert near_pairs(bits, 15).tolist() == []
    monkeypatch.setattr(hamming, "_FREE_COMPARISONS", 1000)
    with pytest.raises(TooManyPairs, match="would have to be compared") as refused:
        near_pairs(bits, 15)
    assert refused.value.counts[:50].min() >= 49
    assert refused.value.counts[50:].max() < 10
    assert len(refused.value.pairs) == 0
