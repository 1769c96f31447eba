"""A witness (C2SP tlog-witness): it cosigns a checkpoint that extends the last cosigned one.

Its rule: a cosigned checkpoint is on disk before any client gets the cosignature.
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
"""The maximum size of a request in bytes: the longest valid checkpoint, and 63 hashes."""

SIZE_TYPE = "text/x.tlog.size"
"""The content type of a conflict response: the last size of the log (C2SP tlog-witness)."""

_TEXT_TYPE = "text/plain; charset=utf-8"
_MOST_HASHES = 63
_OLD_LINE = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
_KEY_FILE = "verifier-key"
_LATEST_FOLDER = "views"
_FORKS_FOLDER = "forks"


class WitnessError(Exception):
    """The witness cannot start. The text gives the cause in one sentence."""


class Response(NamedTuple):
    """An HTTP response of the witness."""

    status: HTTPStatus
    text: str
    type: str = _TEXT_TYPE


class _RequestRefusedError(Exception):
    def __init__(self, status: HTTPStatus, text: str, type_: str = _TEXT_TYPE) -> None:
        self.response = Response(status, f"{text}\n", type_)


class _AddCheckpoint(NamedTuple):
    """An add-checkpoint request: a checkpoint and its consistency proof from an old size."""

    old_size: int
    hashes: list[bytes]
    note: Note
    checkpoint: Checkpoint


class Witness:
    """A witness and its data folder, which it locks until it is closed.

    For each log the folder has the latest cosigned checkpoint. Its file name is the SHA-256 of the
    origin. If a log signed two roots of one size, the folder also has the proof of the fork.
    """

    def __init__(
        self,
        key: SigningKey,
        logs: Iterable[VerifierKey],
        data: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Cosign with `key` the checkpoints signed by `logs`; `clock` returns seconds since 1970.

        Raise WitnessError if a key or the folder cannot be used.
        """
        self.key = key
        self._clock = clock
        self._logs: dict[str, list[VerifierKey]] = {}
        for log in logs:
            self._logs.setdefault(log.name, []).append(log)
        self._check_keys()
        try:
            self._lock = hold(data)
        except DataDirectoryError as error:
            raise WitnessError(str(error)) from error
        self._latest = data / _LATEST_FOLDER
        self._forks = data / _FORKS_FOLDER
        # Held from the read of the latest checkpoint until its successor is on disk. Otherwise a
        # slow request could overwrite a later one with a smaller checkpoint.
        self._write_lock = threading.Lock()
        try:
            self._check_folder(data)
        except BaseException:
            self.close()
            raise

    def _check_keys(self) -> None:
        if self.key.algorithm != COSIGNATURE:
            raise WitnessError(
                f"The key {self.key.verifier_key} is the key of a service. Create the key of a"
                " witness with `pourparler keygen --witness`."
            )
        if not self._logs:
            raise WitnessError("A witness requires at least one verifier key of a service.")
        for log in (log for logs in self._logs.values() for log in logs):
            if log.algorithm != ED25519:
                raise WitnessError(f"The key {log} is the key of a witness, not of a service.")

    def _check_folder(self, data: Path) -> None:
        """Raise WitnessError if the folder belongs to a witness with another key."""
        path, own = data / _KEY_FILE, f"{self.key.verifier_key}\n"
        try:
            if not path.exists():
                left = {"lock", f"{_KEY_FILE}.new"}  # from an interrupted start
                if any(one.name not in left for one in data.iterdir()):
                    raise WitnessError(
                        f"The folder {data} is not the folder of a witness. Choose an empty folder."
                    )
                write_whole(path, own.encode())
            found = path.read_text(encoding="utf-8")
            for folder in (self._latest, self._forks):
                folder.mkdir(exist_ok=True)
        except (OSError, UnicodeDecodeError, DataDirectoryError) as error:
            raise WitnessError(f"The folder {data} cannot be used: {error}.") from error
        if found != own:
            raise WitnessError(
                f"The folder {data} belongs to the witness {found.strip()!r}. Choose another folder"
                " for this key."
            )

    def close(self) -> None:
        """Release the lock of the folder."""
        os.close(self._lock)

    def add_checkpoint(self, body: bytes) -> Response:
        """Cosign a checkpoint that extends the last one (C2SP tlog-witness, add-checkpoint)."""
        try:
            request = _parse(body)
            signatures = self._signatures(request)
            with self._write_lock:
                return Response(HTTPStatus.OK, self._cosign(request, signatures).line())
        except _RequestRefusedError as refused:
            return refused.response

    def checkpoint(self, origin_hash: str) -> Response:
        """Return the latest checkpoint of a log, by the hexadecimal SHA-256 of its origin."""
        try:
            return Response(HTTPStatus.OK, (self._latest / origin_hash).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Response(HTTPStatus.NOT_FOUND, "This witness has no checkpoint of this log.\n")
        except (OSError, UnicodeDecodeError) as error:
            _LOG.error("the latest checkpoint %s cannot be read: %s", origin_hash, error)
            return _storage_failed().response

    def _signatures(self, request: _AddCheckpoint) -> list[Signature]:
        """Return the valid signatures by the known keys of the origin."""
        origin = request.checkpoint.origin
        name, _, negotiation = origin.rpartition("/negotiations/")
        keys = self._logs.get(name, [])
        if not keys or origin != log_origin(name, negotiation) or not negotiation:
            _refuse(
                HTTPStatus.NOT_FOUND, "This witness has no key for the origin of the checkpoint."
            )
        try:
            verify_checkpoint(request.note.signed(), origin, keys)
        except CheckpointError as error:
            _refuse(HTTPStatus.FORBIDDEN, f"The checkpoint is not accepted: {error}.")
        known = {(key.name, key.key_id) for key in keys}
        own = [one for one in request.note.signatures if (one.name, one.key_id) in known]
        return list(dict.fromkeys(own))

    def _cosign(self, request: _AddCheckpoint, signatures: list[Signature]) -> Signature:
        checkpoint = request.checkpoint
        name = hashlib.sha256(checkpoint.origin.encode()).hexdigest()
        signed = request.note._replace(signatures=tuple(signatures))
        latest = self._read_latest(name, checkpoint.origin)
        if latest is not None and latest.size == checkpoint.size and latest.root != checkpoint.root:
            self._save_fork(name, checkpoint, signed)
        if request.old_size > checkpoint.size:
            _refuse(
                HTTPStatus.BAD_REQUEST,
                f"The old size {request.old_size} is greater than the size {checkpoint.size}.",
            )
        seen = latest.size if latest is not None else 0
        if request.old_size != seen:
            raise _RequestRefusedError(HTTPStatus.CONFLICT, str(seen), SIZE_TYPE)
        _check_consistent(request, latest)

        cosignature = self.key.cosign(request.note.text, int(self._clock()))
        cosigned = signed._replace(signatures=(*signatures, cosignature)).signed()
        try:
            # A crash before the end of the write leaves the old checkpoint, and no client has the
            # cosignature. A crash after it leaves the new one; a repeated request gets its size.
            write_whole(self._latest / name, cosigned.encode())
        except DataDirectoryError as error:
            _LOG.error("the checkpoint is not cosigned: %s", error)
            raise _storage_failed() from error
        return cosignature

    def _read_latest(self, name: str, origin: str) -> Checkpoint | None:
        """Return the latest cosigned checkpoint; None if there is none. Refuse if it is damaged."""
        try:
            text = (self._latest / name).read_text(encoding="utf-8")
            return verify_checkpoint(text, origin, [self.key.verifier_key])
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, CheckpointError) as error:
            _LOG.error("the latest checkpoint of %s cannot be read: %s", origin, error)
            raise _storage_failed() from error

    def _save_fork(self, name: str, checkpoint: Checkpoint, signed: Note) -> None:
        """Save the proof of a fork: two signed checkpoints of one size with two roots."""
        _LOG.error("%s has a fork: two roots of size %d", checkpoint.origin, checkpoint.size)
        path = self._forks / name
        if path.exists():
            return
        try:
            cosigned = (self._latest / name).read_text(encoding="utf-8")
            write_whole(path, f"{cosigned}\n{signed.signed()}".encode())
        except (OSError, DataDirectoryError) as error:
            _LOG.error("the proof of the fork cannot be saved: %s", error)


