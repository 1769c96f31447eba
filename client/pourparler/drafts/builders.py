"""The builders: one function for each entry type, which returns a draft.

Pure but for new ids and the clock.

A builder of a new part takes its text, title or name first. A builder of a change takes the id of
the part first. All other parameters are keywords, such as `by` (the actors), `to` (the addressees)
and `about` (the topics). In place of an id, pass the draft that introduces the part. In place of a
list, pass a single value. Without an `id`, the builder creates one (`statement-k3v9x2m4tq7w`). All
builders also take the parameters of Common.
"""
# ruff: noqa: A002 (the id of a part is called id)

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TypedDict, Unpack

from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.drafts.values import (
    Audience,
    Choice,
    Ref,
    Refs,
    When,
    choice,
    fuzzy,
    instant,
    negotiation_name,
    only,
    ref,
    refs,
    visibility,
)
from pourparler.schema.contract import ENTRY_TYPES


class Common(TypedDict, total=False):
    """The parameters that every builder takes."""

    basis: Choice
    """The basis: `direct` (the default), `on_record`, `reported`, `unattributed` or `analysis`."""
    form: Choice
    """The fidelity of the words. The default is `verbatim` for a direct statement, and otherwise
    `summary`."""
    occurred: When | None
    """The date of the event, or None if unknown. The default is now if the basis is `direct`, and
    otherwise unknown."""
    occurred_verbatim: str
    """The original wording of `occurred`, such as "in May 2020"."""
    visibility: Audience
    """The visibility: `public`, `parties`, `recorder`, or a list of participants. The default is
    that of the session, or `parties`."""
    session: Ref
    """The session of the event."""
    sources: pb.Source | Iterable[pb.Source]
    """The sources of the entry."""
    author: str
    """The analyst, for the basis `analysis`."""
    speaker_described: str
    """The description of an unnamed speaker, such as "a person close to the talks"."""
    concerns: Refs
    """The natural persons that the words concern, in addition to those the entry names."""


Terms = Iterable[pb.Term | pb.TermText]
"""Terms, from `money`, `percent`, `quantity`, `term` and `wording`."""

_COMMON = Common.__optional_keys__
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # no l, o, 0, 1: ids are read aloud and typed
_FIELDS = {entry_type.title: entry_type.name for entry_type in ENTRY_TYPES.values()}


def opening(
    title: str,
    *,
    purpose: str = "",
    acceptance_rule: Choice = "all_addressees",
    predecessor: str = "",
    voting_rule: pb.VotingRule | None = None,
    all_or_nothing: bool = False,
    **common: Unpack[Common],
) -> pb.Draft:
    """Open a negotiation: always the first entry. `Client.open_negotiation` builds it."""
    event = pb.NegotiationOpened(
        acceptance_rule=choice(pb.AcceptanceRule, acceptance_rule),
        predecessor=negotiation_name(predecessor) if predecessor else "",
        voting_rule=voting_rule,
        all_or_nothing=all_or_nothing,
    )
    return _draft(event, pb.Words(title=title, purpose=purpose), common)


