"""Trust in a service: the last checkpoint of each log, and the checks of responses against it.

The checks do not wait or send: they yield requests and receive the responses.
"""

import contextlib
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from google.protobuf.message import DecodeError

from pourparler import v1 as pb
from pourparler.errors import (
    CheckpointVerificationError,
    ForkDetectedError,
    ReceiptMismatchError,
    StaleReadError,
    TrustError,
)
from pourparler.transparency.checkpoint import (
    VerifierKey,
    log_origin,
)
from pourparler.transparency.findings import Finding, check_signed, parse_log_keys
from pourparler.transparency.merkle import Frontier, ProofError, check_consistency, leaf_hash
from pourparler.transparency.receipts import (
    parse_receipt_records,
    record_mismatch,
    request_mismatch,
)
from pourparler.transparency.trust_store import SignedCheckpoint, TrustStore

_Result = TypeVar("_Result")

ProofRequest: TypeAlias = (
    pb.GetCheckpointRequest | pb.GetInclusionProofRequest | pb.GetConsistencyProofRequest
)
Check: TypeAlias = Generator[ProofRequest, Any, _Result]
"""A check: it yields requests, is sent their responses, and returns. It raises TrustError."""


class Trust:
    """The trust of a client: checkpoints that these keys sign and that extend the last one."""

    def __init__(self, keys: Iterable[VerifierKey | str], path: Path | str | None = None) -> None:
        """Trust these keys of one service, with a trust store in a file or in memory.

        Raises ValueError if the keys are not those of one service.
        """
        self.keys: Sequence[VerifierKey] = parse_log_keys(keys)
        self._store = TrustStore(Path(path) if path is not None else None)

    def check_receipt(self, request: pb.RecordEntriesRequest, response: bytes) -> Check[pb.Receipt]:
        """Check that the receipt in a response is for the request and in the signed log.

        Words may be absent if the receipt reports them as destroyed and the log has grown since: an
        erasure always records an entry.
        """
        try:
            receipt, records = parse_receipt_records(response)
            wrong = request_mismatch(request, receipt) or record_mismatch(receipt, records)
        except DecodeError as error:
            raise _error(ReceiptMismatchError, "The receipt is malformed.", "receipt") from error
        if wrong:
            raise _error(
                ReceiptMismatchError, f"The receipt does not match the request: {wrong}.", "receipt"
            )
        seen = self._verify_signature(receipt.negotiation, receipt.checkpoint, receipt.version)
        yield from self._check_inclusion(receipt, records, seen)
        yield from self._check_and_advance(receipt.negotiation, seen)
        if receipt.erased_versions:
            yield from self._check_log_grew(receipt)
        return receipt

    def _check_log_grew(self, receipt: pb.Receipt) -> Check[None]:
        """Check that the log grew after these entries, as an erasure makes it grow.

        Otherwise a service could return a receipt without the words, and record other words.
        """
        answer = yield pb.GetCheckpointRequest(name=receipt.negotiation)
        seen = self._verify_signature(receipt.negotiation, answer.checkpoint)
        if seen.checkpoint.size <= receipt.version:
            text = "The receipt lacks words, and the log has no later entry that redacts them."
            raise _error(ReceiptMismatchError, text, "receipt", shown=seen.signed)
        yield from self._check_and_advance(receipt.negotiation, seen)

    def _check_inclusion(
        self, receipt: pb.Receipt, records: Sequence[pb.Record], seen: SignedCheckpoint
    ) -> Check[None]:
        """Check that the log ends with these entries (RFC 6962, 2.1.1)."""
        first = seen.checkpoint.size - len(records) + 1
        hashes: Sequence[bytes] = ()
        if first > 1:
            answer = yield pb.GetInclusionProofRequest(
                name=receipt.negotiation, version=first, at_version=first
            )
            hashes = answer.hashes
        with contextlib.suppress(ProofError):
            frontier = Frontier.before_last_leaf(first, hashes)
            for record in records:
                frontier.append(leaf_hash(record.header))
            if frontier.root() == seen.checkpoint.root:
                return
        text = "The entries of the receipt are not in the signed log."
        raise _error(ReceiptMismatchError, text, "root differs", shown=seen.signed)

    def last_size(self, name: str) -> int:
        """Return the size of the last trusted checkpoint, or 0. Raises TrustStoreError.

        Call it before the request is sent: other threads may advance the store meanwhile.
        """
        last = self._store.last(self._origin(name))
        return last.checkpoint.size if last is not None else 0

    def check_latest(self, name: str, version: int, before: int | None = None) -> Check[None]:
        """Check that a response at this version is up to date, and of the same log.

        `before` is the `last_size` before the request; the default is the current one.
        """
        if version < (self.last_size(name) if before is None else before):
            raise self._stale(name, version)
        last = self._store.last(self._origin(name))
        if last is None or version != last.checkpoint.size:
            answer = yield pb.GetCheckpointRequest(name=name, version=version)
            seen = self._verify_signature(name, answer.checkpoint, version)
            yield from self._check_and_advance(name, seen)

    def check_checkpoint(self, name: str, signed: str, before: int | None = None) -> Check[None]:
        """Check that the latest checkpoint of the service is signed and extends the last one.

        `before` is the `last_size` before the request; the default is the current one.
        """
        seen = self._verify_signature(name, signed)
        if seen.checkpoint.size < (self.last_size(name) if before is None else before):
            raise self._stale(name, seen.checkpoint.size, seen)
        yield from self._check_and_advance(name, seen)

    def _stale(self, name: str, version: int, shown: SignedCheckpoint | None = None) -> TrustError:
        last = self._store.last(self._origin(name))
        size, signed = (last.checkpoint.size, last.signed) if last is not None else (0, "")
        text = f"{name} was at version {size} before, but the service reports version {version}."
        return _error(
            StaleReadError, text, "stale", shown=shown.signed if shown else "", seen=signed
        )

    def _origin(self, name: str) -> str:
        return log_origin(self.keys[0].name, name.removeprefix("negotiations/"))

    def _verify_signature(
        self, name: str, signed: str, version: int | None = None
    ) -> SignedCheckpoint:
        found = check_signed(signed, self._origin(name), self.keys)
        if isinstance(found, Finding):
            raise _error(CheckpointVerificationError, found.text, found.name, shown=signed)
        if version is not None and found.size != version:
            text = f"The checkpoint is of version {found.size}, not of version {version}."
            raise _error(CheckpointVerificationError, text, "another version", shown=signed)
        return SignedCheckpoint(signed, found)

    def _check_and_advance(self, name: str, seen: SignedCheckpoint) -> Check[None]:
        """Check that a checkpoint and the last one are of one log, and store the later one."""
        origin = seen.checkpoint.origin
        last = self._store.last(origin)
        while last is None or last.signed != seen.signed:
            if last is not None:
                yield from self._check_consistency(name, last, seen)
            if last is not None and last.checkpoint.size >= seen.checkpoint.size:
                return
            if self._store.advance(origin, last, seen):
                return
            last = self._store.last(origin)  # another thread or process was here first

    def _check_consistency(
        self, name: str, last: SignedCheckpoint, seen: SignedCheckpoint
    ) -> Check[None]:
        older, newer = sorted((last.checkpoint, seen.checkpoint), key=lambda one: one.size)
        hashes: Sequence[bytes] = ()
        if older.size < newer.size:
            answer = yield pb.GetConsistencyProofRequest(
                name=name, from_version=older.size, to_version=newer.size
            )
            hashes = answer.hashes
        try:
            check_consistency(older.size, older.root, newer.size, newer.root, hashes)
        except ProofError as error:
            text = (
                f"The log of {name} at version {seen.checkpoint.size} does not extend the log"
                f" seen before at version {last.checkpoint.size}: {error}."
            )
            raise _error(
                ForkDetectedError, text, "forked", shown=seen.signed, seen=last.signed
            ) from error


def create_trust(keys: Iterable[VerifierKey | str], path: Path | str | None) -> Trust | None:
    """Return the trust of a client, or None if it verifies nothing.

    Raises ValueError if there is a trust store but no key.
    """
    given = tuple(keys)
    return Trust(given, path) if given or path is not None else None


def response_version(answer: pb.GetNegotiationResponse | pb.GetStatusReportResponse) -> int:
    """Return the version of a response: the earlier one if it has two."""
    version = answer.computed_at.version
    if isinstance(answer, pb.GetNegotiationResponse):
        return min(version, answer.negotiation.version)
    return version


def _error(
    kind: type[TrustError], text: str, finding: str, *, shown: str = "", seen: str = ""
) -> TrustError:
    error = kind(text)
    error.finding, error.shown, error.seen = finding, shown, seen
    return error
