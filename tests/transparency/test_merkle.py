"""The tree against its definition, published vectors, and every way of bending a proof."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.transparency.errors import BadConsistency, BadInclusion, MalformedTree, OutOfRange
from tutela.transparency.merkle import (
    EMPTY_ROOT,
    Frontier,
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)

VECTORS = json.loads((Path(__file__).parent / "vectors" / "certificate_transparency.json").read_text())
LEAVES = [leaf_hash(bytes.fromhex(leaf)) for leaf in VECTORS["leaves"]]
ROOTS = [EMPTY_ROOT, *(bytes.fromhex(root) for root in VECTORS["roots"])]

sizes = st.integers(0, 70)


def hashes(count: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(count)]


def tree_of(leaves: list[bytes]) -> Tree:
    return Tree(b"".join(leaves))


def definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = max(2**i for i in range(len(leaves)) if 2**i < len(leaves))
    return hashlib.sha256(b"\x01" + definition(leaves[:k]) + definition(leaves[k:])).digest()


def frontier_of(leaves: list[bytes]) -> Frontier:
    frontier = Frontier()
    for leaf in leaves:
        frontier = frontier.append(leaf)
    return frontier


def flipped(data: bytes) -> list[bytes]:
    return [(int.from_bytes(data) ^ 1 << bit).to_bytes(len(data)) for bit in range(8 * len(data))]


def altered(proof: tuple[bytes, ...], *others: bytes) -> list[tuple[bytes, ...]]:
    """Every single bit changed, every hash left out, doubled, or lengthened; others put before and after; reversed."""
    made = [(*proof[:at], bad, *proof[at + 1 :]) for at, one in enumerate(proof) for bad in flipped(one)]
    for at in range(len(proof)):
        made += [proof[:at] + proof[at + 1 :], proof[: at + 1] + proof[at:]]
        made += [(*proof[:at], bad, *proof[at + 1 :]) for bad in (b"", proof[at][:-1], proof[at] + b"\x00")]
    made += [way for other in (*others, b"", EMPTY_ROOT) for way in ((other, *proof), (*proof, other))]
    return [one for one in [*made, tuple(reversed(proof))] if one != proof]


class TestRoots:
    @pytest.mark.parametrize("size", range(9))
    def test_published_roots(self, size: int) -> None:
        assert definition(LEAVES[:size]) == ROOTS[size]
        assert frontier_of(LEAVES[:size]).root == ROOTS[size]
        assert tree_root(tree_of(LEAVES).node, size) == ROOTS[size]

    def test_the_empty_root_is_the_hash_of_nothing(self) -> None:
        assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    @given(sizes)
    def test_what_grows_is_what_is_defined(self, size: int) -> None:
        leaves = hashes(size)
        assert frontier_of(leaves).root == definition(leaves) == tree_root(tree_of(leaves).node, size)

    @given(st.lists(st.integers(0, 20), max_size=6))
    def test_a_tree_grows_in_any_steps(self, steps: list[int]) -> None:
        leaves = hashes(sum(steps))
        tree = Tree()
        for step in steps:
            tree.extend(b"".join(leaves[tree.size : tree.size + step]))
        assert tree.size == len(leaves)
        assert tree_root(tree.node, tree.size) == definition(leaves)

    def test_a_tree_knows_all_its_earlier_roots(self) -> None:
        leaves = hashes(40)
        tree = tree_of(leaves)
        assert [tree_root(tree.node, size) for size in range(41)] == [definition(leaves[:size]) for size in range(41)]

    def test_an_entry_that_looks_like_a_node_is_another(self) -> None:
        left, right = hashes(2)
        assert leaf_hash(left + right) != definition([left, right])


class TestFrontier:
    @given(sizes)
    def test_it_survives_being_kept(self, size: int) -> None:
        made = frontier_of(hashes(size))
        assert Frontier.decode(made.encode()) == made
        assert len(made.encode()) == 8 + 32 * size.bit_count()

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            bytes(7),
            bytes(8) + bytes(32),
            (1).to_bytes(8),
            (1).to_bytes(8) + bytes(31),
            (3).to_bytes(8) + bytes(63),
            (3).to_bytes(8) + bytes(65),
            (3).to_bytes(8) + bytes(96),
        ],
    )
    def test_other_bytes_are_refused(self, data: bytes) -> None:
        with pytest.raises(MalformedTree):
            Frontier.decode(data)

    @pytest.mark.parametrize("size", [0, 1])
    @pytest.mark.parametrize("leaf", [b"", bytes(31), bytes(33)])
    def test_what_is_no_hash_is_not_appended(self, size: int, leaf: bytes) -> None:
        with pytest.raises(MalformedTree):
            frontier_of(hashes(size)).append(leaf)

    def test_peaks_are_hashes_and_belong_to_a_size(self) -> None:
        for size, peaks in [(-1, ()), (1 << 64, (bytes(32),)), (1, ()), (0, (bytes(32),)), (1, (bytes(31),))]:
            with pytest.raises(MalformedTree):
                Frontier(size, peaks)


class TestTree:
    @pytest.mark.parametrize("extra", [1, 31, 33])
    def test_only_whole_hashes_are_taken(self, extra: int) -> None:
        tree = tree_of(hashes(3))
        with pytest.raises(MalformedTree):
            tree.extend(bytes(extra))
        assert tree.size == 3

    @pytest.mark.parametrize(("level", "index"), [(0, 3), (0, -1), (1, 1), (2, 0), (-1, 0), (9, 0)])
    def test_what_is_not_there_is_not_made_up(self, level: int, index: int) -> None:
        with pytest.raises(OutOfRange):
            tree_of(hashes(3)).node(level, index)

    def test_no_proof_reaches_beyond_the_log(self) -> None:
        tree = tree_of(hashes(5))
        for index, size in [(5, 5), (-1, 5), (0, 0), (0, 6), (0, 8)]:
            with pytest.raises(OutOfRange):
                inclusion_proof(tree.node, index, size)
        for old, new in [(3, 2), (-1, 2), (2, 6), (5, 8)]:
            with pytest.raises(OutOfRange):
                consistency_proof(tree.node, old, new)
        for size in (-1, 6):
            with pytest.raises(OutOfRange):
                tree_root(tree.node, size)

    def test_a_million_leaves_take_a_million_hashings_and_a_proof_a_few_look_ups(self) -> None:
        tree = Tree(bytes(32) * 1_000_000)
        asked = []

        def node(level: int, index: int) -> bytes:
            asked.append((level, index))
            return tree.node(level, index)

        root = tree_root(tree.node, tree.size)
        proof = inclusion_proof(node, 777_777, tree.size)
        verify_inclusion(bytes(32), 777_777, tree.size, proof, root)
        growth = consistency_proof(node, 777_777, tree.size)
        verify_consistency(777_777, tree_root(tree.node, 777_777), tree.size, root, growth)
        assert len(proof) == 20
        assert len(asked) < 80


class TestInclusion:
    @pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=lambda v: f"{v['index']} of {v['size']}")
    def test_published_proofs(self, vector: dict[str, Any]) -> None:
        index, size = vector["index"], vector["size"]
        proof = tuple(bytes.fromhex(one) for one in vector["proof"])
        assert inclusion_proof(tree_of(LEAVES).node, index, size) == proof
        verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])

    def test_every_leaf_of_every_size_is_proved(self) -> None:
        leaves = hashes(40)
        tree = tree_of(leaves)
        for size in range(1, 41):
            root = definition(leaves[:size])
            for index in range(size):
                verify_inclusion(leaves[index], index, size, inclusion_proof(tree.node, index, size), root)

    @pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 2), (2, 3), (4, 5), (3, 6), (5, 7), (7, 8), (64, 70)])
    def test_nothing_else_is_proved(self, index: int, size: int) -> None:
        leaves = hashes(size)
        root = definition(leaves)
        leaf = leaves[index]
        proof = inclusion_proof(tree_of(leaves).node, index, size)
        lies: list[tuple[bytes, int, int, tuple[bytes, ...], bytes]] = [
            *((bad, index, size, proof, root) for bad in (*flipped(leaf), b"", leaf[:-1], leaf + b"\x00")),
            *((leaf, index, size, proof, bad) for bad in (*flipped(root), b"", root[:-1], root + b"\x00")),
            *((leaf, index, size, bad, root) for bad in altered(proof, leaf, root)),
            *((leaf, index ^ 1 << bit, size, proof, root) for bit in range(65)),
            *((leaf, index, bad, proof, root) for bad in (0, -1, -size, index, size << 1 | 1, size + (1 << 64))),
            *((leaf, bad, size, proof, root) for bad in (-1, -size, size, size + 1, index - size, index + size)),
        ]
        for lie in lies:
            with pytest.raises(BadInclusion):
                verify_inclusion(*lie)

    @pytest.mark.parametrize(("index", "size"), [(0, 1), (1, 2), (4, 5), (3, 6)])
    def test_a_larger_tree_is_not_a_smaller_one(self, index: int, size: int) -> None:
        """One level more above the tree that the size allows, with the root to match."""
        leaves, other = hashes(size), leaf_hash(b"other")
        proof = (*inclusion_proof(tree_of(leaves).node, index, size), other)
        for root in (node_hash(other, definition(leaves)), node_hash(definition(leaves), other)):
            with pytest.raises(BadInclusion, match="too many"):
                verify_inclusion(leaves[index], index, size, proof, root)

    def test_bytes_do_not_move_from_one_hash_to_another(self) -> None:
        left, right = hashes(2)
        with pytest.raises(BadInclusion):
            verify_inclusion(left + right[:1], 0, 2, (right[1:],), definition([left, right]))

    def test_an_empty_log_holds_nothing(self) -> None:
        with pytest.raises(BadInclusion):
            verify_inclusion(EMPTY_ROOT, 0, 0, (), EMPTY_ROOT)

    def test_size_and_root_belong_together(self) -> None:
        """Known, and why `Checkpoint` holds both: the way up from a leaf can be the same in a log of another size."""
        leaves = hashes(3)
        proof = inclusion_proof(tree_of(leaves).node, 0, 3)
        verify_inclusion(leaves[0], 0, 4, proof, definition(leaves))

    @given(st.integers(1, 70), st.data())
    def test_a_place_is_proved_for_one_leaf_only(self, size: int, data: st.DataObject) -> None:
        index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
        leaves = hashes(size)
        proof = inclusion_proof(tree_of(leaves).node, index, size)
        if index == other:
            verify_inclusion(leaves[other], index, size, proof, definition(leaves))
            return
        with pytest.raises(BadInclusion):
            verify_inclusion(leaves[other], index, size, proof, definition(leaves))
        with pytest.raises(BadInclusion):
            verify_inclusion(leaves[index], other, size, proof, definition(leaves))


class TestConsistency:
    @pytest.mark.parametrize("vector", VECTORS["consistency"], ids=lambda v: f"{v['old']} to {v['new']}")
    def test_published_proofs(self, vector: dict[str, Any]) -> None:
        old, new = vector["old"], vector["new"]
        proof = tuple(bytes.fromhex(one) for one in vector["proof"])
        assert consistency_proof(tree_of(LEAVES).node, old, new) == proof
        verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)

    def test_every_growth_is_proved(self) -> None:
        leaves = hashes(40)
        tree = tree_of(leaves)
        roots = [definition(leaves[:size]) for size in range(41)]
        for new in range(41):
            for old in range(new + 1):
                verify_consistency(old, roots[old], new, roots[new], consistency_proof(tree.node, old, new))

    @pytest.mark.parametrize(
        ("old", "new"), [(0, 5), (1, 1), (1, 2), (1, 3), (2, 3), (3, 4), (4, 7), (6, 8), (7, 7), (33, 70), (64, 70)]
    )
    def test_nothing_else_is_proved(self, old: int, new: int) -> None:
        leaves = hashes(new)
        old_root, new_root = definition(leaves[:old]), definition(leaves)
        proof = consistency_proof(tree_of(leaves).node, old, new)
        lies: list[tuple[int, bytes, int, bytes, tuple[bytes, ...]]] = [
            *((old, bad, new, new_root, proof) for bad in (*flipped(old_root), b"", old_root[:-1], old_root + b"\0")),
            *((old, old_root, new, bad, bad_proof) for bad, bad_proof in self.bad_news(old, new_root, proof)),
            *((old, old_root, new, new_root, bad) for bad in altered(proof, old_root, new_root)),
            *((bad, old_root, new, new_root, proof) for bad in (-1, -old - 1, new + 1, old + (1 << 64))),
            *((old, old_root, bad, new_root, proof) for bad in (-1, old - 1)),
        ]
        if old not in (0, new):
            lies += [
                (old, new_root, new, old_root, proof),
                (old, old_root, new, new_root, ()),
                (old, old_root, new, new_root, (old_root, *proof)),
                *((old, old_root, bad, new_root, proof) for bad in (new << 1 | 1, new + (1 << 64), old)),
            ]
        for lie in lies:
            with pytest.raises(BadConsistency):
                verify_consistency(*lie)

    @staticmethod
    def bad_news(old: int, root: bytes, proof: tuple[bytes, ...]) -> list[tuple[bytes, tuple[bytes, ...]]]:
        """Of an empty older log nothing is proved about the newer, but that its root is a hash."""
        return [(bad, proof) for bad in (*(flipped(root) if old else ()), b"", root[:-1], root + b"\x00")]

    @pytest.mark.parametrize(("old", "new"), [(1, 2), (3, 5), (4, 6), (5, 8)])
    def test_a_larger_tree_is_not_a_smaller_one(self, old: int, new: int) -> None:
        leaves, other = hashes(new), leaf_hash(b"other")
        old_root, new_root = definition(leaves[:old]), definition(leaves)
        proof = (*consistency_proof(tree_of(leaves).node, old, new), other)
        roots = [
            (node_hash(other, old_root), node_hash(other, new_root)),
            (old_root, node_hash(other, new_root)),
            (old_root, node_hash(new_root, other)),
        ]
        for old_lie, new_lie in roots:
            with pytest.raises(BadConsistency, match="too many"):
                verify_consistency(old, old_lie, new, new_lie, proof)

    def test_bytes_do_not_move_from_one_hash_to_another(self) -> None:
        left, right = hashes(2)
        with pytest.raises(BadConsistency):
            verify_consistency(1, left + right[:1], 2, definition([left, right]), (right[1:],))

    def test_an_empty_log_has_one_root(self) -> None:
        verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, ())
        for old, new in [(bytes(32), EMPTY_ROOT), (EMPTY_ROOT, bytes(32)), (bytes(32), bytes(32))]:
            with pytest.raises(BadConsistency):
                verify_consistency(0, old, 0, new, ())
        with pytest.raises(BadConsistency):
            verify_consistency(0, bytes(32), 3, definition(hashes(3)), ())

    @given(st.integers(2, 70), st.data())
    def test_a_rewritten_entry_shows(self, new: int, data: st.DataObject) -> None:
        old = data.draw(st.integers(1, new - 1))
        changed = data.draw(st.integers(0, old - 1))
        leaves = hashes(new)
        rewritten = [*leaves[:changed], leaf_hash(b"other"), *leaves[changed + 1 :]]
        tree = tree_of(rewritten)
        proofs = [consistency_proof(tree.node, old, new), consistency_proof(tree_of(leaves).node, old, new)]
        for proof in proofs:
            with pytest.raises(BadConsistency):
                verify_consistency(old, definition(leaves[:old]), new, tree_root(tree.node, new), proof)
