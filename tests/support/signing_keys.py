"""Fixed signing keys for tests."""

from dataclasses import replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pourparler.transparency.checkpoint import COSIGNATURE
from pourparler_service.transparency.signing_keys import Signer, SigningKey

SINCE = datetime(2020, 1, 1, tzinfo=UTC)


def signing_key(number: int = 0, name: str = "test.example", since: datetime = SINCE) -> SigningKey:
    """Return a signing key by its number."""
    seed = number.to_bytes(32, "big")
    return SigningKey(name, Ed25519PrivateKey.from_private_bytes(seed), since)


def witness_key(number: int = 100, name: str = "witness.example") -> SigningKey:
    """Return the key of a witness by its number."""
    return replace(signing_key(number, name), algorithm=COSIGNATURE)


KEY = signing_key()
SIGNER = Signer([KEY])
