"""Drafts and entries in one line each, and the state that they fold to."""

from collections.abc import Iterable, Sequence

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema import edtf as edtf_dates
from pourparler.schema.contract import ENTRY_TYPES, is_repeated
from pourparler.state.fold import fold

NEGOTIATION = "given"
BEGAN = 1_767_225_600  # 2026-01-01T00:00:00Z: version v is recorded v minutes later
DIRECT, ON_RECORD, REPORTED = pb.BASIS_DIRECT, pb.BASIS_ON_RECORD, pb.BASIS_REPORTED
UNATTRIBUTED, ANALYSIS = pb.BASIS_UNATTRIBUTED, pb.BASIS_ANALYSIS
PUBLIC = pb.Visibility(level=pb.VISIBILITY_LEVEL_PUBLIC)
PARTIES = pb.Visibility(level=pb.VISIBILITY_LEVEL_PARTIES)
RECORDER_ONLY = pb.Visibility(level=pb.VISIBILITY_LEVEL_RECORDER_ONLY)
SOURCE = pb.Source(id="src", kind=pb.SOURCE_KIND_NEWS, title="A newspaper")
_DIGEST = "sha256:" + "0" * 64


def restricted(*audience: str) -> pb.Visibility:
    """Return a visibility that is restricted to these participants."""
    return pb.Visibility(level=pb.VISIBILITY_LEVEL_RESTRICTED, audience=audience)


def date(edtf: str) -> pb.FuzzyDate:
    """Return a date with its bounds."""
    bounds = edtf_dates.bounds(edtf)
    return pb.FuzzyDate(edtf=edtf, earliest=bounds.earliest, latest=bounds.latest)


def recorded_at(version: int) -> Timestamp:
    """Return the record time of a version."""
    return Timestamp(seconds=BEGAN + 60 * version)


def draft(
    event: Message,
    words: pb.Words | None = None,
    *,
    basis: pb.Basis.ValueType = DIRECT,
    form: pb.Form.ValueType = pb.FORM_SUMMARY,
    visibility: pb.Visibility | None = None,
    occurred: str | pb.FuzzyDate | None = None,
    session: str = "",
) -> pb.Draft:
    """Return a draft of an event; add the words that its type and basis require."""
    entry_type = next(one for one in ENTRY_TYPES.values() if one.descriptor is event.DESCRIPTOR)
    facts = pb.Facts(
        provenance=pb.Provenance(basis=basis, form=form), visibility=visibility, session_id=session
    )
    getattr(facts, entry_type.name).CopyFrom(event)
    if occurred is not None:
        facts.occurred.CopyFrom(date(occurred) if isinstance(occurred, str) else occurred)
    result = pb.Draft(facts=facts, words=words or pb.Words())
    _say(result.words, entry_type.rule.words)
    if isinstance(event, pb.StatementRecorded) and not event.document_id:
        _say(result.words, ["text"])
    if basis in {ON_RECORD, REPORTED, UNATTRIBUTED} and not result.words.sources:
        result.words.sources.append(SOURCE)
    if basis == UNATTRIBUTED and not result.words.speaker_described:
        result.words.speaker_described = "a person close to the talks"
    if basis == ANALYSIS and not result.words.author and not result.words.sources:
        result.words.author = "A journalist"
    return result


def _say(words: pb.Words, names: Iterable[str]) -> None:
    for name in names:
        field = pb.Words.DESCRIPTOR.fields_by_name[name]
        if not is_repeated(field) and not getattr(words, name):
            setattr(words, name, _DIGEST if name == "digest" else f"A {name}")


def recorded(version: int, said: pb.Draft) -> pb.Entry:
    """Return the entry of a draft; the default visibility is PARTIES."""
    entry = pb.Entry(
        header=pb.EntryHeader(
            negotiation=NEGOTIATION, version=version, record_time=recorded_at(version), format=1
        ),
        facts=said.facts,
        words=said.words,
    )
    entry.facts.recorded_by = "anonymous@loopback"
    if not entry.facts.HasField("visibility"):
        entry.facts.visibility.CopyFrom(PARTIES)
    return entry


