"""The camp-site dialogues as drafts, without a service: what each turn becomes, and the points."""

import json
from pathlib import Path
from typing import Any

import pytest

from examples.casino import convert
from examples.casino.points import points
from examples.casino.verify import turns
from pourparler import v1 as pb
from tests.support.draft_replay import Replayed, drafts, replayed

DATA = Path(__file__).parents[2] / "data" / "casino"
DIALOGUES = {dialogue["dialogue_id"]: dialogue for dialogue in convert.dialogues(DATA)}
ONE, TWO = "mturk_agent_1", "mturk_agent_2"


@pytest.fixture(name="records", scope="module")
def _records() -> dict[int, Replayed]:
    by_name = drafts(convert.lines(DATA))
    return {
        number: replayed(convert.name(dialogue), by_name[convert.name(dialogue)])
        for number, dialogue in DIALOGUES.items()
    }


def _statuses(record: Replayed) -> dict[str, int]:
    return {key: part.status for key, part in sorted(record.state.proposals.items())}


@pytest.mark.parametrize("number", DIALOGUES)
def test_the_points_of_the_replayed_deal_are_those_that_were_scored(
    records: dict[int, Replayed], number: int
) -> None:
    about = DIALOGUES[number]["participant_info"]

    scored = {camper: one["outcomes"]["points_scored"] for camper, one in about.items()}

    assert points(records[number].state) == scored


@pytest.mark.parametrize("number", DIALOGUES)
def test_every_turn_comes_back_as_it_was(records: dict[int, Replayed], number: int) -> None:
    assert turns(records[number].entries) == DIALOGUES[number]["chat_logs"]


@pytest.mark.parametrize("number", DIALOGUES)
def test_a_preference_is_for_its_holder_alone(records: dict[int, Replayed], number: int) -> None:
    positions = records[number].state.positions.values()

    assert len(positions) == 6
    for position in positions:
        seen = position.origin.visibility
        assert seen.level == pb.VISIBILITY_LEVEL_RESTRICTED
        assert list(seen.audience) == list(position.facts.holders)


def test_a_deal_that_is_accepted_settles_every_topic(records: dict[int, Replayed]) -> None:
    state = records[620].state

    assert state.status == pb.NEGOTIATION_STATUS_CONCLUDED
    assert state.outcome == pb.OUTCOME_AGREEMENT
    assert state.agreements["deal"].facts.proposal_id == "deal-1"
    assert {topic.status for topic in state.topics.values()} == {pb.TOPIC_STATUS_SETTLED}
    assert {topic.by_agreement_id for topic in state.topics.values()} == {"deal"}


def test_a_deal_after_the_other_sides_is_its_counter(records: dict[int, Replayed]) -> None:
    proposals = records[62].state.proposals

    assert list(proposals["deal-1"].facts.by) == [ONE]
    assert list(proposals["deal-2"].facts.by) == [TWO]
    assert proposals["deal-1"].status == pb.PROPOSAL_STATUS_REJECTED
    assert proposals["deal-2"].status == pb.PROPOSAL_STATUS_ACCEPTED
    assert proposals["deal-2"].facts.counters == "deal-1"
    assert list(proposals["deal-1"].countered_by) == ["deal-2"]


@pytest.mark.parametrize("number", [323, 156])
def test_a_deal_after_ones_own_counters_nothing(records: dict[int, Replayed], number: int) -> None:
    proposals = records[number].state.proposals

    assert {part.facts.by[0] for part in proposals.values()} == {TWO if number == 323 else ONE}
    assert not any(part.facts.counters for part in proposals.values())
    assert [part.status for part in proposals.values()].count(pb.PROPOSAL_STATUS_ACCEPTED) == 1


def test_of_many_deals_the_last_one_is_the_agreement(records: dict[int, Replayed]) -> None:
    record = records[551]
    rejected, accepted = pb.PROPOSAL_STATUS_REJECTED, pb.PROPOSAL_STATUS_ACCEPTED

    assert _statuses(record) == {
        "deal-1": rejected,
        "deal-2": rejected,
        "deal-3": rejected,
        "deal-4": accepted,
    }
    assert record.state.agreements["deal"].facts.proposal_id == "deal-4"


def test_one_who_walks_away_withdraws_and_says_so(records: dict[int, Replayed]) -> None:
    state = records[44].state

    (farewell,) = (
        part for part in state.statements.values() if part.facts.act == pb.STATEMENT_ACT_PROCEDURAL
    )
    assert farewell.words.text == "Walk-Away"
    assert list(farewell.facts.speakers) == [ONE]
    assert state.outcome == pb.OUTCOME_WITHDRAWN
    assert not state.agreements
    assert not state.proposals
    assert points(state) == {ONE: 5, TWO: 5}


def test_a_rejected_deal_stays_rejected_when_somebody_walks_away(
    records: dict[int, Replayed],
) -> None:
    assert _statuses(records[802]) == {"deal-1": pb.PROPOSAL_STATUS_REJECTED}


def test_a_deal_that_is_left_unanswered_lapses(records: dict[int, Replayed]) -> None:
    state = records[206].state

    assert state.proposals["deal-1"].status == pb.PROPOSAL_STATUS_LAPSED
    assert not state.proposals["deal-1"].replies
    assert state.proposals["deal-1"].status_change.reason == (
        "Camper 1 walked away and gave no answer."
    )
    assert state.outcome == pb.OUTCOME_WITHDRAWN


def test_nothing_of_what_the_campers_are_gets_on_the_record() -> None:
    told: dict[str, Any] = {**next(iter(DIALOGUES.values()))}
    told["participant_info"] = {
        camper: {
            **about,
            "demographics": {"age": 36, "ethnicity": "unsaid"},
            "personality": {"svo": "unsaid"},
            "outcomes": {**about["outcomes"], "satisfaction": "unsaid"},
        }
        for camper, about in told["participant_info"].items()
    }
    told["annotations"] = [["unsaid", "unsaid"]]

    said = json.dumps(list(convert.drafts(told)))

    assert "unsaid" not in said
    assert "points" not in said
