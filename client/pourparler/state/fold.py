"""The fold: entries in, the state of the negotiation out.

Pure: no I/O, no clock, and it judges nothing.
"""

from collections.abc import Callable, Iterable, MutableMapping, MutableSequence, Sequence
from typing import Any, NamedTuple

from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema.contract import PARTS, entry_type, rule_of

AMENDING = frozenset({"entry_corrected", "entry_disclosed", "entry_redacted"})
"""The entry types that speak of other entries.

What they say counts at the place of their target.
"""

ACCESS = frozenset({"access_granted", "access_revoked"})
"""The entry types that say who may see and record what."""

_CONFIRMED = frozenset({pb.BASIS_DIRECT, pb.BASIS_ON_RECORD})
_BEARING_OUT = frozenset({pb.STATEMENT_ACT_CONFIRM, pb.STATEMENT_ACT_DENY})
_FINAL = frozenset({pb.ANSWER_ACCEPT, pb.ANSWER_REJECT, pb.ANSWER_ABSTAIN})
_HEAD = frozenset(pb.Negotiation.DESCRIPTOR.fields_by_name) - frozenset(PARTS.values())
_BESIDE = frozenset({"amendments", "principals"})  # of the head, but each with a key as parts have


class UnknownEntryError(ValueError):
    """An entry is of a type that this version does not know: a state without it would be wrong."""


class Counted(NamedTuple):
    """An entry as it counts.

    With what was corrected, disclosed or redacted, and the versions that did so.
    """

    entry: pb.Entry
    amended_by: tuple[int, ...] = ()


def is_amending(entry: pb.Entry) -> bool:
    """Whether an entry speaks of another one, so that the state has to be folded anew."""
    return entry.facts.WhichOneof("event") in AMENDING


def fold(entries: Iterable[pb.Entry]) -> pb.Negotiation:
    """The state after these entries of one negotiation, given in the order of their versions."""
    return gather(counted(entries))


def gather(entries: Iterable[Counted]) -> pb.Negotiation:
    """The state after entries as they count: what is left of `counted` when some are left out."""
    under_way = Fold()
    for entry, amended_by in entries:
        under_way.take(entry, amended_by)
    return under_way.state()


class Fold:
    """A fold under way, to which entries come one by one and whose state is asked for at the end.

    That state is the one that `evolve` makes; its head is filled in when it is asked for.
    """

    __slots__ = ("_last", "_state")

    def __init__(self) -> None:
        """A fold of no entries."""
        self._state = pb.Negotiation()
        self._last: pb.Entry | None = None

    def take(self, entry: pb.Entry, amended_by: tuple[int, ...] = ()) -> str | None:
        """Take in one more entry, as `evolve` does; the name of its type, None if withheld."""
        kind = _take(self._state, entry, None, amended_by)
        self._last = entry
        return kind

    def state(self) -> pb.Negotiation:
        """The state after the entries taken so far. It is not to be changed."""
        if self._last is not None:
            _reach(self._state, self._last)
        tally(self._state)
        return self._state


def counted(entries: Iterable[pb.Entry]) -> list[Counted]:
    """The entries as they count, in their order.

    What later ones say of them applied, the annulled left out.
    """
    entries = list(entries)
    amendments = Amendments()
    for entry in entries:
        if is_amending(entry):
            amendments.add(entry)
    as_counted = map(amendments.apply, entries)
    return [one for one in as_counted if one is not None]


