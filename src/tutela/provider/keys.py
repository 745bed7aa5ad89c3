"""The OPRF's secret keys that this service answers with: one file each, in a folder that only its user can read.

They are made where epochs are built (`tutela.lists.keyfile` has the format) and handed over when the first epoch
that names them is published. Whoever has one can enumerate the list offline, while past checks stay hidden: see "If
a key leaks" in `docs/provider.md`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tutela.lists import keyfile
from tutela.lists.errors import ListError
from tutela.matching import voprf
from tutela.provider.errors import KeyStoreError

KEY_ID: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class KeyStore:
    """A folder of secret keys. Nothing here prints, logs or represents a secret."""

    folder: Path

    def adopt(self, pair: voprf.KeyPair) -> None:
        """Keep a key, with mode 0600 in a folder with mode 0700; one that is held already stays as it is.

        Raises:
            KeyStoreError: the folder cannot be written.
        """
        if voprf.key_id(pair.public) in self.ids():
            return
        try:
            keyfile.keep(self.folder, pair)
        except ListError as error:
            raise KeyStoreError(error.message, hint=error.hint) from error

    def load(self, key_id: str) -> voprf.KeyPair:
        """Return the key of this id.

        Raises:
            KeyStoreError: not there, damaged, readable by other users, or another key under this name.
        """
        _check(key_id)
        try:
            return keyfile.load(self.folder, key_id)
        except ListError as error:
            hint = error.hint or "Restore it from a backup, or publish with --keys."
            raise KeyStoreError(error.message, hint=hint) from error

    def ids(self) -> tuple[str, ...]:
        """Return the ids of the keys that are kept, in ascending order."""
        return tuple(sorted(p.stem for p in self.folder.glob("*.key") if KEY_ID.fullmatch(p.stem)))

    def destroy(self, key_id: str) -> None:
        """Remove a key for good. Copies in backups stay; `docs/provider.md` says so."""
        _check(key_id)
        keyfile.path_of(self.folder, key_id).unlink(missing_ok=True)


def _check(key_id: str) -> None:
    if not KEY_ID.fullmatch(key_id):
        raise KeyStoreError("a key id has 16 hexadecimal digits")
