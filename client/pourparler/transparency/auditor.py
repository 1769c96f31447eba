"""The audit of a whole record: each entry against the signed checkpoint, and the folded state.

Pure: no I/O, no clock. Keys and negotiation come from the caller, never from the record.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from google.protobuf.message import DecodeError, Message

from pourparler import v1 as pb
from pourparler.schema.entry_format import FIRST_FORMAT, LATEST_FORMAT
from pourparler.state.corrections import AMENDING_TYPES, Amendments, is_amending
from pourparler.state.diff import diff
from pourparler.state.fold import StateBuilder, UnknownEntryError
from pourparler.transparency.checkpoint import (
    Checkpoint,
    VerifierKey,
    log_origin,
)
from pourparler.transparency.findings import (
    GRAVITY,
    MAX_FINDINGS,
    Audit,
    Finding,
    Verdict,
    check_signed,
    finding,
    parse_log_keys,
)
from pourparler.transparency.merkle import EMPTY_ROOT, Frontier, leaf_hash

SALT_BYTES = 32


_SECTIONS = ("facts", "words")

# Bound once, not looked up for each entry.
_record_of = pb.Record.FromString
_entry_of = pb.Entry.FromString


class Auditor:
    """The auditor of one negotiation. It takes the records in the order of their versions.

    It holds the folded state and its amendments, and nothing else that grows with the record. It
    never fails on a record: each problem becomes a finding.
    """

    def __init__(
        self,
        negotiation: str,
        keys: Iterable[VerifierKey | str],
        *,
        base_checkpoint: str | None = None,
    ) -> None:
        """Audit the negotiation with this id against keys of one service.

        `base_checkpoint` is an earlier signed checkpoint that the record must extend. Raises
        ValueError if the keys are not those of one service.
        """
        self._keys = parse_log_keys(keys)
        self.origin = log_origin(self._keys[0].name, negotiation)
        self._negotiation = negotiation
        self._findings: dict[Finding, None] = {}
        self._verdict = Verdict.SOUND
        self._base = self._check_base(base_checkpoint) if base_checkpoint is not None else None
        self._first_root: bytes | None = None  # set during the second pass
        self._ended_early = False
        self._withheld: dict[tuple[int, str], None] = {}
        self._amendments = Amendments()
        self._reset()

    def _reset(self) -> None:
        self._frontier = Frontier()
        self._base_root = EMPTY_ROOT  # until that many records are read
        self._version = 0
        self._record_time = (0, 0)
        self._builder: StateBuilder | None = StateBuilder()  # None if the state cannot be computed

    @property
    def size(self) -> int:
        """The number of records in this pass."""
        return self._frontier.size

    @property
    def has_base(self) -> bool:
        """True if the base checkpoint signs for at least one entry."""
        return self._base is not None and self._base.size > 0

    @property
    def needs_second_pass(self) -> bool:
        """True if the state needs a second pass, because some entries amend earlier ones."""
        return bool(self._amendments) and self._first_root is None

    def start_second_pass(self) -> None:
        """Start the second pass. It checks all records again: they may differ from the first."""
        self._first_root = self._frontier.root()
        self._reset()

    @property
    def withheld(self) -> frozenset[tuple[int, str]]:
        """The sections that are withheld so far, by version and name."""
        return frozenset(self._withheld)

    def differs(self, state: pb.Negotiation) -> bool:
        """Return True if the visible entries fold to another state than this one."""
        folded = self._state_of_entries()
        return folded is not None and folded != state

    def restart(self) -> None:
        """Start again, because other entries may be visible now. The findings stay."""
        self._first_root = None
        self._withheld.clear()
        self._amendments = Amendments()
        self._reset()

    def add_all(self, records: Callable[[], Iterable[pb.Record | bytes]]) -> None:
        """Add all records, in one or two passes."""
        for record in records():
            self.add_record(record)
        if self.needs_second_pass:
            self.start_second_pass()
            for record in records():
                self.add_record(record)

    def add_record(self, record: pb.Record | bytes) -> None:
        """Check the next record, and add it to the root and the state."""
        if isinstance(record, bytes):
            data = record
            try:
                read = _record_of(data)
            except DecodeError:
                place = self._frontier.size + 1
                text = f"The data at position {place} is no record."
                self._add_finding("record unreadable", text, place)
                return
        else:
            read, data = record, record.SerializeToString()
        frontier = self._frontier
        frontier.append(leaf_hash(read.header))
        if self._base is not None and frontier.size == self._base.size:
            self._base_root = frontier.root()
        entry = _canonical(data)
        # Canonical entry bytes equal the record, but for an empty section, which a record omits.
        if entry is None or read.ByteSize() != len(data):
            entry = self._parse_entry(read, data)
        if entry is None:
            self._check_unreadable(read)
            return
        header = entry.header  # a reference, so that the fold does not create it again
        if self._check(header, read):
            self._evolve(entry)
        else:
            self._builder = None

    def _parse_entry(self, read: pb.Record, data: bytes) -> pb.Entry | None:
        """Return the entry in a record, or None if it is malformed. Check the record's bytes.

        The entry is parsed from the bytes that were hashed. If a field is repeated, a record has
        the last value only, and an entry merges both.
        """
        read.DiscardUnknownFields()
        stored = read.SerializeToString()
        if stored != data:
            place = self._frontier.size
            text = f"The record at position {place} does not have its stored bytes."
            self._add_finding("record changed", text, place)
        return _canonical(stored)

    def _check_unreadable(self, read: pb.Record) -> None:
        """Check the header of a malformed entry, if the header is valid."""
        self._builder = None
        place = self._frontier.size
        header = pb.EntryHeader()
        if not _is_canonical(header, read.header):
            text = f"The header of the entry at position {place} is malformed."
            self._add_finding("entry unreadable", text, place)
            self._version += 1
        elif self._check(header, read):
            version = header.version
            if _is_canonical(pb.Facts(), read.facts, known=False) and _is_canonical(
                pb.Words(), read.words, known=False
            ):
                text = (
                    f"Version {version} has a type or value that is not supported: no state exists."
                )
                self._add_finding("type unknown", text, version)
            else:
                text = f"The content of version {version} does not have its canonical bytes."
                self._add_finding("entry unreadable", text, version)

    def _check(self, header: pb.EntryHeader, read: pb.Record) -> bool:
        """Check a header and its digests. Return False if its format is not supported."""
        version, time = header.version, header.record_time
        if version != self._version + 1:
            self._check_order(version)
        if version > self._version:  # noqa: PLR1730 - on the hot path: max() is slower
            self._version = version
        recorded = (time.seconds, time.nanos)
        if recorded < self._record_time:
            self._add_finding(
                "time runs back", f"Version {version} was recorded before its predecessor.", version
            )
        self._record_time = recorded
        if header.negotiation != self._negotiation:
            text = f"Version {version} is of the negotiation {header.negotiation!r}."
            self._add_finding("another negotiation", text, version)
        if not FIRST_FORMAT <= header.format <= LATEST_FORMAT:
            text = f"Version {version} has format {header.format}, which is not supported."
            self._add_finding("format unknown", text, version)
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
            self._add_finding("out of order", text, version)
            return
        first, last = self._version + 1, version - 1
        gap = f"Version {first} is" if first == last else f"Versions {first} to {last} are"
        self._add_finding("entry missing", f"{gap} missing.", first)

    def _check_sections(self, version: int, read: pb.Record, digests: Sequence[bytes]) -> None:
        """Find the sections that are changed, and those that are only withheld."""
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
                text = f"The {name} of version {version} do not match their recorded digest."
                self._add_finding("section changed", text, version, name)

    def _evolve(self, entry: pb.Entry) -> None:
        try:
            if self._first_root is not None:
                counted = self._amendments.apply(entry)
                if self._builder is not None and counted is not None:
                    self._builder.apply(*counted)
            elif self._builder is None:
                if is_amending(entry):
                    self._amendments.add(entry)
            elif self._builder.apply(entry) in AMENDING_TYPES:
                self._amendments.add(entry)
                self._builder = None  # computed in the second pass
        except (UnknownEntryError, LookupError):
            version = entry.header.version
            text = f"Version {version} has a type or value that is not supported: no state exists."
            self._add_finding("type unknown", text, version)
            self._builder = None

    def end_early(self, why: str) -> None:
        """Note that records are missing at the end, and why."""
        self._ended_early = True
        self._add_finding("cut", why)

    def check_later_checkpoint(self, version: int, signed: str) -> None:
        """Check that the service signs for a later version, at which it gave a state."""
        found = check_signed(signed, self.origin, self._keys)
        if isinstance(found, Finding) or found.size != version:
            text = f"The latest state claims version {version}, which no key signs for."
            self._add_finding("state differs", text, part="version")

    def finish(
        self, signed: str, *, state: pb.Negotiation | None = None, of_visible_entries: bool = False
    ) -> Audit:
        """Check the records against a signed checkpoint, and against a given state.

        The state is that of the checkpoint's version. If it covers all entries, it is compared only
        if all are visible. With `of_visible_entries`, it covers the visible entries.
        """
        checkpoint = self._check_signature(signed)
        size, root = self._frontier.size, self._frontier.root()
        if self._first_root not in {None, root} and not self._ended_early:
            text = "The second pass had other entries than the first pass."
            self._add_finding("read differently", text)
        if checkpoint is not None:
            self._check_size(checkpoint, size, root)
        self._check_extends_base(checkpoint, size)
        withheld = self._check_withheld()
        folded = self._state_of_entries()
        # The state of all entries differs from the state of some of them.
        if state is not None and folded is not None and (of_visible_entries or not withheld):
            self._compare(folded, state)
        findings = tuple(self._findings)
        return Audit(self._verdict, findings, size, root, checkpoint, folded, signed, withheld)

    def _check_size(self, checkpoint: Checkpoint, size: int, root: bytes) -> None:
        signed_for = f"The checkpoint is of {checkpoint.size} entries"
        if self._version > checkpoint.size or size > checkpoint.size:
            self._add_finding("entry beyond", f"{signed_for}; there are more.", checkpoint.size + 1)
        elif self._version < checkpoint.size and not self._ended_early:
            text = f"{signed_for}; they end with version {self._version}."
            self._add_finding("cut", text, self._version + 1)
        elif size == checkpoint.size and root != checkpoint.root:
            self._add_finding("root differs", "The entries are not the signed ones.")

    def _check_extends_base(self, checkpoint: Checkpoint | None, size: int) -> None:
        since = self._base
        if since is None:
            return
        if checkpoint is not None and checkpoint.size < since.size:
            text = f"The log has {checkpoint.size} entries; it had {since.size}."
            self._add_finding("stale", text)
        elif size >= since.size and self._base_root != since.root:
            text = f"The log does not begin with the {since.size} entries that it had."
            self._add_finding("forked", text)

    def _check_withheld(self) -> tuple[int, ...]:
        """Find the withheld sections. Return their versions."""
        versions: dict[int, None] = {}
        for version, section in self._withheld:
            if section != "words" or not self._amendments.is_redacted(version):
                text = f"The {section} of version {version} are withheld."
                self._add_finding("section withheld", text, version, section)
                versions[version] = None
        return tuple(versions)

    def _state_of_entries(self) -> pb.Negotiation | None:
        """Return the state of the visible entries, or None if it cannot be computed."""
        whole = self._verdict not in {Verdict.MANIPULATED, Verdict.INCOMPLETE}
        if self._builder is None or self.needs_second_pass or not whole:
            return None
        return self._builder.state()

    def _compare(self, folded: pb.Negotiation, given: pb.Negotiation) -> None:
        if folded == given:
            return
        changes = diff(folded, given)
        part = changes[0].part if changes else "counts"
        text = f"The entries fold to another state than the one given: {part} differs."
        self._add_finding("state differs", text, part=part)

    def _check_signature(self, signed: str) -> Checkpoint | None:
        found = check_signed(signed, self.origin, self._keys)
        if isinstance(found, Finding):
            self._add(found)
            return None
        return found

    def _check_base(self, signed: str) -> Checkpoint | None:
        found = check_signed(signed, self.origin, self._keys, what="The older checkpoint")
        if isinstance(found, Finding):
            # The caller supplied it, so it is no finding about the record.
            self._add_finding("older checkpoint unusable", found.text)
            return None
        return found

    def _add_finding(self, name: str, text: str, version: int = 0, part: str = "") -> None:
        self._add(finding(name, text, version, part))

    def _add(self, finding: Finding) -> None:
        if GRAVITY[finding.verdict] > GRAVITY[self._verdict]:
            self._verdict = finding.verdict
        # The second pass repeats the findings of the first.
        if len(self._findings) < MAX_FINDINGS:
            self._findings[finding] = None


def _canonical(data: bytes) -> pb.Entry | None:
    """Return the entry if these are its canonical bytes, or else None.

    Libraries may parse other bytes in different ways.
    """
    try:
        entry = _entry_of(data)
    except DecodeError:
        return None
    entry.DiscardUnknownFields()
    return entry if entry.SerializeToString() == data else None


def _is_canonical(message: Message, data: bytes, *, known: bool = True) -> bool:
    """Parse a message. Return True if these are its canonical bytes.

    With `known`, they must have no unknown fields.
    """
    try:
        message.ParseFromString(data)
    except DecodeError:
        return False
    if known:
        message.DiscardUnknownFields()
    return message.SerializeToString() == data
