"""A whole record checked: every entry against the signed checkpoint, and the state folded anew.

Pure: it is given what it judges. Keys and negotiation come from whoever asks, never from the
record.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from hashlib import sha256
from typing import NamedTuple

from google.protobuf.message import DecodeError, Message

from pourparler import v1 as pb
from pourparler.state.diff import diff
from pourparler.state.fold import AMENDING, Amendments, Fold, UnknownEntryError, is_amending
from pourparler.transparency.checkpoint import (
    ED25519,
    Checkpoint,
    CheckpointError,
    VerifierKey,
    origin_of,
    parse_checkpoint,
    parse_note,
)
from pourparler.transparency.merkle import EMPTY_ROOT, Frontier, leaf_hash

FORMAT = 1
"""The version of the stored format that is understood here."""

SALT_BYTES = 32

MOST_FINDINGS = 100
"""How many findings are kept; the verdict is that of all."""

_SECTIONS = ("facts", "words")

# Looked up once, and not for every entry.
_record_of = pb.Record.FromString
_entry_of = pb.Entry.FromString


class Verdict(Enum):
    """What an audit comes to; the graver come later."""

    SOUND = "sound"
    PARTIAL = "partial"
    CANNOT_TELL = "cannot tell"
    INCOMPLETE = "incomplete"
    MANIPULATED = "manipulated"


FINDINGS: Mapping[str, Verdict] = {
    # Of the checkpoint.
    "checkpoint unreadable": Verdict.CANNOT_TELL,  # it is not in the form that a checkpoint has
    "not signed": Verdict.CANNOT_TELL,  # by none of the keys that were given
    "signature invalid": Verdict.MANIPULATED,  # under one of these keys, but not of this text
    "another origin": Verdict.MANIPULATED,  # signed, but for another log
    "older checkpoint unusable": Verdict.CANNOT_TELL,  # it is not one of this log, signed
    # Of an entry.
    "record unreadable": Verdict.MANIPULATED,  # no record at all
    "record changed": Verdict.MANIPULATED,  # a record, but not in the one form of its bytes
    "entry unreadable": Verdict.CANNOT_TELL,  # what was hashed is no entry, or not in its one form
    "format unknown": Verdict.CANNOT_TELL,  # of a later format
    "type unknown": Verdict.CANNOT_TELL,  # of a type or value that a later version has
    "another negotiation": Verdict.MANIPULATED,  # its header names another one
    "section changed": Verdict.MANIPULATED,  # its facts or words are not those of its digests
    "section withheld": Verdict.PARTIAL,  # not given, and not destroyed by a redaction
    "time runs back": Verdict.MANIPULATED,  # it was recorded before the one before it
    # Of the entries together.
    "entry missing": Verdict.INCOMPLETE,  # a version was left out between two others
    "out of order": Verdict.MANIPULATED,  # a version comes again, or after a later one
    "cut": Verdict.INCOMPLETE,  # the entries end before those that were signed for do
    "entry beyond": Verdict.MANIPULATED,  # there are more than were signed for
    "root differs": Verdict.MANIPULATED,  # as many as were signed for, but others
    "read differently": Verdict.MANIPULATED,  # the second reading was not that of the first
    # Of the log and its past.
    "forked": Verdict.MANIPULATED,  # it does not begin with what was signed for earlier
    "stale": Verdict.INCOMPLETE,  # it is shorter than what was signed for earlier
    # Of the state.
    "state differs": Verdict.MANIPULATED,  # the entries fold to another one
}
"""Every finding there is, by its name, and how grave it is."""


class Finding(NamedTuple):
    """One thing that is wrong."""

    verdict: Verdict
    name: str
    """One of FINDINGS. Names stay what they are."""
    text: str
    """What is wrong, in a sentence for people."""
    version: int = 0
    """Of which entry; 0 if of none."""
    part: str = ""
    """Of what in it: `facts` or `words` of an entry, a part of the state such as `topics/price`."""


class Audit(NamedTuple):
    """What an audit came to."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    """What is wrong, in the order in which it was found; the first MOST_FINDINGS."""
    size: int
    """How many entries were read."""
    root: bytes
    """The root over them."""
    checkpoint: Checkpoint | None
    """What they were checked against; None where nothing was signed by a key that was given."""
    state: pb.Negotiation | None
    """What they fold to; None where that cannot be said. Where the verdict is PARTIAL, what those
    come to that are shown: others may have changed it."""
    signed: str = ""
    """The checkpoint as it was given, to be kept where the verdict is SOUND."""
    withheld: tuple[int, ...] = ()
    """Of which versions facts or words are not given, though no redaction destroyed them: all of
    them, however few of the findings are kept."""


class Auditor:
    """Checks the records of one negotiation, given one by one in the order of their versions.

    It keeps the folded state and what amends it, and nothing else that grows with the record.
    Whatever it is given, it does not fail: what is wrong becomes a finding.
    """

    def __init__(
        self, negotiation: str, keys: Iterable[VerifierKey | str], *, since: str | None = None
    ) -> None:
        """Check the negotiation of this id, signed for by one of these keys of one service.

        `since` is an older signed checkpoint that the record has to begin with. Raises ValueError
        if the keys are not `log_keys`.
        """
        self._keys = log_keys(keys)
        self.origin = origin_of(self._keys[0].name, negotiation)
        self._negotiation = negotiation
        self._findings: dict[Finding, None] = {}
        self._verdict = Verdict.SOUND
        self._since = self._older(since) if since is not None else None
        self._first_root: bytes | None = None  # set while the records are read a second time
        self._cut = False
        self._withheld: dict[tuple[int, str], None] = {}
        self._amendments = Amendments()
        self._begin()

    def _begin(self) -> None:
        self._frontier = Frontier()
        self._since_root = EMPTY_ROOT  # until as many were read as were signed for
        self._version = 0
        self._recorded = (0, 0)
        self._fold: Fold | None = Fold()  # None once no state can be made

    @property
    def size(self) -> int:
        """How many records were taken in this reading."""
        return self._frontier.size

    @property
    def grown(self) -> bool:
        """Whether the record is known to have entries: an older checkpoint signs for some."""
        return self._since is not None and self._since.size > 0

    @property
    def again(self) -> bool:
        """Whether the state needs a second reading, since some entries speak of earlier ones."""
        return bool(self._amendments) and self._first_root is None

    def repeat(self) -> None:
        """Begin the second reading. All is checked once more: nobody says that it is the same."""
        self._first_root = self._frontier.root()
        self._begin()

    @property
    def withheld(self) -> frozenset[tuple[int, str]]:
        """The sections that were not given so far, by version and name."""
        return frozenset(self._withheld)

    def differs(self, state: pb.Negotiation) -> bool:
        """Whether the entries that were shown fold to another state than this one."""
        folded = self._folded()
        return folded is not None and folded != state

    def anew(self) -> None:
        """Begin anew, for whoever is shown more or less by now. What was found stays found."""
        self._first_root = None
        self._withheld.clear()
        self._amendments = Amendments()
        self._begin()

    def read(self, records: Callable[[], Iterable[pb.Record | bytes]]) -> None:
        """Take all records, once or, where the state needs it, twice."""
        for record in records():
            self.take(record)
        if self.again:
            self.repeat()
            for record in records():
                self.take(record)

    def take(self, record: pb.Record | bytes) -> None:
        """Check the next record, and take it into root and state."""
        if isinstance(record, bytes):
            data = record
            try:
                read = _record_of(data)
            except DecodeError:
                place = self._frontier.size + 1
                text = f"What stands at place {place} is no record."
                self._found("record unreadable", text, place)
                return
        else:
            read, data = record, record.SerializeToString()
        frontier = self._frontier
        frontier.append(leaf_hash(read.header))
        if self._since is not None and frontier.size == self._since.size:
            self._since_root = frontier.root()
        entry = _canonical(data)
        # An entry may have an empty section, a record has none then: only that can differ.
        if entry is None or read.ByteSize() != len(data):
            entry = self._stored(read, data)
        if entry is None:
            self._check_unreadable(read)
            return
        header = entry.header  # held, so that the fold does not make it anew
        if self._check(header, read):
            self._evolve(entry)
        else:
            self._fold = None

    def _stored(self, read: pb.Record, data: bytes) -> pb.Entry | None:
        """The entry in a record, if it can be read, and whether the record is as it was stored.

        What is read is what was hashed: where a field comes twice, a record has the last of the
        two, and an entry both.
        """
        read.DiscardUnknownFields()
        stored = read.SerializeToString()
        if stored != data:
            place = self._frontier.size
            text = f"The record at place {place} is not as it was stored."
            self._found("record changed", text, place)
        return _canonical(stored)

    def _check_unreadable(self, read: pb.Record) -> None:
        """Check of an entry what can be read of it: its header, or nothing."""
        self._fold = None
        place = self._frontier.size
        header = pb.EntryHeader()
        if not _is_canonical(header, read.header):
            text = f"The header of what stands at place {place} cannot be read."
            self._found("entry unreadable", text, place)
            self._version += 1
        elif self._check(header, read):
            version = header.version
            if _is_canonical(pb.Facts(), read.facts, known=False) and _is_canonical(
                pb.Words(), read.words, known=False
            ):
                text = f"Version {version} says what is not known here: the state cannot be made."
                self._found("type unknown", text, version)
            else:
                text = f"What version {version} says is not in the one form that it can have."
                self._found("entry unreadable", text, version)

    def _check(self, header: pb.EntryHeader, read: pb.Record) -> bool:
        """Check what a header says, and whether its format is known."""
        version, time = header.version, header.record_time
        if version != self._version + 1:
            self._check_order(version)
        if version > self._version:  # noqa: PLR1730 - in the way of every entry: max() is slower
            self._version = version
        recorded = (time.seconds, time.nanos)
        if recorded < self._recorded:
            self._found(
                "time runs back", f"Version {version} is dated before the one before it.", version
            )
        self._recorded = recorded
        if header.negotiation != self._negotiation:
            text = f"Version {version} is of the negotiation {header.negotiation!r}."
            self._found("another negotiation", text, version)
        if header.format != FORMAT:
            text = f"Version {version} is of format {header.format}, which is not known here."
            self._found("format unknown", text, version)
            return False
        salts, digests = read.salts, header.section_digests
        if (
            len(salts) != len(_SECTIONS)
            or len(digests) != len(_SECTIONS)
            or sha256(salts[0] + read.facts).digest() != digests[0]
            or sha256(salts[1] + read.words).digest() != digests[1]
            or len(salts[0]) != SALT_BYTES
            or len(salts[1]) != SALT_BYTES
        ):
            self._check_sections(version, read, digests)
        return True

    def _check_order(self, version: int) -> None:
        if version <= self._version:
            text = f"Version {version} comes after version {self._version}."
            self._found("out of order", text, version)
            return
        first, last = self._version + 1, version - 1
        gap = f"Version {first} is" if first == last else f"Versions {first} to {last} are"
        self._found("entry missing", f"{gap} missing.", first)

    def _check_sections(self, version: int, read: pb.Record, digests: Sequence[bytes]) -> None:
        """Say which of the sections are changed, and which are only not given."""
        salts = list(read.salts) or [b"", b""]
        shaped = len(salts) == len(digests) == len(_SECTIONS)
        for place, (name, section) in enumerate(
            zip(_SECTIONS, (read.facts, read.words), strict=True)
        ):
            if shaped and not salts[place] and not section:
                self._withheld[version, name] = None
            elif (
                not shaped
                or len(salts[place]) != SALT_BYTES
                or sha256(salts[place] + section).digest() != digests[place]
            ):
                text = f"The {name} of version {version} are not those that were recorded."
                self._found("section changed", text, version, name)

    def _evolve(self, entry: pb.Entry) -> None:
        try:
            if self._first_root is not None:
                counted = self._amendments.apply(entry)
                if self._fold is not None and counted is not None:
                    self._fold.take(*counted)
            elif self._fold is None:
                if is_amending(entry):
                    self._amendments.add(entry)
            elif self._fold.take(entry) in AMENDING:
                self._amendments.add(entry)
                self._fold = None  # made in the second reading
        except (UnknownEntryError, LookupError):
            version = entry.header.version
            text = f"Version {version} says what is not known here: the state cannot be made."
            self._found("type unknown", text, version)
            self._fold = None

    def cut(self, why: str) -> None:
        """Say that there were to be more records, but they did not come."""
        self._cut = True
        self._found("cut", why)

    def stand_by(self, version: int, signed: str) -> None:
        """Check that a version that a state was said to be of, and not read here, is signed for."""
        found = checked(signed, self.origin, self._keys)
        if isinstance(found, Finding) or found.size != version:
            text = f"The latest state is said to be of version {version}; nobody signs for that."
            self._found("state differs", text, part="version")

    def finish(
        self, signed: str, *, state: pb.Negotiation | None = None, of_shown: bool = False
    ) -> Audit:
        """Check what was read against a signed checkpoint, and against a state that was given.

        The state is to be that of the checkpoint's version: of all entries, so that it is compared
        where all are shown; or `of_shown`, of those that are.
        """
        checkpoint = self._verified(signed)
        size, root = self._frontier.size, self._frontier.root()
        if self._first_root not in {None, root} and not self._cut:
            text = "Read a second time, the entries were others than the first time."
            self._found("read differently", text)
        if checkpoint is not None:
            self._check_size(checkpoint, size, root)
        self._check_since(checkpoint, size)
        withheld = self._check_withheld()
        folded = self._folded()
        # A state of all entries is not that of some of them.
        if state is not None and folded is not None and (of_shown or not withheld):
            self._compare(folded, state)
        findings = tuple(self._findings)
        return Audit(self._verdict, findings, size, root, checkpoint, folded, signed, withheld)

    def _check_size(self, checkpoint: Checkpoint, size: int, root: bytes) -> None:
        signed_for = f"The checkpoint is of {checkpoint.size} entries"
        if self._version > checkpoint.size or size > checkpoint.size:
            self._found("entry beyond", f"{signed_for}; there are more.", checkpoint.size + 1)
        elif self._version < checkpoint.size and not self._cut:
            text = f"{signed_for}; they end with version {self._version}."
            self._found("cut", text, self._version + 1)
        elif size == checkpoint.size and root != checkpoint.root:
            self._found("root differs", "The entries are not those that were signed for.")

    def _check_since(self, checkpoint: Checkpoint | None, size: int) -> None:
        since = self._since
        if since is None:
            return
        if checkpoint is not None and checkpoint.size < since.size:
            text = f"The log has {checkpoint.size} entries; it had {since.size}."
            self._found("stale", text)
        elif size >= since.size and self._since_root != since.root:
            text = f"The log does not begin with the {since.size} entries that it had."
            self._found("forked", text)

    def _check_withheld(self) -> tuple[int, ...]:
        """Say what is withheld; of which versions."""
        versions: dict[int, None] = {}
        for version, section in self._withheld:
            if section != "words" or not self._amendments.redacts(version):
                text = f"The {section} of version {version} are not given."
                self._found("section withheld", text, version, section)
                versions[version] = None
        return tuple(versions)

    def _folded(self) -> pb.Negotiation | None:
        """The state, if it is that of the entries that are shown, as they were recorded."""
        whole = self._verdict not in {Verdict.MANIPULATED, Verdict.INCOMPLETE}
        if self._fold is None or self.again or not whole:
            return None
        return self._fold.state()

    def _compare(self, folded: pb.Negotiation, given: pb.Negotiation) -> None:
        if folded == given:
            return
        changes = diff(folded, given)
        part = changes[0].part if changes else "counts"
        text = f"The entries fold to another state than the one given: {part} differs."
        self._found("state differs", text, part=part)

    def _verified(self, signed: str) -> Checkpoint | None:
        found = checked(signed, self.origin, self._keys)
        if isinstance(found, Finding):
            self._add(found)
            return None
        return found

    def _older(self, signed: str) -> Checkpoint | None:
        found = checked(signed, self.origin, self._keys, what="The older checkpoint")
        if isinstance(found, Finding):
            # Whoever asks has brought it: it says nothing of the record.
            self._found("older checkpoint unusable", found.text)
            return None
        return found

    def _found(self, name: str, text: str, version: int = 0, part: str = "") -> None:
        self._add(_finding(name, text, version, part))

    def _add(self, finding: Finding) -> None:
        if _GRAVITY[finding.verdict] > _GRAVITY[self._verdict]:
            self._verdict = finding.verdict
        # A second reading finds the same again.
        if len(self._findings) < MOST_FINDINGS:
            self._findings[finding] = None


def checked(
    signed: str, origin: str, keys: Sequence[VerifierKey], *, what: str = "The checkpoint"
) -> Checkpoint | Finding:
    """The checkpoint of this origin that one of the keys has signed, or why it is none."""
    try:
        note = parse_note(signed)
        checkpoint = parse_checkpoint(note.text)
    except CheckpointError as error:
        return _finding("checkpoint unreadable", f"{what} cannot be read: {error}.")
    by = {(one.name, one.key_id) for one in note.signatures}
    known = [key for key in keys if (key.name, key.key_id) in by]
    if not known:
        text = f"{what} is not signed by any of the keys that were given."
        return _finding("not signed", text)
    try:
        for key in known:
            key.verify(note)
    except CheckpointError as error:
        return _finding("signature invalid", f"{what} was changed: {error}.")
    if checkpoint.origin != origin:
        text = f"{what} is of {checkpoint.origin!r}, not of {origin!r}."
        return _finding("another origin", text)
    return checkpoint


def log_keys(keys: Iterable[VerifierKey | str]) -> list[VerifierKey]:
    """The keys with which one service signs its logs.

    Raises ValueError if one is not a key of a log, or if they are of several services, or none.
    """
    parsed = [VerifierKey.parse(key) if isinstance(key, str) else key for key in keys]
    if not parsed:
        raise ValueError("a key is needed to verify anything")
    if any(key.algorithm != ED25519 for key in parsed):
        raise ValueError("a log is not signed by the key of a witness")
    if len({key.name for key in parsed}) > 1:
        raise ValueError("the keys of one service go by one name")
    return parsed


def _canonical(data: bytes) -> pb.Entry | None:
    """The entry that these bytes are the one form of.

    What can be written in two ways can be read in two ways, by different libraries.
    """
    try:
        entry = _entry_of(data)
    except DecodeError:
        return None
    entry.DiscardUnknownFields()
    return entry if entry.SerializeToString() == data else None


def _is_canonical(message: Message, data: bytes, *, known: bool = True) -> bool:
    """Read a message; whether the bytes are the one form of it, with what is known here alone."""
    try:
        message.ParseFromString(data)
    except DecodeError:
        return False
    if known:
        message.DiscardUnknownFields()
    return message.SerializeToString() == data


def _finding(name: str, text: str, version: int = 0, part: str = "") -> Finding:
    return Finding(FINDINGS[name], name, text, version, part)


_GRAVITY = {verdict: gravity for gravity, verdict in enumerate(Verdict)}
