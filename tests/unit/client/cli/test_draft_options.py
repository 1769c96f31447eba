"""The drafts that `record` is given."""

import io
import json

import click
import pytest

from pourparler import v1 as pb
from pourparler.cli.input.draft_options import common_values, drafts


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


def test_an_excerpt_is_the_passage_of_the_last_source() -> None:
    sources = (("joint", "primary", "Joint statement"), ("article", "news", "A newspaper"))

    (draft,) = drafts(None, {"topic": "Price", "sources": sources, "excerpt": "the price"})

    assert [one.excerpt for one in draft.words.sources] == ["", "the price"]


def test_an_excerpt_of_no_source_is_not_understood() -> None:
    with pytest.raises(click.UsageError, match="needs a --source"):
        drafts(None, {"topic": "Price", "excerpt": "the price"})


def test_what_is_said_of_every_entry_is_said_of_an_opening() -> None:
    given = {
        "basis": "on_record",
        "seen_by": ("public",),
        "occurred": None,
        "sources": (("joint", "primary", "Joint statement"),),
    }

    said = common_values(given)

    assert said.pop("sources")[0].title == "Joint statement"
    assert said == {"basis": "on_record", "visibility": "public"}


def test_a_source_of_no_known_kind_is_not_understood() -> None:
    with pytest.raises(click.UsageError, match="SourceKind"):
        common_values({"sources": (("joint", "gossip", "A friend"),)})


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"position": "Half", "by": ("a",), "about": ("t",), "stance": "wants"}, "position_taken"),
        ({"question": "Who?", "to": ("a",)}, "question_raised"),
        ({"topic": "Price", "id": "price"}, "topic_added"),
        ({"participant": "Acme", "id": "acme", "role": "mediator"}, "participant_joined"),
        ({"proposal": "Half", "by": ("a",), "to": ("b",), "counters": "o"}, "proposal_made"),
        ({"answer": "reject", "by": ("b",), "in_reply_to": "o"}, "proposal_answered"),
        ({"agreement": "Lease", "between": ("a", "b"), "kind": "interim"}, "agreement_recorded"),
        ({"commitment": "To pay", "by": ("a",)}, "commitment_made"),
        ({"milestone": "Handover", "expected": "2027-03"}, "milestone_planned"),
        ({"topic_status": "under discussion", "of": "t"}, "topic_status_changed"),
        ({"proposal_closing": "lapsed", "of": "o"}, "proposal_closed"),
        ({"agreement_status": "in_question", "of": "a"}, "agreement_status_changed"),
        ({"commitment_status": "fulfilled", "of": "c"}, "commitment_status_changed"),
        ({"milestone_closing": "reached", "of": "m", "actual": "2027"}, "milestone_closed"),
    ],
)
def test_the_commonest_entries_are_said_by_options(given: dict[str, object], kind: str) -> None:
    (draft,) = drafts(None, given)

    assert draft.facts.WhichOneof("event") == kind


def test_an_offer_and_its_answer_are_said_with_all_that_belongs_to_them() -> None:
    offer = {
        "proposal": "The yard",
        "id": "yard",
        "by": ("a",),
        "to": ("b",),
        "money": (("rent", "9500", "EUR"), ("deposit", "1000", "EUR")),
        "condition": ("the bank agrees",),
        "expires": "2026-12",
        "supersedes": "shed",
    }
    reply = {
        "answer": "accept in principle",
        "by": ("b",),
        "in_reply_to": "yard",
        "condition": ("the yard is cleared",),
        "reason": "It is big.",
    }

    (made,), (answered,) = drafts(None, offer), drafts(None, reply)

    event = made.facts.proposal_made
    assert [(term.key, term.value, term.unit) for term in event.terms] == [
        ("rent", "9500", "EUR"),
        ("deposit", "1000", "EUR"),
    ]
    assert event.binding == pb.PROPOSAL_BINDING_CONDITIONAL
    assert (event.expires.edtf, event.supersedes) == ("2026-12", "shed")
    assert list(made.words.conditions) == ["the bank agrees"]
    assert answered.facts.proposal_answered == pb.ProposalAnswered(
        proposal_id="yard", by="b", answer=pb.ANSWER_ACCEPT_IN_PRINCIPLE
    )
    assert list(answered.words.conditions) == ["the yard is cleared"]
    assert answered.words.reason == "It is big."


