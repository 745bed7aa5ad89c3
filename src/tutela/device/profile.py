"""A profile: the folder on a device in which Guard and its client keep what must survive a restart.

Records are sealed with ChaCha20-Poly1305 (RFC 8439) under a key derived from the profile's key for this purpose
(HKDF-SHA-256, RFC 5869); a record's name is authenticated, so that files cannot be exchanged for one another. What is
public and verified by its digest (filter segments) is stored as it is. Every write is atomic.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tutela import durable
from tutela.device.errors import DamagedProfile, DeviceError, ProfileInUse, WrongProfileKey

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_CHECK: Final = "profile"
_SEALED: Final = ".sealed"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,100}")


class Profile:
    """An open profile. Only one process has it open at a time."""

    def __init__(self, folder: Path, key: bytes) -> None:
        """Open the profile in `folder`, making it if there is none.

        Raises:
            DeviceError: `key` does not have 32 bytes, or the folder cannot be used.
            WrongProfileKey: the profile was made with another key.
            ProfileInUse: another process has it open.
        """
        if len(key) != KEY_BYTES:
            raise DeviceError(f"a profile's key has {KEY_BYTES} bytes, not {len(key)}")
        self.folder = folder
        self._key = key
        self._aead = ChaCha20Poly1305(self.derive("records"))
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise DeviceError(f"the profile {folder} cannot be made: {error.strerror}") from error
        self._lock = self._take_lock()
        try:
            self._make_ready()
        except BaseException:
            self.close()
            raise

    def derive(self, purpose: str) -> bytes:
        """Return a 32-byte key for one purpose; keys for different purposes tell nothing of each other."""
        info = b"tutela/profile/1/" + purpose.encode()
        return HKDF(SHA256(), 32, salt=None, info=info).derive(self._key)

    def read(self, name: str) -> bytes | None:
        """Return the record `name`, or `None` if there is none.

        Raises:
            DamagedProfile: the file was changed, or exchanged for another.
            DeviceError: it cannot be read.
        """
        try:
            sealed = self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DeviceError(
                f"the profile's record {name!r} cannot be read: {error.strerror}",
                hint=f"Look at {self._path(name)}: it must be a file that you can read. Removed, it is made anew.",
            ) from error
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError) as error:
            raise DamagedProfile(f"the profile's record {name!r} is damaged", hint="Remove it and update.") from error

    def write(self, name: str, data: bytes) -> None:
        """Replace the record `name`, all or nothing."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._aead.encrypt(nonce, data, name.encode())
        durable.replace(self._path(name), sealed, mode=durable.SECRET)

    def delete(self, name: str) -> None:
        """Forget the record `name`."""
        self._path(name).unlink(missing_ok=True)

    def names(self, prefix: str) -> list[str]:
        """Return the names of the records that begin with `prefix`, in order."""
        return sorted(path.name.removesuffix(_SEALED) for path in self.folder.glob(f"{prefix}*{_SEALED}"))

    def close(self) -> None:
        """Let another process open the profile."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise DeviceError(f"{name!r} cannot name a record")
        return self.folder / f"{name}{_SEALED}"

    def _make_ready(self) -> None:
        try:
            durable.sweep(self.folder)
            if self.read(_CHECK) is None:
                self.write(_CHECK, b"tutela profile 1")
        except DamagedProfile as error:
            raise WrongProfileKey(f"the profile {self.folder} was made with another key") from error
        except OSError as error:
            raise DeviceError(f"the profile {self.folder} cannot be used: {error.strerror}") from error

    def _take_lock(self) -> int | None:
        try:
            import fcntl
        except ImportError:  # pragma: no cover (Windows)
            return None
        try:
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DeviceError(f"the profile {self.folder} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise ProfileInUse(
                f"the profile {self.folder} is open in another process", hint="Close the other one first."
            ) from error
        return handle
