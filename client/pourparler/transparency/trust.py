"""What was seen of each log before, and what an answer has to show to be believed.

The checks neither wait nor send: they say what to ask, and are told the answer.
"""

import contextlib
import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message

from pourparler import v1 as pb
from pourparler.errors import (
    AnotherReceipt,
    Forked,
    NotSigned,
    Stale,
    TrustError,
    TrustStoreUnusable,
)
from pourparler.schema.contract import is_repeated
from pourparler.transparency.auditor import Finding, checked, log_keys
from pourparler.transparency.checkpoint import (
    Checkpoint,
    CheckpointError,
    VerifierKey,
    origin_of,
    parse_checkpoint,
    parse_note,
)
from pourparler.transparency.merkle import Frontier, ProofError, check_consistency, leaf_hash

try:
    import fcntl
except ImportError:  # pragma: no cover - a system without them: one process at a time
    fcntl = None  # type: ignore[assignment]

_Result = TypeVar("_Result")

Asked: TypeAlias = (
    pb.GetCheckpointRequest | pb.GetInclusionProofRequest | pb.GetConsistencyProofRequest
)
Check: TypeAlias = Generator[Asked, Any, _Result]
"""A check under way: it yields what is to be asked, and is sent the answer. Raises TrustError."""

_FORMAT = 1


class Seen(NamedTuple):
    """A checkpoint that was believed: as it was signed, and what it says."""

    signed: str
    checkpoint: Checkpoint


