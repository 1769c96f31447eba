"""Validation of a draft without the state of its negotiation. Pure."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.contract import ENTRY_TYPES
from pourparler.state.corrections import AMENDING_TYPES
from pourparler_service.domain.refusal import ViolationList, quoted, refuse
from pourparler_service.validation.fields import (
    ID,
    ID_RULE,
    LONGEST_LIST,
    check_fields,
    forbid,
    is_missing,
    require,
)
from pourparler_service.validation.terms import check_terms
from pourparler_service.validation.votes import check_tally, check_voting_rule

LONGEST_REQUEST_ID = 128
"""The maximum length of a request id in characters."""

WORDS_OF_ALL = frozenset({"sources", "author", "speaker_described", "occurred_verbatim"})
"""The fields of `Words` that every entry type may have."""

_COLLECTION = "negotiations/"
_DIGEST = re.compile(r"sha256:[0-9a-fA-F]{64}")
_DIGEST_RULE = "'sha256:' and 64 hexadecimal digits"
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,8}")
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,64}/[\w.+-]{1,64}(?:; ?[\w-]{1,64}=[\w.+-]{1,64})?", re.ASCII)


def check_id(text: str, field: str) -> None:
    """Raise RefusalError if a text is not an id."""
    if not ID.fullmatch(text):
        refuse(pb.ERROR_REASON_ID_INVALID, f"The id {quoted(text)} is not {ID_RULE}.", field)


def check_name(name: str, field: str) -> str:
    """Return the id in a negotiation name; raise RefusalError if it is not `negotiations/{id}`."""
    if not name:
        refuse(pb.ERROR_REASON_FIELD_REQUIRED, "The name of the negotiation is missing.", field)
    if not _is_name(name):
        refuse(pb.ERROR_REASON_ID_INVALID, _name_error(name), field)
    return name.removeprefix(_COLLECTION)


def check_request_id(text: str, field: str) -> None:
    """Raise RefusalError if a text is not a request id. An empty text stands for no request id."""
    if len(text) > LONGEST_REQUEST_ID or not (text.isascii() and text.isprintable()):
        rule = f"at most {LONGEST_REQUEST_ID} printable ASCII characters"
        text = f"The request id {quoted(text)} is not {rule}."
        refuse(pb.ERROR_REASON_FIELD_INVALID, text, field)


def _is_name(name: str) -> bool:
    return name.startswith(_COLLECTION) and bool(ID.fullmatch(name, len(_COLLECTION)))


def _name_error(name: str) -> str:
    return f"The name {quoted(name)} is not 'negotiations/' followed by an id: {ID_RULE}."


def prepare(draft: pb.Draft, bounds: Callable[[str], edtf.Bounds]) -> None:
    """Prepare a draft for its checks: set the bounds of its dates, clear the fields of the service.

    Dates are in EDTF. Raise RefusalError for each date that cannot be parsed.
    """
    found = ViolationList()
    if draft.HasField("facts"):
        _prepare_facts(found, draft.facts, bounds, "facts")
    for place, source in enumerate(draft.words.sources[:LONGEST_LIST]):
        if source.published:
            _bounds(found, f"words.sources[{place}].published", bounds, source.published)
        if source.HasField("retrieve_time"):
            when, here = source.retrieve_time, f"words.sources[{place}].retrieve_time"
            _bounds(found, here, edtf.instant_bounds, when.seconds, when.nanos)
    found.raise_if_any()


def _prepare_facts(
    found: ViolationList, facts: pb.Facts, bounds: Callable[[str], edtf.Bounds], path: str
) -> None:
    facts.ClearField("request_id")
    facts.ClearField("recorded_by")
    if facts.HasField("occurred"):
        _prepare_date(found, facts.occurred, bounds, f"{path}.occurred")
    kind = facts.WhichOneof("event")
    if kind is None:
        return
    for field in _DATES[kind]:
        event: Message = getattr(facts, kind)
        if event.HasField(field):
            _prepare_date(found, getattr(event, field), bounds, f"{path}.{kind}.{field}")
    if kind == "access_granted" and facts.access_granted.HasField("end_time"):
        when, here = facts.access_granted.end_time, f"{path}.{kind}.end_time"
        _bounds(found, here, edtf.instant_bounds, when.seconds, when.nanos)
    if kind == "entry_corrected" and facts.entry_corrected.HasField("replacement"):
        here = f"{path}.entry_corrected.replacement"
        _prepare_facts(found, facts.entry_corrected.replacement, bounds, here)


_DATES = {
    name: [
        field.name
        for field in kind.descriptor.fields
        if field.message_type is pb.FuzzyDate.DESCRIPTOR
    ]
    for name, kind in ENTRY_TYPES.items()
}
"""The date fields of the event, by entry type."""


def _prepare_date(
    found: ViolationList, date: pb.FuzzyDate, bounds: Callable[[str], edtf.Bounds], path: str
) -> None:
    if date.WhichOneof("date") == "instant":
        when = date.instant
        read = _bounds(found, path, edtf.instant_bounds, when.seconds, when.nanos)
    else:
        read = _bounds(found, path, bounds, date.edtf)
    date.earliest, date.latest = read


def _bounds(
    found: ViolationList, path: str, read: Callable[..., edtf.Bounds], *date: str | int
) -> edtf.Bounds:
    try:
        return read(*date)
    except edtf.InvalidDateError as refused:
        text = str(refused)
        found.add(pb.ERROR_REASON_DATE_INVALID, f"{text[:1].upper()}{text[1:]}.", path)
        return edtf.Bounds("", "")


def check_draft(draft: pb.Draft) -> None:
    """Raise RefusalError with all violations of a draft that no negotiation could accept."""
    found = ViolationList()
    check_fields(found, draft, "")
    if draft.HasField("facts"):
        _check_facts(found, draft.facts, draft.words, "facts")
        _check_words(found, draft)
    found.raise_if_any()


class _AllowedWords(NamedTuple):
    """The words that an entry type, or a correction and its replacement, requires and allows."""

    title: str
    needed: Sequence[str]
    allowed: Collection[FieldDescriptor]


@cache
def _allowed_words(*kinds: str) -> _AllowedWords:
    types = [ENTRY_TYPES[kind] for kind in kinds]
    needed = [name for one in types for name in one.rule.words]
    allowed = WORDS_OF_ALL.union(needed, *(one.rule.optional_words for one in types))
    fields = pb.Words.DESCRIPTOR.fields_by_name
    return _AllowedWords(types[-1].title, needed, frozenset(fields[name] for name in allowed))


def _check_words(found: ViolationList, draft: pb.Draft) -> None:
    """Find words that the entry type does not allow, and missing words that it requires."""
    kind, words = draft.facts.WhichOneof("event"), draft.words
    if kind is None:
        return
    corrects = kind == "entry_corrected"
    instead = draft.facts.entry_corrected.replacement.WhichOneof("event") if corrects else None
    allowed_words = _allowed_words(kind) if instead is None else _allowed_words(kind, instead)
    for field, _ in words.ListFields():
        if field not in allowed_words.allowed:
            forbid(found, f"words.{field.name}", f"the type {allowed_words.title} does not have it")
    for name in allowed_words.needed:
        if is_missing(words, name):
            require(found, f"words.{name}")
    _match(found, _DIGEST, words.digest, "words.digest", _DIGEST_RULE)
    for place, source in enumerate(words.sources[:]):
        _match(found, _DIGEST, source.digest, f"words.sources[{place}].digest", _DIGEST_RULE)


def _match(
    found: ViolationList, pattern: re.Pattern[str], value: str, path: str, rule: str
) -> None:
    if value and not pattern.fullmatch(value):
        text = f"{quoted(value)} is not {rule}."
        found.add(pb.ERROR_REASON_FIELD_INVALID, text, path)


def _check_facts(found: ViolationList, facts: pb.Facts, words: pb.Words, path: str) -> None:
    """Find the violations of the facts of an entry, or of a replacement, as a whole."""
    kind = facts.WhichOneof("event")
    if kind is None:
        require(found, f"{path}.event", "choose one of the entry types")
        return
    check = _DraftCheck(found, facts.provenance.basis, words, f"{path}.{kind}")
    check.provenance()
    if facts.HasField("visibility"):
        check.visibility(facts.visibility, f"{path}.visibility")
    event = getattr(facts, kind)
    if kind in _TERMS:
        field = _TERMS[kind]
        check_terms(found, getattr(event, field), words.term_texts, f"{check.path}.{field}")
    if kind in _CHECKS_BY_TYPE:
        _CHECKS_BY_TYPE[kind](check, event)


_TERMS = {
    name: field.name
    for name, kind in ENTRY_TYPES.items()
    for field in kind.descriptor.fields
    if field.message_type is pb.Term.DESCRIPTOR
}
_SOURCED = frozenset({pb.BASIS_ON_RECORD, pb.BASIS_REPORTED, pb.BASIS_UNATTRIBUTED})
_WITH_SPEAKERS = frozenset({pb.BASIS_DIRECT, pb.BASIS_ON_RECORD})
_WITHOUT_SPEAKERS = frozenset({pb.BASIS_REPORTED, pb.BASIS_UNATTRIBUTED, pb.BASIS_ANALYSIS})
_NOT_REPORTED = _WITH_SPEAKERS | {pb.BASIS_UNATTRIBUTED, pb.BASIS_ANALYSIS}


class _DraftCheck(NamedTuple):
    """The checks of one entry. The paths of its violations begin with that of its event."""

    found: ViolationList
    basis: int
    """The basis of the entry."""
    words: pb.Words
    path: str

    def require(self, field: str, why: str) -> None:
        """Add a violation for a missing field of the event."""
        require(self.found, f"{self.path}.{field}", why)

    def forbid(self, field: str, why: str) -> None:
        """Add a violation for a field of the event that is not allowed."""
        forbid(self.found, f"{self.path}.{field}", why)

    def match(self, pattern: re.Pattern[str], value: str, field: str, rule: str) -> None:
        """Add a violation if a text does not match the pattern of its field."""
        _match(self.found, pattern, value, f"{self.path}.{field}", rule)

    def provenance(self) -> None:
        """Add a violation for each word that the basis requires."""
        words, basis = self.words, self.basis
        if basis in _SOURCED and not words.sources:
            text = "This basis requires a source in words.sources."
            self.found.add(pb.ERROR_REASON_SOURCE_REQUIRED, text, "words.sources")
        if basis == pb.BASIS_ANALYSIS and not words.sources and is_missing(words, "author"):
            text = "The basis ANALYSIS requires an author in words.author, or a source."
            self.found.add(pb.ERROR_REASON_AUTHOR_REQUIRED, text, "words.author")
        if basis == pb.BASIS_UNATTRIBUTED and is_missing(words, "speaker_described"):
            text = "The basis UNATTRIBUTED requires a description in words.speaker_described."
            self.found.add(pb.ERROR_REASON_DESCRIPTION_REQUIRED, text, "words.speaker_described")

    def visibility(self, visibility: pb.Visibility, path: str) -> None:
        """Add a violation if an audience is missing, or is not allowed."""
        restricted = visibility.level == pb.VISIBILITY_LEVEL_RESTRICTED
        audience = visibility.audience
        if restricted and not audience:
            require(self.found, f"{path}.audience", "a RESTRICTED entry names its readers")
        if audience and not restricted:
            forbid(self.found, f"{path}.audience", "only a RESTRICTED entry has an audience")


def _negotiation_opened(check: _DraftCheck, event: pb.NegotiationOpened) -> None:
    check_voting_rule(check.found, event.voting_rule, f"{check.path}.voting_rule")
    votes = event.acceptance_rule == pb.ACCEPTANCE_RULE_VOTE
    if votes and not event.HasField("voting_rule"):
        check.require("voting_rule", "the acceptance rule VOTE needs one")
    if event.HasField("voting_rule") and not votes:
        check.forbid("voting_rule", "the acceptance rule is not VOTE")
    if event.predecessor and not _is_name(event.predecessor):
        path = f"{check.path}.predecessor"
        check.found.add(pb.ERROR_REASON_ID_INVALID, _name_error(event.predecessor), path)


def _participant_joined(check: _DraftCheck, event: pb.ParticipantJoined) -> None:
    if event.role == pb.PARTICIPANT_ROLE_REPRESENTATIVE and not event.represents:
        check.require("represents", "a REPRESENTATIVE acts for another participant")
    if event.kind == pb.PARTICIPANT_KIND_COHORT and not event.count:
        check.require("count", "a COHORT has a number of members")
    for field in ("represents", "members", "owned_by"):
        _check_not_itself(check, event.participant_id, getattr(event, field), field)


def _participant_changed(check: _DraftCheck, event: pb.ParticipantChanged) -> None:
    named = [field.name for field, _ in event.ListFields()]
    named += [name for name in ("name", "aliases", "mandate") if getattr(check.words, name)]
    if named == ["participant_id"]:
        require(check.found, check.path, "the entry does not name a change")
    for field in ("represents", "members", "owned_by"):
        ids = getattr(event, field).participant_ids
        _check_not_itself(check, event.participant_id, ids, f"{field}.participant_ids")


def _check_not_itself(check: _DraftCheck, who: str, named: Iterator[str], field: str) -> None:
    for place, one in enumerate(named):
        if one == who:
            text = f"{quoted(who)} cannot represent, contain or own itself."
            path = f"{check.path}.{field}[{place}]"
            check.found.add(pb.ERROR_REASON_FIELD_INVALID, text, path)


def _participant_left(check: _DraftCheck, event: pb.ParticipantLeft) -> None:
    if event.leaving_reason == pb.LEAVING_REASON_EXCLUDED and not event.by:
        check.require("by", "an exclusion names the participants that decided it")


def _session_opened(check: _DraftCheck, event: pb.SessionOpened) -> None:
    if event.kind == pb.SESSION_KIND_CAUCUS and not event.attendees:
        check.require("attendees", "a CAUCUS is restricted to its attendees")
    check.visibility(event.default_visibility, f"{check.path}.default_visibility")


_REPLIES = frozenset({pb.STATEMENT_ACT_CONFIRM, pb.STATEMENT_ACT_DENY})


def _statement_recorded(check: _DraftCheck, event: pb.StatementRecorded) -> None:
    basis, found = check.basis, check.found
    speakers, attributed = len(event.speakers), bool(event.attributed_to)
    described = bool(check.words.speaker_described.strip())
    unnamed = basis == pb.BASIS_ON_RECORD and described
    if basis in _WITH_SPEAKERS and not (speakers or unnamed):
        text = "A statement on the basis DIRECT or ON_RECORD names its speakers."
        if basis == pb.BASIS_ON_RECORD:
            text += " Describe a speaker without a name in words.speaker_described."
        found.add(pb.ERROR_REASON_SPEAKER_REQUIRED, text, f"{check.path}.speakers")
    if basis in _WITHOUT_SPEAKERS and speakers:
        text = "A statement on this basis cannot name speakers."
        found.add(pb.ERROR_REASON_SPEAKER_NOT_ALLOWED, text, f"{check.path}.speakers")
    if not event.document_id and is_missing(check.words, "text"):
        require(found, "words.text", "a statement has a text, or names its document")
    if basis == pb.BASIS_REPORTED and not (attributed or described):
        text = (
            "A REPORTED statement requires attributed_to, or a description in"
            " words.speaker_described."
        )
        found.add(pb.ERROR_REASON_ATTRIBUTION_REQUIRED, text, f"{check.path}.attributed_to")
    if basis in _NOT_REPORTED and attributed:
        text = "Only a REPORTED statement can have attributed_to."
        found.add(pb.ERROR_REASON_ATTRIBUTION_NOT_ALLOWED, text, f"{check.path}.attributed_to")
    if event.joint != (speakers > 1):
        text = "Set joint if a statement has two speakers or more, and only then."
        found.add(pb.ERROR_REASON_JOINT_MISMATCH, text, f"{check.path}.joint")
    if event.act in _REPLIES and not event.in_reply_to:
        text = "A statement that confirms or denies names the other statement in in_reply_to."
        if event.document_id:
            text += " To approve a document or minutes, record an ApprovalRecorded."
        found.add(pb.ERROR_REASON_REPLY_REQUIRED, text, f"{check.path}.in_reply_to")
    if event.language:
        check.match(_LANGUAGE, event.language, "language", "a language tag such as en or fr-CA")


def _question_resolved(check: _DraftCheck, event: pb.QuestionResolved) -> None:
    answered = event.resolution == pb.QUESTION_RESOLUTION_ANSWERED
    if answered and is_missing(check.words, "answer"):
        require(check.found, "words.answer", "a question that is ANSWERED has an answer")
    if not answered and check.words.answer:
        forbid(check.found, "words.answer", "the question is not ANSWERED")


def _proposal_made(check: _DraftCheck, event: pb.ProposalMade) -> None:
    check_voting_rule(check.found, event.voting_rule, f"{check.path}.voting_rule")


def _proposal_answered(check: _DraftCheck, event: pb.ProposalAnswered) -> None:
    check_tally(check.found, event.tally, f"{check.path}.tally")
    if event.answer == pb.ANSWER_ACCEPT and check.words.conditions:
        why = "a conditional acceptance is ACCEPT_IN_PRINCIPLE"
        forbid(check.found, "words.conditions", why)


_BY_ITSELF = {
    pb.PROPOSAL_CLOSING_LAPSED: "a proposal that LAPSED was not withdrawn",
    pb.PROPOSAL_CLOSING_ACCEPTED_BY_SILENCE: "no participant acts when silence accepts a proposal",
}


def _proposal_closed(check: _DraftCheck, event: pb.ProposalClosed) -> None:
    check_tally(check.found, event.tally, f"{check.path}.tally")
    if event.HasField("tally") and event.how != pb.PROPOSAL_CLOSING_VOTED:
        check.forbid("tally", "only a vote that ends has a tally")
    if event.how == pb.PROPOSAL_CLOSING_WITHDRAWN and not event.by:
        check.require("by", "its proposers withdraw a proposal")
    if event.by and event.how in _BY_ITSELF:
        check.forbid("by", _BY_ITSELF[event.how])


def _agreement_recorded(check: _DraftCheck, event: pb.AgreementRecorded) -> None:
    if event.dropped_keys and not event.amends:
        check.forbid("dropped_keys", "only an agreement that amends another drops terms")


def _approval_recorded(check: _DraftCheck, event: pb.ApprovalRecorded) -> None:
    check_tally(check.found, event.tally, f"{check.path}.tally")
    if event.WhichOneof("of") is None:
        why = "name an agreement, a document or the minutes of a session"
        require(check.found, check.path, why)


def _commitment_made(check: _DraftCheck, event: pb.CommitmentMade) -> None:
    if check.words.conditions and not event.conditional:
        text = "Set conditional: a commitment with conditions is conditional."
        check.found.add(pb.ERROR_REASON_FIELD_INVALID, text, f"{check.path}.conditional")


def _milestone_closed(check: _DraftCheck, event: pb.MilestoneClosed) -> None:
    reached = event.outcome == pb.MILESTONE_OUTCOME_REACHED
    if reached and not event.HasField("actual"):
        check.require("actual", "a milestone that was REACHED has a date")
    if event.outcome and not reached and event.HasField("actual"):
        check.forbid("actual", "only a milestone that was REACHED has a date")


def _document_attached(check: _DraftCheck, event: pb.DocumentAttached) -> None:
    check.match(_MEDIA_TYPE, event.media_type, "media_type", "a type such as application/pdf")


def _entry_corrected(check: _DraftCheck, event: pb.EntryCorrected) -> None:
    replaces, path = event.mode == pb.CORRECTION_MODE_REPLACE, f"{check.path}.replacement"
    if not event.HasField("replacement"):
        if replaces:
            check.require("replacement", "the mode REPLACE requires the new content")
        return
    if event.mode == pb.CORRECTION_MODE_ANNUL:
        check.forbid("replacement", "the mode ANNUL has no new content")
        return
    kind = event.replacement.WhichOneof("event")
    if kind in AMENDING_TYPES:
        forbid(check.found, f"{path}.{kind}", "an entry about another entry cannot be corrected")
        return
    if event.replacement.HasField("visibility"):
        forbid(
            check.found,
            f"{path}.visibility",
            "a disclosure changes the visibility, a correction does not",
        )
    _check_facts(check.found, event.replacement, check.words, path)


def _entry_disclosed(check: _DraftCheck, event: pb.EntryDisclosed) -> None:
    path = f"{check.path}.disclosed_to"
    if event.HasField("disclosed_to") and not event.disclosed_to.level:
        require(check.found, f"{path}.level")
    check.visibility(event.disclosed_to, path)


_ACTING_ROLES = frozenset({pb.ACCESS_ROLE_PARTY, pb.ACCESS_ROLE_MEDIATOR})


def _access_granted(check: _DraftCheck, event: pb.AccessGranted) -> None:
    if event.role == pb.ACCESS_ROLE_PARTY and not event.participant_id:
        check.require("participant_id", "a PARTY acts for a participant")
    if event.role and event.role not in _ACTING_ROLES and event.participant_id:
        check.forbid("participant_id", "only a PARTY or a MEDIATOR acts for a participant")
    if event.HasField("end_time") and event.role != pb.ACCESS_ROLE_AUDITOR:
        check.forbid("end_time", "only the access of an AUDITOR can end at a time")


_CHECKS_BY_TYPE: Mapping[str, Callable[[_DraftCheck, Any], None]] = {
    "negotiation_opened": _negotiation_opened,
    "participant_joined": _participant_joined,
    "participant_changed": _participant_changed,
    "participant_left": _participant_left,
    "session_opened": _session_opened,
    "statement_recorded": _statement_recorded,
    "question_resolved": _question_resolved,
    "proposal_made": _proposal_made,
    "proposal_answered": _proposal_answered,
    "proposal_closed": _proposal_closed,
    "agreement_recorded": _agreement_recorded,
    "commitment_made": _commitment_made,
    "milestone_closed": _milestone_closed,
    "document_attached": _document_attached,
    "entry_corrected": _entry_corrected,
    "entry_disclosed": _entry_disclosed,
    "access_granted": _access_granted,
    "approval_recorded": _approval_recorded,
}
