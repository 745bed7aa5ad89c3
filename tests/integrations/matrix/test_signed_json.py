"""Canonical and signed JSON, against the specification's own vectors."""

from __future__ import annotations

import base64
import json
from typing import Any

import canonicaljson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from signedjson import key as signedjson_key
from signedjson import sign as signedjson_sign

from tutela.integrations.matrix.errors import BadKeySignature, MalformedJson
from tutela.integrations.matrix.signed_json import (
    at,
    canonical_json,
    decode_base64,
    encode_base64,
    sign_json,
    verify_json,
)

# Matrix specification, appendices, "Cryptographic Test Vectors": the seed, the signer "domain", the key "ed25519:1".
SEED = "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"
KEY = Ed25519PrivateKey.from_private_bytes(decode_base64(SEED))
PUBLIC = encode_base64(KEY.public_key().public_bytes_raw())
SIGNED = [
    ({}, "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"),
    (
        {"one": 1, "two": "Two"},
        "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
    ),
]
# The same appendices, "Canonical JSON": examples.
CANONICAL = [
    ("{}", "{}"),
    ('{"one": 1, "two": "Two"}', '{"one":1,"two":"Two"}'),
    ('{"b": "2", "a": "1"}', '{"a":"1","b":"2"}'),
    ('{"b":"2","a":"1"}', '{"a":"1","b":"2"}'),
    (
        '{"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {"display_name": "John Doe", '
        '"three_pids": [{"medium": "email", "address": "john.doe@example.org"}, '
        '{"medium": "msisdn", "address": "123456789"}]}}}',
        '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":'
        '[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},'
        '"success":true}}',
    ),
    ('{"a": "日本語"}', '{"a":"日本語"}'),
    ('{"本": 2, "日": 1}', '{"日":1,"本":2}'),
    ('{"a": "\\u65E5"}', '{"a":"日"}'),
    ('{"a": null}', '{"a":null}'),
]

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=5), children, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda n: n not in ("signatures", "unsigned")),
    values,
    max_size=4,
)


@pytest.mark.parametrize(("value", "signature"), SIGNED)
def test_the_specifications_signatures(value: dict[str, Any], signature: str):
    signed = sign_json(value, "domain", "1", KEY)
    assert signed == {**value, "signatures": {"domain": {"ed25519:1": signature}}}
    verify_json(signed, "domain", "1", PUBLIC)


@pytest.mark.parametrize(("text", "canonical"), CANONICAL)
def test_the_specifications_canonical_json(text: str, canonical: str):
    assert canonical_json(json.loads(text)).decode() == canonical


@given(objects)
def test_agrees_with_an_independent_implementation(value: dict[str, Any]):
    assert canonical_json(value) == canonicaljson.encode_canonical_json(value)
    other = signedjson_key.decode_signing_key_base64("ed25519", "1", SEED)
    assert sign_json(value, "domain", "1", KEY) == signedjson_sign.sign_json(dict(value), "domain", other)


@pytest.mark.parametrize("value", [1.5, float("nan"), 2**53, -(2**53), "\ud800", b"bytes", {1: "a number as a name"}])
def test_what_has_no_canonical_form_is_refused(value: object):
    with pytest.raises(MalformedJson):
        canonical_json({"a": value} if not isinstance(value, dict) else value)


def test_nesting_is_bounded():
    value: Any = {}
    for _ in range(1000):
        value = {"a": value}
    with pytest.raises(MalformedJson):
        canonical_json(value)


def test_signatures_and_unsigned_are_not_covered_and_other_signatures_stay():
    signed = sign_json({"a": 1, "signatures": {"other": {"ed25519:2": "x"}}, "unsigned": {"b": 2}}, "domain", "1", KEY)
    assert signed["signatures"]["other"] == {"ed25519:2": "x"}
    verify_json({**signed, "unsigned": {"c": 3}}, "domain", "1", PUBLIC)


@pytest.mark.parametrize(
    "damage",
    [
        lambda signed: {**signed, "one": 2},
        lambda signed: {name: item for name, item in signed.items() if name != "signatures"},
        lambda signed: {**signed, "signatures": []},
        lambda signed: {**signed, "signatures": {"domain": {}}},
        lambda signed: {**signed, "signatures": {"domain": []}},
        lambda signed: {**signed, "signatures": {"domain": {"ed25519:1": 1}}},
        lambda signed: {**signed, "signatures": {"domain": {"ed25519:1": "###"}}},
        lambda signed: {**signed, "signatures": {"domain": {"ed25519:1": "AAAA"}}},
        lambda signed: {**signed, "extra": 1.5},
    ],
)
def test_a_signature_that_does_not_hold_is_refused(damage: Any):
    signed = damage(sign_json({"one": 1}, "domain", "1", KEY))
    with pytest.raises(BadKeySignature):
        verify_json(signed, "domain", "1", PUBLIC)


@pytest.mark.parametrize("public", ["", "AAAA", "###", encode_base64(bytes(32)), "é"])
def test_a_key_that_is_none_or_another_is_refused(public: str):
    with pytest.raises(BadKeySignature):
        verify_json(sign_json({"one": 1}, "domain", "1", KEY), "domain", "1", public)


@given(st.binary(max_size=100))
def test_base64(data: bytes):
    text = encode_base64(data)
    assert not text.endswith("=")
    assert decode_base64(text) == decode_base64(base64.b64encode(data).decode()) == data


def test_at_walks_whatever_it_is_given():
    assert at({"a": {"b": 1}}, "a", "b") == 1
    assert at({"a": [1]}, "a", "b") is None
    assert at(None, "a") is None
