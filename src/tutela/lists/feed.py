"""Reading hashes from CSV files as hash-sharing programmes export them.

Understood are files with a header, of which these columns count (upper or lower case, in any order):

- the hash: `pdq`, `pdq_hash`; else `hash`, `signal_str` (python-threatexchange), `indicator` (ThreatExchange),
  `hash_value`, `signal`, `value`;
- its type: `type`, `signal_type`, `hash_type`; rows of another type than PDQ are counted and left out;
- `quality`, 0 to 100; `verified_by`, several names separated by `|`.

Also files without a header whose first column holds the hash (Hasher-Matcher-Actioner's samples), separated by
commas, semicolons or tabs. A file is read line by line, as UTF-8 with or without a byte order mark.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from tutela.lists.errors import UnreadableFeed
from tutela.wire.submission import Item, ListClass

LINE_BYTES: Final = 1 << 16
NAMES: Final = 16
NAME_CHARACTERS: Final = 120
_PDQ_COLUMNS: Final = ("pdq", "pdq_hash", "pdqhash")
_HASH_COLUMNS: Final = ("hash", "signal_str", "indicator", "hash_value", "hashvalue", "signal", "value")
_TYPE_COLUMNS: Final = ("type", "signal_type", "signaltype", "hash_type", "hashtype")
_PDQ_TYPES: Final = frozenset({"pdq", "hash_pdq", "imagepdq", "image_pdq", "photo_pdq", "pdqsignal"})
_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")
_NUMBER: Final = re.compile(r"[0-9]{1,3}")
_REPLACEMENT: Final = "\ufffd"


@dataclass(frozen=True)
class BadRow:
    """A row that holds no item, and why; `line` counts from 1."""

    line: int
    reason: str


@dataclass(frozen=True)
class OtherRow:
    """A row with a signal of another type than PDQ."""

    line: int
    kind: str


@dataclass(frozen=True)
class GoodRow:
    """A row that holds an item; `assumed` if it does not say its quality."""

    line: int
    item: Item
    assumed: bool


Row = GoodRow | BadRow | OtherRow


@dataclass(frozen=True)
class _Columns:
    hash: int
    type: int | None = None
    quality: int | None = None
    verified_by: int | None = None


def rows(file: BinaryIO, *, list_class: ListClass | None, assumed_quality: int, minimum_quality: int) -> Iterator[Row]:
    """Read a CSV file row by row; blank lines are passed over. Without a class, rows may say who verified them or not.

    Raises:
        UnreadableFeed: another encoding, a line beyond 64 KiB, no column with hashes, or broken quoting.
    """
    lines = _lines(file)
    first = next(lines, "")
    reader = csv.reader(_again(first, lines), delimiter=max(",;\t", key=first.count))
    columns: _Columns | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _columns(cells)
                if not _HASH.fullmatch(cells[0].strip()):
                    continue
            yield _row(reader.line_num, cells, columns, list_class, assumed_quality, minimum_quality)
    except csv.Error as error:
        raise UnreadableFeed(
            f"line {reader.line_num} cannot be read: {error}", hint="look for a quotation mark that is never closed"
        ) from error
    if columns is None:
        raise UnreadableFeed("the file is empty")


def _lines(file: BinaryIO) -> Iterator[str]:
    number = 0
    while line := file.readline(LINE_BYTES):
        number += 1
        if number == 1:
            if line.startswith((b"\xff\xfe", b"\xfe\xff")) or 3 * line.count(0) > len(line):
                raise UnreadableFeed(
                    "the file is UTF-16, not UTF-8",
                    hint='save it as "CSV UTF-8", or: iconv -f UTF-16 -t UTF-8 in.csv > out.csv',
                )
            if b"\x00" in line:
                raise UnreadableFeed("the file is not a CSV text file", hint="export the hashes as CSV, in UTF-8")
            line = line.removeprefix(b"\xef\xbb\xbf")
        if len(line) >= LINE_BYTES and not line.endswith(b"\n"):
            raise UnreadableFeed(f"line {number} is longer than {LINE_BYTES} bytes: this is no CSV file of hashes")
        # Columns that do not count, such as file names, may hold anything.
        yield line.decode("utf-8", errors="replace")


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _columns(header: Sequence[str]) -> _Columns:
    names = [cell.strip().lower().replace(" ", "_").replace("-", "_") for cell in header]

    def place(*wanted: str) -> int | None:
        return next((names.index(name) for name in wanted if name in names), None)

    pdq = place(*_PDQ_COLUMNS)
    found = pdq if pdq is not None else place(*_HASH_COLUMNS)
    if found is None:
        if _HASH.fullmatch(header[0].strip()):
            return _Columns(hash=0)
        raise UnreadableFeed(
            f"no column with hashes among: {', '.join(names)[:200]}",
            hint="name the column pdq, or hash with another one named type",
        )
    # A column named pdq holds nothing else, whatever `type` says of the row (photo, video).
    kind = place(*_TYPE_COLUMNS) if pdq is None else None
    return _Columns(found, kind, place("quality", "pdq_quality"), place("verified_by", "verifiedby", "verifiers"))


def _row(
    line: int, cells: Sequence[str], columns: _Columns, list_class: ListClass | None, assumed_quality: int, minimum: int
) -> Row:
    def cell(place: int | None) -> str:
        return cells[place].strip() if place is not None and place < len(cells) else ""

    kind = cell(columns.type).lower().replace(" ", "_").replace("-", "_")
    if kind and kind not in _PDQ_TYPES:
        return OtherRow(line, kind[:40])
    pdq = cell(columns.hash)
    if not _HASH.fullmatch(pdq):
        return BadRow(line, f"{pdq[:80]!r} is not a PDQ hash of 64 hexadecimal digits")
    stated = cell(columns.quality)
    if stated and not (_NUMBER.fullmatch(stated) and int(stated) <= 100):
        return BadRow(line, f"the quality {stated[:20]!r} is not a whole number from 0 to 100")
    quality = int(stated) if stated else assumed_quality
    if quality < minimum:
        return BadRow(line, f"the quality {quality} is below the rule's minimum of {minimum}")
    names = tuple(name.strip() for name in cell(columns.verified_by).split("|") if name.strip())
    if len(names) > NAMES or any(len(name) > NAME_CHARACTERS or _REPLACEMENT in name for name in names):
        return BadRow(line, f"verified_by is not up to {NAMES} names of up to {NAME_CHARACTERS} characters in UTF-8")
    if list_class is ListClass.ATTESTED and not names:
        return BadRow(line, "the row does not say who verified it, as an attested feed must")
    if list_class is ListClass.AGREED and names:
        return BadRow(line, "the row says who verified it: import it with --attested, or without that column")
    return GoodRow(line, Item(pdq=pdq.lower(), quality=quality, verified_by=names), assumed=not stated)
