"""One sentence for each entry type: the only place where the command says what a type means.

A type without a sentence is described from the contract. Pure.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from google.protobuf.descriptor import FieldDescriptor

from pourparler import v1 as pb
from pourparler.cli.output import wording
from pourparler.cli.output.wording import Names
from pourparler.cli.terminal_escape import escaped
from pourparler.schema.contract import entry_type, is_repeated

_Entry: TypeAlias = pb.Entry | pb.Draft


def describe(entry: _Entry, names: Names) -> str:
    """Return one sentence that describes an entry."""
    kind = entry_type(entry.facts)
    if kind is None:
        return "(withheld)"
    event = getattr(entry.facts, kind.name)
    sentence = DESCRIPTIONS.get(kind.name, _from_contract)
    said = sentence(event, entry, names)
    reason = escaped(entry.words.reason, lines=True)
    return f"{said}: {reason}" if reason else said


def type_name(facts: pb.Facts) -> str:
    """Return the name of an entry type as readers see it: `statement recorded`."""
    kind = entry_type(facts)
    return kind.name.replace("_", " ") if kind else "withheld"


def _from_contract(event: Any, entry: _Entry, names: Names) -> str:
    """Return the fields of an entry type that has no sentence of its own."""
    del names
    said = [
        f"{field.name.replace('_', ' ')} {_value(event, field)}"
        for field, _ in event.ListFields()
        if _value(event, field)
    ]
    own = [_own(entry.words)] if entry.words.ListFields() else []
    return ": ".join([", ".join([type_name(entry.facts), *said]), *own])


def _value(event: Any, field: FieldDescriptor) -> str:
    """Return the value of a field if it is an id, a word or a number, or a list of ids."""
    value = getattr(event, field.name)
    if field.enum_type is not None and not is_repeated(field):
        return wording.word(event, field.name)
    if field.message_type is not None:
        return ""
    values = value if is_repeated(field) else [value]
    return wording.listed([escaped(str(one)) for one in values])


def _own(words: pb.Words) -> str:
    own = words.title or words.name or words.text
    return escaped(own, lines=True) or "(words destroyed or withheld)"


def _text(entry: _Entry, lead: str = "") -> str:
    """Return the text of an entry, in quotation marks only if it is verbatim."""
    return wording.quote(entry.words.text, entry.facts.provenance.form, lead)


def _if(words: pb.Words) -> str:
    conditions = "; ".join(escaped(condition) for condition in words.conditions)
    return f", if {conditions}" if conditions else ""


def _terms(event: Any, entry: _Entry, names: Names, field: str = "terms") -> str:
    said = wording.terms(getattr(event, field), names, entry.words)
    return f" ({said})" if said else ""


def _negotiation_opened(event: pb.NegotiationOpened, entry: _Entry, names: Names) -> str:
    del names
    after = f", taking up {escaped(event.predecessor)}" if event.predecessor else ""
    return f"the negotiation is opened{after}: {_own(entry.words)}"


def _negotiation_suspended(event: pb.NegotiationSuspended, entry: _Entry, names: Names) -> str:
    del names
    until = wording.when(event.expected_resume, entry.words.date_verbatim)
    return "the talks pause" + (f", expected to go on {until}" if until else "")


def _negotiation_resumed(event: pb.NegotiationResumed, entry: _Entry, names: Names) -> str:
    del event, entry, names
    return "the talks go on"


def _negotiation_concluded(event: pb.NegotiationConcluded, entry: _Entry, names: Names) -> str:
    del entry, names
    agreed = f" ({wording.listed(event.agreement_ids)})" if event.agreement_ids else ""
    return f"the talks end: {wording.word(event, 'outcome')}{agreed}"


def _participant_joined(event: pb.ParticipantJoined, entry: _Entry, names: Names) -> str:
    role = wording.word(event, "role")
    represents = f" for {names.all(event.represents)}" if event.represents else ""
    return f"{event.participant_id} joins as {role}{represents}: {_own(entry.words)}"


def _participant_changed(event: pb.ParticipantChanged, entry: _Entry, names: Names) -> str:
    changes = [
        ("role", wording.word(event, "role")),
        ("name", escaped(entry.words.name)),
        ("mandate", escaped(entry.words.mandate)),
        ("also called", wording.listed([escaped(alias) for alias in entry.words.aliases], "or")),
        *(
            (field.replace("_", " "), names.all(getattr(event, field).participant_ids) or "no one")
            for field in ("represents", "members", "owned_by")
            if event.HasField(field)
        ),
        ("count", str(event.count) if event.HasField("count") else ""),
    ]
    said = "; ".join(f"{name} {value}" for name, value in changes if value)
    return f"{names[event.participant_id]} changes: {said or 'whether its members are all named'}"


def _participant_left(event: pb.ParticipantLeft, entry: _Entry, names: Names) -> str:
    del entry
    by = f", by {names.all(event.by)}" if event.by else ""
    return f"{names[event.participant_id]} leaves ({wording.word(event, 'leaving_reason')}{by})"


def _session_opened(event: pb.SessionOpened, entry: _Entry, names: Names) -> str:
    attended = f" with {names.all(event.attendees)}" if event.attendees else ""
    title = f": {escaped(entry.words.title)}" if entry.words.title else ""
    return f"session {event.session_id} begins, {wording.word(event, 'kind')}{attended}{title}"


def _session_closed(event: pb.SessionClosed, entry: _Entry, names: Names) -> str:
    del names
    summary = f": {escaped(entry.words.summary, lines=True)}" if entry.words.summary else ""
    return f"session {event.closed_session_id} ends{summary}"


def _topic_added(event: pb.TopicAdded, entry: _Entry, names: Names) -> str:
    by = f" by {names.all(event.proposed_by)}" if event.proposed_by else ""
    part = f", part of {event.parent_id}" if event.parent_id else ""
    return f"topic {event.topic_id} is put on the table{by}{part}: {_own(entry.words)}"


def _topic_status_changed(event: pb.TopicStatusChanged, entry: _Entry, names: Names) -> str:
    del entry, names
    by = f" by {event.by_agreement_id}" if event.by_agreement_id else ""
    return f"topic {event.topic_id} is now {wording.word(event, 'status')}{by}"


def _statement_recorded(event: pb.StatementRecorded, entry: _Entry, names: Names) -> str:
    who = wording.speaker(event, entry.words, names)
    to = f", to {names.all(event.addressed_to)}" if event.addressed_to else ""
    act = wording.word(event, "act")
    reply = f" {event.in_reply_to}" if event.in_reply_to else ""
    begin = f"{event.statement_id}, {act}{reply}"
    if event.document_id and entry.HasField("words") and not entry.words.text:
        return f"{begin}: {who}{to}: document {event.document_id}"
    return f"{begin}: {_text(entry, f'{who}{to}')}"


def _statement_retracted(event: pb.StatementRetracted, entry: _Entry, names: Names) -> str:
    del entry
    share = "their part in statement" if event.partial else "statement"
    return f"{names.all(event.by)} take back {share} {event.statement_id}"


def _position_taken(event: pb.PositionTaken, entry: _Entry, names: Names) -> str:
    stance = wording.word(event, "stance")
    instead = f", in place of {event.supersedes}" if event.supersedes else ""
    held = f"{names.all(event.holders)}, {stance} on {event.topic_id}{instead}"
    said = _text(entry, f"position {event.position_id} of {held}")
    return f"{said}{_terms(event, entry, names)}"


def _position_withdrawn(event: pb.PositionWithdrawn, entry: _Entry, names: Names) -> str:
    del entry
    return f"{names.all(event.by)} give up position {event.position_id}"


def _question_raised(event: pb.QuestionRaised, entry: _Entry, names: Names) -> str:
    by = f" by {names.all(event.raised_by)}" if event.raised_by else ""
    to = f" for {names.all(event.addressed_to)}" if event.addressed_to else ""
    again = f", asking {event.reopens} again" if event.reopens else ""
    about = _terms(event, entry, names, "about")
    return f"{_text(entry, f'question {event.question_id}{by}{to}{again}')}{about}"


def _question_resolved(event: pb.QuestionResolved, entry: _Entry, names: Names) -> str:
    del names
    answer = f": {escaped(entry.words.answer, lines=True)}" if entry.words.answer else ""
    return f"question {event.question_id} is {wording.word(event, 'resolution')}{answer}"


def _proposal_made(event: pb.ProposalMade, entry: _Entry, names: Names) -> str:
    links = [
        f"countering {event.counters}" if event.counters else "",
        f"in place of {event.supersedes}" if event.supersedes else "",
        f"until {wording.when(event.expires, entry.words.date_verbatim)}"
        if event.HasField("expires")
        else "",
    ]
    said = "".join(f", {link}" for link in links if link)
    text = f": {_text(entry)}" if entry.words.text else ""
    verb = "offers" if len(event.by) == 1 else "offer"
    offer = f"{names.all(event.by)} {verb} {names.all(event.to)} {event.proposal_id}"
    binding = wording.word(event, "binding")
    return f"{offer}, {binding}{said}{_if(entry.words)}{text}{_terms(event, entry, names)}"


def _proposal_answered(event: pb.ProposalAnswered, entry: _Entry, names: Names) -> str:
    text = f": {_text(entry)}" if entry.words.text else ""
    answer = wording.word(event, "answer")
    who = f"{names[event.by]}{_behalf(event, names)}"
    vote = f" ({wording.tally(event.tally)})" if event.HasField("tally") else ""
    casting = " with its casting vote" if event.casting else ""
    said = f"{answer}{vote}{_if(entry.words)}{text}"
    return f"{who} answers {event.proposal_id}{casting}: {said}"


def _behalf(event: Any, names: Names) -> str:
    """Return the principals of an act: " for Renault Group"."""
    return f" for {names.all(event.on_behalf_of)}" if event.on_behalf_of else ""


def _proposal_closed(event: pb.ProposalClosed, entry: _Entry, names: Names) -> str:
    del entry
    by = f" by {names.all(event.by)}{_behalf(event, names)}" if event.by else ""
    vote = f": {wording.tally(event.tally)}" if event.HasField("tally") else ""
    return f"proposal {event.proposal_id} is {wording.word(event, 'how')}{by}{vote}"


def _agreement_recorded(event: pb.AgreementRecorded, entry: _Entry, names: Names) -> str:
    prior = " older than these talks" if event.origin == pb.AGREEMENT_ORIGIN_PRIOR else ""
    between = f"between {names.all(event.between)}, {wording.word(event, 'status')}"
    kind = wording.word(event, "kind")
    said = f"agreement {event.agreement_id}{prior} {between}, {kind}"
    return f"{said}: {_own(entry.words)}{_terms(event, entry, names)}"


def _agreement_status_changed(event: pb.AgreementStatusChanged, entry: _Entry, names: Names) -> str:
    del entry
    by = f", by {names.all(event.by)}" if event.by else ""
    return f"agreement {event.agreement_id} is now {wording.word(event, 'status')}{by}"


def _commitment_made(event: pb.CommitmentMade, entry: _Entry, names: Names) -> str:
    due = wording.when(event.due, entry.words.date_verbatim)
    by = f", due {due}" if due else ""
    verb = "owes" if len(event.debtors) == 1 else "owe"
    owed = f"{names.all(event.debtors)} {verb} {names.all(event.creditors) or 'all'}"
    text = f"{_text(entry)}{_terms(event, entry, names)}"
    return f"commitment {event.commitment_id}, {owed}{by}{_if(entry.words)}: {text}"


def _commitment_status_changed(
    event: pb.CommitmentStatusChanged, entry: _Entry, names: Names
) -> str:
    del entry
    by = f", by {names.all(event.by)}" if event.by else ""
    return f"commitment {event.commitment_id} is now {wording.word(event, 'status')}{by}"


def _milestone_planned(event: pb.MilestonePlanned, entry: _Entry, names: Names) -> str:
    expected = wording.when(event.expected, entry.words.date_verbatim) or "at a date not known"
    by = f" by {names.all(event.by)}" if event.by else ""
    certainty = wording.word(event, "certainty")
    plan = f"{certainty}{by}, expected {expected}{_if(entry.words)}"
    return f"milestone {event.milestone_id}, {plan}: {_own(entry.words)}"


def _milestone_closed(event: pb.MilestoneClosed, entry: _Entry, names: Names) -> str:
    del names
    actual = wording.when(event.actual, entry.words.date_verbatim)
    date = f", {actual}" if actual else ""
    return f"milestone {event.milestone_id} is {wording.word(event, 'outcome')}{date}"


def _document_attached(event: pb.DocumentAttached, entry: _Entry, names: Names) -> str:
    by = f" by {names.all(event.authors)}" if event.authors else ""
    later = f", a later version of {event.version_of}" if event.version_of else ""
    return f"document {event.document_id}{by}{later}: {_own(entry.words)}"


def _entry_corrected(event: pb.EntryCorrected, entry: _Entry, names: Names) -> str:
    why = escaped(entry.words.correction_reason, lines=True)
    target = f"#{event.target_version}"
    if event.mode == pb.CORRECTION_MODE_ANNUL:
        return f"{target} is annulled ({wording.word(event, 'kind')}), because {why}"
    instead = pb.Draft(facts=event.replacement, words=entry.words)
    corrected = f"{target} is corrected ({wording.word(event, 'kind')}), because {why}"
    return f"{corrected}. It should have been: {describe(instead, names)}"


def _entry_disclosed(event: pb.EntryDisclosed, entry: _Entry, names: Names) -> str:
    to = {
        pb.VISIBILITY_LEVEL_PUBLIC: "everyone",
        pb.VISIBILITY_LEVEL_PARTIES: "the participants",
    }.get(event.disclosed_to.level, names.all(event.disclosed_to.audience))
    consent = f", with the consent of {names.all(event.consented_by)}" if event.consented_by else ""
    law = f", under {escaped(entry.words.legal_basis)}" if entry.words.legal_basis else ""
    return f"#{event.target_version} is disclosed to {to}{consent}{law}"


def _entry_redacted(event: pb.EntryRedacted, entry: _Entry, names: Names) -> str:
    del names
    order = (
        f"under {escaped(entry.words.legal_basis)}, by order of {escaped(entry.words.authority)}"
    )
    return f"the words of #{event.target_version} were destroyed {order}"


def _access_granted(event: pb.AccessGranted, entry: _Entry, names: Names) -> str:
    del entry
    return f"{escaped(event.principal)} has access {wording.access(event, names)}"


def _access_revoked(event: pb.AccessRevoked, entry: _Entry, names: Names) -> str:
    del entry
    role = f" as {wording.word(event, 'role')}" if event.role else ""
    whose = f" of {names[event.participant_id]}" if event.participant_id else ""
    return f"{escaped(event.principal)} has no access{role}{whose} any more"


_TEXTS = {"agreement_id": "agreement", "document_id": "document", "minutes_of": "minutes of"}


def _approval_recorded(event: pb.ApprovalRecorded, entry: _Entry, names: Names) -> str:
    field = event.WhichOneof("of") or ""
    about = f"{_TEXTS[field]} {getattr(event, field)}" if field else "a text"
    behalf = _behalf(event, names)
    vote = f", {wording.tally(event.tally)}" if event.HasField("tally") else ""
    text = f": {_text(entry)}" if entry.words.text else ""
    return f"{names.all(event.by)}{behalf}: {about} {wording.word(event, 'act')}{vote}{text}"


DESCRIPTIONS: Mapping[str, Callable[[Any, _Entry, Names], str]] = {
    "negotiation_opened": _negotiation_opened,
    "negotiation_suspended": _negotiation_suspended,
    "negotiation_resumed": _negotiation_resumed,
    "negotiation_concluded": _negotiation_concluded,
    "participant_joined": _participant_joined,
    "participant_changed": _participant_changed,
    "participant_left": _participant_left,
    "session_opened": _session_opened,
    "session_closed": _session_closed,
    "topic_added": _topic_added,
    "topic_status_changed": _topic_status_changed,
    "statement_recorded": _statement_recorded,
    "statement_retracted": _statement_retracted,
    "position_taken": _position_taken,
    "position_withdrawn": _position_withdrawn,
    "question_raised": _question_raised,
    "question_resolved": _question_resolved,
    "proposal_made": _proposal_made,
    "proposal_answered": _proposal_answered,
    "proposal_closed": _proposal_closed,
    "agreement_recorded": _agreement_recorded,
    "agreement_status_changed": _agreement_status_changed,
    "commitment_made": _commitment_made,
    "commitment_status_changed": _commitment_status_changed,
    "milestone_planned": _milestone_planned,
    "milestone_closed": _milestone_closed,
    "document_attached": _document_attached,
    "entry_corrected": _entry_corrected,
    "entry_disclosed": _entry_disclosed,
    "entry_redacted": _entry_redacted,
    "access_granted": _access_granted,
    "access_revoked": _access_revoked,
    "approval_recorded": _approval_recorded,
}
"""The sentence of each entry type."""
