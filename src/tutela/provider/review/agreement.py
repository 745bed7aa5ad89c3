"""How well two decisions of the same case agree. Pure.

Given is, for each case, what was decided first and what somebody decided who did not know that. Two figures:

- the *share* of equal decisions, with the 95 % interval of Wilson (*Probable Inference, the Law of Succession, and
  Statistical Inference*, JASA 22, 1927), which holds for few cases and for shares near 0 and 1, too;
- Cohen's *kappa* (*A Coefficient of Agreement for Nominal Scales*, Educational and Psychological Measurement 20, 1960):
  how far they agree beyond what chance would give, 1 being always and 0 no more than by chance; with the 95 % interval
  from the standard error of Fleiss, Cohen and Everitt (*Large Sample Standard Errors of Kappa and Weighted Kappa*,
  Psychological Bulletin 72, 1969). It is an approximation for many cases: below some 30 it says little.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

#: The standard normal distribution's quantile for 95 % on both sides.
_Z: Final = 1.959963984540054

Pair: TypeAlias = tuple[Hashable, Hashable]
"""What was decided of one case, first and second."""


@dataclass(frozen=True)
class Interval:
    """An estimate and the interval that holds the truth in 95 of 100 such samples."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """How `n` pairs agree. Without pairs there is no share; where all say the same there is no kappa."""

    n: int
    equal: int
    share: Interval | None
    kappa: Interval | None


def agreement(pairs: Sequence[Pair]) -> Agreement:
    """Return how the decisions of `pairs` agree."""
    equal = sum(first == second for first, second in pairs)
    return Agreement(len(pairs), equal, share(equal, len(pairs)), kappa(pairs))


def share(equal: int, n: int) -> Interval | None:
    """Return `equal` of `n` as a share, with Wilson's interval; `None` of none."""
    if n == 0:
        return None
    p, z2 = equal / n, _Z * _Z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    # At the ends the interval ends there exactly; rounding would have it a little off.
    low, high = (0.0 if equal == 0 else middle - half), (1.0 if equal == n else middle + half)
    return Interval(p, low, high)


def kappa(pairs: Sequence[Pair]) -> Interval | None:
    """Return Cohen's kappa; `None` where nothing, or only one thing, was ever decided: chance explains all of it."""
    n = len(pairs)
    first, second = Counter(pair[0] for pair in pairs), Counter(pair[1] for pair in pairs)
    # Whole numbers until the last: whether chance explains all is not a question of rounding.
    chance = sum(first[name] * second[name] for name in first)
    if n == 0 or chance == n * n:
        return None
    equal = sum(a == b for a, b in pairs)
    observed, expected = equal / n, chance / (n * n)
    value = (equal * n - chance) / (n * n - chance)
    deviation = math.sqrt(max(0.0, _variance(pairs, first, second, observed, expected)))
    return Interval(value, max(-1.0, value - _Z * deviation), min(1.0, value + _Z * deviation))


def by_rule(pairs: Iterable[tuple[str, str]]) -> dict[str, Agreement]:
    """Return, for each rule that somebody decided by, how far both saw that rule broken: yes or no, in every case."""
    found = list(pairs)
    rules = sorted({rule for pair in found for rule in pair})
    return {rule: agreement([(first == rule, second == rule) for first, second in found]) for rule in rules}


def _variance(
    pairs: Sequence[Pair], first: Counter[Hashable], second: Counter[Hashable], observed: float, expected: float
) -> float:
    """Equation 13 of Fleiss, Cohen and Everitt (1969), for unweighted kappa."""
    n = len(pairs)
    cells = Counter(pairs)
    total = 0.0
    for (row, column), count in cells.items():
        p = count / n
        if row == column:
            margins = (first[row] + second[column]) / n
            total += p * ((1 - expected) - margins * (1 - observed)) ** 2
        else:
            # The row's share among the second ones, and the column's among the first.
            total += (1 - observed) ** 2 * p * ((second[row] + first[column]) / n) ** 2
    total -= (observed * expected - 2 * expected + observed) ** 2
    return total / (n * (1 - expected) ** 4)
