"""The shape of a draft: what can be said of it without knowing its negotiation. Pure."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.contract import ENTRY_TYPES
from pourparler.state.fold import AMENDING
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

LONGEST_REQUEST_ID = 128
"""Characters of a request id."""

WORDS_OF_ALL = frozenset({"sources", "author", "speaker_described", "occurred_verbatim"})
"""The words that every type of entry may have."""

_COLLECTION = "negotiations/"
_DIGEST = re.compile(r"sha256:[0-9a-fA-F]{64}")
_DIGEST_RULE = "'sha256:' and 64 hexadecimal digits"
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,8}")
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,64}/[\w.+-]{1,64}(?:; ?[\w-]{1,64}=[\w.+-]{1,64})?", re.ASCII)


def check_id(text: str, field: str) -> None:
    """Refuse what cannot be an id."""
    if not ID.fullmatch(text):
        refuse(pb.ERROR_REASON_ID_INVALID, f"The id {quoted(text)} is not {ID_RULE}.", field)


def check_name(name: str, field: str) -> str:
    """The id in the name of a negotiation; refuse what is not `negotiations/{id}`."""
    if not name:
        refuse(pb.ERROR_REASON_FIELD_REQUIRED, "The name of the negotiation is missing.", field)
    if not _is_name(name):
        refuse(pb.ERROR_REASON_ID_INVALID, _no_name(name), field)
    return name.removeprefix(_COLLECTION)


def check_request_id(text: str, field: str) -> None:
    """Refuse what cannot be a request id; to give none is to have none."""
    if len(text) > LONGEST_REQUEST_ID or not (text.isascii() and text.isprintable()):
        wanted = f"at most {LONGEST_REQUEST_ID} printable ASCII characters"
        refuse(pb.ERROR_REASON_FIELD_INVALID, f"A request id has {wanted}.", field)


def _is_name(name: str) -> bool:
    return name.startswith(_COLLECTION) and bool(ID.fullmatch(name, len(_COLLECTION)))


def _no_name(name: str) -> str:
    return f"The name {quoted(name)} is not 'negotiations/' with an id: {ID_RULE}."


def settle(draft: pb.Draft, bounds: Callable[[str], edtf.Bounds]) -> None:
    """Make a draft ready to be checked: its dates with their bounds, the service's fields cleared.

    Refuses dates that cannot be read.
    """
    found = ViolationList()
    if draft.HasField("facts"):
        _settle_facts(found, draft.facts, bounds, "facts")
    for place, source in enumerate(draft.words.sources[:LONGEST_LIST]):
        if source.published:
            _read(found, f"words.sources[{place}].published", bounds, source.published)
        if source.HasField("retrieve_time"):
            when, here = source.retrieve_time, f"words.sources[{place}].retrieve_time"
            _read(found, here, edtf.instant_bounds, when.seconds, when.nanos)
    found.settle()


def _settle_facts(
    found: ViolationList, facts: pb.Facts, bounds: Callable[[str], edtf.Bounds], path: str
) -> None:
    facts.ClearField("request_id")
    facts.ClearField("recorded_by")
    if facts.HasField("occurred"):
        _settle_date(found, facts.occurred, bounds, f"{path}.occurred")
    kind = facts.WhichOneof("event")
    if kind is None:
        return
    for field in _DATES[kind]:
        event: Message = getattr(facts, kind)
        if event.HasField(field):
            _settle_date(found, getattr(event, field), bounds, f"{path}.{kind}.{field}")
    if kind == "access_granted" and facts.access_granted.HasField("end_time"):
        when, here = facts.access_granted.end_time, f"{path}.{kind}.end_time"
        _read(found, here, edtf.instant_bounds, when.seconds, when.nanos)
    if kind == "entry_corrected" and facts.entry_corrected.HasField("replacement"):
        here = f"{path}.entry_corrected.replacement"
        _settle_facts(found, facts.entry_corrected.replacement, bounds, here)


_DATES = {
    name: [
        field.name
        for field in kind.descriptor.fields
        if field.message_type is pb.FuzzyDate.DESCRIPTOR
    ]
    for name, kind in ENTRY_TYPES.items()
}
"""The fields of the event that are dates, by the type of entry."""


def _settle_date(
    found: ViolationList, date: pb.FuzzyDate, bounds: Callable[[str], edtf.Bounds], path: str
) -> None:
    if date.WhichOneof("date") == "instant":
        when = date.instant
        read = _read(found, path, edtf.instant_bounds, when.seconds, when.nanos)
    else:
        read = _read(found, path, bounds, date.edtf)
    date.earliest, date.latest = read


def _read(
    found: ViolationList, path: str, read: Callable[..., edtf.Bounds], *date: str | int
) -> edtf.Bounds:
    try:
        return read(*date)
    except edtf.DateRefused as refused:
        text = str(refused)
        found.add(pb.ERROR_REASON_DATE_INVALID, f"{text[:1].upper()}{text[1:]}.", path)
        return edtf.Bounds("", "")


def check_draft(draft: pb.Draft) -> None:
    """Refuse a draft that can be no entry of any negotiation, for all that is wrong with it."""
    found = ViolationList()
    check_fields(found, draft, "")
    if draft.HasField("facts"):
        _check_facts(found, draft.facts, draft.words, "facts")
        _check_words(found, draft)
    found.settle()


class _AllowedWords(NamedTuple):
    """The words of an entry by its type; of a correction, also by the type of its replacement."""

    title: str
    needed: Sequence[str]
    allowed: Collection[FieldDescriptor]


@cache
def _taken(*kinds: str) -> _AllowedWords:
    types = [ENTRY_TYPES[kind] for kind in kinds]
    needed = [name for one in types for name in one.rule.words]
    allowed = WORDS_OF_ALL.union(needed, *(one.rule.optional_words for one in types))
    fields = pb.Words.DESCRIPTOR.fields_by_name
    return _AllowedWords(types[-1].title, needed, frozenset(fields[name] for name in allowed))


def _check_words(found: ViolationList, draft: pb.Draft) -> None:
    """Find words that the type of the entry does not take, and those that it lacks."""
    kind, words = draft.facts.WhichOneof("event"), draft.words
    if kind is None:
        return
    corrects = kind == "entry_corrected"
    instead = draft.facts.entry_corrected.replacement.WhichOneof("event") if corrects else None
    taken = _taken(kind) if instead is None else _taken(kind, instead)
    for field, _ in words.ListFields():
        if field not in taken.allowed:
            forbid(found, f"words.{field.name}", f"{taken.title} does not take it")
    for name in taken.needed:
        if is_missing(words, name):
            require(found, f"words.{name}")
    _match(found, _DIGEST, words.digest, "words.digest", _DIGEST_RULE)
    for place, source in enumerate(words.sources[:]):
        _match(found, _DIGEST, source.digest, f"words.sources[{place}].digest", _DIGEST_RULE)


def _match(
    found: ViolationList, pattern: re.Pattern[str], value: str, path: str, wanted: str
) -> None:
    if value and not pattern.fullmatch(value):
        text = f"{quoted(value)} is not {wanted}."
        found.add(pb.ERROR_REASON_FIELD_INVALID, text, path)


def _check_facts(found: ViolationList, facts: pb.Facts, words: pb.Words, path: str) -> None:
    """Find what is wrong with the facts of an entry taken together, or of one that replaces it."""
    kind = facts.WhichOneof("event")
    if kind is None:
        require(found, f"{path}.event", "an entry says what happened, in one of the entry types")
        return
    look = _DraftCheck(found, facts.provenance.basis, words, f"{path}.{kind}")
    look.provenance()
    if facts.HasField("visibility"):
        look.visibility(facts.visibility, f"{path}.visibility")
    event = getattr(facts, kind)
    if kind in _TERMS:
        field = _TERMS[kind]
        check_terms(found, getattr(event, field), words.term_texts, f"{look.path}.{field}")
    if kind in _CHECKS_BY_TYPE:
        _CHECKS_BY_TYPE[kind](look, event)


_TERMS = {
    name: field.name
    for name, kind in ENTRY_TYPES.items()
    for field in kind.descriptor.fields
    if field.message_type is pb.Term.DESCRIPTOR
}
_SOURCED = frozenset({pb.BASIS_ON_RECORD, pb.BASIS_REPORTED, pb.BASIS_UNATTRIBUTED})
_HEARD = frozenset({pb.BASIS_DIRECT, pb.BASIS_ON_RECORD})
_HEARSAY = frozenset({pb.BASIS_REPORTED, pb.BASIS_UNATTRIBUTED, pb.BASIS_ANALYSIS})
_NOT_REPORTED = _HEARD | {pb.BASIS_UNATTRIBUTED, pb.BASIS_ANALYSIS}


class _DraftCheck(NamedTuple):
    """A look at one entry: what is found goes below the path of its event."""

    found: ViolationList
    basis: int
    """How the record knows it."""
    words: pb.Words
    path: str

    def require(self, field: str, why: str) -> None:
        """Find a field of the event missing."""
        require(self.found, f"{self.path}.{field}", why)

    def forbid(self, field: str, why: str) -> None:
        """Find a field of the event where it does not belong."""
        forbid(self.found, f"{self.path}.{field}", why)

    def conditions(self, *, wanted: bool, why: str) -> None:
        """Find conditions missing."""
        if wanted and not self.words.conditions:
            require(self.found, "words.conditions", why)

    def match(self, pattern: re.Pattern[str], value: str, field: str, wanted: str) -> None:
        """Find a text of another form than its field has."""
        _match(self.found, pattern, value, f"{self.path}.{field}", wanted)

    def provenance(self) -> None:
        """Find what the basis wants and the words lack."""
        words, basis = self.words, self.basis
        if basis in _SOURCED and not words.sources:
            text = "This basis needs a source, in words.sources."
            self.found.add(pb.ERROR_REASON_SOURCE_REQUIRED, text, "words.sources")
        if basis == pb.BASIS_ANALYSIS and not words.sources and is_missing(words, "author"):
            text = "An ANALYSIS needs its author, in words.author, or a source."
            self.found.add(pb.ERROR_REASON_AUTHOR_REQUIRED, text, "words.author")
        if basis == pb.BASIS_UNATTRIBUTED and is_missing(words, "speaker_described"):
            text = "What is UNATTRIBUTED needs words.speaker_described: whose word it rests on."
            self.found.add(pb.ERROR_REASON_DESCRIPTION_REQUIRED, text, "words.speaker_described")

    def visibility(self, visibility: pb.Visibility, path: str) -> None:
        """Find an audience missing, or where there can be none."""
        restricted = visibility.level == pb.VISIBILITY_LEVEL_RESTRICTED
        audience = visibility.audience
        if restricted and not audience:
            require(self.found, f"{path}.audience", "what is RESTRICTED is so to somebody")
        if audience and not restricted:
            forbid(self.found, f"{path}.audience", "only what is RESTRICTED has an audience")


def _negotiation_opened(look: _DraftCheck, event: pb.NegotiationOpened) -> None:
    if event.predecessor and not _is_name(event.predecessor):
        path = f"{look.path}.predecessor"
        look.found.add(pb.ERROR_REASON_ID_INVALID, _no_name(event.predecessor), path)


def _participant_joined(look: _DraftCheck, event: pb.ParticipantJoined) -> None:
    if event.role == pb.PARTICIPANT_ROLE_REPRESENTATIVE and not event.represents:
        look.require("represents", "a REPRESENTATIVE acts for somebody")
    if event.kind == pb.PARTICIPANT_KIND_COHORT and not event.count:
        look.require("count", "a COHORT has a number")
    for field in ("represents", "members", "owned_by"):
        _not_oneself(look, event.participant_id, getattr(event, field), field)


def _participant_changed(look: _DraftCheck, event: pb.ParticipantChanged) -> None:
    said = [field.name for field, _ in event.ListFields()]
    said += [name for name in ("name", "aliases", "mandate") if getattr(look.words, name)]
    if said == ["participant_id"]:
        require(look.found, look.path, "it does not say what changes")
    for field in ("represents", "members", "owned_by"):
        ids = getattr(event, field).participant_ids
        _not_oneself(look, event.participant_id, ids, f"{field}.participant_ids")


def _not_oneself(look: _DraftCheck, who: str, named: Iterator[str], field: str) -> None:
    for place, one in enumerate(named):
        if one == who:
            text = f"{quoted(who)} cannot be named as its own principal, member or owner."
            path = f"{look.path}.{field}[{place}]"
            look.found.add(pb.ERROR_REASON_FIELD_INVALID, text, path)


def _participant_left(look: _DraftCheck, event: pb.ParticipantLeft) -> None:
    if event.leaving_reason == pb.LEAVING_REASON_EXCLUDED and not event.by:
        look.require("by", "who is EXCLUDED is so by somebody")


def _session_opened(look: _DraftCheck, event: pb.SessionOpened) -> None:
    if event.kind == pb.SESSION_KIND_CAUCUS and not event.attendees:
        look.require("attendees", "a CAUCUS is of those who attend it")
    look.visibility(event.default_visibility, f"{look.path}.default_visibility")


_REPLIES = frozenset({pb.STATEMENT_ACT_CONFIRM, pb.STATEMENT_ACT_DENY})


def _statement_recorded(look: _DraftCheck, event: pb.StatementRecorded) -> None:
    basis, found = look.basis, look.found
    speakers, attributed = len(event.speakers), bool(event.attributed_to)
    if basis in _HEARD and not speakers:
        text = "A statement that was heard or published names its speakers."
        found.add(pb.ERROR_REASON_SPEAKER_REQUIRED, text, f"{look.path}.speakers")
    if basis in _HEARSAY and speakers:
        text = "On this basis nobody was heard to say it: a statement names no speakers."
        found.add(pb.ERROR_REASON_SPEAKER_NOT_ALLOWED, text, f"{look.path}.speakers")
    if basis == pb.BASIS_REPORTED and not (attributed or look.words.speaker_described.strip()):
        text = "A REPORTED statement says to whom it is attributed, by id or by description."
        found.add(pb.ERROR_REASON_ATTRIBUTION_REQUIRED, text, f"{look.path}.attributed_to")
    if basis in _NOT_REPORTED and attributed:
        text = "Only a REPORTED statement is attributed to somebody."
        found.add(pb.ERROR_REASON_ATTRIBUTION_NOT_ALLOWED, text, f"{look.path}.attributed_to")
    if event.joint != (speakers > 1):
        text = "A statement is joint if it has two speakers or more, and only then."
        found.add(pb.ERROR_REASON_JOINT_MISMATCH, text, f"{look.path}.joint")
    if event.act in _REPLIES and not event.in_reply_to:
        text = "To CONFIRM or DENY, a statement replies to another one, in in_reply_to."
        found.add(pb.ERROR_REASON_REPLY_REQUIRED, text, f"{look.path}.in_reply_to")
    if event.language:
        look.match(_LANGUAGE, event.language, "language", "a language tag such as en or fr-CA")


def _question_resolved(look: _DraftCheck, event: pb.QuestionResolved) -> None:
    answered = event.resolution == pb.QUESTION_RESOLUTION_ANSWERED
    if answered and is_missing(look.words, "answer"):
        require(look.found, "words.answer", "the question is ANSWERED")
    if not answered and look.words.answer:
        forbid(look.found, "words.answer", "the question is not ANSWERED")


def _proposal_made(look: _DraftCheck, event: pb.ProposalMade) -> None:
    conditional = event.binding == pb.PROPOSAL_BINDING_CONDITIONAL
    look.conditions(wanted=conditional, why="the offer is CONDITIONAL")


def _proposal_answered(look: _DraftCheck, event: pb.ProposalAnswered) -> None:
    if event.answer == pb.ANSWER_ACCEPT and look.words.conditions:
        why = "an acceptance on conditions is ACCEPT_IN_PRINCIPLE"
        forbid(look.found, "words.conditions", why)


def _proposal_closed(look: _DraftCheck, event: pb.ProposalClosed) -> None:
    if event.how == pb.PROPOSAL_CLOSING_WITHDRAWN and not event.by:
        look.require("by", "an offer is WITHDRAWN by those who made it")
    if event.how == pb.PROPOSAL_CLOSING_LAPSED and event.by:
        look.forbid("by", "an offer that LAPSED was taken back by nobody")


def _agreement_recorded(look: _DraftCheck, event: pb.AgreementRecorded) -> None:
    if len(event.between) == 1:
        text = "An agreement is between two at least."
        look.found.add(pb.ERROR_REASON_FIELD_INVALID, text, f"{look.path}.between")


def _commitment_made(look: _DraftCheck, event: pb.CommitmentMade) -> None:
    look.conditions(wanted=event.conditional, why="the commitment is conditional")
    if look.words.conditions and not event.conditional:
        text = "A commitment that has conditions is conditional."
        look.found.add(pb.ERROR_REASON_FIELD_INVALID, text, f"{look.path}.conditional")


def _milestone_planned(look: _DraftCheck, event: pb.MilestonePlanned) -> None:
    conditional = event.certainty == pb.CERTAINTY_CONDITIONAL
    look.conditions(wanted=conditional, why="the step is CONDITIONAL")


def _milestone_closed(look: _DraftCheck, event: pb.MilestoneClosed) -> None:
    reached = event.outcome == pb.MILESTONE_OUTCOME_REACHED
    if reached and not event.HasField("actual"):
        look.require("actual", "a step that was REACHED was so at some time")
    if event.outcome and not reached and event.HasField("actual"):
        look.forbid("actual", "a step that was not REACHED has no time at which it was")


def _document_attached(look: _DraftCheck, event: pb.DocumentAttached) -> None:
    look.match(_MEDIA_TYPE, event.media_type, "media_type", "a type such as application/pdf")


def _entry_corrected(look: _DraftCheck, event: pb.EntryCorrected) -> None:
    replaces, path = event.mode == pb.CORRECTION_MODE_REPLACE, f"{look.path}.replacement"
    if not event.HasField("replacement"):
        if replaces:
            look.require("replacement", "a REPLACE says what the entry should have been")
        return
    if event.mode == pb.CORRECTION_MODE_ANNUL:
        look.forbid("replacement", "an ANNUL puts nothing in the place of the entry")
        return
    kind = event.replacement.WhichOneof("event")
    if kind in AMENDING:
        forbid(look.found, f"{path}.{kind}", "an entry about an entry is not corrected")
        return
    if event.replacement.HasField("visibility"):
        forbid(look.found, f"{path}.visibility", "who may see an entry is disclosed, not corrected")
    _check_facts(look.found, event.replacement, look.words, path)


def _entry_disclosed(look: _DraftCheck, event: pb.EntryDisclosed) -> None:
    path = f"{look.path}.disclosed_to"
    if event.HasField("disclosed_to") and not event.disclosed_to.level:
        require(look.found, f"{path}.level")
    look.visibility(event.disclosed_to, path)


_OF_A_PARTICIPANT = frozenset({pb.ACCESS_ROLE_PARTY, pb.ACCESS_ROLE_MEDIATOR})


def _access_granted(look: _DraftCheck, event: pb.AccessGranted) -> None:
    if event.role == pb.ACCESS_ROLE_PARTY and not event.participant_id:
        look.require("participant_id", "who is PARTY acts for a participant")
    if event.role and event.role not in _OF_A_PARTICIPANT and event.participant_id:
        look.forbid("participant_id", "only a PARTY or a MEDIATOR is there for a participant")
    if event.HasField("end_time") and event.role != pb.ACCESS_ROLE_AUDITOR:
        look.forbid("end_time", "only the access of an AUDITOR has an end")


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
    "milestone_planned": _milestone_planned,
    "milestone_closed": _milestone_closed,
    "document_attached": _document_attached,
    "entry_corrected": _entry_corrected,
    "entry_disclosed": _entry_disclosed,
    "access_granted": _access_granted,
}
