"""The options of `record`, and the drafts that they or a file give."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, TypeVar

import click

from pourparler import v1 as pb
from pourparler.cli.input.draft_files import read
from pourparler.cli.input.draft_types import TYPES
from pourparler.cli.options.completion import EnumType, PartType
from pourparler.drafts.values import money, source

_Command = TypeVar("_Command", bound=Callable[..., Any])

_FIELDS = (
    click.option(
        "--id", metavar="ID", help="Id of the new part. Without it, the command makes one."
    ),
    click.option(
        "--of",
        type=PartType("proposals", "agreements", "commitments", "milestones", "topics"),
        metavar="ID",
        help="Part whose status changes: for a closing or a status.",
    ),
    click.option(
        "--by",
        type=PartType("participants"),
        metavar="ID",
        multiple=True,
        help="Participant who says, holds, offers, answers, owes or does it. Repeatable.",
    ),
    click.option(
        "--to",
        type=PartType("participants"),
        metavar="ID",
        multiple=True,
        help="Participant addressed. Repeatable.",
    ),
    click.option(
        "--about", type=PartType("topics"), metavar="ID", multiple=True, help="Topic. Repeatable."
    ),
    click.option(
        "--attributed-to",
        type=PartType("participants"),
        metavar="ID",
        multiple=True,
        help="Participant named by a source as the speaker. Repeatable.",
    ),
    click.option(
        "--act",
        type=EnumType("StatementAct"),
        metavar="ACT",
        help="Act of a statement: assert, announce, warn, concede ...",
    ),
    click.option(
        "--in-reply-to",
        type=PartType("proposals", "statements"),
        metavar="ID",
        help="Statement or proposal that a statement or an answer replies to.",
    ),
    click.option(
        "--stance",
        type=EnumType("Stance"),
        metavar="STANCE",
        help="Stance of a position: wants, opposes, red_line ...",
    ),
    click.option(
        "--money",
        type=(str, str, str),
        metavar="KEY AMOUNT CURRENCY",
        multiple=True,
        help="Sum in a position, proposal, agreement or commitment: rent 9500 EUR. Repeatable.",
    ),
    click.option(
        "--binding",
        type=EnumType("ProposalBinding"),
        metavar="BINDING",
        help="Binding force of a proposal: indicative, conditional, binding.",
    ),
    click.option(
        "--condition",
        metavar="TEXT",
        multiple=True,
        help="Condition of a proposal, answer, commitment or milestone. Repeatable.",
    ),
    click.option("--expires", metavar="EDTF", help="Date on which a proposal expires."),
    click.option(
        "--counters",
        type=PartType("proposals"),
        metavar="ID",
        help="Proposal that a proposal counters.",
    ),
    click.option(
        "--supersedes",
        type=PartType("proposals", "positions", "agreements"),
        metavar="ID",
        help="Position, proposal or agreement that the new one replaces.",
    ),
    click.option(
        "--reason", metavar="TEXT", help="Reason of an answer, milestone, closing or status."
    ),
    click.option(
        "--between",
        type=PartType("participants"),
        metavar="ID",
        multiple=True,
        help="Participant bound by an agreement. Repeatable.",
    ),
    click.option(
        "--origin",
        type=EnumType("AgreementOrigin"),
        metavar="ORIGIN",
        help="Origin of an agreement: reached in these talks, or prior.",
    ),
    click.option(
        "--status",
        type=EnumType("AgreementStatus"),
        metavar="STATUS",
        help="Status of an agreement: in_force, pending_approval, in_question ...",
    ),
    click.option(
        "--from-proposal",
        type=PartType("proposals"),
        metavar="ID",
        help="Proposal from which an agreement or a commitment comes.",
    ),
    click.option(
        "--from-agreement",
        type=PartType("agreements"),
        metavar="ID",
        help="Agreement from which a commitment or a topic status comes.",
    ),
    click.option(
        "--from-statement",
        type=PartType("statements"),
        metavar="ID",
        help="Statement from which a commitment or a milestone comes.",
    ),
    click.option("--due", metavar="EDTF", help="Date on which a commitment is due."),
    click.option("--expected", metavar="EDTF", help="Expected date of a milestone."),
    click.option("--actual", metavar="EDTF", help="Date on which a milestone was reached."),
    click.option(
        "--certainty",
        type=EnumType("Certainty"),
        metavar="CERTAINTY",
        help="Certainty of a milestone: planned, possible, conditional.",
    ),
    click.option(
        "--date-verbatim",
        metavar="TEXT",
        help='Date of a commitment or milestone in original words, such as "in due course".',
    ),
    click.option("--text", metavar="TEXT", help="Text of an agreement or milestone."),
    click.option(
        "--role",
        type=EnumType("ParticipantRole"),
        metavar="ROLE",
        help="Role of a participant: party, mediator, observer ...",
    ),
    click.option(
        "--kind",
        type=EnumType("ParticipantKind", "AgreementKind"),
        metavar="KIND",
        help="Kind of a participant (organization, person ...) or of an agreement (interim,"
        " framework ...).",
    ),
    click.option(
        "--represents",
        type=PartType("participants"),
        metavar="ID",
        multiple=True,
        help="Participant that a participant represents. Repeatable.",
    ),
    click.option("--count", type=click.IntRange(min=1), help="Number of people in a cohort."),
    click.option(
        "--session", type=PartType("sessions"), metavar="ID", help="Session in which it happened."
    ),
)

_COMMON_FIELDS = (
    click.option(
        "--basis",
        type=click.Choice(["direct", "on_record", "reported", "unattributed", "analysis"]),
        help="Basis: how the record knows it.  [default: direct]",
    ),
    click.option(
        "--form",
        type=click.Choice(["verbatim", "paraphrase", "summary", "translation"]),
        help="Form: how close the words are to the original.",
    ),
    click.option(
        "--occurred", metavar="EDTF", help="Date of the event: 2022-10-10, 2023-41, [2022-10-10..]."
    ),
    click.option(
        "--occurred-verbatim", metavar="TEXT", help='Date in original words, such as "in May 2020".'
    ),
    click.option(
        "--speaker",
        "speaker_described",
        metavar="TEXT",
        help="Description of a speaker without a name.",
    ),
    click.option("--author", metavar="TEXT", help="Author of an analysis."),
    click.option(
        "--seen-by",
        type=PartType("participants"),
        metavar="WHO",
        multiple=True,
        help="Audience: public, parties, recorder, or ids of participants. Repeatable.",
    ),
    click.option(
        "--source",
        "sources",
        type=(str, str, str),
        metavar="ID KIND TITLE",
        multiple=True,
        help="Source of the entry. KIND is primary, news, minutes or system. Repeatable.",
    ),
    click.option("--excerpt", metavar="TEXT", help="Passage of the last --source."),
)


def options(command: _Command) -> _Command:
    """Add the options that draft an entry."""
    types = [
        click.option(
            _option(name),
            type=EnumType(one.enum) if one.enum else str,
            metavar=one.metavar,
            help=one.help,
        )
        for name, one in TYPES.items()
    ]
    return _with([*types, *_FIELDS], common(command))


def common(command: _Command) -> _Command:
    """Add the options that every entry takes."""
    return _with(_COMMON_FIELDS, command)


def _with(given: Sequence[Callable[[_Command], _Command]], command: _Command) -> _Command:
    for option in reversed(given):
        command = option(command)
    return command


def common_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the common options, as a builder takes them."""
    said = {name: value for name, value in given.items() if value not in (None, ())}
    try:
        _settle(said)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return said


