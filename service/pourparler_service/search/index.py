"""The face of the search index: the documents that go in, the questions, and the hits.

Pure: no I/O.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.contract import references
from pourparler.schema.entry_roles import ACTING_ROLES
from pourparler_service.domain.references import Part, introduced_part, referenced_parts
from pourparler_service.reads.entry_filters import ON_TOPICS
from pourparler_service.search.query import SearchQuery
from pourparler_service.search.snippets import CONTENT, CONTEXT, HEADING, fields
from pourparler_service.search.text_normalization import word_texts
from pourparler_service.storage.interface import StoredEntry
from pourparler_service.storage.record_codec import decode_record

PLACES = (HEADING, CONTENT, CONTEXT)

BETWEEN = "\ue000"
"""Separates two fields, so that no phrase reaches from one into the other. It is no word."""

BEST_RANK = 1_000_000

TYPES: Mapping[str, int] = {
    field.name: field.number for field in pb.Facts.DESCRIPTOR.oneofs_by_name["event"].fields
}
"""The entry types, by the names of their fields in Facts, as the numbers of these fields."""

"""A reference to participants who have to be able to act, but do not act in the entry."""


class Document(NamedTuple):
    """The parts of an entry by which it is found and filtered, and nothing else of it."""

    position: int
    negotiation: str
    version: int
    recorded: int
    """In nanoseconds since 1970."""
    begin: int | None
    """The first second since 1970 at which it can have happened; None: open."""
    end: int | None
    """The last one."""
    types: tuple[int, ...]
    """Its own type; for a correction also the type of its replacement."""
    basis: int
    speakers: frozenset[str]
    parts: frozenset[Part]
    """All parts that it names."""
    brought: Part | None
    """The part that it introduces or corrects, if that part has topics."""
    target: int
    """The version that it corrects; 0 if it is no correction."""
    annuls: bool
    words: tuple[str, ...]
    """Its normalized words, separated by spaces: one text for each of PLACES."""
    concealed: bool
    """True if its words concern natural persons: then no file contains them in clear."""

    @property
    def length(self) -> int:
        """The length of the document in words."""
        return sum(len(one.split()) for one in self.words)


def document(position: int, stored: StoredEntry) -> Document:
    """Return the document of an entry."""
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
    brought = introduced_part(says)
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
        parts=frozenset(referenced_parts(facts)),
        brought=brought if brought is not None and brought.kind in ON_TOPICS else None,
        target=facts.entry_corrected.target_version,
        annuls=facts.entry_corrected.mode == pb.CORRECTION_MODE_ANNUL,
        words=_words(entry.words),
        concealed=bool(stored.persons),
    )


def _speakers(facts: pb.Facts) -> Iterable[str]:
    for one in references(facts):
        if one.acting and one.role in ACTING_ROLES:
            yield one.id


def _words(words: pb.Words) -> tuple[str, ...]:
    found: tuple[list[str], ...] = tuple([] for _ in PLACES)
    for one in fields(words):
        spelled = word_texts(one.text)
        if spelled:
            found[one.category].append(" ".join(spelled))
    return tuple(f" {BETWEEN} ".join(each) for each in found)


class IndexQuery(NamedTuple):
    """A question: an entry has to meet all of its filters."""

    wanted: SearchQuery
    negotiations: Collection[str] | None = None
    """None stands for all."""
    speakers: Sequence[str] = ()
    participants: Sequence[str] = ()
    topics: Sequence[str] = ()
    types: Sequence[int] = ()
    bases: Sequence[int] = ()
    begin: int | None = None
    """The first second since 1970 at which an entry may have happened; `end` is the last one."""
    end: int | None = None
    surely: bool = False
    """True if it has to have happened between them for certain."""
    record_start_time: int | None = None
    """In nanoseconds since 1970."""
    record_end_time: int | None = None
    until: float | None = None
    """The deadline on the clock of `time.monotonic`: after it, TimeoutError is raised."""


class Candidate(NamedTuple):
    """An entry that meets a question."""

    position: int
    negotiation: str
    version: int
    rank: int
    """From 0 to BEST_RANK, by this entry and the phrases alone. 0 if hits are not ranked."""
    target: int
    """The version that it replaces; 0 if it replaces none."""
    through: frozenset[int] = frozenset()
    """If topics are asked for: the versions that put it on them. One has to be visible."""


class Correction(NamedTuple):
    """The version of a correction, and True if it annuls."""

    version: int
    annuls: bool


class SearchIndex(Protocol):
    """The documents of all entries up to `position`, and of none after it: derived data.

    - Atomic: `take` stores its documents and the position, or nothing, also if the process dies.
    - Durable: a crash may lose the last calls of `take`: documents and position go back together.
    - Confidential: no file contains words of a concealed document. They are lost with the process,
      and restored. No answer depends on a document that it does not return.
    - Final: when `purge` returns, the former words are in no file and not in memory.
    - Concurrent: the caller holds one lock around every call. Each method may wait for the disk.

    Every method raises StoreUnavailableError if the index fails, and has changed nothing then.
    """

    position: int

    def take(self, documents: Sequence[Document], position: int, digest: bytes) -> None:
        """Add documents, and be at this position.

        `digest` is of the entry there: it tells at the next opening if the record is still the
        same.
        """

    def lost(self, most: int) -> Sequence[int]:
        """Return positions of documents whose words are lost, the lowest first, at most `most`."""

    def restore(self, documents: Sequence[Document]) -> None:
        """Add the words of documents that had lost them."""

    def positions(self, negotiation: str) -> Mapping[int, int]:
        """Return the positions of the entries of a negotiation by version."""

    def purge(self, documents: Sequence[Document]) -> None:
        """Replace the words of these entries: leave nothing of the former ones."""

    def ranked(
        self, asked: IndexQuery, upto: int, *, after: tuple[int, int] | None, most: int
    ) -> Sequence[Candidate]:
        """Return the next hits up to a position: the best first, of equal ones the newest.

        With `after`, return those behind this rank and position. Entries that were corrected come
        regardless of it: the caller ranks them by what is visible.
        """

    def listed(
        self, asked: IndexQuery, upto: int, *, after: int | None, most: int, newest: bool
    ) -> Sequence[Candidate]:
        """Return the next hits up to a position, by position, ascending or `newest` first.

        With `after`, return those beyond this position.
        """

    def corrections(
        self, negotiations: Collection[str], upto: int
    ) -> Mapping[tuple[str, int], Sequence[Correction]]:
        """Return the corrections of each version up to a position, in their order."""

    def version(self, negotiation: str, upto: int) -> tuple[int, int]:
        """Return the last version up to a position and its record time in nanoseconds; or 0, 0."""

    def close(self) -> None:
        """Close the index."""
