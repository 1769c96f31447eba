"""Lists over all negotiations, page by page, with tokens that hold for one list alone."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from tests.support.sample_entries import draft, joined, opened
from tests.support.service_client import Service, connected, refused


def titled(title: str) -> pb.Draft:
    return draft(pb.NegotiationOpened(), pb.Words(title=title))


def concluded(outcome: pb.Outcome.ValueType) -> pb.Draft:
    return draft(pb.NegotiationConcluded(outcome=outcome))


def corrected(target: int, replacement: pb.Draft | None) -> pb.Draft:
    event = pb.EntryCorrected(
        target_version=target,
        mode=pb.CORRECTION_MODE_REPLACE if replacement else pb.CORRECTION_MODE_ANNUL,
        kind=pb.CORRECTION_KIND_RECORDER,
    )
    if replacement:
        event.replacement.CopyFrom(replacement.facts)
    words = replacement.words if replacement else pb.Words()
    words.correction_reason = "A slip"
    return draft(event, words)


def page(service: Service, **asked: Any) -> pb.ListNegotiationsResponse:
    found: pb.ListNegotiationsResponse = service.negotiations.ListNegotiations(
        pb.ListNegotiationsRequest(**asked), timeout=10
    )
    return found


def ids(response: pb.ListNegotiationsResponse) -> list[str]:
    return [one.name.removeprefix("negotiations/") for one in response.negotiations]


@pytest.fixture(scope="module")
def five(service: Service) -> Service:
    service.record("e", titled("Élan vital"), joined("renault"))
    service.record("d", titled("élan, the second"), joined("nissan"), joined("renault"))
    service.record("c", titled("Wages"), joined("union"), concluded(pb.OUTCOME_LAPSED))
    service.record("b", titled("Wages"), joined("observer", pb.PARTICIPANT_ROLE_OBSERVER))
    service.record("a", titled("Straße \0 100%"), draft(pb.NegotiationSuspended()))
    return service


def test_negotiations_are_in_the_order_in_which_they_were_opened(five: Service) -> None:
    response = page(five)

    assert ids(response) == ["e", "d", "c", "b", "a"]
    assert not response.next_page_token
    second = response.negotiations[1]
    state = five.state("d")
    assert second == pb.NegotiationSummary(
        name="negotiations/d",
        title="élan, the second",
        status=pb.NEGOTIATION_STATUS_OPEN,
        version=3,
        open_time=state.negotiation.origin.record_time,
        update_time=state.computed_at.record_time,
        parties=["nissan", "renault"],
    )


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"statuses": [pb.NEGOTIATION_STATUS_CONCLUDED]}, ["c"]),
        (
            {"statuses": [pb.NEGOTIATION_STATUS_CONCLUDED, pb.NEGOTIATION_STATUS_SUSPENDED]},
            ["c", "a"],
        ),
        ({"outcomes": [pb.OUTCOME_LAPSED]}, ["c"]),
        ({"outcomes": [pb.OUTCOME_AGREEMENT]}, []),
        ({"participant_id": "renault"}, ["e", "d"]),
        ({"participant_id": "observer"}, ["b"]),
        ({"title_contains": "ÉLAN"}, ["e", "d"]),
        ({"title_contains": "strasse"}, ["a"]),
        ({"title_contains": "%"}, ["a"]),
        ({"title_contains": "\0"}, ["a"]),
        ({"title_contains": "' OR 1=1 --"}, []),
        ({"title_contains": "élan", "participant_id": "nissan"}, ["d"]),
        ({"open_start_time": Timestamp(seconds=1)}, ["e", "d", "c", "b", "a"]),
        ({"open_end_time": Timestamp(seconds=1)}, []),
        ({"open_start_time": Timestamp(seconds=253_402_300_799)}, []),
        ({"open_start_time": Timestamp(seconds=-62_135_596_800)}, ["e", "d", "c", "b", "a"]),
    ],
    ids=str,
)
def test_a_list_has_those_that_meet_every_filter(
    five: Service, asked: dict[str, Any], found: list[str]
) -> None:
    assert ids(page(five, **asked)) == found


def test_a_time_is_from_it_and_before_it(five: Service) -> None:
    opened_at = page(five).negotiations[2].open_time

    assert ids(page(five, open_start_time=opened_at))[0] == "c"
    assert ids(page(five, open_end_time=opened_at))[-1] == "d"


def test_pages_together_are_the_list(five: Service) -> None:
    for size in (1, 2, 3, 5):
        found, token = [], ""
        for _ in range(6):
            response = page(five, page_size=size, page_token=token)
            found.extend(ids(response))
            token = response.next_page_token
            if not token:
                break
        assert found == ["e", "d", "c", "b", "a"]


def test_too_long_a_page_is_the_longest_and_none_is_below_nothing(five: Service) -> None:
    assert len(page(five, page_size=2_000_000_000).negotiations) == 5
    answered = refused(lambda: page(five, page_size=-1))
    assert (answered.reason, answered.field) == ("FIELD_INVALID", "page_size")


@pytest.mark.parametrize(
    ("asked", "reason", "field"),
    [
        ({"statuses": [77]}, "ENUM_UNKNOWN", "statuses[0]"),
        ({"outcomes": [pb.OUTCOME_LAPSED, 0]}, "FIELD_INVALID", "outcomes[1]"),
        ({"statuses": [1] * 1_001}, "LIMIT_EXCEEDED", "statuses"),
        ({"participant_id": "No One"}, "ID_INVALID", "participant_id"),
        ({"open_start_time": Timestamp(seconds=1 << 62)}, "FIELD_INVALID", "open_start_time"),
        ({"open_end_time": Timestamp(nanos=-5)}, "FIELD_INVALID", "open_end_time"),
    ],
    ids=["unknown", "nothing", "too many", "no id", "beyond the calendar", "no time"],
)
def test_a_filter_that_can_meet_nothing_is_refused(
    five: Service, asked: dict[str, Any], reason: str, field: str
) -> None:
    answered = refused(lambda: page(five, **asked))

    assert (answered.reason, answered.field) == (reason, field)


def forged(token: str) -> str:
    """The token of a later place, as somebody would make it who does not know the secret."""
    data = bytearray(base64.urlsafe_b64decode(token))
    data[8] += 1
    return base64.urlsafe_b64encode(data).decode()


@pytest.mark.parametrize(
    "change",
    [
        lambda token: "x",
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token + "====",
        lambda token: token[:20] + "\n" + token[20:],
        lambda token: ("B" if token[0] != "B" else "C") + token[1:],
        lambda token: token[:-1] + ("B" if token[-1] != "B" else "C"),
        lambda token: "é" * 56,
        lambda token: "A" * 100_000,
        forged,
    ],
    ids=[
        "nonsense",
        "shorter",
        "longer",
        "padded",
        "broken",
        "first changed",
        "last changed",
        "no ascii",
        "enormous",
        "forged",
    ],
)
def test_a_token_that_was_not_given_out_is_refused(
    five: Service, change: Callable[[str], str]
) -> None:
    token = page(five, page_size=2).next_page_token

    answered = refused(lambda: page(five, page_size=2, page_token=change(token)))

    assert (answered.reason, answered.field) == ("PAGE_TOKEN_INVALID", "page_token")


def test_a_token_is_good_for_its_own_list_alone(five: Service) -> None:
    token = page(five, page_size=1, title_contains="wages").next_page_token

    assert ids(page(five, page_size=7, title_contains="wages", page_token=token)) == ["b"]
    for asked in ({}, {"title_contains": "Wages"}, {"statuses": [1]}, {"participant_id": "union"}):
        answered = refused(partial(page, five, page_token=token, **asked))
        assert answered.reason == "PAGE_TOKEN_INVALID"


def test_a_token_is_good_for_its_own_service_alone(five: Service) -> None:
    token = page(five, page_size=1).next_page_token

    with running() as address, connected(address) as other:
        other.record("x", opened())
        answered = refused(lambda: page(other, page_token=token))

    assert answered.reason == "PAGE_TOKEN_INVALID"


def test_every_list_is_as_fresh_as_the_record() -> None:
    with running() as address, connected(address) as service:
        assert ids(page(service)) == []
        service.record("n", titled("First"), joined("a"))
        assert page(service).negotiations[0].title == "First"
        service.record("n", corrected(1, titled("Mended")), corrected(2, None))
        summary = page(service).negotiations[0]
        assert (summary.title, summary.version, list(summary.parties)) == ("Mended", 4, [])
        assert ids(page(service, participant_id="a")) == []
        service.record("n", joined("b"), concluded(pb.OUTCOME_WITHDRAWN))
        summary = page(service).negotiations[0]
        assert (summary.outcome, list(summary.parties)) == (pb.OUTCOME_WITHDRAWN, ["b"])


def test_what_is_recorded_together_with_a_correction_is_in_the_list() -> None:
    with running() as address, connected(address) as service:
        mended = corrected(1, titled("Mended"))
        service.record("n", titled("First"), mended, joined("a"), concluded(pb.OUTCOME_LAPSED))

        summary = page(service).negotiations[0]

        assert (summary.title, summary.version) == ("Mended", 4)
        assert (summary.outcome, list(summary.parties)) == (pb.OUTCOME_LAPSED, ["a"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with on(tmp_path) as service:
        service.record("kept", titled("Kept"), joined("a"))
        service.record("second", titled("Second"))
        assert ids(page(service)) == ["kept", "second"]
    return tmp_path


@contextmanager
def on(folder: Path) -> Iterator[Service]:
    settings = Settings(data=folder, address="127.0.0.1:0")
    with running(settings) as address, connected(address) as service:
        yield service


def lists(folder: Path) -> list[str]:
    with on(folder) as service:
        service.record(f"more-{len(ids(page(service)))}", titled("More"))
        return ids(page(service))


def test_a_list_goes_on_where_it_was_before_a_restart(folder: Path) -> None:
    with on(folder) as service:
        token = page(service, page_size=1).next_page_token
    with on(folder) as service:
        assert ids(page(service, page_token=token)) == ["second"]
    assert lists(folder) == ["kept", "second", "more-2"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"this is no database" * 500),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:5_000]),
    ],
    ids=["lost", "no database", "empty", "cut"],
)
def test_a_damaged_catalogue_is_made_anew_from_the_record(
    folder: Path, damage: Callable[[Path], object]
) -> None:
    damage(folder / "catalogue.sqlite")

    assert lists(folder) == ["kept", "second", "more-2"]


def test_a_catalogue_of_a_longer_record_is_made_anew(folder: Path) -> None:
    longer = folder / "catalogue.sqlite"
    backup = {path.name: path.read_bytes() for path in folder.glob("record.sqlite*")}
    assert lists(folder) == ["kept", "second", "more-2"]
    for path in folder.glob("record.sqlite*"):
        path.unlink()
    for name, data in backup.items():
        (folder / name).write_bytes(data)
    assert longer.exists()

    assert lists(folder) == ["kept", "second", "more-2"]
