"""A picture from its bytes to its PDQ hash: the container and its end, decoding under limits, hashing, query views.

Pure: bytes and arrays in, values out. `pdq_of_list_item` is for what goes into lists, `views(luminance(…))` for what
is looked up, `strip_trailing` for what is sent.
"""

from tutela.signals.image.container import Container, Format, read_container, sniff, strip_trailing
from tutela.signals.image.decode import DEFAULT_LIMITS, Limits, Luma, luminance, pdq_of_list_item
from tutela.signals.image.errors import (
    CorruptPicture,
    FeaturelessPicture,
    OversizedPicture,
    PictureError,
    TruncatedPicture,
    UnknownFormat,
)
from tutela.signals.image.pdq import Pdq, pdq_from_pixels
from tutela.signals.image.views import PADS, PLAIN, SHIPPED, WIDE, View, views

__all__ = [
    "DEFAULT_LIMITS",
    "PADS",
    "PLAIN",
    "SHIPPED",
    "WIDE",
    "Container",
    "CorruptPicture",
    "FeaturelessPicture",
    "Format",
    "Limits",
    "Luma",
    "OversizedPicture",
    "Pdq",
    "PictureError",
    "TruncatedPicture",
    "UnknownFormat",
    "View",
    "luminance",
    "pdq_from_pixels",
    "pdq_of_list_item",
    "read_container",
    "sniff",
    "strip_trailing",
    "views",
]