class Amendments:
    """What entries say of other entries."""

    __slots__ = ("_annulled", "_by_target")

    def __init__(self) -> None:
        """Nothing is said yet."""
        self._by_target: dict[int, list[pb.Entry]] = {}
        self._annulled: dict[int, pb.Facts] = {}

    def __bool__(self) -> bool:
        """Whether anything is said."""
        return bool(self._by_target)

    def add(self, entry: pb.Entry) -> None:
        """Add an amending entry. They come in the order of their versions."""
        event = getattr(entry.facts, entry.facts.WhichOneof("event") or "")
        self._by_target.setdefault(event.target_version, []).append(entry)

    def redacts(self, version: int) -> bool:
        """Whether it is said of this version that its words were destroyed."""
        said = self._by_target.get(version, ())
        return any(one.facts.HasField("entry_redacted") for one in said)

    def apply(self, entry: pb.Entry) -> Counted | None:
        """An entry as it counts; None if it was annulled. Entries come in their order.

        As it counts, an annulment has the facts that it annuls for its replacement, so that the
        state can keep what they brought from coming again.
        """
        version = entry.header.version
        said = self._by_target and self._by_target.get(version)
        # What is withheld stays so, whatever is said of it.
        if said and entry.HasField("facts"):
            result = self._amended(entry, said)
            if result is None:
                self._annulled[version] = entry.facts
            return result
        annulled = self._annulled and self._annulled.get(entry.facts.entry_corrected.target_version)
        if annulled:
            annulment = pb.Entry()
            annulment.CopyFrom(entry)
            annulment.facts.entry_corrected.replacement.CopyFrom(annulled)
            return Counted(annulment)
        return Counted(entry)

    def _amended(self, entry: pb.Entry, amendments: Iterable[pb.Entry]) -> Counted | None:
        """An entry with what others say of it, in their order; None if it was annulled."""
        result = pb.Entry()
        result.CopyFrom(entry)
        for amendment in amendments:
            kind = amendment.facts.WhichOneof("event")
            if kind == "entry_disclosed":
                result.facts.visibility.CopyFrom(amendment.facts.entry_disclosed.disclosed_to)
            elif kind == "entry_redacted":
                result.ClearField("words")
            elif amendment.facts.entry_corrected.mode == pb.CORRECTION_MODE_ANNUL:
                return None
            else:
                _replace(result, amendment)
                if self.redacts(amendment.header.version):
                    result.ClearField("words")
        return Counted(result, tuple(amendment.header.version for amendment in amendments))


def _replace(entry: pb.Entry, correction: pb.Entry) -> None:
    """Give an entry the facts and words of its correction.

    Who recorded it and who may see it stay.
    """
    facts, was = pb.Facts(), entry.facts
    facts.CopyFrom(correction.facts.entry_corrected.replacement)
    facts.request_id = was.request_id
    facts.recorded_by = was.recorded_by
    if was.HasField("visibility"):
        facts.visibility.CopyFrom(was.visibility)
    entry.facts.CopyFrom(facts)
    entry.words.CopyFrom(correction.words)
    entry.words.ClearField("correction_reason")


class Undo:
    """What a state was before some entries, so that they can be taken back out of it."""

    __slots__ = ("_counts", "_head", "_name", "_parts", "_state", "_update_time", "_version")

    def __init__(self, state: pb.Negotiation) -> None:
        """Remember what every entry changes; `evolve` adds the rest as it comes to it."""
        self._state = state
        self._name = state.name
        self._version = state.version
        self._update_time = _kept(state, "update_time")
        self._counts = _kept(state, "counts")
        self._head: pb.Negotiation | None = None
        self._parts: list[tuple[MutableMapping[Any, Any], Any, Any]] = []

    def keep(self, parts: MutableMapping[Any, Any], key: Any) -> None:
        """Remember a part as it is now, or that it is not there."""
        before = None
        if key in parts:
            before = type(parts[key])()
            before.CopyFrom(parts[key])
        self._parts.append((parts, key, before))

    def keep_head(self) -> None:
        """Remember the head of the state as it is before it changes."""
        if self._head is None:
            self._head = bare(self._state)  # The rest is kept one by one, as parts are.

    def undo(self) -> None:
        """Put the state back to what it was."""
        for parts, key, before in reversed(self._parts):
            if before is None:
                del parts[key]
            else:
                parts[key].CopyFrom(before)
        self._parts.clear()
        state: Message = self._state
        if self._head is not None:
            for name in _HEAD - _BESIDE:
                state.ClearField(name)
            state.MergeFrom(self._head)
        self._state.name = self._name
        self._state.version = self._version
        _put_back(state, "update_time", self._update_time)
        _put_back(state, "counts", self._counts)


def _kept(message: Message, name: str) -> Message | None:
    """A copy of a message within another one, if it is there."""
    if not message.HasField(name):
        return None
    value: Message = getattr(message, name)
    copy = type(value)()
    copy.CopyFrom(value)
    return copy


def _put_back(message: Message, name: str, value: Message | None) -> None:
    if value is None:
        message.ClearField(name)
    else:
        getattr(message, name).CopyFrom(value)


def head(state: pb.Negotiation) -> pb.Negotiation:
    """A copy of a state without its parts."""
    result = pb.Negotiation()
    for field, value in state.ListFields():
        if field.name not in _HEAD:
            continue
        if isinstance(value, str | int):
            setattr(result, field.name, value)
        elif isinstance(value, Message):
            getattr(result, field.name).CopyFrom(value)
        else:
            getattr(result, field.name).MergeFrom(value)
    return result


def bare(state: pb.Negotiation) -> pb.Negotiation:
    """A copy of a state without its parts, amendments and principals."""
    result = head(state)
    result.ClearField("amendments")
    result.ClearField("principals")
    return result


def tally(state: pb.Negotiation) -> None:
    """Bring the counts of a state up to date."""
    for name in PARTS.values():
        setattr(state.counts, name, len(getattr(state, name)))


def basic(state: pb.Negotiation) -> pb.Negotiation:
    """The BASIC view of a state: its head, its participants and its topics."""
    result = bare(state)
    for name in ("participants", "topics"):
        getattr(result, name).MergeFrom(getattr(state, name))
    return result


class _Turn:
    """One entry's turn: the state, the entry, and the way to the parts it makes or changes.

    What is asked of the entry more than once is asked of it here, once: reaching into a message is
    what the time of a fold is spent on.
    """

    __slots__ = (
        "confirmed",
        "facts",
        "header",
        "provenance",
        "spoken",
        "state",
        "undo",
        "versions",
        "words",
    )

    def __init__(
        self,
        state: pb.Negotiation,
        entry: pb.Entry,
        facts: pb.Facts,
        amended_by: tuple[int, ...],
        undo: Undo | None,
    ) -> None:
        self.state = state
        self.header = header = entry.header
        self.facts = facts
        self.words = entry.words
        self.spoken = entry.HasField("words")
        self.provenance = provenance = facts.provenance
        self.confirmed = provenance.basis in _CONFIRMED
        self.versions = (header.version, *amended_by)
        self.undo = undo

    def bring(self, parts: MutableMapping[str, Any], key: str, event: Any) -> Any:
        """The part that this entry makes, or makes anew under the same id, its head filled in."""
        if self.undo is not None:
            self.undo.keep(parts, key)
        part = parts[key]
        part.facts.CopyFrom(event)
        self.say(part)
        self.originate(part.origin)
        self.sign(part.blame)
        return part

    def touch(self, parts: MutableMapping[Any, Any], key: Any) -> Any:
        """The part that this entry changes; None if these entries do not have it."""
        if key not in parts:
            return None
        if self.undo is not None:
            self.undo.keep(parts, key)
        part = parts[key]
        self.sign(part.blame)
        return part

    def say(self, part: Any) -> None:
        """Give a part the words of this entry."""
        if self.spoken:
            part.words.CopyFrom(self.words)
        else:
            part.ClearField("words")

    def sign(self, blame: MutableSequence[int]) -> None:
        """Put this entry, and those that amended it, among the versions that made something."""
        known = blame[:]
        for version in self.versions:
            if version not in known:
                blame.append(version)
                known.append(version)

    def originate(self, origin: pb.Origin) -> None:
        """Say where a part comes from: this entry."""
        facts = self.facts
        origin.Clear()
        origin.version = self.versions[0]
        origin.record_time.CopyFrom(self.header.record_time)
        origin.recorded_by = facts.recorded_by
        if facts.HasField("occurred"):
            origin.occurred.CopyFrom(facts.occurred)
        origin.provenance.CopyFrom(self.provenance)
        origin.confirmed = self.confirmed
        origin.visibility.CopyFrom(facts.visibility)
        origin.session_id = facts.session_id

    def turn(self, part: Any, status: int, by: Sequence[str] = ()) -> None:
        """Give a part a new status, and say which entry did."""
        part.status = status
        facts, change = self.facts, part.status_change
        change.Clear()
        change.version = self.versions[0]
        if facts.HasField("occurred"):
            change.occurred.CopyFrom(facts.occurred)
        change.provenance.CopyFrom(self.provenance)
        if by:
            change.by.extend(by)
        change.reason = self.words.reason
        change.confirmed = self.confirmed


