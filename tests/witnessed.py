"""Logs to be witnessed, and what is asked of a witness about them."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pourparler.checkpoint import Checkpoint, Note, origin_of
from pourparler.proof import Tree, leaf_hash
from pourparler_service.keys import SigningKey
from pourparler_service.witness import Witness
from pourparler_service.witness_server import running
from tests.signing import KEY, witness_key


class SomeLog(NamedTuple):
    """A log with leaves of its own, signed by keys of its own."""

    tree: Tree
    keys: Sequence[SigningKey] = (KEY,)
    negotiation: str = "talks"

    @property
    def origin(self) -> str:
        """Its origin."""
        return origin_of(self.keys[0].name, self.negotiation)

    @property
    def origin_hash(self) -> str:
        """The SHA-256 of its origin."""
        return hashlib.sha256(self.origin.encode()).hexdigest()

    def signed(self, size: int, *extensions: str, root: bytes | None = None) -> str:
        """Its checkpoint at a size."""
        root = self.tree.root(size) if root is None else root
        text = Checkpoint(self.origin, size, root, extensions).text()
        return Note(text, tuple(key.sign(text) for key in self.keys)).signed()

    def growth(self, old: int, size: int) -> bytes:
        """What a witness that has seen a size is asked to cosign another."""
        hashes = self.tree.prove_consistency(old, size) if 0 < old <= size else []
        return asking(old, hashes, self.signed(size))


def some_log(
    size: int = 20, seed: str = "entry", negotiation: str = "talks", *keys: SigningKey
) -> SomeLog:
    """A log of so many leaves; another seed gives other leaves."""
    leaves = [leaf_hash(f"{seed} {number}".encode()) for number in range(size)]
    return SomeLog(Tree(leaves), keys or (KEY,), negotiation)


def asking(old: int | str, hashes: Sequence[bytes], signed: str) -> bytes:
    """The body of a request for a cosignature."""
    proof = "".join(f"{base64.b64encode(one).decode()}\n" for one in hashes)
    return f"old {old}\n{proof}\n{signed}".encode()


@contextmanager
def witness_at(
    folder: Path,
    number: int = 100,
    address: str = "127.0.0.1:0",
    logs: Sequence[SigningKey] = (KEY,),
) -> Iterator[tuple[str, str]]:
    """A witness that answers while the block lasts: its URL and its verifier key."""
    key = witness_key(number, f"witness{number}.example")
    witness = Witness(key, [log.verifier_key for log in logs], folder)
    try:
        with running(witness, address) as url:
            yield url, str(key.verifier_key)
    finally:
        witness.close()
