"""How much a message sounds like each stage: a linear classifier over words, pieces of words and neighbours.

The phrases of the language files say exactly what they find, and find no more. The tagger is the other half: trained
on those phrases and on written dialogues, it also gives something for wordings that nobody wrote down. Linear text
classification over hashed n-grams as in fastText (Joulin, Grave, Bojanowski and Mikolov, EACL 2017), one logistic
model for each stage, weights kept as single bytes. A long message is read in windows of which the highest counts, so
that padding hides nothing.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Final, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from tutela.signals.conversation.concepts import Concepts, shipped_concepts
from tutela.signals.conversation.errors import BadModel
from tutela.signals.conversation.stages import stages
from tutela.signals.conversation.subwords import BUCKETS, length, meanings, neighbours, pieces, plain

#: A share below this is nothing.
FLOOR: Final = 0.1
#: Tokens of a window, and by how many the next one begins later.
WINDOW: Final = 16
STRIDE: Final = 8
#: Tokens of a message that are read, at each of its ends.
_END: Final = 64
_REMEMBERED: Final = 20_000

Logits = NDArray[np.float32]


#: Reads as what strangers who approach a child write, whatever the stage; as what people write to somebody harmless.
APPROACH, KNOWN = "approach", "known"


@lru_cache
def labels() -> tuple[str, ...]:
    """Return what a tagger tells apart: the stages of the other person, `APPROACH`, and `KNOWN` of the own user."""
    return (*(stage.id for stage in stages() if stage.by == "other"), APPROACH, KNOWN)


class Sound(NamedTuple):
    """What a message sounds like."""

    stages: Mapping[str, float]
    """The share, 0…1, of each stage; those below `FLOOR` are left out."""
    approach: float
    """Log-odds that somebody who approaches wrote it, rather than somebody harmless."""
    known: float
    """Log-odds that it is written to somebody harmless, rather than to somebody who approaches."""


#: What a message without words sounds like.
SILENCE: Final = Sound({}, 0.0, 0.0)


class Tagger:
    """A trained table. `table` is (BUCKETS, labels) in single bytes, `scale` and `bias` are (labels,)."""

    def __init__(self, table: NDArray[np.int8], scale: Logits, bias: Logits, concepts: Concepts) -> None:
        """Check the shapes. Raises `BadModel`."""
        width = len(labels())
        shapes = table.shape, scale.shape, bias.shape
        if shapes != ((BUCKETS, width), (width,), (width,)) or table.dtype != np.int8:
            raise BadModel("The tagger's table has the wrong shape.", hint="Train it again.")
        if not (np.isfinite(scale).all() and np.isfinite(bias).all()):
            raise BadModel("A number of the tagger is not finite.")
        self._table, self._scale, self._bias, self._concepts = table, scale, bias, concepts
        self._words: dict[str, Logits] = {}

    def logits(self, raw: Sequence[str], languages: frozenset[str]) -> Logits:
        """Return the log-odds of each label for a message given as raw tokens: the highest of its windows.

        `languages` are those that it may be in.
        """
        if len(raw) > 2 * _END:
            raw = [*raw[:_END], *raw[-_END:]]
        if len(raw) <= WINDOW:
            return self._window(raw, languages)
        starts = range(0, len(raw) - STRIDE, STRIDE)
        highest: Logits = np.max([self._window(raw[start : start + WINDOW], languages) for start in starts], axis=0)
        return highest

    def _window(self, raw: Sequence[str], languages: frozenset[str]) -> Logits:
        tokens = [plain(token) for token in raw]
        rows = [*neighbours(tokens), *meanings([self._concepts.of(token, languages) for token in raw])]
        total: Logits = self._table[rows].sum(axis=0, dtype=np.float32)
        for token in tokens:
            total += self._word(token)
        return total * (length(len(tokens), len(rows)) * self._scale) + self._bias

    def _word(self, token: str) -> Logits:
        known = self._words.get(token)
        if known is None:
            if len(self._words) >= _REMEMBERED:
                self._words.clear()
            rows = list(pieces(token))
            known = self._words[token] = self._table[rows].sum(axis=0, dtype=np.float32) / np.sqrt(len(rows))
        return known

    def read(self, raw: Sequence[str], languages: frozenset[str]) -> Sound:
        """Return what a message, given as raw tokens, sounds like in the languages that it may be in.

        One without tokens sounds like nothing.
        """
        if not raw:
            return SILENCE
        *stages, approach, known = self.logits(raw, languages).tolist()
        shares = {
            stage: 1.0 / (1.0 + math.exp(-odds)) for stage, odds in zip(labels(), stages, strict=False) if odds > _LEAST
        }
        return Sound(shares, approach, known)

    def encode(self) -> bytes:
        """Return the tagger as a file: a compressed NumPy archive."""
        data = io.BytesIO()
        np.savez_compressed(data, table=self._table, scale=self._scale, bias=self._bias)
        return data.getvalue()


_LEAST: Final = math.log(FLOOR / (1 - FLOOR))


def parse_tagger(data: bytes) -> Tagger:
    """Read a tagger's file. Raises `BadModel`."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return Tagger(arrays["table"], arrays["scale"], arrays["bias"], shipped_concepts())
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise BadModel(f"This is not a tagger's file: {error}.") from error


@lru_cache
def shipped_tagger() -> Tagger:
    """Return the tagger that ships, loaded once."""
    return parse_tagger(resources.files("tutela.signals.conversation").joinpath("tagger.npz").read_bytes())
