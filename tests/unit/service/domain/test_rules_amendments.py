"""What is refused of corrections, disclosures and redactions."""

from collections.abc import Sequence

import pytest
from google.protobuf.message import Message

from pourparler import v1 as pb
from tests.support.draft_checks import ACCEPTED, DEMAND, TALKS, WHISPER, answer, record, refusal
from tests.support.sample_entries import (
    ANALYSIS,
    PARTIES,
    PUBLIC,
    RECORDER_ONLY,
    answered,
    draft,
    joined,
    left,
    offered,
    opened,
    restricted,
    said,
    state_of,
    topic,
)

TARGET = "facts.entry_corrected.target_version"
REPLACEMENT = "facts.entry_corrected.replacement"


def corrected(
    version: int,
    event: Message,
    words: pb.Words | None = None,
    *,
    basis: pb.Basis.ValueType = pb.BASIS_DIRECT,
    occurred: str | None = None,
    visibility: pb.Visibility | None = None,
) -> pb.Draft:
    """The entry of this version should have been this one."""
    instead = draft(event, words, basis=basis, occurred=occurred)
    correction = pb.EntryCorrected(
        target_version=version,
        mode=pb.CORRECTION_MODE_REPLACE,
        kind=pb.CORRECTION_KIND_RECORDER,
        replacement=instead.facts,
    )
    return draft(correction, instead.words, visibility=visibility)


def annulled(version: int, *, visibility: pb.Visibility | None = None) -> pb.Draft:
    """The entry of this version should never have been."""
    return draft(
        pb.EntryCorrected(
            target_version=version,
            mode=pb.CORRECTION_MODE_ANNUL,
            kind=pb.CORRECTION_KIND_IDENTITY,
        ),
        visibility=visibility,
    )


def disclosed(
    version: int,
    to: pb.Visibility,
    *consented_by: str,
    words: pb.Words | None = None,
    visibility: pb.Visibility | None = None,
) -> pb.Draft:
    """More may see the entry of this version."""
    return draft(
        pb.EntryDisclosed(target_version=version, disclosed_to=to, consented_by=consented_by),
        words,
        visibility=visibility or to,
    )


def statement(by: str, statement_id: str = "demand") -> pb.StatementRecorded:
    """A statement as it should have been recorded."""
    return pb.StatementRecorded(
        statement_id=statement_id, speakers=[by], act=pb.STATEMENT_ACT_ASSERT
    )


def joining(who: str, role: pb.ParticipantRole.ValueType) -> pb.ParticipantJoined:
    """Somebody's entrance as it should have been recorded."""
    return pb.ParticipantJoined(
        participant_id=who, kind=pb.PARTICIPANT_KIND_ORGANIZATION, role=role
    )


# TALKS are 18 entries: the next ones are 19, 20 and so on.
NEXT = len(TALKS) + 1
ANNULLED = (*TALKS, said("slip", "acme"), annulled(NEXT))


@pytest.mark.parametrize("version", [NEXT, NEXT + 1, 2**63], ids=["itself", "later", "far"])
@pytest.mark.parametrize(
    "amending",
    ["entry_corrected", "entry_disclosed", "entry_redacted"],
)
def test_only_an_entry_of_the_record_is_amended(amending: str, version: int) -> None:
    then = {
        "entry_corrected": annulled(version),
        "entry_disclosed": disclosed(version, PUBLIC),
        "entry_redacted": draft(pb.EntryRedacted(target_version=version)),
    }[amending]

    assert answer(TALKS, then, by_service=True) == (
        "VERSION_NOT_FOUND",
        f"facts.{amending}.target_version",
    )


@pytest.mark.parametrize("amending", ["entry_corrected", "entry_disclosed"])
def test_an_amendment_is_not_amended(amending: str) -> None:
    then = {
        "entry_corrected": annulled(NEXT + 1),
        "entry_disclosed": disclosed(NEXT + 1, PUBLIC),
    }[amending]

    assert answer(ANNULLED, then, by_service=True) == (
        "TARGET_NOT_ALLOWED",
        f"facts.{amending}.target_version",
    )


