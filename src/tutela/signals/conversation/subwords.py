"""Which rows of a hashed table a text stands for: words, pieces of words, neighbours, and what words mean.

Pieces of four and five letters let a misspelt or inflected word share most of what its dictionary form weighs
(Bojanowski, Grave, Joulin and Mikolov, TACL 2017); hashing keeps the table's size fixed whatever people write
(Weinberger et al., ICML 2009). CRC-32 is the hash: no secret, the same on every machine, and fast.
"""

from __future__ import annotations

import math
import zlib
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

#: Rows of the table.
BUCKETS: Final = 1 << 18
#: Letters of a token that are read.
_LONGEST: Final = 20
_PIECES: Final = (4, 5)
#: The length of the vector of a text.
_LENGTH: Final = 4.0
#: Where a message begins and ends.
_BEGIN, _END = "^", "$"


def plain(token: str) -> str:
    """Return a raw token without apostrophes; a number keeps only its length."""
    bare = token.replace("'", "")[:_LONGEST]
    return "0" * min(len(bare), 3) if bare.isdigit() else bare


def pieces(token: str) -> tuple[int, ...]:
    """Return the rows of one plain token: the word, and its pieces with its edges marked."""
    marked = f"<{token}>"
    found = [_row(f"w {token}")]
    for length in _PIECES:
        found += [_row(marked[i : i + length]) for i in range(len(marked) - length + 1)]
    return tuple(found)


def neighbours(tokens: Sequence[str]) -> list[int]:
    """Return the rows of pairs of plain tokens that stand side by side, the edges of the text among them."""
    row = [_BEGIN, *tokens, _END]
    return [_row(f"b {a} {b}") for a, b in pairwise(row)]


def meanings(concepts: Sequence[tuple[str, ...]]) -> list[int]:
    """Return the rows of the concepts of a text's tokens, and of any two that are near each other, in either order."""
    meant = [of_token for of_token in concepts if of_token]
    found = [_row(f"c {one}") for of_token in meant for one in of_token]
    for distance in (1, 2):
        for before, after in zip(meant, meant[distance:], strict=False):
            for one in before:
                for other in after:
                    found.append(_row(f"n {one} {other}" if one < other else f"n {other} {one}"))
    return found


def weighted(raw: Sequence[str], concepts: Sequence[tuple[str, ...]]) -> dict[int, float]:
    """Return the rows of a window of raw tokens and their concepts, and what each counts in a sum."""
    tokens = [plain(token) for token in raw]
    whole = [*neighbours(tokens), *meanings(concepts)]
    share = length(len(tokens), len(whole))
    found: dict[int, float] = defaultdict(float)
    for token in tokens:
        rows = pieces(token)
        for one in rows:
            found[one] += share * len(rows) ** -0.5
    for one in whole:
        found[one] += share
    return found


def length(tokens: int, others: int) -> float:
    """Return what brings a text with so many tokens and other rows to a fixed length, so that long ones say no more."""
    return _LENGTH / math.sqrt(max(1, tokens + others))


def _row(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) % BUCKETS
