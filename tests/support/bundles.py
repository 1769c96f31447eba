"""Bundles for tests, with the same bytes each time, and their audit by both verifiers."""

import hashlib
import importlib.util
import io
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from types import ModuleType

from pourparler import v1 as pb
from pourparler.transparency.bundle import verify, write
from pourparler.transparency.checkpoint import VerifierKey, log_origin
from pourparler.transparency.findings import Audit, Verdict
from pourparler.transparency.merkle import Frontier, leaf_hash
from pourparler_service.storage.record_codec import record_bytes
from pourparler_service.transparency.signing_keys import Signer
from tests.support import sample_entries, signing_keys

KEYS = [signing_keys.KEY.verifier_key]
EXIT_CODES = {
    Verdict.SOUND: 0,
    Verdict.MANIPULATED: 4,
    Verdict.INCOMPLETE: 5,
    Verdict.CANNOT_TELL: 6,
    Verdict.PARTIAL: 7,
}
VERIFIER = Path(__file__).parents[2] / "docs" / "verifier.py"


def talks() -> list[pb.Entry]:
    """Return a few entries of the negotiation `talks`."""
    return sample_entries.history(
        sample_entries.draft(pb.NegotiationOpened(), pb.Words(title="Talks")),
        sample_entries.joined("acme"),
        sample_entries.joined("bolt"),
        sample_entries.topic(),
        sample_entries.said("s-1", "acme"),
    )


def sealed(entries: Sequence[pb.Entry], negotiation: str = "talks") -> list[bytes]:
    """Return the records of entries, with fixed salts."""
    numbers = count()

    def salt(length: int) -> bytes:
        return hashlib.sha256(f"{negotiation} {next(numbers)}".encode()).digest()[:length]

    return [
        record_bytes(
            negotiation,
            entry.header.version,
            entry.header.record_time,
            entry.facts,
            entry.words,
            salt=salt,
        )
        for entry in entries
    ]


def root_of(records: Sequence[bytes]) -> bytes:
    """Return the root over these records."""
    frontier = Frontier()
    for stored in records:
        frontier.append(leaf_hash(pb.Record.FromString(stored).header))
    return frontier.root()


def checkpoint(
    records: Sequence[bytes], negotiation: str = "talks", signer: Signer = signing_keys.SIGNER
) -> str:
    """Return the signed checkpoint over these records."""
    recorded = pb.Entry.FromString(records[-1]).header.record_time
    return signer.checkpoint(negotiation, len(records), root_of(records), recorded)


def bundle(
    records: Sequence[bytes],
    *,
    negotiation: str = "talks",
    origin: str = "",
    signed: str = "",
) -> bytes:
    """Return a bundle of these records, valid as far as they allow."""
    file = io.BytesIO()
    header = pb.BundleHeader(
        negotiation=negotiation,
        origin=origin or log_origin("test.example", negotiation),
        checkpoint=signed or checkpoint(records, negotiation),
    )
    write(file, header, records)
    return file.getvalue()


def changed(record: bytes, change: Callable[[pb.Record], object]) -> bytes:
    """Return a record with one change."""
    read = pb.Record.FromString(record)
    change(read)
    return read.SerializeToString(deterministic=True)


def audited(data: bytes, keys: Sequence[VerifierKey] = KEYS) -> Audit:
    """Return the verdict of both verifiers, after a check that they agree."""
    audit = verify(io.BytesIO(data), keys)

    assert briefly(data, keys) == EXIT_CODES[audit.verdict], audit.findings
    return audit


def briefly(data: bytes, keys: Sequence[VerifierKey] = KEYS) -> int:
    """Return the exit code of docs/verifier.py, which shares no code with the client."""
    (name,) = {key.name for key in keys}
    public = SHORT.Ed25519PublicKey.from_public_bytes
    known = {(name, key.key_id): public(key.public_key) for key in keys}
    findings = []
    try:
        for finding in SHORT.verify(data, name, known):
            findings.append(finding)  # noqa: PERF402 - what was found before one is raised counts
    except SHORT.VerificationError as finding:
        findings.append(finding)
    return min((finding.args[0] for finding in findings), default=0)


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verifier", VERIFIER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SHORT = _loaded()
