"""Random histories: drafts over small pools of ids, kept if the rules accept them.

Each step has its own seed, so that Hypothesis can remove steps to find the shortest failing
history.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES, PARTS, is_repeated, rule_of
from pourparler.state.corrections import AMENDING_TYPES, is_amending
from pourparler.state.fold import evolve, fold
from pourparler_service.domain import rules
from pourparler_service.domain.refusal import RefusalError
from pourparler_service.validation import drafts
from tests.support import sample_entries

_PAST = [
    sample_entries.date(one) for one in ("2025", "2025-12-31", "2025-41?", "[..2025-11-30]", "202X")
]
_COMING = [
    sample_entries.date(one) for one in ("2026-06", "2026-41", "[2026-01-01..]", "2027-01-01")
]
_VALUES: Mapping[pb.TermType.ValueType, Sequence[str]] = {
    pb.TERM_TYPE_MONEY: ["10", "12.50", "15"],
    pb.TERM_TYPE_PERCENT: ["15", "20", "43.4"],
    pb.TERM_TYPE_QUANTITY: ["1", "2", "3"],
    pb.TERM_TYPE_TEXT: [""],
    pb.TERM_TYPE_ENUM: ["cash", "stock"],
    pb.TERM_TYPE_DATE: ["2026-07-01", "2026-09-01"],
    pb.TERM_TYPE_BOOL: ["true", "false"],
}
_POOL = 6
_ATTEMPTS = 8


def histories(most: int = 32) -> st.SearchStrategy[list[pb.Entry]]:
    """Return a strategy of accepted histories with a maximum number of entries."""
    return steps(most).map(history)


def steps(most: int = 32) -> st.SearchStrategy[list[int]]:
    """Return a strategy of seeds for a number of steps."""
    return st.lists(st.integers(0, 2**32 - 1), min_size=min(8, most), max_size=most)


def history(seeds: Sequence[int]) -> list[pb.Entry]:
    """Return the history of seeds. A refused step adds no entry."""
    entries: list[pb.Entry] = []
    state = pb.Negotiation()
    for seed in seeds:
        random = Random(seed)  # noqa: S311 - dice, not secrets
        for _ in range(_ATTEMPTS):
            draft = propose(random, state, entries)
            if refusal(state, draft, entries) is None:
                entry = sample_entries.recorded(len(entries) + 1, draft)
                entries.append(entry)
                if is_amending(entry):
                    state = fold(entries)
                else:
                    evolve(state, entry)
                break
    return entries


def refusal(
    state: pb.Negotiation, draft: pb.Draft, entries: Sequence[pb.Entry]
) -> RefusalError | None:
    """Complete a draft; return its refusal as the next entry, or None."""
    try:
        drafts.check_draft(draft)
        rules.complete(state, draft)
        rules.check(
            state,
            draft,
            record_time=sample_entries.recorded_at(len(entries) + 1),
            history=lambda: entries,
            by_service=True,
        )
    except RefusalError as refused:
        return refused
    return None


def propose(random: Random, state: pb.Negotiation, entries: Sequence[pb.Entry]) -> pb.Draft:
    """Return a draft that the rules may accept or refuse as the next entry."""
    kind = _kind(random, state)
    basis = random.choices(list(_BASES), list(_BASES.values()))[0]
    return _Proposal(random, state, entries, kind, basis).draft()


_BASES = {
    sample_entries.DIRECT: 6,
    sample_entries.ON_RECORD: 3,
    sample_entries.REPORTED: 2,
    sample_entries.UNATTRIBUTED: 1,
    sample_entries.ANALYSIS: 1,
}
_OFTEN = {
    "negotiation_opened": 1,
    "negotiation_suspended": 1,
    "negotiation_resumed": 1,
    "negotiation_concluded": 1,
    "participant_joined": 4,
    "participant_left": 1,
    "topic_added": 5,
    "topic_status_changed": 6,
    "statement_recorded": 6,
    "statement_retracted": 3,
    "position_taken": 8,
    "position_withdrawn": 4,
    "proposal_made": 12,
    "proposal_answered": 14,
    "proposal_closed": 4,
    "agreement_recorded": 6,
    "agreement_status_changed": 6,
    "commitment_status_changed": 4,
    "entry_corrected": 6,
    "entry_disclosed": 5,
}


def _kind(random: Random, state: pb.Negotiation) -> str:
    if not state.status:
        return "negotiation_opened"
    if len(state.participants) < 2:
        return "participant_joined"
    if state.status != pb.NEGOTIATION_STATUS_OPEN and random.random() < 0.3:
        return "negotiation_resumed"
    weights = [_OFTEN.get(name, 2) for name in ENTRY_TYPES]
    return random.choices(list(ENTRY_TYPES), weights)[0]


class _Proposal(NamedTuple):
    """A builder of one random draft."""

    random: Random
    state: pb.Negotiation
    entries: Sequence[pb.Entry]
    kind: str
    basis: pb.Basis.ValueType

    def draft(self) -> pb.Draft:
        """Set the fields by the contract, then make them consistent."""
        words = pb.Words()
        event = self.event(self.kind)
        self.fit(self.kind, event, words)
        visibility = None
        if self.random.random() < 0.15:
            visibility = self._visibility()
        return sample_entries.draft(
            event,
            self._said(words),
            basis=self.basis,
            form=self.random.choice(pb.Form.values()[1:]),
            visibility=visibility,
            occurred=self.random.choice([None, *_PAST]),
            session=self.random.choice(["", "", "", *sorted(self.state.sessions)]),
        )

    def event(self, kind: str) -> Any:
        """Return an event of a type with fields set by the contract."""
        event = getattr(pb.Facts(), kind)
        self._fill(event)
        return event

    def _fill(self, message: Message) -> None:
        fields: Any = message.DESCRIPTOR.fields
        for field in fields:
            if rule_of(field).required or self.random.random() < 0.4:
                self._fill_field(message, field)

    def _fill_field(self, message: Message, field: FieldDescriptor) -> None:
        rule, name = rule_of(field), field.name
        if rule.introduces:
            setattr(message, name, self._new(rule.introduces))
        elif rule.refers_to:
            self._refer(message, field, rule)
        elif field.message_type is pb.Term.DESCRIPTOR:
            getattr(message, name).append(self._term())
        elif field.message_type is pb.FuzzyDate.DESCRIPTOR:
            getattr(message, name).CopyFrom(self.random.choice([*_PAST, *_COMING]))
        elif field.message_type is pb.Visibility.DESCRIPTOR:
            getattr(message, name).CopyFrom(self._visibility())
        elif field.message_type is pb.ParticipantList.DESCRIPTOR:
            getattr(message, name).SetInParent()
            self._fill(getattr(message, name))
        elif field.enum_type is not None:
            setattr(message, name, self.random.choice(field.enum_type.values[1:]).number)
        elif name in _SCALARS:
            setattr(message, name, self.random.choice(_SCALARS[name]))
        elif name == "target_version":
            setattr(message, name, self.random.randint(1, self.state.version))

    def _new(self, kind: int) -> str:
        return f"{PARTS[kind][:2]}-{self.random.randint(1, _POOL)}"

    def _refer(self, message: Message, field: FieldDescriptor, rule: pb.FieldRule) -> None:
        known = sorted(getattr(self.state, PARTS[rule.refers_to]))
        if self.random.random() < 0.02:
            known = ["nobody-knows"]
        elif rule.acting:
            known = [key for key in known if self.may_act(key)] or known
        if not known:
            return
        if is_repeated(field):
            some = self.random.randint(1, min(2, len(known)))
            getattr(message, field.name).extend(self.random.sample(known, some))
        else:
            setattr(message, field.name, self.random.choice(known))

    def may_act(self, key: str) -> bool:
        """Return True if a participant can act as a party."""
        who = self.state.participants[key]
        silent = {pb.PARTICIPANT_ROLE_SUBJECT, pb.PARTICIPANT_ROLE_OBSERVER}
        return who.status == pb.PARTICIPANT_STATUS_ACTIVE and who.facts.role not in silent

    def _term(self) -> pb.Term:
        key = self.random.choice(list(_VALUES))
        unit = "EUR" if key == pb.TERM_TYPE_MONEY else ""
        term = pb.Term(key=f"term-{key}", type=key, qualifier=pb.TERM_QUALIFIER_EXACT, unit=unit)
        if self.random.random() < 0.1:
            term.qualifier = pb.TERM_QUALIFIER_UNKNOWN
        else:
            term.value = self.random.choice(_VALUES[key])
        return term

    def _visibility(self) -> pb.Visibility:
        known = sorted(self.state.participants)
        choices = [sample_entries.PUBLIC, sample_entries.PARTIES, sample_entries.RECORDER_ONLY]
        if known:
            some = self.random.sample(known, self.random.randint(1, len(known)))
            choices += [sample_entries.restricted(*some)] * 2
        return self.random.choice(choices)

    def _said(self, words: pb.Words) -> pb.Words:
        """Return some of the optional words of a type, and its fixed ones."""
        for name in ENTRY_TYPES[self.kind].rule.optional_words:
            if name in _SPOKEN and not getattr(words, name) and self.random.random() < 0.6:
                setattr(words, name, f"A {name} of {self.random.randint(1, 9)}")
        return words

    def fit(self, kind: str, event: Any, words: pb.Words) -> None:
        """Make the fields of an event consistent with each other and with the words."""
        if kind in _TERMED:
            for term in getattr(event, _TERMED[kind]):
                if term.type == pb.TERM_TYPE_TEXT and term.qualifier == pb.TERM_QUALIFIER_EXACT:
                    said = self.random.choice(["Paris", "Tokyo"])
                    words.term_texts.add(key=term.key, text=said)
        if kind in _FITS:
            _FITS[kind](self, event, words)


_SPOKEN = {"text", "reason", "summary", "purpose", "legal_basis", "mandate", "name"}
_SCALARS: Mapping[str, Sequence[Any]] = {
    "count": [2, 11],
    "members_complete": [True, False],
    "language": ["en", "fr-CA"],
    "media_type": ["text/plain"],
    "size_bytes": [1, 1000],
    "predecessor": ["negotiations/before"],
    "principal": ["one", "two", "three"],
}
_TERMED = {
    "participant_joined": "attributes",
    "position_taken": "terms",
    "question_raised": "about",
    "proposal_made": "terms",
    "agreement_recorded": "terms",
    "commitment_made": "terms",
}
Fit = Callable[[_Proposal, Any, pb.Words], None]


def _replace(field: Any, items: Sequence[str]) -> None:
    del field[:]
    field.extend(items)


def _joined(one: _Proposal, event: pb.ParticipantJoined, words: pb.Words) -> None:
    words.name = event.participant_id.upper()
    if one.random.random() < 0.6:
        event.role = pb.PARTICIPANT_ROLE_PARTY
    if event.kind == pb.PARTICIPANT_KIND_COHORT:
        event.count = 11
    for named in (event.represents, event.members, event.owned_by):
        _replace(named, [who for who in named if who != event.participant_id])


def _changed(one: _Proposal, event: pb.ParticipantChanged, words: pb.Words) -> None:
    words.name = f"Name {one.random.randint(1, 9)}"
    for named in (event.represents, event.members, event.owned_by):
        ids = named.participant_ids
        _replace(ids, [who for who in ids if who != event.participant_id])


def _left(one: _Proposal, event: pb.ParticipantLeft, words: pb.Words) -> None:
    if event.leaving_reason == pb.LEAVING_REASON_EXCLUDED and not event.by:
        event.leaving_reason = pb.LEAVING_REASON_WITHDREW


def _session(one: _Proposal, event: pb.SessionOpened, words: pb.Words) -> None:
    event.ClearField("default_visibility")


def _statement(one: _Proposal, event: pb.StatementRecorded, words: pb.Words) -> None:
    speakers = list(event.speakers) or list(event.attributed_to) or sorted(one.state.participants)
    heard = one.basis in {sample_entries.DIRECT, sample_entries.ON_RECORD}
    _replace(event.speakers, speakers[:2] if heard else [])
    _replace(event.attributed_to, speakers[:2] if one.basis == sample_entries.REPORTED else [])
    event.joint = len(event.speakers) > 1
    if one.state.statements and one.random.random() < 0.4:
        event.in_reply_to = one.random.choice(sorted(one.state.statements))
        event.act = one.random.choice([pb.STATEMENT_ACT_CONFIRM, pb.STATEMENT_ACT_DENY])


def _retracted(one: _Proposal, event: pb.StatementRetracted, words: pb.Words) -> None:
    about = one.state.statements.get(event.statement_id)
    if about is not None:
        by = list(about.facts.speakers or about.facts.attributed_to) or event.by[:1]
        event.partial = len(by) > 1 and one.random.random() < 0.6
        _replace(event.by, [one.random.choice(by)] if event.partial else by)


def _position(one: _Proposal, event: pb.PositionTaken, words: pb.Words) -> None:
    before = one.state.positions.get(event.supersedes)
    if before is not None:
        _replace(event.holders, before.facts.holders)
        event.topic_id = before.facts.topic_id


def _withdrawn(one: _Proposal, event: pb.PositionWithdrawn, words: pb.Words) -> None:
    about = one.state.positions.get(event.position_id)
    if about is not None:
        _replace(event.by, about.facts.holders)


def _resolved(one: _Proposal, event: pb.QuestionResolved, words: pb.Words) -> None:
    if event.resolution == pb.QUESTION_RESOLUTION_ANSWERED:
        words.answer = "Fifteen"


def _offer(one: _Proposal, event: pb.ProposalMade, words: pb.Words) -> None:
    before = one.state.proposals.get(event.supersedes)
    if before is not None:
        _replace(event.by, before.facts.by)
    _replace(event.to, [who for who in event.to if who not in event.by])
    if not event.to:
        others = sorted(set(one.state.participants) - set(event.by))
        _replace(event.to, [who for who in others if one.may_act(who)][:2])
    named = one.state.facts.acceptance_rule == pb.ACCEPTANCE_RULE_NAMED
    _replace(event.decided_by, list(event.to)[:1] if named else [])
    if event.binding == pb.PROPOSAL_BINDING_CONDITIONAL:
        words.conditions.append("The board agrees")


def _answer(one: _Proposal, event: pb.ProposalAnswered, words: pb.Words) -> None:
    about = one.state.proposals.get(event.proposal_id)
    if about is not None:
        event.by = one.random.choice(sorted(about.facts.to))
        if one.random.random() < 0.5:
            event.answer = pb.ANSWER_ACCEPT


def _closed(one: _Proposal, event: pb.ProposalClosed, words: pb.Words) -> None:
    about = one.state.proposals.get(event.proposal_id)
    taken_back = event.how == pb.PROPOSAL_CLOSING_WITHDRAWN
    _replace(event.by, about.facts.by if taken_back and about is not None else [])


def _agreement(one: _Proposal, event: pb.AgreementRecorded, words: pb.Words) -> None:
    _replace(event.between, [who for who in sorted(one.state.participants) if one.may_act(who)])
    if event.origin == pb.AGREEMENT_ORIGIN_REACHED:
        event.status = one.random.choice(
            [pb.AGREEMENT_STATUS_PENDING_APPROVAL, pb.AGREEMENT_STATUS_IN_FORCE]
        )
    accepted = [
        key
        for key, proposal in sorted(one.state.proposals.items())
        if proposal.status == pb.PROPOSAL_STATUS_ACCEPTED
    ]
    event.proposal_id = one.random.choice(["", *accepted])


def _commitment(one: _Proposal, event: pb.CommitmentMade, words: pb.Words) -> None:
    _replace(event.creditors, [who for who in event.creditors if who not in event.debtors])
    event.conditional = one.random.random() < 0.4
    if event.conditional:
        words.conditions.append("The board agrees")


def _planned(one: _Proposal, event: pb.MilestonePlanned, words: pb.Words) -> None:
    if event.HasField("expected"):
        event.expected.CopyFrom(one.random.choice(_COMING))
    if event.certainty == pb.CERTAINTY_CONDITIONAL:
        words.conditions.append("The markets are calm")


def _met(one: _Proposal, event: pb.MilestoneClosed, words: pb.Words) -> None:
    event.ClearField("actual")
    if event.outcome == pb.MILESTONE_OUTCOME_REACHED:
        event.actual.CopyFrom(one.random.choice(_PAST))


def _concluded(one: _Proposal, event: pb.NegotiationConcluded, words: pb.Words) -> None:
    if event.outcome == pb.OUTCOME_NO_AGREEMENT:
        event.ClearField("agreement_ids")


def _corrected(one: _Proposal, event: pb.EntryCorrected, words: pb.Words) -> None:
    """Annul the target, or replace it with similar content."""
    target = one.entries[event.target_version - 1]
    kind = target.facts.WhichOneof("event") or ""
    words.correction_reason = "A slip"
    if event.mode == pb.CORRECTION_MODE_ANNUL or kind in AMENDING_TYPES:
        return
    replacement = event.replacement
    replacement.CopyFrom(target.facts)
    replacement.ClearField("visibility")
    replacement.ClearField("recorded_by")
    replacement.occurred.CopyFrom(one.random.choice(_PAST))
    said = pb.Words()
    said.CopyFrom(target.words)
    if one.random.random() < 0.5:
        anew, introduces = one.event(kind), ENTRY_TYPES[kind].introduces
        if introduces is not None:
            known = getattr(getattr(target.facts, kind), introduces.name)
            setattr(anew, introduces.name, known)
        said.Clear()
        like = one._replace(kind=kind, basis=target.facts.provenance.basis)
        like.fit(kind, anew, said)
        said.MergeFrom(sample_entries.draft(anew, said, basis=like.basis).words)
        getattr(replacement, kind).CopyFrom(anew)
    if said.reason or kind in {"topic_status_changed", "negotiation_resumed"}:
        said.reason = f"Another reason, {one.random.randint(1, 9)}"
    words.MergeFrom(said)
    words.correction_reason = "A slip"


def _disclosed(one: _Proposal, event: pb.EntryDisclosed, words: pb.Words) -> None:
    words.legal_basis = "The law"


def _granted(one: _Proposal, event: pb.AccessGranted, words: pb.Words) -> None:
    event.ClearField("end_time")
    if event.role == pb.ACCESS_ROLE_PARTY:
        event.participant_id = one.random.choice(sorted(one.state.participants))
    elif event.role == pb.ACCESS_ROLE_AUDITOR:
        event.end_time.seconds = one.random.choice([1, 2_000_000_000])
    if event.role not in {pb.ACCESS_ROLE_PARTY, pb.ACCESS_ROLE_MEDIATOR}:
        event.ClearField("participant_id")


def _revoked(one: _Proposal, event: pb.AccessRevoked, words: pb.Words) -> None:
    event.principal = one.random.choice(sorted(one.state.principals))
    event.ClearField("participant_id")


_FITS: Mapping[str, Fit] = {
    "negotiation_concluded": _concluded,
    "participant_joined": _joined,
    "participant_changed": _changed,
    "participant_left": _left,
    "session_opened": _session,
    "statement_recorded": _statement,
    "statement_retracted": _retracted,
    "position_taken": _position,
    "position_withdrawn": _withdrawn,
    "question_resolved": _resolved,
    "proposal_made": _offer,
    "proposal_answered": _answer,
    "proposal_closed": _closed,
    "agreement_recorded": _agreement,
    "commitment_made": _commitment,
    "milestone_planned": _planned,
    "milestone_closed": _met,
    "entry_corrected": _corrected,
    "entry_disclosed": _disclosed,
    "access_granted": _granted,
    "access_revoked": _revoked,
}
