"""The questions that are asked of every negotiation, answered line by line. Pure."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pourparler import v1 as pb
from pourparler.cli.output import part_descriptions, wording
from pourparler.cli.output.anomaly_descriptions import describe
from pourparler.cli.output.status_remarks import remarks
from pourparler.cli.output.wording import Names

QUESTIONS = (
    "What is agreed?",
    "What is proposed and undecided?",
    "Who must answer?",
    "Who owes what by when, and what is expected?",
    "What is still open?",
    "What does not fit together?",
)
"""The questions of a status report."""

_NOTHING = (
    "Nothing is agreed.",
    "Nothing is proposed and undecided.",
    "No one must answer.",
    "No one owes anything, and nothing is expected.",
    "Nothing is left open.",
    "No entry contradicts another one.",
)
_DUE = {
    pb.DUE_STATE_NOT_DUE: "not due yet",
    pb.DUE_STATE_DUE: "perhaps due",
    pb.DUE_STATE_PERHAPS_OVERDUE: "perhaps overdue",
    pb.DUE_STATE_OVERDUE: "overdue",
}


class Item(NamedTuple):
    """A line of the answer to one of the questions."""

    question: int
    text: str
    note: str
    blame: tuple[int, ...]
    parts: tuple[tuple[str, str], ...] = ()
    """The parts it tells of, by kind and id."""


def status_lines(answer: pb.StatusReport, state: pb.Negotiation, names: Names) -> Iterator[Item]:
    """Yield the answers to each question. A question without an answer yields one line."""
    found = [*_found(answer, state, names)]
    asked = {one.question for one in found}
    yield from found
    for question, nothing in enumerate(_NOTHING):
        if question not in asked:
            yield Item(question, nothing, "", ())


def _found(answer: pb.StatusReport, state: pb.Negotiation, names: Names) -> Iterator[Item]:
    def item(question: int, part: Any, note: str) -> Item:
        unconfirmed = "" if part.origin.confirmed else wording.basis(part.origin.provenance)
        text = str(part_descriptions.what(part, names))
        notes = wording.listing([("", note), ("", unconfirmed)])
        kind = part.DESCRIPTOR.name.lower()
        key = getattr(part.facts, f"{kind}_id")
        return Item(question, text, notes, tuple(part.blame), ((f"{kind}s", key),))

    said = remarks(answer)
    agreed: list[Any] = [
        *answer.agreements,
        *answer.agreed_topics,
        *answer.accepted_proposals,
    ]
    for part in agreed:
        kind = part.DESCRIPTOR.name.lower()
        remark = said.get(f"{kind}s/{getattr(part.facts, f'{kind}_id')}", "")
        status = part_descriptions.status(part, names)
        yield item(0, part, f"{kind}, {status}" + (f", {remark}" if remark else ""))
    for offer in answer.open_proposals:
        waits = f"waits for {names.all(offer.waits_for)}" if offer.waits_for else ""
        expiry = _DUE.get(offer.expiry, "")
        yield item(1, offer.proposal, wording.listing([("", waits), ("expiry", expiry)]))
    for due in answer.answers_due:
        asked: list[pb.Proposal | pb.Question] = [
            *(state.proposals[one] for one in due.proposal_ids),
            *(state.questions[one] for one in due.question_ids),
        ]
        text = f"{names[due.participant_id]}: {wording.listed([_asked(one) for one in asked])}"
        blame = dict.fromkeys(version for one in asked for version in one.blame)
        parts = [("proposals", one) for one in due.proposal_ids]
        parts += [("questions", one) for one in due.question_ids]
        yield Item(2, text, "", tuple(blame), tuple(parts))
    for owed in answer.commitments_due:
        by = wording.when(owed.commitment.facts.due, owed.commitment.words.date_verbatim)
        note = [("owed by", by or "no date"), ("", _DUE.get(owed.due, ""))]
        yield item(3, owed.commitment, wording.listing(note))
    for step in answer.milestones_due:
        when = wording.when(step.milestone.facts.expected, step.milestone.words.date_verbatim)
        certainty = str(part_descriptions.status(step.milestone, names))
        note = [("expected", when or "at no known date"), ("", certainty)]
        yield item(3, step.milestone, wording.listing([*note, ("", _DUE.get(step.due, ""))]))
    for part in (*answer.pending_agreements, *answer.unsettled_topics, *answer.open_questions):
        kind = part.DESCRIPTOR.name.lower()
        yield item(4, part, f"{kind}, {part_descriptions.status(part, names)}")
    for path in answer.left_open:
        kind, _, key = path.partition("/")
        left: Any = getattr(state, kind)[key]
        yield item(4, left, f"{kind[:-1]}, left open when the talks ended")
    for anomaly in answer.anomalies:
        kind, _, key = anomaly.part.partition("/")
        yield Item(5, describe(anomaly), "", tuple(anomaly.versions), ((kind, key),))


def _asked(part: pb.Proposal | pb.Question) -> str:
    """Return the part that needs an answer, with its id."""
    if isinstance(part, pb.Proposal):
        return f"offer {part.facts.proposal_id}"
    return f"question {part.facts.question_id}"
