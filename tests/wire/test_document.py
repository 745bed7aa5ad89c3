from __future__ import annotations

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tutela.wire import document
from tutela.wire.errors import MalformedMessage, OversizedMessage
from tutela.wire.manifest import Parameters
from tutela.wire.session import SignIn
from tutela.wire.submission import Item, ListClass, Submission

hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
items = st.builds(
    Item,
    pdq=hashes,
    quality=st.integers(0, 100),
    verified_by=st.lists(st.text(min_size=1, max_size=20), max_size=3).map(tuple),
)
submissions = st.builds(
    Submission,
    provider=st.text(min_size=1, max_size=255),
    authority=st.just("north.example"),
    number=st.integers(1, 1 << 40),
    previous=st.none() | hashes,
    created=st.just("2026-11-24T08:00:00Z"),
    list_class=st.sampled_from(ListClass),
    vouched=st.lists(items, max_size=4).map(tuple),
    withdrawn=st.lists(hashes, max_size=4).map(tuple),
)


@given(submissions)
def test_round_trip_in_the_one_canonical_form(submission: Submission):
    data = document.encode(submission)
    assert document.decode(data, Submission, limit=1 << 20) == submission
    # RFC 8785, by an implementation that is not ours.
    assert data == rfc8785.dumps(msgspec.to_builtins(submission))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b'{"matrix_server_name":"a"}',
        b'{"access_token":"a","matrix_server_name":""}',
        b'{"access_token":1,"matrix_server_name":"a"}',
        b'{"access_token":"a","extra":0,"matrix_server_name":"a"}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_malformed(data: bytes):
    with pytest.raises(MalformedMessage):
        document.decode(data, SignIn, limit=1 << 20)


@pytest.mark.parametrize(
    "data",
    [
        b'{"matrix_server_name":"b","access_token":"a"}',
        b'{"access_token": "a","matrix_server_name":"b"}',
        b'{"access_token":"a","matrix_server_name":"b"}\n',
        b'{"access_token":"a","access_token":"a","matrix_server_name":"b"}',
    ],
)
def test_what_is_signed_has_one_form_and_what_is_sent_may_have_any(data: bytes):
    with pytest.raises(MalformedMessage, match="canonical"):
        document.decode(data, SignIn, limit=1 << 20)
    assert document.decode(data, SignIn, limit=1 << 20, canonical=False).access_token == "a"


def test_limit_one_over():
    data = b'{"access_token":"a","matrix_server_name":"b"}'
    assert document.decode(data, SignIn, limit=len(data))
    with pytest.raises(OversizedMessage):
        document.decode(data, SignIn, limit=len(data) - 1)


@pytest.mark.parametrize("pdq", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64, "0" * 64 + "\n"])
def test_malformed_hashes(pdq: str):
    data = msgspec.json.encode({"pdq": pdq, "quality": 90, "verified_by": []}, order="sorted")
    with pytest.raises(MalformedMessage):
        document.decode(data, Item, limit=1000)


@pytest.mark.parametrize("bits", [39, 65])
def test_bands_are_no_shorter_than_a_leaked_key_allows(bits: int):
    data = msgspec.json.encode({"bands": 3, "band_bits": bits, "bands_needed": 2, "batch": 288}, order="sorted")
    with pytest.raises(MalformedMessage):
        document.decode(data, Parameters, limit=1000)


def test_errors_hold_no_regular_expressions():
    with pytest.raises(MalformedMessage, match=r"Expected `str` of another form - at `\$\.pdq`") as refused:
        document.decode(b'{"pdq":"zz","quality":1}', Item, limit=100, canonical=False)
    assert "regex" not in str(refused.value)
