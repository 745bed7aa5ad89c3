"""Why a picture cannot be read. None of these says anything about what the picture shows."""

from __future__ import annotations

from typing import ClassVar

from tutela.errors import TutelaError


class PictureError(TutelaError):
    """A picture that cannot be read, or not safely."""

    code: ClassVar[str] = "picture"


class UnknownFormat(PictureError):
    """The bytes are not a picture of a supported format."""

    code: ClassVar[str] = "unknown-format"


class TruncatedPicture(PictureError):
    """The file ends before its picture does."""

    code: ClassVar[str] = "truncated-picture"


class OversizedPicture(PictureError):
    """More bytes, pixels, scans or parts than the limits allow, or more than fits into memory."""

    code: ClassVar[str] = "oversized-picture"


class CorruptPicture(PictureError):
    """The file contradicts its own format, or its pixels cannot be decoded."""

    code: ClassVar[str] = "corrupt-picture"


class FeaturelessPicture(PictureError):
    """The picture has too little in it to be told apart from others. Hashing never raises it; `Pdq.demand` does."""

    code: ClassVar[str] = "featureless-picture"
