"""CSV files with a text and a label each: `segment,label`, or `label,chatName,segment` as eSPD writes them.

Their messages are joined by spaces, so that nobody knows who wrote what. The text is cut into pieces that stand for
messages; a phrase may run over a cut.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from tutela.research.chats import Chat, Turn
from tutela.research.errors import BadCorpus

#: Words of a piece: a little more than a chat message has.
PIECE = 12
_APPROACH = frozenset(("1", "1.0", "true", "predator", "predatory", "grooming", "positive", "yes"))
_HARMLESS = frozenset(
    ("0", "0.0", "false", "-1", "non-predator", "nonpredator", "non-predatory", "non-grooming", "negative", "no")
)


def read_segments(path: Path, *, language: str = "") -> Iterator[Chat]:
    """Yield one chat for each row. Raises `BadCorpus`, naming the row."""
    csv.field_size_limit(min(sys.maxsize, 1 << 30))
    encoding = _encoding(path)
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        rows = csv.DictReader((line.replace("\0", "") for line in file), strict=False)
        columns = {(name or "").strip().lower(): name for name in rows.fieldnames or ()}
        if "segment" not in columns or "label" not in columns:
            raise BadCorpus(f"{path.name} has no columns “segment” and “label”.", hint="The first line names them.")
        for number, row in enumerate(rows, 1):
            label = (row[columns["label"]] or "").strip().lower()
            if label not in _APPROACH | _HARMLESS:
                raise BadCorpus(
                    f"{path.name}, row {number}: “{label[:40]}” is not a label.",
                    hint="Labels are 1 and 0, or predator and non-predator.",
                )
            chat = (row.get(columns.get("chatname", "")) or "").strip()
            text = row[columns["segment"]] or ""
            yield Chat(
                chat or str(number),
                pieces(text),
                label in _APPROACH,
                language=(row.get(columns.get("language", "")) or language),
                group=chat.rsplit("-", 1)[0],
                authors_known=False,
            )


def pieces(text: str) -> tuple[Turn, ...]:
    """Cut a text into pieces: at its line breaks, and else after so many words."""
    found: list[Turn] = []
    for line in text.splitlines() or [""]:
        words = line.split()
        found.extend(Turn("", " ".join(words[start : start + PIECE])) for start in range(0, len(words), PIECE))
    return tuple(found)


def _encoding(path: Path) -> str:
    """Return UTF-8 where the file is in it, else Latin-1, as the platform of its maker may have had it."""
    with path.open("rb") as file:
        try:
            while block := file.read(1 << 20):
                block.decode("utf-8-sig") if len(block) < 1 << 20 else (block + file.readline()).decode("utf-8-sig")
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8-sig"
