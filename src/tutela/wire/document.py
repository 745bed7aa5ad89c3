"""JSON documents with one encoding each, so that whoever rebuilds one gets the same bytes.

Encoding: UTF-8, keys sorted, no white space, integers but no floats. For such documents this agrees with RFC 8785
(JSON Canonicalization Scheme); a test checks it against an independent implementation.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

from tutela.wire.errors import MalformedMessage, OversizedMessage

T = TypeVar("T")
_REGEX: Final = re.compile(r"matching regex '.*?'(?= - at|$)")


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the JSON documents: immutable, and an unknown field is an error."""


def encode(document: Document) -> bytes:
    """Return the one canonical encoding of `document`."""
    return msgspec.json.encode(document, order="sorted")


def decode(data: bytes, kind: type[T], *, limit: int, canonical: bool = True) -> T:
    """Parse `data` as a document of type `kind`. What is signed must be canonical; what is merely sent need not be.

    Raises:
        OversizedMessage: `data` has more than `limit` bytes.
        MalformedMessage: not valid JSON, a missing, unknown or ill-typed field, or not the canonical encoding.
    """
    if len(data) > limit:
        raise OversizedMessage(f"a {_name(kind)} of {len(data)} bytes is over the limit of {limit}")
    try:
        document = msgspec.json.decode(data, type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what = _REGEX.sub("of another form", str(error))
        raise MalformedMessage(f"not a valid {_name(kind)}: {what}") from error
    if canonical and msgspec.json.encode(document, order="sorted") != data:
        raise MalformedMessage(f"not the canonical encoding of a {_name(kind)}")
    return document


def _name(kind: type) -> str:
    """Return a type's name as people write it: `trust root` for `TrustRoot`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()
