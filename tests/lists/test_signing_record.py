"""What a key remembers of what it signed, and every second signature that it refuses."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.epochs import SIGNERS, MadeEpoch, make_epoch, make_hashes
from tutela.lists import errors, files
from tutela.lists.authority import check_descriptor
from tutela.lists.signing_record import SigningRecord, settings_digest
from tutela.wire import document
from tutela.wire.manifest import Manifest

AURORA, BOREAL = SIGNERS
LATER, LATEST = "2026-01-12T06:00:00Z", "2026-01-19T06:00:00Z"
replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def first() -> MadeEpoch:
    return make_epoch(make_hashes(3))


@pytest.fixture(scope="module")
def second(first: MadeEpoch) -> MadeEpoch:
    return make_epoch(make_hashes(4), created=LATER, previous=first)


@pytest.fixture
def record(tmp_path: Path) -> SigningRecord:
    path = tmp_path / "aurora.pem"
    path.write_bytes(b"the key")
    return SigningRecord.beside(path, AURORA.key)


def altered(made: MadeEpoch, **changes: Any) -> bytes:
    return document.encode(replace(made.manifest, **changes))


def test_what_was_signed_is_remembered(record: SigningRecord, first: MadeEpoch, second: MadeEpoch) -> None:
    assert record.last("provider.example") is None
    for made in (first, second):
        record.enter(made.epoch.payload)
        last = record.last("provider.example")
        assert last is not None
        assert (last.epoch, last.settings) == (made.manifest.epoch, settings_digest(made.manifest))


def test_the_record_is_for_its_owner_alone(record: SigningRecord, first: MadeEpoch) -> None:
    record.enter(first.epoch.payload)
    assert record.path.name == "aurora.pem.signed"
    assert stat.S_IMODE(record.path.stat().st_mode) == 0o600
    assert {path.name for path in record.path.parent.iterdir()} == {"aurora.pem", "aurora.pem.signed"}


def test_the_very_same_manifest_may_be_signed_again(record: SigningRecord, first: MadeEpoch) -> None:
    record.enter(first.epoch.payload)
    record.enter(first.epoch.payload)


def test_another_epoch_of_that_number_is_refused(record: SigningRecord, first: MadeEpoch) -> None:
    record.enter(first.epoch.payload)
    other = altered(first, created="2026-01-05T06:00:01Z")
    with pytest.raises(errors.AlreadySigned, match=r"another epoch 1 of provider\.example") as refused:
        record.enter(other)
    assert refused.value.hint is not None
    assert "never sign two epochs of one number" in refused.value.hint
    with pytest.raises(errors.AlreadySigned):
        record.check(other)
    record.check(first.epoch.payload)


def test_a_key_with_a_second_name_signs_nothing(record: SigningRecord, first: MadeEpoch, tmp_path: Path) -> None:
    """Beside the other name there is no record, so it would sign another epoch of a number."""
    record.enter(first.epoch.payload)
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "key.pem"
    other.hardlink_to(record.key_path)
    for path in (other, record.key_path):
        with pytest.raises(errors.BadSigningRecord, match="has 2 names") as refused:
            SigningRecord.beside(path, AURORA.key).enter(altered(first, created="2026-01-05T06:00:01Z"))
        assert refused.value.hint is not None
        assert "find / -samefile" in refused.value.hint
    assert not (tmp_path / "elsewhere" / "key.pem.signed").exists()
    other.unlink()
    record.enter(first.epoch.payload)


def test_a_key_that_has_gone_is_told(record: SigningRecord) -> None:
    record.key_path.unlink()
    with pytest.raises(errors.StorageFailed, match="aurora"):
        record.last("provider.example")


def test_an_older_epoch_is_refused(record: SigningRecord, first: MadeEpoch, second: MadeEpoch) -> None:
    record.enter(second.epoch.payload)
    with pytest.raises(errors.AlreadySigned, match="epoch 1 is older"):
        record.enter(first.epoch.payload)
    last = record.last("provider.example")
    assert last is not None
    assert last.epoch == 2


def test_each_providers_list_counts_for_itself(record: SigningRecord, second: MadeEpoch) -> None:
    record.enter(second.epoch.payload)
    record.enter(altered(second, provider="another.example", epoch=1, previous=None))
    assert [one.epoch for name in ("another.example", "provider.example") if (one := record.last(name))] == [1, 2]


def test_a_link_to_the_key_has_the_same_record(record: SigningRecord, first: MadeEpoch, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "key.pem"
    link.symlink_to(record.key_path)
    record.enter(first.epoch.payload)
    assert SigningRecord.beside(link, AURORA.key).last("provider.example") is not None


# A record that cannot be relied on.


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-20],
        lambda data: data.replace(b'"version": 1', b'"version": 2'),
        lambda data: data.replace(b'"epoch": 1', b'"epoch": 0'),
        lambda data: data + b"{}",
    ],
)
def test_a_damaged_record_stops_every_signature(record: SigningRecord, first: MadeEpoch, damage: Any) -> None:
    record.enter(first.epoch.payload)
    damaged = damage(record.path.read_bytes())
    record.path.write_bytes(damaged)
    for use in (record.check, record.enter):
        with pytest.raises(errors.BadSigningRecord, match=r"aurora\.pem\.signed is damaged"):
            use(first.epoch.payload)
    assert record.path.read_bytes() == damaged


def test_a_record_that_names_a_provider_twice_is_damaged(record: SigningRecord, first: MadeEpoch) -> None:
    record.enter(first.epoch.payload)
    kept = msgspec.json.decode(record.path.read_bytes())
    record.path.write_bytes(msgspec.json.encode(kept | {"signed": kept["signed"] * 2}))
    with pytest.raises(errors.BadSigningRecord, match="twice"):
        record.check(first.epoch.payload)


def test_a_record_of_another_key_is_refused(record: SigningRecord, first: MadeEpoch) -> None:
    record.enter(first.epoch.payload)
    with pytest.raises(errors.BadSigningRecord, match="another key"):
        SigningRecord.beside(record.key_path, BOREAL.key).check(first.epoch.payload)


def test_a_record_that_leads_nowhere_is_refused(record: SigningRecord, first: MadeEpoch, tmp_path: Path) -> None:
    record.path.symlink_to(tmp_path / "gone")
    with pytest.raises(errors.StorageFailed):
        record.check(first.epoch.payload)


def test_a_record_that_cannot_be_written_stops_the_signature(
    record: SigningRecord, first: MadeEpoch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes, *, mode: int) -> None:
        raise errors.StorageFailed("full")

    monkeypatch.setattr(files, "write", full)
    with pytest.raises(errors.StorageFailed):
        record.enter(first.epoch.payload)


def test_two_processes_do_not_sign_at_once(record: SigningRecord, first: MadeEpoch) -> None:
    with files.holding(record.key_path), pytest.raises(errors.StorageFailed, match="another process is using"):
        record.enter(first.epoch.payload)


# What is new since the last signature.


def test_the_next_epoch_in_the_same_chain_changes_nothing(
    record: SigningRecord, first: MadeEpoch, second: MadeEpoch
) -> None:
    record.enter(first.epoch.payload)
    assert record.changes(second.manifest, signed_before=True) == ()


def test_another_past_than_the_one_signed_is_told(record: SigningRecord, first: MadeEpoch, second: MadeEpoch) -> None:
    record.enter(altered(first, created="2026-01-05T06:00:01Z"))
    (told,) = record.changes(second.manifest, signed_before=False)
    assert told == "it follows another epoch 1 than the one that this key signed"


def test_settings_that_changed_in_epochs_between_are_told(
    record: SigningRecord, first: MadeEpoch, second: MadeEpoch
) -> None:
    third = make_epoch(make_hashes(4), created=LATEST, previous=second).manifest
    record.enter(first.epoch.payload)
    assert record.changes(third, signed_before=False) == ()
    gentler: Manifest = replace(third, policy=replace(third.policy, checks_per_hour=1))
    (told,) = record.changes(gentler, signed_before=False)
    assert "not those of epoch 1" in told


def test_a_record_that_was_lost_is_told(record: SigningRecord, first: MadeEpoch, second: MadeEpoch) -> None:
    assert record.changes(first.manifest, signed_before=False) == ()
    (told,) = record.changes(second.manifest, signed_before=True)
    assert "though it signed epoch 1" in told


# Oneself, as a list describes one.


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"jurisdiction": "SE"}, "jurisdiction 'SE' instead of 'FI'"),
        ({"name": "Aurora Ltd"}, "name 'Aurora Ltd' instead of 'Aurora'"),
        ({"id": "boreal"}, "id 'boreal' instead of 'aurora'"),
        ({"public_key": BOREAL.authority.public_key}, "public key"),
    ],
)
def test_a_list_that_describes_an_authority_otherwise_is_refused(change: dict[str, str], told: str) -> None:
    check_descriptor(AURORA.authority, AURORA.authority)
    with pytest.raises(errors.OtherDescriptor, match=told):
        check_descriptor(AURORA.authority, replace(AURORA.authority, **change))
