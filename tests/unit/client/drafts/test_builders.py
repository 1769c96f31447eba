"""What the builders make of what one would say."""

import inspect
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

import pourparler
from pourparler import (
    agreement,
    agreement_status,
    answer,
    approval,
    commitment,
    commitment_status,
    conclusion,
    correction,
    departure,
    disclosure,
    document,
    grant_access,
    meeting,
    meeting_closing,
    milestone,
    milestone_closing,
    money,
    opening,
    participant,
    participant_change,
    percent,
    position,
    position_withdrawal,
    proposal,
    proposal_closing,
    quantity,
    question,
    redaction,
    resolution,
    resumption,
    retraction,
    revoke_access,
    source,
    statement,
    suspension,
    tally,
    term,
    topic,
    topic_status,
    wording,
)
from pourparler import v1 as pb
from pourparler.drafts import builders
from pourparler.schema import edtf
from pourparler.schema.contract import ENTRY_TYPES
from pourparler_service.validation import drafts

OFFER = proposal("Fifteen per cent.", id="offer-1", by="renault", to="nissan")

EVERY_TYPE = {
    "negotiation_opened": opening("Alliance", purpose="A new shape", predecessor="older"),
    "negotiation_suspended": suspension("The elections", expected_resume="2023"),
    "negotiation_resumed": resumption("The elections are over"),
    "negotiation_concluded": conclusion("no_agreement", reason="The deadline passed."),
    "participant_joined": participant("nissan", "Nissan Motor", aliases=["Nissan"]),
    "participant_changed": participant_change("nissan", role="observer", members=["a", "b"]),
    "participant_left": departure("ampere", "excluded", by="renault"),
    "session_opened": meeting("caucus", attendees=["nissan", "mediator"], title="The first"),
    "session_closed": meeting_closing("caucus-1", summary="Nothing new."),
    "topic_added": topic("Governance", id="t-governance", by=["renault", "nissan"]),
    "topic_status_changed": topic_status("t-governance", "under_discussion"),
    "statement_recorded": statement("We are talking.", by=["renault", "nissan"], to="press"),
    "statement_retracted": retraction("s-1", by="renault", partial=True),
    "position_taken": position("Half", by="renault", stance="wants", about="t-ev"),
    "position_withdrawn": position_withdrawal("p-1", by="renault"),
    "question_raised": question("How many shares?", about="t-ev", terms=[percent("stake")]),
    "question_resolved": resolution("q-1", answer="None."),
    "proposal_made": OFFER,
    "proposal_answered": answer(OFFER, "accept_in_principle", by="nissan", conditions=["Time"]),
    "proposal_closed": proposal_closing(OFFER, "withdrawn", by="renault"),
    "agreement_recorded": agreement("Lease", between=["a", "b"], kind="definitive"),
    "agreement_status_changed": agreement_status("lease", "terminated", reason="Fire"),
    "approval_recorded": approval(
        "refused", by="commons", agreement="lease", tally=tally(yes=202, no=432)
    ),
    "commitment_made": commitment("Pays", by="a", to="b", due="2023-07", proposal=OFFER),
    "commitment_status_changed": commitment_status("c-1", "fulfilled", documents="receipt"),
    "milestone_planned": milestone("Flotation", expected="2023-41", certainty="possible"),
    "milestone_closed": milestone_closing("m-1", "reached", actual=date(2023, 9, 1)),
    "document_attached": document("Draft 1", b"one two", media_type="text/plain"),
    "entry_corrected": correction(3, "It was Nissan.", replacement=statement("No.", by="nissan")),
    "entry_disclosed": disclosure(12, to="public", consented_by="nissan"),
    "entry_redacted": redaction(4, legal_basis="GDPR 17", authority="The court"),
    "access_granted": grant_access("spiffe://nissan/desk", "party", participant="nissan"),
    "access_revoked": revoke_access("spiffe://nissan/desk", reason="The desk is closed."),
}


def bounds_of(draft: pb.Draft) -> pb.Draft:
    drafts.prepare(draft, edtf.bounds)
    return draft


