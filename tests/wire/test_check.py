from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.wire import limits
from tutela.wire.check import CheckRequest, CheckResponse, request_bytes, response_bytes
from tutela.wire.errors import MalformedMessage, OversizedMessage, WireError

elements = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=20).map(tuple)


@given(elements)
def test_request_round_trip(batch: tuple[bytes, ...]):
    data = CheckRequest(batch).encode()
    assert len(data) == request_bytes(len(batch))
    assert CheckRequest.decode(data, batch=len(batch)) == CheckRequest(batch)


@given(elements, st.binary(min_size=64, max_size=64))
def test_response_round_trip(batch: tuple[bytes, ...], proof: bytes):
    data = CheckResponse(batch, proof).encode()
    assert len(data) == response_bytes(len(batch))
    assert CheckResponse.decode(data, batch=len(batch)) == CheckResponse(batch, proof)


@given(st.binary(max_size=200))
def test_rubbish_is_refused(data: bytes):
    for kind in (CheckRequest, CheckResponse):
        with pytest.raises(WireError):
            kind.decode(data, batch=400)


def test_every_other_size_is_refused():
    data = CheckRequest((bytes(32),) * 3).encode()
    for bad in (data[:-1], data + b"\0", data[:2], b"", b"\x02" + data[1:]):
        with pytest.raises(MalformedMessage):
            CheckRequest.decode(bad, batch=3)
    with pytest.raises(MalformedMessage):
        CheckRequest.decode(data, batch=4)
    response = CheckResponse((bytes(32),) * 3, bytes(64)).encode()
    for bad in (response[:-1], response + b"\0"):
        with pytest.raises(MalformedMessage):
            CheckResponse.decode(bad, batch=3)


def test_limit_one_over():
    many = CheckRequest((bytes(32),) * (limits.BATCH_ELEMENTS + 1)).encode()
    with pytest.raises(OversizedMessage):
        CheckRequest.decode(many, batch=limits.BATCH_ELEMENTS + 1)
