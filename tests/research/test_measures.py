"""Measures, against published values and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, mannwhitneyu

from tutela.research import measures

SCORES = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=60)


@given(SCORES)
def test_auc_is_the_statistic_of_mann_and_whitney(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([float(score) for score, _ in rows])
    truth = np.array([positive for _, positive in rows])
    if truth.all() or not truth.any():
        assert math.isnan(measures.auc(scores, truth))
        return
    u = mannwhitneyu(scores[truth], scores[~truth]).statistic
    assert measures.auc(scores, truth) == pytest.approx(u / (truth.sum() * (~truth).sum()))


@given(SCORES)
def test_the_best_f_is_the_best_of_all_thresholds(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([float(score) for score, _ in rows])
    truth = np.array([positive for _, positive in rows])
    best, threshold = measures.best_f(scores, truth)
    every = [measures.counts(scores >= t, truth).f(0.5) for t in set(scores.tolist())]
    assert best == pytest.approx(max(every))
    assert measures.counts(scores >= threshold, truth).f(0.5) == pytest.approx(best)


def test_f_beta_of_a_known_table() -> None:
    counts = measures.Counts(true_positives=8, false_positives=2, false_negatives=8, true_negatives=82)
    assert counts.precision == pytest.approx(0.8)
    assert counts.recall == pytest.approx(0.5)
    assert counts.f() == pytest.approx(0.6153846)
    assert counts.f(0.5) == pytest.approx(0.7142857)


@pytest.mark.parametrize(
    ("message", "penalty"), [(1, 0.0), (30, 0.177), (50, 0.294), (90, 0.5), (150, 0.726), (300, 0.951)]
)
def test_the_penalty_of_vogt_and_others(message: int, penalty: float) -> None:
    assert measures.penalty(message) == pytest.approx(penalty, abs=1e-3)


def test_latency_f1_of_warnings_at_the_first_message_is_f1() -> None:
    assert measures.latency_f1(0.8, [1, 1, 1]) == (1.0, 0.8)
    assert measures.latency_f1(0.8, []) == (0.0, 0.0)
    assert measures.latency_f1(1.0, [90, 90]) == pytest.approx((0.5, 0.5))


def test_erde_of_a_known_table() -> None:
    truth = np.array([True, True, False, False])
    at_once_and_missed = measures.erde([1, None, None, 3], truth, 5)
    assert at_once_and_missed == pytest.approx(((1 - 1 / (1 + math.exp(-4))) + 1 + 0 + 0.5) / 4)
    assert measures.erde([10_000, None, None, None], truth, 5) == pytest.approx(0.5)


def test_recall_at_a_rate_of_false_alarms() -> None:
    scores = np.array([*range(1000), 998.5, 500.0])
    truth = np.array([False] * 1000 + [True, True])
    assert measures.recall_at(scores, truth, 1.0) == 0.5
    assert measures.recall_at(scores, truth, 1000.0) == 1.0


def test_the_bound_is_exact_for_conversations_that_are_independent() -> None:
    assert measures.upper_bound([0] * 100, [100] * 100) == pytest.approx(beta.ppf(0.95, 1, 10_000))
    assert measures.upper_bound([0], [10_000]) == pytest.approx(1 - 0.05 ** (1 / 10_000), rel=1e-3)


def test_the_bound_is_wider_where_alarms_cluster() -> None:
    spread = measures.upper_bound([1] * 10, [1000] * 10)
    crowded = measures.upper_bound([10] + [0] * 9, [1000] * 10)
    assert crowded > spread


def test_groups_are_drawn_whole() -> None:
    values = np.array([0.0] * 50 + [1.0] * 50)
    groups = ["a"] * 50 + ["b"] * 50
    low, high = measures.interval(lambda rows: float(values[rows].mean()), groups)
    assert (low, high) == (0.0, 1.0)


def test_calibration_has_every_chat_once() -> None:
    bins = measures.calibration(np.linspace(0, 1, 95), np.arange(95) % 2 == 0)
    assert sum(number for _, _, number in bins) == 95
    assert [predicted for predicted, _, _ in bins] == sorted(predicted for predicted, _, _ in bins)
