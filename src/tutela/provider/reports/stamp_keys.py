"""The keys under which the homeservers stamp messages: the same files that their module reads."""

from __future__ import annotations

import re
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Final

from tutela.provider.errors import SettingsError
from tutela.provider.reports.verification import StampKeys
from tutela.wire.franking import STAMP_KEY_BYTES, stamp_key_id

_FORM: Final = re.compile(rf"[0-9a-f]{{{2 * STAMP_KEY_BYTES}}}\n?")


def load(folder: Path, servers: Collection[str]) -> StampKeys:
    """Read every `*.key` file in `folder`; without any, no message can be proven.

    Raises:
        SettingsError: a file cannot be read, can be read by others, or holds no key.
    """
    keys = {}
    for path in sorted(folder.glob("*.key")):
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise SettingsError(f"others can read the stamps' key in {path}", hint=f"chmod 600 {path}")
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"cannot read the stamps' key in {path}: {error}") from error
        if not _FORM.fullmatch(text):
            raise SettingsError(f"{path} holds no key: it must be {2 * STAMP_KEY_BYTES} hexadecimal digits")
        key = bytes.fromhex(text.strip())
        keys[stamp_key_id(key)] = key
    return StampKeys(keys, frozenset(servers))
