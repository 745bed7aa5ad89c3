"""Measures of early detection, each with its source.

Latency: Sadeque, Xu and Bethard (WSDM 2018), as Vogt, Leser and Akbik (ACL 2021) use it, in messages. ERDE: Losada
and Crestani (CLEF 2016). Intervals: the bootstrap over groups, since chats of one author are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: The penalty is a half at this message: the median length of the full chats in Vogt et al.
HALF_PENALTY_AT: Final = 90


@dataclass(frozen=True)
class Counts:
    """What was found and missed."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def precision(self) -> float:
        """Of those found, the share that is right; 0 where none was found."""
        found = self.true_positives + self.false_positives
        return self.true_positives / found if found else 0.0

    @property
    def recall(self) -> float:
        """Of those that are there, the share found."""
        there = self.true_positives + self.false_negatives
        return self.true_positives / there if there else 0.0

    def f(self, beta: float = 1.0) -> float:
        """Return F-beta; below 1 it prizes precision."""
        weight = beta * beta
        below = weight * self.precision + self.recall
        return (1 + weight) * self.precision * self.recall / below if below else 0.0


def counts(found: Bools, truth: Bools) -> Counts:
    """Count a decision (n,) against the truth (n,)."""
    return Counts(
        int(np.sum(found & truth)),
        int(np.sum(found & ~truth)),
        int(np.sum(~found & truth)),
        int(np.sum(~found & ~truth)),
    )


def auc(scores: Floats, truth: Bools) -> float:
    """Return the area under the ROC curve: the share of pairs in the right order, ties a half (Mann and Whitney)."""
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return math.nan
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    _, first, times = np.unique(ranked, return_index=True, return_counts=True)
    ranks = np.empty(len(scores))
    ranks[order] = np.repeat(first + (times + 1) / 2, times)
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def best_f(scores: Floats, truth: Bools, beta: float = 0.5) -> tuple[float, float]:
    """Return the highest F-beta over all thresholds, and that threshold: optimistic, chosen on the same data."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    found = np.arange(1, len(scores) + 1)
    last = np.append(scores[order][1:] != scores[order][:-1], True)
    weight = beta * beta
    f = (1 + weight) * hits / np.maximum(weight * truth.sum() + found, 1)
    f = np.where(last, f, 0.0)
    place = int(np.argmax(f))
    return float(f[place]), float(scores[order][place])


def penalty(message: int, half_at: int = HALF_PENALTY_AT) -> float:
    """Return the penalty for a warning at a message (from 1): 0 at the first, a half at `half_at`, towards 1."""
    p = math.log(3) / (half_at - 1)
    return -1 + 2 / (1 + math.exp(-p * (message - 1)))


def latency_f1(f1: float, warned_at: Sequence[int], half_at: int = HALF_PENALTY_AT) -> tuple[float, float]:
    """Return speed and latency-weighted F1. `warned_at` are the messages of the warnings that were right."""
    if not warned_at:
        return 0.0, 0.0
    speed = 1 - float(np.median([penalty(at, half_at) for at in warned_at]))
    return speed, f1 * speed


def erde(warned_at: Sequence[int | None], truth: Bools, after: int) -> float:
    """Return ERDE: the mean cost, where a false warning costs the share of positives and a late one up to 1."""
    share = float(truth.mean())
    costs = []
    for at, positive in zip(warned_at, truth, strict=True):
        if at is None:
            costs.append(1.0 if positive else 0.0)
        elif positive:
            costs.append(1 - 1 / (1 + math.exp(min(700.0, at - after))))
        else:
            costs.append(share)
    return float(np.mean(costs))


def recall_at(scores: Floats, truth: Bools, per_thousand: float) -> float:
    """Return the recall at the threshold that lets at most so many per thousand harmless chats through."""
    harmless = np.sort(scores[~truth])[::-1]
    allowed = math.floor(len(harmless) * per_thousand / 1000)
    threshold = harmless[allowed] if allowed < len(harmless) else -math.inf
    return float(np.mean(scores[truth] > threshold))


def interval(
    statistic: Callable[[NDArray[np.int64]], float], groups: Sequence[str], *, seed: int = 14, times: int = 400
) -> tuple[float, float]:
    """Return the 95 % percentile interval of `statistic` (of row numbers) when whole groups are drawn anew."""
    rng = np.random.default_rng(seed)
    names, of = np.unique(np.asarray(groups), return_inverse=True)
    rows = np.argsort(of, kind="stable")
    starts = np.searchsorted(of[rows], np.arange(len(names) + 1))
    members = [rows[starts[i] : starts[i + 1]] for i in range(len(names))]
    values = []
    for _ in range(times):
        drawn = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        value = statistic(drawn)
        if not math.isnan(value):
            values.append(value)
    return (float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))) if values else (math.nan, math.nan)


def upper_bound(alarms: Sequence[int], sizes: Sequence[int]) -> float:
    """Return the upper 95 % bound of a rate from clusters: `alarms[i]` of `sizes[i]` in cluster i.

    Exact (Clopper and Pearson) for the effective number of independent conversations: their number over the design
    effect 1 + (m − 1)·ρ (Kish), with ρ the intra-cluster correlation estimated by analysis of variance, at least 0.
    """
    from scipy.stats import beta

    k, n = np.asarray(alarms, float), np.asarray(sizes, float)
    total, rate = float(n.sum()), float(k.sum() / n.sum())
    effective = total / design_effect(k, n)
    hits = rate * effective
    return float(beta.ppf(0.95, hits + 1, max(effective - hits, 1e-9)))


def design_effect(alarms: Floats, sizes: Floats) -> float:
    """Return by how much clustering shrinks a sample: 1 where clusters do not differ more than chance."""
    clusters, total = len(sizes), float(sizes.sum())
    rate = float(alarms.sum()) / total
    if clusters < 2 or rate in (0.0, 1.0) or total <= clusters:
        return 1.0
    means = alarms / sizes
    between = float((sizes * (means - rate) ** 2).sum()) / (clusters - 1)
    within = float((sizes * means * (1 - means)).sum()) / (total - clusters)
    size = (total - float((sizes**2).sum()) / total) / (clusters - 1)
    below = between + (size - 1) * within
    rho = max(0.0, (between - within) / below) if below else 0.0
    return 1 + (float((sizes**2).sum()) / total - 1) * rho


def calibration(probabilities: Floats, truth: Bools, bins: int = 10) -> list[tuple[float, float, int]]:
    """Return (mean probability, share of positives, number) in bins of equal size."""
    parts = np.array_split(np.argsort(probabilities, kind="stable"), bins)
    return [(float(probabilities[p].mean()), float(truth[p].mean()), len(p)) for p in parts if len(p)]
