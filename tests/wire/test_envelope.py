from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib import dsse
from securesystemslib.signer import CryptoSigner

from tutela.wire import envelope, limits
from tutela.wire.errors import BadSignature, MalformedMessage, OversizedMessage

KIND = "application/vnd.tutela.test.v1+json"


def key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def known(*keys: Ed25519PrivateKey):
    return {envelope.key_id(k.public_key()): k.public_key() for k in keys}


def test_pae_is_the_specifications_example():
    # secure-systems-lab/dsse, protocol.md: PAE("http://example.com/HelloWorld", "hello world")
    assert (
        envelope.pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_the_specifications_example_envelope_parses_to_its_payload():
    example = (
        b'{"payload": "aGVsbG8gd29ybGQ=", "payloadType": "http://example.com/HelloWorld", '
        b'"signatures": [{"keyid": "66301bbf", "sig": "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJ'
        b'PcIAriEGAHTVeCUjW2JIZA=="}]}'
    )
    assert envelope.decode(example).unverified_payload == b"hello world"


@given(st.binary(max_size=200), st.sets(st.integers(0, 9), min_size=1, max_size=4))
def test_round_trip_and_signers(payload: bytes, numbers: set[int]):
    keys = [key(n) for n in sorted(numbers)]
    sealed = envelope.decode(envelope.encode(envelope.seal(KIND, payload, *keys)))
    assert envelope.verify(sealed, KIND, known(*keys)) == (payload, frozenset(known(*keys)))
    assert envelope.verify(sealed, KIND, known(key(77))) == (payload, frozenset())


def test_an_independent_implementation_verifies_ours():
    sealed = envelope.seal(KIND, b'{"a":1}', key(1))
    theirs = dsse.Envelope.from_dict(__import__("json").loads(envelope.encode(sealed)))
    public = CryptoSigner(key(1)).public_key
    public.keyid = envelope.key_id(key(1).public_key())
    assert set(theirs.verify([public], threshold=1)) == {public.keyid}


def test_ours_verifies_an_independent_implementations():
    theirs = dsse.Envelope(payload=b"hello", payload_type=KIND, signatures={})
    signer = CryptoSigner(key(2))
    signer.public_key.keyid = envelope.key_id(key(2).public_key())
    theirs.sign(signer)
    ours = envelope.decode(__import__("json").dumps(theirs.to_dict()).encode())
    assert envelope.verify(ours, KIND, known(key(2))) == (b"hello", frozenset(known(key(2))))


def test_a_changed_payload_is_refused():
    sealed = envelope.seal(KIND, b"one", key(1))
    forged = envelope.Envelope(KIND, b"two", sealed.signatures)
    with pytest.raises(BadSignature):
        envelope.verify(forged, KIND, known(key(1)))


def test_a_signature_for_one_type_does_not_stand_for_another():
    sealed = envelope.seal(KIND, b"one", key(1))
    with pytest.raises(MalformedMessage):
        envelope.verify(sealed, KIND + "x", known(key(1)))
    forged = envelope.Envelope(KIND + "x", b"one", sealed.signatures)
    with pytest.raises(BadSignature):
        envelope.verify(forged, KIND + "x", known(key(1)))


def test_a_failing_signature_is_refused_even_beside_a_good_one():
    sealed = envelope.seal(KIND, b"one", key(1), key(2))
    first, second = sealed.signatures
    broken = envelope.Signature(second.key_id, bytes(64))
    with pytest.raises(BadSignature):
        envelope.verify(envelope.Envelope(KIND, b"one", (first, broken)), KIND, known(key(1), key(2)))


def test_signing_again_replaces():
    sealed = envelope.seal(KIND, b"one", key(1)).with_signature(envelope.sign(KIND, b"one", key(1)))
    assert len(sealed.signatures) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b'{"payloadType":"x","payload":"AA==","signatures":[],"extra":1}',
        b'{"payloadType":"x","payload":"A","signatures":[]}',
        b'{"payloadType":"x","payload":"AA==\\n","signatures":[]}',
        b'{"payloadType":"x","payload":"AA==","signatures":[{"keyid":"k","sig":"!"}]}',
        b'{"payloadType":"x","payload":"AA==","signatures":[{"keyid":"k","sig":""},{"keyid":"k","sig":""}]}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_malformed(data: bytes):
    with pytest.raises(MalformedMessage):
        envelope.decode(data)


def test_limits_one_over():
    one = b'{"keyid":"%d","sig":""}'
    many = b",".join(one % n for n in range(limits.ENVELOPE_SIGNATURES + 1))
    with pytest.raises(OversizedMessage):
        envelope.decode(b'{"payloadType":"x","payload":"","signatures":[' + many + b"]}")
    with pytest.raises(OversizedMessage):
        envelope.decode(b" " * 11, limit=10)
