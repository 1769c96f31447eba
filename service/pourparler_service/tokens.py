"""Page tokens and cursors: where a list or a replay goes on, for nobody to change. Pure."""

import base64
import hashlib
import hmac
import struct

from google.protobuf.message import Message

FORMAT = 2
"""The format of a token. One of another format is taken for none of ours."""

_PAYLOAD = struct.Struct(">BQ16s")
_CODE_BYTES = 17  # together with the payload, a length that base64 needs no padding for


class Tokens:
    """Places in a record as texts that cannot be made up, or used for another query.

    They hold good for one query, however far it goes, over one record, and grant nothing.
    """

    def __init__(self, secret: bytes, log_id: str) -> None:
        """Make tokens with this secret, for the record of this name."""
        self._secret = secret
        self._log_id = log_id.encode()

    def write(self, after: int, query: bytes) -> str:
        """The token of the place after which this query goes on."""
        payload = _PAYLOAD.pack(FORMAT, after, query)
        code = self._code(payload)
        return base64.urlsafe_b64encode(self._masked(payload, code) + code).decode("ascii")

    def read(self, token: str, query: bytes) -> int | None:
        """The place after which the query goes on; None if the token was not written for it."""
        try:
            said = base64.urlsafe_b64decode(token.encode("ascii"))
        except ValueError:
            return None
        code = said[_PAYLOAD.size :]
        payload = self._masked(said[: _PAYLOAD.size], code)
        if len(token) * 3 != len(said) * 4 or not hmac.compare_digest(code, self._code(payload)):
            return None
        _, after, digest = _PAYLOAD.unpack(payload)
        return int(after) if hmac.compare_digest(digest, query) else None

    def _masked(self, payload: bytes, code: bytes) -> bytes:
        """The payload made unreadable, or readable again: over all, places tell how much there is.

        With the code for its nonce, as in RFC 5297.
        """
        mask = hmac.digest(self._secret, b"mask\0" + code, "sha256")
        return bytes(one ^ other for one, other in zip(payload, mask, strict=False))

    def _code(self, payload: bytes) -> bytes:
        keyed = hmac.digest(self._secret, self._log_id + b"\0" + payload, "sha256")
        return keyed[:_CODE_BYTES]


def query(request: Message, *left_out: str) -> bytes:
    """What a request asks for, digested, whatever these fields of it say."""
    asked = type(request)()
    asked.CopyFrom(request)
    for field in left_out:
        asked.ClearField(field)
    named = f"{request.DESCRIPTOR.full_name}\0".encode()
    return hashlib.sha256(named + asked.SerializeToString(deterministic=True)).digest()[:16]
