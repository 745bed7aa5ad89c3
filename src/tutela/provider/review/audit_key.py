"""The key that signs the audit log's checkpoints: made at first use, and readable by the service alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tutela.matching.voprf import RandomBytes
from tutela.provider.errors import SettingsError
from tutela.provider.review import secret
from tutela.transparency.errors import MalformedKey
from tutela.transparency.note import SigningKey

_ORIGIN: Final = "{name}/audit"


def load(path: Path, provider: str, random: RandomBytes) -> SigningKey:
    """Return the key in the file at `path`, under the name of the log of `provider`; make it where there is none.

    Raises:
        SettingsError: the file cannot be used (`secret.load`), or the provider's name cannot name a log.
    """
    key = SigningKey(_ORIGIN.format(name=provider), Ed25519PrivateKey.from_private_bytes(secret.load(path, random)))
    try:
        key.verifier.encode()
    except MalformedKey as error:
        raise SettingsError(
            f"the name {provider!r:.80} cannot name an audit log",
            hint="`name` must have no spaces, control characters or plus signs.",
        ) from error
    return key
