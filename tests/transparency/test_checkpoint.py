"""Checkpoints: what is written, what is read, and what neither."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tutela.transparency import checkpoint, errors, note
from tutela.transparency.checkpoint import Checkpoint
from tutela.transparency.errors import (
    BadConsistency,
    BadInclusion,
    ForgedNote,
    MalformedCheckpoint,
    MalformedNote,
    OtherOrigin,
    TransparencyError,
    UnsignedNote,
)
from tutela.transparency.merkle import EMPTY_ROOT, Tree, consistency_proof, inclusion_proof, leaf_hash, tree_root
from tutela.transparency.note import SigningKey

ORIGIN = "provider.example/audit"
KEY = SigningKey(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ROOT = leaf_hash(b"hello world")
# Size and root as in Go's own example (golang.org/x/mod, sumdb/tlog/note_test.go, BSD-3-Clause).
TEXT = "go.sum database tree\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n"


def log_of(size: int) -> tuple[Tree, Checkpoint]:
    tree = Tree(b"".join(leaf_hash(str(number).encode()) for number in range(size)))
    return tree, Checkpoint(ORIGIN, size, tree_root(tree.node, size))


def test_go_writes_the_same_text() -> None:
    made = Checkpoint("go.sum database tree", 123456789012, ROOT)
    assert made.encode() == TEXT
    assert Checkpoint.decode(TEXT) == made


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=50),
    st.integers(1, (1 << 63) - 1),
    st.binary(min_size=32, max_size=32),
)
def test_text_and_back(origin: str, size: int, root: bytes) -> None:
    made = Checkpoint(origin, size, root)
    assert Checkpoint.decode(made.encode()) == made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        TEXT[:-1],
        TEXT + "\n",
        TEXT + "an extension\n",
        TEXT + "an extension",
        "\n" + TEXT,
        TEXT.replace("go.sum database tree", ""),
        TEXT.replace("123456789012", ""),
        TEXT.replace("123456789012", "0123456789012"),
        TEXT.replace("123456789012", "+123456789012"),
        TEXT.replace("123456789012", "-1"),
        TEXT.replace("123456789012", "-0"),
        TEXT.replace("123456789012", "00"),
        TEXT.replace("123456789012", " 123456789012"),
        TEXT.replace("123456789012", "123_456_789_012"),
        TEXT.replace("123456789012", "0xabcdef"),
        TEXT.replace("123456789012", "१२३"),
        TEXT.replace("123456789012", "1e3"),
        TEXT.replace("123456789012", "1" * 5000),
        TEXT.replace("123456789012", str(1 << 63)),
        TEXT.replace("123456789012", "0"),  # the root is not the empty log's
        TEXT.replace("Bb0=", "Bb0"),
        TEXT.replace("Bb0=", "Bb1="),  # the same bytes, written otherwise
        TEXT.replace("Bb0=", "BTOOBIG="),
        TEXT.replace("Bb0=", "Bb0=\r"),
        TEXT.replace("TszzRgjT", ""),
        TEXT.replace("TszzRgjT", "T*zzRgjT"),
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(MalformedCheckpoint):
        Checkpoint.decode(text)


def test_an_empty_log_has_a_checkpoint() -> None:
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    assert empty.encode() == f"{ORIGIN}\n0\n{base64.b64encode(EMPTY_ROOT).decode()}\n"
    assert checkpoint.read(checkpoint.sign(empty, KEY), KEY.verifier) == empty


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [
        ("", 1, ROOT),
        ("two\nlines", 1, ROOT),
        (f"{ORIGIN}\n999", 1, ROOT),
        (ORIGIN, -1, ROOT),
        (ORIGIN, 1 << 63, ROOT),
        (ORIGIN, 1, ROOT[:-1]),
        (ORIGIN, 1, ROOT + b"\x00"),
        (ORIGIN, 0, ROOT),
    ],
)
def test_what_cannot_be_read_is_not_made(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(MalformedCheckpoint):
        Checkpoint(origin, size, root)


class TestSigned:
    @given(st.integers(1, (1 << 63) - 1), st.binary(min_size=32, max_size=32))
    def test_what_is_signed_is_read(self, size: int, root: bytes) -> None:
        made = Checkpoint(ORIGIN, size, root)
        assert checkpoint.read(checkpoint.sign(made, KEY), KEY.verifier) == made

    def test_a_checkpoint_bears_its_logs_name(self) -> None:
        with pytest.raises(OtherOrigin):
            checkpoint.sign(Checkpoint("other.example", 1, ROOT), KEY)
        foreign = note.sign(Checkpoint("other.example", 1, ROOT).encode(), KEY).encode()
        with pytest.raises(OtherOrigin):
            checkpoint.read(foreign, KEY.verifier)

    def test_other_things_that_the_key_signed_are_no_checkpoints(self) -> None:
        for text in ("hello\n", f"{ORIGIN}\n1\n", Checkpoint(ORIGIN, 1, ROOT).encode() + "an extension\n"):
            with pytest.raises(MalformedCheckpoint):
                checkpoint.read(note.sign(text, KEY).encode(), KEY.verifier)

    def test_no_other_key_will_do(self) -> None:
        impostor = SigningKey(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
        signed = checkpoint.sign(Checkpoint(ORIGIN, 1, ROOT), impostor)
        with pytest.raises(UnsignedNote):
            checkpoint.read(signed, KEY.verifier)
        claimed = note.Signature(ORIGIN, KEY.verifier.id, note.Note.decode(signed).signatures[0].value)
        with pytest.raises(ForgedNote):
            checkpoint.read(note.Note(Checkpoint(ORIGIN, 1, ROOT).encode(), (claimed,)).encode(), KEY.verifier)

    def test_an_origin_that_no_note_can_hold_is_not_signed(self) -> None:
        with pytest.raises(MalformedNote):
            note.sign(Checkpoint("bell\x07", 1, ROOT).encode(), KEY)

    def test_no_bit_of_a_signed_checkpoint_can_change(self) -> None:
        signed = checkpoint.sign(Checkpoint(ORIGIN, 20, ROOT), KEY)
        for bit in range(8 * len(signed)):
            bent = bytearray(signed)
            bent[bit // 8] ^= 1 << bit % 8
            with pytest.raises(TransparencyError):
                checkpoint.read(bytes(bent), KEY.verifier)


class TestProofs:
    def test_a_leaf_is_shown_to_be_in_the_log(self) -> None:
        tree, head = log_of(21)
        proof = inclusion_proof(tree.node, 4, 21)
        head.check_inclusion(leaf_hash(b"4"), 4, proof)
        with pytest.raises(BadInclusion):
            head.check_inclusion(leaf_hash(b"5"), 4, proof)

    def test_a_log_is_shown_to_have_grown(self) -> None:
        (_, older), (tree, newer) = log_of(13), log_of(21)
        proof = consistency_proof(tree.node, 13, 21)
        newer.check_follows(older, proof)
        with pytest.raises(BadConsistency):
            older.check_follows(newer, proof)
        with pytest.raises(BadConsistency):
            newer.check_follows(Checkpoint(ORIGIN, 13, ROOT), proof)

    def test_two_logs_of_one_size_and_name_show(self) -> None:
        _, head = log_of(5)
        head.check_follows(head, ())
        with pytest.raises(BadConsistency):
            head.check_follows(Checkpoint(ORIGIN, 5, ROOT), ())

    def test_another_log_is_not_an_earlier_one(self) -> None:
        _, head = log_of(5)
        with pytest.raises(OtherOrigin):
            head.check_follows(Checkpoint("other.example", 5, head.root), ())


def test_each_refusal_has_its_own_code() -> None:
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, TransparencyError)]
    codes = [one.code for one in classes]
    assert len(classes) > 10
    assert len(set(codes)) == len(codes)
    assert all("code" in vars(one) and one.__doc__ for one in classes)