def evolve(
    state: pb.Negotiation,
    entry: pb.Entry,
    *,
    undo: Undo | None = None,
    amended_by: tuple[int, ...] = (),
) -> None:
    """Take one more entry into a state, in place.

    An amending entry only leaves a note here: what it says of its target is for `counted`, and the
    state has to be folded anew. An entry without facts, being withheld, only moves the version on.
    Changes to parts that the entries so far do not have, as happens where some were left out,
    change nothing.
    """
    _take(state, entry, undo, amended_by)
    _reach(state, entry)


def _reach(state: pb.Negotiation, entry: pb.Entry) -> None:
    """The state is at this entry now."""
    header = entry.header
    state.name = f"negotiations/{header.negotiation}"
    state.version = header.version
    state.update_time.CopyFrom(header.record_time)


def _take(
    state: pb.Negotiation, entry: pb.Entry, undo: Undo | None, amended_by: tuple[int, ...]
) -> str | None:
    facts = entry.facts
    kind = facts.WhichOneof("event")
    if kind is not None:
        turn = _Turn(state, entry, facts, amended_by, undo)
        _HANDLERS_BY_TYPE[kind](turn, getattr(facts, kind))
    elif entry.HasField("facts"):
        raise UnknownEntryError(
            f"version {entry.header.version} is of a type that this version of pourparler does not"
            " know"
        )
    return kind


def _negotiation_opened(turn: _Turn, event: pb.NegotiationOpened) -> None:
    state = turn.state
    if turn.undo is not None:
        turn.undo.keep_head()
    state.facts.CopyFrom(event)
    turn.say(state)
    turn.originate(state.origin)
    _course(turn, pb.NEGOTIATION_STATUS_OPEN)
    if turn.facts.recorded_by:
        opener = pb.AccessGranted(principal=turn.facts.recorded_by, role=pb.ACCESS_ROLE_CUSTODIAN)
        _grant(turn, opener)


def _course(turn: _Turn, status: int) -> None:
    """The negotiation itself goes on to a new status."""
    state = turn.state
    if turn.undo is not None:
        turn.undo.keep_head()
    turn.turn(state, status)
    turn.sign(state.blame)
    state.ClearField("outcome")
    state.ClearField("agreement_ids")
    state.ClearField("expected_resume")


def _negotiation_suspended(turn: _Turn, event: pb.NegotiationSuspended) -> None:
    _course(turn, pb.NEGOTIATION_STATUS_SUSPENDED)
    if event.HasField("expected_resume"):
        turn.state.expected_resume.CopyFrom(event.expected_resume)


def _negotiation_resumed(turn: _Turn, event: pb.NegotiationResumed) -> None:
    del event  # All that it says is in its words.
    _course(turn, pb.NEGOTIATION_STATUS_OPEN)


def _negotiation_concluded(turn: _Turn, event: pb.NegotiationConcluded) -> None:
    _course(turn, pb.NEGOTIATION_STATUS_CONCLUDED)
    turn.state.outcome = event.outcome
    turn.state.agreement_ids.extend(event.agreement_ids)


