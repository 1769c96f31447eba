"""The shape of drafts: what is refused of one before its negotiation is known."""

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.contract import ENTRY_TYPES
from pourparler_service.domain.refusal import RefusalError, reason_name
from pourparler_service.validation import drafts
from pourparler_service.validation.fields import (
    LONGEST_LIST,
    LONGEST_TEXT,
    LONGEST_WORDS,
    MOST_TERMS,
)
from tests.support.sample_entries import (
    ANALYSIS,
    DIRECT,
    ON_RECORD,
    PARTIES,
    PUBLIC,
    REPORTED,
    SOURCE,
    UNATTRIBUTED,
    draft,
    joined,
    opened,
    restricted,
    said,
    topic,
)

SPEECH = "facts.statement_recorded"
DIGEST = "sha256:" + "a" * 64
ASSERT = pb.STATEMENT_ACT_ASSERT


def found(one: pb.Draft | Message) -> list[tuple[str, str]]:
    """What is wrong with a draft: reasons and fields."""
    try:
        drafts.check_draft(one if isinstance(one, pb.Draft) else draft(one))
    except RefusalError as refusal:
        return [(reason_name(each.reason), each.field) for each in refusal.violations]
    return []


def speech(
    *speakers: str,
    basis: pb.Basis.ValueType = DIRECT,
    attributed_to: tuple[str, ...] = (),
    described: str = "",
) -> pb.Draft:
    """Something said by these, on this basis, with a source and an author for whoever needs one."""
    event = pb.StatementRecorded(
        statement_id="s",
        speakers=speakers,
        attributed_to=attributed_to,
        joint=len(speakers) > 1,
        act=ASSERT,
    )
    words = pb.Words(author="An author", sources=[SOURCE], speaker_described=described)
    one = draft(event, words, basis=basis)
    one.words.speaker_described = described
    return one


def test_an_empty_draft_has_no_facts() -> None:
    assert found(pb.Draft()) == [("FIELD_REQUIRED", "facts")]


def test_facts_say_how_they_are_known_and_what_happened() -> None:
    assert found(pb.Draft(facts=pb.Facts())) == [
        ("FIELD_REQUIRED", "facts.provenance"),
        ("FIELD_REQUIRED", "facts.event"),
    ]


def test_all_that_is_wrong_is_said_at_once() -> None:
    one = said("S 1", "acme")
    one.facts.provenance.ClearField("form")
    one.words.title = "Out of place"

    assert found(one) == [
        ("FIELD_REQUIRED", "facts.provenance.form"),
        ("ID_INVALID", f"{SPEECH}.statement_id"),
        ("FIELD_NOT_ALLOWED", "words.title"),
    ]


def test_no_more_is_said_than_anybody_reads() -> None:
    one = said("s")
    one.facts.statement_recorded.topic_ids.extend(["No id"] * 100)

    assert len(found(one)) == 20


BARE = {
    name: draft(type(getattr(pb.Facts(), name))()) for name in ENTRY_TYPES
}  # each type with nothing said but its words
REQUIRED = [
    (name, field.name)
    for name, one in ENTRY_TYPES.items()
    for field in one.descriptor.fields
    if field.GetOptions().Extensions[pb.rule].required
]


@pytest.mark.parametrize(("name", "field"), REQUIRED, ids=lambda one: one)
def test_what_a_type_needs_has_to_be_given(name: str, field: str) -> None:
    assert ("FIELD_REQUIRED", f"facts.{name}.{field}") in found(BARE[name])


@pytest.mark.parametrize("name", ENTRY_TYPES)
@pytest.mark.parametrize("blank", ["", " \n\t", "\u2003"], ids=["none", "blank", "em space"])
def test_the_words_that_a_type_needs_have_to_be_given(name: str, blank: str) -> None:
    one = pb.Draft()
    one.CopyFrom(BARE[name])
    needed = list(ENTRY_TYPES[name].rule.words)
    for field in needed:
        setattr(one.words, field, blank)

    missing = {path for reason, path in found(one) if reason == "FIELD_REQUIRED"}
    assert {f"words.{field}" for field in needed} <= missing


def _one_word(name: str) -> pb.Words:
    """Words of which only this one is given."""
    if name == "term_texts":
        return pb.Words(term_texts=[pb.TermText(key="x", text="x")])
    if name == "sources":
        return pb.Words(sources=[SOURCE])
    words = pb.Words()
    if name in {"aliases", "conditions"}:
        getattr(words, name).append("x")
    else:
        setattr(words, name, DIGEST if name == "digest" else "x")
    return words