def test_what_was_annulled_is_neither_corrected_nor_disclosed() -> None:
    again = corrected(NEXT, statement("acme", "slip"))

    assert answer(ANNULLED, annulled(NEXT)) == ("TARGET_ANNULLED", TARGET)
    assert answer(ANNULLED, again) == ("TARGET_ANNULLED", TARGET)
    assert answer(ANNULLED, disclosed(NEXT, PUBLIC, "acme", visibility=PARTIES)) == (
        "TARGET_ANNULLED",
        "facts.entry_disclosed.target_version",
    )


def test_the_words_of_what_was_annulled_can_be_destroyed() -> None:
    then = pb.EntryRedacted(target_version=NEXT)

    assert answer(ANNULLED, then, by_service=True) == ACCEPTED


def test_the_opening_is_replaced_but_not_annulled() -> None:
    renamed = corrected(1, pb.NegotiationOpened(), pb.Words(title="Another title"))

    assert answer(TALKS, annulled(1)) == ("TARGET_NOT_ALLOWED", "facts.entry_corrected.mode")
    assert answer(TALKS, renamed) == ACCEPTED


def test_a_correction_leaves_an_entry_its_type() -> None:
    then = corrected(DEMAND, pb.QuestionRaised(question_id="demand"))

    assert answer(TALKS, then) == ("CORRECTION_CHANGES_TYPE", REPLACEMENT)


def test_a_correction_leaves_a_part_its_id() -> None:
    then = corrected(DEMAND, statement("acme", "other"))

    assert answer(TALKS, then) == (
        "CORRECTION_CHANGES_ID",
        f"{REPLACEMENT}.statement_recorded.statement_id",
    )


@pytest.mark.parametrize(
    ("then", "reason", "field"),
    [
        (statement("nil"), "PART_NOT_FOUND", "statement_recorded.speakers[0]"),
        (statement("plant"), "ACTING_NOT_ALLOWED", "statement_recorded.speakers[0]"),
        (
            pb.StatementRecorded(
                statement_id="demand",
                speakers=["acme"],
                act=pb.STATEMENT_ACT_ASSERT,
                in_reply_to="joint",
            ),
            "PART_NOT_FOUND",
            "statement_recorded.in_reply_to",
        ),
    ],
    ids=["a stranger", "a subject", "a later statement"],
)
def test_what_replaces_an_entry_could_have_been_recorded_there(
    then: Message, reason: str, field: str
) -> None:
    assert answer(TALKS, corrected(DEMAND, then)) == (reason, f"{REPLACEMENT}.{field}")


def test_what_replaces_an_entry_had_happened_when_that_was_recorded() -> None:
    then = corrected(DEMAND, statement("acme"), occurred="2026-01-01T00:09:01Z")

    assert answer(TALKS, then) == ("OCCURRED_IN_FUTURE", f"{REPLACEMENT}.occurred")


def test_what_replaces_an_act_is_one() -> None:
    given = (*TALKS, offered("x", ["acme"], ["bolt"]))
    then = corrected(NEXT, given[-1].facts.proposal_made, basis=ANALYSIS)

    assert answer(given, then) == ("BASIS_NOT_ALLOWED", f"{REPLACEMENT}.provenance.basis")


