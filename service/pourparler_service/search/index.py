"""What is kept of entries so that they are found: what goes in, what comes out. Pure.

`Index` is the face that a store of it has; `sqlite_index` is one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.contract import references
from pourparler_service.domain.references import Part, part_brought, parts_named
from pourparler_service.reads.entry_filters import ON_TOPICS
from pourparler_service.search.query import SearchQuery
from pourparler_service.search.snippets import BESIDE, HEADING, SAID, fields
from pourparler_service.search.text_normalization import texts
from pourparler_service.storage.interface import StoredEntry
from pourparler_service.storage.record_codec import decode_record

PLACES = (HEADING, SAID, BESIDE)

BETWEEN = "\ue000"
"""Stands between two fields, so that no phrase reaches from one into the other: no word is it."""

BEST_RANK = 1_000_000

TYPES: Mapping[str, int] = {
    field.name: field.number for field in pb.Facts.DESCRIPTOR.oneofs_by_name["event"].fields
}
"""The entry types, by the names of their fields in Facts, as the numbers of these fields."""

_ADDRESSED = "proposal_made.to"
"""Names those who need the standing to act, but do not act there."""


class Document(NamedTuple):
    """What is kept of an entry: by which it is found and chosen, and nothing else of it."""

    position: int
    negotiation: str
    version: int
    recorded: int
    """When, in nanoseconds since 1970."""
    begin: int | None
    """The first second since 1970 at which it can have happened; None: open."""
    end: int | None
    """The last one."""
    types: tuple[int, ...]
    """Its own, and of a correction that of what it puts there."""
    basis: int
    speakers: frozenset[str]
    parts: frozenset[Part]
    """All that it names."""
    brought: Part | None
    """What it brings or corrects, if that is about topics."""
    target: int
    """Of a correction: the version that it corrects; else 0."""
    annuls: bool
    words: tuple[str, ...]
    """Its words, spelled, in the order of PLACES, each a text with spaces between them."""
    concealed: bool
    """Whether its words concern natural persons: then they lie nowhere on disk in clear."""

    @property
    def length(self) -> int:
        """How many words it has."""
        return sum(len(one.split()) for one in self.words)


def document(position: int, stored: StoredEntry) -> Document:
    """What is kept of an entry."""
    entry = decode_record(stored.data)
    facts = entry.facts
    recorded = entry.header.record_time
    replacement: pb.Facts | None = None
    kinds = [facts.WhichOneof("event") or ""]
    if facts.HasField("entry_corrected") and facts.entry_corrected.HasField("replacement"):
        replacement = facts.entry_corrected.replacement
        kinds.append(replacement.WhichOneof("event") or "")
    says = facts if replacement is None else replacement
    bounds = edtf.Bounds(says.occurred.earliest, says.occurred.latest)
    begin, end = edtf.happened(bounds, (recorded.seconds, recorded.nanos))
    brought = part_brought(says)
    return Document(
        position=position,
        negotiation=stored.negotiation,
        version=stored.version,
        recorded=recorded.ToNanoseconds(),
        begin=None if begin is None else begin[0],
        end=None if end is None else end[0],
        types=tuple(TYPES[kind] for kind in kinds if kind),
        basis=says.provenance.basis,
        speakers=frozenset(_speakers(facts)),
        parts=frozenset(parts_named(facts)),
        brought=brought if brought is not None and brought.kind in ON_TOPICS else None,
        target=facts.entry_corrected.target_version,
        annuls=facts.entry_corrected.mode == pb.CORRECTION_MODE_ANNUL,
        words=_words(entry.words),
        concealed=bool(stored.persons),
    )


def _speakers(facts: pb.Facts) -> Iterable[str]:
    for one in references(facts):
        if one.acting and not one.path.partition("[")[0].endswith(_ADDRESSED):
            yield one.id


def _words(words: pb.Words) -> tuple[str, ...]:
    found: tuple[list[str], ...] = tuple([] for _ in PLACES)
    for one in fields(words):
        spelled = texts(one.text)
        if spelled:
            found[one.place].append(" ".join(spelled))
    return tuple(f" {BETWEEN} ".join(each) for each in found)


class IndexQuery(NamedTuple):
    """Which entries are wanted: those that meet all of this."""

    wanted: SearchQuery
    negotiations: Collection[str] | None = None
    """None: all."""
    speakers: Sequence[str] = ()
    participants: Sequence[str] = ()
    topics: Sequence[str] = ()
    types: Sequence[int] = ()
    bases: Sequence[int] = ()
    begin: int | None = None
    """The first second at which it is to have happened, and the last one."""
    end: int | None = None
    surely: bool = False
    record_start_time: int | None = None
    """In nanoseconds since 1970."""
    record_end_time: int | None = None
    until: float | None = None
    """By when an answer is of use, on the clock of `time.monotonic`: later it is a TimeoutError."""


class Candidate(NamedTuple):
    """An entry that meets what is asked."""

    position: int
    negotiation: str
    version: int
    rank: int
    """How well, from 0 to BEST_RANK: by this entry and the phrases alone. 0 if it is not ranked."""
    target: int
    """Of a correction that replaces: the version in whose place it stands; else 0."""
    through: frozenset[int] = frozenset()
    """Where topics are asked for: the versions by which it is on them. It is, if one is seen."""


class Correction(NamedTuple):
    """That a version was replaced or annulled, and by which."""

    version: int
    annuls: bool


class SearchIndex(Protocol):
    """Keeps documents. Belongs to whoever holds its lock; every method may wait for the disk.

    It holds the documents of all entries up to `position`, and of none after it. What it says never
    depends on any document but those it gives out. It raises StoreUnavailableError; then it is as
    it was before.
    """

    position: int

    def take(self, documents: Sequence[Document], position: int, digest: bytes) -> None:
        """Take these in, and be at this position: both or, whenever the process dies, neither.

        `digest` is of the entry there, to know the record by when it is opened again.
        """

    def lost(self, most: int) -> Sequence[int]:
        """Positions of documents whose words it has lost, the lowest first.

        What it may not write to disk, it has lost when it is opened. `restore` gives it back.
        """

    def restore(self, documents: Sequence[Document]) -> None:
        """Take in the words of documents that were lost. These are then not lost any more."""

    def positions(self, negotiation: str) -> Mapping[int, int]:
        """The positions of the entries of a negotiation that it has, by version."""

    def purge(self, documents: Sequence[Document]) -> None:
        """Have no other words of these entries than these, in the files and in memory."""

    def ranked(
        self, asked: IndexQuery, upto: int, *, after: tuple[int, int] | None, most: int
    ) -> Sequence[Candidate]:
        """The next entries that meet what is asked: the best first, of equal ones the newest.

        Those that come after a rank and a position, if these are given; and wherever they come,
        those of whose places corrections say something.
        """

    def listed(
        self, asked: IndexQuery, upto: int, *, after: int | None, most: int, newest: bool
    ) -> Sequence[Candidate]:
        """The next entries that meet what is asked, in the order of their positions or against it.

        Those beyond the position `after`, if it is given.
        """

    def corrections(
        self, negotiations: Collection[str], upto: int
    ) -> Mapping[tuple[str, int], Sequence[Correction]]:
        """What is said in these of each version by corrections up to a position, in their order."""

    def version(self, negotiation: str, upto: int) -> tuple[int, int]:
        """The last version of a negotiation up to a position, and when it was recorded; else 0."""

    def close(self) -> None:
        """Let the files go."""
