"""From a phrase of a language file to texts that it finds: examples for the tagger."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Final

_PIECE: Final = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]|<([a-z_]+)>")
_SET: Final = re.compile(r"<([a-z_]+)>")


def phrased(phrase: str, sets: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """Draw one text that `phrase` finds, or nearly: a beginning `word*` stays as it is, a gap `..` stays empty."""

    def drawn(piece: re.Match[str]) -> str:
        choice, optional, name = piece.groups()
        if optional is not None and rng.random() < 0.5:
            return ""
        words = rng.choice(list(sets[name]) if name else (choice or optional or "").split("|"))
        return _SET.sub(lambda inner: rng.choice(list(sets[inner[1]])), words)

    text = _PIECE.sub(drawn, phrase)
    text = text.replace("..", " ").replace("*", "").replace("^", " ").replace("#", str(rng.randint(11, 15)))
    return " ".join(text.split())
