"""Fitting the guard's weights: logistic regression with fixed signs, drawn towards weights from the literature.

Maximum a posteriori with a Gaussian prior, bounded L-BFGS (Byrd, Lu, Nocedal and Zhu 1995): a weight that the
examples say nothing about stays where the prior puts it, and no weight changes its sign. The prior keeps a corpus
from teaching the model what is peculiar to its sources, which is the trap of PAN-2012 (Vogt et al. 2021). Calibration
by Platt scaling (1999) on chats that did not fit the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tutela.research.errors import TooFew
from tutela.research.measures import Bools, Floats
from tutela.research.replay import Features, Replay
from tutela.signals.conversation.features import lowering, names
from tutela.signals.conversation.model import FORMAT, Calibration, Model, Thresholds
from tutela.signals.conversation.stages import stage_of

_LARGEST: Final = 8.0
#: A threshold stands a little above the last harmless chat that must stay below it.
_ABOVE: Final = 0.05


class Prior(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weights from the literature and from what the words mean: `prior.toml`."""

    bias: float
    strength: float
    """How strongly weights are drawn to the prior, in squared log-odds per chat."""
    stage: dict[str, float]
    signal: dict[str, float]
    sounds: dict[str, float]
    """What a stage weighs that messages sound like, where it is not what its signals weigh."""
    pair: dict[str, float]
    pairs: float
    """For pairs that are not named."""
    breadth: float
    structure: dict[str, float]

    def weights(self) -> Floats:
        """Return the weight of every feature, in the order of `features.names`."""
        found = []
        for name in names():
            kind, _, of = name.partition(":")
            if kind == "sounds":
                found.append(self.sounds.get(of, self.stage[of]))
            elif kind == "signal":
                found.append(self.signal.get(of, self.stage[stage_of()[of].id]))
            elif kind == "pair":
                found.append(self.pair.get(of, self.pairs))
            else:
                found.append(self.breadth if kind == "breadth" else self.structure[name])
        return np.array(found)


def prior() -> Prior:
    """Return the prior that ships."""
    data = resources.files("tutela.research").joinpath("prior.toml").read_bytes()
    return msgspec.toml.decode(data, type=Prior)


def matrix(rows: Sequence[Features]) -> NDArray[np.float64]:
    """Return features as an array (rows, names)."""
    place = {name: i for i, name in enumerate(names())}
    found = np.zeros((len(rows), len(place)))
    for i, row in enumerate(rows):
        for name, value in row.items():
            found[i, place[name]] = value
    return found


def examples(replays: Sequence[Replay]) -> tuple[list[Features], list[bool], list[float]]:
    """Return features, labels and weights: each chat at its end, and each approach also just before its request.

    A harmless chat counts once for each person in it, with shares of its weight.
    """
    rows: list[Features] = []
    labels: list[bool] = []
    weights: list[float] = []
    for one in replays:
        for walk in one.walks:
            places = [None] if not one.chat.approach or walk.request is None else [None, walk.request]
            for before in places:
                steps = [step for step in walk.steps if before is None or step.place < before]
                rows.append(steps[-1].features if steps else {})
                labels.append(one.chat.approach)
                weights.append(1.0 / len(places) / len(one.walks))
    return rows, labels, weights


def _evened(truth: Bools, weights: Sequence[float]) -> Floats:
    """Return weights under which approaches and harmless chats weigh alike; both must be there."""
    share = np.array(weights)
    for kind in (truth, ~truth):
        share[kind] *= len(truth) / 2 / share[kind].sum()
    return share