@pytest.mark.parametrize("name", ENTRY_TYPES)
def test_a_type_takes_its_own_words_and_no_others(name: str) -> None:
    rule = ENTRY_TYPES[name].rule
    taken = {*drafts.WORDS_OF_ALL, *rule.words, *rule.optional_words}
    refused = set()
    for field in pb.Words.DESCRIPTOR.fields:
        one = pb.Draft(facts=BARE[name].facts, words=_one_word(field.name))
        if ("FIELD_NOT_ALLOWED", f"words.{field.name}") in found(one):
            refused.add(field.name)

    if name == "question_resolved":
        refused.discard("answer")  # It depends on the resolution, and is tried with it.
    assert refused == {field.name for field in pb.Words.DESCRIPTOR.fields} - taken


@pytest.mark.parametrize(
    "good", ["a", "0", "a" * 64, "renault", "s-1", "a.b_c-d", "3m", "0190c8e2-0000-7000"]
)
def test_an_id(good: str) -> None:
    assert found(said(good, "acme")) == []
    drafts.check_id(good, "id")
    assert drafts.check_name(f"negotiations/{good}", "name") == good


@pytest.mark.parametrize(
    "bad",
    ["A", "-a", ".a", "_a", "a b", "a/b", "é", "a\x00", "a\n", "\u202ea", "a" * 65, "²", "a\u200b"],
)
def test_no_id(bad: str) -> None:
    assert found(said(bad, "acme")) == [("ID_INVALID", f"{SPEECH}.statement_id")]
    assert found(said("s", bad)) == [("ID_INVALID", f"{SPEECH}.speakers[0]")]
    with pytest.raises(RefusalError) as caught:
        drafts.check_id(bad, "id")
    assert (caught.value.reason, caught.value.field) == (pb.ERROR_REASON_ID_INVALID, "id")
    with pytest.raises(RefusalError) as caught:
        drafts.check_name(f"negotiations/{bad}", "name")
    assert (caught.value.reason, caught.value.field) == (pb.ERROR_REASON_ID_INVALID, "name")


@pytest.mark.parametrize(
    "bad", ["a", "negotiations", "negotiations/", "topics/a", "negotiations/-"]
)
def test_no_name_of_a_negotiation(bad: str) -> None:
    with pytest.raises(RefusalError) as caught:
        drafts.check_name(bad, "name")

    assert caught.value.reason == pb.ERROR_REASON_ID_INVALID


def test_a_name_has_to_be_given() -> None:
    with pytest.raises(RefusalError) as caught:
        drafts.check_name("", "negotiation")

    assert (caught.value.reason, caught.value.field) == (
        pb.ERROR_REASON_FIELD_REQUIRED,
        "negotiation",
    )


@pytest.mark.parametrize("good", ["", "a", "x" * 128, "A b/c:1#~"])
def test_a_request_id(good: str) -> None:
    drafts.check_request_id(good, "request_id")


@pytest.mark.parametrize("bad", ["x" * 129, "é", "a\n", "\x7f", "\x00"])
def test_no_request_id(bad: str) -> None:
    with pytest.raises(RefusalError) as caught:
        drafts.check_request_id(bad, "request_id")

    assert (caught.value.reason, caught.value.field) == (
        pb.ERROR_REASON_FIELD_INVALID,
        "request_id",
    )


@pytest.mark.parametrize(
    "text",
    ["a\x00b", "\x1b[31mred\x07", "\u202egnp.exe", "Größe\r\n\ttab", "\U0001f91d", "e\u0301"],
    ids=["nul", "escape", "right to left", "breaks", "beyond the basic plane", "combining"],
)
def test_what_was_said_is_kept_as_it_was_said(text: str) -> None:
    one = draft(said("s", "acme").facts.statement_recorded, pb.Words(text=text))
    drafts.prepare(one, edtf.bounds)

    assert found(one) == []
    assert one.words.text == text