def example(negotiation: str) -> str:
    """Return a command that records the first participant."""
    name = negotiation.removeprefix("negotiations/")
    return f'pourparler record {name} --participant "Nissan Motor" --id nissan'


def drafts(file: BinaryIO | None, given: Mapping[str, Any]) -> list[pb.Draft]:
    """Return the drafts of a file, or the draft of the options."""
    said = {name: value for name, value in given.items() if value not in (None, ())}
    if file is not None:
        if said:
            options = ", ".join(map(_option, said))
            raise click.UsageError(
                f"FILE excludes the options of a draft. Leave out FILE or {options}."
            )
        return read(file)
    kinds = [kind for kind in TYPES if kind in said]
    if len(kinds) != 1:
        raise click.UsageError(
            "Nothing to record. Give FILE (`-` for standard input) or one of "
            f"{', '.join(map(_option, TYPES))}."
        )
    return [_built(kinds[0], said)]


_COMMON = {
    "basis", "form", "occurred", "occurred_verbatim", "speaker_described", "author", "session",
    "seen_by", "sources", "excerpt",
}  # fmt: skip
_NAMES = {
    "condition": "conditions",
    "from_proposal": "proposal",
    "from_agreement": "agreement",
    "from_statement": "statements",
}
"""The parameters of builders that have other names than their options."""


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _built(kind: str, said: dict[str, Any]) -> pb.Draft:
    text = said.pop(kind)
    unfit = sorted(said.keys() - set(TYPES[kind].takes.split()) - _COMMON)
    if unfit:
        names = ", ".join(map(_option, unfit))
        raise click.UsageError(
            f"{'An' if kind[0] == 'a' else 'A'} {kind.replace('_', ' ')} takes no {names}."
        )
    try:
        _settle(said)
        if "money" in said:
            said["terms"] = [money(key, sum_, unit) for key, sum_, unit in said.pop("money")]
        named = {_NAMES.get(name, name): value for name, value in said.items()}
        return TYPES[kind].build(text, named)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _settle(said: dict[str, Any]) -> None:
    """Convert the values of the common options to what the builders take."""
    if "seen_by" in said:
        who = said.pop("seen_by")
        alone = len(who) == 1 and who[0] in {"public", "parties", "recorder"}
        said["visibility"] = who[0] if alone else list(who)
    if "sources" in said:
        said["sources"] = [source(key, sort, title=title) for key, sort, title in said["sources"]]
    if "excerpt" in said:
        if "sources" not in said:
            raise click.UsageError("--excerpt needs a --source. Give the source of the passage.")
        said["sources"][-1].excerpt = said.pop("excerpt")