@pytest.mark.parametrize("entry_type", ENTRY_TYPES)
def test_every_entry_type_has_a_builder_whose_drafts_are_well_formed(entry_type: str) -> None:
    draft = EVERY_TYPE[entry_type]

    assert draft.facts.WhichOneof("event") == entry_type
    drafts.check_draft(bounds_of(draft))


def test_every_builder_is_tried_here_and_is_public() -> None:
    functions = {
        name
        for name, function in inspect.getmembers(builders, inspect.isfunction)
        if function.__module__ == builders.__name__ and not name.startswith("_")
    }

    assert len(functions) == len(ENTRY_TYPES) == len(EVERY_TYPE)
    assert functions <= set(pourparler.__all__)


def test_a_statement_is_built_as_it_is_said() -> None:
    said = datetime(2022, 10, 10, 9, 30, tzinfo=UTC)

    draft = statement(
        "We are in trustful discussions.",
        id="s-joint",
        by=["renault", "nissan"],
        to="press",
        about="t-governance",
        act="announce",
        basis="on_record",
        form="verbatim",
        occurred=said,
        visibility="public",
        session="call-1",
        sources=source("src-joint", "primary", title="Joint statement", published=said.date()),
    )

    assert draft == pb.Draft(
        facts=pb.Facts(
            occurred=pb.FuzzyDate(instant=Timestamp(seconds=int(said.timestamp()))),
            provenance=pb.Provenance(basis=pb.BASIS_ON_RECORD, form=pb.FORM_VERBATIM),
            visibility=pb.Visibility(level=pb.VISIBILITY_LEVEL_PUBLIC),
            session_id="call-1",
            statement_recorded=pb.StatementRecorded(
                statement_id="s-joint",
                speakers=["renault", "nissan"],
                addressed_to=["press"],
                joint=True,
                act=pb.STATEMENT_ACT_ANNOUNCE,
                topic_ids=["t-governance"],
            ),
        ),
        words=pb.Words(
            text="We are in trustful discussions.",
            sources=[
                pb.Source(
                    id="src-joint",
                    kind=pb.SOURCE_KIND_PRIMARY,
                    title="Joint statement",
                    published="2022-10-10",
                )
            ],
        ),
    )


def test_a_statement_of_one_speaker_is_not_joint() -> None:
    assert not statement("Yes.", by="nissan").facts.statement_recorded.joint


@pytest.mark.parametrize(
    ("draft", "form"),
    [
        pytest.param(statement("Yes.", by="nissan"), pb.FORM_VERBATIM, id="said directly"),
        pytest.param(
            statement("Yes.", by="nissan", basis="on_record"), pb.FORM_SUMMARY, id="on record"
        ),
        pytest.param(statement("Yes.", basis="reported"), pb.FORM_SUMMARY, id="reported"),
        pytest.param(OFFER, pb.FORM_SUMMARY, id="an act"),
        pytest.param(
            statement("Yes.", by="nissan", form="paraphrase"), pb.FORM_PARAPHRASE, id="as given"
        ),
    ],
)
def test_only_what_was_said_directly_is_taken_to_be_word_for_word(
    draft: pb.Draft, form: pb.Form.ValueType
) -> None:
    assert draft.facts.provenance.form == form


def test_what_is_direct_happens_now_unless_it_is_said_otherwise() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)

    occurred = statement("Yes.", by="nissan").facts.occurred.instant.ToDatetime(UTC)

    assert before <= occurred <= datetime.now(UTC)
    assert statement("Yes.", occurred="2022-10").facts.occurred == pb.FuzzyDate(edtf="2022-10")
    assert not statement("Yes.", by="nissan", occurred=None).facts.HasField("occurred")
    assert not statement("Yes.", basis="reported").facts.HasField("occurred")


def test_when_a_prior_agreement_was_made_is_never_taken_to_be_now() -> None:
    prior = agreement("Lease", between=["a", "b"], kind="framework", origin="prior")
    dated = agreement("Lease", between=["a"], kind="other", origin="prior", occurred="2020-05")

    assert not prior.facts.HasField("occurred")
    assert dated.facts.occurred.edtf == "2020-05"
    assert EVERY_TYPE["agreement_recorded"].facts.HasField("occurred")


