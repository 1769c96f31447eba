"""The first example through a running service: imported, replayed, read on its three clocks."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples import importing
from pourparler import Client, FailedPreconditionError
from pourparler import v1 as pb
from pourparler.state.fold import fold
from pourparler_service.server import running
from tests.support import sample_entries
from tests.support.state_digest import particulars

EXAMPLE = Path(__file__).parents[2] / "examples" / "renault-nissan"
NAME = "negotiations/renault-nissan"


@pytest.fixture(name="client", scope="module")
def _client() -> Iterator[Client]:
    lines = (EXAMPLE / "negotiation.jsonl").read_text(encoding="utf-8").splitlines()
    with running() as address, Client(address) as client:
        importing.send(lines, address)
        yield client


def test_the_state_is_the_expected_one_in_every_particular(client: Client) -> None:
    expected = json.loads((EXAMPLE / "expected_state.json").read_text(encoding="utf-8"))

    answer = client.get_negotiation(NAME)

    assert particulars(answer.negotiation) == expected
    assert answer.computed_at.version == 17


def test_replaying_the_entries_gives_the_state_that_the_service_gives(client: Client) -> None:
    assert fold(client.replay(NAME)) == client.get_negotiation(NAME).negotiation


def test_at_version_11_there_is_no_position_and_no_question(client: Client) -> None:
    state = client.get_negotiation(NAME, as_of=11).negotiation

    assert state.version == 11
    assert set(state.statements) == {"s-joint"}
    assert not state.positions
    assert not state.questions


def test_the_version_before_the_last_does_not_yet_doubt_the_agreement(client: Client) -> None:
    before = client.get_negotiation(NAME, as_of=16).negotiation.agreements["agr-leader-follower"]
    after = client.get_negotiation(NAME).negotiation.agreements["agr-leader-follower"]

    assert before.status == pb.AGREEMENT_STATUS_IN_FORCE
    assert after.status == pb.AGREEMENT_STATUS_IN_QUESTION


def test_on_the_record_alone_the_prior_agreement_the_position_and_the_question_vanish(
    client: Client,
) -> None:
    state = fold(client.replay(NAME, bases="on_record"))

    assert not state.agreements
    assert not state.positions
    assert not state.questions
    assert set(state.topics) == {"t-initiatives", "t-ev", "t-governance"}


def test_by_2021_only_the_prior_agreement_is_definite_and_only_the_opening_possible(
    client: Client,
) -> None:
    answer = client.get_negotiation(NAME, occur_date="2021-01-01")

    assert list(answer.possible_versions) == [1]
    state = answer.negotiation
    assert set(state.agreements) == {"agr-leader-follower"}
    assert state.status == pb.NEGOTIATION_STATUS_UNSPECIFIED
    assert state.agreements["agr-leader-follower"].status == pb.AGREEMENT_STATUS_IN_FORCE
    for parts in (state.topics, state.statements, state.positions, state.questions):
        assert not parts
    assert not state.milestones
    assert answer.possible_state.status == pb.NEGOTIATION_STATUS_OPEN


def test_the_names_of_those_who_agreed_resolve_before_they_joined(client: Client) -> None:
    participants = client.get_negotiation(NAME, occur_date="2021-01-01").negotiation.participants

    assert {
        key: (part.words.name, part.status)
        for key, part in participants.items()
        if key in {"renault", "nissan", "mitsubishi"}
    } == {
        "renault": ("Renault Group", pb.PARTICIPANT_STATUS_UNSPECIFIED),
        "nissan": ("Nissan Motor", pb.PARTICIPANT_STATUS_UNSPECIFIED),
        "mitsubishi": ("Mitsubishi Motors", pb.PARTICIPANT_STATUS_UNSPECIFIED),
    }


def test_a_rumour_of_an_agreement_is_refused_and_leaves_nothing(client: Client) -> None:
    rumour = sample_entries.draft(
        pb.AgreementRecorded(
            agreement_id="agr-stake",
            origin=pb.AGREEMENT_ORIGIN_REACHED,
            kind=pb.AGREEMENT_KIND_OTHER,
            between=["renault", "nissan"],
            status=pb.AGREEMENT_STATUS_IN_FORCE,
        ),
        pb.Words(title="Nissan gets 15 %"),
        basis=pb.BASIS_UNATTRIBUTED,
        visibility=sample_entries.PUBLIC,
    )

    with pytest.raises(FailedPreconditionError) as refused:
        client.record(NAME, rumour)

    assert refused.value.reason == "BASIS_NOT_ALLOWED"
    assert client.get_negotiation(NAME).negotiation.version == 17


def test_importing_it_again_doubles_nothing() -> None:
    lines = (EXAMPLE / "negotiation.jsonl").read_text(encoding="utf-8").splitlines()
    with running() as address, Client(address) as client:
        importing.send(lines, address)
        once = list(client.replay(NAME))
        importing.send(lines, address)

        assert list(client.replay(NAME)) == once
