"""Drafts checked as in the service: by validation and by the rules."""

from collections.abc import Sequence

from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.state.fold import fold
from pourparler_service.domain import rules
from pourparler_service.domain.refusal import RefusalError, reason_name
from pourparler_service.validation import drafts
from tests.support.sample_entries import (
    draft,
    joined,
    offered,
    opened,
    recorded,
    recorded_at,
    restricted,
    said,
    topic,
)

ACCEPTED = ("", "")

TALKS = (
    opened(),
    joined("acme"),
    joined("bolt"),
    joined("press", pb.PARTICIPANT_ROLE_OBSERVER),
    joined("plant", pb.PARTICIPANT_ROLE_SUBJECT),
    joined("mia", pb.PARTICIPANT_ROLE_MEDIATOR, kind=pb.PARTICIPANT_KIND_PERSON),
    draft(pb.SessionOpened(session_id="round", kind=pb.SESSION_KIND_ROUND)),
    topic("price"),
    said("demand", "acme"),
    said("joint", "acme", "bolt"),
    draft(
        pb.PositionTaken(
            position_id="dear", holders=["acme"], topic_id="price", stance=pb.STANCE_WANTS
        )
    ),
    draft(pb.QuestionRaised(question_id="when")),
    offered("offer", ["acme"], ["bolt"], topics=["price"]),
    draft(
        pb.AgreementRecorded(
            agreement_id="old",
            origin=pb.AGREEMENT_ORIGIN_PRIOR,
            kind=pb.AGREEMENT_KIND_FRAMEWORK,
            between=["acme", "bolt"],
            status=pb.AGREEMENT_STATUS_IN_FORCE,
        )
    ),
    draft(pb.CommitmentMade(commitment_id="debt", debtors=["acme"], creditors=["bolt"])),
    draft(pb.MilestonePlanned(milestone_id="signing", certainty=pb.CERTAINTY_PLANNED)),
    draft(pb.DocumentAttached(document_id="paper")),
    said("whisper", "acme", visibility=restricted("acme", "mia")),
)
"""Return a negotiation with one part of each kind, for most tests."""

DEMAND, WHISPER = 9, 18
"""The versions of two statements of the talks: one for all parties, one for two of them."""

REACHED = draft(
    pb.AgreementRecorded(
        agreement_id="deal",
        origin=pb.AGREEMENT_ORIGIN_REACHED,
        kind=pb.AGREEMENT_KIND_DEFINITIVE,
        between=["acme", "bolt"],
        status=pb.AGREEMENT_STATUS_IN_FORCE,
    )
)


def concluded() -> pb.Draft:
    """Return the draft that concludes the talks without agreement."""
    return draft(pb.NegotiationConcluded(outcome=pb.OUTCOME_NO_AGREEMENT))


def record(*given: pb.Draft) -> list[pb.Entry]:
    """Return the entries of drafts in order. Each draft has to be accepted."""
    entries: list[pb.Entry] = []
    for one in given:
        entries.append(_admitted(entries, one, by_service=True))
    return entries


def _admitted(entries: list[pb.Entry], said: pb.Draft, *, by_service: bool = False) -> pb.Entry:
    """Return the next entry, or raise RefusalError. Assert that the state does not change."""
    one = pb.Draft()
    one.CopyFrom(said)
    drafts.prepare(one, edtf.bounds)
    drafts.check_draft(one)
    state = fold(entries)
    before = state.SerializeToString(deterministic=True)
    version = len(entries) + 1
    rules.complete(state, one)
    try:
        rules.check(
            state,
            one,
            record_time=recorded_at(version),
            history=lambda: entries,
            by_service=by_service,
        )
    finally:
        assert state.SerializeToString(deterministic=True) == before
    return recorded(version, one)


def refusal(
    given: Sequence[pb.Draft], then: pb.Draft | Message, *, by_service: bool = False
) -> RefusalError | None:
    """Return the refusal of a draft after other entries; None if it is accepted."""
    one = then if isinstance(then, pb.Draft) else draft(then)
    entries = record(*given)
    try:
        _admitted(entries, one, by_service=by_service)
    except RefusalError as refused:
        return refused
    return None


def answer(
    given: Sequence[pb.Draft], then: pb.Draft | Message, *, by_service: bool = False
) -> tuple[str, str]:
    """Return the reason and the field of the refusal; both are empty if there is none."""
    refused = refusal(given, then, by_service=by_service)
    return (reason_name(refused.reason), refused.field) if refused else ACCEPTED
