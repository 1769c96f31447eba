"""The log of each negotiation: its checkpoints and proofs (RFC 6962)."""

from typing import NamedTuple, NoReturn

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.transparency.checkpoint import tlog_proof
from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.aggregate.negotiation import Negotiation
from pourparler_service.domain.refusal import refuse
from pourparler_service.storage import imported_bundles
from pourparler_service.storage.interface import EventStore
from pourparler_service.storage.record_codec import decode_record
from pourparler_service.transparency.signing_keys import Signer

_LISTED = 10


class Proof(NamedTuple):
    """The hashes of a proof (RFC 6962), and the checkpoint that they lead to."""

    hashes: list[bytes]
    checkpoint: str


class _CachedHead(NamedTuple):
    """A version, its signed checkpoint and, for a copy, its origin."""

    size: int
    checkpoint: str
    copy: pb.Copy | None = None


class Log:
    """Computes checkpoints and proofs of committed entries.

    For a copy, it returns the checkpoints of its bundles and signs none.

    Every method blocks on the store and raises RefusalError.
    """

    def __init__(
        self, store: EventStore, negotiations: CurrentNegotiations, signer: Signer
    ) -> None:
        """Use the entries of `store`, the trees of `negotiations` and the keys of `signer`."""
        self._store = store
        self._negotiations = negotiations
        self._signer = signer

    def checkpoint(self, id_: str, version: int | None) -> pb.GetCheckpointResponse:
        """Return the checkpoint at a version, or at the last one."""
        with self._negotiations.current(id_) as negotiation:
            head = self._head(negotiation, version, "version")
            record_time = self._record_time(negotiation, head.size)
            return pb.GetCheckpointResponse(
                checkpoint=head.checkpoint,
                computed_at=pb.ComputedAt(version=head.size, record_time=record_time),
                copy=head.copy,
            )

    def inclusion(
        self, id_: str, version: int, at_version: int | None
    ) -> pb.GetInclusionProofResponse:
        """Return the inclusion proof of an entry at a version, or at the last (RFC 6962, 2.1.1)."""
        with self._negotiations.current(id_) as negotiation:
            size, checkpoint, _ = self._head(negotiation, at_version, "at_version")
            if not 1 <= version <= size:
                _refuse_version(version, size, "version")
            hashes = negotiation.tree.prove_inclusion(version - 1, size)
        stored = self._store.read(id_, after=version - 1, upto=version)[0]
        return pb.GetInclusionProofResponse(
            hashes=hashes,
            checkpoint=checkpoint,
            tlog_proof=tlog_proof(version - 1, hashes, checkpoint),
            header=pb.Record.FromString(stored.data).header,
        )

    def consistency(
        self, id_: str, from_version: int, to_version: int | None
    ) -> pb.GetConsistencyProofResponse:
        """Return the consistency proof between two versions (RFC 6962, 2.1.2)."""
        with self._negotiations.current(id_) as negotiation:
            size, checkpoint, _ = self._head(negotiation, to_version, "to_version")
            if not 1 <= from_version <= size:
                _refuse_version(from_version, size, "from_version")
            return pb.GetConsistencyProofResponse(
                hashes=negotiation.tree.prove_consistency(from_version, size),
                checkpoint=checkpoint,
            )

    def _head(self, negotiation: Negotiation, version: int | None, field: str) -> _CachedHead:
        """Return the requested version, or the last one, with its checkpoint."""
        if negotiation.is_import:
            return self._copied_head(negotiation, version, field)
        size = _version(negotiation, version, field)
        root = negotiation.tree.root(size)
        record_time = self._record_time(negotiation, size)
        return _CachedHead(size, self._signer.checkpoint(negotiation.id, size, root, record_time))

    def _copied_head(
        self, negotiation: Negotiation, version: int | None, field: str
    ) -> _CachedHead:
        # This is read after the entries, so it may have checkpoints beyond the last entry.
        known = {
            one.version: one
            for one in imported_bundles.imports_of(self._store, negotiation.id)
            if one.version <= negotiation.version
        }
        size = max(known) if version is None else _version(negotiation, version, field)
        if size not in known:
            versions = ", ".join(map(str, list(known)[-_LISTED:]))
            refuse(
                pb.ERROR_REASON_CHECKPOINT_NOT_FOUND,
                f"The negotiation is a copy without a checkpoint of version {size}. Use one of the"
                f" versions {versions}.",
                field,
                version=str(size),
                versions=versions,
            )
        return _CachedHead(size, known[size].checkpoint, known[size])

    def _record_time(self, negotiation: Negotiation, version: int) -> Timestamp:
        if version == negotiation.version:
            return negotiation.record_time
        stored = self._store.read(negotiation.id, after=version - 1, upto=version)[0]
        return decode_record(stored.data).header.record_time


def _version(negotiation: Negotiation, version: int | None, field: str) -> int:
    if version is None:
        return negotiation.version
    if not 1 <= version <= negotiation.version:
        _refuse_version(version, negotiation.version, field)
    return version


def _refuse_version(version: int, last: int, field: str) -> NoReturn:
    refuse(
        pb.ERROR_REASON_VERSION_NOT_FOUND,
        f"The negotiation has no version {version}. Its versions are 1 to {last}.",
        field,
        version=str(version),
        last_version=str(last),
    )