def _participant_joined(turn: _Turn, event: pb.ParticipantJoined) -> None:
    part = turn.bring(turn.state.participants, event.participant_id, event)
    turn.turn(part, pb.PARTICIPANT_STATUS_ACTIVE)
    part.ClearField("leaving_reason")


def _participant_changed(turn: _Turn, event: pb.ParticipantChanged) -> None:
    part = turn.touch(turn.state.participants, event.participant_id)
    if part is None:
        return
    if event.role:
        part.facts.role = event.role
    given: Message = event
    for name in ("members_complete", "count"):
        if given.HasField(name):
            setattr(part.facts, name, getattr(event, name))
    for name in ("represents", "members", "owned_by"):
        if given.HasField(name):
            part.facts.ClearField(name)
            getattr(part.facts, name).extend(getattr(event, name).participant_ids)
    words = turn.words
    for name in ("name", "mandate"):
        if getattr(words, name):
            setattr(part.words, name, getattr(words, name))
    if words.aliases:
        part.words.ClearField("aliases")
        part.words.aliases.extend(words.aliases)


def _participant_left(turn: _Turn, event: pb.ParticipantLeft) -> None:
    part = turn.touch(turn.state.participants, event.participant_id)
    if part is not None:
        turn.turn(part, pb.PARTICIPANT_STATUS_LEFT, event.by)
        part.leaving_reason = event.leaving_reason


def _session_opened(turn: _Turn, event: pb.SessionOpened) -> None:
    part = turn.bring(turn.state.sessions, event.session_id, event)
    turn.turn(part, pb.SESSION_STATUS_OPEN)


def _session_closed(turn: _Turn, event: pb.SessionClosed) -> None:
    part = turn.touch(turn.state.sessions, event.closed_session_id)
    if part is not None:
        turn.turn(part, pb.SESSION_STATUS_CLOSED)
        part.summary = turn.words.summary


def _topic_added(turn: _Turn, event: pb.TopicAdded) -> None:
    part = turn.bring(turn.state.topics, event.topic_id, event)
    turn.turn(part, event.status or pb.TOPIC_STATUS_OPEN)


def _topic_status_changed(turn: _Turn, event: pb.TopicStatusChanged) -> None:
    part = turn.touch(turn.state.topics, event.topic_id)
    if part is not None:
        turn.turn(part, event.status)
        part.by_agreement_id = event.by_agreement_id


def _statement_recorded(turn: _Turn, event: pb.StatementRecorded) -> None:
    part = turn.bring(turn.state.statements, event.statement_id, event)
    part.status = pb.STATEMENT_STATUS_STANDS
    if event.act in _BEARING_OUT:
        _corroborate(turn, event)


def _corroborate(turn: _Turn, event: pb.StatementRecorded) -> None:
    """Let what confirms or denies a statement count, if it comes from those who should know."""
    if not turn.confirmed:
        return
    state = turn.state
    if event.in_reply_to not in state.statements:
        return
    known = state.statements[event.in_reply_to].facts
    who = set(known.attributed_to) or {
        key
        for key, participant in state.participants.items()
        if participant.facts.role == pb.PARTICIPANT_ROLE_PARTY
    }
    if who.isdisjoint((*event.speakers, *event.on_behalf_of)):
        return
    part = turn.touch(state.statements, event.in_reply_to)
    part.corroborated_by.append(event.statement_id)
    part.corroboration = _borne_out(state, part)


def _borne_out(state: pb.Negotiation, part: pb.Statement) -> pb.Corroboration.ValueType:
    """What the statements that confirm or deny another one come to."""
    acts = {state.statements[other].facts.act for other in part.corroborated_by}
    if len(acts) > 1:
        return pb.CORROBORATION_DISPUTED
    if acts:
        confirmed = pb.STATEMENT_ACT_CONFIRM in acts
        return pb.CORROBORATION_CONFIRMED if confirmed else pb.CORROBORATION_DENIED
    return pb.CORROBORATION_UNSPECIFIED


