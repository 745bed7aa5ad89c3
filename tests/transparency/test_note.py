"""Signed notes against Go's own examples, and everything that is not quite a note."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tutela.transparency import note
from tutela.transparency.errors import (
    ForgedNote,
    MalformedKey,
    MalformedNote,
    TransparencyError,
    UnsignedNote,
    UnsupportedKey,
)
from tutela.transparency.note import Note, Signature, SigningKey, VerifierKey, sign, verify

VECTORS = json.loads((Path(__file__).parent / "vectors" / "go_note.json").read_text())
PETER, ENOCH = (
    SigningKey(one["name"], Ed25519PrivateKey.from_private_bytes(bytes.fromhex(one["private"])))
    for one in VECTORS["signers"]
)
TEXT = VECTORS["text"]
LINES = [one["line"] for one in VECTORS["signers"]]
VKEY = VECTORS["signers"][0]["vkey"]
#: The key of Go's checksum database; its base64 has plus signs (cmd/go/internal/modfetch/key.go, BSD-3-Clause).
SUMDB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

names = st.text(st.characters(exclude_categories=["Cs", "Z", "Cc"], exclude_characters="+"), min_size=1, max_size=30)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n"), max_size=300).map(
    "{}\n".format
)


def key_of(seed: int, name: str = "log.example") -> SigningKey:
    return SigningKey(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def line(name: str, raw: bytes) -> str:
    return f"— {name} {base64.b64encode(raw).decode()}\n"


class TestGo:
    def test_go_signs_the_same_bytes(self) -> None:
        assert sign(TEXT, PETER).encode().decode() == f"{TEXT}\n{LINES[0]}"
        assert sign(TEXT, PETER, ENOCH).encode().decode() == f"{TEXT}\n{LINES[0]}{LINES[1]}"

    def test_what_go_signed_verifies(self) -> None:
        signed = Note.decode(f"{TEXT}\n{LINES[0]}{LINES[1]}".encode())
        peter, enoch = VerifierKey.decode(VKEY), ENOCH.verifier
        assert verify(signed, [peter, enoch]) == (TEXT, {peter, enoch})
        assert verify(signed, [peter]) == (TEXT, {peter})

    def test_go_names_keys_the_same(self) -> None:
        assert PETER.verifier.encode() == VKEY
        assert VerifierKey.decode(SUMDB).encode() == SUMDB
        assert VerifierKey.decode(SUMDB).name == "sum.golang.org"


class TestKeys:
    @given(names, st.binary(min_size=32, max_size=32))
    def test_text_and_back(self, name: str, public: bytes) -> None:
        key = VerifierKey(name, public)
        assert VerifierKey.decode(key.encode()) == key

    def test_no_part_of_a_key_is_a_key(self) -> None:
        parts = {VKEY[start:end] for start in range(len(VKEY)) for end in range(start, len(VKEY) + 1)} - {VKEY}
        for part in parts:
            with pytest.raises(TransparencyError):
                VerifierKey.decode(part)

    def test_no_changed_key_is_a_key(self) -> None:
        for at, character in enumerate(VKEY):
            for other in {chr(ord(character) + 1), character.swapcase(), " ", "+", "é", ""} - {character}:
                with pytest.raises(TransparencyError):
                    VerifierKey.decode(VKEY[:at] + other + VKEY[at + 1 :])

    @pytest.mark.parametrize(
        "text",
        [
            "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",  # too long, with its own id
            VKEY.replace("c74f20a3", "C74F20A3"),
            VKEY.replace("c74f20a3", "0c74f20a3"),
            VKEY + "\n",
            VKEY + "=",
            SUMDB.replace("sum.golang.org", "sum.golang.com"),
        ],
    )
    def test_malformed_keys_are_refused(self, text: str) -> None:
        with pytest.raises(MalformedKey):
            VerifierKey.decode(text)

    def test_keys_of_another_kind_are_refused_by_name(self) -> None:
        with pytest.raises(UnsupportedKey, match="PeterNeumann"):
            VerifierKey.decode("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")

    @pytest.mark.parametrize("name", ["", "a b", "a\u00a0b", "a\u3000b", "a+b", "a\nb", "a\x00b", "\ud800"])
    def test_names_are_one_word(self, name: str) -> None:
        with pytest.raises(MalformedKey):
            VerifierKey(name, bytes(32))
        with pytest.raises(MalformedKey):
            sign(TEXT, key_of(1, name))

    @pytest.mark.parametrize("size", [0, 31, 33])
    def test_keys_have_their_length(self, size: int) -> None:
        with pytest.raises(MalformedKey):
            VerifierKey("log.example", bytes(size))


class TestNotes:
    @given(texts, st.lists(st.tuples(names, st.integers(1, 255)), min_size=1, max_size=20, unique=True))
    def test_what_is_signed_verifies_after_the_wire(self, text: str, signers: list[tuple[str, int]]) -> None:
        keys = [key_of(seed, name) for name, seed in signers]
        signed = Note.decode(sign(text, *keys).encode())
        assert verify(signed, [key.verifier for key in keys]) == (text, {key.verifier for key in keys})

    def test_the_last_empty_line_parts_text_and_signatures(self) -> None:
        text = f"one\n\n{LINES[0]}\n\n"
        signed = Note.decode(sign(text, PETER).encode())
        assert signed.unverified_text == text

    @pytest.mark.parametrize(
        "change",
        [
            lambda n: n[:-1],
            lambda n: n + "\n",
            lambda n: n + "more\n",
            lambda n: n.replace("\n\n", "\n"),
            lambda n: n.partition("\n\n")[0] + "\n",
            lambda n: n.partition("\n\n")[0] + "\n\n",
            lambda n: "\n" + n.partition("\n\n")[2],
            lambda n: n.replace("—", "-"),
            lambda n: n.replace("—", "–"),
            lambda n: n.replace("— ", "—"),
            lambda n: n.replace("— ", "—  "),
            lambda n: n.replace("— ", "—\t"),
            lambda n: n.replace("PeterNeumann ", "PeterNeumann  "),
            lambda n: n.replace("PeterNeumann ", "PeterNeumann\u00a0"),
            lambda n: n.replace("PeterNeumann", "Peter+Neumann"),
            lambda n: n.replace("PeterNeumann", ""),
            lambda n: n.replace("\n", "\r\n"),
            lambda n: n.replace("think", "\tthink"),
            lambda n: n.replace("think", "think\x00"),
            lambda n: n.replace("think", "think\x1b"),
            lambda n: n.replace("AM=", "AM"),
            lambda n: n.replace("AM=", "AN="),  # the same bytes, written otherwise
            lambda n: n.replace("AM=", "AM= "),
            lambda n: n.replace("AM=", "A*="),
            lambda n: n + LINES[0],
            lambda n: n + line("PeterNeumann", PETER.verifier.id + b"another signature"),
            lambda n: n + line("short", b"abc"),
            lambda n: n + line("no.signature", b"abcd"),
        ],
    )
    def test_what_is_not_quite_a_note_is_refused(self, change: Callable[[str], str]) -> None:
        bent = change(f"{TEXT}\n{LINES[0]}")
        with pytest.raises(MalformedNote):
            Note.decode(bent.encode())

    @pytest.mark.parametrize("data", [b"", b"\n", b"\n\n", b"\xff" + sign(TEXT, PETER).encode(), b"\xc0\x80\n\n"])
    def test_bytes_that_are_no_text_are_refused(self, data: bytes) -> None:
        with pytest.raises(MalformedNote):
            Note.decode(data)

    @pytest.mark.parametrize("text", ["", "no newline", "bell\x07\n", "\ud800\n", "tab\there\n", "return\r\n"])
    def test_what_cannot_be_read_is_not_signed(self, text: str) -> None:
        with pytest.raises(MalformedNote):
            sign(text, PETER)

    def test_a_note_needs_a_signature_and_one_by_each_key(self) -> None:
        with pytest.raises(MalformedNote):
            sign(TEXT)
        with pytest.raises(MalformedNote):
            sign(TEXT, PETER, PETER)

    @pytest.mark.parametrize(
        "signature",
        [
            Signature("log.example", b"abc", b"x"),
            Signature("log.example", b"abcde", b"x"),
            Signature("log.example", b"abcd", b""),
            Signature("log example", b"abcd", b"x"),
            Signature("", b"abcd", b"x"),
        ],
    )
    def test_a_line_that_names_no_key_is_not_written(self, signature: Signature) -> None:
        with pytest.raises(MalformedNote):
            Note(TEXT, (signature,))

    def test_notes_are_bounded(self) -> None:
        many = [Signature(f"key{number}", bytes(4), b"x") for number in range(note.NOTE_SIGNATURES + 1)]
        assert Note.decode(Note(TEXT, tuple(many[:-1])).encode()).signatures == tuple(many[:-1])
        with pytest.raises(MalformedNote):
            Note(TEXT, tuple(many))
        with pytest.raises(MalformedNote):
            sign("x" * note.NOTE_BYTES + "\n", PETER)
        with pytest.raises(MalformedNote):
            Note.decode(b"x" * note.NOTE_BYTES + sign(TEXT, PETER).encode())

    @given(st.binary(max_size=200))
    def test_any_bytes_are_a_note_or_refused(self, data: bytes) -> None:
        with contextlib.suppress(MalformedNote):
            assert Note.decode(data).encode() == data

    @given(st.integers(0, 8 * len(f"{TEXT}\n{LINES[0]}".encode()) - 1))
    def test_no_bit_of_a_note_can_change(self, bit: int) -> None:
        data = bytearray(f"{TEXT}\n{LINES[0]}".encode())
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(TransparencyError):
            verify(Note.decode(bytes(data)), [PETER.verifier])


class TestVerify:
    def test_a_signature_that_names_a_known_key_and_is_not_by_it_spoils_the_note(self) -> None:
        text, _, lines = sign(TEXT, PETER, ENOCH).encode().decode().rpartition("\n\n")
        bent = Note.decode(f"{text.replace('answer', 'ANSWER')}\n\n{lines}".encode())
        with pytest.raises(ForgedNote):
            verify(bent, [PETER.verifier])
        mixed = Note(TEXT, (sign(TEXT, PETER).signatures[0], sign("other\n", ENOCH).signatures[0]))
        with pytest.raises(ForgedNote):
            verify(mixed, [PETER.verifier, ENOCH.verifier])

    @pytest.mark.parametrize("size", [1, 63, 65])
    def test_signatures_have_their_length(self, size: int) -> None:
        short = Note(TEXT, (Signature(PETER.name, PETER.verifier.id, bytes(size)),))
        with pytest.raises(ForgedNote):
            verify(short, [PETER.verifier])

    def test_a_note_by_strangers_is_not_signed(self) -> None:
        with pytest.raises(UnsignedNote):
            verify(sign(TEXT, PETER), [ENOCH.verifier])
        with pytest.raises(UnsignedNote):
            verify(sign(TEXT, PETER), [])

    def test_the_same_name_or_the_same_id_alone_is_a_stranger(self) -> None:
        (signature,) = sign(TEXT, PETER).signatures
        other_name = Signature("NeterPeumann", signature.key_id, signature.value)
        other_id = Signature(signature.name, ENOCH.verifier.id, signature.value)
        for stranger in (other_name, other_id):
            with pytest.raises(UnsignedNote):
                verify(Note(TEXT, (stranger,)), [PETER.verifier])
            assert verify(Note(TEXT, (stranger, signature)), [PETER.verifier]) == (TEXT, {PETER.verifier})

    def test_signatures_of_other_kinds_are_ignored(self) -> None:
        """A witness's: a key of type 04, whose signatures have a time before them; and one as long as ML-DSA's."""
        cosignature = Signature("witness.example", b"\x12\x34\x56\x78", struct.pack(">Q", 1) + bytes(64))
        post_quantum = Signature("witness.example/pq", b"\x12\x34\x56\x78", bytes(2428))
        signed = Note(TEXT, (cosignature, *sign(TEXT, PETER).signatures, post_quantum))
        assert verify(Note.decode(signed.encode()), [PETER.verifier]) == (TEXT, {PETER.verifier})

    def test_two_keys_that_signatures_cannot_tell_apart_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(VerifierKey, "id", b"same")  # such keys can be searched for: ids have four bytes
        with pytest.raises(MalformedKey):
            verify(sign(TEXT, PETER), [PETER.verifier, VerifierKey(PETER.name, bytes(32))])

    def test_the_same_key_twice_is_one_key(self) -> None:
        assert verify(sign(TEXT, PETER), [PETER.verifier, PETER.verifier]) == (TEXT, {PETER.verifier})
