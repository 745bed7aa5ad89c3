"""The stages of an approach and their signals, as `stages.toml` lists them."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Annotated, Literal

import msgspec

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z]+(-[a-z]+)*\Z", max_length=40)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]


class Signal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of behaviour that can be seen in a message."""

    id: Name
    looks_for: Text
    """What a translator collects phrases for."""
    harmless_twin: Text | None = msgspec.field(default=None, name="not")


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stage of the literature, with its signals.

    `by` says whose messages show it. What *lowers* the risk is only ever the device's own user's: nothing that the
    counterpart writes can make the guard quieter.
    """

    id: Name
    name: Text
    reason: Text
    """What the user reads."""
    signal: tuple[Signal, ...]
    by: Literal["other", "own"] = "other"
    lowers: bool = False


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stage: tuple[Stage, ...]


@lru_cache
def stages() -> tuple[Stage, ...]:
    """Return all stages, in the order of the literature."""
    data = resources.files("tutela.signals.conversation").joinpath("stages.toml").read_bytes()
    return msgspec.toml.decode(data, type=_File).stage


@lru_cache
def stage_ids() -> frozenset[str]:
    """Return the ids of all stages."""
    return frozenset(stage.id for stage in stages())


@lru_cache
def stage_of() -> dict[str, Stage]:
    """Return the stage of each signal, by the signal's id."""
    return {signal.id: stage for stage in stages() for signal in stage.signal}
