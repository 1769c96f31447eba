"""Where a negotiation stands: the questions that are asked of each, and their answers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.protobuf.duration_pb2 import Duration
from rich.text import Text

from pourparler import v1 as pb
from pourparler.cli.output import colors, wording
from pourparler.cli.output.anomaly_section import anomalies
from pourparler.cli.output.page import Cell, Column, Page, Table
from pourparler.cli.output.part_descriptions import details_of, known, since, status, what
from pourparler.cli.output.state import explain
from pourparler.cli.output.status_remarks import remarks
from pourparler.cli.output.wording import Names

_DUE: dict[int, Text] = {
    pb.DUE_STATE_NOT_DUE: Text("not due yet"),
    pb.DUE_STATE_DUE: Text("perhaps due", colors.DOUBTFUL),
    pb.DUE_STATE_PERHAPS_OVERDUE: Text("perhaps overdue", colors.DOUBTFUL),
    pb.DUE_STATE_OVERDUE: Text("OVERDUE", f"bold {colors.BAD}"),
}
_DAY = 24 * 60 * 60


def status_report(page: Page, answer: pb.StatusReport, names: Names) -> None:
    """Print a status report: each question with its answer."""
    course = wording.word(answer, "status") or "not opened by then"
    on = wording.edtf(answer.on_date) if answer.on_date else "today"
    page.line(f"The negotiation is {course}. Due dates and ages are computed on {on}.")
    _agreed(page, answer, names)
    _proposed(page, answer, names)
    _answers(page, answer, names)
    _owed(page, answer, names)
    _open(page, answer, names)
    anomalies(page, answer.anomalies)
    explain(page, _bases(answer))


def _agreed(page: Page, answer: pb.StatusReport, names: Names) -> None:
    page.heading("What is agreed, and what is not?")
    said = remarks(answer)
    _parts(
        page,
        "Agreed",
        "Nothing is agreed.",
        [
            *(("agreement", one.facts.agreement_id, one) for one in answer.agreements),
            *(("topic", one.facts.topic_id, one) for one in answer.agreed_topics),
            *(("proposal", one.facts.proposal_id, one) for one in answer.accepted_proposals),
        ],
        names,
        said=said,
    )
    _parts(
        page,
        "Not agreed",
        "Nothing on the table is left unsettled.",
        [
            *(("agreement", one.facts.agreement_id, one) for one in answer.pending_agreements),
            *(("topic", one.facts.topic_id, one) for one in answer.unsettled_topics),
        ],
        names,
        said=said,
    )
    if answer.left_open:
        left = ", ".join(_part(one) for one in answer.left_open)
        page.line(f"Left open when the talks ended: {left}.")


def _parts(
    page: Page,
    title: str,
    nothing: str,
    parts: Sequence[tuple[str, str, Any]],
    names: Names,
    *,
    said: Mapping[str, str],
) -> None:
    if not parts:
        if not page.plain:
            page.line()
        page.line(nothing)
        return
    columns = [
        Column("kind"),
        Column("id", under=True),
        Column("what", text=True),
        Column("details", under=True, text=True),
        Column("since", under=True, text=True, lead="since "),
        Column("status"),
        Column("basis"),
        Column("versions", under=True),
    ]
    rows: list[Sequence[Cell]] = [
        (
            kind,
            Text(key, "bold"),
            what(part, names),
            _joined(details_of(part, names), said.get(f"{kind}s/{key}", "")),
            since(part, names),
            status(part, names),
            known(part.origin.provenance),
            wording.versions(part.blame),
        )
        for kind, key, part in parts
    ]
    page.table(Table(f"{title} ({len(rows)})", columns, rows))


def _proposed(page: Page, answer: pb.StatusReport, names: Names) -> None:
    page.heading("What is proposed and undecided?")
    if not answer.open_proposals:
        page.line("Nothing is proposed and undecided.")
        return
    columns = [
        Column("id"),
        Column("versions", under=True),
        Column("what", text=True),
        Column("details", under=True, text=True),
        Column("waits for"),
        Column("age", under=True),
        Column("basis"),
        Column("expiry", under=True),
    ]
    rows: list[Sequence[Cell]] = []
    for one in answer.open_proposals:
        line = list(one.lineage)
        lineage = f"goes back over {' to '.join(reversed(line[:-1]))}" if len(line) > 1 else ""
        rows.append(
            (
                Text(one.proposal.facts.proposal_id, "bold"),
                wording.versions(one.proposal.blame),
                what(one.proposal, names),
                _joined(details_of(one.proposal, names), lineage),
                names.all(one.waits_for),
                f"for {_age(one.age)}" if one.HasField("age") else "",
                known(one.proposal.origin.provenance),
                _due(one.expiry, "does not expire"),
            )
        )
    page.table(Table("", columns, rows))


def _answers(page: Page, answer: pb.StatusReport, names: Names) -> None:
    page.heading("Who must answer?")
    if not answer.answers_due:
        page.line("No one must answer.")
        return
    columns = [Column("who"), Column("proposals"), Column("questions", text=True)]
    rows: list[Sequence[Cell]] = [
        (
            Text(names[one.participant_id], "bold"),
            wording.listed(one.proposal_ids),
            wording.listed(one.question_ids),
        )
        for one in answer.answers_due
    ]
    page.table(Table("", columns, rows))


def _owed(page: Page, answer: pb.StatusReport, names: Names) -> None:
    page.heading("Who owes what by when, and what is expected?")
    if not answer.commitments_due:
        page.line("No one owes anything.")
    if not answer.milestones_due:
        page.line("Nothing is expected.")
    columns = [
        Column("id"),
        Column("versions", under=True),
        Column("what", text=True),
        Column("details", under=True, text=True),
        Column("when"),
        Column("due", under=True),
        Column("basis"),
        Column("status", under=True),
    ]
    owed = [
        (one.commitment.facts.commitment_id, one.commitment, one.commitment.facts.due, one.due)
        for one in answer.commitments_due
    ]
    expected = [
        (one.milestone.facts.milestone_id, one.milestone, one.milestone.facts.expected, one.due)
        for one in answer.milestones_due
    ]
    for title, things in (("Owed", owed), ("Expected", expected)):
        rows: list[Sequence[Cell]] = [
            (
                Text(key, "bold"),
                wording.versions(part.blame),
                what(part, names),
                details_of(part, names),
                wording.when(date) or "no date",
                _due(due, ""),
                known(part.origin.provenance),
                status(part, names),
            )
            for key, part, date, due in things
        ]
        if rows:
            page.table(Table(f"{title} ({len(rows)})", columns, rows))


def _open(page: Page, answer: pb.StatusReport, names: Names) -> None:
    page.heading("Which questions are open?")
    if not answer.open_questions:
        page.line("No question is open.")
        return
    columns = [
        Column("id"),
        Column("versions", under=True),
        Column("what", text=True),
        Column("details", under=True, text=True),
        Column("basis"),
    ]
    rows: list[Sequence[Cell]] = [
        (
            Text(one.facts.question_id, "bold"),
            wording.versions(one.blame),
            what(one, names),
            details_of(one, names),
            known(one.origin.provenance),
        )
        for one in answer.open_questions
    ]
    page.table(Table("", columns, rows))


def _part(path: str) -> str:
    """Return a path such as `proposals/offer` as a person reads it."""
    kind, _, key = path.partition("/")
    return f"{kind[:-1]} {key}"


def _joined(*texts: str) -> str:
    return "; ".join(text for text in texts if text)


def _due(state: int, undated: str) -> Cell:
    return _DUE.get(state, Text(undated)).copy()


def _age(age: Duration) -> str:
    days = age.seconds // _DAY
    return wording.count(days, "day") if days else "less than a day"


def _bases(answer: pb.StatusReport) -> Iterable[int]:
    parts: list[Any] = [
        *answer.agreed_topics,
        *answer.agreements,
        *answer.accepted_proposals,
        *answer.unsettled_topics,
        *answer.pending_agreements,
        *(one.proposal for one in answer.open_proposals),
        *(one.commitment for one in answer.commitments_due),
        *(one.milestone for one in answer.milestones_due),
        *answer.open_questions,
    ]
    for part in parts:
        yield part.origin.provenance.basis
        yield part.status_change.provenance.basis
