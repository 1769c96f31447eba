"""One witness, as the service reaches it: a checkpoint there, a cosignature back.

What a witness answers is not believed: it is a cosignature that verifies, or it is a failure.
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
"""How many witnesses a service may have: a note with all their cosignatures can be read."""

_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
_LONGEST_ANSWER = 1 << 16
_SILENT_SECONDS = 2.0
_SIZES = 10_000
_ATTEMPTS = 3
_FAULTS = 500
_LAST_SECOND = 253_402_300_799  # of the year 9999, and of a Timestamp


class WitnessSettingsError(Exception):
    """What is said of the witnesses cannot be followed. The text says why."""


class WitnessFailedError(Exception):
    """There is no cosignature. The text says why, in one sentence."""


class WitnessAwayError(WitnessFailedError):
    """The witness does not answer as one does: to ask it again at once is of no use."""


class WitnessAt(NamedTuple):
    """A witness: where it is reached, and what verifies its cosignatures."""

    url: SplitResult
    key: VerifierKey


class Cosignature(NamedTuple):
    """A cosignature that verifies, and the time in seconds since 1970 that it states."""

    signature: Signature
    time: int


def witnesses_of(words: Sequence[str]) -> list[WitnessAt]:
    """The witnesses that settings name: a URL and a verifier key, in turn.

    Raises WitnessSettingsError.
    """
    if len(words) % 2:
        raise WitnessSettingsError("Each witness is given as a URL, a blank and a verifier key.")
    found = [_witness(*pair) for pair in zip(words[::2], words[1::2], strict=True)]
    if len({one.key.public_key for one in found}) < len(found):
        raise WitnessSettingsError("Two witnesses have one key: they count as one.")
    if len(found) > MOST_WITNESSES:
        raise WitnessSettingsError(f"A service has at most {MOST_WITNESSES} witnesses.")
    return found


def _witness(url: str, key: str) -> WitnessAt:
    try:
        split, parsed = urlsplit(url), VerifierKey.parse(key)
        split.port  # noqa: B018 - reading it is the check
    except (CheckpointError, ValueError) as error:
        raise WitnessSettingsError(f"The witness {url!r} {key!r} is not one: {error}.") from error
    if split.scheme not in {"http", "https"} or not split.hostname or "@" in split.netloc:
        raise WitnessSettingsError(f"{url!r} is no URL of a witness, such as http://host:50711.")
    if split.query or split.fragment:
        raise WitnessSettingsError(f"The URL {url!r} of a witness ends with its path.")
    if parsed.algorithm != COSIGNATURE:
        raise WitnessSettingsError(
            f"The key {key!r} is that of a log. A witness prints its own when it starts."
        )
    return WitnessAt(split, parsed)


class WitnessClient:
    """The way to one witness. Asked by one thread at a time; `cut` may be called by another."""

    def __init__(self, at: WitnessAt, prove: Callable[[str, int, int], Sequence[bytes]]) -> None:
        """Reach it there; `prove` gives the proof that a negotiation grew from size to size."""
        self.at = at
        self._prove = prove
        self._connection: HTTPConnection | None = None
        self._cut = False
        # What the witness has seen, as far as is known here. It says so itself when it is wrong.
        self._seen: OrderedDict[str, int] = OrderedDict()

    def cosign(self, negotiation: str, signed: str) -> Cosignature:
        """Have the last checkpoint of a negotiation cosigned. Raises WitnessFailedError."""
        self._cut = False
        note = parse_note(signed)
        checkpoint = parse_checkpoint(note.text)
        try:
            for _ in range(_ATTEMPTS):
                status, body = self._post(self._request(negotiation, checkpoint, signed))
                if status == HTTPStatus.OK:
                    cosignature = _cosignature(note, body, self.at.key)
                    self._saw(negotiation, checkpoint.size)
                    return cosignature
                if status != HTTPStatus.CONFLICT:
                    said = quoted(body.decode("utf-8", "replace").strip())
                    kind = WitnessAwayError if status >= _FAULTS else WitnessFailedError
                    raise kind(f"It answers {status}: {said}.")
                self._saw(negotiation, _size(body, checkpoint))
        except (OSError, HTTPException, UnicodeError) as error:
            self._hang_up()
            raise WitnessAwayError(f"It cannot be reached: {quoted(str(error))}.") from error
        raise WitnessFailedError("It does not stand by what it says that it has seen.")

    def cut(self) -> None:
        """Let whoever asks just now wait no longer."""
        self._cut = True
        connection = self._connection
        sock = connection.sock if connection else None
        if sock is not None:
            with contextlib.suppress(OSError):
                # Below TLS, which is not to be touched while another thread reads.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up; nobody is asking."""
        self._hang_up()

    def _request(self, negotiation: str, checkpoint: Checkpoint, signed: str) -> bytes:
        seen, size = self._seen.get(negotiation, 0), checkpoint.size
        hashes = self._prove(negotiation, seen, size) if 0 < seen < size else []
        proof = "".join(f"{base64.b64encode(one).decode()}\n" for one in hashes)
        return f"old {seen}\n{proof}\n{signed}".encode()

    def _saw(self, negotiation: str, size: int) -> None:
        self._seen[negotiation] = size
        self._seen.move_to_end(negotiation)
        if len(self._seen) > _SIZES:
            self._seen.popitem(last=False)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        kept = self._connection is not None
        try:
            return self._exchange(body)
        except (OSError, HTTPException):
            self._hang_up()
            if not kept or self._cut:
                raise
            # It may have hung up since the last time. To ask twice is no harm.
            return self._exchange(body)

    def _exchange(self, body: bytes) -> tuple[int, bytes]:
        url = self.at.url
        if self._connection is None:
            kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
            self._connection = kind(url.hostname or "", url.port, timeout=_SILENT_SECONDS)
        connection = self._connection
        path = f"{url.path.rstrip('/')}/add-checkpoint"
        connection.request("POST", path, body, {"Content-Type": "text/plain; charset=utf-8"})
        response = connection.getresponse()
        answer = response.read(_LONGEST_ANSWER)
        if not response.isclosed():
            self._hang_up()
        return response.status, answer

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _size(body: bytes, checkpoint: Checkpoint) -> int:
    """The size that the witness has seen, if it is one out of which the checkpoint can grow."""
    match = _SIZE.fullmatch(body)
    if match is None:
        raise WitnessFailedError(f"It answers 409 without a size: {quoted(repr(body))}.")
    seen = int(match[1])
    if seen > checkpoint.size:
        raise WitnessFailedError(
            f"It has cosigned version {seen}, and here the record ends with {checkpoint.size}:"
            " entries were lost here, or somebody else signs with the key of this service."
        )
    return seen


def _cosignature(note: Note, body: bytes, key: VerifierKey) -> Cosignature:
    try:
        answered = parse_note(f"{note.text}\n{body.decode()}")
        stated = key.verify(answered)
    except (UnicodeDecodeError, CheckpointError) as error:
        raise WitnessFailedError(f"What it answers is no cosignature: {error}.") from error
    if answered.text != note.text:
        raise WitnessFailedError("What it answers is no cosignature: it changes the checkpoint.")
    if stated is None or not 0 < stated <= _LAST_SECOND:
        raise WitnessFailedError("What it answers is no cosignature: it states no time.")
    by = (key.name, key.key_id)
    return Cosignature(
        next(one for one in answered.signatures if (one.name, one.key_id) == by), stated
    )
