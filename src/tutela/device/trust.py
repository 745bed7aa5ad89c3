"""The trust root that a client ships with, read from its file."""

from __future__ import annotations

from pathlib import Path

from tutela.device.errors import DeviceError
from tutela.wire import document, limits
from tutela.wire.errors import WireError
from tutela.wire.manifest import TrustRoot


def load_trust_root(path: Path) -> TrustRoot:
    """Read a trust root, as `tutela list trust-root` writes it.

    Raises:
        DeviceError: it cannot be read, or is none.
    """
    try:
        return document.decode(path.read_bytes(), TrustRoot, limit=limits.MANIFEST_BYTES, canonical=False)
    except OSError as error:
        raise DeviceError(f"the trust root {path} cannot be read: {error.strerror}") from error
    except WireError as error:
        raise DeviceError(f"{path} is no trust root: {error}", hint="Write one with: tutela list trust-root") from error
