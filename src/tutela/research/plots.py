"""Plots for people: how well approaches and harmless chats are told apart, and whether probabilities hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tutela.research.evaluation import Measured
from tutela.research.measures import calibration


def draw(measured: Measured, folder: Path) -> list[Path]:
    """Write `roc.svg`, `calibration.svg` and `scores.svg` into a folder; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = measured.truth
    written = [_scores(measured, folder / "scores.svg")]
    if 0 < truth.sum() < len(truth):
        written += [_roc(measured, folder / "roc.svg"), _calibration(measured, folder / "calibration.svg")]
    return written


def _roc(measured: Measured, path: Path) -> Path:
    order = np.argsort(-measured.scores, kind="stable")
    truth = measured.truth[order]
    hits = np.cumsum(truth) / truth.sum()
    alarms = np.cumsum(~truth) / (~truth).sum()
    figure = Figure(figsize=(5, 4))
    axes = figure.subplots()
    axes.plot(np.maximum(alarms, 1e-4), hits)
    axes.set(xscale="log", xlabel="false alarms, share of harmless chats", ylabel="approaches found", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    return _saved(figure, path)


def _calibration(measured: Measured, path: Path) -> Path:
    bins = calibration(measured.probabilities, measured.truth)
    figure = Figure(figsize=(5, 4))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot([p for p, _, _ in bins], [o for _, o, _ in bins], marker="o")
    axes.set(xlabel="probability told", ylabel="share of approaches", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    return _saved(figure, path)


def _scores(measured: Measured, path: Path) -> Path:
    figure = Figure(figsize=(6, 3.5))
    axes = figure.subplots()
    edges = np.histogram_bin_edges(measured.scores, bins=40)
    for truth, label in ((False, "harmless"), (True, "approach")):
        axes.hist(measured.scores[measured.truth == truth], bins=edges.tolist(), alpha=0.6, label=label)
    axes.set(xlabel="sum of terms (log-odds)", ylabel="chats", yscale="log")
    axes.legend()
    return _saved(figure, path)


def _saved(figure: Figure, path: Path) -> Path:
    figure.tight_layout()
    figure.savefig(path)
    return path