def test_ids_are_made_when_none_is_given_and_are_never_the_same() -> None:
    first, second = topic("Governance"), topic("Governance")

    assert first.facts.topic_added.topic_id != second.facts.topic_added.topic_id
    assert first.facts.topic_added.topic_id.startswith("topic-")
    drafts.check_draft(bounds_of(first))


def test_a_draft_stands_for_the_part_it_brings() -> None:
    governance = topic("Governance")
    offer = proposal("Half.", by="renault", to=["nissan"], about=[governance, "t-ev"])

    topic_ids = offer.facts.proposal_made.topic_ids

    assert topic_ids == [governance.facts.topic_added.topic_id, "t-ev"]
    assert pourparler.ref(offer) == offer.facts.proposal_made.proposal_id


def test_a_draft_that_brings_no_part_stands_for_none() -> None:
    with pytest.raises(ValueError, match="StatementRetracted introduces no part"):
        pourparler.ref(retraction("s-1", by="renault"))
    with pytest.raises(ValueError, match="nothing introduces no part"):
        pourparler.ref(pb.Draft())


@pytest.mark.parametrize(
    ("given", "visibility"),
    [
        ("public", pb.Visibility(level=pb.VISIBILITY_LEVEL_PUBLIC)),
        ("parties", pb.Visibility(level=pb.VISIBILITY_LEVEL_PARTIES)),
        ("recorder", pb.Visibility(level=pb.VISIBILITY_LEVEL_RECORDER_ONLY)),
        (["a", "b"], pb.Visibility(level=pb.VISIBILITY_LEVEL_RESTRICTED, audience=["a", "b"])),
    ],
)
def test_who_may_see_it_is_a_word_or_a_list(
    given: str | list[str], visibility: pb.Visibility
) -> None:
    assert statement("Yes.", visibility=given).facts.visibility == visibility


def test_a_choice_that_there_is_not_is_answered_with_those_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"'wnts' is no Stance: give one of wants, supports, open_"
    ):
        position("Half", by="a", stance="wnts", about="t")
    with pytest.raises(ValueError, match="99 is no Stance"):
        position("Half", by="a", stance=99, about="t")
    with pytest.raises(ValueError, match="'unspecified' is no Stance"):
        position("Half", by="a", stance="unspecified", about="t")


def test_a_choice_is_a_value_or_a_name_written_as_one_likes() -> None:
    stances = [
        position("Half", by="a", stance=given, about="t").facts.position_taken.stance
        for given in (pb.STANCE_RED_LINE, "red_line", "Red line", "RED-LINE")
    ]

    assert stances == [pb.STANCE_RED_LINE] * 4


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(
            money("price", "12.50", "EUR"),
            pb.Term(
                key="price",
                type=pb.TERM_TYPE_MONEY,
                qualifier=pb.TERM_QUALIFIER_EXACT,
                value="12.50",
                unit="EUR",
            ),
            id="exactly",
        ),
        pytest.param(
            percent("stake", more_than=50, of="ampere", held_by="renault"),
            pb.Term(
                key="stake",
                type=pb.TERM_TYPE_PERCENT,
                qualifier=pb.TERM_QUALIFIER_MORE_THAN,
                value="50",
                of="ampere",
                held_by="renault",
            ),
            id="more than",
        ),
        pytest.param(
            quantity("water", between=(1, Decimal("2.5")), unit="package", by="a", into="b"),
            pb.Term(
                key="water",
                type=pb.TERM_TYPE_QUANTITY,
                qualifier=pb.TERM_QUALIFIER_BETWEEN,
                value="1",
                value_max="2.5",
                unit="package",
                by="a",
                into="b",
            ),
            id="between",
        ),
        pytest.param(
            percent("stake", of="ampere"),
            pb.Term(
                key="stake",
                type=pb.TERM_TYPE_PERCENT,
                qualifier=pb.TERM_QUALIFIER_UNKNOWN,
                of="ampere",
            ),
            id="unknown",
        ),
        pytest.param(
            term("closing", "date", up_to=date(2023, 7, 1)),
            pb.Term(
                key="closing",
                type=pb.TERM_TYPE_DATE,
                qualifier=pb.TERM_QUALIFIER_UP_TO,
                value="2023-07-01",
            ),
            id="a day",
        ),
        pytest.param(
            term("exclusive", "bool", False),
            pb.Term(
                key="exclusive",
                type=pb.TERM_TYPE_BOOL,
                qualifier=pb.TERM_QUALIFIER_EXACT,
                value="false",
            ),
            id="yes or no",
        ),
        pytest.param(
            money("price", Decimal("1E+3"), "EUR"),
            pb.Term(
                key="price",
                type=pb.TERM_TYPE_MONEY,
                qualifier=pb.TERM_QUALIFIER_EXACT,
                value="1000",
                unit="EUR",
            ),
            id="never with an exponent",
        ),
    ],
)
def test_a_term_is_written_as_the_contract_has_it(made: pb.Term, expected: pb.Term) -> None:
    assert made == expected


