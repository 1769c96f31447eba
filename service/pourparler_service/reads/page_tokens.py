"""Page tokens and cursors: places where a list or a replay continues, sealed against changes."""

import base64
import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable, Sequence

from google.protobuf.message import Message

FORMAT = 3
"""The format of a token. A token of another format is invalid."""

_BLOCK_BYTES = 32
_NONCE_BYTES = 9
# Together with the code, a length that base64 needs no padding for.
_PAYLOADS = {
    1: (struct.Struct(f">BQ16s{_NONCE_BYTES}s"), 17),
    3: (struct.Struct(f">B3Q16s{_NONCE_BYTES}s"), 16),
}


class PageTokens:
    """Writes places in a record as texts that no caller can forge or use for another query.

    A token is valid for one query over one record, without a time limit, and grants nothing. A
    place is a number, or three numbers. No two tokens are equal, so a caller cannot tell if a place
    over all negotiations has moved: it moves with hidden entries too.
    """

    def __init__(
        self,
        secret: bytes,
        log_id: str,
        *,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Make tokens with a secret, for the record with this id."""
        self._secret = secret
        self._log_id = log_id.encode()
        self._random_bytes = random_bytes

    def write(self, after: int, query: bytes) -> str:
        """Return the token of a place that a query continues after."""
        return self._written((after,), query)

    def read(self, token: str, query: bytes) -> int | None:
        """Return the place that a query continues after; None if the token is not for it."""
        place = self._read(token, query, 1)
        return None if place is None else place[0]

    def write_three(self, after: tuple[int, int, int], query: bytes) -> str:
        """Return a token as `write` does, for a place of three numbers."""
        return self._written(after, query)

    def read_three(self, token: str, query: bytes) -> tuple[int, int, int] | None:
        """Return a place as `read` does, of three numbers."""
        place = self._read(token, query, 3)
        return None if place is None else (place[0], place[1], place[2])

    def _written(self, place: Sequence[int], query: bytes) -> str:
        form, code_bytes = _PAYLOADS[len(place)]
        payload = form.pack(FORMAT, *place, query, self._random_bytes(_NONCE_BYTES))
        code = self._code(payload)[:code_bytes]
        return base64.urlsafe_b64encode(self._masked(payload, code) + code).decode("ascii")

    def _read(self, token: str, query: bytes, numbers: int) -> Sequence[int] | None:
        form, code_bytes = _PAYLOADS[numbers]
        try:
            data = base64.urlsafe_b64decode(token.encode("ascii"))
        except ValueError:
            return None
        code = data[form.size :]
        payload = self._masked(data[: form.size], code)
        expected = self._code(payload)[:code_bytes]
        if len(token) * 3 != len(data) * 4 or not hmac.compare_digest(code, expected):
            return None
        _, *place, digest, _ = form.unpack(payload)
        return place if hmac.compare_digest(digest, query) else None

    def _masked(self, payload: bytes, code: bytes) -> bytes:
        """Return the payload encrypted, or decrypted again, with the code as its nonce (RFC 5297).

        A readable place would tell the number of entries over all negotiations.
        """
        nonces = [
            code,
            *(code + bytes([more]) for more in range(1, 1 + len(payload) // _BLOCK_BYTES)),
        ]
        mask = b"".join(hmac.digest(self._secret, b"mask\0" + one, "sha256") for one in nonces)
        return bytes(one ^ other for one, other in zip(payload, mask, strict=False))

    def _code(self, payload: bytes) -> bytes:
        return hmac.digest(self._secret, self._log_id + b"\0" + payload, "sha256")


def query(request: Message, *excluded: str) -> bytes:
    """Return the digest of a request without some of its fields."""
    rest = type(request)()
    rest.CopyFrom(request)
    for field in excluded:
        rest.ClearField(field)
    named = f"{request.DESCRIPTOR.full_name}\0".encode()
    return hashlib.sha256(named + rest.SerializeToString(deterministic=True)).digest()[:16]
