"""Merkle trees: the vectors of others, and a definition so plain that it cannot be wrong."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pourparler.transparency.merkle import (
    EMPTY_ROOT,
    Frontier,
    MerkleTree,
    ProofError,
    check_consistency,
    check_inclusion,
    leaf_hash,
)

VECTORS = Path(__file__).parents[3] / "data" / "merkle"
INCLUSION: dict[str, Any] = json.loads((VECTORS / "inclusion.json").read_text())
CONSISTENCY: dict[str, Any] = json.loads((VECTORS / "consistency.json").read_text())
SIZES = st.integers(1, 130)


def unpacked(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def plain_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, 2.1, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    sides = plain_root(leaves[:split]) + plain_root(leaves[split:])
    return hashlib.sha256(b"\x01" + sides).digest()


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(size)]


@pytest.mark.parametrize("name", INCLUSION)
def test_the_inclusion_vectors_hold(name: str) -> None:
    vector = INCLUSION[name]

    def check() -> None:
        check_inclusion(
            unpacked(vector["leafHash"]),
            vector["leafIdx"],
            vector["treeSize"],
            [unpacked(one) for one in vector["proof"] or []],
            unpacked(vector["root"]),
        )

    if vector["wantErr"]:
        with pytest.raises(ProofError):
            check()
    else:
        check()


@pytest.mark.parametrize("name", CONSISTENCY)
def test_the_consistency_vectors_hold(name: str) -> None:
    vector = CONSISTENCY[name]

    def check() -> None:
        check_consistency(
            vector["size1"],
            unpacked(vector["root1"]),
            vector["size2"],
            unpacked(vector["root2"]),
            [unpacked(one) for one in vector["proof"] or []],
        )

    if vector["wantErr"]:
        with pytest.raises(ProofError):
            check()
    else:
        check()


def test_an_empty_tree_has_the_root_of_nothing() -> None:
    assert MerkleTree().root() == Frontier().root() == EMPTY_ROOT == plain_root([])


@given(SIZES)
def test_a_root_is_what_the_definition_says(size: int) -> None:
    leaves = leaves_of(size)
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    tree = MerkleTree(leaves)

    assert tree.root() == frontier.root() == plain_root(leaves)
    assert [tree.root(part) for part in range(size + 1)] == [
        plain_root(leaves[:part]) for part in range(size + 1)
    ]


@given(SIZES, st.data())
def test_what_is_proved_is_included_and_nothing_else_is(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    tree = MerkleTree(leaves_of(size + 3))
    root = tree.root(size)

    proof = tree.prove_inclusion(index, size)

    assert len(proof) <= size.bit_length()
    check_inclusion(leaves[index], index, size, proof, root)
    for other in range(size):
        if other != index:
            with pytest.raises(ProofError):
                check_inclusion(leaves[other], index, size, proof, root)


@given(SIZES, st.data())
def test_a_tree_is_shown_to_begin_with_an_older_one(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size))
    tree = MerkleTree(leaves_of(size))

    proof = tree.prove_consistency(old, size)

    check_consistency(old, tree.root(old), size, tree.root(), proof)
    forged = MerkleTree([leaf_hash(b"forged"), *leaves_of(size)[1:]])
    if size > 1 or old == size:
        with pytest.raises(ProofError):
            check_consistency(old, tree.root(old), size, forged.root(), proof)
        with pytest.raises(ProofError):
            check_consistency(
                old, tree.root(old), size, forged.root(), forged.prove_consistency(old, size)
            )


@given(SIZES, st.data())
def test_no_flipped_bit_passes(size: int, data: st.DataObject) -> None:
    tree = MerkleTree(leaves_of(size))
    index = data.draw(st.integers(0, size - 1))
    proof = tree.prove_inclusion(index, size)
    if not proof:
        return
    place = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 255))
    flipped = bytearray(proof[place])
    flipped[bit // 8] ^= 1 << bit % 8
    forged = [*proof[:place], bytes(flipped), *proof[place + 1 :]]

    with pytest.raises(ProofError):
        check_inclusion(leaves_of(size)[index], index, size, forged, tree.root())


@given(SIZES, SIZES)
def test_a_tree_that_was_cut_back_is_as_it_was(size: int, more: int) -> None:
    tree = MerkleTree(leaves_of(size))
    root = tree.root()
    for number in range(more):
        tree.append(leaf_hash(b"more %d" % number))

    tree.truncate(size)

    assert tree.size == size
    assert tree.root() == root
    tree.append(leaf_hash(b"another"))
    assert tree.root() == plain_root([*leaves_of(size), leaf_hash(b"another")])


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0), (0, 6), (5, 9)])
def test_no_proof_is_made_of_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ProofError):
        MerkleTree(leaves_of(5)).prove_inclusion(index, size)


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 3), (2, 6)])
def test_no_consistency_is_proved_that_cannot_be(old: int, new: int) -> None:
    with pytest.raises(ProofError):
        MerkleTree(leaves_of(5)).prove_consistency(old, new)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_hash_of_another_length_is_refused(length: int) -> None:
    tree = MerkleTree(leaves_of(2))

    with pytest.raises(ProofError, match="32 bytes"):
        check_inclusion(leaves_of(2)[0], 0, 2, [b"x" * length], tree.root())
    with pytest.raises(ProofError, match="32 bytes"):
        check_consistency(1, leaves_of(1)[0], 2, tree.root(), [b"x" * length])
