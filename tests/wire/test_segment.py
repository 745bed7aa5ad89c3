from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.matching import fuse
from tutela.wire import limits
from tutela.wire.errors import MalformedMessage, OversizedMessage, WireError
from tutela.wire.segment import Segment


@given(st.integers(0, 300), st.integers(0, 1 << 30))
def test_round_trip(n: int, seed: int):
    entries = np.random.default_rng(seed).integers(0, 256, (n, 12), dtype=np.uint8)
    segment = fuse.build(entries)
    again = Segment.decode(segment.encode())
    assert again.encode() == segment.encode()
    assert fuse.contains(again, entries).all()


@given(st.binary(max_size=100))
def test_rubbish_is_refused(data: bytes):
    with pytest.raises(WireError):
        Segment.decode(data)


def test_cut_short_padded_or_contradictory():
    data = fuse.build(np.random.default_rng(0).integers(0, 256, (50, 12), dtype=np.uint8)).encode()
    for bad in (data[:-4], data[:-1], data + b"\0", data + bytes(4), data[:27]):
        with pytest.raises(MalformedMessage):
            Segment.decode(bad)
    for offset, value in ((0, b"X"), (16, bytes(4)), (20, (3).to_bytes(4, "little")), (16, b"\xff\xff\xff\xff")):
        with pytest.raises(MalformedMessage):
            Segment.decode(data[:offset] + value + data[offset + len(value) :])


def test_limit_one_over(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "SEGMENT_BYTES", 27)
    with pytest.raises(OversizedMessage):
        Segment.decode(bytes(28))