def fit(replays: Sequence[Replay], believed: Prior, *, trained_on: str) -> Model:
    """Fit weights and calibration. Thresholds are set by `thresholds`. Raises `TooFew`."""
    from scipy.optimize import minimize

    rows, labels, given = examples(replays)
    truth = np.array(labels)
    if min(int(truth.sum()), int((~truth).sum())) < 20:
        raise TooFew("Training needs at least 20 approaches and 20 harmless conversations.")
    x, y, share = matrix(rows), truth.astype(float), _evened(truth, given)
    centre = np.append(believed.weights(), believed.bias)
    down = np.array([name in lowering() for name in names()])

    def loss(w: Floats) -> tuple[float, Floats]:
        z = x @ w[:-1] + w[-1]
        p = 1 / (1 + np.exp(-np.clip(z, -500, 500)))
        pull = w - centre
        pull[-1] *= 0.01
        value = float(
            np.sum(share * (np.logaddexp(0, z) - y * z)) + believed.strength * np.sum(pull * (w - centre)) / 2
        )
        slope = np.append(x.T @ (share * (p - y)), np.sum(share * (p - y)))
        return value, slope + believed.strength * pull

    bounds = [(-_LARGEST, 0.0) if lower else (0.0, _LARGEST) for lower in down]
    found = minimize(
        loss, centre, jac=True, method="L-BFGS-B", bounds=[*bounds, (-20.0, 0.0)], options={"maxiter": 500}
    )
    w = found.x
    weights = {name: round(float(v), 3) for name, v in zip(names(), w, strict=False) if abs(v) >= 0.005}
    return Model(FORMAT, trained_on, round(float(w[-1]), 3), weights, Calibration(1.0, 0.0), Thresholds(0.0, 2.0, 5.0))


def calibrated(model: Model, replays: Sequence[Replay]) -> Model:
    """Return the model with its calibration fitted on `replays`. Both kinds weigh alike. Raises `TooFew`."""
    from scipy.optimize import minimize

    rows, labels, given = examples(replays)
    truth = np.array(labels)
    if truth.all() or not truth.any():
        raise TooFew("Calibration needs approaches and harmless conversations.")
    scores = np.array([model.score(row) for row in rows])
    share = _evened(truth, given)

    def loss(line: Floats) -> float:
        z = np.exp(line[0]) * scores + line[1]
        return float(np.sum(share * (np.logaddexp(0, z) - truth * z)))

    slope, offset = minimize(loss, np.zeros(2), method="Nelder-Mead").x
    line = Calibration(round(float(np.clip(np.exp(slope), 0.01, 10)), 4), round(float(offset), 4))
    return msgspec.structs.replace(model, calibration=line)


def thresholds(model: Model, replays: Sequence[Replay], *, per_thousand: float) -> Model:
    """Set the thresholds: a nudge where at most so many harmless chats per thousand get one, a warning well above.

    Latency-aware: of all thresholds within that bound the lowest is taken, which is the earliest.
    """
    harmless = np.array(sorted((one.worst(model) for one in replays if not one.chat.approach), reverse=True))
    if not len(harmless):
        raise TooFew("Thresholds need harmless conversations.")
    allowed = int(len(harmless) * per_thousand / 1000)
    nudge = float(harmless[min(allowed, len(harmless) - 1)]) + _ABOVE
    return with_levels(model, nudge=nudge)


def with_levels(model: Model, *, nudge: float) -> Model:
    """Return the model with a tip well below and a warning well above the sum of terms from which it nudges."""
    return msgspec.structs.replace(
        model, thresholds=Thresholds(round(nudge - 2.0, 3), round(nudge, 3), round(nudge + 3.0, 3))
    )


def train(replays: Sequence[Replay], *, per_thousand: float, trained_on: str, quiet: Sequence[Replay] = ()) -> Model:
    """Fit on two thirds of the chats, calibrate on the rest, and set thresholds there and on `quiet`. Raises `TooFew`.

    A group of chats stays together, so that the rest tells something new. `quiet` are harmless chats; a threshold that
    lets one in a thousand through needs thousands of them.
    """
    groups = sorted({one.chat.group or one.chat.id for one in replays})
    kept = {group for i, group in enumerate(groups) if i % 3 == 2}
    first = [one for one in replays if (one.chat.group or one.chat.id) not in kept]
    rest = [one for one in replays if (one.chat.group or one.chat.id) in kept]
    fitted = calibrated(fit(first, prior(), trained_on=trained_on), rest)
    return thresholds(fitted, [*rest, *quiet], per_thousand=per_thousand)
