"""A record that concerns natural persons, its storage, and the search for erased words."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pourparler import v1 as pb
from pourparler.transparency.findings import Audit
from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.aggregate.snapshots import Snapshots
from pourparler_service.backends.in_process import InProcessLeases
from pourparler_service.backends.sqlite.snapshot_store import SqliteSnapshotFile
from pourparler_service.search import index as index_of
from pourparler_service.search.indexer import Indexer
from pourparler_service.search.query import SearchQuery
from pourparler_service.storage.data_directory import DataDirectory
from pourparler_service.storage.derived_data import DerivedDataList
from pourparler_service.transparency.log import Log
from pourparler_service.writes.erasure import Eraser, ErasureRequest
from pourparler_service.writes.requests import WriteRequest
from pourparler_service.writes.writer import Writer
from tests.support.bundles import audited, bundle
from tests.support.sample_entries import draft, joined, opened, restricted, said
from tests.support.signing_keys import SIGNER
from tests.support.state_reader import StateReader
from tests.support.stores import open_index, open_list, open_store

ID = "talks"
NAME, SAID, HELD = "Zanzibarina", "Quetzalcoatl", "Xylophonist"
WROTE, TITLE = "Wolfsbane", "Yggdrasil"
OF_ANNA = (NAME, SAID, WROTE, TITLE)
"""The words of entries that concern Anna."""
OF_BELA = (HELD,)
PERSON = pb.PARTICIPANT_KIND_PERSON
MISHEARD = pb.CORRECTION_KIND_RECORDER
ASKED = ErasureRequest(
    ID, "anna", "Art. 17(1)(b) GDPR", "Data protection officer", "the custodian", "e-1"
)


def person(who: str, name: str) -> pb.Draft:
    """Return a draft: a natural person joins."""
    event = pb.ParticipantJoined(participant_id=who, kind=PERSON, role=pb.PARTICIPANT_ROLE_PARTY)
    return draft(event, pb.Words(name=name))


def stated(
    id_: str, text: str, *speakers: str, visibility: pb.Visibility | None = None
) -> pb.Draft:
    """Return a draft: a statement with these words."""
    statement = said(id_, *speakers, visibility=visibility)
    statement.words.text = text
    return statement


def talks() -> list[pb.Draft]:
    """Return the drafts of 12 entries: 7 concern Anna, and one concerns only Bela."""
    corrected = stated("s-3", f"It was {WROTE}", "anna")
    replacement = pb.EntryCorrected(
        target_version=8,
        mode=pb.CORRECTION_MODE_REPLACE,
        kind=MISHEARD,
        replacement=corrected.facts,
    )
    corrected.words.correction_reason = f"Misheard: {WROTE}"
    reopened = pb.EntryCorrected(target_version=1, mode=pb.CORRECTION_MODE_REPLACE, kind=MISHEARD)
    reopened.replacement.CopyFrom(opened().facts)
    renamed = draft(reopened, pb.Words(title=TITLE, correction_reason="Better so"))
    renamed.facts.concerns.append("anna")
    about = stated("s-4", f"{NAME} is late", "acme")
    about.facts.concerns.append("anna")
    return [
        opened(),
        joined("acme"),
        person("anna", NAME),
        person("bela", HELD),
        stated("s-1", f"{SAID} sings", "anna"),
        stated("s-2", f"{SAID} and {HELD} sing", "anna", "bela"),
        stated("s-0", "No one in particular", "acme"),
        stated("s-3", f"{SAID} again", "acme", visibility=restricted("acme", "anna")),
        draft(replacement, corrected.words, visibility=restricted("acme", "anna")),
        about,
        renamed,
        stated("s-5", f"{HELD} alone", "bela"),
    ]


SEALED_FOR_ANNA = [3, 5, 6, 9, 10, 11]
AUDIENCE_ALONE = 8
"""An entry that only names Anna in its audience does not concern her."""


class Kept:
    """The storage and the readers of a record, without a server."""

    def __init__(self, folder: Path | None, reached: Callable[[str], object]) -> None:
        self.store = open_store(folder, {})
        self.catalogue = open_list(self.store, folder)
        self.indexing = Indexer(self.store, open_index(self.store, folder))
        shelf = SqliteSnapshotFile(folder / "snapshots.sqlite" if folder else None)
        persons = self.store.subject_keys
        self.snapshots = Snapshots(shelf, persons, fewest=3)
        self.negotiations = CurrentNegotiations(self.store, self.snapshots)
        self.log = Log(self.store, self.negotiations, SIGNER)
        self.writer = Writer(self.store, SIGNER)
        self.writer.start()
        self.erasures = Eraser(
            self.store,
            self.store.subject_keys,
            self.negotiations,
            self.writer,
            derived_data=DerivedDataList(
                [self.snapshots, self.negotiations, self.catalogue, self.indexing]
            ),
            leases=InProcessLeases(),
            reached=reached,
        )

    def record(self, *drafts: pb.Draft, request_id: str = "") -> bytes:
        """Record a group and return its receipt."""
        return self.writer.submit(WriteRequest(ID, request_id, "somebody", drafts)).result()

    def state(self, version: int | None = None) -> pb.Negotiation:
        """Return the state at a version, or the last one."""
        as_of = pb.AsOf() if version is None else pb.AsOf(version=version)
        return StateReader(self.store, self.negotiations).read(ID, as_of).state

    def look_at_everything(self) -> None:
        """Build all derived data."""
        for version in range(1, self.store.last_version(ID) + 1):
            self.state(version)
        self.state()
        self.catalogue.page(pb.ListNegotiationsRequest())
        self.found("")

    def found(self, query: str) -> list[int]:
        """Return the versions whose words match a query."""
        with self.indexing.current() as index:
            asked = index_of.IndexQuery(SearchQuery.parse(query))
            there = index.listed(asked, index.position, after=None, most=100, newest=False)
        return [one.version for one in there]

    def verified(self) -> Audit:
        """Return the verdict of both verifiers about the record as a bundle."""
        signed = self.log.checkpoint(ID, None).checkpoint
        return audited(bundle([one.data for one in self.store.read(ID)], signed=signed))

    def close(self) -> None:
        """Close everything, as the end of a process does."""
        self.writer.close()
        self.snapshots.close()
        self.indexing.close()
        self.catalogue.close()
        self.store.close()


@contextmanager
def kept(folder: Path | None, reached: Callable[[str], object] = lambda _: None) -> Iterator[Kept]:
    """Open the storage in a folder or in memory. Finish interrupted erasures first."""
    with DataDirectory(folder) if folder else contextlib.nullcontext():
        rooms = Kept(folder, reached)
        try:
            rooms.erasures.finish()
            yield rooms
        finally:
            rooms.close()


def _erase_and_die(folder: Path, last: str) -> None:
    """Erase Anna in a folder, and kill the process at a step."""

    def reached(step: str) -> None:
        if step == last:
            os.kill(os.getpid(), signal.SIGKILL)

    with kept(folder, reached) as rooms:
        rooms.erasures.erase(ASKED)


if __name__ == "__main__":
    _erase_and_die(Path(sys.argv[1]), sys.argv[2])
