"""Cover checks: checks of nothing, at random times, so that a check alone does not say that a picture was chosen.

They come as a Poisson process whose rate the policy publishes, so their times say nothing about what the user does.
What is checked is a random picture, so that the same work comes before the request as before any other.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Final

from PIL import Image

DAY_SECONDS: Final = 86_400.0
_BLOTCHES: Final = 16
_SIDE: Final = 64

RandomBytes = Callable[[int], bytes]


def next_delay(per_day: int, random: RandomBytes) -> float | None:
    """Return the seconds until the next cover check, exponentially distributed; `None` if the policy asks for none."""
    if per_day == 0:
        return None
    uniform = (int.from_bytes(random(8), "big") + 1) / (1 << 64)
    return -math.log(uniform) * DAY_SECONDS / per_day


def stand_in(random: RandomBytes) -> bytes:
    """Return a picture of random blotches (JPEG, 64 x 64), as quick to make and to decode as any."""
    size = (_BLOTCHES, _BLOTCHES)
    blotches = Image.frombytes("RGB", size, random(3 * _BLOTCHES * _BLOTCHES))
    file = io.BytesIO()
    blotches.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()
