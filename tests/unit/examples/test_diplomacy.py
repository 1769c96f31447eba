"""The games of Diplomacy as drafts, without a service: order, times, audiences, phases."""

from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from examples.diplomacy import convert
from examples.diplomacy.verify import compared, messages
from pourparler import v1 as pb
from tests.support.draft_replay import Replayed, drafts, replayed

DATA = Path(__file__).parents[2] / "data" / "diplomacy"
GAMES: dict[str, dict[str, Any]] = {convert.name(path): game for path, game in convert.games(DATA)}
FIRST, SECOND = GAMES


@pytest.fixture(name="records", scope="module")
def _records() -> dict[str, Replayed]:
    return {name: replayed(name, said) for name, said in drafts(convert.lines(DATA)).items()}


@pytest.mark.parametrize("name", GAMES)
def test_every_message_comes_back_in_its_order_with_its_time(
    records: dict[str, Replayed], name: str
) -> None:
    sent = [message for phase in GAMES[name]["phases"] for message in phase["messages"]]

    assert messages(records[name].entries) == sent


@pytest.mark.parametrize("name", GAMES)
def test_who_may_see_a_message_is_who_got_it(records: dict[str, Replayed], name: str) -> None:
    result = compared(GAMES[name], records[name].entries)

    assert result.same_audiences
    assert result.same_counts


def test_a_message_to_all_is_public_and_addressed_to_six(records: dict[str, Replayed]) -> None:
    (greeting,) = (
        part
        for part in records[FIRST].state.statements.values()
        if part.words.text == "gl everyone!"
    )

    assert greeting.origin.visibility == pb.Visibility(level=pb.VISIBILITY_LEVEL_PUBLIC)
    assert list(greeting.facts.speakers) == ["france"]
    assert list(greeting.facts.addressed_to) == [
        "austria",
        "england",
        "germany",
        "italy",
        "russia",
        "turkey",
    ]


def test_a_placeholder_of_the_redaction_stays_as_it_is(records: dict[str, Replayed]) -> None:
    texts = [part.words.text for part in records[FIRST].state.statements.values()]

    assert "[641249]" in texts


@pytest.mark.parametrize(("name", "count"), [(FIRST, 4), (SECOND, 1)])
def test_an_empty_message_is_summed_up_and_never_quoted(
    records: dict[str, Replayed], name: str, count: int
) -> None:
    state = records[name].state

    summed_up = [
        part for part in state.statements.values() if part.origin.provenance.form == pb.FORM_SUMMARY
    ]

    assert [part.words.text for part in summed_up] == ["(empty message)"] * count


def test_a_time_is_kept_to_the_hundred_microseconds(records: dict[str, Replayed]) -> None:
    empty = [
        entry.facts.occurred.earliest
        for entry in records[FIRST].entries
        if entry.words.text == "(empty message)"
    ]

    assert empty == [
        "2022-08-21T01:42:48Z",
        "2022-08-21T01:42:48.01Z",
        "2022-08-21T01:42:48.02Z",
        "2022-08-21T01:42:48.03Z",
    ]


def test_a_phase_without_messages_is_no_session(records: dict[str, Replayed]) -> None:
    sessions = records[FIRST].state.sessions

    assert set(sessions) == {"s1901m", "f1901m", "s1902m", "f1902m"}
    assert sessions["f1901m"].words.title == "Fall 1901, movement"


def test_a_session_is_bounded_by_the_messages_around_it(records: dict[str, Replayed]) -> None:
    record = records[SECOND]
    said = [
        (entry.facts.session_id, entry.facts.occurred.earliest[:10])
        for entry in record.entries
        if entry.facts.HasField("statement_recorded")
    ]
    opened = {key: session.origin.occurred for key, session in record.state.sessions.items()}

    for (earlier, before), (session, day) in pairwise(said):
        if session != earlier:
            assert (opened[session].earliest, opened[session].latest) == (before, day)
    assert opened["s1901m"].earliest == ""
    assert opened["s1901m"].latest == said[0][1]


def test_the_last_phase_of_a_file_is_not_over(records: dict[str, Replayed]) -> None:
    sessions = records[FIRST].state.sessions

    still_open = [key for key, part in sessions.items() if part.status == pb.SESSION_STATUS_OPEN]

    assert still_open == ["f1902m"]
    assert records[FIRST].state.status == pb.NEGOTIATION_STATUS_OPEN


def test_the_power_that_cicero_played_says_so(records: dict[str, Replayed]) -> None:
    participants = records[FIRST].state.participants

    assert list(participants["germany"].words.aliases) == ["Cicero"]
    assert [key for key, part in participants.items() if part.words.aliases] == ["germany"]
    assert len(participants) == 7


def test_a_message_out_of_order_is_noticed(records: dict[str, Replayed]) -> None:
    game = deepcopy(GAMES[FIRST])
    said = game["phases"][0]["messages"]
    said[0], said[1] = said[1], said[0]

    result = compared(game, records[FIRST].entries)

    assert not result.same_messages
    assert result.same_counts


def test_a_message_to_somebody_else_is_noticed(records: dict[str, Replayed]) -> None:
    game = deepcopy(GAMES[FIRST])
    game["phases"][0]["messages"][0]["recipient"] = "TURKEY"

    result = compared(game, records[FIRST].entries)

    assert not result.same_messages
    assert not result.same_counts
    assert not result.same_audiences
