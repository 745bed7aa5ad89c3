"""Cover checks: checks of nothing, at random times, so that a check alone does not say that a picture was chosen.

They come as a Poisson process whose rate the policy publishes, so their times say nothing about what the user does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

DAY_SECONDS: Final = 86_400.0

RandomBytes = Callable[[int], bytes]


def next_delay(per_day: int, random: RandomBytes) -> float | None:
    """Return the seconds until the next cover check, exponentially distributed; `None` if the policy asks for none."""
    if per_day == 0:
        return None
    uniform = (int.from_bytes(random(8), "big") + 1) / (1 << 64)
    return -math.log(uniform) * DAY_SECONDS / per_day
