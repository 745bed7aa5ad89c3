"""Building epochs: deterministic, and a delta on the one before."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from harness.epochs import CREATED, MadeEpoch, make_epoch, make_hashes
from tutela.lists import canonical, defaults, errors
from tutela.lists.epoch import Settings, build, digest_of
from tutela.lists.evaluation import inputs_of
from tutela.lists.keys import KeyRing
from tutela.matching import fuse, voprf
from tutela.matching.shield import scheme_of
from tutela.wire.segment import Segment
from tutela.wire.submission import ListClass

LATER = "2026-01-12T06:00:00Z"
replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def first() -> MadeEpoch:
    return make_epoch(make_hashes(30), attested=make_hashes(3, "feed"), single=make_hashes(2, "single"))


def entries(made: MadeEpoch, hashes: list[str]) -> np.ndarray:
    inputs = inputs_of(hashes, scheme_of(made.manifest.parameters))
    return fuse.entries_of([voprf.evaluate(made.keys, data)[1] for data in inputs])


def test_the_filters_hold_what_is_listed_and_nothing_else(first: MadeEpoch) -> None:
    agreed, attested = (Segment.decode(first.segments[entry.digest]) for entry in first.manifest.segments)
    assert fuse.contains(agreed, entries(first, make_hashes(30))).all()
    assert fuse.contains(attested, entries(first, make_hashes(3, "feed"))).all()
    for label in ("feed", "single", "unknown"):
        assert not fuse.contains(agreed, entries(first, make_hashes(2, label))).any()


def test_building_twice_gives_the_same_bytes_but_for_the_proofs(first: MadeEpoch) -> None:
    again = make_epoch(make_hashes(30), attested=make_hashes(3, "feed"), single=make_hashes(2, "single"))
    assert again.epoch.payload == first.epoch.payload
    assert again.segments == first.segments
    assert again.epoch.lists == first.epoch.lists


def test_the_order_of_the_authorities_does_not_matter(first: MadeEpoch) -> None:
    turned = build(first.settings, first.chains[::-1], first.key_ring, created=CREATED, previous=None)
    assert turned.payload == first.epoch.payload


def test_given_its_nonces_a_build_is_a_pure_function(first: MadeEpoch) -> None:
    made = [
        build(first.settings, first.chains, first.key_ring, created=CREATED, previous=None, random=bytes_of_one)
        for _ in range(2)
    ]
    assert made[0] == made[1]


def bytes_of_one(size: int) -> bytes:
    return b"\x01" * size


def test_an_epoch_binds_what_it_was_made_of(first: MadeEpoch) -> None:
    manifest = first.manifest
    assert [(one.list_class, one.items) for one in manifest.lists] == [(ListClass.AGREED, 30), (ListClass.ATTESTED, 3)]
    assert all(one.digest == canonical.digest(first.epoch.lists[one.list_class]) for one in manifest.lists)
    assert [head.authority for head in manifest.submissions] == ["aurora", "boreal"]
    assert manifest.agreement == defaults.AGREEMENT
    assert manifest.policy == defaults.POLICY


def test_the_next_epoch_builds_only_what_is_new(first: MadeEpoch) -> None:
    second = make_epoch(make_hashes(33), attested=make_hashes(3, "feed"), created=LATER, previous=first)
    assert second.manifest.epoch == 2
    assert second.manifest.previous == digest_of(first.manifest)
    assert [len(canonical.decode(layer.items, ListClass.AGREED)) for layer in second.epoch.built] == [3]
    assert [entry.since_epoch for entry in second.manifest.segments] == [1, 2, 1]


def test_an_item_that_becomes_agreed_leaves_the_attested_list(first: MadeEpoch) -> None:
    feed = make_hashes(3, "feed")
    second = make_epoch([*make_hashes(30), feed[0]], attested=feed, created=LATER, previous=first)
    assert [one.items for one in second.manifest.lists] == [31, 2]


def test_other_bands_make_every_layer_anew_and_other_batches_none(first: MadeEpoch) -> None:
    bands = replace(first.settings.parameters, bands=5)
    second = build(
        replace(first.settings, parameters=bands), first.chains, first.key_ring, created=LATER, previous=first.published
    )
    assert all(entry.since_epoch == 2 for entry in second.manifest.segments)
    batch = replace(first.settings.parameters, batch=1024)
    third = build(
        replace(first.settings, parameters=batch), first.chains, first.key_ring, created=LATER, previous=first.published
    )
    assert third.manifest.segments == first.manifest.segments


def test_an_empty_list_is_an_epoch_too() -> None:
    empty = make_epoch()
    assert empty.manifest.segments == ()
    assert [one.items for one in empty.manifest.lists] == [0, 0]


def test_an_epoch_must_come_after_the_one_before(first: MadeEpoch) -> None:
    for created in (CREATED, "2026-01-05T05:59:59Z"):
        with pytest.raises(errors.BuildRefused, match="does not come after"):
            make_epoch(make_hashes(1), created=created, previous=first)


def test_what_no_device_would_accept_is_not_built(first: MadeEpoch) -> None:
    weak = replace(first.settings, agreement=replace(defaults.AGREEMENT, authorities=1))
    with pytest.raises(errors.WeakRule):
        build(weak, first.chains, first.key_ring, created=CREATED, previous=None)


def test_a_manifest_over_the_limit_is_not_built(first: MadeEpoch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tutela.wire.limits.MANIFEST_BYTES", len(first.epoch.payload) - 1)
    with pytest.raises(errors.BuildRefused, match="over the limit"):
        build(first.settings, first.chains, first.key_ring, created=CREATED, previous=None)


def test_a_segment_over_the_limit_is_not_built(first: MadeEpoch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tutela.wire.limits.SEGMENT_BYTES", 100)
    with pytest.raises(errors.BuildRefused, match="segment"):
        build(first.settings, first.chains, first.key_ring, created=CREATED, previous=None)


def test_progress_is_told_in_entries(first: MadeEpoch) -> None:
    told: list[tuple[int, int]] = []
    build(
        first.settings,
        first.chains,
        first.key_ring,
        created=CREATED,
        previous=None,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(180, 198), (198, 198)]


def test_the_defaults_make_an_epoch_that_devices_accept() -> None:
    settings = Settings(provider="provider.example")
    made = build(settings, [], KeyRing(voprf.derive_key_pair(bytes(32), b"")), created=CREATED, previous=None)
    assert made.manifest.parameters == defaults.PARAMETERS