def suspension(
    reason: str = "",
    *,
    expected_resume: When | None = None,
    date_verbatim: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Suspend the talks."""
    event = pb.NegotiationSuspended(expected_resume=fuzzy(expected_resume))
    return _draft(event, pb.Words(reason=reason, date_verbatim=date_verbatim), common)


def resumption(reason: str, **common: Unpack[Common]) -> pb.Draft:
    """Resume the talks after a pause or after their end."""
    return _draft(pb.NegotiationResumed(), pb.Words(reason=reason), common)


def conclusion(
    outcome: Choice, *, agreements: Refs = (), reason: str = "", **common: Unpack[Common]
) -> pb.Draft:
    """End the talks: `conclusion("no_agreement", reason="The deadline passed.")`."""
    event = pb.NegotiationConcluded(
        outcome=choice(pb.Outcome, outcome), agreement_ids=refs(agreements)
    )
    return _draft(event, pb.Words(reason=reason), common)


def participant(
    id: str,
    name: str,
    *,
    kind: Choice = "organization",
    role: Choice = "party",
    represents: Refs = (),
    members: Refs = (),
    members_complete: bool = False,
    count: int | None = None,
    owned_by: Refs = (),
    attributes: Terms = (),
    aliases: Iterable[str] = (),
    mandate: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Add a participant: `participant("nissan", "Nissan Motor")`. Other entries use the id."""
    facts, words = _terms(attributes)
    event = pb.ParticipantJoined(
        participant_id=id,
        kind=choice(pb.ParticipantKind, kind),
        role=choice(pb.ParticipantRole, role),
        represents=refs(represents),
        members=refs(members),
        members_complete=members_complete,
        count=count,
        attributes=facts,
        owned_by=refs(owned_by),
    )
    words.MergeFrom(pb.Words(name=name, aliases=aliases, mandate=mandate))
    return _draft(event, words, common)


def participant_change(
    participant: Ref,
    *,
    role: Choice | None = None,
    represents: Refs | None = None,
    members: Refs | None = None,
    members_complete: bool | None = None,
    count: int | None = None,
    owned_by: Refs | None = None,
    name: str = "",
    aliases: Iterable[str] = (),
    mandate: str = "",
    reason: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Change the role, name, mandate or members of a participant. Omitted values stay."""
    event = pb.ParticipantChanged(
        participant_id=ref(participant),
        represents=_list(represents),
        members=_list(members),
        members_complete=members_complete,
        count=count,
        owned_by=_list(owned_by),
    )
    if role is not None:
        event.role = choice(pb.ParticipantRole, role)
    words = pb.Words(name=name, aliases=aliases, mandate=mandate, reason=reason)
    return _draft(event, words, common)


def departure(
    participant: Ref,
    leaving_reason: Choice,
    *,
    by: Refs = (),
    reason: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Remove a participant: `departure("ampere", "dissolved")`."""
    event = pb.ParticipantLeft(
        participant_id=ref(participant),
        leaving_reason=choice(pb.LeavingReason, leaving_reason),
        by=refs(by),
    )
    return _draft(event, pb.Words(reason=reason), common)


def meeting(
    kind: Choice,
    *,
    id: str | None = None,
    attendees: Refs = (),
    default_visibility: Audience | None = None,
    title: str = "",
    place: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Open a session: `meeting("caucus", attendees=["nissan", "mediator"])`."""
    event = pb.SessionOpened(
        session_id=_new_id("session", id),
        kind=choice(pb.SessionKind, kind),
        attendees=refs(attendees),
        default_visibility=None if default_visibility is None else visibility(default_visibility),
    )
    return _draft(event, pb.Words(title=title, place=place), common)


def meeting_closing(
    closed_session: Ref, *, summary: str = "", **common: Unpack[Common]
) -> pb.Draft:
    """Close a session."""
    event = pb.SessionClosed(closed_session_id=ref(closed_session))
    return _draft(event, pb.Words(summary=summary), common)


def topic(
    title: str,
    *,
    id: str | None = None,
    text: str = "",
    parent: Ref = "",
    by: Refs = (),
    status: Choice = "open",
    **common: Unpack[Common],
) -> pb.Draft:
    """Add a topic: `topic("Governance of the alliance", id="t-governance")`."""
    event = pb.TopicAdded(
        topic_id=_new_id("topic", id),
        parent_id=ref(parent),
        proposed_by=refs(by),
        status=choice(pb.TopicStatus, status),
    )
    return _draft(event, pb.Words(title=title, text=text), common)


def topic_status(
    topic: Ref,
    status: Choice,
    *,
    agreement: Ref = "",
    reason: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Change the status of a topic: `topic_status("t-governance", "settled")`."""
    event = pb.TopicStatusChanged(
        topic_id=ref(topic),
        status=choice(pb.TopicStatus, status),
        by_agreement_id=ref(agreement),
    )
    return _draft(event, pb.Words(reason=reason), common)


def statement(
    text: str,
    *,
    id: str | None = None,
    by: Refs = (),
    to: Refs = (),
    about: Refs = (),
    act: Choice = "assert",
    attributed_to: Refs = (),
    on_behalf_of: Refs = (),
    in_reply_to: Ref = "",
    language: str = "",
    document: Ref = "",
    as_role: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Record a statement, made jointly if `by` names several participants."""
    speakers = refs(by)
    event = pb.StatementRecorded(
        statement_id=_new_id("statement", id),
        speakers=speakers,
        attributed_to=refs(attributed_to),
        on_behalf_of=refs(on_behalf_of),
        addressed_to=refs(to),
        joint=len(speakers) > 1,
        act=choice(pb.StatementAct, act),
        topic_ids=refs(about),
        in_reply_to=ref(in_reply_to),
        language=language,
        document_id=ref(document),
    )
    return _draft(event, pb.Words(text=text, as_role=as_role), common)


def retraction(
    statement: Ref,
    *,
    by: Refs,
    partial: bool = False,
    reason: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Retract a statement or, with `partial`, one speaker's part in a joint statement."""
    event = pb.StatementRetracted(statement_id=ref(statement), by=refs(by), partial=partial)
    return _draft(event, pb.Words(reason=reason), common)


def position(
    text: str,
    *,
    id: str | None = None,
    by: Refs,
    stance: Choice,
    about: Ref,
    terms: Terms = (),
    statements: Refs = (),
    supersedes: Ref = "",
    on_behalf_of: Refs = (),
    **common: Unpack[Common],
) -> pb.Draft:
    """Take a position on a topic: `position("Half", by="a", stance="wants", about="t")`."""
    facts, words = _terms(terms)
    event = pb.PositionTaken(
        position_id=_new_id("position", id),
        holders=refs(by),
        topic_id=ref(about),
        stance=choice(pb.Stance, stance),
        terms=facts,
        statement_ids=refs(statements),
        supersedes=ref(supersedes),
        on_behalf_of=refs(on_behalf_of),
    )
    words.text = text
    return _draft(event, words, common)


def position_withdrawal(
    position: Ref, *, by: Refs, reason: str = "", **common: Unpack[Common]
) -> pb.Draft:
    """Withdraw a position."""
    event = pb.PositionWithdrawn(position_id=ref(position), by=refs(by))
    return _draft(event, pb.Words(reason=reason), common)


def question(
    text: str,
    *,
    id: str | None = None,
    by: Refs = (),
    to: Refs = (),
    about: Refs = (),
    terms: Terms = (),
    reopens: Ref = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Raise a question; `terms` are the unknown values: `terms=[percent("stake", of="ampere")]`."""
    facts, words = _terms(terms)
    event = pb.QuestionRaised(
        question_id=_new_id("question", id),
        topic_ids=refs(about),
        about=facts,
        raised_by=refs(by),
        addressed_to=refs(to),
        reopens=ref(reopens),
    )
    words.text = text
    return _draft(event, words, common)


def resolution(
    question: Ref,
    how: Choice = "answered",
    *,
    answer: str = "",
    statements: Refs = (),
    agreement: Ref = "",
    reason: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Close a question: `resolution("q-shares", answer="15 per cent")`."""
    event = pb.QuestionResolved(
        question_id=ref(question),
        resolution=choice(pb.QuestionResolution, how),
        statement_ids=refs(statements),
        agreement_id=ref(agreement),
    )
    return _draft(event, pb.Words(answer=answer, reason=reason), common)


def proposal(
    text: str = "",
    *,
    id: str | None = None,
    by: Refs,
    to: Refs,
    about: Refs = (),
    terms: Terms = (),
    binding: Choice | None = None,
    conditions: Iterable[str] = (),
    expires: When | None = None,
    counters: Ref = "",
    supersedes: Ref = "",
    decided_by: Refs = (),
    document: Ref = "",
    acceptance_rule: Choice | None = None,
    voting_rule: pb.VotingRule | None = None,
    on_behalf_of: Refs = (),
    date_verbatim: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Make a proposal. Its default is `indicative`, or `conditional` if it has conditions."""
    facts, words = _terms(terms)
    words.conditions.extend(conditions)
    event = pb.ProposalMade(
        proposal_id=_new_id("proposal", id),
        by=refs(by),
        to=refs(to),
        topic_ids=refs(about),
        terms=facts,
        binding=choice(pb.ProposalBinding, binding or _depends(words, "indicative")),
        expires=fuzzy(expires),
        counters=ref(counters),
        supersedes=ref(supersedes),
        document_id=ref(document),
        decided_by=refs(decided_by),
        voting_rule=voting_rule,
        on_behalf_of=refs(on_behalf_of),
    )
    if acceptance_rule is not None:
        event.acceptance_rule = choice(pb.AcceptanceRule, acceptance_rule)
    words.MergeFrom(pb.Words(text=text, date_verbatim=date_verbatim))
    return _draft(event, words, common)


def answer(
    proposal: Ref,
    answer: Choice,
    *,
    by: Ref,
    text: str = "",
    conditions: Iterable[str] = (),
    reason: str = "",
    on_behalf_of: Refs = (),
    revises: bool = False,
    casting: bool = False,
    tally: pb.Tally | None = None,
    **common: Unpack[Common],
) -> pb.Draft:
    """Answer a proposal: `answer("offer-1", "accept", by="nissan")`."""
    event = pb.ProposalAnswered(
        proposal_id=ref(proposal),
        by=ref(by),
        answer=choice(pb.Answer, answer),
        on_behalf_of=refs(on_behalf_of),
        revises=revises,
        casting=casting,
        tally=tally,
    )
    return _draft(event, pb.Words(text=text, conditions=conditions, reason=reason), common)


def proposal_closing(
    proposal: Ref,
    how: Choice,
    *,
    by: Refs = (),
    reason: str = "",
    tally: pb.Tally | None = None,
    on_behalf_of: Refs = (),
    **common: Unpack[Common],
) -> pb.Draft:
    """Close a proposal: `withdrawn`, `lapsed`, `accepted_by_silence`, `voted` or `set_aside`."""
    event = pb.ProposalClosed(
        proposal_id=ref(proposal),
        how=choice(pb.ProposalClosing, how),
        by=refs(by),
        tally=tally,
        on_behalf_of=refs(on_behalf_of),
    )
    return _draft(event, pb.Words(reason=reason), common)


def agreement(
    title: str,
    *,
    id: str | None = None,
    between: Refs,
    kind: Choice,
    origin: Choice = "reached",
    status: Choice = "in_force",
    about: Refs = (),
    terms: Terms = (),
    text: str = "",
    proposal: Ref = "",
    supersedes: Refs = (),
    amends: Refs = (),
    document: Ref = "",
    annexes: Refs = (),
    effective: When | None = None,
    ends: When | None = None,
    needs: Mapping[str, Choice] | None = None,
    dropped_keys: Iterable[str] = (),
    on_behalf_of: Refs = (),
    **common: Unpack[Common],
) -> pb.Draft:
    """Record an agreement. The date of a `prior` agreement is not assumed to be now.

    `needs` maps participants to the approvals that it needs: `{"uk": "ratified"}`.
    """
    facts, words = _terms(terms)
    event = pb.AgreementRecorded(
        agreement_id=_new_id("agreement", id),
        origin=choice(pb.AgreementOrigin, origin),
        kind=choice(pb.AgreementKind, kind),
        between=refs(between),
        proposal_id=ref(proposal),
        terms=facts,
        supersedes=refs(supersedes),
        amends=refs(amends),
        status=choice(pb.AgreementStatus, status),
        topic_ids=refs(about),
        document_id=ref(document),
        annex_ids=refs(annexes),
        effective=fuzzy(effective),
        ends=fuzzy(ends),
        needs=[
            pb.NeededApproval(participant_id=who, act=choice(pb.ApprovalAct, act))
            for who, act in (needs or {}).items()
        ],
        dropped_keys=dropped_keys,
        on_behalf_of=refs(on_behalf_of),
    )
    words.MergeFrom(pb.Words(title=title, text=text))
    if event.origin == pb.AGREEMENT_ORIGIN_PRIOR:
        common.setdefault("occurred", None)
    return _draft(event, words, common)


def agreement_status(
    agreement: Ref,
    status: Choice,
    *,
    by: Refs = (),
    reason: str = "",
    effective: When | None = None,
    ends: When | None = None,
    on_behalf_of: Refs = (),
    **common: Unpack[Common],
) -> pb.Draft:
    """Change the status of an agreement: `agreement_status("lease", "terminated")`."""
    event = pb.AgreementStatusChanged(
        agreement_id=ref(agreement),
        status=choice(pb.AgreementStatus, status),
        by=refs(by),
        effective=fuzzy(effective),
        ends=fuzzy(ends),
        on_behalf_of=refs(on_behalf_of),
    )
    return _draft(event, pb.Words(reason=reason), common)


def approval(
    act: Choice,
    *,
    by: Refs,
    agreement: Ref = "",
    document: Ref = "",
    minutes_of: Ref = "",
    on_behalf_of: Refs = (),
    tally: pb.Tally | None = None,
    documents: Refs = (),
    text: str = "",
    reason: str = "",
    as_role: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Record that a text is signed, ratified, approved or refused.

    The text is an agreement, a document or the minutes of a session:
    `approval("ratified", by="commons", on_behalf_of="uk", agreement="withdrawal")`.
    """
    texts = {"agreement_id": agreement, "document_id": document, "minutes_of": minutes_of}
    given = {field: ref(part) for field, part in texts.items() if part}
    if len(given) > 1:
        raise ValueError("An approval is about one text: an agreement, a document or minutes.")
    event = pb.ApprovalRecorded(
        by=refs(by),
        on_behalf_of=refs(on_behalf_of),
        act=choice(pb.ApprovalAct, act),
        tally=tally,
        document_ids=refs(documents),
        **given,
    )
    return _draft(event, pb.Words(text=text, reason=reason, as_role=as_role), common)


def commitment(
    text: str,
    *,
    id: str | None = None,
    by: Refs,
    to: Refs = (),
    terms: Terms = (),
    due: When | None = None,
    conditions: Iterable[str] = (),
    agreement: Ref = "",
    proposal: Ref = "",
    statement: Ref = "",
    date_verbatim: str = "",
    on_behalf_of: Refs = (),
    **common: Unpack[Common],
) -> pb.Draft:
    """Record a commitment: a debtor owes a creditor, from an agreement, proposal or statement."""
    facts, words = _terms(terms)
    words.MergeFrom(pb.Words(text=text, conditions=conditions, date_verbatim=date_verbatim))
    event = pb.CommitmentMade(
        commitment_id=_new_id("commitment", id),
        debtors=refs(by),
        creditors=refs(to),
        terms=facts,
        due=fuzzy(due),
        conditional=bool(words.conditions),
        on_behalf_of=refs(on_behalf_of),
    )
    arises_from = {"agreement_id": agreement, "proposal_id": proposal, "statement_id": statement}
    given = {field: ref(part) for field, part in arises_from.items() if part}
    if len(given) > 1:
        raise ValueError("A commitment arises from one thing: agreement, proposal or statement.")
    for field, origin in given.items():
        setattr(event, field, origin)
    return _draft(event, words, common)


def commitment_status(
    commitment: Ref,
    status: Choice,
    *,
    by: Refs = (),
    statements: Refs = (),
    documents: Refs = (),
    reason: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Change the status of a commitment: `commitment_status("c-pay", "fulfilled")`."""
    event = pb.CommitmentStatusChanged(
        commitment_id=ref(commitment),
        status=choice(pb.CommitmentStatus, status),
        by=refs(by),
        statement_ids=refs(statements),
        document_ids=refs(documents),
    )
    return _draft(event, pb.Words(reason=reason), common)


def milestone(
    title: str,
    *,
    id: str | None = None,
    expected: When | None = None,
    certainty: Choice | None = None,
    by: Refs = (),
    about: Refs = (),
    text: str = "",
    conditions: Iterable[str] = (),
    statements: Refs = (),
    reason: str = "",
    date_verbatim: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Plan a milestone, or plan it again by its id: `milestone("Sale", expected="2023-41")`."""
    words = pb.Words(
        title=title,
        text=text,
        conditions=conditions,
        reason=reason,
        date_verbatim=date_verbatim,
    )
    event = pb.MilestonePlanned(
        milestone_id=_new_id("milestone", id),
        by=refs(by),
        topic_ids=refs(about),
        expected=fuzzy(expected),
        certainty=choice(pb.Certainty, certainty or _depends(words, "planned")),
        statement_ids=refs(statements),
    )
    return _draft(event, words, common)


def milestone_closing(
    milestone: Ref,
    outcome: Choice,
    *,
    actual: When | None = None,
    statements: Refs = (),
    documents: Refs = (),
    reason: str = "",
    date_verbatim: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Close a milestone: `reached` (with `actual`), `missed` or `cancelled`."""
    event = pb.MilestoneClosed(
        milestone_id=ref(milestone),
        outcome=choice(pb.MilestoneOutcome, outcome),
        actual=fuzzy(actual),
        statement_ids=refs(statements),
        document_ids=refs(documents),
    )
    return _draft(event, pb.Words(reason=reason, date_verbatim=date_verbatim), common)


def document(
    title: str,
    content: bytes | None = None,
    *,
    id: str | None = None,
    digest: str = "",
    size_bytes: int = 0,
    media_type: str = "",
    uri: str = "",
    version_of: Ref = "",
    by: Refs = (),
    text: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Attach a document by its digest, given or computed from `content`, which is not sent."""
    if content is not None:
        digest = digest or f"sha256:{hashlib.sha256(content).hexdigest()}"
        size_bytes = size_bytes or len(content)
    event = pb.DocumentAttached(
        document_id=_new_id("document", id),
        version_of=ref(version_of),
        media_type=media_type,
        size_bytes=size_bytes,
        authors=refs(by),
    )
    return _draft(event, pb.Words(title=title, digest=digest, uri=uri, text=text), common)


def correction(
    version: int,
    reason: str,
    *,
    replacement: pb.Draft | None = None,
    kind: Choice = "recorder",
    **common: Unpack[Common],
) -> pb.Draft:
    """Correct an entry: replace it or, without a replacement, annul it.

    A replacement has all fields of the entry, also `occurred`, whose default is the current time.
    Start from `v1.Draft(facts=entry.facts, words=entry.words)`, and change what is wrong.
    """
    event = pb.EntryCorrected(
        target_version=version,
        mode=pb.CORRECTION_MODE_ANNUL,
        kind=choice(pb.CorrectionKind, kind),
    )
    words = pb.Words()
    if replacement is not None:
        event.mode = pb.CORRECTION_MODE_REPLACE
        event.replacement.CopyFrom(replacement.facts)
        event.replacement.ClearField("visibility")  # who may see it is disclosed, not corrected
        words.CopyFrom(replacement.words)
    words.correction_reason = reason
    return _draft(event, words, common)


def disclosure(
    version: int,
    *,
    to: Audience,
    consented_by: Refs = (),
    legal_basis: str = "",
    reason: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Widen the visibility of an entry: `disclosure(12, to="public", consented_by="nissan")`."""
    event = pb.EntryDisclosed(
        target_version=version, disclosed_to=visibility(to), consented_by=refs(consented_by)
    )
    return _draft(event, pb.Words(legal_basis=legal_basis, reason=reason), common)


def redaction(
    version: int,
    *,
    legal_basis: str,
    authority: str,
    reason: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Redact the words of an entry. Only the service records it; it refuses one from a client."""
    event = pb.EntryRedacted(target_version=version)
    words = pb.Words(legal_basis=legal_basis, authority=authority, reason=reason)
    return _draft(event, words, common)


def grant_access(
    principal: str,
    role: Choice,
    *,
    participant: Ref = "",
    end_time: datetime | None = None,
    reason: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Grant access to a principal. Roles: custodian, recorder, party, mediator, auditor.

    `participant` is the party or mediator that the principal acts for. `end_time` ends the access
    of an auditor. The principal has the name that entries have in `recorded_by`.
    """
    event = pb.AccessGranted(
        principal=principal,
        role=choice(pb.AccessRole, role),
        participant_id=ref(participant),
        end_time=None if end_time is None else instant(end_time),
    )
    return _draft(event, pb.Words(reason=reason), common)


def revoke_access(
    principal: str,
    role: Choice = 0,
    *,
    participant: Ref = "",
    reason: str = "",
    **common: Unpack[Common],
) -> pb.Draft:
    """Revoke access of a principal: of one role or all, for one participant or all."""
    event = pb.AccessRevoked(
        principal=principal,
        role=choice(pb.AccessRole, role) if role else pb.ACCESS_ROLE_UNSPECIFIED,
        participant_id=ref(participant),
    )
    return _draft(event, pb.Words(reason=reason), common)


def _draft(event: Message, words: pb.Words, common: Common) -> pb.Draft:
    """Return the draft of an event, with the common parameters and their defaults."""
    # A misspelt `visibility` or `session` would let everybody see what was confided.
    only(common, _COMMON, f"A {event.DESCRIPTOR.name}")
    field = _FIELDS[str(event.DESCRIPTOR.name)]
    basis = choice(pb.Basis, common.get("basis", pb.BASIS_DIRECT))
    direct = basis == pb.BASIS_DIRECT
    said = direct and field == "statement_recorded"
    form = common.get("form", pb.FORM_VERBATIM if said else pb.FORM_SUMMARY)
    occurred = common["occurred"] if "occurred" in common else datetime.now(UTC) if direct else None
    seen_by = common.get("visibility")
    facts = pb.Facts(
        occurred=fuzzy(occurred),
        provenance=pb.Provenance(basis=basis, form=choice(pb.Form, form)),
        visibility=None if seen_by is None else visibility(seen_by),
        session_id=ref(common.get("session", "")),
        concerns=refs(common.get("concerns", ())),
    )
    getattr(facts, field).CopyFrom(event)
    sources = common.get("sources", ())
    words.MergeFrom(
        pb.Words(
            occurred_verbatim=common.get("occurred_verbatim", ""),
            author=common.get("author", ""),
            speaker_described=common.get("speaker_described", ""),
            sources=[sources] if isinstance(sources, pb.Source) else sources,
        )
    )
    return pb.Draft(facts=facts, words=words)


def _terms(given: Terms) -> tuple[list[pb.Term], pb.Words]:
    """Return the terms for the facts, and the texts of those of type TEXT for the words."""
    given = list(given)
    facts = [one for one in given if isinstance(one, pb.Term)]
    texts = [one for one in given if isinstance(one, pb.TermText)]
    known = {one.key for one in facts}
    facts += [
        pb.Term(key=one.key, type=pb.TERM_TYPE_TEXT, qualifier=pb.TERM_QUALIFIER_EXACT)
        for one in texts
        if one.key not in known
    ]
    return facts, pb.Words(term_texts=texts)


def _list(given: Refs | None) -> pb.ParticipantList | None:
    return None if given is None else pb.ParticipantList(participant_ids=refs(given))


def _depends(words: pb.Words, otherwise: str) -> str:
    return "conditional" if words.conditions else otherwise


def _new_id(kind: str, given: str | None) -> str:
    if given is not None:
        return given
    return f"{kind}-{''.join(secrets.choice(_ALPHABET) for _ in range(12))}"
