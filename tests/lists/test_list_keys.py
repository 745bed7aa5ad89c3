"""The OPRF key's life: yearly rotation with an overlap, emergency rotation at once."""

from __future__ import annotations

import pytest

from harness.epochs import MadeEpoch, make_epoch, make_hashes, make_keys
from tutela.lists.acceptance import accept
from tutela.lists.audit import audit
from tutela.lists.errors import BuildRefused
from tutela.lists.keys import KeyRing, RetiringKey
from tutela.matching import voprf

OLD, NEW, NEWER = make_keys("old"), make_keys("new"), make_keys("newer")
JANUARY, FEBRUARY, MARCH, APRIL = (f"2026-0{month}-01T00:00:00Z" for month in range(1, 5))


def ids(*pairs: voprf.KeyPair) -> list[str]:
    return [voprf.key_id(pair.public) for pair in pairs]


@pytest.fixture(scope="module")
def first() -> MadeEpoch:
    return make_epoch(make_hashes(8), attested=make_hashes(2, "feed"), created=JANUARY, key_ring=KeyRing(OLD))


def follow(previous: MadeEpoch, ring: KeyRing, created: str) -> MadeEpoch:
    return make_epoch(
        make_hashes(8), attested=make_hashes(2, "feed"), created=created, key_ring=ring, previous=previous
    )


def test_a_yearly_rotation_overlaps_and_then_ends(first: MadeEpoch) -> None:
    ring = KeyRing(OLD).rotated(NEW, retires=MARCH)
    rotated = follow(first, ring, FEBRUARY)
    assert [(key.id, key.retires) for key in rotated.manifest.keys] == [(ids(NEW)[0], None), (ids(OLD)[0], MARCH)]
    assert {entry.key for entry in rotated.manifest.segments} == set(ids(NEW)), "every filter is built anew"
    assert all(entry.since_epoch == 2 for entry in rotated.manifest.segments)
    assert sorted(ring.answering(FEBRUARY)) == sorted(ids(OLD, NEW))
    assert sorted(ring.answering(MARCH)) == ids(NEW), "until March, not in March"
    accepted = accept(rotated.envelope, rotated.trust_root, last=first.manifest)
    found = audit(rotated.epoch.payload, rotated.files, rotated.held(first))
    assert "the key changes" in found.changes[0]
    after = follow(rotated, ring, APRIL)
    assert [key.id for key in after.manifest.keys] == ids(NEW)
    assert after.manifest.segments == rotated.manifest.segments, "nothing to download"
    accept(after.envelope, after.trust_root, last=accepted)
    audit(after.epoch.payload, after.files, after.held(rotated))


def test_an_emergency_rotation_retires_the_old_key_at_once(first: MadeEpoch) -> None:
    ring = KeyRing(OLD).rotated(NEW, retires=FEBRUARY)
    rotated = follow(first, ring, FEBRUARY)
    assert [(key.id, key.retires) for key in rotated.manifest.keys] == [(ids(NEW)[0], None), (ids(OLD)[0], FEBRUARY)]
    assert sorted(ring.answering(FEBRUARY)) == ids(NEW), "the leaked key answers nobody any more"
    accept(rotated.envelope, rotated.trust_root, last=first.manifest)
    found = audit(rotated.epoch.payload, rotated.files, rotated.held(first))
    assert "at once" in found.changes[0]
    after = follow(rotated, ring, MARCH)
    assert [key.id for key in after.manifest.keys] == ids(NEW)
    audit(after.epoch.payload, after.files, after.held(rotated))


def test_an_emergency_during_an_overlap_cuts_the_overlap_short(first: MadeEpoch) -> None:
    yearly = KeyRing(OLD).rotated(NEW, retires=APRIL)
    rotated = follow(first, yearly, FEBRUARY)
    ring = yearly.rotated(NEWER, retires=MARCH)
    assert ring.retiring == (RetiringKey(NEW, MARCH), RetiringKey(OLD, MARCH))
    emergency = follow(rotated, ring, MARCH)
    assert [key.id for key in emergency.manifest.keys] == ids(NEWER, NEW, OLD)
    found = audit(emergency.epoch.payload, emergency.files, emergency.held(rotated))
    assert any(f"retires at {MARCH} instead of {APRIL}" in change for change in found.changes)


def test_a_rotation_never_keeps_an_older_key_longer() -> None:
    ring = KeyRing(OLD).rotated(NEW, retires=FEBRUARY).rotated(NEWER, retires=APRIL)
    assert ring.retiring == (RetiringKey(NEW, APRIL), RetiringKey(OLD, FEBRUARY))


@pytest.mark.parametrize("again", [OLD, NEW])
def test_a_key_comes_only_once(again: voprf.KeyPair) -> None:
    ring = KeyRing(OLD).rotated(NEW, retires=FEBRUARY)
    with pytest.raises(BuildRefused):
        ring.rotated(again, retires=MARCH)


def test_a_ring_shows_no_secret() -> None:
    shown = repr(KeyRing(OLD).rotated(NEW, retires=FEBRUARY))
    assert OLD.secret.hex() not in shown
    assert str(OLD.secret) not in shown
