"""The canonical list file: one sequence of bytes for one set of hashes.

A header line `tutela-list-1 <class>`, then the hashes in ascending order, lower case, one a line, each line ended by
a single line feed. Its plain SHA-256 is the list's digest, so `sha256sum agreed.list` checks it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from tutela.lists.errors import MalformedList
from tutela.wire.submission import ListClass

VERSION: Final = "tutela-list-1"
_LINE: Final = re.compile(r"[0-9a-f]{64}")


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
