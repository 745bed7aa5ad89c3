"""Training the tagger: one logistic model for each stage, over the lines of scripts, of banks and of phrases.

Every line of the other person that carries the truth of a stage is an example of it. Every other line, all of harmless
chats among them, is a counterexample, so that the tagger learns what sets `do not tell mum, it is a surprise` apart.
Two more labels read a whole chat: what somebody who approaches writes rather than somebody harmless, and what people
write to somebody harmless; one author wrote both kinds of chats, so that styles tell nothing. Ridge-regularised, fitted
by L-BFGS (Byrd, Lu, Nocedal and Zhu 1995), then rounded to single bytes.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tutela.research.composing import Bank, Lines, bank
from tutela.research.errors import TooFew
from tutela.research.everyday import Talk
from tutela.research.measures import Bools, Floats
from tutela.research.phrasing import phrased
from tutela.research.scripts import Script, filled
from tutela.signals.conversation.concepts import Concepts, shipped_concepts
from tutela.signals.conversation.lexicon import language_file
from tutela.signals.conversation.spelling import ends, fold, tokens
from tutela.signals.conversation.stages import stage_of
from tutela.signals.conversation.subwords import BUCKETS, weighted
from tutela.signals.conversation.tagger import APPROACH, KNOWN, WINDOW, Tagger, labels

#: How strongly weights are drawn to zero.
RIDGE: Final = 0.5
#: Wordings drawn of a line that has alternatives.
WORDINGS: Final = 4
#: What the wordings of a phrase weigh together, beside a line of a script.
_PHRASE: Final = 0.2
#: Examples rarer than this among the lines weigh as if they were so many.
_RARE: Final = 0.1
_STEPS: Final = 60
_LARGEST: Final = 127


@dataclass(frozen=True)
class Line:
    """One message: whose it is, what it shows (`None` for a counterexample), and how much it weighs."""

    text: str
    language: str
    stage: str | None
    own: bool
    known: bool
    weight: float
    of_script: bool = False
    """Whether it stands in a coherent chat, so that its whole chat says something about it."""


def of_scripts(scripts: Iterable[Script], rng: random.Random) -> Iterator[Line]:
    """Yield the lines of scripts in several wordings."""
    for script in scripts:
        for line in script.lines:
            for _ in range(WORDINGS):
                text = filled(line.text, script.slots, rng)
                yield Line(
                    text,
                    script.language,
                    line.stage,
                    line.author == "user",
                    script.kind != "approach",
                    1 / WORDINGS,
                    True,
                )


def of_everyday(talks: Iterable[Talk], rng: random.Random) -> Iterator[Line]:
    """Yield everyday messages, as anybody may write them: counterexamples of everything."""
    for talk in talks:
        for number, message in enumerate(talk.messages):
            text = filled(message, {}, rng)
            yield Line(text, talk.language, None, number % 2 == 1, True, 1.0, True)


def of_bank(language: str, rng: random.Random) -> Iterator[Line]:
    """Yield the lines of a bank in several wordings."""
    lines = bank(language)
    for stage, said in lines.approach.items():
        yield from _banked(said, stage, False, lines, rng)
    for said in (*lines.harmless.values(), lines.smalltalk, lines.opening):
        yield from _banked(said, None, True, lines, rng)


def _banked(said: Lines, stage: str | None, known: bool, of: Bank, rng: random.Random) -> Iterator[Line]:
    for own, texts in ((False, (*said.other, *said.open)), (True, said.user)):
        for text in texts:
            for _ in range(WORDINGS):
                yield Line(filled(text, of.slots, rng), of.language, None if own else stage, own, known, 1 / WORDINGS)


def of_phrases(language: str, rng: random.Random) -> Iterator[Line]:
    """Yield texts that the phrases of a language find, and as counterexamples those that take a signal back."""
    file = language_file(language)
    sets = file.words_of_sets()
    for signal, given in file.signals.items():
        stage = stage_of()[signal]
        if stage.by == "own":
            continue
        for phrases, shown in ((given.phrases, stage.id), (given.unless, None)):
            for phrase in phrases:
                for _ in range(2):
                    yield Line(phrased(phrase, sets, rng), language, shown, False, shown is None, _PHRASE / 2)


def train_tagger(lines: Sequence[Line]) -> Tagger:
    """Fit a tagger. Raises `TooFew` where a stage has no line."""
    from scipy.sparse import csr_matrix

    concepts = shipped_concepts()
    rows = [_row(line, concepts) for line in lines]
    starts = np.cumsum([0, *map(len, rows)])
    values = np.fromiter((value for row in rows for value in row.values()), np.float64, int(starts[-1]))
    places = np.fromiter((place for row in rows for place in row), np.int64, int(starts[-1]))
    x = csr_matrix((values, places, starts), shape=(len(rows), BUCKETS))
    weight = np.array([line.weight for line in lines])
    own = np.array([line.own for line in lines])
    known = np.array([line.known for line in lines])
    stage = np.array([line.stage or "" for line in lines])
    of_script = np.array([line.of_script for line in lines])
    table, scale, bias = [], [], []
    for label in labels():
        if label == KNOWN:
            truth, among = known, own & of_script
        elif label == APPROACH:
            truth, among = ~known, ~own & of_script
        else:
            truth = stage == label
            among = ~own & (truth | (stage == ""))
        if not (truth & among).any() or (truth | ~among).all():
            raise TooFew(f"No line shows the stage “{label}”, or every one does.")
        weights, offset = _fit(x[among], truth[among], weight[among])
        largest = float(np.abs(weights).max()) or 1.0
        table.append(np.rint(weights / largest * _LARGEST).astype(np.int8))
        scale.append(largest / _LARGEST)
        bias.append(offset)
    return Tagger(np.stack(table, axis=1), np.array(scale, np.float32), np.array(bias, np.float32), concepts)


def _row(line: Line, concepts: Concepts) -> dict[int, float]:
    raw = tokens(fold(ends(line.text)))[:WINDOW]
    return weighted(raw, [concepts.of(token, frozenset((line.language,))) for token in raw])


def _fit(x: Any, truth: Bools, weight: Floats) -> tuple[Floats, float]:
    """Return the weights of all rows of the table, and the offset. `x` is a sparse matrix (lines, BUCKETS)."""
    from scipy.optimize import minimize

    rare = float(truth.mean()) / _RARE
    weight = np.where(truth, weight / min(1.0, rare), weight)
    used = np.unique(x.indices)
    x = x[:, used]
    turned = x.T.tocsr()

    def loss(at: Floats) -> tuple[float, Floats]:
        odds = x @ at[1:] + at[0]
        error = weight * (1.0 / (1.0 + np.exp(-odds)) - truth)
        cost = float((weight * np.logaddexp(0.0, np.where(truth, -odds, odds))).sum())
        slope = np.concatenate([[error.sum()], turned @ error + RIDGE * at[1:]])
        return cost + RIDGE / 2 * float((at[1:] ** 2).sum()), slope

    begin = np.concatenate([[-3.0], np.zeros(len(used))])
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
    weights = np.zeros(BUCKETS)
    weights[used] = found[1:]
    return weights, float(found[0])
