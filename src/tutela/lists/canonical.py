"""The canonical list file: one sequence of bytes for one set of hashes.

A header line `tutela-list-1 <class>`, then the items in ascending order, one a line, each line ended by a single line
feed. An item is a hash in lower-case hexadecimal; where only some of its bands are agreed, `/` and those bands follow,
as a hexadecimal number whose bit b stands for band b. The file's plain SHA-256 is the list's digest, so
`sha256sum agreed.list` checks it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable
from itertools import pairwise
from typing import Final

from tutela.lists.errors import MalformedList
from tutela.wire.submission import ListClass

VERSION: Final = "tutela-list-1"
_LINE: Final = re.compile(r"([0-9a-f]{64})(?:/([1-9a-f][0-9a-f]{0,3}))?")


def item(pdq: str, bands: Collection[int], of: int) -> str:
    """Return the item that lists these bands of a hash, out of `of`."""
    return pdq if len(bands) == of else f"{pdq}/{sum(1 << band for band in bands):x}"


def hash_and_bands(item: str, of: int) -> tuple[str, frozenset[int]]:
    """Return an item's hash and which of its `of` bands are listed.

    Raises:
        MalformedList: no item, or one that names other bands.
    """
    match = _LINE.fullmatch(item)
    mask = int(match[2], 16) if match and match[2] else (1 << of) - 1
    if match is None or mask >> of or (match[2] and mask == (1 << of) - 1):
        raise MalformedList(f"{item!r:.80} is no item of a list with {of} bands")
    return match[1], frozenset(band for band in range(of) if mask >> band & 1)


def encode(list_class: ListClass, hashes: Iterable[str]) -> bytes:
    """Return the canonical file of a set of hashes in lower-case hexadecimal."""
    return "".join(f"{line}\n" for line in (f"{VERSION} {list_class}", *sorted(set(hashes)))).encode()


def decode(data: bytes, list_class: ListClass) -> tuple[str, ...]:
    """Return the hashes of a canonical file, ascending.

    Raises:
        MalformedList: another version or class, a line that is no hash, or not in canonical order.
    """
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise MalformedList("a list file holds bytes that are not ASCII") from error
    header, *lines = text.split("\n")
    if header != f"{VERSION} {list_class}":
        raise MalformedList(f"not a file of the list {list_class} in the format {VERSION}")
    if not lines or lines.pop() != "":
        raise MalformedList("a list file does not end with a line feed")
    for number, line in enumerate(lines, start=2):
        if not _LINE.fullmatch(line):
            raise MalformedList(f"line {number} of a list file is not a hash of 64 lower-case hexadecimal digits")
    if any(before >= after for before, after in pairwise(lines)):
        raise MalformedList("a list file is not in ascending order, or repeats a hash")
    return tuple(lines)


def digest(data: bytes) -> str:
    """Return SHA-256 in hexadecimal, as the manifest writes digests."""
    return hashlib.sha256(data).hexdigest()
