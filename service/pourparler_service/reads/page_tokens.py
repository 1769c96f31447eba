"""Page tokens and cursors: where a list or a replay goes on, for nobody to change."""

import base64
import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable, Sequence

from google.protobuf.message import Message

FORMAT = 3
"""The format of a token. One of another format is taken for none of ours."""

_BLOCK_BYTES = 32
_NONCE_BYTES = 9
# Together with the code, a length that base64 needs no padding for.
_PAYLOADS = {
    1: (struct.Struct(f">BQ16s{_NONCE_BYTES}s"), 17),
    3: (struct.Struct(f">B3Q16s{_NONCE_BYTES}s"), 16),
}


class PageTokens:
    """Places in a record as texts that cannot be made up, or used for another query.

    They hold good for one query, however far it goes, over one record, and grant nothing. A place
    is a number, or three of them. No two are equal, so that they do not tell whether the place is
    another: over all, it moves with what others record.
    """

    def __init__(
        self, secret: bytes, log_id: str, *, chance: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        """Make tokens with this secret, for the record of this name."""
        self._secret = secret
        self._log_id = log_id.encode()
        self._chance = chance

    def write(self, after: int, query: bytes) -> str:
        """The token of the place after which this query goes on."""
        return self._written((after,), query)

    def read(self, token: str, query: bytes) -> int | None:
        """The place after which the query goes on; None if the token was not written for it."""
        place = self._read(token, query, 1)
        return None if place is None else place[0]

    def write_three(self, after: tuple[int, int, int], query: bytes) -> str:
        """As `write`, of a place that is three numbers."""
        return self._written(after, query)

    def read_three(self, token: str, query: bytes) -> tuple[int, int, int] | None:
        """As `read`, of a place that is three numbers."""
        place = self._read(token, query, 3)
        return None if place is None else (place[0], place[1], place[2])

    def _written(self, place: Sequence[int], query: bytes) -> str:
        form, code_bytes = _PAYLOADS[len(place)]
        payload = form.pack(FORMAT, *place, query, self._chance(_NONCE_BYTES))
        code = self._code(payload)[:code_bytes]
        return base64.urlsafe_b64encode(self._masked(payload, code) + code).decode("ascii")

    def _read(self, token: str, query: bytes, numbers: int) -> Sequence[int] | None:
        form, code_bytes = _PAYLOADS[numbers]
        try:
            said = base64.urlsafe_b64decode(token.encode("ascii"))
        except ValueError:
            return None
        code = said[form.size :]
        payload = self._masked(said[: form.size], code)
        right = self._code(payload)[:code_bytes]
        if len(token) * 3 != len(said) * 4 or not hmac.compare_digest(code, right):
            return None
        _, *place, digest, _ = form.unpack(payload)
        return place if hmac.compare_digest(digest, query) else None

    def _masked(self, payload: bytes, code: bytes) -> bytes:
        """The payload made unreadable, or readable again: over all, places tell how much there is.

        With the code for its nonce, as in RFC 5297.
        """
        nonces = [
            code,
            *(code + bytes([more]) for more in range(1, 1 + len(payload) // _BLOCK_BYTES)),
        ]
        mask = b"".join(hmac.digest(self._secret, b"mask\0" + one, "sha256") for one in nonces)
        return bytes(one ^ other for one, other in zip(payload, mask, strict=False))

    def _code(self, payload: bytes) -> bytes:
        return hmac.digest(self._secret, self._log_id + b"\0" + payload, "sha256")


def query(request: Message, *left_out: str) -> bytes:
    """What a request asks for, digested, whatever these fields of it say."""
    asked = type(request)()
    asked.CopyFrom(request)
    for field in left_out:
        asked.ClearField(field)
    named = f"{request.DESCRIPTOR.full_name}\0".encode()
    return hashlib.sha256(named + asked.SerializeToString(deterministic=True)).digest()[:16]