def _long(one: pb.Draft, path: str, text: str) -> pb.Draft:
    message: Message = one
    *way, last = path.split(".")
    for name in way:
        message = getattr(message, name)
    setattr(message, last, text)
    return one


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("words.text", LONGEST_TEXT),
        ("words.as_role", LONGEST_WORDS),
        ("words.occurred_verbatim", LONGEST_WORDS),
        ("words.author", LONGEST_WORDS),
    ],
)
@pytest.mark.parametrize("letter", ["a", "é", "東", "\U0001f91d"], ids=["1", "2", "3", "4"])
def test_texts_have_a_length_in_bytes(path: str, most: int, letter: str) -> None:
    fitting = letter * (most // len(letter.encode()))

    assert found(_long(said("s", "acme"), path, fitting)) == []
    assert found(_long(said("s", "acme"), path, fitting + letter)) == [("LIMIT_EXCEEDED", path)]


def test_texts_in_lists_have_a_length_too() -> None:
    one = joined("acme")
    one.words.aliases.extend(["x", "x" * (LONGEST_WORDS + 1)])

    assert found(one) == [("LIMIT_EXCEEDED", "words.aliases[1]")]


def test_lists_have_a_length() -> None:
    one = said("s", "acme")
    one.facts.statement_recorded.topic_ids.extend(f"t{i}" for i in range(LONGEST_LIST))
    assert found(one) == []

    one.facts.statement_recorded.topic_ids.append("more")
    assert found(one) == [("LIMIT_EXCEEDED", f"{SPEECH}.topic_ids")]


def test_an_entry_has_so_many_terms() -> None:
    event = pb.QuestionRaised(question_id="q")
    for place in range(MOST_TERMS):
        event.about.add(
            key=f"k{place}", type=pb.TERM_TYPE_BOOL, qualifier=pb.TERM_QUALIFIER_UNKNOWN
        )
    assert found(event) == []

    event.about.add(key="more", type=pb.TERM_TYPE_BOOL, qualifier=pb.TERM_QUALIFIER_UNKNOWN)
    assert found(event) == [("LIMIT_EXCEEDED", "facts.question_raised.about")]


def test_a_million_ids_are_refused_and_not_read() -> None:
    one = said("s", "acme")
    one.facts.concerns.extend(["No id"] * 1_000_000)

    assert found(one) == [("LIMIT_EXCEEDED", "facts.concerns")]


def test_a_list_of_ids_names_nothing_twice() -> None:
    assert found(said("s", "a", "b", "c", "b")) == [("DUPLICATE", f"{SPEECH}.speakers[3]")]


def test_a_number_that_no_enum_has_is_not_known() -> None:
    one = said("s", "acme")
    one.facts.statement_recorded.act = 99  # type: ignore[assignment]
    one.facts.provenance.basis = -1  # type: ignore[assignment]

    assert found(one) == [
        ("ENUM_UNKNOWN", "facts.provenance.basis"),
        ("ENUM_UNKNOWN", f"{SPEECH}.act"),
    ]


@pytest.mark.parametrize("place", ["", "facts", SPEECH, "words"])
def test_a_field_that_this_version_does_not_know_is_not_let_in(place: str) -> None:
    one = said("s", "acme")
    message: Message = one
    for name in filter(None, place.split(".")):
        message = getattr(message, name)
    message.MergeFromString(b"\xc2\x3e\x01x")  # field 1000, one byte

    assert found(one) == [("FIELD_NOT_ALLOWED", place)]


def test_an_entry_type_of_a_later_version_is_not_let_in() -> None:
    one = said("s", "acme")
    one.facts.ClearField("statement_recorded")
    one.facts.MergeFromString(b"\xc2\x3e\x00")

    assert found(one) == [("FIELD_NOT_ALLOWED", "facts"), ("FIELD_REQUIRED", "facts.event")]


HEARD, HEARSAY = (DIRECT, ON_RECORD), (REPORTED, UNATTRIBUTED, ANALYSIS)


@pytest.mark.parametrize("basis", HEARD, ids=["direct", "on record"])
def test_what_was_heard_has_speakers(basis: pb.Basis.ValueType) -> None:
    assert found(speech("acme", basis=basis)) == []
    assert found(speech("acme", "bolt", basis=basis)) == []
    assert found(speech(basis=basis)) == [("SPEAKER_REQUIRED", f"{SPEECH}.speakers")]
    assert found(speech("acme", basis=basis, attributed_to=("bolt",))) == [
        ("ATTRIBUTION_NOT_ALLOWED", f"{SPEECH}.attributed_to")
    ]


def test_what_is_reported_is_attributed() -> None:
    assert found(speech(basis=REPORTED, attributed_to=("acme", "bolt"))) == []
    assert found(speech(basis=REPORTED, described="a minister")) == []
    assert found(speech(basis=REPORTED)) == [("ATTRIBUTION_REQUIRED", f"{SPEECH}.attributed_to")]
    assert found(speech("acme", basis=REPORTED, described="a minister")) == [
        ("SPEAKER_NOT_ALLOWED", f"{SPEECH}.speakers")
    ]


def test_what_is_unattributed_describes_its_speaker_and_names_nobody() -> None:
    assert found(speech(basis=UNATTRIBUTED, described="people close to it")) == []
    assert found(speech(basis=UNATTRIBUTED)) == [
        ("DESCRIPTION_REQUIRED", "words.speaker_described")
    ]
    assert found(
        speech("acme", basis=UNATTRIBUTED, attributed_to=("bolt",), described="people")
    ) == [
        ("SPEAKER_NOT_ALLOWED", f"{SPEECH}.speakers"),
        ("ATTRIBUTION_NOT_ALLOWED", f"{SPEECH}.attributed_to"),
    ]


def test_an_analysis_names_nobody() -> None:
    assert found(speech(basis=ANALYSIS)) == []
    assert found(speech("acme", basis=ANALYSIS)) == [("SPEAKER_NOT_ALLOWED", f"{SPEECH}.speakers")]
    assert found(speech(basis=ANALYSIS, attributed_to=("acme",))) == [
        ("ATTRIBUTION_NOT_ALLOWED", f"{SPEECH}.attributed_to")
    ]


@pytest.mark.parametrize(
    "basis", [ON_RECORD, REPORTED, UNATTRIBUTED], ids=["on record", "reported", "unattributed"]
)
def test_what_was_read_has_a_source(basis: pb.Basis.ValueType) -> None:
    one = draft(topic().facts.topic_added, basis=basis)
    assert found(one) == []

    one.words.ClearField("sources")
    assert found(one) == [("SOURCE_REQUIRED", "words.sources")]


def test_what_was_inferred_has_an_author_or_a_source() -> None:
    one = draft(topic().facts.topic_added, basis=ANALYSIS)
    assert found(one) == []

    one.words.author = " "
    assert found(one) == [("AUTHOR_REQUIRED", "words.author")]
    one.words.sources.append(SOURCE)
    assert found(one) == []


def test_what_is_unattributed_describes_its_speaker_whatever_its_type() -> None:
    one = draft(topic().facts.topic_added, basis=UNATTRIBUTED)
    one.words.speaker_described = " "

    assert found(one) == [("DESCRIPTION_REQUIRED", "words.speaker_described")]


@pytest.mark.parametrize(
    ("speakers", "joint"), [(["a"], True), (["a", "b"], False)], ids=["one", "two"]
)
def test_a_statement_is_joint_exactly_if_it_is_of_several(
    speakers: list[str], *, joint: bool
) -> None:
    event = pb.StatementRecorded(statement_id="s", speakers=speakers, joint=joint, act=ASSERT)

    assert found(event) == [("JOINT_MISMATCH", f"{SPEECH}.joint")]


@pytest.mark.parametrize("act", [pb.STATEMENT_ACT_CONFIRM, pb.STATEMENT_ACT_DENY])
def test_to_confirm_or_deny_is_to_reply(act: pb.StatementAct.ValueType) -> None:
    event = pb.StatementRecorded(statement_id="s", speakers=["a"], act=act)
    assert found(event) == [("REPLY_REQUIRED", f"{SPEECH}.in_reply_to")]

    event.in_reply_to = "t"
    assert found(event) == []


REFUSED: dict[str, tuple[pb.Draft | Message, str, str]] = {
    "a predecessor that is no name": (
        pb.NegotiationOpened(predecessor="first"),
        "ID_INVALID",
        "facts.negotiation_opened.predecessor",
    ),
    "a representative of nobody": (
        joined("a", pb.PARTICIPANT_ROLE_REPRESENTATIVE),
        "FIELD_REQUIRED",
        "facts.participant_joined.represents",
    ),
    "a cohort of none": (
        joined("a", kind=pb.PARTICIPANT_KIND_COHORT),
        "FIELD_REQUIRED",
        "facts.participant_joined.count",
    ),
    "a member of itself": (
        joined("a", members=["b", "a"]),
        "FIELD_INVALID",
        "facts.participant_joined.members[1]",
    ),
    "a change of nothing": (
        pb.ParticipantChanged(participant_id="a"),
        "FIELD_REQUIRED",
        "facts.participant_changed",
    ),
    "an owner of itself": (
        pb.ParticipantChanged(
            participant_id="a", owned_by=pb.ParticipantList(participant_ids=["a"])
        ),
        "FIELD_INVALID",
        "facts.participant_changed.owned_by.participant_ids[0]",
    ),
    "an exclusion by nobody": (
        pb.ParticipantLeft(participant_id="a", leaving_reason=pb.LEAVING_REASON_EXCLUDED),
        "FIELD_REQUIRED",
        "facts.participant_left.by",
    ),
    "a caucus of nobody": (
        pb.SessionOpened(session_id="s", kind=pb.SESSION_KIND_CAUCUS),
        "FIELD_REQUIRED",
        "facts.session_opened.attendees",
    ),
    "a session restricted to nobody": (
        pb.SessionOpened(
            session_id="s",
            kind=pb.SESSION_KIND_CALL,
            default_visibility=pb.Visibility(level=pb.VISIBILITY_LEVEL_RESTRICTED),
        ),
        "FIELD_REQUIRED",
        "facts.session_opened.default_visibility.audience",
    ),
    "a language that is none": (
        pb.StatementRecorded(statement_id="s", speakers=["a"], act=ASSERT, language="English (UK)"),
        "FIELD_INVALID",
        f"{SPEECH}.language",
    ),
    "an answer that is missing": (
        pb.QuestionResolved(question_id="q", resolution=pb.QUESTION_RESOLUTION_ANSWERED),
        "FIELD_REQUIRED",
        "words.answer",
    ),
    "an answer to what is moot": (
        draft(
            pb.QuestionResolved(question_id="q", resolution=pb.QUESTION_RESOLUTION_MOOT),
            pb.Words(answer="Yes."),
        ),
        "FIELD_NOT_ALLOWED",
        "words.answer",
    ),
    "an offer to nobody": (
        pb.ProposalMade(proposal_id="p", by=["a"], binding=pb.PROPOSAL_BINDING_BINDING),
        "FIELD_REQUIRED",
        "facts.proposal_made.to",
    ),
    "an acceptance on conditions": (
        draft(
            pb.ProposalAnswered(proposal_id="p", by="a", answer=pb.ANSWER_ACCEPT),
            pb.Words(conditions=["If."]),
        ),
        "FIELD_NOT_ALLOWED",
        "words.conditions",
    ),
    "an offer withdrawn by nobody": (
        pb.ProposalClosed(proposal_id="p", how=pb.PROPOSAL_CLOSING_WITHDRAWN),
        "FIELD_REQUIRED",
        "facts.proposal_closed.by",
    ),
    "an offer lapsed by somebody": (
        pb.ProposalClosed(proposal_id="p", how=pb.PROPOSAL_CLOSING_LAPSED, by=["a"]),
        "FIELD_NOT_ALLOWED",
        "facts.proposal_closed.by",
    ),
    "a rule of votes without its rule": (
        pb.NegotiationOpened(acceptance_rule=pb.ACCEPTANCE_RULE_VOTE),
        "FIELD_REQUIRED",
        "facts.negotiation_opened.voting_rule",
    ),
    "a share above all": (
        pb.ProposalMade(
            proposal_id="p",
            by=["a"],
            to=["b"],
            binding=pb.PROPOSAL_BINDING_BINDING,
            voting_rule=pb.VotingRule(quorum="3/2"),
        ),
        "FIELD_INVALID",
        "facts.proposal_made.voting_rule.quorum",
    ),
    "a weight below zero": (
        pb.ProposalMade(
            proposal_id="p",
            by=["a"],
            to=["b"],
            binding=pb.PROPOSAL_BINDING_BINDING,
            voting_rule=pb.VotingRule(weights=[pb.VoteWeight(participant_id="b", weight="-1")]),
        ),
        "FIELD_INVALID",
        "facts.proposal_made.voting_rule.weights[0].weight",
    ),
    "a count that is no number": (
        pb.ProposalClosed(
            proposal_id="p", how=pb.PROPOSAL_CLOSING_VOTED, tally=pb.Tally(yes="many")
        ),
        "FIELD_INVALID",
        "facts.proposal_closed.tally.yes",
    ),
    "a silence that acts": (
        pb.ProposalClosed(proposal_id="p", how=pb.PROPOSAL_CLOSING_ACCEPTED_BY_SILENCE, by=["a"]),
        "FIELD_NOT_ALLOWED",
        "facts.proposal_closed.by",
    ),
    "an approval of nothing": (
        pb.ApprovalRecorded(by=["a"], act=pb.APPROVAL_ACT_SIGNED),
        "FIELD_REQUIRED",
        "facts.approval_recorded",
    ),
    "a debt with conditions that is not conditional": (
        draft(pb.CommitmentMade(commitment_id="c", debtors=["a"]), pb.Words(conditions=["If."])),
        "FIELD_INVALID",
        "facts.commitment_made.conditional",
    ),
    "a step reached at no time": (
        pb.MilestoneClosed(milestone_id="m", outcome=pb.MILESTONE_OUTCOME_REACHED),
        "FIELD_REQUIRED",
        "facts.milestone_closed.actual",
    ),
    "a step cancelled at some time": (
        pb.MilestoneClosed(
            milestone_id="m",
            outcome=pb.MILESTONE_OUTCOME_CANCELLED,
            actual=pb.FuzzyDate(edtf="2026"),
        ),
        "FIELD_NOT_ALLOWED",
        "facts.milestone_closed.actual",
    ),
    "a digest that is none": (
        draft(pb.DocumentAttached(document_id="d"), pb.Words(digest="md5:00")),
        "FIELD_INVALID",
        "words.digest",
    ),
    "a media type that is none": (
        pb.DocumentAttached(document_id="d", media_type="PDF"),
        "FIELD_INVALID",
        "facts.document_attached.media_type",
    ),
    "a source without an id": (
        draft(topic().facts.topic_added, pb.Words(sources=[pb.Source(kind=SOURCE.kind)])),
        "FIELD_REQUIRED",
        "words.sources[0].id",
    ),
    "a source with a digest that is none": (
        draft(
            topic().facts.topic_added,
            pb.Words(sources=[pb.Source(id="s", kind=SOURCE.kind, digest="sha256:0")]),
        ),
        "FIELD_INVALID",
        "words.sources[0].digest",
    ),
    "a term without a qualifier": (
        pb.QuestionRaised(question_id="q", about=[pb.Term(key="k", type=pb.TERM_TYPE_PERCENT)]),
        "FIELD_REQUIRED",
        "facts.question_raised.about[0].qualifier",
    ),
    "a term that does not fit": (
        pb.QuestionRaised(
            question_id="q",
            about=[
                pb.Term(
                    key="k",
                    type=pb.TERM_TYPE_PERCENT,
                    qualifier=pb.TERM_QUALIFIER_EXACT,
                    value="half",
                )
            ],
        ),
        "TERM_INVALID",
        "facts.question_raised.about[0].value",
    ),
    "a disclosure to nobody in particular": (
        pb.EntryDisclosed(target_version=1, disclosed_to=pb.Visibility()),
        "FIELD_REQUIRED",
        "facts.entry_disclosed.disclosed_to.level",
    ),
    "a disclosure to all, and to some": (
        pb.EntryDisclosed(
            target_version=1,
            disclosed_to=pb.Visibility(level=pb.VISIBILITY_LEVEL_PUBLIC, audience=["a"]),
        ),
        "FIELD_NOT_ALLOWED",
        "facts.entry_disclosed.disclosed_to.audience",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    one, reason, field = REFUSED[case]

    assert found(one) == [(reason, field)]


def test_who_may_see_an_entry_is_said_in_one_way() -> None:
    nobody = pb.Visibility(level=pb.VISIBILITY_LEVEL_RESTRICTED)
    both = pb.Visibility(level=pb.VISIBILITY_LEVEL_PARTIES, audience=["acme"])
    unsaid = pb.Visibility(audience=["acme"])

    for fine in (PUBLIC, PARTIES, restricted("acme"), pb.Visibility()):
        assert found(said("s", "acme", visibility=fine)) == []
    audience = "facts.visibility.audience"
    assert found(said("s", "acme", visibility=nobody)) == [("FIELD_REQUIRED", audience)]
    assert found(said("s", "acme", visibility=both)) == [("FIELD_NOT_ALLOWED", audience)]
    assert found(said("s", "acme", visibility=unsaid)) == [("FIELD_NOT_ALLOWED", audience)]


@pytest.mark.parametrize("good", ["en", "fr-CA", "zh-Hant-TW", "de-1996", "x-klingon"])
def test_a_language(good: str) -> None:
    event = pb.StatementRecorded(statement_id="s", speakers=["a"], act=ASSERT, language=good)

    assert found(event) == []


@pytest.mark.parametrize("good", ["application/pdf", "text/plain; charset=utf-8", "image/svg+xml"])
def test_a_media_type(good: str) -> None:
    assert found(pb.DocumentAttached(document_id="d", media_type=good)) == []


def correction(mode: pb.CorrectionMode.ValueType, instead: pb.Draft | None) -> pb.Draft:
    """A correction with these facts and words in the place of those recorded."""
    event = pb.EntryCorrected(
        target_version=2,
        mode=mode,
        kind=pb.CORRECTION_KIND_RECORDER,
        replacement=instead.facts if instead else None,
    )
    return draft(event, instead.words if instead else None)


REPLACE, ANNUL = pb.CORRECTION_MODE_REPLACE, pb.CORRECTION_MODE_ANNUL
REPLACEMENT = "facts.entry_corrected.replacement"


def test_a_replacement_is_given_with_replace_and_only_with_it() -> None:
    assert found(correction(REPLACE, said("s", "acme"))) == []
    assert found(correction(ANNUL, None)) == []
    assert found(correction(REPLACE, None)) == [("FIELD_REQUIRED", REPLACEMENT)]
    assert ("FIELD_NOT_ALLOWED", REPLACEMENT) in found(correction(ANNUL, said("s", "acme")))


def test_what_replaces_an_entry_has_the_shape_of_its_type() -> None:
    bad = correction(REPLACE, said("S", "acme"))
    bad.facts.entry_corrected.replacement.statement_recorded.joint = True
    bad.words.text = ""

    assert found(bad) == [
        ("ID_INVALID", f"{REPLACEMENT}.statement_recorded.statement_id"),
        ("FIELD_REQUIRED", "words.text"),
        ("JOINT_MISMATCH", f"{REPLACEMENT}.statement_recorded.joint"),
    ]


def test_what_replaces_an_entry_has_the_words_of_its_type() -> None:
    bad = correction(REPLACE, said("s", "acme"))
    bad.words.title = "Out of place"
    annulling = correction(ANNUL, None)
    annulling.words.text = "Out of place"

    assert found(bad) == [("FIELD_NOT_ALLOWED", "words.title")]
    assert found(annulling) == [("FIELD_NOT_ALLOWED", "words.text")]


def test_what_replaces_an_entry_says_how_it_is_known() -> None:
    bare = correction(REPLACE, said("s", "acme"))
    bare.facts.entry_corrected.replacement.ClearField("provenance")
    unsourced = correction(REPLACE, draft(topic().facts.topic_added))
    unsourced.facts.entry_corrected.replacement.provenance.basis = ON_RECORD

    assert found(bare) == [("FIELD_REQUIRED", f"{REPLACEMENT}.provenance")]
    assert found(unsourced) == [("SOURCE_REQUIRED", "words.sources")]


def test_who_may_see_an_entry_is_not_corrected() -> None:
    one = correction(REPLACE, said("s", "acme", visibility=PARTIES))

    assert found(one) == [("FIELD_NOT_ALLOWED", f"{REPLACEMENT}.visibility")]


def test_a_replacement_is_about_no_other_entry() -> None:
    inner = draft(pb.EntryDisclosed(target_version=1, disclosed_to=PARTIES))

    assert found(correction(REPLACE, inner)) == [
        ("FIELD_NOT_ALLOWED", f"{REPLACEMENT}.entry_disclosed")
    ]


def test_a_replacement_says_what_happened() -> None:
    one = correction(REPLACE, said("s", "acme"))
    one.facts.entry_corrected.replacement.ClearField("statement_recorded")
    one.words.ClearField("text")

    assert found(one) == [("FIELD_REQUIRED", f"{REPLACEMENT}.event")]


def test_corrections_within_corrections_end_in_a_refusal() -> None:
    one = correction(REPLACE, said("s", "acme"))
    for _ in range(20):
        one = correction(REPLACE, one)
        drafts.prepare(one, edtf.bounds)

    assert ("FIELD_NOT_ALLOWED", f"{REPLACEMENT}.entry_corrected") in found(one)


def settled(one: pb.Draft) -> list[tuple[str, str]]:
    """What is wrong with the dates of a draft."""
    try:
        drafts.prepare(one, edtf.bounds)
    except RefusalError as refusal:
        return [(reason_name(each.reason), each.field) for each in refusal.violations]
    return []


FORGED = pb.FuzzyDate(edtf="2023-41", earliest="1999-01-01", latest="bogus")
DATED: dict[str, Message] = {
    "negotiation_suspended.expected_resume": pb.NegotiationSuspended(expected_resume=FORGED),
    "proposal_made.expires": pb.ProposalMade(expires=FORGED),
    "agreement_recorded.effective": pb.AgreementRecorded(effective=FORGED),
    "agreement_recorded.ends": pb.AgreementRecorded(ends=FORGED),
    "agreement_status_changed.effective": pb.AgreementStatusChanged(effective=FORGED),
    "agreement_status_changed.ends": pb.AgreementStatusChanged(ends=FORGED),
    "commitment_made.due": pb.CommitmentMade(due=FORGED),
    "milestone_planned.expected": pb.MilestonePlanned(expected=FORGED),
    "milestone_closed.actual": pb.MilestoneClosed(actual=FORGED),
}


def _dates(message: Message) -> list[str]:
    return [
        f"{name}.{field.name}"
        for name, one in ENTRY_TYPES.items()
        for field in one.descriptor.fields
        if field.message_type is message.DESCRIPTOR
    ]


def test_every_date_of_every_type_is_tried() -> None:
    assert _dates(FORGED) == list(DATED)


@pytest.mark.parametrize("path", DATED)
def test_the_bounds_of_dates_are_the_services_own(path: str) -> None:
    kind, field = path.split(".")
    one = draft(DATED[path], occurred=FORGED)
    correcting = correction(REPLACE, one)

    assert settled(one) == settled(correcting) == []
    for facts in (one.facts, correcting.facts.entry_corrected.replacement):
        for date in (facts.occurred, getattr(getattr(facts, kind), field)):
            assert (date.earliest, date.latest) == ("2023-07-01", "2023-12-31")


def test_an_instant_has_bounds_too() -> None:
    one = draft(
        topic().facts.topic_added,
        occurred=pb.FuzzyDate(instant=Timestamp(seconds=1_665_388_800, nanos=5)),
    )

    assert settled(one) == []
    assert one.facts.occurred.earliest == "2022-10-10T08:00:00.000000005Z"
    assert one.facts.occurred.latest == one.facts.occurred.earliest


def test_what_is_the_services_own_is_cleared() -> None:
    one = correction(REPLACE, said("s", "acme"))
    for facts in (one.facts, one.facts.entry_corrected.replacement):
        facts.request_id, facts.recorded_by = "forged", "the king"

    assert settled(one) == []
    for facts in (one.facts, one.facts.entry_corrected.replacement):
        assert (facts.request_id, facts.recorded_by) == ("", "")


def test_all_dates_that_cannot_be_read_are_refused_at_once() -> None:
    nonsense = pb.FuzzyDate(edtf="in May")
    beyond = pb.FuzzyDate(instant=Timestamp(seconds=2**62))
    one = correction(
        REPLACE, draft(pb.MilestonePlanned(expected=nonsense), occurred=pb.FuzzyDate())
    )
    one.facts.occurred.CopyFrom(beyond)
    one.words.sources.add(id="s", kind=SOURCE.kind, published="2022-02-30")
    one.words.sources[0].retrieve_time.nanos = -1

    assert settled(one) == [
        ("DATE_INVALID", "facts.occurred"),
        ("DATE_INVALID", f"{REPLACEMENT}.occurred"),
        ("DATE_INVALID", f"{REPLACEMENT}.milestone_planned.expected"),
        ("DATE_INVALID", "words.sources[0].published"),
        ("DATE_INVALID", "words.sources[0].retrieve_time"),
    ]


def test_a_draft_of_nothing_is_settled_and_not_filled_in() -> None:
    one = pb.Draft()

    assert settled(one) == []
    assert one == pb.Draft()


BYTES = st.binary(max_size=200) | st.sampled_from(
    [opened().SerializeToString(), said("s", "a", "b").SerializeToString()]
).flatmap(
    lambda whole: st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)).map(
        lambda at: whole[: at[0]] + bytes([at[1]]) + whole[at[0] + 1 :]
    )
)


@settings(max_examples=300)
@given(BYTES)
def test_whatever_can_be_parsed_is_refused_or_let_in(data: bytes) -> None:
    one = pb.Draft()
    try:
        one.MergeFromString(data)
    except Exception:  # noqa: BLE001 - each runtime has its own error for bytes that are no message
        return
    settled(one)
    found(one)
