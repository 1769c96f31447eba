"""The log of each negotiation: its checkpoints, and the proofs that lead to them."""

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

_SHOWN = 10


class Proof(NamedTuple):
    """Hashes, and the checkpoint to which they lead."""

    hashes: list[bytes]
    checkpoint: str


class _CachedHead(NamedTuple):
    """A version with a signed checkpoint; and what makes it a copy, if it is one."""

    size: int
    checkpoint: str
    copy: pb.Copy | None = None


class Log:
    """Proves what readers see: committed entries only.

    Of a copy, it gives out the checkpoints that came with it, and signs none.

    Every method blocks on the store and raises Refusal.
    """

    def __init__(
        self, store: EventStore, negotiations: CurrentNegotiations, signer: Signer
    ) -> None:
        """Prove the entries of this store, held by these, and sign."""
        self._store = store
        self._negotiations = negotiations
        self._signer = signer

    def checkpoint(self, id_: str, version: int | None) -> pb.GetCheckpointResponse:
        """The checkpoint at a version, or at the last one."""
        with self._negotiations.current(id_) as negotiation:
            head = self._head(negotiation, version, "version")
            recorded = self._recorded(negotiation, head.size)
            return pb.GetCheckpointResponse(
                checkpoint=head.checkpoint,
                computed_at=pb.ComputedAt(version=head.size, record_time=recorded),
                copy=head.copy,
            )

    def inclusion(
        self, id_: str, version: int, at_version: int | None
    ) -> pb.GetInclusionProofResponse:
        """The proof that an entry is in the log at a version, or at the last one."""
        with self._negotiations.current(id_) as negotiation:
            size, checkpoint, _ = self._head(negotiation, at_version, "at_version")
            if not 1 <= version <= size:
                _beyond(version, size, "version")
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
        """The proof that the log at a version, or the last one, begins with that at an earlier."""
        with self._negotiations.current(id_) as negotiation:
            size, checkpoint, _ = self._head(negotiation, to_version, "to_version")
            if not 1 <= from_version <= size:
                _beyond(from_version, size, "from_version")
            return pb.GetConsistencyProofResponse(
                hashes=negotiation.tree.prove_consistency(from_version, size),
                checkpoint=checkpoint,
            )

    def _head(self, negotiation: Negotiation, version: int | None, field: str) -> _CachedHead:
        """The version that is asked for, or the last one, with its checkpoint."""
        if negotiation.is_import:
            return self._copied(negotiation, version, field)
        size = _version(negotiation, version, field)
        root = negotiation.tree.root(size)
        recorded = self._recorded(negotiation, size)
        return _CachedHead(size, self._signer.checkpoint(negotiation.id, size, root, recorded))

    def _copied(self, negotiation: Negotiation, version: int | None, field: str) -> _CachedHead:
        # Read after the entries, it may know of more than they go to by now.
        known = {
            one.version: one
            for one in imported_bundles.imports_of(self._store, negotiation.id)
            if one.version <= negotiation.version
        }
        size = max(known) if version is None else _version(negotiation, version, field)
        if size not in known:
            versions = ", ".join(map(str, list(known)[-_SHOWN:]))
            refuse(
                pb.ERROR_REASON_CHECKPOINT_NOT_FOUND,
                f"The negotiation is a copy, which came without a checkpoint of version {size};"
                f" there are those of {versions}.",
                field,
                version=str(size),
                versions=versions,
            )
        return _CachedHead(size, known[size].checkpoint, known[size])

    def _recorded(self, negotiation: Negotiation, version: int) -> Timestamp:
        if version == negotiation.version:
            return negotiation.record_time
        stored = self._store.read(negotiation.id, after=version - 1, upto=version)[0]
        return decode_record(stored.data).header.record_time


def _version(negotiation: Negotiation, version: int | None, field: str) -> int:
    if version is None:
        return negotiation.version
    if not 1 <= version <= negotiation.version:
        _beyond(version, negotiation.version, field)
    return version


def _beyond(version: int, last: int, field: str) -> NoReturn:
    refuse(
        pb.ERROR_REASON_VERSION_NOT_FOUND,
        f"There is no version {version} between 1 and {last}.",
        field,
        version=str(version),
        last_version=str(last),
    )
