"""The client of one witness (C2SP tlog-witness): it sends a checkpoint and gets a cosignature.

Each response is verified: it is a valid cosignature, or a failure.
"""

import base64
import contextlib
import re
import socket
from collections import OrderedDict
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from pourparler.transparency.checkpoint import (
    COSIGNATURE,
    Checkpoint,
    CheckpointError,
    Note,
    Signature,
    VerifierKey,
    parse_checkpoint,
    parse_note,
)
from pourparler_service.domain.refusal import quoted

MOST_WITNESSES = 16
"""The maximum number of witnesses: a note with all their cosignatures can still be parsed."""

_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
_LONGEST_RESPONSE = 1 << 16
_TIMEOUT_SECONDS = 2.0
_MOST_SIZES = 10_000
_ATTEMPTS = 3
_SERVER_ERRORS = 500
_LAST_SECOND = 253_402_300_799  # of the year 9999, and of a Timestamp


class WitnessSettingsError(Exception):
    """The settings of the witnesses are not valid. The text gives the cause."""


class WitnessFailedError(Exception):
    """There is no cosignature. The text gives the cause in one sentence."""


class WitnessUnavailableError(WitnessFailedError):
    """The witness is unreachable or broken: an immediate retry would fail."""


class WitnessAddress(NamedTuple):
    """The URL and the verifier key of a witness."""

    url: SplitResult
    key: VerifierKey


class Cosignature(NamedTuple):
    """A verified cosignature, and its time in seconds since 1970 (C2SP tlog-cosignature)."""

    signature: Signature
    time: int


def parse_witnesses(words: Sequence[str]) -> list[WitnessAddress]:
    """Return the witnesses of a setting: URLs and verifier keys alternate.

    Raise WitnessSettingsError if the setting is not valid.
    """
    if len(words) % 2:
        raise WitnessSettingsError(
            "A witness is a URL, a space and a verifier key. One of them is missing."
        )
    found = [_witness(*pair) for pair in zip(words[::2], words[1::2], strict=True)]
    if len({one.key.public_key for one in found}) < len(found):
        raise WitnessSettingsError("Two witnesses have the same key. Remove one of them.")
    if len(found) > MOST_WITNESSES:
        raise WitnessSettingsError(
            f"There are {len(found)} witnesses; {MOST_WITNESSES} are allowed."
        )
    return found


def _witness(url: str, key: str) -> WitnessAddress:
    try:
        split, parsed = urlsplit(url), VerifierKey.parse(key)
        split.port  # noqa: B018 - reading it is the check
    except (CheckpointError, ValueError) as error:
        raise WitnessSettingsError(f"The witness {url!r} {key!r} is not valid: {error}.") from error
    if split.scheme not in {"http", "https"} or not split.hostname or "@" in split.netloc:
        raise WitnessSettingsError(f"{url!r} is not a URL of a witness such as http://host:50711.")
    if split.query or split.fragment:
        raise WitnessSettingsError(f"The URL {url!r} has a query or a fragment. Remove it.")
    if parsed.algorithm != COSIGNATURE:
        raise WitnessSettingsError(
            f"The key {key!r} is the key of a log. Use the key that the witness prints when it"
            " starts."
        )
    return WitnessAddress(split, parsed)


