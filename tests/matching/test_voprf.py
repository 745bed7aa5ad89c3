from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutela.matching import voprf
from tutela.matching.errors import InvalidElement, InvalidKey, InvalidProof

VECTORS = json.loads((Path(__file__).parent / "vectors/rfc9497_voprf_ristretto255.json").read_text())
KEYS = voprf.derive_key_pair(bytes(32), b"test")
OTHER = voprf.derive_key_pair(bytes([1]) * 32, b"test")


def parts(text: str) -> list[bytes]:
    return [bytes.fromhex(part) for part in text.split(",")]


def test_rfc_9497_key_derivation():
    keys = voprf.derive_key_pair(bytes.fromhex(VECTORS["seed"]), bytes.fromhex(VECTORS["keyInfo"]))
    assert (keys.secret.hex(), keys.public.hex()) == (VECTORS["skSm"], VECTORS["pkSm"])
    assert voprf.key_pair(keys.secret) == keys


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda v: f"batch-{v['Batch']}-{v['Input'][:4]}")
def test_rfc_9497_protocol(vector: dict):
    keys = voprf.key_pair(bytes.fromhex(VECTORS["skSm"]))
    inputs, blinds = parts(vector["Input"]), iter(parts(vector["Blind"]))
    blinded = voprf.blind(inputs, random=lambda n: next(blinds) + bytes(32))
    assert [b.element for b in blinded] == parts(vector["BlindedElement"])
    nonce = bytes.fromhex(vector["Proof"]["r"])
    evaluated, proof = voprf.blind_evaluate(keys, [b.element for b in blinded], random=lambda n: nonce + bytes(32))
    assert evaluated == parts(vector["EvaluationElement"])
    assert proof.hex() == vector["Proof"]["proof"]
    assert voprf.finalize(inputs, blinded, evaluated, proof, keys.public) == parts(vector["Output"])
    assert [voprf.evaluate(keys, data)[1] for data in inputs] == parts(vector["Output"])


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
@settings(max_examples=20, deadline=None)
def test_blind_and_clear_evaluation_agree(inputs: list[bytes]):
    blinded = voprf.blind(inputs)
    evaluated, proof = voprf.blind_evaluate(KEYS, [b.element for b in blinded])
    outputs = voprf.finalize(inputs, blinded, evaluated, proof, KEYS.public)
    assert outputs == [voprf.evaluate(KEYS, data)[1] for data in inputs]


def test_blinding_the_same_input_twice_gives_unlinkable_elements():
    first, second = voprf.blind([b"same", b"same"])
    assert first.element != second.element
    assert voprf.hash_to_group(b"same") not in (first.element, second.element)


def test_another_key_is_refused():
    blinded = [b.element for b in voprf.blind([b"a", b"b"])]
    evaluated, proof = voprf.blind_evaluate(OTHER, blinded)
    with pytest.raises(InvalidProof):
        voprf.verify_proof(KEYS.public, blinded, evaluated, proof)


def test_another_key_for_one_element_is_refused():
    blinded = [b.element for b in voprf.blind([b"a", b"b", b"c"])]
    evaluated, proof = voprf.blind_evaluate(KEYS, blinded)
    evaluated[1] = voprf.blind_evaluate(OTHER, blinded)[0][1]
    with pytest.raises(InvalidProof):
        voprf.verify_proof(KEYS.public, blinded, evaluated, proof)
    with pytest.raises(InvalidProof):
        voprf.verify_proof(KEYS.public, blinded, evaluated, voprf.prove(KEYS, blinded, evaluated))


def test_swapped_answers_are_refused():
    blinded = [b.element for b in voprf.blind([b"a", b"b"])]
    evaluated, proof = voprf.blind_evaluate(KEYS, blinded)
    with pytest.raises(InvalidProof):
        voprf.verify_proof(KEYS.public, blinded, evaluated[::-1], proof)


@pytest.mark.parametrize("proof", [b"", bytes(63), bytes(65), bytes(64), b"\xff" * 64])
def test_malformed_proofs_are_refused(proof: bytes):
    blinded = [b.element for b in voprf.blind([b"a"])]
    evaluated, _ = voprf.blind_evaluate(KEYS, blinded)
    with pytest.raises(InvalidProof):
        voprf.verify_proof(KEYS.public, blinded, evaluated, proof)


def test_answers_of_another_count_are_refused():
    blinded = [b.element for b in voprf.blind([b"a", b"b"])]
    evaluated, proof = voprf.blind_evaluate(KEYS, blinded)
    with pytest.raises(InvalidProof):
        voprf.verify_proof(KEYS.public, blinded, evaluated[:1], proof)


# RFC 9496, appendix A.2: encodings that must be refused (a selection of each kind).
BAD_ENCODINGS = [
    "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20",
    "0000000000000000000000000000000000000000000000000000000000000000",
]


BAD_ENCODINGS.append((voprf.hash_to_group(b"a")[:-1] + bytes([voprf.hash_to_group(b"a")[-1] | 0x80])).hex())


@pytest.mark.parametrize("encoding", BAD_ENCODINGS)
def test_bad_elements_are_refused_everywhere(encoding: str):
    bad = bytes.fromhex(encoding)
    good = [b.element for b in voprf.blind([b"a"])]
    evaluated, proof = voprf.blind_evaluate(KEYS, good)
    with pytest.raises(InvalidElement):
        voprf.check_element(bad)
    with pytest.raises(InvalidElement):
        voprf.blind_evaluate(KEYS, [*good, bad])
    with pytest.raises((InvalidElement, InvalidProof)):
        voprf.verify_proof(KEYS.public, good, [bad], proof)
    with pytest.raises(InvalidKey):
        voprf.check_public_key(bad)
    with pytest.raises(InvalidKey):
        voprf.verify_proof(bad, good, evaluated, proof)


@pytest.mark.parametrize("secret", [b"", bytes(32), b"\xff" * 32, bytes(31), bytes(33)])
def test_bad_secrets_are_refused(secret: bytes):
    with pytest.raises(InvalidKey):
        voprf.key_pair(secret)
    if len(secret) != 32:
        with pytest.raises(InvalidKey):
            voprf.derive_key_pair(secret, b"")


def test_batches_have_bounds():
    with pytest.raises(InvalidElement):
        voprf.blind_evaluate(KEYS, [])
    with pytest.raises(InvalidElement):
        voprf.blind_evaluate(KEYS, [voprf.hash_to_group(b"a")] * (voprf.MAX_BATCH + 1))


def test_the_secret_is_not_shown():
    assert KEYS.secret.hex() not in repr(KEYS)


def test_loading_the_library_leaves_no_file_behind(tmp_path: Path):
    program = "import tutela.matching.voprf"
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []
