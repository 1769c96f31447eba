"""Access: what is refused of grants and revocations, and what the state has of them."""

import pytest
from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.state.fold import evolve, fold
from pourparler.state.undo import UndoLog
from tests.support.draft_checks import ACCEPTED, TALKS, WHISPER, answer, concluded, record
from tests.support.sample_entries import (
    PUBLIC,
    RECORDER_ONLY,
    draft,
    granted,
    history,
    opened,
    recorded,
    revoked,
    state_of,
)

OPENER = "anonymous@loopback"
CUSTODIAN, RECORDER = pb.ACCESS_ROLE_CUSTODIAN, pb.ACCESS_ROLE_RECORDER
PARTY, AUDITOR = pb.ACCESS_ROLE_PARTY, pb.ACCESS_ROLE_AUDITOR
MEDIATOR = pb.ACCESS_ROLE_MEDIATOR

REFUSED: dict[str, tuple[tuple[pb.Draft, ...], pb.Draft | Message, str, str]] = {
    "nobody": ((), granted("", AUDITOR), "FIELD_REQUIRED", ".principal"),
    "no role": ((), granted("one", pb.ACCESS_ROLE_UNSPECIFIED), "FIELD_REQUIRED", ".role"),
    "a party of nobody": ((), granted("one", PARTY), "FIELD_REQUIRED", ".participant_id"),
    "a party of a stranger": (
        (),
        granted("one", PARTY, "nobody"),
        "PART_NOT_FOUND",
        ".participant_id",
    ),
    "a recorder of a party": (
        (),
        granted("one", RECORDER, "acme"),
        "FIELD_NOT_ALLOWED",
        ".participant_id",
    ),
    "a recorder for a time": ((), granted("one", RECORDER, until=1), "FIELD_NOT_ALLOWED", ""),
    "an end beyond the calendar": (
        (),
        granted("one", AUDITOR, until=1 << 60),
        "DATE_INVALID",
        ".end_time",
    ),
    "the same again": (
        (granted("one", PARTY, "acme"),),
        granted("one", PARTY, "acme"),
        "NO_EFFECT",
        "",
    ),
    "no such access": (
        (granted("one", PARTY, "acme"),),
        revoked("one", PARTY, "bolt"),
        "ACCESS_NOT_GRANTED",
        "",
    ),
    "revoked twice": (
        (granted("one", RECORDER), revoked("one")),
        revoked("one"),
        "ACCESS_NOT_GRANTED",
        "",
    ),
    "the last custodian": ((), revoked(OPENER), "ACCESS_LAST_CUSTODIAN", ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    given, then, reason, field = REFUSED[case]

    found, path = answer((*TALKS, *given), then)

    assert found == reason
    assert path.startswith("facts.access_")
    assert path.endswith(field)


ALLOWED: dict[str, tuple[tuple[pb.Draft, ...], pb.Draft | Message]] = {
    "a mediator who takes no part": ((), granted("one", MEDIATOR)),
    "a mediator who does": ((), granted("one", MEDIATOR, "mia")),
    "a longer time": ((granted("one", AUDITOR, until=1),), granted("one", AUDITOR, until=2)),
    "after the end": ((concluded(),), granted("one", AUDITOR)),
    "the opener, when there is another": ((granted("one", CUSTODIAN),), revoked(OPENER)),
    "told to everyone": ((), draft(pb.AccessGranted(principal="one", role=AUDITOR))),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_allowed(case: str) -> None:
    given, then = ALLOWED[case]

    assert answer((*TALKS, *given), then) == ACCEPTED


def test_it_is_for_those_who_keep_the_record_unless_it_says_otherwise() -> None:
    silent = draft(pb.AccessGranted(principal="one", role=AUDITOR), session="round")
    spoken = draft(pb.AccessRevoked(principal="one"), visibility=PUBLIC)

    *_, one, other = record(*TALKS, silent, spoken)

    assert one.facts.visibility == RECORDER_ONLY
    assert other.facts.visibility == PUBLIC


@pytest.mark.parametrize("mode", [pb.CORRECTION_MODE_ANNUL, pb.CORRECTION_MODE_REPLACE])
def test_it_is_not_corrected(mode: pb.CorrectionMode.ValueType) -> None:
    correction = pb.EntryCorrected(
        target_version=WHISPER + 1, mode=mode, kind=pb.CORRECTION_KIND_RECORDER
    )
    if mode == pb.CORRECTION_MODE_REPLACE:
        correction.replacement.CopyFrom(granted("two", RECORDER).facts)
        correction.replacement.ClearField("visibility")
    given = (*TALKS, granted("one", RECORDER))

    assert answer(given, draft(correction, visibility=RECORDER_ONLY)) == (
        "TARGET_NOT_ALLOWED",
        "facts.entry_corrected.target_version",
    )


def roles(state: pb.Negotiation) -> dict[str, list[tuple[int, str]]]:
    return {
        who: [(one.facts.role, one.facts.participant_id) for one in part.grants]
        for who, part in state.principals.items()
    }


def test_whoever_opens_a_negotiation_is_its_custodian() -> None:
    state = state_of(opened())

    assert roles(state) == {OPENER: [(CUSTODIAN, "")]}
    assert state.principals[OPENER].grants[0].origin.version == 1
    assert list(state.principals[OPENER].blame) == [1]


def test_grants_add_up_and_are_taken_back_one_by_one_or_all() -> None:
    given = (*TALKS, granted("one", PARTY, "acme"), granted("one", PARTY, "bolt"))

    assert roles(state_of(*given))["one"] == [(PARTY, "acme"), (PARTY, "bolt")]
    assert roles(state_of(*given, revoked("one", PARTY, "acme")))["one"] == [(PARTY, "bolt")]
    assert roles(state_of(*given, revoked("one")))["one"] == []
    assert list(state_of(*given, revoked("one")).principals["one"].blame) == [19, 20, 21]


def test_a_grant_of_the_same_kind_takes_the_place_of_the_first() -> None:
    state = state_of(opened(), granted("one", AUDITOR, until=1), granted("one", AUDITOR))

    (grant,) = state.principals["one"].grants
    assert not grant.facts.HasField("end_time")
    assert grant.origin.version == 3


def test_a_grant_and_a_revocation_are_undone() -> None:
    entries = history(opened(), granted("one", AUDITOR))
    for then in (granted("one", RECORDER), granted("two", RECORDER), revoked("one")):
        state = fold(entries)
        before = state.SerializeToString(deterministic=True)
        undo = UndoLog(state)

        evolve(state, recorded(3, then), undo=undo)
        assert state.SerializeToString(deterministic=True) != before
        undo.rollback()

        assert state.SerializeToString(deterministic=True) == before


def test_a_revocation_of_what_was_withheld_changes_nothing() -> None:
    assert roles(state_of(opened(), recorded(3, revoked("one")))) == {OPENER: [(CUSTODIAN, "")]}
