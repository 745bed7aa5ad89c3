from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutela.matching import fuse
from tutela.matching.errors import FilterFailure


def entries(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, fuse.ENTRY_BYTES), dtype=np.uint8)


@given(st.integers(0, 2000), st.integers(0, 1 << 30))
@settings(max_examples=60, deadline=None)
def test_holds_everything_put_in(n: int, seed: int):
    put = entries(n, seed)
    segment = fuse.build(put)
    assert segment.entries == n
    assert fuse.contains(segment, put).all()


@pytest.mark.parametrize("n", range(0, 70))
def test_every_small_size(n: int):
    put = entries(n, n)
    assert fuse.contains(fuse.build(put), put).all()


@given(st.integers(1, 300), st.integers(0, 1 << 30), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_order_and_repetition_do_not_matter(n: int, seed: int, random):
    put = entries(n, seed)
    rows = [random.randrange(n) for _ in range(n)] + list(range(n))
    random.shuffle(rows)
    assert fuse.build(put[rows]).encode() == fuse.build(put).encode()


def test_one_more_entry_gives_another_file():
    put = entries(500, 3)
    assert fuse.build(put[:-1]).encode() != fuse.build(put).encode()


def test_what_was_not_put_in_does_not_pass():
    segment = fuse.build(entries(20_000, 1))
    assert fuse.contains(segment, entries(200_000, 2)).sum() == 0


def test_a_shorter_fingerprint_would_let_through_what_its_length_says():
    # The same look-up with 8 of the 32 bits: about 1 in 256 passes, so the fingerprint is what holds the rest back.
    segment = fuse.build(entries(20_000, 1))
    asked = entries(100_000, 2)
    keys, fingerprints = fuse._split(asked)
    a, b, c = fuse._slots(keys, segment.seed, segment.segment_length, segment.segment_count)
    found = segment.fingerprints[a] ^ segment.fingerprints[b] ^ segment.fingerprints[c]
    rate = ((found ^ fingerprints) & 0xFF == 0).mean()
    assert 0.8 / 256 < rate < 1.2 / 256


def test_the_format_is_pinned():
    # Changing this digest means that every authority and device must change at once.
    segment = fuse.build(entries(1000, 42))
    digest = hashlib.sha256(segment.encode()).hexdigest()
    assert digest == "ae805ca4fa6cf8d43b336364a35e53ffd7c9a97eb1aa5f523ec64940a0116924"


def test_compact():
    assert len(fuse.build(entries(60_000, 5)).encode()) / 60_000 <= 5


def test_entries_that_share_all_slots_cannot_be_built():
    put = entries(40, 0)
    put[:, :8] = 7
    with pytest.raises(FilterFailure):
        fuse.build(put)


def test_an_entry_is_the_start_of_an_output():
    assert fuse.entries_of([bytes(range(64))])[0].tolist() == list(range(12))
    assert len(fuse.entries_of([])) == 0
