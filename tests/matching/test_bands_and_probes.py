from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutela.matching.bands import BandScheme, bits_of_hex, bits_of_many
from tutela.matching.errors import MatchingError
from tutela.matching.probes import band_probes, flips

SCHEME = BandScheme(6, 40)


def test_bits_are_those_of_the_hexadecimal_form():
    bits = bits_of_hex("8" + "0" * 62 + "1")
    assert np.flatnonzero(bits).tolist() == [0, 255]


@given(st.binary(min_size=32, max_size=32))
def test_bits_agree_with_a_plain_integer(raw: bytes):
    bits = bits_of_hex(raw.hex())
    assert int("".join("01"[int(b)] for b in bits), 2) == int.from_bytes(raw, "big")


@pytest.mark.parametrize("bad", ["", "0" * 63, "0" * 65, "g" * 64, " " * 64, "0" * 62 + " 0"])
def test_malformed_hashes(bad: str):
    with pytest.raises(MatchingError):
        bits_of_hex(bad)


def test_no_hashes():
    assert bits_of_many([]).shape == (0, 256)


@pytest.mark.parametrize(("bands", "bits"), [(6, 40), (5, 48), (8, 32), (1, 64), (4, 64), (256, 1)])
def test_bands_are_disjoint(bands: int, bits: int):
    scheme = BandScheme(bands, bits)
    taken = np.concatenate([scheme.positions(b) for b in range(bands)])
    assert len(set(taken.tolist())) == bands * bits


@pytest.mark.parametrize(("bands", "bits"), [(7, 40), (0, 40), (1, 65), (6, 0), (257, 1)])
def test_impossible_schemes(bands: int, bits: int):
    with pytest.raises(MatchingError):
        BandScheme(bands, bits)


@given(st.binary(min_size=32, max_size=32))
def test_patterns_agree_with_positions(raw: bytes):
    bits = bits_of_hex(raw.hex())
    patterns = SCHEME.patterns(bits)
    for band in range(SCHEME.bands):
        expected = int("".join("01"[int(b)] for b in bits[SCHEME.positions(band)]), 2)
        assert int(patterns[band]) == expected


def test_entries_of_different_schemes_and_bands_differ():
    entries = {BandScheme(t, k).entry(b, 5) for t, k in ((6, 40), (5, 40), (5, 48), (6, 38)) for b in range(t)}
    assert len(entries) == 22


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=7))
@settings(deadline=None)
def test_flips_come_in_ascending_cost_and_are_complete(values: list[float]):
    margins = np.array(values)
    got = list(flips(margins))
    assert got[0] == ()
    assert {frozenset(f) for f in got} == {
        frozenset(c) for n in range(len(values) + 1) for c in itertools.combinations(range(len(values)), n)
    }
    assert len(got) == 2 ** len(values)
    costs = [sum(abs(values[i]) for i in f) for f in got]
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(costs))


@given(st.integers(0, 1 << 30), st.integers(1, 3), st.integers(1, 80))
@settings(max_examples=30, deadline=None)
def test_probes_are_distinct_and_start_with_each_views_own_pattern(seed: int, views: int, count: int):
    rng = np.random.default_rng(seed)
    margins = [rng.normal(size=256) for _ in range(views)]
    probes = band_probes(margins, SCHEME, 2, count)
    assert len(probes) == len(set(probes)) == count
    exact = [int(SCHEME.patterns(m > 0)[2]) for m in margins]
    assert probes[: len(exact[:count])] == exact[:count]


def test_views_that_agree_cost_nothing():
    margins = np.random.default_rng(0).normal(size=256)
    assert band_probes([margins, margins], SCHEME, 0, 50) == band_probes([margins], SCHEME, 0, 50)


def test_a_flat_picture_still_gives_its_probes():
    assert len(band_probes([np.zeros(256)], SCHEME, 0, 64)) == 64


def test_a_band_has_only_so_many_patterns():
    scheme = BandScheme(128, 2)
    assert sorted(band_probes([np.ones(256)], scheme, 0, 64)) == [0, 1, 2, 3]
