"""Who may do what, and what is not there, is decided in one place each."""

from tests.support.source_code import attributes, calls


def test_a_negotiation_that_is_not_there_is_refused_in_one_place() -> None:
    assert list(attributes("ERROR_REASON_NEGOTIATION_NOT_FOUND")) == ["domain/refusal.py"]


def test_who_may_open_is_decided_in_one_place() -> None:
    # The edge asks the writer, which asks the policy.
    assert list(calls("check_may_open")) == [
        "api/import_service.py",
        "writes/writer.py",
        "writes/writer.py",
    ]


def test_drafts_are_decided_in_one_place() -> None:
    for name in ("check_may_record", "check_sees_own", "withheld_conflict"):
        assert list(calls(name)) == ["writes/decision.py"], name


def test_roles_are_looked_up_by_the_decision_and_by_the_scopes() -> None:
    for name in ("roles_of", "scope_of"):
        found = {"authorization/viewer_scopes.py", "writes/decision.py"}
        assert set(calls(name)) == found


def test_names_are_parsed_at_the_edge() -> None:
    assert list(calls("check_name")) == ["api/request_parsing.py"]