def _statement_retracted(turn: _Turn, event: pb.StatementRetracted) -> None:
    part = turn.touch(turn.state.statements, event.statement_id)
    if part is None:
        return
    part.retracted_by.extend(who for who in event.by if who not in part.retracted_by)
    made_by = set(part.facts.speakers or part.facts.attributed_to)
    gone = made_by <= set(part.retracted_by)
    turn.turn(part, pb.STATEMENT_STATUS_RETRACTED if gone else pb.STATEMENT_STATUS_STANDS, event.by)
    about = turn.state.statements.get(part.facts.in_reply_to)
    if gone and about is not None and event.statement_id in about.corroborated_by:
        about = turn.touch(turn.state.statements, part.facts.in_reply_to)
        about.corroborated_by.remove(event.statement_id)
        about.corroboration = _borne_out(turn.state, about)


def _position_taken(turn: _Turn, event: pb.PositionTaken) -> None:
    part = turn.bring(turn.state.positions, event.position_id, event)
    turn.turn(part, pb.POSITION_STATUS_HELD)
    if event.supersedes:
        before = turn.touch(turn.state.positions, event.supersedes)
        if before is not None:
            turn.turn(before, pb.POSITION_STATUS_SUPERSEDED, event.holders)
            before.superseded_by = event.position_id


def _position_withdrawn(turn: _Turn, event: pb.PositionWithdrawn) -> None:
    part = turn.touch(turn.state.positions, event.position_id)
    if part is not None:
        turn.turn(part, pb.POSITION_STATUS_WITHDRAWN, event.by)


def _question_raised(turn: _Turn, event: pb.QuestionRaised) -> None:
    part = turn.bring(turn.state.questions, event.question_id, event)
    turn.turn(part, pb.QUESTION_STATUS_OPEN, event.raised_by)
    if event.reopens:
        before = turn.touch(turn.state.questions, event.reopens)
        if before is not None:
            before.reopened_by = event.question_id


_RESOLVED = {
    pb.QUESTION_RESOLUTION_ANSWERED: pb.QUESTION_STATUS_ANSWERED,
    pb.QUESTION_RESOLUTION_MOOT: pb.QUESTION_STATUS_MOOT,
    pb.QUESTION_RESOLUTION_WITHDRAWN: pb.QUESTION_STATUS_WITHDRAWN,
}


def _question_resolved(turn: _Turn, event: pb.QuestionResolved) -> None:
    part = turn.touch(turn.state.questions, event.question_id)
    if part is not None:
        turn.turn(part, _RESOLVED[event.resolution])
        part.answer = turn.words.answer
        part.statement_ids.extend(event.statement_ids)
        part.agreement_id = event.agreement_id


def _proposal_made(turn: _Turn, event: pb.ProposalMade) -> None:
    proposals = turn.state.proposals
    part = turn.bring(proposals, event.proposal_id, event)
    turn.turn(part, pb.PROPOSAL_STATUS_OPEN, event.by)
    if event.supersedes:
        before = turn.touch(proposals, event.supersedes)
        if before is not None:
            turn.turn(before, pb.PROPOSAL_STATUS_SUPERSEDED, event.by)
            before.superseded_by = event.proposal_id
    if event.counters:
        other = turn.touch(proposals, event.counters)
        if other is not None:
            other.countered_by.append(event.proposal_id)


def _proposal_answered(turn: _Turn, event: pb.ProposalAnswered) -> None:
    part = turn.touch(turn.state.proposals, event.proposal_id)
    if part is None:
        return
    reply = part.replies.add()
    reply.facts.CopyFrom(event)
    turn.say(reply)
    turn.originate(reply.origin)
    status = decided(part, turn.state.facts.acceptance_rule)
    if status != part.status:
        turn.turn(part, status, [event.by])


def deciders(proposal: pb.Proposal, rule: int) -> list[str]:
    """Whose answers decide a proposal under an acceptance rule."""
    named = rule == pb.ACCEPTANCE_RULE_NAMED
    return list(proposal.facts.decided_by if named else proposal.facts.to)


