"""Reading CSV files as hash-sharing programmes export them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.epochs import make_hashes
from tutela.lists import feed
from tutela.lists.errors import UnreadableFeed
from tutela.lists.feed import BadRow, GoodRow, OtherRow, Row
from tutela.wire.submission import Item, ListClass

A, B, C = make_hashes(3)


def read(data: bytes | str, **options: Any) -> list[Row]:
    raw = data.encode() if isinstance(data, str) else data
    options = {"list_class": ListClass.AGREED, "assumed_quality": 50, "minimum_quality": 50} | options
    return list(feed.rows(io.BytesIO(raw), **options))


def good(data: bytes | str, **options: Any) -> list[str]:
    rows = read(data, **options)
    assert all(isinstance(row, GoodRow) for row in rows), rows
    return [row.item.pdq for row in rows if isinstance(row, GoodRow)]


@pytest.mark.parametrize(
    "text",
    [
        f"pdq\n{A}\n{B}\n",
        f"id,md5,pdq,quality\n1,{'0' * 32},{A},90\n2,,{B},80\n",
        f"hash,type\n{A},pdq\n{B},PDQ\n",
        f"collab,signal_type,signal_str,category,tags\nS,pdq,{A},WORTH_INVESTIGATING,\nS,pdq,{B},,a b\n",
        f"indicator,type,status\n{A},HASH_PDQ,MALICIOUS\n{B},HASH_PDQ,\n",
        f"FilePath,Hash\n../a.jpg,{A}\n../b.jpg,{B}\n",
        f"{A},2880742865368386,2020-07-31T18:47:52+0000,media_type_photo\n{B},1,2020-07-31T18:47:52+0000,x\n",
        f"Type;PDQ Hash;Quality\nphoto;{A};90\nphoto;{B};90\n",
        f"pdq\tquality\n{A}\t90\n{B}\t90\n",
        f"\n\npdq\n\n{A}\n\n{B}",
        f'"pdq","note"\n"{A}","two\nlines, and a comma"\n"{B}",""\n',
        f"pdq\r\n{A}\r\n{B}\r\n",
        f"\ufeffpdq\n{A}\n{B}\n",
        f"PDQ\n {A.upper()} \n{B}\n",
        f"{A}\n{B}\n",
    ],
    ids=[
        "pdq alone",
        "several hashes",
        "hash and type",
        "python-threatexchange",
        "ThreatExchange",
        "Meta's PDQ test data",
        "Hasher-Matcher-Actioner's samples",
        "semicolons",
        "tabs",
        "blank lines, no line feed at the end",
        "quoted",
        "CRLF",
        "byte order mark",
        "upper case and spaces",
        "hashes alone",
    ],
)
def test_exports_are_understood(text: str) -> None:
    assert good(text) == [A, B]


def test_quality_is_read_or_assumed() -> None:
    rows = read(f"pdq,quality\n{A},97\n{B},\n{C}\n")
    assert rows == [
        GoodRow(2, Item(pdq=A, quality=97), assumed=False),
        GoodRow(3, Item(pdq=B, quality=50), assumed=True),
        GoodRow(4, Item(pdq=C, quality=50), assumed=True),
    ]


def test_rows_of_another_type_are_left_out() -> None:
    rows = read(f"hash,type\n{'0' * 32},md5\n{A},pdq\nx,video_md5\n")
    assert [type(row) for row in rows] == [OtherRow, GoodRow, OtherRow]


def test_an_attested_feed_says_who_verified_each_item() -> None:
    rows = read(f"pdq,verified_by\n{A},INTERPOL | A Board|\n{B},\n", list_class=ListClass.ATTESTED)
    assert rows[0] == GoodRow(2, Item(pdq=A, quality=50, verified_by=("INTERPOL", "A Board")), assumed=True)
    assert isinstance(rows[1], BadRow)
    assert "does not say who" in rows[1].reason


def test_who_verified_an_item_belongs_into_an_attested_feed() -> None:
    (row,) = read(f"pdq,verified_by\n{A},A Board\n")
    assert isinstance(row, BadRow)
    assert "--attested" in row.reason


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("zz,90", "is not a PDQ hash"),
        (f"{A[:-1]},90", "is not a PDQ hash"),
        (f"{A}0,90", "is not a PDQ hash"),
        (",90", "is not a PDQ hash"),
        (f"{A},101", "quality"),
        (f"{A},-1", "quality"),
        (f"{A},0.9", "quality"),
        (f"{A},ninety", "quality"),
        (f"{A},٩٠", "quality"),
        (f"{A},49", "below the rule's minimum of 50"),
    ],
)
def test_bad_rows_are_told_with_their_line(row: str, reason: str) -> None:
    rows = read(f"pdq,quality\n{B},90\n{row}\n{C},90\n")
    assert [type(one) for one in rows] == [GoodRow, BadRow, GoodRow]
    bad = rows[1]
    assert isinstance(bad, BadRow)
    assert bad.line == 3
    assert reason in bad.reason


@pytest.mark.parametrize("names", ["x" * 121, "|".join("abcdefghijklmnopq"), b"Caf\xe9"])
def test_names_that_do_not_fit_are_bad(names: str | bytes) -> None:
    raw = names if isinstance(names, bytes) else names.encode()
    (row,) = read(f"pdq,verified_by\n{A},".encode() + raw + b"\n", list_class=ListClass.ATTESTED)
    assert isinstance(row, BadRow)


def test_columns_that_do_not_count_may_hold_anything() -> None:
    assert good(b"path,pdq\nCaf\xe9\x00.jpg," + A.encode() + b"\n") == [A]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(encoding: str) -> None:
    with pytest.raises(UnreadableFeed, match="UTF-16") as caught:
        read(f"pdq\n{A}\n".encode(encoding))
    assert caught.value.hint is not None
    assert "iconv" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("a,b\n1,2\n", "no column with hashes among: a, b"),
        ("x" * (feed.LINE_BYTES + 1), "longer than"),
        ('pdq,note\n"' + f"{A},never closed\n" * 3000, "cannot be read"),
    ],
)
def test_what_is_no_feed_is_refused(data: str, message: str) -> None:
    with pytest.raises(UnreadableFeed, match=message):
        read(data)


def test_a_file_is_read_line_by_line() -> None:
    class Endless(io.RawIOBase):
        """A file without end: whoever wants all of it first never comes back."""

        def __init__(self) -> None:
            self.lines = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            self.lines += 1
            return b"pdq\n" if self.lines == 1 else f"{self.lines:064x}\n".encode()

    endless = Endless()
    rows = feed.rows(endless, list_class=ListClass.AGREED, assumed_quality=50, minimum_quality=0)  # type: ignore[arg-type]
    for _ in range(1000):
        assert isinstance(next(rows), GoodRow)
    assert endless.lines < 1100


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_rows_or_one_clear_error(data: bytes) -> None:
    try:
        rows = read(data)
    except UnreadableFeed:
        return
    assert all(isinstance(row, Row) for row in rows)
