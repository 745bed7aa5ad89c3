from __future__ import annotations

import random

import pytest

from tutela.device.cover import DAY_SECONDS, next_delay


def test_none_if_the_policy_asks_for_none():
    assert next_delay(0, random.Random(0).randbytes) is None


@pytest.mark.parametrize("per_day", [1, 6, 100])
def test_the_mean_is_what_the_policy_says_and_waits_have_no_memory(per_day: int):
    rng = random.Random(1)
    delays = [next_delay(per_day, rng.randbytes) or 0 for _ in range(20_000)]
    mean = DAY_SECONDS / per_day
    assert abs(sum(delays) / len(delays) / mean - 1) < 0.03
    # Exponential: the share that outlasts the mean is 1/e, also among those that outlasted half of it already.
    longer = [d for d in delays if d > mean / 2]
    assert abs(sum(d > mean for d in delays) / len(delays) - 0.3679) < 0.015
    assert abs(sum(d > mean * 1.5 for d in longer) / len(longer) - 0.3679) < 0.015


@pytest.mark.parametrize("byte", [0, 255])
def test_extreme_randomness_gives_a_finite_wait(byte: int):
    delay = next_delay(6, lambda n: bytes([byte]) * n)
    assert delay is not None
    assert 0 <= delay < DAY_SECONDS * 10
