"""Learning tagger and weights from the same scripts without fooling oneself: everything is learned across authors.

A tagger has heard the lines that it was trained on, and would be too sure of them. So authors are dealt into folds; the
chats of each fold are read with a tagger that was trained on the other folds (cross-fitting; stacked generalisation,
Wolpert 1992), and the weights are fitted on what those taggers heard. The tagger that ships is then trained on all.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

from tutela.research.chaining import chain
from tutela.research.composing import BANKS
from tutela.research.everyday import Talk
from tutela.research.replay import Replay, replay
from tutela.research.scripts import Script
from tutela.research.tagging import Line, of_bank, of_everyday, of_phrases, of_scripts, train_tagger
from tutela.signals.conversation.conversation import Reader
from tutela.signals.conversation.languages import shipped_identifier
from tutela.signals.conversation.lexicon import shipped
from tutela.signals.conversation.model import shipped_model
from tutela.signals.conversation.tagger import Tagger

FOLDS: Final = 3
_APPROACHES: Final = 0.4


@dataclass(frozen=True)
class Learned:
    """A tagger, and chats as taggers that never heard their authors heard them."""

    tagger: Tagger
    replays: tuple[Replay, ...]


def fold(author: str, folds: int = FOLDS) -> int:
    """Return the fold of an author, always the same."""
    return zlib.crc32(author.encode()) % folds


def material(scripts: Sequence[Script], talks: Sequence[Talk], seed: int) -> list[Line]:
    """Return the lines that a tagger is trained on: of scripts and everyday chats, of all banks and of all phrases."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    lines = [*of_scripts(scripts, rng), *of_everyday(talks, rng)]
    for language in BANKS:
        lines += of_bank(language, rng)
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
    """Train a tagger, and read about `chats` conversations made of the same material. `done` is told each step."""
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
    others = [script for script in step.scripts if fold(script.group) != step.fold]
    other_talks = [talk for talk in step.talks if fold(talk.group) != step.fold]
    tagger = train_tagger(material(others, other_talks, step.seed))
    using = Reader(shipped(), shipped_identifier(), tagger, shipped_model())
    scripts = [script for script in step.scripts if fold(script.group) == step.fold]
    talks = [talk for talk in step.talks if fold(talk.group) == step.fold]
    chats = chain(scripts, step.chats, talks=talks, approaches=_APPROACHES, seed=step.seed + step.fold)
    return [replay(chat, using) for chat in chats]
