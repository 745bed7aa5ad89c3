"""Evaluations of a layer's entries, and the proofs that one key made them."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.epochs import make_hashes, make_keys
from tutela.lists import errors
from tutela.lists.evaluation import BATCH, MAGIC, Evaluation, evaluate, inputs_of, verify
from tutela.matching import fuse, voprf
from tutela.matching.bands import BandScheme, bits_of_hex

KEYS = make_keys()
SCHEME = BandScheme(6, 40)
INPUTS = inputs_of(make_hashes(3), SCHEME)


@pytest.fixture(scope="module")
def made() -> Evaluation:
    return evaluate(KEYS, INPUTS)[0]


def test_inputs_are_the_distinct_entries_of_all_bands_in_order() -> None:
    hashes = make_hashes(5)
    expected = {SCHEME.entry(b, int(p)) for h in hashes for b, p in enumerate(SCHEME.patterns(bits_of_hex(h)))}
    assert inputs_of(hashes, SCHEME) == sorted(expected)
    assert inputs_of(hashes[::-1], SCHEME) == inputs_of(hashes, SCHEME)
    assert inputs_of([], SCHEME) == []


def test_near_hashes_share_entries() -> None:
    one = make_hashes(1)[0]
    other = f"{int(one, 16) ^ 1 << 255:064x}"
    assert len(inputs_of([one, other], SCHEME)) == 7


def test_verifying_gives_the_entries_that_evaluating_gave(made: Evaluation) -> None:
    expected = fuse.entries_of([voprf.evaluate(KEYS, data)[1] for data in INPUTS])
    assert np.array_equal(evaluate(KEYS, INPUTS)[1], expected)
    assert np.array_equal(verify(made, INPUTS, KEYS.public), expected)


def test_a_file_reads_back(made: Evaluation) -> None:
    data = made.encode()
    assert len(data) == 44 + len(INPUTS) * 32 + 64
    assert Evaluation.decode(data) == made


def test_no_entries_make_an_empty_evaluation() -> None:
    empty, entries = evaluate(KEYS, [])
    assert entries.shape == (0, 12)
    assert Evaluation.decode(empty.encode()) == empty
    assert verify(empty, [], KEYS.public).shape == (0, 12)


def test_more_than_one_batch_and_more_than_one_process() -> None:
    inputs = [b"%d" % i for i in range(BATCH + 3)]
    told: list[int] = []
    made, entries = evaluate(KEYS, inputs, workers=2, progress=told.append)
    assert [len(elements) for elements, _ in made.batches] == [BATCH, 3]
    assert told == [BATCH, 3]
    assert Evaluation.decode(made.encode()) == made
    assert np.array_equal(verify(made, inputs, KEYS.public, workers=2), entries)
    with pytest.raises(errors.WrongProof):
        verify(_with_proof(made, bytes(64)), inputs, KEYS.public, workers=2)


def test_progress_is_told_when_verifying(made: Evaluation) -> None:
    told: list[int] = []
    verify(made, INPUTS, KEYS.public, progress=told.append)
    assert told == [len(INPUTS)]


def test_another_key_than_the_manifests_is_named(made: Evaluation) -> None:
    other = make_keys("other")
    with pytest.raises(errors.OtherKey, match=voprf.key_id(other.public)):
        verify(evaluate(other, INPUTS)[0], INPUTS, KEYS.public)


def test_another_key_under_the_manifests_name_fails_its_proof() -> None:
    forged = dataclasses.replace(evaluate(make_keys("other"), INPUTS)[0], public=KEYS.public)
    with pytest.raises(errors.WrongProof):
        verify(forged, INPUTS, KEYS.public)


def _with_proof(made: Evaluation, proof: bytes) -> Evaluation:
    return dataclasses.replace(made, batches=((made.batches[0][0], proof), *made.batches[1:]))


@settings(deadline=None)
@given(st.integers(0, 63), st.integers(1, 255))
def test_a_changed_byte_of_a_proof_is_caught(at: int, change: int) -> None:
    made, _ = evaluate(KEYS, INPUTS[:2])
    proof = bytearray(made.batches[0][1])
    proof[at] ^= change
    with pytest.raises(errors.WrongProof):
        verify(_with_proof(made, bytes(proof)), INPUTS[:2], KEYS.public)


@pytest.mark.parametrize("element", [bytes(32), b"\xff" * 32, voprf.hash_to_group(b"another entry")])
def test_another_element_is_caught(made: Evaluation, element: bytes) -> None:
    elements, proof = made.batches[0]
    changed = dataclasses.replace(made, batches=(((element, *elements[1:]), proof),))
    with pytest.raises(errors.WrongProof):
        verify(changed, INPUTS, KEYS.public)


def test_swapped_elements_are_caught(made: Evaluation) -> None:
    elements, proof = made.batches[0]
    swapped = (elements[1], elements[0], *elements[2:])
    with pytest.raises(errors.WrongProof):
        verify(dataclasses.replace(made, batches=((swapped, proof),)), INPUTS, KEYS.public)


@pytest.mark.parametrize("inputs", [INPUTS[:-1], [*INPUTS, b"one more"], []])
def test_other_numbers_of_entries_are_refused(made: Evaluation, inputs: list[bytes]) -> None:
    with pytest.raises(errors.MalformedEvaluation):
        verify(made, inputs, KEYS.public)


def test_a_file_of_another_form_is_refused(made: Evaluation) -> None:
    data = made.encode()
    for changed in (b"", data[:43], data[:-1], data + bytes(1), b"X" + data[1:], MAGIC + data[8:40] + b"\xff" * 4):
        with pytest.raises(errors.MalformedEvaluation):
            Evaluation.decode(changed)


def test_the_number_that_a_head_states_is_believed_only_if_the_file_is_as_long() -> None:
    tracemalloc.start()
    with pytest.raises(errors.MalformedEvaluation):
        Evaluation.decode(MAGIC + bytes(32) + b"\xff" * 4 + bytes(300))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20
