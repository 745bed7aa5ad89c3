"""The verifiable oblivious pseudorandom function of RFC 9497: ristretto255-SHA512, mode VOPRF.

Names follow the RFC. Scalars and elements are their 32-byte encodings throughout (RFC 9496, section 4); the group's
arithmetic is libsodium's, through `rbcl`, which is constant-time in secret scalars.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tutela.matching import sodium
from tutela.matching.errors import InvalidElement, InvalidKey, InvalidProof

ELEMENT_BYTES: Final = 32
SCALAR_BYTES: Final = 32
OUTPUT_BYTES: Final = 64
PROOF_BYTES: Final = 64
#: A batch's index is written in two bytes (RFC 9497, section 2.2.1).
MAX_BATCH: Final = 1 << 16

CONTEXT: Final = b"OPRFV1-" + bytes([0x01]) + b"-ristretto255-SHA512"
_IDENTITY: Final = bytes(ELEMENT_BYTES)
_ZERO: Final = bytes(SCALAR_BYTES)
_ONE: Final = (1).to_bytes(SCALAR_BYTES, "little")
_SHA512_BLOCK: Final = 128

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True)
class KeyPair:
    """A secret scalar and its public element."""

    secret: bytes
    public: bytes

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public.hex()})"


@dataclass(frozen=True)
class Blinded:
    """One input's blind (secret, kept by the client) and its blinded element (sent)."""

    blind: bytes
    element: bytes


def derive_key_pair(seed: bytes, info: bytes) -> KeyPair:
    """Return the key pair that follows from 32 bytes of `seed` and public `info` (section 3.2.1).

    Raises:
        InvalidKey: the seed has another length, or (with negligible probability) no key follows.
    """
    if len(seed) != 32:
        raise InvalidKey("a key seed has 32 bytes")
    derive = seed + _prefixed(info)
    for counter in range(256):
        scalar = _hash_to_scalar(derive + bytes([counter]), b"DeriveKeyPair" + CONTEXT)
        if scalar != _ZERO:
            return KeyPair(scalar, _base(scalar))
    raise InvalidKey("no key follows from this seed")


def key_pair(secret: bytes) -> KeyPair:
    """Return the key pair of a secret scalar.

    Raises:
        InvalidKey: not 32 bytes, or zero.
    """
    if len(secret) != SCALAR_BYTES or secret == _ZERO or _reduce(secret) != secret:
        raise InvalidKey("not the secret scalar of an OPRF key")
    return KeyPair(secret, _base(secret))


def key_id(public: bytes) -> str:
    """Return the short name of a public key: the first 8 bytes of its SHA-256, in hexadecimal."""
    return hashlib.sha256(public).digest()[:8].hex()


def check_public_key(public: bytes) -> None:
    """Raise `InvalidKey` unless `public` encodes a non-identity element."""
    try:
        check_element(public)
    except InvalidElement as error:
        raise InvalidKey("not the public key of an OPRF") from error


def check_element(element: bytes) -> None:
    """Raise `InvalidElement` unless `element` is the canonical encoding of a non-identity element."""
    if len(element) != ELEMENT_BYTES or element == _IDENTITY or element[-1] & 0x80:
        raise InvalidElement("not a non-identity element of ristretto255")
    if not sodium.is_element(element):
        raise InvalidElement("not a non-identity element of ristretto255")


def hash_to_group(data: bytes) -> bytes:
    """Return the element that `data` hashes to (section 4.1: expand_message_xmd with SHA-512, then the one-way map)."""
    element: bytes = sodium.element_of_hash(_expand(data, _HASH_TO_GROUP))
    return element


def blind(inputs: Sequence[bytes], *, random: RandomBytes = secrets.token_bytes) -> list[Blinded]:
    """Blind each of `inputs` with a fresh scalar (client, section 3.3.2)."""
    blinded = []
    for data in inputs:
        scalar = random_scalar(random)
        blinded.append(Blinded(scalar, _multiply(scalar, hash_to_group(data))))
    return blinded


def blind_evaluate(
    keys: KeyPair, elements: Sequence[bytes], *, random: RandomBytes = secrets.token_bytes
) -> tuple[list[bytes], bytes]:
    """Evaluate blinded elements and prove that `keys` was used for all of them (server, section 3.3.2).

    Raises:
        InvalidElement: one of `elements` is not a non-identity element.
    """
    _check_batch(elements)
    evaluated = [_multiply(keys.secret, element) for element in elements]
    return evaluated, prove(keys, elements, evaluated, random=random)


def verify_proof(public: bytes, elements: Sequence[bytes], evaluated: Sequence[bytes], proof: bytes) -> None:
    """Check that `evaluated` are `elements` times the secret of `public` (section 2.2.2).

    Raises:
        InvalidProof: they are not, or the proof is malformed.
        InvalidElement: an element is not one.
        InvalidKey: `public` is not a key.
    """
    check_public_key(public)
    _check_batch(elements)
    if len(evaluated) != len(elements) or len(proof) != PROOF_BYTES:
        raise InvalidProof("the answer does not have the form of the question")
    challenge, response = proof[:SCALAR_BYTES], proof[SCALAR_BYTES:]
    if _reduce(challenge) != challenge or _reduce(response) != response:
        raise InvalidProof("the proof holds a scalar that is not reduced")
    first, second = _composites(public, elements, evaluated, with_second=True)
    t2 = _add(_base_or_identity(response), _multiply_or_identity(challenge, public))
    t3 = _add(_multiply_or_identity(response, first), _multiply_or_identity(challenge, second))
    if not secrets.compare_digest(_challenge(public, first, second, t2, t3), challenge):
        raise InvalidProof("the proof does not show that the published key was used")


def finalize(
    inputs: Sequence[bytes],
    blinded: Sequence[Blinded],
    evaluated: Sequence[bytes],
    proof: bytes,
    public: bytes,
) -> list[bytes]:
    """Verify, unblind and hash: the OPRF's 64-byte outputs for `inputs` (client, section 3.3.2).

    Raises as `verify_proof`.
    """
    verify_proof(public, [b.element for b in blinded], evaluated, proof)
    inverses = _invert_all([b.blind for b in blinded])
    return [
        _output(data, _multiply(inverse, element))
        for data, inverse, element in zip(inputs, inverses, evaluated, strict=True)
    ]


def evaluate(keys: KeyPair, data: bytes) -> tuple[bytes, bytes]:
    """Evaluate one input in the clear: its evaluated element and its output (server, section 3.3.1)."""
    element = _multiply(keys.secret, hash_to_group(data))
    return element, _output(data, element)


def output_of(data: bytes, element: bytes) -> bytes:
    """Return the output for `data` whose unblinded evaluation is `element`."""
    return _output(data, element)


def prove(
    keys: KeyPair,
    elements: Sequence[bytes],
    evaluated: Sequence[bytes],
    *,
    random: RandomBytes = secrets.token_bytes,
) -> bytes:
    """Prove evaluations that were already made (section 2.2.1)."""
    _check_batch(elements)
    composite, _ = _composites(keys.public, elements, evaluated, with_second=False)
    second = _multiply(keys.secret, composite)
    nonce = random_scalar(random)
    challenge = _challenge(keys.public, composite, second, _base(nonce), _multiply(nonce, composite))
    product = sodium.scalar_multiply(challenge, keys.secret)
    response: bytes = sodium.scalar_subtract(nonce, product)
    return challenge + response


def random_scalar(random: RandomBytes = secrets.token_bytes) -> bytes:
    """Return a uniform non-zero scalar."""
    while (scalar := _reduce_wide(random(64))) == _ZERO:
        pass  # pragma: no cover (probability 2^-252)
    return scalar


def random_element(random: RandomBytes = secrets.token_bytes) -> bytes:
    """Return a uniform element: what pads a batch, indistinguishable from a blinded one."""
    element: bytes = sodium.element_of_hash(random(64))
    return element


_HASH_TO_GROUP: Final = b"HashToGroup-" + CONTEXT
_HASH_TO_SCALAR: Final = b"HashToScalar-" + CONTEXT
_Z_PAD: Final = hashlib.sha512(bytes(_SHA512_BLOCK))


