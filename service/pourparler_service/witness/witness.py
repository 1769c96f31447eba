"""A witness: it keeps its last view of each log, and cosigns only what grows out of that view.

It answers as C2SP tlog-witness has it. Its rule: what it cosigns is on its disk before anybody has
the cosignature.
"""

import hashlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, NoReturn

from pourparler.transparency.checkpoint import (
    COSIGNATURE,
    ED25519,
    Checkpoint,
    CheckpointError,
    Note,
    Signature,
    VerifierKey,
    log_origin,
    parse_checkpoint,
    parse_hash,
    parse_note,
    verify_checkpoint,
)
from pourparler.transparency.merkle import EMPTY_ROOT, ProofError, check_consistency
from pourparler_service.storage.data_directory import DataDirectoryError, hold, write_whole
from pourparler_service.transparency.signing_keys import SigningKey

_LOG = logging.getLogger(__name__)

LONGEST_REQUEST = 1 << 17
"""How many bytes a request may have: the longest checkpoint that is read, and 63 hashes."""

SIZE_TYPE = "text/x.tlog.size"
"""The type of the answer that says how much of a log the witness has seen."""

_TEXT_TYPE = "text/plain; charset=utf-8"
_MOST_HASHES = 63
_OLD_LINE = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
_KEY_FILE = "verifier-key"
_VIEWS = "views"
_FORKS = "forks"


class WitnessError(Exception):
    """A witness cannot start. The text says why, in one sentence for its operator."""


class Answer(NamedTuple):
    """What the witness says to a request."""

    status: HTTPStatus
    text: str
    type: str = _TEXT_TYPE


class _RefusedError(Exception):
    def __init__(self, status: HTTPStatus, text: str, type_: str = _TEXT_TYPE) -> None:
        self.answer = Answer(status, f"{text}\n", type_)


class _Growth(NamedTuple):
    """What is to be cosigned: a checkpoint, and how it grew out of a size seen before."""

    old_size: int
    hashes: list[bytes]
    note: Note
    checkpoint: Checkpoint


