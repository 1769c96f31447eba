"""No read goes past the visibility scope: each takes a reader that is already filtered."""

from typing import get_type_hints

import pytest

from pourparler import v1 as pb
from pourparler_service.aggregate.snapshots import Snapshots
from pourparler_service.authorization.filtered_store import FilteredEventReader
from pourparler_service.authorization.roles import EVERYTHING
from pourparler_service.authorization.viewer_scopes import Viewer
from pourparler_service.reads.as_of import PointInTimeReader
from pourparler_service.reads.filtered_states import FilteredStates
from pourparler_service.reads.replay import ReplayReader
from pourparler_service.search.search import Search
from pourparler_service.storage.interface import EventReader, EventStore
from tests.support import source_code
from tests.support.stores import open_store

# It follows the store to build the list of all negotiations; `page_of` lists what a viewer sees.
PROJECTIONS = {"reads/negotiation_list.py"}
READS = sorted(
    module
    for module in source_code.modules()
    if module.startswith(("reads/", "api/")) or module == "search/search.py"
)


def _refused_by_the_type_checker(
    store: EventStore,
    events: EventReader,
    states: FilteredStates,
    replays: ReplayReader,
    search: Search,
) -> None:
    """Never called: mypy reports an unused `type: ignore` where it accepts a raw reader."""
    now = pb.AsOf()
    states.read(store, now)  # type: ignore[arg-type]
    states.read(events, now)  # type: ignore[arg-type]
    states.replay(store, now)  # type: ignore[arg-type]
    states.respond(events, "", lambda _: b"")  # type: ignore[arg-type]
    PointInTimeReader(store, Snapshots(None))  # type: ignore[arg-type]
    PointInTimeReader(events, Snapshots(None))  # type: ignore[arg-type]
    replays.begin(pb.ReplayEntriesRequest(), "n", "caller")  # type: ignore[arg-type]
    search.page(pb.SearchEntriesRequest(), [], "caller")  # type: ignore[arg-type]


@pytest.mark.parametrize("module", READS)
def test_no_read_knows_a_raw_reader(module: str) -> None:
    if module not in PROJECTIONS:
        assert not {"Store", "EventReader", "open_store"} & source_code.imports(module)


def test_reads_take_a_filtered_reader_or_a_viewer() -> None:
    for read in (FilteredStates.read, FilteredStates.replay, FilteredStates.respond):
        assert get_type_hints(read)["events"] is FilteredEventReader
    assert get_type_hints(PointInTimeReader.__init__)["events"] is FilteredEventReader
    assert get_type_hints(ReplayReader.begin)["viewer"] is Viewer
    assert get_type_hints(Search.page)["viewer"] is Viewer


def test_scopes_alone_make_filtered_readers() -> None:
    for name in ("FilteredEventReader", "FilteredLogReader"):
        assert set(source_code.calls(name)) == {"authorization/viewer_scopes.py"}


def test_whether_a_viewer_sees_everything_is_asked_in_few_places() -> None:
    outside = [
        module
        for module in source_code.attributes("whole")
        if not module.startswith("authorization/") and module != "writes/viewer_states.py"
    ]

    assert outside == ["reads/filtered_states.py", "writes/decision.py"]


def test_a_filtered_reader_gives_no_entry_of_another_negotiation() -> None:
    events = FilteredEventReader(open_store(None, {}), "n", EVERYTHING)

    for read in (events.read, events.last_version):
        with pytest.raises(ValueError, match="not for 'm'"):
            read("m")
