"""What can be wrong with a message."""

from __future__ import annotations

from typing import ClassVar

from tutela.errors import TutelaError


class WireError(TutelaError):
    """A message that cannot be accepted as it stands."""

    code: ClassVar[str] = "wire"


class MalformedMessage(WireError):
    """The bytes are not a message of the expected type and version."""

    code: ClassVar[str] = "malformed"


class OversizedMessage(WireError):
    """The message is larger than its published limit."""

    code: ClassVar[str] = "oversized"


class BadSignature(WireError):
    """A signature that claims a known key does not verify."""

    code: ClassVar[str] = "bad-signature"


class BadOpening(WireError):
    """A message is not the one that its commitment was made for."""

    code: ClassVar[str] = "bad-opening"


class BadStamp(WireError):
    """A homeserver's stamp was not made for this event, or not by this key."""

    code: ClassVar[str] = "bad-stamp"