class WitnessClient:
    """A connection to one witness, used by one thread at a time. `interrupt` is thread-safe."""

    def __init__(
        self, address: WitnessAddress, prove: Callable[[str, int, int], Sequence[bytes]]
    ) -> None:
        """Connect to `address`; `prove` returns consistency proofs between two sizes."""
        self.address = address
        self._prove = prove
        self._connection: HTTPConnection | None = None
        self._is_interrupted = False
        # The sizes that the witness has seen. A conflict response corrects a wrong one.
        self._seen_sizes: OrderedDict[str, int] = OrderedDict()

    def cosign(self, negotiation: str, signed: str) -> Cosignature:
        """Return a cosignature of the newest checkpoint. Raise WitnessFailedError on failure."""
        self._is_interrupted = False
        note = parse_note(signed)
        checkpoint = parse_checkpoint(note.text)
        try:
            for _ in range(_ATTEMPTS):
                status, body = self._post(self._request(negotiation, checkpoint, signed))
                if status == HTTPStatus.OK:
                    cosignature = _cosignature(note, body, self.address.key)
                    self._set_seen_size(negotiation, checkpoint.size)
                    return cosignature
                if status != HTTPStatus.CONFLICT:
                    said = quoted(body.decode("utf-8", "replace").strip())
                    kind = (
                        WitnessUnavailableError if status >= _SERVER_ERRORS else WitnessFailedError
                    )
                    raise kind(f"It responds with {status}: {said}.")
                self._set_seen_size(negotiation, _conflict_size(body, checkpoint))
        except (OSError, HTTPException, UnicodeError) as error:
            self._disconnect()
            raise WitnessUnavailableError(f"It cannot be reached: {quoted(str(error))}.") from error
        raise WitnessFailedError("It contradicts its own statements of the size that it has seen.")

    def interrupt(self) -> None:
        """Interrupt the request in progress."""
        self._is_interrupted = True
        connection = self._connection
        sock = connection.sock if connection else None
        if sock is not None:
            with contextlib.suppress(OSError):
                # Below TLS: the TLS layer must not be used while another thread reads.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection. No request may be in progress."""
        self._disconnect()

    def _request(self, negotiation: str, checkpoint: Checkpoint, signed: str) -> bytes:
        seen, size = self._seen_sizes.get(negotiation, 0), checkpoint.size
        hashes = self._prove(negotiation, seen, size) if 0 < seen < size else []
        proof = "".join(f"{base64.b64encode(one).decode()}\n" for one in hashes)
        return f"old {seen}\n{proof}\n{signed}".encode()

    def _set_seen_size(self, negotiation: str, size: int) -> None:
        self._seen_sizes[negotiation] = size
        self._seen_sizes.move_to_end(negotiation)
        if len(self._seen_sizes) > _MOST_SIZES:
            self._seen_sizes.popitem(last=False)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        was_open = self._connection is not None
        try:
            return self._exchange(body)
        except (OSError, HTTPException):
            self._disconnect()
            if not was_open or self._is_interrupted:
                raise
            # The witness may have closed an idle connection. A repeated request is harmless.
            return self._exchange(body)

    def _exchange(self, body: bytes) -> tuple[int, bytes]:
        url = self.address.url
        if self._connection is None:
            kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
            self._connection = kind(url.hostname or "", url.port, timeout=_TIMEOUT_SECONDS)
        connection = self._connection
        path = f"{url.path.rstrip('/')}/add-checkpoint"
        connection.request("POST", path, body, {"Content-Type": "text/plain; charset=utf-8"})
        response = connection.getresponse()
        answer = response.read(_LONGEST_RESPONSE)
        if not response.isclosed():
            self._disconnect()
        return response.status, answer

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _conflict_size(body: bytes, checkpoint: Checkpoint) -> int:
    """Return the size that the witness has seen. Raise WitnessFailedError if it is larger."""
    match = _SIZE.fullmatch(body)
    if match is None:
        raise WitnessFailedError(f"It responds with 409 without a size: {quoted(repr(body))}.")
    seen = int(match[1])
    if seen > checkpoint.size:
        raise WitnessFailedError(
            f"It has cosigned version {seen}, but the record here ends with {checkpoint.size}."
            " Entries were lost here, or another service signs with the same key."
        )
    return seen


def _cosignature(note: Note, body: bytes, key: VerifierKey) -> Cosignature:
    try:
        cosigned = parse_note(f"{note.text}\n{body.decode()}")
        stated = key.verify(cosigned)
    except (UnicodeDecodeError, CheckpointError) as error:
        raise WitnessFailedError(f"Its response is not a cosignature: {error}.") from error
    if cosigned.text != note.text:
        raise WitnessFailedError("Its response is not a cosignature: it changes the checkpoint.")
    if stated is None or not 0 < stated <= _LAST_SECOND:
        raise WitnessFailedError("Its response is not a cosignature: it states no time.")
    by = (key.name, key.key_id)
    return Cosignature(
        next(one for one in cosigned.signatures if (one.name, one.key_id) == by), stated
    )
