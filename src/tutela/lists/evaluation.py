"""The evaluations of one layer: every band entry under the OPRF key, with proofs that this key was used.

The provider makes them with the secret key. An authority, which knows the items, needs no blinding: it hashes each
entry to the group itself, checks the proofs against the manifest's public key, derives the outputs and rebuilds the
filter byte for byte.

Entries are distinct, ascending by band, then by pattern. File: magic (8) ‖ public key (32) ‖ entries (4, little
endian) ‖ for each batch of up to 1024 entries: evaluated elements (32 each) ‖ proof (64, RFC 9497 `c ‖ s`).
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable, Iterator, Sequence, Sized
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from tutela.lists.canonical import hash_and_bands
from tutela.lists.errors import MalformedEvaluation, OtherKey, WrongProof
from tutela.matching import fuse, voprf
from tutela.matching.bands import BandScheme, bits_of_many
from tutela.matching.errors import InvalidElement, InvalidKey, InvalidProof

BATCH: Final = 1024
MAGIC: Final = b"TUTEVL\x00\x01"
_HEAD: Final = struct.Struct("<8s32sI")

#: Told how many more entries are done.
Progress = Callable[[int], None]
Entries = NDArray[np.uint8]
_Task = TypeVar("_Task")
_Done = TypeVar("_Done")


@dataclass(frozen=True)
class Evaluation:
    """Evaluated elements and proofs, batch by batch, under one public key."""

    public: bytes
    batches: tuple[tuple[tuple[bytes, ...], bytes], ...]

    def encode(self) -> bytes:
        """Return the file's bytes."""
        entries = sum(len(elements) for elements, _ in self.batches)
        parts = [_HEAD.pack(MAGIC, self.public, entries)]
        for elements, proof in self.batches:
            parts += [*elements, proof]
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> Evaluation:
        """Parse a file; nothing is verified.

        Raises:
            MalformedEvaluation: another format, or a length that does not follow from the head.
        """
        if len(data) < _HEAD.size:
            raise MalformedEvaluation("an evaluation file is shorter than its head")
        magic, public, entries = _HEAD.unpack_from(data)
        if magic != MAGIC:
            raise MalformedEvaluation("not an evaluation file of a known version")
        proofs = -(-entries // BATCH)
        if len(data) != _HEAD.size + entries * voprf.ELEMENT_BYTES + proofs * voprf.PROOF_BYTES:
            raise MalformedEvaluation("an evaluation file's length does not follow from its head")
        batches = []
        at = _HEAD.size
        for start in range(0, entries, BATCH):
            end = at + min(BATCH, entries - start) * voprf.ELEMENT_BYTES
            elements = tuple(data[i : i + voprf.ELEMENT_BYTES] for i in range(at, end, voprf.ELEMENT_BYTES))
            at = end + voprf.PROOF_BYTES
            batches.append((elements, data[end:at]))
        return cls(public, tuple(batches))


def inputs_of(items: Sequence[str], scheme: BandScheme) -> list[bytes]:
    """Return the distinct band entries of a list's items, by band, then by pattern."""
    parted = [hash_and_bands(item, scheme.bands) for item in items]
    patterns = scheme.patterns(bits_of_many([pdq for pdq, _ in parted]))
    listed = np.array([[band in bands for band in range(scheme.bands)] for _, bands in parted], dtype=np.bool_)
    listed = listed.reshape(patterns.shape)  # also where there are no items
    return [
        scheme.entry(band, p)
        for band in range(scheme.bands)
        for p in np.unique(patterns[listed[:, band], band]).tolist()
    ]


def evaluate(
    keys: voprf.KeyPair,
    inputs: Sequence[bytes],
    *,
    random: voprf.RandomBytes = secrets.token_bytes,
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[Evaluation, Entries]:
    """Evaluate band entries with the secret key; also return the filter's entries, shape (n, 12).

    `workers` beyond one are processes; `random` must then be importable by them. About 110 µs an entry.
    """
    batches = []
    entries: list[Entries] = []
    work = partial(_evaluate_batch, keys, random)
    for elements, proof, batch_entries in _mapped(work, _batches_of(inputs), workers):
        batches.append((elements, proof))
        entries.append(batch_entries)
        _tell(progress, elements)
    return Evaluation(keys.public, tuple(batches)), _joined(entries)


def verify(
    evaluation: Evaluation,
    inputs: Sequence[bytes],
    public: bytes,
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Entries:
    """Check that `evaluation` is that of `inputs` under `public`; return the filter's entries, shape (n, 12).

    Raises:
        OtherKey: it was made for another public key.
        MalformedEvaluation: it holds more or fewer entries than `inputs`.
        WrongProof: a proof does not hold.
    """
    if evaluation.public != public:
        raise OtherKey(
            f"a layer was evaluated with key {voprf.key_id(evaluation.public)}, "
            f"but the manifest publishes {voprf.key_id(public)}"
        )
    asked = _batches_of(inputs)
    if [len(batch) for batch in asked] != [len(elements) for elements, _ in evaluation.batches]:
        raise MalformedEvaluation("an evaluation does not hold one element for each band entry of its layer")
    tasks = [(batch, elements, proof) for batch, (elements, proof) in zip(asked, evaluation.batches, strict=True)]
    entries: list[Entries] = []
    try:
        for batch_entries in _mapped(partial(_verify_batch, public), tasks, workers):
            entries.append(batch_entries)
            _tell(progress, batch_entries)
    except (InvalidProof, InvalidElement, InvalidKey) as error:
        raise WrongProof(f"a layer's evaluations do not hold under the manifest's key: {error.message}") from error
    return _joined(entries)


def _evaluate_batch(
    keys: voprf.KeyPair, random: voprf.RandomBytes, inputs: Sequence[bytes]
) -> tuple[tuple[bytes, ...], bytes, Entries]:
    evaluated, proof = voprf.blind_evaluate(keys, [voprf.hash_to_group(data) for data in inputs], random=random)
    return tuple(evaluated), proof, _entries(inputs, evaluated)


def _verify_batch(public: bytes, task: tuple[Sequence[bytes], tuple[bytes, ...], bytes]) -> Entries:
    inputs, evaluated, proof = task
    voprf.verify_proof(public, [voprf.hash_to_group(data) for data in inputs], evaluated, proof)
    return _entries(inputs, evaluated)


def _entries(inputs: Sequence[bytes], evaluated: Sequence[bytes]) -> Entries:
    return fuse.entries_of([voprf.output_of(data, e) for data, e in zip(inputs, evaluated, strict=True)])


def _batches_of(inputs: Sequence[bytes]) -> list[Sequence[bytes]]:
    return [inputs[start : start + BATCH] for start in range(0, len(inputs), BATCH)]


def _joined(entries: list[Entries]) -> Entries:
    return np.concatenate(entries) if entries else np.zeros((0, fuse.ENTRY_BYTES), dtype=np.uint8)


def _mapped(work: Callable[[_Task], _Done], tasks: Sequence[_Task], workers: int) -> Iterator[_Done]:
    """Apply `work` to each batch, in order, in this process or in `workers` others."""
    if workers <= 1 or len(tasks) <= 1:
        yield from map(work, tasks)
        return
    # Spawned, not forked: a fork would copy whatever threads the caller runs.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, tasks)


def _tell(progress: Progress | None, done: Sized) -> None:
    if progress is not None:
        progress(len(done))
