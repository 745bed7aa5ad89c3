"""Measuring a model on chats: everything that `tutela conversation evaluate` prints."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tutela.research import measures
from tutela.research.chats import Chat
from tutela.research.errors import TooFew
from tutela.research.measures import Bools, Floats
from tutela.research.replay import Replay, replay
from tutela.signals.conversation.conversation import Reader
from tutela.signals.conversation.decision import Level
from tutela.signals.conversation.languages import shipped_identifier
from tutela.signals.conversation.lexicon import shipped
from tutela.signals.conversation.model import Model, shipped_model
from tutela.signals.conversation.stages import stages
from tutela.signals.conversation.tagger import parse_tagger, shipped_tagger

_CHUNK: Final = 64
#: False alarms per thousand harmless chats at which recall is told.
RATES: Final = (1.0, 10.0, 50.0)


#: What this process reads with: a tagger is large, so each process is given it once and not with every part.
_reading: dict[str, Reader] = {}


def _begin(tagger: bytes | None) -> None:
    """Load the lexicon and identifier that ship, with a tagger's file or the one that ships. Raises `BadModel`.

    The model decides nothing in a replay.
    """
    heard = shipped_tagger() if tagger is None else parse_tagger(tagger)
    _reading["with"] = Reader(shipped(), shipped_identifier(), heard, shipped_model())


def _replayed(chats: list[Chat]) -> list[Replay]:
    return [replay(chat, _reading["with"]) for chat in chats]


def replayed(
    chats: Iterable[Chat],
    *,
    tagger: bytes | None = None,
    jobs: int = 1,
    done: Callable[[int], None] | None = None,
) -> list[Replay]:
    """Read chats, in several processes if asked; texts are dropped, what they showed is kept. Raises `BadModel`."""
    _begin(tagger)
    found: list[Replay] = []
    for part in _parts(_chunks(chats), tagger, jobs):
        found.extend(part)
        if done is not None:
            done(len(part))
    return found


def _parts(chunks: Iterator[list[Chat]], tagger: bytes | None, jobs: int) -> Iterator[list[Replay]]:
    if jobs <= 1:
        yield from map(_replayed, chunks)
        return
    with ProcessPoolExecutor(jobs, initializer=_begin, initargs=(tagger,)) as pool:
        while waiting := list(islice(chunks, 8 * jobs)):
            yield from pool.map(_replayed, waiting)


def _chunks(chats: Iterable[Chat]) -> Iterator[list[Chat]]:
    source = iter(chats)
    while chunk := list(islice(source, _CHUNK)):
        yield chunk


@dataclass(frozen=True)
class Measured:
    """The figures of one set of chats, and what the plots need."""

    facts: dict[str, Any]
    scores: Floats
    probabilities: Floats
    truth: Bools


def measure(replays: Sequence[Replay], model: Model, *, at: Level = Level.NUDGE, times: int = 400) -> Measured:
    """Measure a model. The decision is whether the guard came to speak on level `at`. Raises `TooFew`."""
    if not replays:
        raise TooFew("There is no conversation to measure on.")
    truth = np.array([one.chat.approach for one in replays])
    scores = np.array([one.worst(model) for one in replays])
    firsts = [one.first(model, at) for one in replays]
    found = np.array([first is not None for first in firsts])
    groups = [one.chat.group or one.chat.id for one in replays]
    facts: dict[str, Any] = {
        "conversations": len(replays),
        "approaches": int(truth.sum()),
        "level": at.word,
        "authors_known": all(one.chat.authors_known for one in replays),
    }
    if truth.any():
        facts |= _detection(scores, found, truth, groups, firsts, times)
        facts |= _timing(replays, model, at)
    if not truth.all():
        facts["false_alarms"] = _alarms([one for one in replays if not one.chat.approach], model)
    facts["by_language"] = _by(replays, firsts, lambda one: one.chat.language)
    facts["by_stage"] = _stages(replays)
    facts["by_kind"] = _by(replays, firsts, lambda one: one.chat.kind)
    probabilities = np.array([model.calibrated(score) for score in scores])
    if 0 < truth.sum() < len(truth):
        bins = measures.calibration(probabilities, truth)
        facts["calibration"] = [{"predicted": p, "observed": o, "conversations": n} for p, o, n in bins]
    return Measured(facts, scores, probabilities, truth)


def _detection(
    scores: Floats, found: Bools, truth: Bools, groups: Sequence[str], firsts: Sequence[int | None], times: int
) -> dict[str, Any]:
    counts = measures.counts(found, truth)

    def told(name: str, value: float, statistic: Callable[[NDArray[np.int64]], float]) -> dict[str, Any]:
        low, high = measures.interval(statistic, groups, times=times)
        return {name: value, f"{name}_interval": [low, high]}

    facts: dict[str, Any] = {}
    facts |= told("recall", counts.recall, lambda i: measures.counts(found[i], truth[i]).recall)
    if truth.all():
        return facts
    facts |= told("precision", counts.precision, lambda i: measures.counts(found[i], truth[i]).precision)
    facts |= told("f1", counts.f(), lambda i: measures.counts(found[i], truth[i]).f())
    facts |= told("f05", counts.f(0.5), lambda i: measures.counts(found[i], truth[i]).f(0.5))
    facts |= told("auc", measures.auc(scores, truth), lambda i: measures.auc(scores[i], truth[i]))
    best, threshold = measures.best_f(scores, truth)
    facts["best_f05"] = {"value": best, "threshold": threshold, "note": "threshold chosen on these very chats"}
    facts["recall_at_false_alarms_per_1000"] = {f"{r:g}": measures.recall_at(scores, truth, r) for r in RATES}
    warned = [first for first, positive in zip(firsts, truth, strict=True) if positive and first is not None]
    speed, weighted = measures.latency_f1(counts.f(), warned)
    facts |= {"speed": speed, "latency_f1": weighted}
    facts |= {f"erde_{after}": measures.erde(firsts, truth, after) for after in (5, 50)}
    return facts


def _timing(replays: Sequence[Replay], model: Model, at: Level) -> dict[str, Any]:
    """Return how many approaches with a marked request were seen before it, and at which message."""
    asked = [walk for one in replays if one.chat.approach for walk in one.walks if walk.request is not None]
    if not asked:
        return {}
    early = [(walk.reached(model, at) or math.inf) < (walk.request or 0) for walk in asked]
    return {"before_request": {"approaches": len(asked), "recall": float(np.mean(early))}}


def _alarms(harmless: Sequence[Replay], model: Model) -> dict[str, Any]:
    """Return false alarms per thousand conversations for each level, with bounds clustered by group."""
    facts: dict[str, Any] = {"conversations": len(harmless)}
    for wanted in (Level.TIP, Level.NUDGE, Level.WARNING):
        alarms: dict[str, int] = defaultdict(int)
        sizes: dict[str, int] = defaultdict(int)
        for one in harmless:
            group = one.chat.group or one.chat.id
            sizes[group] += 1
            alarms[group] += one.first(model, wanted) is not None
        bound = measures.upper_bound([alarms[group] for group in sizes], list(sizes.values()))
        rate = sum(alarms.values()) / len(harmless)
        facts[wanted.word] = {
            "alarms": sum(alarms.values()),
            "per_1000": 1000 * rate,
            "per_1000_upper_95": 1000 * bound,
            "groups": len(sizes),
        }
    return facts


def _stages(replays: Sequence[Replay]) -> dict[str, dict[str, Any]]:
    """Return, for each stage that the corpus marks, how many lines it marks and the share that the guard saw."""
    parts: dict[str, list[bool]] = defaultdict(list)
    for one in replays:
        for walk in one.walks:
            for stage, seen in walk.lines:
                parts[stage].append(seen)
    order = [stage.id for stage in stages()]
    found = sorted(parts.items(), key=lambda part: order.index(part[0]))
    return {stage: {"lines": len(seen), "seen": float(np.mean(seen))} for stage, seen in found}


def _by(
    replays: Sequence[Replay], firsts: Sequence[int | None], key: Callable[[Replay], str]
) -> dict[str, dict[str, Any]]:
    """Return, for each value of `key`, how many were found, right or wrong."""
    parts: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for one, first in zip(replays, firsts, strict=True):
        parts[key(one) or "unknown"].append((one.chat.approach, first is not None))
    if set(parts) == {"unknown"}:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for name, rows in sorted(parts.items()):
        approaches = [hit for truth, hit in rows if truth]
        harmless = [hit for truth, hit in rows if not truth]
        found[name] = {"conversations": len(rows)}
        if approaches:
            found[name]["recall"] = float(np.mean(approaches))
        if harmless:
            found[name]["false_alarms_per_1000"] = 1000 * float(np.mean(harmless))
    return found