def _expand(message: bytes, tag: bytes) -> bytes:
    """RFC 9380 expand_message_xmd with SHA-512, for exactly one block of 64 bytes."""
    suffix = tag + bytes([len(tag)])
    b0 = _Z_PAD.copy()
    b0.update(message + b"\x00\x40\x00" + suffix)
    return hashlib.sha512(b0.digest() + b"\x01" + suffix).digest()


def _hash_to_scalar(message: bytes, tag: bytes = _HASH_TO_SCALAR) -> bytes:
    return _reduce_wide(_expand(message, tag))


def _reduce_wide(wide: bytes) -> bytes:
    scalar: bytes = sodium.scalar_reduce(wide)
    return scalar


def _reduce(scalar: bytes) -> bytes:
    return _reduce_wide(scalar + bytes(32))


def _prefixed(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _output(data: bytes, element: bytes) -> bytes:
    return hashlib.sha512(_prefixed(data) + _prefixed(element) + b"Finalize").digest()


def _check_batch(elements: Sequence[bytes]) -> None:
    if not 0 < len(elements) <= MAX_BATCH:
        raise InvalidElement(f"a batch holds between 1 and {MAX_BATCH} elements")


def _multiply(scalar: bytes, element: bytes) -> bytes:
    """Scalar multiplication; refuses what is not an element, the identity, and a zero scalar."""
    # libsodium ignores the highest bit; RFC 9496 (section 4.3.1) refuses it, or one point would have two encodings.
    if len(element) != ELEMENT_BYTES or element[-1] & 0x80:
        raise InvalidElement("not a non-identity element of ristretto255")
    try:
        product: bytes = sodium.multiply(scalar, element)
    except (RuntimeError, ValueError, TypeError) as error:
        raise InvalidElement("not a non-identity element of ristretto255") from error
    return product


def _multiply_or_identity(scalar: bytes, element: bytes) -> bytes:
    """As `_multiply`, where a verifier's scalar may be zero."""
    return _IDENTITY if _ZERO in (scalar, element) else _multiply(scalar, element)


def _base(scalar: bytes) -> bytes:
    product: bytes = sodium.multiply_base(scalar)
    return product


def _base_or_identity(scalar: bytes) -> bytes:
    return _IDENTITY if scalar == _ZERO else _base(scalar)


def _add(left: bytes, right: bytes) -> bytes:
    total: bytes = sodium.add(left, right)
    return total


def _composites(
    public: bytes, elements: Sequence[bytes], evaluated: Sequence[bytes], *, with_second: bool
) -> tuple[bytes, bytes]:
    """Random linear combinations of both sides (ComputeComposites, section 2.2.1)."""
    seed = hashlib.sha512(_prefixed(public) + _prefixed(b"Seed-" + CONTEXT)).digest()
    head = _prefixed(seed)
    first = second = _IDENTITY
    for index, (element, result) in enumerate(zip(elements, evaluated, strict=True)):
        transcript = head + index.to_bytes(2, "big") + _prefixed(element) + _prefixed(result) + b"Composite"
        weight = _hash_to_scalar(transcript)
        first = _add(first, _multiply(weight, element))
        if with_second:
            second = _add(second, _multiply(weight, result))
    return first, second


def _challenge(public: bytes, *points: bytes) -> bytes:
    transcript = b"".join(_prefixed(point) for point in (public, *points)) + b"Challenge"
    return _hash_to_scalar(transcript)


def _invert_all(scalars: Sequence[bytes]) -> list[bytes]:
    """Invert many scalars with one inversion (Montgomery's trick, Mathematics of Computation 48, 1987)."""
    multiply = sodium.scalar_multiply
    products = [_ONE]
    for scalar in scalars:
        products.append(multiply(products[-1], scalar))
    inverse = sodium.scalar_invert(products[-1])
    inverses: list[bytes] = []
    for scalar, before in zip(reversed(scalars), reversed(products[:-1]), strict=True):
        inverses.append(multiply(inverse, before))
        inverse = multiply(inverse, scalar)
    return inverses[::-1]
