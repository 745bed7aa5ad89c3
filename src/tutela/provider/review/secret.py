"""A secret of the provider's own: from it come the links with which people appeal, and names that nobody can guess."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from tutela import durable
from tutela.matching.voprf import RandomBytes
from tutela.provider.errors import SettingsError

BYTES: Final = 32
_FORM: Final = re.compile(rf"[0-9a-f]{{{2 * BYTES}}}\n?")


def load(path: Path, random: RandomBytes) -> bytes:
    """Return the secret in the file at `path`; where there is none, make it, once for all who ask at that moment.

    Raises:
        SettingsError: the file cannot be read or written, can be read by others, or holds no secret.
    """
    try:
        if not path.exists():
            _make(path, random)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SettingsError(f"others can read the secret in {path}", hint=f"chmod 600 {path}")
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the secret in {path}: {error}") from error
    if not _FORM.fullmatch(text):
        raise SettingsError(
            f"{path} holds no secret: it must be {2 * BYTES} hexadecimal digits", hint="Restore it from a backup."
        )
    return bytes.fromhex(text.strip())


def _make(path: Path, random: RandomBytes) -> None:
    part = durable.part_of(path)
    try:
        durable.write_synced(part, f"{random(BYTES).hex()}\n".encode(), durable.SECRET)
        os.link(part, path)  # unless another process was quicker: then its secret is everybody's
        durable.sync_folder(path.parent)
    except FileExistsError:
        pass
    finally:
        part.unlink(missing_ok=True)