BREAKING: dict[str, tuple[Sequence[pb.Draft], pb.Draft, int, str]] = {
    "one who speaks later never joined": (TALKS, annulled(2), 9, "PART_NOT_FOUND"),
    "one who offers later only observed": (
        TALKS,
        corrected(2, joining("acme", pb.PARTICIPANT_ROLE_OBSERVER)),
        11,
        "ACTING_NOT_ALLOWED",
    ),
    "the topic of a position was never added": (TALKS, annulled(8), 11, "PART_NOT_FOUND"),
    "the offer that was accepted is of another": (
        (*TALKS, joined("carl"), offered("x", ["acme"], ["bolt"]), answered("x", "bolt")),
        corrected(NEXT + 1, offered("x", ["acme"], ["carl"]).facts.proposal_made),
        NEXT + 2,
        "NOT_AN_ADDRESSEE",
    ),
    "the talks had ended": (
        (
            *TALKS,
            draft(pb.NegotiationConcluded(outcome=pb.OUTCOME_NO_AGREEMENT)),
            draft(pb.NegotiationResumed()),
            topic("more"),
        ),
        annulled(NEXT + 1),
        NEXT + 2,
        "NEGOTIATION_CONCLUDED",
    ),
    "the step had been dropped": (
        (
            *TALKS,
            draft(pb.TopicStatusChanged(topic_id="price", status=pb.TOPIC_STATUS_DEFERRED)),
            draft(
                pb.TopicStatusChanged(topic_id="price", status=pb.TOPIC_STATUS_DROPPED),
                pb.Words(reason="Time has come."),
            ),
        ),
        corrected(NEXT, pb.TopicStatusChanged(topic_id="price", status=pb.TOPIC_STATUS_DROPPED)),
        NEXT + 1,
        "INVALID_TOPIC_TRANSITION",
    ),
    "one who left had never come": (
        (*TALKS, joined("zoe"), left("zoe")),
        annulled(NEXT),
        NEXT + 1,
        "PART_NOT_FOUND",
    ),
    "one who consented had never come": (
        (
            *TALKS,
            joined("zoe"),
            said("x", "acme", visibility=restricted("acme")),
            disclosed(NEXT + 1, PARTIES, "acme", "zoe"),
        ),
        annulled(NEXT),
        NEXT + 2,
        "PART_NOT_FOUND",
    ),
}


@pytest.mark.parametrize("case", BREAKING)
def test_a_correction_leaves_later_entries_standing(case: str) -> None:
    given, then, later, reason = BREAKING[case]
    refused = refusal(given, then)

    assert refused is not None
    assert refused.reason == pb.ERROR_REASON_CORRECTION_BREAKS_LATER
    assert refused.field == TARGET
    assert refused.metadata == {"later_version": str(later), "later_reason": reason}


def test_what_others_refer_to_is_annulled_last() -> None:
    given = (*TALKS, topic("x"), draft(pb.TopicAdded(topic_id="y", parent_id="x")))
    refused = refusal(given, annulled(NEXT))

    assert refused is not None
    assert refused.metadata["later_version"] == str(NEXT + 1)
    assert answer((*given, annulled(NEXT + 1)), annulled(NEXT)) == ACCEPTED


def test_an_entry_can_be_corrected_again_and_then_annulled() -> None:
    first = (*TALKS, said("x", "acme"), corrected(NEXT, statement("bolt", "x")))
    second = corrected(NEXT, statement("mia", "x"))

    assert answer(first, second) == ACCEPTED
    assert answer((*first, second), annulled(NEXT)) == ACCEPTED


def test_what_was_disclosed_before_can_still_be_corrected() -> None:
    given = (*TALKS, disclosed(WHISPER, PARTIES, "acme"))

    assert answer(given, corrected(WHISPER, statement("acme", "whisper"))) == ACCEPTED
    assert answer(given, corrected(DEMAND, statement("bolt"))) == ACCEPTED


def test_a_correction_may_make_possible_what_was_corrected_first() -> None:
    late = (*TALKS, said("x", "acme"), corrected(NEXT, statement("bolt", "x")))

    assert answer(late, annulled(2))[0] == "CORRECTION_BREAKS_LATER"
    assert record(*late)[-1].header.version == NEXT + 1


