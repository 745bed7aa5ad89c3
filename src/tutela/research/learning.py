"""Learning tagger and weights from the same scripts without fooling oneself: everything is learned across authors.

A tagger has heard the lines that it was trained on, and would be too sure of them. So authors are dealt into folds; the
chats of each fold are read with a tagger that was trained on the other folds (cross-fitting; stacked generalisation,
Wolpert 1992), and the weights are fitted on what those taggers heard. The tagger that ships is then trained on all.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from tutela.research.chaining import chain
from tutela.research.composing import BANKS, compose
from tutela.research.errors import TooFew
from tutela.research.everyday import Talk
from tutela.research.replay import Replay, replay
from tutela.research.scripts import Script
from tutela.research.tagging import Line, of_bank, of_everyday, of_phrases, of_scripts, train_tagger
from tutela.signals.conversation.conversation import Reader
from tutela.signals.conversation.languages import shipped_identifier
from tutela.signals.conversation.lexicon import shipped
from tutela.signals.conversation.model import shipped_model
from tutela.signals.conversation.tagger import Tagger

T = TypeVar("T", Script, Talk)

FOLDS: Final = 3
_APPROACHES: Final = 0.4
#: Chats composed of a bank's lines, for each made of scripts. They are denser in what an approach shows, both kinds.
_COMPOSED: Final = 0.3


@dataclass(frozen=True)
class Learned:
    """A tagger, and chats as taggers that never heard their authors heard them."""

    tagger: Tagger
    replays: tuple[Replay, ...]


def dealt(authors: Iterable[str]) -> dict[str, int]:
    """Return the fold of each author; the same authors are always dealt alike, and those of a language evenly."""
    return {author: place % FOLDS for place, author in enumerate(sorted(set(authors)))}


def material(
    scripts: Sequence[Script], talks: Sequence[Talk], seed: int, *, banks: Sequence[str] = BANKS
) -> list[Line]:
    """Return the lines that a tagger is trained on: of scripts, everyday chats and `banks`, and of all phrases."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    lines = [*of_scripts(scripts, rng), *of_everyday(talks, rng)]
    for language in banks:
        lines += of_bank(language, rng)
    for language in BANKS:
        lines += of_phrases(language, rng)
    return lines


def learn(
    scripts: Sequence[Script],
    talks: Sequence[Talk],
    *,
    chats: int,
    seed: int = 14,
    jobs: int = 1,
    done: Callable[[str], None] | None = None,
) -> Learned:
    """Train a tagger, and read about `chats` conversations made of the same material. `done` is told each step.

    Raises `TooFew` where there are fewer authors than folds.
    """
    if len({script.group for script in scripts}) < FOLDS:
        raise TooFew(f"Learning needs scripts of at least {FOLDS} authors.")
    steps = [_Step(scripts, talks, number, chats // FOLDS, seed) for number in range(FOLDS)]
    found: list[Replay] = []
    for number, replays in enumerate(_mapped(steps, jobs)):
        found.extend(replays)
        if done is not None:
            done(f"fold {number + 1} of {FOLDS}")
    tagger = train_tagger(material(scripts, talks, seed))
    if done is not None:
        done("tagger")
    return Learned(tagger, tuple(found))


@dataclass(frozen=True)
class _Step:
    scripts: Sequence[Script]
    talks: Sequence[Talk]
    fold: int
    chats: int
    seed: int


def _mapped(steps: Sequence[_Step], jobs: int) -> Iterator[list[Replay]]:
    if jobs == 1:
        yield from map(_read, steps)
        return
    with ProcessPoolExecutor(min(jobs, FOLDS)) as pool:
        yield from pool.map(_read, steps)


def _read(step: _Step) -> list[Replay]:
    """Train a tagger without one fold, and read what is in that fold."""
    folds = dealt([*(script.group for script in step.scripts), *(talk.group for talk in step.talks)])
    scripts, other_scripts = _parted(step.scripts, folds, step.fold)
    talks, other_talks = _parted(step.talks, folds, step.fold)
    held_out = [language for place, language in enumerate(BANKS) if place % FOLDS == step.fold]
    others = [language for language in BANKS if language not in held_out]
    tagger = train_tagger(material(other_scripts, other_talks, step.seed, banks=others))
    using = Reader(shipped(), shipped_identifier(), tagger, shipped_model())
    seed = step.seed + step.fold
    chats = chain(scripts, step.chats, talks=talks, approaches=_APPROACHES, seed=seed)
    number = round(step.chats * _COMPOSED) if held_out else 0
    composed = compose(number, languages=held_out, approaches=_APPROACHES, seed=seed)
    return [replay(chat, using) for chat in (*chats, *composed)]


def _parted(some: Sequence[T], folds: Mapping[str, int], fold: int) -> tuple[list[T], list[T]]:
    """Return those whose author is in a fold, and the others."""
    return [one for one in some if folds[one.group] == fold], [one for one in some if folds[one.group] != fold]
