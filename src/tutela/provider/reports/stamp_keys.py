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

    The keys of a homeserver lie in a folder that bears its name. Where only one homeserver is served, they may lie in
    `folder` itself.

    Raises:
        SettingsError: a file cannot be read, can be read by others, or holds no key; or it is not clear whose it is.
    """
    loose = sorted(folder.glob("*.key"))
    if loose and len(servers) != 1:
        raise SettingsError(
            f"it is not clear which homeserver the stamps' key {loose[0]} belongs to",
            hint=f"Move it into a folder of the homeserver's name, such as {folder / min(servers, default='NAME')}.",
        )
    keys = {}
    for server in servers:
        for path in [*loose, *sorted((folder / server).glob("*.key"))]:
            key = _read(path)
            keys[server, stamp_key_id(key)] = key
    return StampKeys(keys)


def _read(path: Path) -> bytes:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SettingsError(f"others can read the stamps' key in {path}", hint=f"chmod 600 {path}")
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the stamps' key in {path}: {error}") from error
    if not _FORM.fullmatch(text):
        raise SettingsError(f"{path} holds no key: it must be {2 * STAMP_KEY_BYTES} hexadecimal digits")
    return bytes.fromhex(text.strip())