def test_what_no_builder_takes_is_not_passed_over_in_silence() -> None:
    with pytest.raises(TypeError, match=r"A StatementRecorded takes no 'visibilty'.*visibility"):
        statement("Between us.", by="nissan", visibilty=["nissan"])  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"A term takes no 'upto'.*up_to"):
        percent("stake", upto=15)  # type: ignore[call-arg]


def test_a_float_is_no_number_and_two_values_are_one_too_many() -> None:
    with pytest.raises(TypeError, match=r"0\.1 is no exact number"):
        money("price", 0.1, "EUR")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'stake' has more than one value"):
        percent("stake", 10, up_to=20)


def test_the_words_of_a_term_stand_with_the_words_of_the_entry() -> None:
    draft = proposal(
        by="a", to="b", terms=[money("price", 5, "EUR"), wording("place", "At the lake")]
    )

    assert [one.key for one in draft.facts.proposal_made.terms] == ["price", "place"]
    assert draft.facts.proposal_made.terms[1] == pb.Term(
        key="place", type=pb.TERM_TYPE_TEXT, qualifier=pb.TERM_QUALIFIER_EXACT
    )
    assert draft.words.term_texts == [pb.TermText(key="place", text="At the lake")]
    drafts.check_draft(bounds_of(draft))


def test_a_term_that_is_language_may_also_say_whom_it_concerns() -> None:
    draft = proposal(by="a", to="b", terms=[term("role", "text", by="a"), wording("role", "Chair")])

    assert [one.by for one in draft.facts.proposal_made.terms] == ["a"]
    assert draft.words.term_texts == [pb.TermText(key="role", text="Chair")]


def test_conditions_make_an_offer_a_commitment_and_a_step_conditional() -> None:
    soon = ["If the board agrees"]
    offer = proposal("Half.", by="a", to="b", conditions=soon).facts.proposal_made
    owed = commitment("Pays", by="a", conditions=soon).facts.commitment_made
    step = milestone("Closing", conditions=soon).facts.milestone_planned

    assert offer.binding == pb.PROPOSAL_BINDING_CONDITIONAL
    assert owed.conditional
    assert step.certainty == pb.CERTAINTY_CONDITIONAL
    assert OFFER.facts.proposal_made.binding == pb.PROPOSAL_BINDING_INDICATIVE


def test_a_commitment_arises_from_one_thing() -> None:
    assert not commitment("Pays", by="a").facts.commitment_made.WhichOneof("arises_from")
    with pytest.raises(ValueError, match="arises from one thing"):
        commitment("Pays", by="a", agreement="lease", statement="s-1")


def test_what_a_participant_no_longer_is_can_be_told_from_what_is_not_said() -> None:
    changed = participant_change("nissan", represents=[]).facts.participant_changed

    assert changed.HasField("represents")
    assert not changed.represents.participant_ids
    assert not changed.HasField("members")
    assert changed.role == pb.PARTICIPANT_ROLE_UNSPECIFIED


def test_a_document_is_told_by_the_digest_of_its_content() -> None:
    draft = document("Draft 1", b"one two")

    assert draft.facts.document_attached.size_bytes == 7
    assert draft.words.digest == (
        "sha256:8ab63e29a4ba14e4e1688f9c15e5af90895421358c945b0431f85d66977bd3d2"
    )


