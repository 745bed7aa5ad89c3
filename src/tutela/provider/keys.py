"""The OPRF's secret keys: one file each, in a folder that only the service's user can read.

A file is named `<key id>.key` and holds one version line and the secret scalar in hexadecimal. Whoever has it can
enumerate the list offline (past checks stay hidden): see "If a key leaks" in `docs/provider.md`.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tutela.matching import voprf
from tutela.matching.errors import InvalidKey
from tutela.provider.errors import KeyStoreError

VERSION: Final = "tutela-oprf-key-1"
_FORM: Final = re.compile(rf"{VERSION}\n([0-9a-f]{{64}})\n")
_ID: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class KeyStore:
    """A folder of secret keys. Nothing here prints, logs or represents a secret."""

    folder: Path

    def create(self, *, random: voprf.RandomBytes = secrets.token_bytes) -> voprf.KeyPair:
        """Make a new key and keep it, with mode 0600 in a folder with mode 0700.

        Raises:
            KeyStoreError: the folder cannot be written.
        """
        pair = voprf.key_pair(voprf.random_scalar(random))
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # O_EXCL: never over another key; the mode holds from the first moment.
            descriptor = os.open(self._path(voprf.key_id(pair.public)), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{VERSION}\n{pair.secret.hex()}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise KeyStoreError(f"cannot write a key to {self.folder}: {error.strerror}") from error
        return pair

    def load(self, key_id: str) -> voprf.KeyPair:
        """Return the key of this id.

        Raises:
            KeyStoreError: not there, damaged, readable by other users, or another key under this name.
        """
        if not _ID.fullmatch(key_id):
            raise KeyStoreError("a key id has 16 hexadecimal digits")
        path = self._path(key_id)
        try:
            with path.open(encoding="ascii") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                text = file.read(1024)
        except (OSError, UnicodeDecodeError) as error:
            raise KeyStoreError(
                f"the secret key {key_id} is not in {self.folder}", hint="Restore it from the backup of the keys."
            ) from error
        if mode & 0o077:
            raise KeyStoreError(f"other users can read the secret key {key_id}", hint=f"Run: chmod 600 {path}")
        match = _FORM.fullmatch(text)
        if match is None:
            raise KeyStoreError(f"the file of the secret key {key_id} is damaged", hint="Restore it from a backup.")
        try:
            pair = voprf.key_pair(bytes.fromhex(match[1]))
        except InvalidKey as error:
            raise KeyStoreError(f"the file of the secret key {key_id} is damaged") from error
        if voprf.key_id(pair.public) != key_id:
            raise KeyStoreError(f"the file of the secret key {key_id} holds another key")
        return pair

    def ids(self) -> tuple[str, ...]:
        """Return the ids of the keys that are kept, in ascending order."""
        return tuple(sorted(p.stem for p in self.folder.glob("*.key") if _ID.fullmatch(p.stem)))

    def destroy(self, key_id: str) -> None:
        """Remove a key for good. Copies in backups stay; `docs/provider.md` says so."""
        if not _ID.fullmatch(key_id):
            raise KeyStoreError("a key id has 16 hexadecimal digits")
        self._path(key_id).unlink(missing_ok=True)

    def _path(self, key_id: str) -> Path:
        return self.folder / f"{key_id}.key"
