"""What is kept between runs, and how."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.device.errors import DamagedProfile
from tutela.device.profile import Profile
from tutela.integrations.matrix.cross_signing import PrivateIdentity
from tutela.integrations.matrix.errors import UnreadableIdentity
from tutela.integrations.matrix.key_store import (
    KeyStore,
    Seeds,
    Session,
    State,
    export_identity,
    import_identity,
)

KEY = b"k" * 32
MIA = "@mia:example.org"
SESSION = Session("https://example.org", MIA, "DEVICE", "the access token")
seeds = st.binary(min_size=32, max_size=32)


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    with Profile(tmp_path / "profile", KEY) as opened:
        yield opened


@pytest.fixture
def identity() -> PrivateIdentity:
    return PrivateIdentity.generate(secrets.token_bytes)


def _everything(identity: PrivateIdentity) -> dict[str, Any]:
    return {
        "session": SESSION,
        "identity": Seeds.of(identity),
        "candidate": Seeds.of(identity),
        "pins": {MIA: identity.public(MIA).master},
        "since": "s1",
        "encrypted_rooms": frozenset({"!a", "!b"}),
        "accepted_readers": {"!a": frozenset({MIA}), "!b": frozenset()},
    }


def test_what_is_written_is_read_again(profile: Profile, identity: PrivateIdentity):
    assert KeyStore(profile).state == State()
    KeyStore(profile).update(**_everything(identity))
    state = KeyStore(profile).state
    assert state == State(**_everything(identity))
    assert state.identity is not None
    assert state.identity.identity().public(MIA) == identity.public(MIA)


def test_nothing_is_on_disk_in_the_clear(profile: Profile, identity: PrivateIdentity):
    KeyStore(profile).update(**_everything(identity))
    stored = b"".join(path.read_bytes() for path in profile.folder.iterdir())
    for secret in (*identity.seeds, MIA.encode(), b"the access token", b"example.org", b"!a"):
        assert secret not in stored


def test_secrets_are_not_shown(identity: PrivateIdentity):
    assert "token" not in repr(SESSION)
    shown = repr(State(session=SESSION, identity=Seeds.of(identity)))
    assert "token" not in shown
    assert all(repr(seed)[2:-1] not in shown for seed in identity.seeds)


def test_what_does_not_change_is_not_written(profile: Profile, monkeypatch: pytest.MonkeyPatch):
    store = KeyStore(profile)
    store.update(since="s1")
    monkeypatch.setattr(profile, "write", lambda *_: pytest.fail("written"))
    store.update(since="s1")


def test_a_change_that_could_not_be_written_did_not_happen(profile: Profile, monkeypatch: pytest.MonkeyPatch):
    def fail(name: str, data: bytes) -> None:
        raise OSError("no space left")

    store = KeyStore(profile)
    monkeypatch.setattr(profile, "write", fail)
    with pytest.raises(OSError, match="no space"):
        store.update(since="s2")
    assert store.state.since is None


@pytest.mark.parametrize("record", [b"", b"{}{", b"[]", b'{"version":2}', b'{"version":1,"new":1}', b'{"pins":[]}'])
def test_a_record_of_another_form_or_version_is_refused(profile: Profile, record: bytes):
    profile.write("matrix", record)
    with pytest.raises(DamagedProfile):
        KeyStore(profile)


def test_a_changed_record_is_refused(profile: Profile):
    KeyStore(profile).update(since="s1")
    path = profile.folder / "matrix.sealed"
    sealed = path.read_bytes()
    path.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(DamagedProfile):
        KeyStore(profile)


def test_the_passphrase_of_nios_store_follows_from_the_profiles_key(tmp_path: Path, profile: Profile):
    passphrase = KeyStore(profile).olm_passphrase
    assert passphrase == KeyStore(profile).olm_passphrase
    assert len(bytes.fromhex(passphrase)) == 32
    assert passphrase not in (KEY.hex(), profile.derive("records").hex())
    with Profile(tmp_path / "other", b"x" * 32) as other:
        assert KeyStore(other).olm_passphrase != passphrase


@given(seeds, seeds, seeds, seeds)
def test_an_identity_is_handed_over(master: bytes, self_signing: bytes, user_signing: bytes, key: bytes):
    identity = PrivateIdentity.from_seeds(master, self_signing, user_signing)
    sealed = export_identity(identity, key)
    assert import_identity(sealed, key).seeds == identity.seeds
    assert sealed != export_identity(identity, key)


@given(data=st.data())
def test_a_damaged_export_is_refused(data: st.DataObject):
    sealed = bytearray(export_identity(PrivateIdentity.generate(secrets.token_bytes), KEY))
    position = data.draw(st.integers(0, len(sealed) - 1))
    sealed[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UnreadableIdentity):
        import_identity(bytes(sealed), KEY)
    with pytest.raises(UnreadableIdentity):
        import_identity(bytes(sealed[:position]), KEY)


@given(st.binary(max_size=200), seeds)
def test_anything_else_is_refused(sealed: bytes, key: bytes):
    with pytest.raises(UnreadableIdentity):
        import_identity(sealed, key)


@pytest.mark.parametrize("key", [b"", b"k" * 31, b"k" * 33])
def test_a_key_of_another_size_is_refused(identity: PrivateIdentity, key: bytes):
    with pytest.raises(UnreadableIdentity):
        export_identity(identity, key)
