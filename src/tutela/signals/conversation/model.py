"""The risk of a conversation: a monotone additive model over what its messages showed.

Log-odds are a sum of one term per signal, per pair of stages and per breadth of stages, with fixed signs: what the
other person shows only raises it. Additive models with declared pair interactions stay readable (Lou, Caruana,
Gehrke and Hooker, KDD 2013); each term can be shown to the user as a reason. The sum is calibrated by a straight line
in log-odds (Platt 1999), fitted on conversations that did not fit the weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Annotated, Final

import msgspec

from tutela.signals.conversation.errors import BadModel
from tutela.signals.conversation.features import lowering, names
from tutela.signals.conversation.stages import stage_of

Slope = Annotated[float, msgspec.Meta(gt=0.0, le=10.0)]
FORMAT: Final = "tutela conversation model v1"


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sums of terms from which the guard speaks."""

    tip: float
    nudge: float
    warning: float


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Calibrated log-odds are `slope` times the sum of terms, plus `offset`."""

    slope: Slope
    offset: float


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weights, calibration and thresholds, with what they were trained on in words."""

    format: str
    trained_on: str
    bias: float
    weights: dict[str, float]
    """By feature; a feature that is missing weighs nothing."""
    calibration: Calibration
    thresholds: Thresholds
    pooled: Thresholds | None = None
    """For research: texts of which nobody knows who wrote what, so that nothing lowers the risk."""

    def without_speakers(self) -> Model:
        """Return the model as it decides where nobody knows who spoke."""
        return self if self.pooled is None else msgspec.structs.replace(self, thresholds=self.pooled)

    def score(self, features: Mapping[str, float]) -> float:
        """Return the sum of all terms."""
        weights = self.weights
        return self.bias + sum(weights.get(name, 0.0) * value for name, value in features.items())

    def probability(self, features: Mapping[str, float]) -> float:
        """Return the calibrated probability that the conversation is an approach, for the mixture trained on."""
        return self.calibrated(self.score(features))

    def calibrated(self, score: float) -> float:
        """Map a sum of terms to a probability."""
        odds = self.calibration.slope * score + self.calibration.offset
        return 1.0 / (1.0 + math.exp(-min(max(odds, -500.0), 500.0)))

    def parts(self, features: Mapping[str, float]) -> dict[str, float]:
        """Return what each stage adds to the sum; a pair's term goes half to each, the breadth to all alike."""
        found: dict[str, float] = {}
        shared = 0.0
        for name, value in features.items():
            term = self.weights.get(name, 0.0) * value
            kind, _, of = name.partition(":")
            if kind in ("signal", "sounds"):
                stage = stage_of()[of].id if kind == "signal" else of
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
    if model.format != FORMAT:
        raise BadModel(f"This model file has the format “{model.format}”; “{FORMAT}” is read.")
    for name, weight in model.weights.items():
        if name not in names():
            raise BadModel(f"The model weighs “{name}”, which does not exist.", hint="Train it again.")
        if not math.isfinite(weight) or (weight > 0 if name in lowering() else weight < 0):
            raise BadModel(f"The weight of “{name}” has the wrong sign: what others write never lowers the risk.")
    every = [model.thresholds] if model.pooled is None else [model.thresholds, model.pooled]
    numbers = (model.bias, model.calibration.offset, *(one for each in every for one in msgspec.structs.astuple(each)))
    if not all(map(math.isfinite, numbers)):
        raise BadModel("A number of the model is not finite.")
    if not all(each.tip <= each.nudge <= each.warning for each in every):
        raise BadModel("The thresholds of the model are not in order.")
    return model


def encode_model(model: Model) -> bytes:
    """Return a model as a JSON file for people to read."""
    return msgspec.json.format(msgspec.json.encode(model), indent=1) + b"\n"


@lru_cache
def shipped_model() -> Model:
    """Return the model that ships."""
    return parse_model(resources.files("tutela.signals.conversation").joinpath("model.json").read_bytes())
