"""Merkle trees (RFC 6962): the proofs of a log, and their checks.

Pure: hashlib only. Section numbers are those of RFC 6962, and of RFC 9162 for the checks.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Self

HASH_BYTES = 32

EMPTY_ROOT = sha256().digest()
"""The root of a tree without leaves (2.1)."""


class ProofError(ValueError):
    """A proof is not valid; the text gives the reason."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256 of 0x00 and its data (2.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node: SHA-256 of 0x01 and the hashes of its children (2.1)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree, which suffices for its root, in logarithmic space.

    Its nodes are the roots of complete subtrees, the largest first: one for each binary digit 1 of
    the size.
    """

    __slots__ = ("_nodes", "size")

    def __init__(self) -> None:
        """Start with an empty tree."""
        self.size = 0
        self._nodes: list[bytes] = []

    @classmethod
    def before_last_leaf(cls, size: int, proof: Sequence[bytes]) -> Self:
        """Return the edge of a tree without its last leaf, from the inclusion proof of that leaf.

        That proof is this edge in reverse order. `size` includes the last leaf. Raises ProofError
        if the number of hashes is wrong. The caller checks the hashes by the resulting root.
        """
        _check_hash_lengths(proof)
        if size < 1 or len(proof) != (size - 1).bit_count():
            message = "the inclusion proof is not that of the last leaf"
            raise ProofError(message)
        frontier = cls()
        frontier.size = size - 1
        frontier._nodes = list(reversed(proof))
        return frontier

    def append(self, leaf: bytes) -> None:
        """Add a leaf by its hash."""
        node = leaf
        size = self.size
        while size & 1:
            node = sha256(b"\x01" + self._nodes.pop() + node).digest()
            size >>= 1
        self._nodes.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the current root of the tree, 32 bytes."""
        if not self._nodes:
            return EMPTY_ROOT
        *others, root = self._nodes
        for node in reversed(others):
            root = node_hash(node, root)
        return root


class MerkleTree:
    """A tree that stores the roots of its complete subtrees, for proofs in logarithmic time.

    It needs 64 bytes for each leaf.
    """

    __slots__ = ("_levels", "size")

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        """Start with these leaves, given by their hashes."""
        self.size = 0
        self._levels: list[bytearray] = []
        for leaf in leaves:
            self.append(leaf)

    def append(self, leaf: bytes) -> None:
        """Add a leaf by its hash."""
        node, index = leaf, self.size
        for level in range(index.bit_length() + 1):
            if level == len(self._levels):
                self._levels.append(bytearray())
            self._levels[level] += node
            if not index & 1:
                break
            node = node_hash(self._node(level, index - 1), node)
            index >>= 1
        self.size += 1

    def truncate(self, size: int) -> None:
        """Remove the leaves beyond this size."""
        for level, nodes in enumerate(self._levels):
            del nodes[(size >> level) * HASH_BYTES :]
        self.size = size

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first `size` leaves; the default is all leaves."""
        size = self.size if size is None else size
        self._check_size(size)
        return self._subtree_root(0, size) if size else EMPTY_ROOT

    def prove_inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the path from leaf `index` to the root over the first `size` leaves (2.1.1)."""
        self._check_size(size)
        if not 0 <= index < size:
            message = f"there is no leaf {index} in a tree of {size}"
            raise ProofError(message)
        path = []
        begin, end = 0, size
        while end - begin > 1:
            middle = begin + _split(end - begin)
            if index < middle:
                path.append(self._subtree_root(middle, end))
                end = middle
            else:
                path.append(self._subtree_root(begin, middle))
                begin = middle
        return path[::-1]

    def prove_consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of `new` leaves extends that of `old` leaves (2.1.2)."""
        self._check_size(new)
        if not 0 < old <= new:
            message = f"a tree of {new} cannot be shown to begin with one of {old}"
            raise ProofError(message)
        path = []
        begin, end = 0, new
        while end != old:
            middle = begin + _split(end - begin)
            if old <= middle:
                path.append(self._subtree_root(middle, end))
                end = middle
            else:
                path.append(self._subtree_root(begin, middle))
                begin = middle
        if begin:
            path.append(self._subtree_root(begin, end))
        return path[::-1]

    def _subtree_root(self, begin: int, end: int) -> bytes:
        """Return the root over the leaves from `begin` to before `end` (MTH, 2.1).

        `begin` is a multiple of the size of the smallest complete tree that holds them.
        """
        root = b""
        while begin < end:  # the complete subtrees, from the last and smallest on
            size = (end - begin) & (begin - end)
            level = size.bit_length() - 1
            node = self._node(level, (end >> level) - 1)
            root = node_hash(node, root) if root else node
            end -= size
        return root

    def _node(self, level: int, index: int) -> bytes:
        return bytes(self._levels[level][index * HASH_BYTES : (index + 1) * HASH_BYTES])

    def _check_size(self, size: int) -> None:
        if not 0 <= size <= self.size:
            message = f"the tree has {self.size} leaves, not {size}"
            raise ProofError(message)


def check_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that a tree of this size and root has the leaf at `index` (RFC 9162, 2.1.3.2).

    Raises ProofError if the proof does not show it.
    """
    if not 0 <= index < size:
        message = f"there is no leaf {index} in a tree of {size}"
        raise ProofError(message)
    _check_hash_lengths([leaf, root, *proof])
    node, last, found = index, size - 1, leaf
    for sibling in proof:
        if not last:
            message = "the inclusion proof is too long"
            raise ProofError(message)
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            found = node_hash(found, sibling)
        node >>= 1
        last >>= 1
    if last:
        message = "the inclusion proof is too short"
        raise ProofError(message)
    if found != root:
        message = "the inclusion proof leads to another root"
        raise ProofError(message)


def check_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of size `new` extends the tree of size `old` (RFC 9162, 2.1.4.2).

    Raises ProofError if the proof does not show it.
    """
    if not 0 < old <= new:
        message = f"a tree of {new} cannot begin with one of {old}"
        raise ProofError(message)
    if old == new:
        if proof:
            message = "the consistency proof of a tree with itself is empty"
            raise ProofError(message)
        if old_root != new_root:
            message = "two roots of one size differ"
            raise ProofError(message)
        return
    _check_hash_lengths([old_root, new_root, *proof])
    # A complete old tree is a node of the new one, so the proof omits it.
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if len(path) < 2:  # noqa: PLR2004 - an old node and at least one new one
        message = "the consistency proof is too short"
        raise ProofError(message)
    node, last = old - 1, new - 1
    while node & 1:
        node >>= 1
        last >>= 1
    first, *others = path
    found_old = found_new = first
    for sibling in others:
        if not last:
            message = "the consistency proof is too long"
            raise ProofError(message)
        if node & 1 or node == last:
            found_old = node_hash(sibling, found_old)
            found_new = node_hash(sibling, found_new)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            found_new = node_hash(found_new, sibling)
        node >>= 1
        last >>= 1
    if last:
        message = "the consistency proof is too short"
        raise ProofError(message)
    if found_old != old_root:
        message = "the consistency proof leads to another old root"
        raise ProofError(message)
    if found_new != new_root:
        message = "the consistency proof leads to another new root"
        raise ProofError(message)


def _split(size: int) -> int:
    """Return the largest power of two that is less than the size (2.1)."""
    return 1 << ((size - 1).bit_length() - 1)


def _check_hash_lengths(hashes: Iterable[bytes]) -> None:
    if any(len(one) != HASH_BYTES for one in hashes):
        message = f"a hash has {HASH_BYTES} bytes"
        raise ProofError(message)
