"""A state in the form of examples/renault-nissan/expected_state.json, for a comparison."""

import re
from typing import Any

from pourparler import v1 as pb

_PARTY = pb.PARTICIPANT_ROLE_PARTY
_ENUM = re.compile(
    r"^(BASIS|CERTAINTY|CORROBORATION|AGREEMENT_ORIGIN|PARTICIPANT_ROLE|[A-Z]+_STATUS)_"
)


def particulars(state: pb.Negotiation) -> dict[str, Any]:
    """Return the parts of a state that the expectation names, in its terms."""
    roles = {key: part.facts.role for key, part in state.participants.items()}
    return {
        "version": state.version,
        "status": _plain(pb.NegotiationStatus.Name(state.status)),
        "parties": sorted(key for key, role in roles.items() if role == _PARTY),
        "other_participants": {
            key: _plain(pb.ParticipantRole.Name(role))
            for key, role in roles.items()
            if role != _PARTY
        },
        "topics": {
            key: _plain(pb.TopicStatus.Name(part.status)) for key, part in state.topics.items()
        },
        "statements": {key: _statement(part) for key, part in state.statements.items()},
        "positions": {
            key: {
                "holders": list(part.facts.holders),
                "status": _plain(pb.PositionStatus.Name(part.status)),
                "basis": _basis(part.origin),
                "confirmed": part.origin.confirmed,
            }
            for key, part in state.positions.items()
        },
        "open_questions": sorted(
            key for key, part in state.questions.items() if part.status == pb.QUESTION_STATUS_OPEN
        ),
        "proposals": {
            key: _plain(pb.ProposalStatus.Name(part.status))
            for key, part in state.proposals.items()
        },
        "commitments": {
            key: _plain(pb.CommitmentStatus.Name(part.status))
            for key, part in state.commitments.items()
        },
        "agreements": {
            key: {
                "origin": _plain(pb.AgreementOrigin.Name(part.facts.origin)),
                "status": _plain(pb.AgreementStatus.Name(part.status)),
                "status_basis": _basis(part.status_change),
            }
            for key, part in state.agreements.items()
        },
        "milestones": {key: _milestone(part) for key, part in state.milestones.items()},
    }


def _statement(part: pb.Statement) -> dict[str, Any]:
    said = {
        "basis": _basis(part.origin),
        "joint": part.facts.joint,
        "status": _plain(pb.StatementStatus.Name(part.status)),
    }
    # Statements on the record need no corroboration.
    if not part.origin.confirmed:
        known = _plain(pb.Corroboration.Name(part.corroboration))
        said["corroboration"] = "NONE" if known == "UNSPECIFIED" else known
    return said


def _milestone(part: pb.Milestone) -> dict[str, Any]:
    return {
        "status": _plain(pb.MilestoneStatus.Name(part.status)),
        "certainty": _plain(pb.Certainty.Name(part.facts.certainty)),
        "earliest": part.facts.expected.earliest or None,
        "latest": part.facts.expected.latest or None,
    }


def _basis(known: pb.Origin | pb.StatusChange) -> str:
    return _plain(pb.Basis.Name(known.provenance.basis))


def _plain(name: str) -> str:
    """Return the name of an enum value without its prefix, such as `IN_QUESTION`."""
    return _ENUM.sub("", name)
