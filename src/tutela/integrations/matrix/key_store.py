"""What a client keeps between runs, sealed in its profile: the session, the private identity, the pinned keys.

`tutela.device.profile` seals each record with a key derived from the profile's key and replaces it atomically; the
passphrase of matrix-nio's own store is derived from the same key for that purpose alone.
"""

from __future__ import annotations

import secrets
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tutela.device.errors import DamagedProfile
from tutela.device.profile import Profile
from tutela.integrations.matrix.cross_signing import SEED_BYTES, PrivateIdentity
from tutela.integrations.matrix.errors import UnreadableIdentity

_RECORD: Final = "matrix"
_OLM_PURPOSE: Final = "matrix/olm"
_EXPORT_MAGIC: Final = b"tutela matrix identity 1\n"
_NONCE_BYTES: Final = 12


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signed-in device."""

    homeserver: str
    user_id: str
    device_id: str
    access_token: str

    def __repr__(self) -> str:
        return f"Session({self.user_id!r}, {self.device_id!r})"


class Seeds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The seeds of a `PrivateIdentity`."""

    master: bytes
    self_signing: bytes
    user_signing: bytes

    def __repr__(self) -> str:
        return "Seeds(…)"

    @classmethod
    def of(cls, identity: PrivateIdentity) -> Seeds:
        """Return the seeds of `identity`."""
        return cls(*identity.seeds)

    def identity(self) -> PrivateIdentity:
        """Return the keys."""
        return PrivateIdentity.from_seeds(self.master, self.self_signing, self.user_signing)


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is kept, version 1."""

    version: int = 1
    session: Session | None = None
    identity: Seeds | None = None
    candidate: Seeds | None = None
    """An identity about to be uploaded: written first, so that a crash in between loses nothing."""
    pins: dict[str, str] = {}
    since: str | None = None
    """The sync token up to which everything was handled."""
    encrypted_rooms: frozenset[str] = frozenset()
    """Rooms once seen encrypted, so that no homeserver can say that they are not."""
    accepted_readers: dict[str, frozenset[str]] = {}
    """Who may read, in each of them and in rooms entered here: whoever else comes is asked about first."""
    seen_record: int = 0
    """The number of the record of seen messages; 0 before there was one. Another one in its place is noticed."""


class KeyStore:
    """The record of one profile. `update` returns when the change is on disk."""

    def __init__(self, profile: Profile) -> None:
        """Read the record, if there is one.

        Raises:
            DamagedProfile: the record was changed, or is of an unknown version.
        """
        self._profile = profile
        data = profile.read(_RECORD)
        try:
            self.state = State() if data is None else msgspec.json.decode(data, type=State)
        except msgspec.DecodeError as error:
            raise DamagedProfile("the profile's Matrix record is not of this version") from error
        if self.state.version != 1:
            raise DamagedProfile(f"the profile's Matrix record has version {self.state.version}, not 1")

    def update(self, **changes: object) -> None:
        """Replace fields of the state, on disk first."""
        state = msgspec.structs.replace(self.state, **changes)
        if state != self.state:
            self._profile.write(_RECORD, msgspec.json.encode(state))
            self.state = state

    @property
    def olm_passphrase(self) -> str:
        """The passphrase with which matrix-nio encrypts the Olm account and sessions in its own database."""
        return self._profile.derive(_OLM_PURPOSE).hex()


def export_identity(identity: PrivateIdentity, key: bytes) -> bytes:
    """Seal `identity` under a 32-byte `key` that both devices know, for handing it to a second device."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _EXPORT_MAGIC + nonce + _export_aead(key).encrypt(nonce, b"".join(identity.seeds), _EXPORT_MAGIC)


def import_identity(sealed: bytes, key: bytes) -> PrivateIdentity:
    """Open what `export_identity` made.

    Raises:
        UnreadableIdentity: another key, damage, or something else altogether.
    """
    body = sealed.removeprefix(_EXPORT_MAGIC)
    try:
        seeds = _export_aead(key).decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], _EXPORT_MAGIC)
    except (InvalidTag, ValueError) as error:
        raise UnreadableIdentity(
            "the exported identity cannot be opened", hint="Was it exported with another key?"
        ) from error
    return PrivateIdentity.from_seeds(*(seeds[i : i + SEED_BYTES] for i in range(0, 3 * SEED_BYTES, SEED_BYTES)))


def _export_aead(key: bytes) -> ChaCha20Poly1305:
    if len(key) != 32:
        raise UnreadableIdentity(f"the key of an exported identity has 32 bytes, not {len(key)}")
    return ChaCha20Poly1305(HKDF(SHA256(), 32, salt=None, info=b"tutela/matrix/identity-export/1").derive(key))
