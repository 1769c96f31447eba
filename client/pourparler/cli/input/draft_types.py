"""The entry types that `record` drafts from options, each in one row of a table."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import click

from pourparler import v1 as pb
from pourparler.drafts import builders

_Build: TypeAlias = Callable[[str, dict[str, Any]], pb.Draft]


class DraftType(NamedTuple):
    """An entry type that `record` drafts: its own option, and the other options that it takes."""

    help: str
    metavar: str
    build: _Build
    """Return the draft, from the value of the own option and those of the others."""
    takes: str
    """The names of the other options."""
    enum: str = ""
    """The enum whose values the own option takes. Empty if it takes any text."""


def _participant(name: str, given: dict[str, Any]) -> pb.Draft:
    if "id" not in given:
        raise click.UsageError("A participant needs --id: other entries refer to it.")
    return builders.participant(given.pop("id"), name, **given)


def _position(text: str, given: dict[str, Any]) -> pb.Draft:
    about = given.pop("about", ())
    if len(about) != 1 or "by" not in given or "stance" not in given:
        raise click.UsageError("A position needs --by, one --about and --stance.")
    return builders.position(text, about=about[0], **given)


def _proposal(text: str, given: dict[str, Any]) -> pb.Draft:
    if "by" not in given or "to" not in given:
        raise click.UsageError("A proposal needs --by and --to.")
    return builders.proposal(text, **given)


def _answer(how: str, given: dict[str, Any]) -> pb.Draft:
    by = given.pop("by", ())
    if len(by) != 1 or "in_reply_to" not in given:
        raise click.UsageError("An answer needs one --by, and --in-reply-to with the proposal.")
    return builders.answer(given.pop("in_reply_to"), how, by=by[0], **given)


def _agreement(title: str, given: dict[str, Any]) -> pb.Draft:
    if "between" not in given or "kind" not in given:
        raise click.UsageError("An agreement needs --between and --kind.")
    return builders.agreement(title, **given)


def _commitment(text: str, given: dict[str, Any]) -> pb.Draft:
    if "by" not in given:
        raise click.UsageError("A commitment needs --by.")
    return builders.commitment(text, statement=given.pop("statements", ""), **given)


def _statement(text: str, given: dict[str, Any]) -> pb.Draft:
    return builders.statement(text, **given)


def _question(text: str, given: dict[str, Any]) -> pb.Draft:
    return builders.question(text, **given)


def _milestone(title: str, given: dict[str, Any]) -> pb.Draft:
    return builders.milestone(title, **given)


def _topic(title: str, given: dict[str, Any]) -> pb.Draft:
    return builders.topic(title, **given)


def _changes(builder: Callable[..., pb.Draft], needs_of: str) -> _Build:
    """Return what drafts a change of the part that `--of` names."""

    def build(how: str, given: dict[str, Any]) -> pb.Draft:
        if "of" not in given:
            raise click.UsageError(f"{needs_of} needs --of.")
        return builder(given.pop("of"), how, **given)

    return build


_APPROVED = {"agreements": "agreement", "documents": "document", "sessions": "minutes_of"}


def _approval(act: str, given: dict[str, Any]) -> pb.Draft:
    if "of" not in given:
        raise click.UsageError("An approval needs --of.")
    kind, _, key = given.pop("of").rpartition("/")
    if kind and kind not in _APPROVED:
        raise click.UsageError("--of names agreements/ID, documents/ID or sessions/ID.")
    return builders.approval(act, **{_APPROVED.get(kind, "agreement"): key}, **given)


TYPES: Mapping[str, DraftType] = {
    "statement": DraftType(
        "Record what was said.",
        "TEXT",
        _statement,
        takes="about act attributed_to by id in_reply_to to",
    ),
    "position": DraftType(
        "Record what a party wants or refuses.",
        "TEXT",
        _position,
        takes="about by id money stance supersedes",
    ),
    "question": DraftType(
        "Record an open point.",
        "TEXT",
        _question,
        takes="about by id to",
    ),
    "proposal": DraftType(
        "Record an offer.",
        "TEXT",
        _proposal,
        takes="about binding by condition counters expires id money supersedes to",
    ),
    "answer": DraftType(
        "Record the answer to an offer: accept, reject ...",
        "ANSWER",
        _answer,
        takes="by condition in_reply_to reason",
        enum="Answer",
    ),
    "proposal_closing": DraftType(
        "Take an offer off the table: withdrawn, lapsed.",
        "HOW",
        _changes(builders.proposal_closing, "A proposal closing"),
        takes="by of reason",
        enum="ProposalClosing",
    ),
    "agreement": DraftType(
        "Record an agreement, new or prior.",
        "TITLE",
        _agreement,
        takes="about between from_proposal id kind money origin status supersedes text",
    ),
    "agreement_status": DraftType(
        "Change the status of an agreement: in_force, in_question, terminated ...",
        "STATUS",
        _changes(builders.agreement_status, "An agreement status"),
        takes="by of reason",
        enum="AgreementStatus",
    ),
    "approval": DraftType(
        "Sign, ratify, approve or refuse a text: --of an agreement, documents/ID or sessions/ID.",
        "ACT",
        _approval,
        takes="by of reason text",
        enum="ApprovalAct",
    ),
    "commitment": DraftType(
        "Record what a party owes.",
        "TEXT",
        _commitment,
        takes="by condition date_verbatim due from_agreement from_proposal from_statement id money"
        " to",
    ),
    "commitment_status": DraftType(
        "Change the status of a commitment: fulfilled, breached ...",
        "STATUS",
        _changes(builders.commitment_status, "A commitment status"),
        takes="by from_statement of reason",
        enum="CommitmentStatus",
    ),
    "milestone": DraftType(
        "Record an expected step. With the --id of one, plan it again.",
        "TITLE",
        _milestone,
        takes="about by certainty condition date_verbatim expected from_statement id reason text",
    ),
    "milestone_closing": DraftType(
        "Close a milestone: reached, missed, cancelled.",
        "OUTCOME",
        _changes(builders.milestone_closing, "A milestone closing"),
        takes="actual date_verbatim from_statement of reason",
        enum="MilestoneOutcome",
    ),
    "topic": DraftType(
        "Put a topic on the table.",
        "TITLE",
        _topic,
        takes="by id",
    ),
    "topic_status": DraftType(
        "Change the status of a topic: settled, deferred ...",
        "STATUS",
        _changes(builders.topic_status, "A topic status"),
        takes="from_agreement of reason",
        enum="TopicStatus",
    ),
    "participant": DraftType(
        "Record that a participant joins. Needs --id.",
        "NAME",
        _participant,
        takes="count id kind represents role",
    ),
}
"""The entry types, by the name of their own option and of their builder."""
