"""Whoever does not see an entry is answered as if it said anything else.

For every read, every viewer, any history: but for the salted digests, and what follows from them.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, settings
from hypothesis import given as having
from hypothesis import strategies as st

from examples.diplomacy import convert
from examples.diplomacy.verify import messages, theirs
from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES
from pourparler.state.fold import ACCESS_TYPES
from pourparler_service.authorization.audience import Audience
from pourparler_service.authorization.policy import Policy
from pourparler_service.authorization.roles import (
    NOTHING,
    PUBLIC,
    VisibilityScope,
    participants_scope,
    roles_of,
    scope_of,
)
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import reason_name
from pourparler_service.storage.interface import StoredEntry
from tests.support import sample_entries, strategies
from tests.support.draft_replay import drafts, replayed
from tests.support.sample_entries import BEGAN, RECORDER_ONLY, granted
from tests.support.visibility_harness import Answer, Readers, readers, stored, told

NAME = f"negotiations/{sample_entries.NEGOTIATION}"
ALL = "negotiations/-"
MARK = "xyzzy"
POLICY = Policy(public=["reader"])
# What decides who sees what stays as it is, but for its words.
TELLING = ACCESS_TYPES | {"negotiation_opened", "entry_disclosed", "entry_corrected"}


def peopled(seeds: list[int], random: Random) -> list[pb.Entry]:
    """A history of which more is hidden, and to which some have access; none if nobody joined."""
    entries = strategies.history(seeds)
    known = sorted({one.facts.participant_joined.participant_id for one in entries} - {""})
    if not known:
        return []
    for one in entries:
        if one.facts.WhichOneof("event") not in TELLING and random.random() < 0.5:
            audience = random.sample(known, random.randint(1, len(known)))
            hidden = random.choice(
                [RECORDER_ONLY, sample_entries.restricted(*audience), sample_entries.PUBLIC]
            )
            one.facts.visibility.CopyFrom(hidden)
    grants = [granted(f"party of {who}", pb.ACCESS_ROLE_PARTY, who) for who in known[:2]]
    grants.append(granted("mediator", pb.ACCESS_ROLE_MEDIATOR, known[0]))
    for grant in grants:
        entries.append(sample_entries.recorded(len(entries) + 1, grant))
    return entries


def audience_of(entries: Iterable[pb.Entry]) -> Audience:
    audience = Audience()
    for one in entries:
        audience.add(one.header, one.facts)
    return audience


def otherwise(
    entries: Sequence[pb.Entry], sight: VisibilityScope, seen_by: str, random: Random
) -> list[pb.Entry]:
    """The same history, but that what this sight does not see says something else.

    Whoever asks for the view of somebody knows that they take part.
    """
    sees = audience_of(entries).visible(sight)
    result = []
    for one in entries:
        other = pb.Entry.FromString(one.SerializeToString())
        known = seen_by and one.facts.participant_joined.participant_id == seen_by
        if not (known or sees(one.header.version)):
            other.words.Clear()
            other.words.text = MARK * random.choice([1, 100, 60_000])
            if one.facts.WhichOneof("event") not in TELLING:
                other.facts.CopyFrom(
                    pb.Facts(
                        request_id=MARK,
                        recorded_by=MARK,
                        occurred=sample_entries.date(random.choice(["2024", "2026-01-01"])),
                        provenance=pb.Provenance(basis=pb.BASIS_REPORTED),
                        visibility=one.facts.visibility,
                        session_id=MARK,
                        statement_recorded=pb.StatementRecorded(
                            statement_id=f"{MARK}-{one.header.version}",
                            speakers=sorted(random.sample(["pa-1", "pa-2", MARK], 2)),
                            topic_ids=["to-1"],
                        ),
                    )
                )
        result.append(other)
    return result


def reads(last: int, seen_by: str = "") -> Iterator[Message]:
    """All that can be asked of a negotiation."""
    half = max(last // 2, 1)
    points = [
        pb.AsOf(),
        pb.AsOf(version=half),
        pb.AsOf(version=last + 1),
        pb.AsOf(record_time=Timestamp(seconds=BEGAN + 60 * half)),
        pb.AsOf(occur_date="2025"),
        pb.AsOf(version=half, occur_date="2026-01-01"),
    ]
    for as_of in points:
        yield pb.GetNegotiationRequest(name=NAME, as_of=as_of, viewer_participant_id=seen_by)
        yield pb.GetStatusReportRequest(
            name=NAME, as_of=as_of, on_date="2026-06", viewer_participant_id=seen_by
        )
        yield pb.DiffNegotiationRequest(name=NAME, end=as_of, viewer_participant_id=seen_by)
        yield pb.ReplayEntriesRequest(name=NAME, as_of=as_of, viewer_participant_id=seen_by)
    basic = pb.NEGOTIATION_VIEW_BASIC
    yield pb.GetNegotiationRequest(name=NAME, view=basic, viewer_participant_id=seen_by)
    filters: list[dict[str, object]] = [
        {"after_version": half},
        {"limit": 3},
        {"reverse": True, "limit": 5},
        {"entry_types": ["statement_recorded", "entry_corrected"]},
        {"bases": [pb.BASIS_REPORTED]},
        {"participant_ids": ["pa-1", "pa-2"]},
        {"participant_ids": ["pa-1"], "limit": 2},
        {"topic_ids": ["to-1"]},
        {"follow": True},
        {"follow": True, "participant_ids": ["pa-2"]},
    ]
    for chosen in filters:
        yield pb.ReplayEntriesRequest(name=NAME, viewer_participant_id=seen_by, **chosen)  # type: ignore[arg-type]
    if seen_by:
        return
    yield pb.GetCheckpointRequest(name=NAME)
    yield pb.GetCheckpointRequest(name=NAME, version=half)
    for version in (half, last, last + 1):
        yield pb.GetInclusionProofRequest(name=NAME, version=version)
    yield pb.GetConsistencyProofRequest(name=NAME, from_version=half)


def over_all(seen_by: str = "") -> Iterator[Message]:
    """All that can be asked of all negotiations together."""
    yield pb.ReplayEntriesRequest(name=ALL, viewer_participant_id=seen_by)
    yield pb.ReplayEntriesRequest(
        name=ALL, participant_ids=["pa-1"], follow=True, viewer_participant_id=seen_by
    )
    yield from islice(searches_of([], seen_by), 0, None, 3)
    filters: list[dict[str, object]] = [
        {},
        {"page_size": 1, "title_contains": "title"},
        {"statuses": [pb.NEGOTIATION_STATUS_OPEN]},
        {"participant_id": "pa-1"},
    ]
    for chosen in filters:
        yield pb.ListNegotiationsRequest(viewer_participant_id=seen_by, **chosen)  # type: ignore[arg-type]


def searches_of(names: Sequence[str], seen_by: str = "") -> Iterator[Message]:
    """Searches of negotiations, in every order and with pages of several sizes."""
    orders = pb.SearchOrder.values()
    for number, wanted in enumerate(searches()):
        yield pb.SearchEntriesRequest(
            names=names,
            viewer_participant_id=seen_by,
            order=orders[number % len(orders)],
            page_size=number % 3,
            **wanted,
        )


def searches() -> Iterator[dict[str, Any]]:
    """What can be looked for, with what histories say and what takes the place of it."""
    yield {"query": "a"}
    yield {"query": f"{MARK}*"}
    yield {"query": "a* of"}
    yield {"query": '"A reason of" -3'}
    yield {"query": "n* t*"}
    yield {}
    yield {"query": "t*", "speaker_ids": ["pa-1"]}
    yield {"participant_ids": ["pa-2"]}
    yield {"topic_ids": ["to-1"]}
    yield {"entry_types": ["statement_recorded", "entry_corrected"], "only_current": True}
    yield {"occur_start_date": "2024", "occur_end_date": "2025"}
    yield {"occur_start_date": "2024", "occurred_match": pb.OCCURRED_MATCH_DEFINITE}


VIEWERS = ["party of pa-1", "party of pa-2", "mediator", "reader", "stranger", "one"]


def sight(entries: Sequence[pb.Entry], viewer: str, seen_by: str = "") -> VisibilityScope:
    now = Timestamp()
    now.GetCurrentTime()
    roles = roles_of(audience_of(entries).principals, viewer, now)
    known = scope_of(roles, viewer, POLICY)
    return known.intersection(participants_scope([seen_by])) if seen_by else known


def said(answer: Answer) -> str:
    """All that an answer says, as text."""
    return "".join(map(str, answer))


@having(strategies.steps(40), st.integers(0, 2**32 - 1))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_answers_are_the_same_whatever_is_hidden(
    caplog: pytest.LogCaptureFixture, seeds: list[int], seed: int
) -> None:
    random = Random(seed)  # noqa: S311 - dice, not secrets
    entries = peopled(seeds, random)
    if not entries:
        return
    viewer, seen_by = random.choice(
        [*((one, "") for one in VIEWERS), (ANONYMOUS, "pa-1"), ("mediator", "pa-2")]
    )
    others = otherwise(entries, sight(entries, viewer, seen_by), seen_by, random)

    with (
        caplog.at_level(logging.DEBUG),
        readers(stored(entries), POLICY) as one,
        readers(stored(others), POLICY) as other,
    ):
        asked = [*reads(len(entries), seen_by), *searches_of([NAME], seen_by), *over_all(seen_by)]
        for request in asked:
            answer, twin = (told(each.ask(viewer, request)) for each in (one, other))
            assert answer == twin, request
            assert MARK not in said(twin), request
    assert MARK not in caplog.text


def talks() -> list[pb.Entry]:
    return sample_entries.history(
        sample_entries.opened(),
        sample_entries.joined("acme"),
        sample_entries.joined("bolt"),
        sample_entries.said("loud", "acme", visibility=sample_entries.PUBLIC),
        sample_entries.said("open", "acme"),
        sample_entries.said("aside", "acme", visibility=sample_entries.restricted("acme")),
        sample_entries.said("note", "acme", visibility=RECORDER_ONLY),
        granted("ann", pb.ACCESS_ROLE_PARTY, "acme"),
        granted("bob", pb.ACCESS_ROLE_PARTY, "bolt"),
        granted("mia", pb.ACCESS_ROLE_MEDIATOR),
        granted("aud", pb.ACCESS_ROLE_AUDITOR),
    )


@pytest.fixture(name="reading", scope="module")
def _reading() -> Iterator[Readers]:
    with readers(stored(talks()), POLICY) as reading:
        yield reading


def statements(reading: Readers, viewer: str, seen_by: str = "") -> list[str]:
    (answer,) = reading.ask(
        viewer, pb.GetNegotiationRequest(name=NAME, viewer_participant_id=seen_by)
    )
    assert isinstance(answer, pb.GetNegotiationResponse)
    return sorted(answer.negotiation.statements)


@pytest.mark.parametrize(
    ("viewer", "seen_by", "wanted"),
    [
        (ANONYMOUS, "", ["aside", "loud", "note", "open"]),
        ("aud", "", ["aside", "loud", "note", "open"]),
        ("ann", "", ["aside", "loud", "open"]),
        ("bob", "", ["loud", "open"]),
        ("mia", "", ["loud", "open"]),
        ("reader", "", ["loud"]),
        (ANONYMOUS, "bolt", ["loud", "open"]),
        ("aud", "acme", ["aside", "loud", "open"]),
        ("mia", "acme", ["loud", "open"]),
    ],
)
def test_each_sees_what_is_theirs_to_see(
    reading: Readers, viewer: str, seen_by: str, wanted: list[str]
) -> None:
    assert statements(reading, viewer, seen_by) == wanted


def test_what_is_withheld_comes_as_its_header_and_still_verifies(reading: Readers) -> None:
    whole = [
        record
        for one in reading.ask(ANONYMOUS, pb.ReplayEntriesRequest(name=NAME))
        for record in pb.Records.FromString(one.SerializeToString()).records  # type: ignore[union-attr]
    ]
    cut = [
        record
        for one in reading.ask("bob", pb.ReplayEntriesRequest(name=NAME))
        for record in pb.Records.FromString(one.SerializeToString()).records  # type: ignore[union-attr]
    ]

    assert [one.header for one in cut] == [one.header for one in whole]
    withheld = [place for place, one in enumerate(cut, 1) if not one.facts]
    assert withheld == [6, 7, 8, 9, 10, 11]
    assert all(cut[place - 1] == pb.Record(header=whole[place - 1].header) for place in withheld)
    assert all(one == other for one, other in zip(cut, whole, strict=True) if one.facts)


@pytest.mark.parametrize("viewer", ["stranger", "two"])
def test_what_is_not_seen_at_all_is_as_what_is_not_there(reading: Readers, viewer: str) -> None:
    for request in reads(11):
        missing: Any = type(request)()
        missing.CopyFrom(request)
        missing.name = "negotiations/missing"

        (denied,), (absent,) = reading.ask(viewer, request), reading.ask(viewer, missing)

        assert str(denied).replace(sample_entries.NEGOTIATION, "missing") == str(absent)


@pytest.mark.parametrize("viewer", ["stranger", "two"])
def test_a_search_of_what_is_not_seen_is_as_one_of_what_is_not_there(
    reading: Readers, viewer: str
) -> None:
    (denied,) = reading.ask(viewer, pb.SearchEntriesRequest(query="a", names=[NAME]))
    (absent,) = reading.ask(viewer, pb.SearchEntriesRequest(query="a", names=["negotiations/b"]))
    (nothing,) = reading.ask(viewer, pb.SearchEntriesRequest(query="a"))

    assert not isinstance(denied, Message)
    assert reason_name(denied.reason) == "NEGOTIATION_NOT_FOUND"
    assert str(denied).replace(sample_entries.NEGOTIATION, "b") == str(absent)
    assert nothing == pb.SearchEntriesResponse()


def test_to_be_a_stranger_is_found_out_by_the_same_steps_as_that_there_is_nothing(
    reading: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[object, ...]] = []
    read = reading.store.read

    def noted(id_: str, **more: Any) -> list[StoredEntry]:
        steps.append((id_.replace(sample_entries.NEGOTIATION, "missing"), *more.items()))
        return read(id_, **more)

    reading.ask("stranger", pb.ListNegotiationsRequest())
    monkeypatch.setattr(reading.store, "read", noted)
    taken = []
    for name in (NAME, "negotiations/missing"):
        reading.ask("stranger", pb.GetNegotiationRequest(name=name))
        taken.append(list(steps))
        steps.clear()

    assert taken[0] == taken[1]


def test_nothing_of_it_is_in_a_list_or_among_all(reading: Readers) -> None:
    (listed,) = reading.ask("stranger", pb.ListNegotiationsRequest())
    (complete,) = reading.ask("stranger", pb.ReplayEntriesRequest(name=ALL))

    assert isinstance(listed, pb.ListNegotiationsResponse)
    assert listed == pb.ListNegotiationsResponse()
    assert isinstance(complete, pb.ReplayEntriesResponse)
    assert complete.complete == pb.ReplayComplete()


def test_a_list_has_what_one_takes_part_in_as_one_sees_it(reading: Readers) -> None:
    (listed,) = reading.ask("bob", pb.ListNegotiationsRequest(participant_id="bolt"))

    assert isinstance(listed, pb.ListNegotiationsResponse)
    (row,) = listed.negotiations
    assert (row.name, row.version, list(row.parties)) == (NAME, 11, ["acme", "bolt"])


@pytest.mark.parametrize(
    ("viewer", "seen_by", "reason"),
    [
        ("ann", "acme", "ROLE_NOT_SUFFICIENT"),
        ("reader", "acme", "ROLE_NOT_SUFFICIENT"),
        ("stranger", "acme", "NEGOTIATION_NOT_FOUND"),
        (ANONYMOUS, "nobody", "PART_NOT_FOUND"),
        (ANONYMOUS, "No id", "ID_INVALID"),
    ],
)
def test_a_view_of_another_one_is_not_for_everybody(
    reading: Readers, viewer: str, seen_by: str, reason: str
) -> None:
    for request in (*reads(11, seen_by), *searches_of([NAME], seen_by)):
        (violation, *_) = reading.ask(viewer, request)

        assert not isinstance(violation, Message)
        assert reason_name(violation.reason) == reason


@pytest.mark.parametrize(
    ("viewer", "seen_by"),
    [("ann", "acme"), ("reader", "acme"), ("stranger", "acme"), (ANONYMOUS, "nobody")],
)
def test_over_all_it_is_left_out_where_such_a_view_is_not_to_be_had(
    reading: Readers, viewer: str, seen_by: str
) -> None:
    for request in over_all(seen_by):
        answer = said(reading.ask(viewer, request))

        assert sample_entries.NEGOTIATION not in answer
        assert "entries" not in answer


def test_over_all_an_id_that_is_none_is_refused(reading: Readers) -> None:
    for request in over_all("No id"):
        (violation,) = reading.ask(ANONYMOUS, request)

        assert not isinstance(violation, Message)
        assert (violation.field, reason_name(violation.reason)) == (
            "viewer_participant_id",
            "ID_INVALID",
        )


@pytest.mark.parametrize(
    ("viewer", "seen_by", "wanted"),
    [
        (ANONYMOUS, "acme", ["aside", "loud", "open"]),
        ("aud", "bolt", ["loud", "open"]),
        ("mia", "acme", ["loud", "open"]),
    ],
)
def test_over_all_a_view_is_that_of_each(
    reading: Readers, viewer: str, seen_by: str, wanted: list[str]
) -> None:
    replay = reading.ask(viewer, pb.ReplayEntriesRequest(name=ALL, viewer_participant_id=seen_by))
    alone = reading.ask(viewer, pb.ReplayEntriesRequest(name=NAME, viewer_participant_id=seen_by))

    entries = [one for message in replay for one in message.entries]  # type: ignore[union-attr]
    assert entries == [one for message in alone for one in message.entries]  # type: ignore[union-attr]
    told = [one.facts.statement_recorded.statement_id for one in entries]
    assert sorted(filter(None, told)) == wanted


def test_a_list_is_of_those_in_which_another_one_takes_part_as_they_see_them() -> None:
    bolt = sample_entries.joined("bolt")
    bolt.facts.visibility.CopyFrom(sample_entries.restricted("bolt"))
    entries = sample_entries.history(
        sample_entries.opened(),
        sample_entries.joined("acme"),
        bolt,
        granted("ann", pb.ACCESS_ROLE_PARTY, "acme"),
        granted("mia", pb.ACCESS_ROLE_MEDIATOR),
    )

    def parties(viewer: str, seen_by: str) -> list[list[str]]:
        (answer,) = reading.ask(viewer, pb.ListNegotiationsRequest(viewer_participant_id=seen_by))
        assert isinstance(answer, pb.ListNegotiationsResponse)
        return [list(one.parties) for one in answer.negotiations]

    with readers(stored(entries)) as reading:
        assert parties(ANONYMOUS, "acme") == [["acme"]]
        assert parties(ANONYMOUS, "bolt") == [["acme", "bolt"]]
        assert parties("mia", "acme") == [["acme"]]
        assert parties("mia", "bolt") == []  # of whom the mediator knows nothing
        assert parties(ANONYMOUS, "") == [["acme", "bolt"]]


def test_proofs_are_the_same_for_all_who_see_anything(reading: Readers) -> None:
    for request in (
        pb.GetCheckpointRequest(name=NAME),
        pb.GetInclusionProofRequest(name=NAME, version=7),  # RECORDER_ONLY
        pb.GetConsistencyProofRequest(name=NAME, from_version=3),
    ):
        whole = reading.ask(ANONYMOUS, request)

        for viewer in ("ann", "bob", "mia", "aud", "reader"):
            assert reading.ask(viewer, request) == whole


def test_who_loses_access_sees_nothing_from_then_on() -> None:
    entries = sample_entries.history(*map(_drafted, talks()), sample_entries.revoked("bob"))

    with readers(stored(entries), POLICY) as reading:
        (violation,) = reading.ask("bob", pb.GetNegotiationRequest(name=NAME))

    assert not isinstance(violation, Message)
    assert reason_name(violation.reason) == "NEGOTIATION_NOT_FOUND"


def _drafted(entry: pb.Entry) -> pb.Draft:
    return pb.Draft(facts=entry.facts, words=entry.words)


def test_what_is_disclosed_is_seen_in_the_latest_and_not_before() -> None:
    disclosure = sample_entries.draft(
        pb.EntryDisclosed(target_version=6, disclosed_to=sample_entries.PARTIES),
        visibility=RECORDER_ONLY,
    )
    entries = sample_entries.history(*map(_drafted, talks()), disclosure)

    with readers(stored(entries), POLICY) as reading:
        assert statements(reading, "bob") == ["aside", "loud", "open"]
        (before,) = reading.ask(
            "bob", pb.GetNegotiationRequest(name=NAME, as_of=pb.AsOf(version=11))
        )

    assert isinstance(before, pb.GetNegotiationResponse)
    assert sorted(before.negotiation.statements) == ["loud", "open"]


def test_there_is_a_sight_for_every_viewer() -> None:
    entries = talks()

    assert sight(entries, "stranger") == NOTHING
    assert sight(entries, "reader") == PUBLIC
    assert set(ENTRY_TYPES) >= TELLING


GAMES = Path(__file__).parents[1] / "data" / "diplomacy"


@pytest.mark.parametrize("power", convert.POWERS)
def test_each_power_is_shown_its_own_messages_and_those_to_all(power: str) -> None:
    for path, game in convert.games(GAMES):
        name = convert.name(path)
        record = replayed(name, drafts(convert.lines(GAMES))[name]).entries
        grant = sample_entries.recorded(
            len(record) + 1, granted("me", pb.ACCESS_ROLE_PARTY, power.lower())
        )
        grant.header.negotiation = record[0].header.negotiation
        with readers(stored([*record, grant])) as reading:
            answer = reading.ask("me", pb.ReplayEntriesRequest(name=name))
            (state,) = reading.ask("me", pb.GetNegotiationRequest(name=name))
            found = [
                hit.entry
                for wanted in ({"names": [name]}, {"query": "you"})
                for hit in _hits(reading, "me", 13, entry_types=["statement_recorded"], **wanted)
            ]

        entries = [entry for one in answer for entry in one.entries]  # type: ignore[union-attr]
        wanted = theirs(game)[power]
        told = [one for one in entries if one.facts.HasField("statement_recorded")]
        saying = [one for one in told if re.search(r"\byou\b", one.words.text, re.IGNORECASE)]
        assert found[: len(told)] == told[::-1]
        assert _versions(found[len(told) :]) == _versions(saying)
        assert len(entries) == len(record) + 1
        assert messages(entries) == wanted
        assert isinstance(state, pb.GetNegotiationResponse)
        assert len(state.negotiation.statements) == len(wanted)


@having(strategies.steps(40), st.integers(0, 2**32 - 1), st.integers(1, 3))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_small_pages_are_one_after_the_other_what_a_large_one_is(
    seeds: list[int], seed: int, size: int
) -> None:
    random = Random(seed)  # noqa: S311 - dice, not secrets
    entries = peopled(seeds, random)
    if not entries:
        return
    viewer = random.choice([ANONYMOUS, *VIEWERS])

    with readers(stored(entries), POLICY) as reading:
        for wanted in searches():
            whole = list(_hits(reading, viewer, 1000, **wanted))
            assert list(_hits(reading, viewer, size, **wanted)) == whole, wanted


def _hits(reading: Readers, viewer: str, size: int, **asked: Any) -> Iterator[pb.SearchHit]:
    request = pb.SearchEntriesRequest(page_size=size, **asked)
    while True:
        (page,) = reading.ask(viewer, request)
        assert isinstance(page, pb.SearchEntriesResponse)
        yield from page.hits
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def _versions(entries: Iterable[pb.Entry]) -> list[int]:
    return sorted(one.header.version for one in entries)
