"""What a device accepts, and each thing that it refuses."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from harness.epochs import MadeEpoch, make_epoch
from tutela.lists import errors
from tutela.lists.acceptance import accept
from tutela.wire import document
from tutela.wire.envelope import Envelope, seal
from tutela.wire.manifest import MANIFEST_TYPE, Manifest

replace = msgspec.structs.replace


def hashes(count: int, label: str = "item") -> list[str]:
    return [hashlib.sha256(f"{label} {i}".encode()).hexdigest() for i in range(count)]


@pytest.fixture(scope="module")
def first() -> MadeEpoch:
    return make_epoch(hashes(9), attested=hashes(3, "feed"), single=hashes(2, "single"))


@pytest.fixture(scope="module")
def second(first: MadeEpoch) -> MadeEpoch:
    return make_epoch(hashes(10), attested=hashes(3, "feed"), created="2026-01-12T06:00:00Z", previous=first)


def signed(manifest: Manifest, made: MadeEpoch) -> Envelope:
    """A manifest that both authorities signed, whatever is in it."""
    return seal(MANIFEST_TYPE, document.encode(manifest), *(signer.key for signer in made.signers))


def test_a_first_epoch_and_the_one_after_are_accepted(first: MadeEpoch, second: MadeEpoch) -> None:
    accepted = accept(first.envelope, first.trust_root, last=None)
    assert accepted == first.manifest
    assert [entry.items for entry in accepted.lists] == [9, 3]
    assert accept(second.envelope, second.trust_root, last=accepted).epoch == 2


def test_the_same_epoch_again_is_accepted(second: MadeEpoch) -> None:
    assert accept(second.envelope, second.trust_root, last=second.manifest) == second.manifest


def test_a_device_that_slept_may_skip_epochs(first: MadeEpoch, second: MadeEpoch) -> None:
    third = make_epoch(hashes(11), created="2026-01-19T06:00:00Z", previous=second)
    assert accept(third.envelope, third.trust_root, last=first.manifest).epoch == 3


def test_an_older_epoch_is_a_rollback(first: MadeEpoch, second: MadeEpoch) -> None:
    with pytest.raises(errors.Rollback):
        accept(first.envelope, first.trust_root, last=second.manifest)