def final_answers(proposal: pb.Proposal) -> dict[str, int]:
    """The final answer of each participant who has given one."""
    return {
        reply.facts.by: reply.facts.answer
        for reply in proposal.replies
        if reply.facts.answer in _FINAL
    }


def decided(proposal: pb.Proposal, rule: int) -> int:
    """What the answers to a proposal come to under an acceptance rule, as a ProposalStatus."""
    who = deciders(proposal, rule)
    answers = final_answers(proposal)
    accepted = sum(answers.get(one) == pb.ANSWER_ACCEPT for one in who)
    rejected = sum(answers.get(one) == pb.ANSWER_REJECT for one in who)
    pending = sum(one not in answers for one in who)
    if rule == pb.ACCEPTANCE_RULE_ANY:
        yes, no = accepted > 0, accepted + pending == 0
    elif rule == pb.ACCEPTANCE_RULE_MAJORITY:
        yes, no = 2 * accepted > len(who), 2 * (accepted + pending) <= len(who)
    else:
        yes = accepted > 0 and rejected + pending == 0
        no = rejected > 0 or accepted + pending == 0
    if yes:
        return pb.PROPOSAL_STATUS_ACCEPTED
    return pb.PROPOSAL_STATUS_REJECTED if no else pb.PROPOSAL_STATUS_OPEN


_CLOSED = {
    pb.PROPOSAL_CLOSING_WITHDRAWN: pb.PROPOSAL_STATUS_WITHDRAWN,
    pb.PROPOSAL_CLOSING_LAPSED: pb.PROPOSAL_STATUS_LAPSED,
}


def _proposal_closed(turn: _Turn, event: pb.ProposalClosed) -> None:
    part = turn.touch(turn.state.proposals, event.proposal_id)
    if part is not None:
        turn.turn(part, _CLOSED[event.how], event.by)


def _agreement_recorded(turn: _Turn, event: pb.AgreementRecorded) -> None:
    state = turn.state
    part = turn.bring(state.agreements, event.agreement_id, event)
    turn.turn(part, event.status)
    for other in event.supersedes:
        before = turn.touch(state.agreements, other)
        if before is not None:
            turn.turn(before, pb.AGREEMENT_STATUS_SUPERSEDED, event.between)
            before.superseded_by = event.agreement_id
    for other in event.amends:
        before = turn.touch(state.agreements, other)
        if before is not None:
            before.amended_by.append(event.agreement_id)
    if event.proposal_id:
        proposal = turn.touch(state.proposals, event.proposal_id)
        if proposal is not None:
            proposal.agreement_id = event.agreement_id


def _agreement_status_changed(turn: _Turn, event: pb.AgreementStatusChanged) -> None:
    part = turn.touch(turn.state.agreements, event.agreement_id)
    if part is not None:
        turn.turn(part, event.status, event.by)


def _commitment_made(turn: _Turn, event: pb.CommitmentMade) -> None:
    part = turn.bring(turn.state.commitments, event.commitment_id, event)
    conditional, active = pb.COMMITMENT_STATUS_CONDITIONAL, pb.COMMITMENT_STATUS_ACTIVE
    turn.turn(part, conditional if event.conditional else active, event.debtors)


def _commitment_status_changed(turn: _Turn, event: pb.CommitmentStatusChanged) -> None:
    part = turn.touch(turn.state.commitments, event.commitment_id)
    if part is not None:
        turn.turn(part, event.status, event.by)
        part.statement_ids.extend(event.statement_ids)
        part.document_ids.extend(event.document_ids)


def _milestone_planned(turn: _Turn, event: pb.MilestonePlanned) -> None:
    milestones = turn.state.milestones
    planned = None
    if event.milestone_id in milestones:
        planned = pb.FuzzyDate()
        planned.CopyFrom(milestones[event.milestone_id].facts.expected)
    part = turn.bring(milestones, event.milestone_id, event)
    turn.turn(part, pb.MILESTONE_STATUS_PLANNED, event.by)
    if planned is not None:
        part.planned_before.append(planned)


