"""The canonical list file: one sequence of bytes for one set, and its plain digest."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutela.lists import canonical
from tutela.lists.errors import MalformedList
from tutela.wire.submission import ListClass

A, B = "a" * 64, "b" * 64
HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)


@settings(deadline=None)
@given(st.sets(HASHES, max_size=20), st.sampled_from(ListClass))
def test_a_list_reads_back_and_has_one_form(hashes: set[str], list_class: ListClass) -> None:
    data = canonical.encode(list_class, hashes)
    assert canonical.decode(data, list_class) == tuple(sorted(hashes))
    assert canonical.encode(list_class, [*sorted(hashes, reverse=True), *hashes]) == data


def test_the_file_is_plain_text() -> None:
    assert canonical.encode(ListClass.AGREED, [B, A]) == f"tutela-list-1 agreed\n{A}\n{B}\n".encode()
    assert canonical.encode(ListClass.ATTESTED, []) == b"tutela-list-1 attested\n"


def test_the_digest_is_what_sha256sum_says(tmp_path: Path) -> None:
    data = canonical.encode(ListClass.AGREED, [A, B])
    assert canonical.digest(data) == hashlib.sha256(data).hexdigest()
    path = tmp_path / "agreed.list"
    path.write_bytes(data)
    program = shutil.which("sha256sum")
    assert program is not None
    said = subprocess.run([program, path], capture_output=True, text=True, check=True).stdout
    assert said.split()[0] == canonical.digest(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"tutela-list-1 agreed",
        b"tutela-list-2 agreed\n",
        b"tutela-list-1 attested\n",
        f"tutela-list-1 agreed\n{A}".encode(),
        f"tutela-list-1 agreed\n{A}\n\n".encode(),
        f"tutela-list-1 agreed\r\n{A}\r\n".encode(),
        f"tutela-list-1 agreed\n{B}\n{A}\n".encode(),
        f"tutela-list-1 agreed\n{A}\n{A}\n".encode(),
        f"tutela-list-1 agreed\n{A.upper()}\n".encode(),
        f"tutela-list-1 agreed\n{A[:-1]}\n".encode(),
        f"tutela-list-1 agreed\n{A} \n".encode(),
        f"\ufefftutela-list-1 agreed\n{A}\n".encode(),
    ],
)
def test_any_other_form_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedList):
        canonical.decode(data, ListClass.AGREED)
