"""Refusals: what they say, and with which status each reason is answered."""

import ast
from pathlib import Path

import pytest

import pourparler_service
from pourparler import v1 as pb
from pourparler_service.domain.refusal import (
    MOST_VIOLATIONS,
    RefusalError,
    Violation,
    ViolationList,
    id_list,
    quoted,
    reason_name,
    refuse,
    status_name,
)

REASONS = [one for one in pb.ErrorReason.values() if one != pb.ERROR_REASON_UNSPECIFIED]
MISSING = Violation(pb.ERROR_REASON_FIELD_REQUIRED, "facts.event", "event is missing.", {})
TWICE = Violation(pb.ERROR_REASON_DUPLICATE, "", "Named twice.", {"id": "acme"})
STATUSES = {
    "INVALID_ARGUMENT",
    "FAILED_PRECONDITION",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "ABORTED",
    "DEADLINE_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "UNAVAILABLE",
    "CANCELLED",
    "INTERNAL",
}


def test_a_refusal_is_as_its_first_violation() -> None:
    refusal = RefusalError([MISSING, TWICE])

    assert refusal.violations == (MISSING, TWICE)
    assert (refusal.reason, refusal.field, refusal.text) == MISSING[:3]
    assert refusal.metadata == {}
    assert str(refusal) == "event is missing."


def test_a_refusal_says_why() -> None:
    with pytest.raises(ValueError, match="needs a violation"):
        RefusalError([])


def test_to_refuse_is_to_give_a_reason() -> None:
    with pytest.raises(RefusalError) as caught:
        refuse(pb.ERROR_REASON_DUPLICATE, "Named twice.", id="acme")

    assert caught.value.violations == (TWICE,)


def test_the_fields_of_a_refusal_go_below_a_prefix() -> None:
    refusal = RefusalError([MISSING, TWICE]).with_prefix("drafts[2]")

    assert [one.field for one in refusal.violations] == ["drafts[2].facts.event", "drafts[2]"]
    assert refusal.text == "event is missing."


def test_nothing_found_is_no_refusal() -> None:
    ViolationList().raise_if_any()


def test_all_that_is_found_is_refused_at_once() -> None:
    found = ViolationList()
    found.add(MISSING.reason, MISSING.text, MISSING.field)
    found.add(TWICE.reason, TWICE.text, "", id="acme")

    with pytest.raises(RefusalError) as caught:
        found.raise_if_any()

    assert caught.value.violations == (MISSING, TWICE)


def test_what_nobody_would_read_is_not_gathered() -> None:
    found = ViolationList()

    for place in range(1, MOST_VIOLATIONS):
        found.add(MISSING.reason, MISSING.text, f"field[{place}]")
    with pytest.raises(RefusalError) as caught:
        found.add(MISSING.reason, MISSING.text, "field[20]")

    assert len(caught.value.violations) == MOST_VIOLATIONS


@pytest.mark.parametrize("reason", REASONS, ids=reason_name)
def test_every_reason_has_a_status_of_grpc(reason: int) -> None:
    assert status_name(reason) in STATUSES


def test_every_reason_is_given_somewhere_in_the_service() -> None:
    house = Path(pourparler_service.__file__).parent
    given = {
        node.attr
        for room in house.rglob("*.py")
        for node in ast.walk(ast.parse(room.read_text()))
        if isinstance(node, ast.Attribute)
    }

    # Who has cancelled a call hears no answer; the reason is there for those who read the contract.
    unheard = {"ERROR_REASON_CALL_CANCELLED"}
    assert {pb.ErrorReason.Name(one) for one in REASONS} - given <= unheard


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("acme", "'acme'"),
        ("", "''"),
        ("Größe 東京", "'Größe 東京'"),
        ("a\x00b\n\x1b[31m", r"'a\x00b\n\x1b[31m'"),
        ("\u202egnp.exe", r"'\u202egnp.exe'"),
        ("x" * 61, "'" + "x" * 59 + "…'"),
        ("x" * 60, "'" + "x" * 60 + "'"),
    ],
    ids=["id", "empty", "letters", "control", "right to left", "long", "as long as can be"],
)
def test_what_a_caller_sent_is_quoted_harmlessly(text: str, shown: str) -> None:
    assert quoted(text) == shown


def test_what_is_quoted_is_short_whatever_it_is() -> None:
    assert len(quoted("\U000e0001" * 100_000)) <= 62


@pytest.mark.parametrize(
    ("ids", "shown"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        ([str(one) for one in range(1000)], "0, 1, 2 and 997 more"),
    ],
    ids=["none", "one", "three", "a thousand"],
)
def test_a_few_ids_are_listed_whole(ids: list[str], shown: str) -> None:
    assert id_list(ids) == shown
