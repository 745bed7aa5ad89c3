"""Our log, checked by a program that nobody here wrote: metamorphic-log, in Rust (Apache-2.0 or MIT)."""

from __future__ import annotations

from collections.abc import Callable

import metamorphic_log as theirs
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tutela.transparency import checkpoint, note
from tutela.transparency.checkpoint import Checkpoint
from tutela.transparency.errors import TransparencyError
from tutela.transparency.merkle import (
    Frontier,
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from tutela.transparency.note import SigningKey

KEY = SigningKey("provider.example/audit", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
VKEY = KEY.verifier.encode()
OTHER_VKEY = SigningKey(KEY.name, Ed25519PrivateKey.from_private_bytes(bytes(32))).verifier.encode()

LEAVES = [leaf_hash(f"entry {number}".encode()) for number in range(300)]
TREE = Tree(b"".join(LEAVES))


def signed(size: int) -> str:
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier = frontier.append(leaf)
    return checkpoint.sign(Checkpoint(KEY.name, size, frontier.root), KEY).decode()


def refused(check: Callable[[], object], error: type[Exception]) -> bool:
    try:
        check()
    except error:
        return True
    return False


@pytest.mark.parametrize("size", [1, 2, 3, 8, 255, 256, 300])
def test_it_reads_our_checkpoints(size: int) -> None:
    head = theirs.checkpoint_verify(signed(size), [VKEY])
    assert (head.origin, head.size, head.root) == (KEY.name, size, tree_root(TREE.node, size))
    assert not head.extensions


def test_it_reads_our_notes() -> None:
    second = SigningKey("second.example", Ed25519PrivateKey.from_private_bytes(bytes(32)))
    text = "one\n\n— not.a.signature AAAA\n\ntwo\n"
    made = note.sign(text, KEY, second).encode().decode()
    assert theirs.verify_signed_note(made, [VKEY, second.verifier.encode()]) == 2


def test_it_refuses_what_we_refuse() -> None:
    with pytest.raises(theirs.VerifyError):
        theirs.checkpoint_verify(signed(8), [OTHER_VKEY])
    with pytest.raises(theirs.VerifyError):
        theirs.checkpoint_verify(signed(8).replace("\n8\n", "\n9\n"), [VKEY])


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 8), (6, 7), (255, 256), (256, 257), (299, 300)])
def test_it_finds_our_leaves_in_the_log(index: int, size: int) -> None:
    proof = list(inclusion_proof(TREE.node, index, size))
    theirs.checkpoint_verify_inclusion(signed(size), [VKEY], index, LEAVES[index], proof)
    with pytest.raises(theirs.VerifyError):
        theirs.checkpoint_verify_inclusion(signed(size), [VKEY], index, leaf_hash(b"another"), proof)


@pytest.mark.parametrize(("old", "new"), [(1, 2), (1, 8), (6, 8), (7, 8), (255, 256), (256, 300), (299, 300), (9, 9)])
def test_it_sees_that_our_log_only_grew(old: int, new: int) -> None:
    proof = list(consistency_proof(TREE.node, old, new))
    theirs.checkpoint_verify_consistency(signed(old), signed(new), [VKEY], proof)
    forked = checkpoint.sign(Checkpoint(KEY.name, old, leaf_hash(b"a fork")), KEY).decode()
    with pytest.raises(theirs.VerifyError):
        theirs.checkpoint_verify_consistency(forked, signed(new), [VKEY], proof)


@given(st.integers(1, 300), st.data())
def test_we_agree_on_inclusion_whatever_is_bent(size: int, data: st.DataObject) -> None:
    """Sizes and indexes included: where a proof holds for another size too, it does so for both of us."""
    index = data.draw(st.integers(0, size - 1))
    proof = bent(list(inclusion_proof(TREE.node, index, size)), data)
    size = data.draw(near(size))
    index = data.draw(near(index))
    root = tree_root(TREE.node, data.draw(near(size).filter(lambda one: one <= 300)))
    leaf = LEAVES[data.draw(near(index).filter(lambda one: one < 300))]
    ours = refused(lambda: verify_inclusion(leaf, index, size, proof, root), TransparencyError)
    assert ours == refused(lambda: theirs.verify_inclusion(index, size, leaf, proof, root), theirs.VerifyError)


@given(st.integers(1, 300), st.data())
def test_we_agree_on_consistency_whatever_is_bent(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    proof = bent(list(consistency_proof(TREE.node, old, new)), data)
    old, new = data.draw(near(old).filter(bool)), data.draw(near(new).filter(bool))
    old_root, new_root = (
        tree_root(TREE.node, data.draw(near(one).filter(lambda n: 0 < n <= 300))) for one in (old, new)
    )
    ours = refused(lambda: verify_consistency(old, old_root, new, new_root, proof), TransparencyError)
    assert ours == refused(lambda: theirs.verify_consistency(old, new, proof, old_root, new_root), theirs.VerifyError)


def near(number: int) -> st.SearchStrategy[int]:
    """The number itself more often than not, else one close by or with a bit changed."""
    others = [max(number - 1, 0), number + 1, *(number ^ 1 << bit for bit in range(10))]
    return st.one_of(st.just(number), st.just(number), st.just(number), st.sampled_from(others))


def bent(proof: list[bytes], data: st.DataObject) -> list[bytes]:
    """The proof itself, or without a hash, or with one more."""
    where = data.draw(st.integers(0, len(proof)))
    way = data.draw(st.sampled_from(["as it is"] * 3 + ["shorter", "longer"]))
    if way == "shorter":
        return proof[:where] + proof[where + 1 :]
    if way == "longer":
        return [*proof[:where], data.draw(st.sampled_from([*proof, LEAVES[0]])), *proof[where:]]
    return proof