def test_what_was_redacted_is_not_corrected_and_does_not_stand_in_the_way() -> None:
    reopened = draft(
        pb.TopicStatusChanged(topic_id="price", status=pb.TOPIC_STATUS_UNDER_DISCUSSION),
        pb.Words(reason="Time has come."),
    )
    renamed = draft(pb.ParticipantChanged(participant_id="bolt"), pb.Words(name="Bolts"))
    lapsed = draft(
        pb.ProposalClosed(proposal_id="offer", how=pb.PROPOSAL_CLOSING_LAPSED),
        pb.Words(reason="Nobody answered."),
    )
    deferred = draft(pb.TopicStatusChanged(topic_id="price", status=pb.TOPIC_STATUS_DEFERRED))
    versions = [NEXT + 1, NEXT + 2, NEXT + 3]
    redactions = [draft(pb.EntryRedacted(target_version=one)) for one in versions]
    again = corrected(NEXT + 2, renamed.facts.participant_changed, pb.Words(name="Bolts"))

    given = [*TALKS, deferred, reopened, renamed, lapsed, *redactions]
    assert answer(given, again) == ("TARGET_REDACTED", TARGET)
    assert answer(given, corrected(DEMAND, statement("bolt"))) == ACCEPTED


def test_words_are_destroyed_once() -> None:
    then = pb.EntryRedacted(target_version=DEMAND)

    assert answer((*TALKS, draft(then)), then, by_service=True) == (
        "TARGET_REDACTED",
        "facts.entry_redacted.target_version",
    )


def test_an_amendment_is_not_seen_more_widely_than_what_it_amends() -> None:
    too_wide = ("VISIBILITY_TOO_WIDE", "facts.visibility")
    again = statement("acme", "whisper")
    redacted = draft(pb.EntryRedacted(target_version=WHISPER))

    assert answer(TALKS, annulled(WHISPER)) == too_wide
    assert answer(TALKS, annulled(WHISPER, visibility=restricted("mia"))) == ACCEPTED
    assert answer(TALKS, corrected(WHISPER, again)) == too_wide
    assert answer(TALKS, corrected(WHISPER, again, visibility=restricted("acme"))) == ACCEPTED
    assert answer(TALKS, redacted, by_service=True) == too_wide
    assert answer(TALKS, disclosed(WHISPER, PARTIES, "acme", visibility=PUBLIC)) == too_wide


ALL = restricted("acme", "mia", "bolt")


@pytest.mark.parametrize(
    ("to", "wider"),
    [
        (PARTIES, True),
        (ALL, True),
        (restricted("mia", "acme"), False),
        (restricted("acme"), False),
        (restricted("acme", "bolt"), False),
        (RECORDER_ONLY, False),
    ],
    ids=["parties", "one more", "the same", "one less", "another", "nobody"],
)
def test_a_disclosure_is_to_those_who_saw_it_and_to_others(
    to: pb.Visibility, *, wider: bool
) -> None:
    refused = ("DISCLOSURE_NOT_WIDER", "facts.entry_disclosed.disclosed_to")

    assert answer(TALKS, disclosed(WHISPER, to, "acme")) == (ACCEPTED if wider else refused)


def test_a_disclosure_is_weighed_against_the_last_one() -> None:
    given = (*TALKS, disclosed(WHISPER, ALL, "acme"))

    assert answer(given, disclosed(WHISPER, ALL, "acme"))[0] == "DISCLOSURE_NOT_WIDER"
    assert answer(given, disclosed(WHISPER, PARTIES, "acme")) == ACCEPTED


SECRETS = (
    *TALKS,
    draft(pb.QuestionRaised(question_id="doubt"), visibility=restricted("acme", "bolt")),
    draft(pb.QuestionRaised(question_id="note"), visibility=RECORDER_ONLY),
    said("thought", "acme", visibility=RECORDER_ONLY),
    said("both", "acme", "bolt", visibility=restricted("acme", "bolt")),
)
LAW = pb.Words(legal_basis="A court's order.")