def test_what_was_agreed_and_what_follows_is_said_with_all_that_belongs_to_it() -> None:
    lease = {
        "agreement": "Lease of the crane",
        "id": "lease",
        "between": ("a", "b"),
        "kind": "definitive",
        "status": "pending_approval",
        "about": ("rent",),
        "money": (("rent", "9500", "EUR"),),
        "text": "For five years.",
        "from_proposal": "offer",
    }
    rent = {
        "commitment": "To pay the first rent",
        "by": ("b",),
        "to": ("a",),
        "due": "2027-03",
        "date_verbatim": "by the end of March",
        "from_agreement": "lease",
        "condition": ("the crane stands",),
    }
    handover = {
        "milestone": "Handover",
        "id": "handover",
        "by": ("a",),
        "about": ("rent",),
        "expected": "[2027-01..]",
        "date_verbatim": "in due course",
        "reason": "The yard has to be cleared.",
        "from_statement": "s-yard",
    }
    settled = {"topic_status": "settled", "of": "rent", "from_agreement": "lease"}

    (agreed,), (owed,), (expected,), (done,) = (
        drafts(None, one) for one in (lease, rent, handover, settled)
    )

    agreement = agreed.facts.agreement_recorded
    assert (agreement.agreement_id, agreement.proposal_id) == ("lease", "offer")
    assert (agreement.origin, agreement.status) == (
        pb.AGREEMENT_ORIGIN_REACHED,
        pb.AGREEMENT_STATUS_PENDING_APPROVAL,
    )
    assert (list(agreement.between), agreement.terms[0].value) == (["a", "b"], "9500")
    assert (agreed.words.title, agreed.words.text) == ("Lease of the crane", "For five years.")
    commitment = owed.facts.commitment_made
    assert (commitment.agreement_id, commitment.due.edtf) == ("lease", "2027-03")
    assert (commitment.conditional, owed.words.date_verbatim) == (True, "by the end of March")
    milestone = expected.facts.milestone_planned
    assert (milestone.milestone_id, milestone.expected.edtf) == ("handover", "[2027-01..]")
    assert list(milestone.statement_ids) == ["s-yard"]
    assert expected.words.reason == "The yard has to be cleared."
    assert done.facts.topic_status_changed == pb.TopicStatusChanged(
        topic_id="rent", status=pb.TOPIC_STATUS_SETTLED, by_agreement_id="lease"
    )


def test_an_older_agreement_has_no_date_unless_it_is_given() -> None:
    older = {"agreement": "RAMA", "between": ("a", "b"), "kind": "framework", "origin": "prior"}

    (draft,) = drafts(None, older)

    assert draft.facts.agreement_recorded.origin == pb.AGREEMENT_ORIGIN_PRIOR
    assert not draft.facts.HasField("occurred")


def test_whoever_speaks_for_others_and_a_cohort_are_said_by_options() -> None:
    speaks = {"participant": "Rita", "id": "r", "role": "representative", "represents": ("a",)}
    many = {"participant": "Bidders", "id": "m", "kind": "cohort", "count": 11}

    (rita,), (bidders,) = drafts(None, speaks), drafts(None, many)

    assert list(rita.facts.participant_joined.represents) == ["a"]
    assert bidders.facts.participant_joined.count == 11


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "Nothing to record"),
        ({"statement": "a", "topic": "b"}, "one of --statement"),
        ({"topic": "a", "stance": "wants"}, "A topic takes no --stance"),
        ({"participant": "Acme"}, "needs --id"),
        ({"position": "Half", "by": ("a",)}, "one --about and --stance"),
        ({"proposal": "Half", "by": ("a",)}, "needs --by and --to"),
        ({"answer": "accept", "by": ("a",)}, "--in-reply-to with the proposal"),
        ({"answer": "accept", "to": ("a",)}, "An answer takes no --to"),
        ({"agreement": "Lease", "between": ("a", "b")}, "needs --between and --kind"),
        ({"commitment": "To pay"}, "A commitment needs --by"),
        (
            {"commitment": "x", "by": ("a",), "from_agreement": "a", "from_statement": "s"},
            "arises from one thing",
        ),
        ({"topic_status": "settled"}, "A topic status needs --of"),
        ({"topic_status": "settled", "of": "t", "due": "2027"}, "takes no --due"),
        ({"agreement_status": "odd", "of": "a"}, "'odd' is no AgreementStatus"),
        ({"milestone": "x", "by": ("a",), "between": ("b",)}, "A milestone takes no --between"),
        ({"answer": "perhaps", "by": ("a",), "in_reply_to": "o"}, "'perhaps' is no Answer"),
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
    with pytest.raises(click.UsageError, match="contains no draft"):
        drafts(io.BytesIO(text), {})


def test_a_file_and_options_do_not_go_together() -> None:
    with pytest.raises(click.UsageError, match="excludes the options"):
        drafts(io.BytesIO(b"{}"), {"statement": "a"})