class Witness:
    """One witness and its data folder, which it holds until it is closed.

    Of each log the folder has the latest checkpoint that was cosigned, under the SHA-256 of its
    origin; and, where a log signed two roots of one size, the proof of that.
    """

    def __init__(
        self,
        key: SigningKey,
        logs: Iterable[VerifierKey],
        data: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Cosign with this key what these keys of services have signed; `clock` gives seconds.

        Raises WitnessError.
        """
        self.key = key
        self._clock = clock
        self._logs: dict[str, list[VerifierKey]] = {}
        for log in logs:
            self._logs.setdefault(log.name, []).append(log)
        self._refuse_keys()
        try:
            self._lock = hold(data)
        except DataDirectoryError as error:
            raise WitnessError(str(error)) from error
        self._views = data / _VIEWS
        self._forks = data / _FORKS
        # From reading a view until its successor is on disk: else a slow request could take the
        # place of a later one, and the view would shrink.
        self._growing = threading.Lock()
        try:
            self._refuse_another_folder(data)
        except BaseException:
            self.close()
            raise

    def _refuse_keys(self) -> None:
        if self.key.algorithm != COSIGNATURE:
            raise WitnessError(
                f"The key {self.key.verifier_key} is that of a service: a witness needs one of its"
                " own, made by `pourparler keygen --witness`."
            )
        if not self._logs:
            raise WitnessError("A witness needs the verifier key of a service at least.")
        for log in (log for logs in self._logs.values() for log in logs):
            if log.algorithm != ED25519:
                raise WitnessError(f"The key {log} is that of a witness, not of a service.")

    def _refuse_another_folder(self, data: Path) -> None:
        """See that the views in the folder were cosigned with this key."""
        path, mine = data / _KEY_FILE, f"{self.key.verifier_key}\n"
        try:
            if not path.exists():
                left = {"lock", f"{_KEY_FILE}.new"}  # by a start that was cut short
                if any(one.name not in left for one in data.iterdir()):
                    raise WitnessError(f"The folder {data} is not that of a witness.")
                write_whole(path, mine.encode())
            theirs = path.read_text(encoding="utf-8")
            for folder in (self._views, self._forks):
                folder.mkdir(exist_ok=True)
        except (OSError, UnicodeDecodeError, DataDirectoryError) as error:
            raise WitnessError(f"The folder {data} cannot be used: {error}.") from error
        if theirs != mine:
            raise WitnessError(
                f"The folder {data} belongs to the witness {theirs.strip()!r}: another key needs a"
                " folder of its own."
            )

    def close(self) -> None:
        """Let the folder go."""
        os.close(self._lock)

    def add_checkpoint(self, body: bytes) -> Answer:
        """Cosign a checkpoint if it grew out of the last one (tlog-witness, add-checkpoint)."""
        try:
            asked = _parsed(body)
            signatures = self._signatures(asked)
            with self._growing:
                return Answer(HTTPStatus.OK, self._cosigned(asked, signatures).line())
        except _RefusedError as refused:
            return refused.answer

    def checkpoint(self, origin_hash: str) -> Answer:
        """The latest checkpoint of a log, by the SHA-256 of its origin in hexadecimal."""
        try:
            return Answer(HTTPStatus.OK, (self._views / origin_hash).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Answer(HTTPStatus.NOT_FOUND, "No checkpoint of this log was cosigned here.\n")
        except (OSError, UnicodeDecodeError) as error:
            _LOG.error("the view %s cannot be read: %s", origin_hash, error)
            return _out_of_order().answer

    def _signatures(self, asked: _Growth) -> list[Signature]:
        """The signatures by keys that are trusted for the origin, all of them valid."""
        origin = asked.checkpoint.origin
        name, _, negotiation = origin.rpartition("/negotiations/")
        keys = self._logs.get(name, [])
        if not keys or origin != log_origin(name, negotiation) or not negotiation:
            _refuse(HTTPStatus.NOT_FOUND, "The origin is not that of a log that is witnessed here.")
        try:
            verify_checkpoint(asked.note.signed(), origin, keys)
        except CheckpointError as error:
            _refuse(HTTPStatus.FORBIDDEN, f"The checkpoint is not accepted: {error}.")
        known = {(key.name, key.key_id) for key in keys}
        mine = [one for one in asked.note.signatures if (one.name, one.key_id) in known]
        return list(dict.fromkeys(mine))

    def _cosigned(self, asked: _Growth, signatures: list[Signature]) -> Signature:
        checkpoint = asked.checkpoint
        name = hashlib.sha256(checkpoint.origin.encode()).hexdigest()
        signed = asked.note._replace(signatures=tuple(signatures))
        view = self._view(name, checkpoint.origin)
        if view is not None and view.size == checkpoint.size and view.root != checkpoint.root:
            self._keep_fork(name, checkpoint, signed)
        if asked.old_size > checkpoint.size:
            _refuse(
                HTTPStatus.BAD_REQUEST,
                f"A log of {checkpoint.size} entries cannot have grown out of {asked.old_size}.",
            )
        seen = view.size if view is not None else 0
        if asked.old_size != seen:
            raise _RefusedError(HTTPStatus.CONFLICT, str(seen), SIZE_TYPE)
        _refuse_inconsistent(asked, view)

        cosignature = self.key.cosign(asked.note.text, int(self._clock()))
        cosigned = signed._replace(signatures=(*signatures, cosignature)).signed()
        try:
            # A crash before this is done leaves the old view, and nobody has the cosignature; a
            # crash after it leaves the new one, and whoever asks again is told its size.
            write_whole(self._views / name, cosigned.encode())
        except DataDirectoryError as error:
            _LOG.error("nothing is cosigned: %s", error)
            raise _out_of_order() from error
        return cosignature

    def _view(self, name: str, origin: str) -> Checkpoint | None:
        """What was cosigned last. One that is damaged is not taken for none at all."""
        try:
            text = (self._views / name).read_text(encoding="utf-8")
            return verify_checkpoint(text, origin, [self.key.verifier_key])
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, CheckpointError) as error:
            _LOG.error("the view of %s cannot be read: %s", origin, error)
            raise _out_of_order() from error

    def _keep_fork(self, name: str, checkpoint: Checkpoint, signed: Note) -> None:
        """Keep what proves that a log has two histories: two roots of one size, both signed."""
        _LOG.error("%s has two histories: two roots of size %d", checkpoint.origin, checkpoint.size)
        path = self._forks / name
        if path.exists():
            return
        try:
            cosigned = (self._views / name).read_text(encoding="utf-8")
            write_whole(path, f"{cosigned}\n{signed.signed()}".encode())
        except (OSError, DataDirectoryError) as error:
            _LOG.error("the proof of it cannot be kept: %s", error)


def _parsed(body: bytes) -> _Growth:
    try:
        head, blank, signed = body.decode("utf-8").partition("\n\n")
        old, *lines = head.split("\n")
        match = _OLD_LINE.fullmatch(old)
        if match is None or not blank:
            _malformed("It begins with `old`, a size and a proof, then a blank line")
        if len(lines) > _MOST_HASHES:
            _malformed(f"A proof has at most {_MOST_HASHES} hashes")
        hashes = [parse_hash(line) for line in lines]
        note = parse_note(signed)
        return _Growth(int(match[1]), hashes, note, parse_checkpoint(note.text))
    except UnicodeDecodeError:
        _malformed("It is not in UTF-8")
    except CheckpointError as error:
        _malformed(f"Of what was sent, {error}")


def _refuse_inconsistent(asked: _Growth, view: Checkpoint | None) -> None:
    """See that a checkpoint grew out of the view. All is consistent with an empty log."""
    checkpoint, unprocessable = asked.checkpoint, HTTPStatus.UNPROCESSABLE_ENTITY
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        _refuse(unprocessable, "The root of an empty log is the hash of nothing.")
    if view is None or view.size == 0:
        if asked.hashes:
            _refuse(unprocessable, "From an empty log there is nothing to prove.")
        return
    try:
        check_consistency(view.size, view.root, checkpoint.size, checkpoint.root, asked.hashes)
    except ProofError as error:
        _LOG.warning(
            "%s of size %d is not shown to grow out of size %d: %s",
            checkpoint.origin,
            checkpoint.size,
            view.size,
            error,
        )
        _refuse(unprocessable, f"It is not shown to grow out of what was cosigned: {error}.")


def _refuse(status: HTTPStatus, text: str) -> NoReturn:
    raise _RefusedError(status, text)


def _malformed(text: str) -> NoReturn:
    _refuse(HTTPStatus.BAD_REQUEST, f"The request is malformed. {text}.")


def _out_of_order() -> _RefusedError:
    return _RefusedError(
        HTTPStatus.INTERNAL_SERVER_ERROR, "The witness cannot read or keep its view."
    )