_MET = {
    pb.MILESTONE_OUTCOME_REACHED: pb.MILESTONE_STATUS_REACHED,
    pb.MILESTONE_OUTCOME_MISSED: pb.MILESTONE_STATUS_MISSED,
    pb.MILESTONE_OUTCOME_CANCELLED: pb.MILESTONE_STATUS_CANCELLED,
}


def _milestone_closed(turn: _Turn, event: pb.MilestoneClosed) -> None:
    part = turn.touch(turn.state.milestones, event.milestone_id)
    if part is None:
        return
    turn.turn(part, _MET[event.outcome])
    part.statement_ids.extend(event.statement_ids)
    part.document_ids.extend(event.document_ids)
    if event.HasField("actual"):
        part.actual.CopyFrom(event.actual)
        # The bounds begin with their day, in a form whose order is that of the calendar.
        reached, planned = event.actual.earliest[:10], part.facts.expected.latest[:10]
        part.late = bool(reached and planned) and reached > planned


def _document_attached(turn: _Turn, event: pb.DocumentAttached) -> None:
    turn.bring(turn.state.documents, event.document_id, event)
    if event.version_of:
        before = turn.touch(turn.state.documents, event.version_of)
        if before is not None:
            before.later_versions.append(event.document_id)


def _amendment(turn: _Turn, target_version: int) -> pb.Amendment:
    amendments = turn.state.amendments
    if turn.undo is not None:
        turn.undo.keep(amendments, target_version)
    return amendments[target_version]


def _entry_corrected(turn: _Turn, event: pb.EntryCorrected) -> None:
    amendment = _amendment(turn, event.target_version)
    amendment.corrected_by.append(turn.versions[0])
    amendment.annulled = event.mode == pb.CORRECTION_MODE_ANNUL
    if amendment.annulled and event.HasField("replacement"):
        amendment.annulled_part = _brought(event.replacement)
    amendment.correction_reason = turn.words.correction_reason


def _brought(facts: pb.Facts) -> str:
    """The place in the state of the part that an entry brings, if it brings one of its own."""
    known = entry_type(facts)
    field = known.introduces if known else None
    if known is None or field is None or rule_of(field).again:
        return ""
    key = getattr(getattr(facts, known.name), field.name)
    return f"{PARTS[rule_of(field).introduces]}/{key}"


def _entry_disclosed(turn: _Turn, event: pb.EntryDisclosed) -> None:
    _amendment(turn, event.target_version).disclosed_by.append(turn.versions[0])


def _entry_redacted(turn: _Turn, event: pb.EntryRedacted) -> None:
    _amendment(turn, event.target_version).redacted_by = turn.versions[0]


def _access_granted(turn: _Turn, event: pb.AccessGranted) -> None:
    turn.say(_grant(turn, event))


def _grant(turn: _Turn, event: pb.AccessGranted) -> pb.Grant:
    """The grant that this entry makes, in the place of one of the same role and participant."""
    principals = turn.state.principals
    if turn.undo is not None:
        turn.undo.keep(principals, event.principal)
    part = principals[event.principal]
    kind = (event.role, event.participant_id)
    same = (one for one in part.grants if (one.facts.role, one.facts.participant_id) == kind)
    grant = next(same, None) or part.grants.add()
    grant.facts.CopyFrom(event)
    turn.originate(grant.origin)
    turn.sign(part.blame)
    return grant


def _access_revoked(turn: _Turn, event: pb.AccessRevoked) -> None:
    part = turn.touch(turn.state.principals, event.principal)
    if part is not None:
        left = [one for one in part.grants if not revokes(event, one)]
        part.ClearField("grants")
        part.grants.extend(left)


def revokes(event: pb.AccessRevoked, grant: pb.Grant) -> bool:
    """Whether a revocation is of this grant to the same principal."""
    known = grant.facts
    return event.role in {0, known.role} and event.participant_id in {"", known.participant_id}


_HANDLERS_BY_TYPE: dict[str, Callable[[_Turn, Any], None]] = {
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
}