def entry(
    version: int,
    event: Message,
    words: pb.Words | None = None,
    *,
    basis: pb.Basis.ValueType = DIRECT,
    form: pb.Form.ValueType = pb.FORM_SUMMARY,
    visibility: pb.Visibility | None = None,
    occurred: str | pb.FuzzyDate | None = None,
    session: str = "",
) -> pb.Entry:
    """Return the entry of an event at a version: the draft of `draft`, recorded."""
    said = draft(
        event,
        words,
        basis=basis,
        form=form,
        visibility=visibility,
        occurred=occurred,
        session=session,
    )
    return recorded(version, said)


def history(*given: pb.Draft | pb.Entry) -> list[pb.Entry]:
    """Return entries: a draft gets the version of its place, an entry keeps its own."""
    return [
        recorded(place, one) if isinstance(one, pb.Draft) else one
        for place, one in enumerate(given, start=1)
    ]


def state_of(*given: pb.Draft | pb.Entry) -> pb.Negotiation:
    """Return the state after these, with the versions of `history`."""
    return fold(history(*given))


def granted(
    principal: str,
    role: pb.AccessRole.ValueType,
    participant_id: str = "",
    *,
    until: int | None = None,
) -> pb.Draft:
    """Return a draft that grants access, for an auditor optionally until a second since 1970."""
    event = pb.AccessGranted(principal=principal, role=role, participant_id=participant_id)
    if until is not None:
        event.end_time.seconds = until
    return draft(event, visibility=RECORDER_ONLY)


def revoked(
    principal: str,
    role: pb.AccessRole.ValueType = pb.ACCESS_ROLE_UNSPECIFIED,
    participant_id: str = "",
) -> pb.Draft:
    """Return a draft that revokes access."""
    event = pb.AccessRevoked(principal=principal, role=role, participant_id=participant_id)
    return draft(event, visibility=RECORDER_ONLY)


def opened(rule: pb.AcceptanceRule.ValueType = pb.ACCEPTANCE_RULE_ALL_ADDRESSEES) -> pb.Draft:
    """Return a draft that opens the negotiation."""
    return draft(pb.NegotiationOpened(acceptance_rule=rule))


def joined(
    who: str,
    role: pb.ParticipantRole.ValueType = pb.PARTICIPANT_ROLE_PARTY,
    *,
    kind: pb.ParticipantKind.ValueType = pb.PARTICIPANT_KIND_ORGANIZATION,
    represents: Sequence[str] = (),
    members: Sequence[str] = (),
) -> pb.Draft:
    """Return a draft: a participant joins, whose name is its id."""
    event = pb.ParticipantJoined(
        participant_id=who, kind=kind, role=role, represents=represents, members=members
    )
    return draft(event, pb.Words(name=who.capitalize()))


def left(who: str) -> pb.Draft:
    """Return a draft: a participant withdraws."""
    return draft(pb.ParticipantLeft(participant_id=who, leaving_reason=pb.LEAVING_REASON_WITHDREW))


def topic(topic_id: str = "price") -> pb.Draft:
    """Return a draft that adds a topic."""
    return draft(pb.TopicAdded(topic_id=topic_id, status=pb.TOPIC_STATUS_OPEN))


def said(
    statement_id: str,
    *speakers: str,
    visibility: pb.Visibility | None = None,
    session: str = "",
) -> pb.Draft:
    """Return a draft of a statement, joint if it has several speakers."""
    return draft(
        pb.StatementRecorded(
            statement_id=statement_id,
            speakers=speakers,
            joint=len(speakers) > 1,
            act=pb.STATEMENT_ACT_ASSERT,
        ),
        visibility=visibility,
        session=session,
    )


def offered(
    proposal_id: str, by: Sequence[str], to: Sequence[str], *, topics: Sequence[str] = ()
) -> pb.Draft:
    """Return a draft of a proposal."""
    return draft(
        pb.ProposalMade(
            proposal_id=proposal_id,
            by=by,
            to=to,
            topic_ids=topics,
            binding=pb.PROPOSAL_BINDING_BINDING,
        )
    )


def answered(proposal_id: str, by: str, answer: pb.Answer.ValueType = pb.ANSWER_ACCEPT) -> pb.Draft:
    """Return a draft of an answer."""
    return draft(pb.ProposalAnswered(proposal_id=proposal_id, by=by, answer=answer))
