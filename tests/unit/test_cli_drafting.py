"""The drafts that `record` is given."""

import io
import json

import click
import pytest

from pourparler import v1 as pb
from pourparler.cli.drafting import drafts


def test_a_statement_is_said_by_options() -> None:
    (draft,) = drafts(
        None,
        {
            "statement": "We agree.",
            "by": ("acme", "bolt"),
            "about": ("price",),
            "act": "announce",
            "basis": "on_record",
            "form": "verbatim",
            "occurred": "2023-41",
            "sources": (("src", "news", "A newspaper"),),
            "seen_by": ("public",),
            "id": None,
            "to": (),
        },
    )

    event = draft.facts.statement_recorded
    assert (list(event.speakers), event.joint, list(event.topic_ids)) == (
        ["acme", "bolt"],
        True,
        ["price"],
    )
    assert event.act == pb.STATEMENT_ACT_ANNOUNCE
    assert draft.facts.provenance == pb.Provenance(basis=pb.BASIS_ON_RECORD, form=pb.FORM_VERBATIM)
    assert draft.facts.occurred.edtf == "2023-41"
    assert draft.facts.visibility.level == pb.VISIBILITY_LEVEL_PUBLIC
    assert draft.words.sources[0].title == "A newspaper"


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"position": "Half", "by": ("a",), "about": ("t",), "stance": "wants"}, "position_taken"),
        ({"question": "Who?", "to": ("a",)}, "question_raised"),
        ({"topic": "Price", "id": "price"}, "topic_added"),
        ({"participant": "Acme", "id": "acme", "role": "mediator"}, "participant_joined"),
    ],
)
def test_the_commonest_entries_are_said_by_options(given: dict[str, object], kind: str) -> None:
    (draft,) = drafts(None, given)

    assert draft.facts.WhichOneof("event") == kind


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "Say what to record"),
        ({"statement": "a", "topic": "b"}, "one of --statement"),
        ({"topic": "a", "stance": "wants"}, "A topic takes no --stance"),
        ({"participant": "Acme"}, "needs --id"),
        ({"position": "Half", "by": ("a",)}, "one --about and --stance"),
        ({"statement": "a", "act": "sing"}, "'sing' is no StatementAct"),
        ({"statement": "a", "sources": (("s", "rumour", "x"),)}, "'rumour' is no SourceKind"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_sent(
    given: dict[str, object], why: str
) -> None:
    with pytest.raises(click.UsageError, match=why):
        drafts(None, given)


@pytest.mark.parametrize("join", ["\n", " ", "\n\n"])
def test_several_drafts_are_read_one_after_the_other_or_in_a_list(join: str) -> None:
    one, two = ({"words": {"text": text}} for text in "12")

    for text in (f"{json.dumps(one, indent=2)}{join}{json.dumps(two)}", json.dumps([one, two])):
        assert [draft.words.text for draft in drafts(io.BytesIO(text.encode()), {})] == ["1", "2"]


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b"\xff", b"3", b'{"nothing": 1}', b"[" * 100_000]
)
def test_a_file_without_drafts_is_told_before_anything_is_sent(text: bytes) -> None:
    with pytest.raises(click.UsageError, match="holds no draft"):
        drafts(io.BytesIO(text), {})


def test_a_file_and_options_do_not_go_together() -> None:
    with pytest.raises(click.UsageError, match="not both"):
        drafts(io.BytesIO(b"{}"), {"statement": "a"})
