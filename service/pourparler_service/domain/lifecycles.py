"""The lifecycles of topics, agreements and commitments: the allowed transitions. Pure."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from pourparler import v1 as pb

Steps = Mapping[int, Collection[int]]
"""The next statuses by present status. The key UNSPECIFIED has the first statuses."""


class Lifecycle(NamedTuple):
    """The statuses of one kind of part, and the transitions between them."""

    title: str
    statuses: Any
    steps: Steps
    reason: int
    back: Steps
    """The transitions that go back, which need a reason in words."""

    def goes_back(self, was: int, becomes: int) -> bool:
        """Return True if a transition goes back, so that it needs a reason."""
        return becomes in self.back.get(was, ())

    def name(self, status: int) -> str:
        """Return the name of a status as a sentence has it."""
        prefix = self.statuses.Name(0).removesuffix("UNSPECIFIED")
        return str(self.statuses.Name(status).removeprefix(prefix))

    def transition_error(self, was: int, becomes: int) -> str:
        """Return why a transition is not allowed; empty if it is allowed."""
        if becomes in self.steps[was]:
            return ""
        allowed = ", ".join(self.name(one) for one in self.steps[was])
        if not was:
            return f"{self.title} cannot begin as {self.name(becomes)}. Allowed: {allowed}."
        if not allowed:
            return f"{self.title} that is {self.name(was)} cannot change its status any more."
        text = f"{self.title} that is {self.name(was)} cannot become {self.name(becomes)}."
        return f"{text} Allowed: {allowed}."


_ASIDE = (pb.TOPIC_STATUS_DEFERRED, pb.TOPIC_STATUS_DROPPED)
_AGREED = (pb.TOPIC_STATUS_AGREED_IN_PRINCIPLE, pb.TOPIC_STATUS_SETTLED)

TOPIC = Lifecycle(
    "A topic",
    pb.TopicStatus,
    {
        pb.TOPIC_STATUS_UNSPECIFIED: (pb.TOPIC_STATUS_OPEN, pb.TOPIC_STATUS_UNDER_DISCUSSION),
        pb.TOPIC_STATUS_OPEN: (pb.TOPIC_STATUS_UNDER_DISCUSSION, *_AGREED, *_ASIDE),
        pb.TOPIC_STATUS_UNDER_DISCUSSION: (*_AGREED, *_ASIDE),
        pb.TOPIC_STATUS_AGREED_IN_PRINCIPLE: (
            pb.TOPIC_STATUS_SETTLED,
            pb.TOPIC_STATUS_UNDER_DISCUSSION,
            *_ASIDE,
        ),
        pb.TOPIC_STATUS_SETTLED: (pb.TOPIC_STATUS_UNDER_DISCUSSION,),
        pb.TOPIC_STATUS_DEFERRED: (pb.TOPIC_STATUS_UNDER_DISCUSSION, pb.TOPIC_STATUS_DROPPED),
        pb.TOPIC_STATUS_DROPPED: (pb.TOPIC_STATUS_UNDER_DISCUSSION,),
    },
    pb.ERROR_REASON_INVALID_TOPIC_TRANSITION,
    dict.fromkeys(
        (
            pb.TOPIC_STATUS_AGREED_IN_PRINCIPLE,
            pb.TOPIC_STATUS_SETTLED,
            pb.TOPIC_STATUS_DEFERRED,
            pb.TOPIC_STATUS_DROPPED,
        ),
        (pb.TOPIC_STATUS_UNDER_DISCUSSION,),
    ),
)

_ENDED = (
    pb.AGREEMENT_STATUS_SUPERSEDED,
    pb.AGREEMENT_STATUS_TERMINATED,
    pb.AGREEMENT_STATUS_EXPIRED,
)

AGREEMENT = Lifecycle(
    "An agreement",
    pb.AgreementStatus,
    {
        pb.AGREEMENT_STATUS_UNSPECIFIED: (
            pb.AGREEMENT_STATUS_PENDING_APPROVAL,
            pb.AGREEMENT_STATUS_IN_FORCE,
        ),
        pb.AGREEMENT_STATUS_PENDING_APPROVAL: (
            pb.AGREEMENT_STATUS_IN_FORCE,
            pb.AGREEMENT_STATUS_PROVISIONALLY_APPLIED,
            pb.AGREEMENT_STATUS_REJECTED,
            *_ENDED,
        ),
        pb.AGREEMENT_STATUS_PROVISIONALLY_APPLIED: (
            pb.AGREEMENT_STATUS_IN_FORCE,
            pb.AGREEMENT_STATUS_REJECTED,
            *_ENDED,
        ),
        pb.AGREEMENT_STATUS_IN_FORCE: (
            pb.AGREEMENT_STATUS_IN_QUESTION,
            pb.AGREEMENT_STATUS_UNDER_RENEGOTIATION,
            pb.AGREEMENT_STATUS_SUSPENDED,
            *_ENDED,
        ),
        pb.AGREEMENT_STATUS_IN_QUESTION: (
            pb.AGREEMENT_STATUS_IN_FORCE,
            pb.AGREEMENT_STATUS_UNDER_RENEGOTIATION,
            *_ENDED,
        ),
        pb.AGREEMENT_STATUS_UNDER_RENEGOTIATION: (
            pb.AGREEMENT_STATUS_IN_QUESTION,
            pb.AGREEMENT_STATUS_IN_FORCE,
            *_ENDED,
        ),
        pb.AGREEMENT_STATUS_SUSPENDED: (pb.AGREEMENT_STATUS_IN_FORCE, *_ENDED),
        pb.AGREEMENT_STATUS_REJECTED: (pb.AGREEMENT_STATUS_PENDING_APPROVAL,),
        pb.AGREEMENT_STATUS_SUPERSEDED: (),
        pb.AGREEMENT_STATUS_TERMINATED: (pb.AGREEMENT_STATUS_IN_FORCE,),
        pb.AGREEMENT_STATUS_EXPIRED: (),
    },
    pb.ERROR_REASON_INVALID_AGREEMENT_TRANSITION,
    {
        pb.AGREEMENT_STATUS_REJECTED: (pb.AGREEMENT_STATUS_PENDING_APPROVAL,),
        pb.AGREEMENT_STATUS_TERMINATED: (pb.AGREEMENT_STATUS_IN_FORCE,),
    },
)

_SETTLED_DISPUTE = (
    pb.COMMITMENT_STATUS_ACTIVE,
    pb.COMMITMENT_STATUS_FULFILLED,
    pb.COMMITMENT_STATUS_BREACHED,
    pb.COMMITMENT_STATUS_RELEASED,
    pb.COMMITMENT_STATUS_LAPSED,
)

COMMITMENT = Lifecycle(
    "A commitment",
    pb.CommitmentStatus,
    {
        pb.COMMITMENT_STATUS_CONDITIONAL: (
            pb.COMMITMENT_STATUS_ACTIVE,
            pb.COMMITMENT_STATUS_RELEASED,
            pb.COMMITMENT_STATUS_LAPSED,
        ),
        pb.COMMITMENT_STATUS_ACTIVE: (
            pb.COMMITMENT_STATUS_FULFILLED,
            pb.COMMITMENT_STATUS_BREACHED,
            pb.COMMITMENT_STATUS_RELEASED,
            pb.COMMITMENT_STATUS_LAPSED,
            pb.COMMITMENT_STATUS_DISPUTED,
        ),
        pb.COMMITMENT_STATUS_DISPUTED: _SETTLED_DISPUTE,
        pb.COMMITMENT_STATUS_FULFILLED: (pb.COMMITMENT_STATUS_DISPUTED,),
        pb.COMMITMENT_STATUS_BREACHED: (
            pb.COMMITMENT_STATUS_FULFILLED,
            pb.COMMITMENT_STATUS_ACTIVE,
            pb.COMMITMENT_STATUS_RELEASED,
            pb.COMMITMENT_STATUS_DISPUTED,
        ),
        pb.COMMITMENT_STATUS_RELEASED: (),
        pb.COMMITMENT_STATUS_LAPSED: (pb.COMMITMENT_STATUS_ACTIVE,),
    },
    pb.ERROR_REASON_INVALID_COMMITMENT_TRANSITION,
    {
        pb.COMMITMENT_STATUS_BREACHED: (
            pb.COMMITMENT_STATUS_FULFILLED,
            pb.COMMITMENT_STATUS_ACTIVE,
            pb.COMMITMENT_STATUS_RELEASED,
            pb.COMMITMENT_STATUS_DISPUTED,
        ),
        pb.COMMITMENT_STATUS_FULFILLED: (pb.COMMITMENT_STATUS_DISPUTED,),
        pb.COMMITMENT_STATUS_DISPUTED: tuple(
            one for one in _SETTLED_DISPUTE if one != pb.COMMITMENT_STATUS_ACTIVE
        ),
        pb.COMMITMENT_STATUS_LAPSED: (pb.COMMITMENT_STATUS_ACTIVE,),
    },
)
