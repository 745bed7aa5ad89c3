"""The risk of a conversation: a monotone additive model over what its messages showed.

Log-odds are a sum of one term per signal, per pair of stages and per breadth of stages, with fixed signs: what the
other person shows only raises it. Additive models with declared pair interactions stay readable (Lou, Caruana,
Gehrke and Hooker, KDD 2013); each term can be shown to the user as a reason. The sum is mapped to a probability by a
monotone, piecewise linear calibration (isotonic regression; Zadrozny and Elkan, KDD 2002).
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property, lru_cache
from importlib import resources
from typing import Annotated, Final

import msgspec

from tutela.signals.conversation.errors import BadModel
from tutela.signals.conversation.features import lowering, names
from tutela.signals.conversation.stages import stage_of

Share = Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)]
_FORMAT: Final = "tutela conversation model v1"


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The probabilities from which the guard speaks."""

    tip: Share
    nudge: Share
    warning: Share


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """Weights, calibration and thresholds, with what they were trained on in words."""

    format: str
    trained_on: str
    bias: float
    weights: dict[str, float]
    """By feature; a feature that is missing weighs nothing."""
    calibration: tuple[tuple[float, float], ...]
    """Points (log-odds, probability), both rising; straight lines between, flat outside."""
    thresholds: Thresholds

    @cached_property
    def _knots(self) -> list[float]:
        return [point[0] for point in self.calibration]

    def score(self, features: Mapping[str, float]) -> float:
        """Return the sum of all terms."""
        weights = self.weights
        return self.bias + sum(weights.get(name, 0.0) * value for name, value in features.items())

    def probability(self, features: Mapping[str, float]) -> float:
        """Return the calibrated probability that the conversation is an approach, for the mixture trained on."""
        return self.calibrated(self.score(features))

    def calibrated(self, score: float) -> float:
        """Map a sum of terms to a probability."""
        place = bisect_right(self._knots, score)
        if place == 0:
            return self.calibration[0][1]
        if place == len(self.calibration):
            return self.calibration[-1][1]
        (x0, y0), (x1, y1) = self.calibration[place - 1], self.calibration[place]
        return y0 + (y1 - y0) * (score - x0) / (x1 - x0)

    def parts(self, features: Mapping[str, float]) -> dict[str, float]:
        """Return what each stage adds to the sum; a pair's term goes half to each, the breadth to all alike."""
        found: dict[str, float] = {}
        shared = 0.0
        for name, value in features.items():
            term = self.weights.get(name, 0.0) * value
            kind, _, of = name.partition(":")
            if kind == "signal":
                stage = stage_of()[of].id
                found[stage] = found.get(stage, 0.0) + term
            elif kind == "pair":
                for stage in of.split("+"):
                    found[stage] = found.get(stage, 0.0) + term / 2
            else:
                shared += term
        return {stage: part + shared / len(found) for stage, part in found.items()}


def parse_model(data: bytes) -> Model:
    """Read and check a model file. Raises `BadModel`."""
    try:
        model = msgspec.json.decode(data, type=Model)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadModel(f"This is not a model file: {error}.") from error
    if model.format != _FORMAT:
        raise BadModel(f"This model file has the format “{model.format}”; “{_FORMAT}” is read.")
    for name, weight in model.weights.items():
        if name not in names():
            raise BadModel(f"The model weighs “{name}”, which does not exist.", hint="Train it again.")
        if not math.isfinite(weight) or (weight > 0 if name in lowering() else weight < 0):
            raise BadModel(f"The weight of “{name}” has the wrong sign: what others write never lowers the risk.")
    points = model.calibration
    rising = all(a[0] < b[0] and a[1] <= b[1] for a, b in itertools.pairwise(points))
    if len(points) < 2 or not rising or not all(0.0 <= y <= 1.0 and math.isfinite(x) for x, y in points):
        raise BadModel("The calibration of the model does not rise.")
    if not model.thresholds.tip <= model.thresholds.nudge <= model.thresholds.warning:
        raise BadModel("The thresholds of the model are not in order.")
    return model


def encode_model(model: Model) -> bytes:
    """Return a model as a JSON file for people to read."""
    return msgspec.json.format(msgspec.json.encode(model), indent=1) + b"\n"


@lru_cache
def shipped_model() -> Model:
    """Return the model that ships."""
    return parse_model(resources.files("tutela.signals.conversation").joinpath("model.json").read_bytes())
