"""From what is kept of a conversation to the numbers that the model weighs, each between 0 and 1 or a little above.

Each rises with what the other person shows and never falls with it. What lowers the risk is the own user's alone: words
for somebody they know, and that they behave alike (`mutual`), as friends do. So the model, whose weights have fixed
signs, is monotone: nothing that the other person adds makes them look safer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations
from typing import Final

from tutela.signals.conversation.memory import Memory, Writer
from tutela.signals.conversation.stages import Stage, stage_of, stages

_ADULT: Final = 18
_STRUCTURE: Final = (
    "loudest", "highest-run", "highest-recent",
    "writes-to-known", "writes-to-stranger", "lately-writes-to-known", "lately-writes-to-stranger",
    "asks-more", "at-night", "older", "mutual",
)  # fmt: skip
#: What brings sums of log-odds to about 1.
_LOUD: Final = 20.0
_RUN: Final = 2.0
#: Breadth counts from so many stages on.
HINGES: Final = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0)


@lru_cache
def risen() -> tuple[Stage, ...]:
    """Return the stages that the other person shows."""
    return tuple(stage for stage in stages() if stage.by == "other")


@lru_cache
def names() -> tuple[str, ...]:
    """Return the names of all features, in order."""
    signals = [f"signal:{signal}" for signal in stage_of()]
    pairs = [f"pair:{a.id}+{b.id}" for a, b in combinations(risen(), 2)]
    sounds = [f"sounds:{stage.id}" for stage in risen()]
    breadth = [f"breadth:{hinge}" for hinge in HINGES]
    return (*signals, *sounds, *pairs, *breadth, *_STRUCTURE)


def lowering() -> frozenset[str]:
    """Return the features that lower the risk: the own user's alone."""
    calm = [f"signal:{signal}" for signal, stage in stage_of().items() if stage.lowers]
    return frozenset(("mutual", "writes-to-known", "lately-writes-to-known", *calm))


def saturated(amount: float) -> float:
    """Map a count to 0…1: once is a half, often is all."""
    return 1.0 - math.exp2(-amount)


def stage_values(writer: Writer) -> dict[str, float]:
    """Return how far each stage shows, 0…1: a half for one signal, more for several and for what it sounds like."""
    missing: dict[str, float] = {}
    for signal, tally in writer.signals.items():
        stage = stage_of()[signal].id
        missing[stage] = missing.get(stage, 1.0) * 0.5**tally.amount
    for stage, tally in writer.sounds.items():
        missing[stage] = missing.get(stage, 1.0) * 0.5**tally.amount
    return {stage: 1.0 - value for stage, value in missing.items()}


def features(memory: Memory, *, own_age: int | None = None) -> dict[str, float]:
    """Return the features that are not zero. `own_age` is the user's, where the device knows it."""
    found: dict[str, float] = {}
    for signal, stage in stage_of().items():
        tally = (memory.own if stage.by == "own" else memory.other).signals.get(signal)
        if tally is not None:
            found[f"signal:{signal}"] = saturated(tally.amount)
    if memory.own.age is not None and memory.own.age < _ADULT:
        found["signal:minor"] = max(0.5, found.get("signal:minor", 0.0))
    for stage in risen():
        heard = memory.other.sounds.get(stage.id)
        if heard is not None:
            found[f"sounds:{stage.id}"] = saturated(heard.amount)
    shown = stage_values(memory.other)
    present = [stage.id for stage in risen() if stage.id in shown]
    for a, b in combinations(present, 2):
        found[f"pair:{a}+{b}"] = shown[a] * shown[b]
    breadth = sum(shown.values())
    for hinge in HINGES:
        if breadth > hinge:
            found[f"breadth:{hinge}"] = breadth - hinge
    found.update(_structure(memory, own_age))
    return found


def _structure(memory: Memory, own_age: int | None) -> Mapping[str, float]:
    found: dict[str, float] = {}
    more = memory.other.questions - memory.own.questions - 1.0
    if more > 0:
        found["asks-more"] = 1.0 - 0.8**more
    if memory.other.night > 1:
        found["at-night"] = 1.0 - 0.8 ** (memory.other.night - 1)
    heard = memory.other.hearing
    if heard.loudest:
        found["loudest"] = sum(heard.loudest) / _LOUD
        found["highest-run"] = math.log1p(heard.highest_run) / _RUN
        found["highest-recent"] = heard.highest_recent
    for name, known in (("", memory.own.hearing.known.value), ("lately-", memory.own.hearing.recently_known.value)):
        if known:
            found[f"{name}writes-to-{'known' if known > 0 else 'stranger'}"] = abs(known)
    alike = stage_values(memory.own)
    mutual = sum(alike.get(stage.id, 0.0) for stage in risen())
    if mutual:
        found["mutual"] = saturated(mutual)
    own, other = own_age if own_age is not None else memory.own.age, memory.other.age
    if own is not None and other is not None and own < _ADULT and other - own >= 3:
        found["older"] = min(1.0, (other - own) / 6)
    return found
