"""The key store: modes, damage, and that a secret shows nowhere."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from harness.epochs import make_keys
from tutela.matching import voprf
from tutela.provider.errors import KeyStoreError
from tutela.provider.keys import KeyStore

PAIR = make_keys()
ID = voprf.key_id(PAIR.public)


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys")


def test_kept_for_the_services_user_alone(store: KeyStore):
    store.adopt(PAIR)
    assert store.load(ID) == PAIR
    assert store.ids() == (ID,)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((store.folder / f"{ID}.key").stat().st_mode) == 0o600


def test_adopting_twice_changes_nothing(store: KeyStore):
    store.adopt(PAIR)
    before = (store.folder / f"{ID}.key").stat()
    store.adopt(PAIR)
    assert (store.folder / f"{ID}.key").stat().st_mtime_ns == before.st_mtime_ns


def test_the_secret_shows_nowhere(store: KeyStore):
    store.adopt(PAIR)
    with pytest.raises(KeyStoreError) as missing:
        store.load("0" * 16)
    shown = repr(store) + repr(store.load(ID)) + repr(missing.value)
    assert PAIR.secret.hex() not in shown
    assert repr(PAIR.secret) not in shown


def damage(path: Path, how: str) -> None:
    match how:
        case "readable":
            path.chmod(0o640)
        case "cut":
            path.write_bytes(path.read_bytes()[:-2])
        case "binary":
            path.write_bytes(b"\xff" * 100)
        case "longer":
            path.write_bytes(path.read_bytes() + b"\n")
        case "zero":
            path.write_text(f"tutela-oprf-key-1\n{'00' * 32}\n")
        case "unreduced":
            path.write_text(f"tutela-oprf-key-1\n{'ff' * 32}\n")
        case "other":
            path.write_text(f"tutela-oprf-key-1\n{make_keys('second').secret.hex()}\n")
        case "gone":
            path.unlink()


@pytest.mark.parametrize("how", ["readable", "cut", "binary", "longer", "zero", "unreduced", "other", "gone"])
def test_damage_is_told(store: KeyStore, how: str):
    store.adopt(PAIR)
    damage(store.folder / f"{ID}.key", how)
    with pytest.raises(KeyStoreError) as refused:
        store.load(ID)
    assert refused.value.hint


@pytest.mark.parametrize("key_id", ["", "../../etc/passwd", "A" * 16, "0" * 15, "0" * 16 + "\n"])
def test_only_ids_are_looked_for(store: KeyStore, key_id: str):
    with pytest.raises(KeyStoreError, match="16 hexadecimal digits"):
        store.load(key_id)
    with pytest.raises(KeyStoreError, match="16 hexadecimal digits"):
        store.destroy(key_id)


def test_destroyed(store: KeyStore):
    store.adopt(PAIR)
    store.destroy(ID)
    assert store.ids() == ()
    store.destroy(ID)


def test_a_folder_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "keys").write_text("in the way")
    with pytest.raises(KeyStoreError):
        KeyStore(tmp_path / "keys").adopt(PAIR)
