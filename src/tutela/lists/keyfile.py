"""The OPRF's secret keys in a folder: one file `<key id>.key` each, mode 0600, one version line and the scalar in
hexadecimal. Which of them is current, and when the others retire, is what the newest manifest says.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tutela.lists import files
from tutela.lists.errors import BadKeyFile
from tutela.matching import voprf
from tutela.matching.errors import InvalidKey

VERSION: Final = "tutela-oprf-key-1"
_FORM: Final = re.compile(rf"{VERSION}\n([0-9a-f]{{64}})\n")


def keep(folder: Path, pair: voprf.KeyPair) -> None:
    """Write a key pair's secret, never over another one.

    Raises:
        AlreadyThere, StorageFailed: it could not be written.
    """
    files.make_folder(folder, mode=0o700)
    data = f"{VERSION}\n{pair.secret.hex()}\n".encode("ascii")
    files.create(path_of(folder, voprf.key_id(pair.public)), data, mode=files.SECRET)


def load(folder: Path, key_id: str) -> voprf.KeyPair:
    """Return the key pair of this id.

    Raises:
        BadKeyFile: it is not there, is damaged, can be read by other users, or is another key.
    """
    path = path_of(folder, key_id)
    match = _FORM.fullmatch(files.read_secret(path).decode("ascii", errors="replace"))
    if match is None:
        raise BadKeyFile(f"{path} is damaged", hint="restore it from a backup")
    try:
        pair = voprf.key_pair(bytes.fromhex(match[1]))
    except InvalidKey as error:
        raise BadKeyFile(f"{path} is damaged", hint="restore it from a backup") from error
    if voprf.key_id(pair.public) != key_id:
        raise BadKeyFile(f"{path} holds another key")
    return pair


def path_of(folder: Path, key_id: str) -> Path:
    """Return where the secret of this key lies, or would."""
    return folder / f"{key_id}.key"