def test_a_digest_that_is_given_needs_no_content() -> None:
    draft = document("Draft 1", digest="sha256:" + "0" * 64, size_bytes=9)

    assert draft.words.digest == "sha256:" + "0" * 64
    assert draft.facts.document_attached.size_bytes == 9


def test_a_date_may_be_of_the_contract_and_a_publication_may_be_an_instant() -> None:
    ready = pb.FuzzyDate(edtf="2023-41")
    noon = datetime(2022, 10, 10, 12, tzinfo=UTC)

    assert milestone("Flotation", expected=ready).facts.milestone_planned.expected == ready
    paper = source("src-1", "news", published=noon, retrieved=noon)
    assert paper.published == "2022-10-10T12:00:00Z"
    assert paper.retrieve_time.ToDatetime(UTC) == noon


def test_a_visibility_of_the_contract_is_taken_as_it_is() -> None:
    seen_by = pb.Visibility(level=pb.VISIBILITY_LEVEL_PUBLIC)

    assert statement("Yes.", visibility=seen_by).facts.visibility == seen_by


def test_a_correction_takes_the_words_of_its_replacement_and_not_its_visibility() -> None:
    draft = correction(
        3, "It was Nissan.", replacement=statement("No.", by="nissan", visibility="public")
    )

    corrected = draft.facts.entry_corrected
    assert corrected.mode == pb.CORRECTION_MODE_REPLACE
    assert corrected.replacement.statement_recorded.speakers == ["nissan"]
    assert not corrected.replacement.HasField("visibility")
    assert draft.words == pb.Words(text="No.", correction_reason="It was Nissan.")


def test_a_correction_without_a_replacement_annuls() -> None:
    annulled = correction(3, "It was never said.").facts.entry_corrected

    assert annulled.mode == pb.CORRECTION_MODE_ANNUL
    assert not annulled.HasField("replacement")


def test_a_time_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        statement("Yes.", occurred=datetime(2022, 10, 10))  # noqa: DTZ001 (the point of it)


def test_the_access_of_an_auditor_may_have_an_end() -> None:
    draft = grant_access("auditor", "auditor", end_time=datetime(2027, 1, 1, tzinfo=UTC))

    assert draft.facts.access_granted == pb.AccessGranted(
        principal="auditor",
        role=pb.ACCESS_ROLE_AUDITOR,
        end_time=Timestamp(seconds=1_798_761_600),
    )


def test_access_is_revoked_as_one_role_or_as_any() -> None:
    party = revoke_access("desk", "party", participant="nissan").facts.access_revoked

    assert (party.role, party.participant_id) == (pb.ACCESS_ROLE_PARTY, "nissan")
    assert not revoke_access("desk").facts.access_revoked.role


def test_votes_and_principals_are_said_by_builders() -> None:
    rule = pb.VotingRule(quorum="1/2")
    offer = proposal(by="a", to="b", acceptance_rule="vote", voting_rule=rule, on_behalf_of="c")
    vote = answer("o", "reject", by="a", on_behalf_of="c", revises=True, tally=tally(yes=1, no=2))
    closed = proposal_closing("o", "voted", tally=tally(no="432", declared="defeated"))
    opened = opening("Talks", acceptance_rule="vote", voting_rule=rule, all_or_nothing=True)

    made = offer.facts.proposal_made
    assert (made.acceptance_rule, made.voting_rule) == (pb.ACCEPTANCE_RULE_VOTE, rule)
    assert list(made.on_behalf_of) == ["c"]
    given = vote.facts.proposal_answered
    assert (given.revises, given.tally) == (True, pb.Tally(yes="1", no="2"))
    assert closed.facts.proposal_closed.tally.declared == pb.VOTE_RESULT_DEFEATED
    assert opened.facts.negotiation_opened.all_or_nothing


def test_a_tally_has_only_its_counts() -> None:
    with pytest.raises(ValueError, match="maybe"):
        tally(maybe=3)


def test_a_term_is_of_a_thing_in_a_year_at_a_rate() -> None:
    wage = money("wage", "12.50", "EUR", per="hour", variant="2027", of_thing="night-work")

    assert (wage.per, wage.variant, wage.of_thing) == ("hour", "2027", "night-work")
