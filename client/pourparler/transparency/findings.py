"""The findings of an audit and their verdicts, and the check of a signed checkpoint.

Pure: no I/O, no clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.transparency.checkpoint import (
    ED25519,
    Checkpoint,
    CheckpointError,
    VerifierKey,
    parse_checkpoint,
    parse_note,
)

MAX_FINDINGS = 100
"""The number of findings in an Audit, at most. The verdict covers all findings."""


class Verdict(Enum):
    """The verdict of an audit, in the order of severity."""

    SOUND = "sound"
    PARTIAL = "partial"
    CANNOT_TELL = "cannot tell"
    INCOMPLETE = "incomplete"
    MANIPULATED = "manipulated"


FINDINGS: Mapping[str, Verdict] = {
    # The checkpoint.
    "checkpoint unreadable": Verdict.CANNOT_TELL,  # it does not have the form of a checkpoint
    "not signed": Verdict.CANNOT_TELL,  # none of the given keys signed it
    "signature invalid": Verdict.MANIPULATED,  # a given key signed another text
    "another origin": Verdict.MANIPULATED,  # it is signed, but for another log
    "older checkpoint unusable": Verdict.CANNOT_TELL,  # not a signed one of this log
    # One entry.
    "record unreadable": Verdict.MANIPULATED,  # the bytes are no record
    "record changed": Verdict.MANIPULATED,  # a record, but not in its canonical bytes
    "entry unreadable": Verdict.CANNOT_TELL,  # the hashed bytes are no canonical entry
    "format unknown": Verdict.CANNOT_TELL,  # a later format
    "type unknown": Verdict.CANNOT_TELL,  # a type or value of a later version
    "another negotiation": Verdict.MANIPULATED,  # its header names another one
    "section changed": Verdict.MANIPULATED,  # facts or words do not match their digest
    "section withheld": Verdict.PARTIAL,  # not given, and not destroyed by a redaction
    "time runs back": Verdict.MANIPULATED,  # its record time is before that of the entry before
    # All entries together.
    "entry missing": Verdict.INCOMPLETE,  # a version between two others is left out
    "out of order": Verdict.MANIPULATED,  # a version is repeated, or follows a later one
    "cut": Verdict.INCOMPLETE,  # the entries end before the signed size
    "entry beyond": Verdict.MANIPULATED,  # there are more entries than the signed size
    "root differs": Verdict.MANIPULATED,  # the signed size, but other entries
    "read differently": Verdict.MANIPULATED,  # the second pass had other entries than the first
    # The history of the log.
    "forked": Verdict.MANIPULATED,  # it does not extend the earlier signed checkpoint
    "stale": Verdict.INCOMPLETE,  # it is shorter than the earlier signed checkpoint
    # The state.
    "state differs": Verdict.MANIPULATED,  # the entries fold to another one
}
"""The verdict of every finding, by the name of the finding. The names are permanent."""


class Finding(NamedTuple):
    """One problem of a record."""

    verdict: Verdict
    name: str
    """A key of FINDINGS."""
    text: str
    """The problem, in a sentence."""
    version: int = 0
    """The version of the entry; 0 if the finding is about no single entry."""
    part: str = ""
    """The place: `facts` or `words` of an entry, or a part of the state such as `topics/price`."""


class Audit(NamedTuple):
    """The result of an audit."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    """The first MAX_FINDINGS problems, in the order of their discovery."""
    size: int
    """The number of entries read."""
    root: bytes
    """The Merkle root over the entries, 32 bytes (RFC 6962)."""
    checkpoint: Checkpoint | None
    """The verified checkpoint; None if no given key signed it."""
    state: pb.Negotiation | None
    """The state that the entries fold to; None if it is unknown. If the verdict is PARTIAL, it is
    the state of the visible entries only."""
    signed: str = ""
    """The signed checkpoint as given. Store it if the verdict is SOUND."""
    withheld: tuple[int, ...] = ()
    """All versions with facts or words that are not given, although no redaction destroyed them."""


def check_signed(
    signed: str, origin: str, keys: Sequence[VerifierKey], *, what: str = "The checkpoint"
) -> Checkpoint | Finding:
    """Return the checkpoint in a signed note, or the finding if the note is not valid.

    It must have this origin and a valid signature of one of the keys.
    """
    try:
        note = parse_note(signed)
        checkpoint = parse_checkpoint(note.text)
    except CheckpointError as error:
        return finding("checkpoint unreadable", f"{what} cannot be read: {error}.")
    by = {(one.name, one.key_id) for one in note.signatures}
    known = [key for key in keys if (key.name, key.key_id) in by]
    if not known:
        text = f"{what} is not signed by any of the keys that were given."
        return finding("not signed", text)
    try:
        for key in known:
            key.verify(note)
    except CheckpointError as error:
        return finding("signature invalid", f"{what} was changed: {error}.")
    if checkpoint.origin != origin:
        text = f"{what} is of {checkpoint.origin!r}, not of {origin!r}."
        return finding("another origin", text)
    return checkpoint


def parse_log_keys(keys: Iterable[VerifierKey | str]) -> list[VerifierKey]:
    """Return the verifier keys of one service, parsed.

    Raises ValueError if there is none, if one is the key of a witness, or if they have several
    names.
    """
    parsed = [VerifierKey.parse(key) if isinstance(key, str) else key for key in keys]
    if not parsed:
        raise ValueError("no verifier key is given: pass the key of the service")
    if any(key.algorithm != ED25519 for key in parsed):
        raise ValueError("a key of a witness cannot verify a log: pass the key of the service")
    if len({key.name for key in parsed}) > 1:
        raise ValueError("the keys have several names: pass the keys of one service")
    return parsed


def finding(name: str, text: str, version: int = 0, part: str = "") -> Finding:
    """Return a finding with the verdict of its name."""
    return Finding(FINDINGS[name], name, text, version, part)


GRAVITY = {verdict: gravity for gravity, verdict in enumerate(Verdict)}