@pytest.mark.parametrize(
    ("version", "given", "missing"),
    [
        (WHISPER, [], "acme"),
        (WHISPER, ["mia"], "acme"),
        (WHISPER, ["acme"], ""),
        (NEXT, [], "acme, bolt"),
        (NEXT, ["bolt"], "acme"),
        (NEXT, ["bolt", "acme"], ""),
        (NEXT + 2, [], "acme"),
        (NEXT + 2, ["acme"], ""),
        (NEXT + 3, ["acme"], "bolt"),
        (NEXT + 3, ["acme", "bolt"], ""),
    ],
    ids=[
        "the speaker is not asked",
        "another one consents",
        "the speaker consents",
        "the audience is not asked",
        "a part of the audience consents",
        "the audience consents",
        "the speaker of a note is not asked",
        "the speaker of a note consents",
        "one of two speakers consents",
        "both speakers consent",
    ],
)
def test_those_who_confided_it_consent(version: int, given: list[str], missing: str) -> None:
    refused = refusal(SECRETS, disclosed(version, PARTIES, *given))

    if not missing:
        assert refused is None
    else:
        assert refused is not None
        assert refused.reason == pb.ERROR_REASON_CONSENT_REQUIRED
        assert refused.field == "facts.entry_disclosed.consented_by"
        assert refused.metadata == {"missing": missing}


@pytest.mark.parametrize("version", [WHISPER, NEXT, NEXT + 1, NEXT + 2, NEXT + 3])
def test_the_law_needs_no_consent(version: int) -> None:
    assert answer(SECRETS, disclosed(version, PARTIES, words=LAW)) == ACCEPTED


def test_what_nobody_confided_is_disclosed_by_law_alone() -> None:
    then = disclosed(NEXT + 1, PARTIES, "acme", "bolt", "mia")

    assert answer(SECRETS, then) == (
        "CONSENT_REQUIRED",
        "facts.entry_disclosed.consented_by",
    )


def test_what_all_parties_see_is_made_public_by_all_parties() -> None:
    given = (opened(), joined("acme"), joined("bolt"), joined("carl"), left("carl"), topic("x"))

    assert answer(given, disclosed(6, PUBLIC, "acme", visibility=PARTIES))[0] == "CONSENT_REQUIRED"
    assert answer(given, disclosed(6, PUBLIC, "acme", "bolt", visibility=PARTIES)) == ACCEPTED


def test_nothing_is_disclosed_more_widely_than_what_it_refers_to() -> None:
    reply = pb.StatementRecorded(
        statement_id="reply",
        speakers=["mia"],
        act=pb.STATEMENT_ACT_CONFIRM,
        in_reply_to="whisper",
    )
    given = (*TALKS, draft(reply, visibility=restricted("acme", "mia")))
    first = disclosed(WHISPER, PARTIES, "acme")

    assert answer(given, disclosed(NEXT, PARTIES, "mia")) == (
        "VISIBILITY_TOO_WIDE",
        "facts.entry_disclosed.disclosed_to",
    )
    refused = refusal(given, disclosed(NEXT, PARTIES, "mia"))
    assert refused is not None
    assert refused.text.endswith("Narrow the visibility, or disclose 'whisper' first.")
    assert answer((*given, first), disclosed(NEXT, PARTIES, "mia")) == ACCEPTED


def test_a_caucus_can_be_disclosed_and_the_record_corrected_afterwards() -> None:
    caucus = pb.SessionOpened(
        session_id="caucus", kind=pb.SESSION_KIND_CAUCUS, attendees=["acme", "mia"]
    )
    given = (
        *TALKS,
        draft(caucus, visibility=PARTIES),
        said("confided", "acme", session="caucus"),
        disclosed(NEXT + 1, PARTIES, "acme"),
    )

    assert answer(given, corrected(DEMAND, statement("bolt"))) == ACCEPTED


def test_the_id_of_an_annulled_part_is_not_used_again() -> None:
    assert answer(ANNULLED, said("slip", "acme")) == (
        "ID_ALREADY_USED",
        "facts.statement_recorded.statement_id",
    )
    assert answer(ANNULLED, said("another", "acme")) == ACCEPTED
    assert state_of(*ANNULLED).amendments[NEXT].annulled_part == "statements/slip"


def test_a_participant_whose_joining_was_annulled_may_still_join() -> None:
    talks = (*TALKS, joined("late"), annulled(NEXT))

    assert answer(talks, joined("late")) == ACCEPTED