def _parse(body: bytes) -> _AddCheckpoint:
    try:
        head, blank, signed = body.decode("utf-8").partition("\n\n")
        old, *lines = head.split("\n")
        match = _OLD_LINE.fullmatch(old)
        if match is None or not blank:
            _malformed("It does not begin with `old`, a size, a proof and a blank line")
        if len(lines) > _MOST_HASHES:
            _malformed(f"The proof has {len(lines)} hashes; {_MOST_HASHES} are allowed")
        hashes = [parse_hash(line) for line in lines]
        note = parse_note(signed)
        return _AddCheckpoint(int(match[1]), hashes, note, parse_checkpoint(note.text))
    except UnicodeDecodeError:
        _malformed("It is not UTF-8")
    except CheckpointError as error:
        _malformed(f"Its content is not valid: {error}")


def _check_consistent(request: _AddCheckpoint, latest: Checkpoint | None) -> None:
    """Refuse a checkpoint that does not extend the latest one. An empty log fits any."""
    checkpoint, unprocessable = request.checkpoint, HTTPStatus.UNPROCESSABLE_ENTITY
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        _refuse(
            unprocessable, "The root of an empty log is not the SHA-256 of nothing (RFC 6962, 2.1)."
        )
    if latest is None or latest.size == 0:
        if request.hashes:
            _refuse(unprocessable, "The old size is 0, so the proof has to be empty.")
        return
    try:
        check_consistency(
            latest.size, latest.root, checkpoint.size, checkpoint.root, request.hashes
        )
    except ProofError as error:
        _LOG.warning(
            "%s: the proof from size %d to size %d is not valid: %s",
            checkpoint.origin,
            latest.size,
            checkpoint.size,
            error,
        )
        _refuse(unprocessable, f"The consistency proof is not valid: {error}.")


def _refuse(status: HTTPStatus, text: str) -> NoReturn:
    raise _RequestRefusedError(status, text)


def _malformed(text: str) -> NoReturn:
    _refuse(HTTPStatus.BAD_REQUEST, f"The request is malformed. {text}.")


def _storage_failed() -> _RequestRefusedError:
    return _RequestRefusedError(
        HTTPStatus.INTERNAL_SERVER_ERROR, "The witness cannot read or write its latest checkpoint."
    )