class TrustStore:
    """The last checkpoint of each log, by origin: in a file, or for as long as it lasts.

    The file may be shared by several processes and threads. It is trusted: whoever can write it can
    make this client believe anything that the service has ever signed.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Remember in this file, which need not be there yet; without one, in memory."""
        self._path = path
        self._lock = threading.Lock()  # guards _known, and the file among our own threads
        self._known: dict[str, str] = {}

    def last(self, origin: str) -> Seen | None:
        """What was last seen of a log. Raises TrustStoreUnusable."""
        with self._lock:
            signed = self._read().get(origin)
        return _seen(signed, origin) if signed is not None else None

    def advance(self, origin: str, before: Seen | None, now: Seen) -> bool:
        """Remember a checkpoint in place of the one that it was compared with.

        False, and nothing changed, if another one stands there by now: it has to be compared with
        that one. Raises TrustStoreUnusable.
        """
        with self._lock, self._alone():
            known = self._read()
            if known.get(origin) != (before.signed if before else None):
                return False
            self._write({**known, origin: now.signed})
            return True

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from writing for as long as the block lasts."""
        if self._path is None or fcntl is None:
            yield
            return
        # Not the file itself: that one is replaced by every writing.
        try:
            lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(error.strerror) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # goes with the process, whatever ends it
            yield
        finally:
            os.close(lock)

    def _read(self) -> dict[str, str]:
        if self._path is None:
            return self._known
        try:
            told = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._unusable(error.strerror) from error
        except ValueError as error:
            raise self._unusable("it is not a trust store") from error
        if isinstance(told, dict) and told.get("format") == _FORMAT:
            known = told.get("checkpoints")
            if isinstance(known, dict) and all(isinstance(one, str) for one in known.values()):
                return known
        raise self._unusable("it is not a trust store of a format that is known here")

    def _write(self, known: dict[str, str]) -> None:
        if self._path is None:
            self._known = known
            return
        text = json.dumps({"format": _FORMAT, "checkpoints": known}, indent=1, sort_keys=True)
        fresh = ""
        try:
            handle, fresh = tempfile.mkstemp(prefix=f"{self._path.name}.", dir=self._path.parent)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            Path(fresh).replace(self._path)
        except OSError as error:
            if fresh:
                Path(fresh).unlink(missing_ok=True)
            raise self._unusable(error.strerror) from error

    def _unusable(self, why: object) -> TrustStoreUnusable:
        return TrustStoreUnusable(f"The trust store {self._path} cannot be used: {why}.")


def _seen(signed: str, origin: str) -> Seen:
    try:
        checkpoint = parse_checkpoint(parse_note(signed).text)
    except CheckpointError as error:
        raise TrustStoreUnusable(
            f"What the trust store has of {origin} cannot be read: {error}."
        ) from error
    return Seen(signed, checkpoint)


class Trust:
    """What a client believes: what these keys have signed, if it goes on from what was seen."""

    def __init__(self, keys: Iterable[VerifierKey | str], path: Path | str | None = None) -> None:
        """Believe these keys of one service, and remember in a file or in memory.

        Raises ValueError if the keys are not `log_keys`.
        """
        self.keys: Sequence[VerifierKey] = log_keys(keys)
        self._store = TrustStore(Path(path) if path is not None else None)

    def check_receipt(self, request: pb.RecordEntriesRequest, response: bytes) -> Check[pb.Receipt]:
        """The receipt in a response: for what was to be recorded, in the log, and signed for.

        Words that were destroyed since are not missed, where the receipt says so and more is on the
        record by now, as there is after every erasure.
        """
        try:
            receipt, records = _receipt(response)
            wrong = _misfit(request, receipt) or _unlike(receipt, records)
        except DecodeError as error:
            raise _error(AnotherReceipt, "The receipt cannot be read.", "receipt") from error
        if wrong:
            raise _error(AnotherReceipt, f"The receipt is for something else: {wrong}.", "receipt")
        seen = self._signed(receipt.negotiation, receipt.checkpoint, receipt.version)
        yield from self._included(receipt, records, seen)
        yield from self._compare(receipt.negotiation, seen)
        if receipt.erased_versions:
            yield from self._grown(receipt)
        return receipt

    def _grown(self, receipt: pb.Receipt) -> Check[None]:
        """See that the log goes on after these entries: it says there that words were destroyed.

        Else whoever answers first could leave out the words, and have recorded others.
        """
        answer = yield pb.GetCheckpointRequest(name=receipt.negotiation)
        seen = self._signed(receipt.negotiation, answer.checkpoint)
        if seen.checkpoint.size <= receipt.version:
            text = (
                "The receipt lacks words, and nothing on the record says that they are destroyed."
            )
            raise _error(AnotherReceipt, text, "receipt", shown=seen.signed)
        yield from self._compare(receipt.negotiation, seen)

    def _included(
        self, receipt: pb.Receipt, records: Sequence[pb.Record], seen: Seen
    ) -> Check[None]:
        """See that the log ends with these entries."""
        first = seen.checkpoint.size - len(records) + 1
        hashes: Sequence[bytes] = ()
        if first > 1:
            answer = yield pb.GetInclusionProofRequest(
                name=receipt.negotiation, version=first, at_version=first
            )
            hashes = answer.hashes
        with contextlib.suppress(ProofError):
            frontier = Frontier.before_last(first, hashes)
            for record in records:
                frontier.append(leaf_hash(record.header))
            if frontier.root() == seen.checkpoint.root:
                return
        text = "The entries of the receipt are not in the log that is signed for."
        raise _error(AnotherReceipt, text, "root differs", shown=seen.signed)

    def seen(self, name: str) -> int:
        """At which version the log was last seen; 0 if never. Raises TrustStoreUnusable.

        Ask this before anything else is asked: while an answer is under way, others may see more.
        """
        last = self._store.last(self._origin(name))
        return last.checkpoint.size if last is not None else 0

    def check_latest(self, name: str, version: int, before: int | None = None) -> Check[None]:
        """See that an answer at this version is as new as what was seen, and of the same log.

        `before` is what `seen` said before the answer was asked for; else what it says now.
        """
        if version < (self.seen(name) if before is None else before):
            raise self._stale(name, version)
        last = self._store.last(self._origin(name))
        if last is None or version != last.checkpoint.size:
            answer = yield pb.GetCheckpointRequest(name=name, version=version)
            seen = self._signed(name, answer.checkpoint, version)
            yield from self._compare(name, seen)

    def check_checkpoint(self, name: str, signed: str, before: int | None = None) -> Check[None]:
        """See that a checkpoint that is said to be the last one is signed, and fits the log.

        `before` is as with `check_latest`.
        """
        seen = self._signed(name, signed)
        if seen.checkpoint.size < (self.seen(name) if before is None else before):
            raise self._stale(name, seen.checkpoint.size, seen)
        yield from self._compare(name, seen)

    def _stale(self, name: str, version: int, shown: Seen | None = None) -> TrustError:
        last = self._store.last(self._origin(name))
        size, signed = (last.checkpoint.size, last.signed) if last is not None else (0, "")
        text = f"{name} was at version {size} before; now it is said to be at {version}."
        return _error(Stale, text, "stale", shown=shown.signed if shown else "", seen=signed)

    def _origin(self, name: str) -> str:
        return origin_of(self.keys[0].name, name.removeprefix("negotiations/"))

    def _signed(self, name: str, signed: str, version: int | None = None) -> Seen:
        found = checked(signed, self._origin(name), self.keys)
        if isinstance(found, Finding):
            raise _error(NotSigned, found.text, found.name, shown=signed)
        if version is not None and found.size != version:
            text = f"The checkpoint is of version {found.size}, not of version {version}."
            raise _error(NotSigned, text, "another version", shown=signed)
        return Seen(signed, found)

    def _compare(self, name: str, seen: Seen) -> Check[None]:
        """See that what is signed and what was seen before are of one log; remember the later."""
        origin = seen.checkpoint.origin
        last = self._store.last(origin)
        while last is None or last.signed != seen.signed:
            if last is not None:
                yield from self._consistent(name, last, seen)
            if last is not None and last.checkpoint.size >= seen.checkpoint.size:
                return
            if self._store.advance(origin, last, seen):
                return
            last = self._store.last(origin)  # another thread or process was here first

    def _consistent(self, name: str, last: Seen, seen: Seen) -> Check[None]:
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
                f"The log of {name} at version {seen.checkpoint.size} is not that which was seen"
                f" before at version {last.checkpoint.size}: {error}."
            )
            raise _error(Forked, text, "forked", shown=seen.signed, seen=last.signed) from error


def trusting(keys: Iterable[VerifierKey | str], path: Path | str | None) -> Trust | None:
    """What a client believes that was given these; None if it believes whatever it is told.

    Raises ValueError where there is something to remember and no key to verify it with.
    """
    given = tuple(keys)
    return Trust(given, path) if given or path is not None else None


def _receipt(response: bytes) -> tuple[pb.Receipt, list[pb.Record]]:
    """The receipt in a response, and its entries as they are stored and hashed."""
    receipt = pb.RecordEntriesResponse.FromString(response).receipt
    # On the wire a message is the bytes of a field: what is the receipt in one reading is the
    # header in the other, and entries are records.
    records = pb.Records.FromString(pb.Record.FromString(response).header).records
    return receipt, list(records)


def _unlike(receipt: pb.Receipt, records: Sequence[pb.Record]) -> str:
    """In what respect the entries of a receipt are not those that were stored; empty if not."""
    if len(records) != len(receipt.entries):
        return "its entries are not its records"
    for entry, record in zip(receipt.entries, records, strict=True):
        version, digests = entry.header.version, entry.header.section_digests
        if entry != pb.Entry.FromString(record.SerializeToString()):
            return f"version {version} is not its record"
        sections = [record.facts, record.words]
        if not len(record.salts) == len(digests) == len(sections):
            return f"version {version} has not two sections"
        if _is_erased(receipt, entry):
            sections.pop()  # of the words there is nothing to check
        for salt, section, digest in zip(record.salts, sections, digests, strict=False):
            if hashlib.sha256(salt + section).digest() != digest:
                return f"version {version} is not what its header says"
    return ""


def _is_erased(receipt: pb.Receipt, entry: pb.Entry) -> bool:
    """Whether a receipt says that the words of an entry are gone, and they are, with their salt."""
    told = entry.header.version in receipt.erased_versions
    return told and not entry.HasField("words") and not any(entry.salts[1:])


def _misfit(request: pb.RecordEntriesRequest, receipt: pb.Receipt) -> str:
    """In what respect a receipt is not for a request; empty if it is."""
    entries, drafts = receipt.entries, request.drafts
    if request.negotiation and receipt.negotiation != request.negotiation:
        return f"it is of {receipt.negotiation}"
    if len(entries) != len(drafts):
        return f"it has {len(entries)} entries, and there were {len(drafts)} drafts"
    first = receipt.version - len(entries) + 1
    for version, (entry, draft) in enumerate(zip(entries, drafts, strict=True), start=first):
        if entry.header.version != version:
            return f"version {entry.header.version} stands in the place of {version}"
        if f"negotiations/{entry.header.negotiation}" != receipt.negotiation:
            return f"version {version} is of another negotiation"
        if entry.facts.request_id != request.request_id:
            return f"version {version} was recorded by another request"
        if entry.words != draft.words and not _is_erased(receipt, entry):
            return f"version {version} has other words"
        if entry.facts.WhichOneof("event") != draft.facts.WhichOneof("event"):
            return f"version {version} is of another type"
        if _asked(entry.facts, draft.facts) != _asked(draft.facts, draft.facts):
            return f"version {version} has other facts"
    return ""


def _asked(facts: pb.Facts, draft: pb.Facts) -> pb.Facts:
    """Facts without what the service fills in where a draft does not say it."""
    asked = pb.Facts()
    asked.CopyFrom(facts)
    _clear_filled(asked, draft)
    _clear_bounds(asked)
    return asked


def _clear_filled(facts: pb.Facts, draft: pb.Facts) -> None:
    facts.ClearField("request_id")
    facts.ClearField("recorded_by")
    if not draft.visibility.level:
        facts.ClearField("visibility")
    if not draft.negotiation_opened.acceptance_rule and facts.HasField("negotiation_opened"):
        facts.negotiation_opened.ClearField("acceptance_rule")
    if not draft.topic_added.status and facts.HasField("topic_added"):
        facts.topic_added.ClearField("status")
    if not draft.session_opened.default_visibility.level and facts.HasField("session_opened"):
        facts.session_opened.ClearField("default_visibility")
    if facts.entry_corrected.HasField("replacement"):
        _clear_filled(facts.entry_corrected.replacement, draft.entry_corrected.replacement)


def _clear_bounds(message: Message) -> None:
    if isinstance(message, pb.FuzzyDate):
        message.ClearField("earliest")
        message.ClearField("latest")
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in value if is_repeated(field) else [value]:
                _clear_bounds(one)


def version_of(answer: pb.GetNegotiationResponse | pb.GetStatusReportResponse) -> int:
    """The version that an answer is of: the earlier one, if it names two."""
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
