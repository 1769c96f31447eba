"""The options of `record`, and the drafts that they or a file give."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, TypeVar

import click

from pourparler import v1 as pb
from pourparler.cli.input.draft_files import read
from pourparler.cli.input.draft_types import TYPES
from pourparler.cli.options.completion import Part, Word
from pourparler.drafts.values import money, source

_Command = TypeVar("_Command", bound=Callable[..., Any])

_FIELDS = (
    click.option("--id", metavar="ID", help="The id of what is new; else one is made."),
    click.option(
        "--of",
        type=Part("proposals", "agreements", "commitments", "milestones", "topics"),
        metavar="ID",
        help="Of a closing or a status: of what.",
    ),
    click.option(
        "--by",
        type=Part("participants"),
        metavar="ID",
        multiple=True,
        help="Who says, holds, offers, answers, owes or does it.",
    ),
    click.option("--to", type=Part("participants"), metavar="ID", multiple=True, help="To whom."),
    click.option(
        "--about", type=Part("topics"), metavar="ID", multiple=True, help="On which topic."
    ),
    click.option(
        "--attributed-to",
        type=Part("participants"),
        metavar="ID",
        multiple=True,
        help="Who is said to have said it.",
    ),
    click.option(
        "--act",
        type=Word("StatementAct"),
        metavar="ACT",
        help="Of a statement: assert, announce, warn, concede ...",
    ),
    click.option(
        "--in-reply-to",
        type=Part("proposals", "statements"),
        metavar="ID",
        help="Of a statement or answer: what it answers.",
    ),
    click.option(
        "--stance",
        type=Word("Stance"),
        metavar="STANCE",
        help="Of a position: wants, opposes, red_line ...",
    ),
    click.option(
        "--money",
        type=(str, str, str),
        metavar="KEY AMOUNT CURRENCY",
        multiple=True,
        help="A sum that a position, proposal, agreement or commitment speaks of: rent 9500 EUR.",
    ),
    click.option(
        "--binding",
        type=Word("ProposalBinding"),
        metavar="BINDING",
        help="Of a proposal: indicative, conditional, binding.",
    ),
    click.option(
        "--condition",
        metavar="TEXT",
        multiple=True,
        help="Of a proposal, answer, commitment or milestone: if what.",
    ),
    click.option("--expires", metavar="EDTF", help="Of a proposal: until when it stands."),
    click.option(
        "--counters",
        type=Part("proposals"),
        metavar="ID",
        help="Of a proposal: the one it counters.",
    ),
    click.option(
        "--supersedes",
        type=Part("proposals", "positions", "agreements"),
        metavar="ID",
        help="Of a position, proposal or agreement: the one it replaces.",
    ),
    click.option(
        "--reason", metavar="TEXT", help="Of an answer, milestone, closing or status: why."
    ),
    click.option(
        "--between",
        type=Part("participants"),
        metavar="ID",
        multiple=True,
        help="Of an agreement: who is bound by it.",
    ),
    click.option(
        "--origin",
        type=Word("AgreementOrigin"),
        metavar="ORIGIN",
        help="Of an agreement: reached, or prior for an older one.",
    ),
    click.option(
        "--status",
        type=Word("AgreementStatus"),
        metavar="STATUS",
        help="Of an agreement: in_force, pending_approval, in_question ...",
    ),
    click.option(
        "--from-proposal",
        type=Part("proposals"),
        metavar="ID",
        help="Of an agreement or commitment: the proposal it comes from.",
    ),
    click.option(
        "--from-agreement",
        type=Part("agreements"),
        metavar="ID",
        help="Of a commitment or topic status: the agreement it comes from.",
    ),
    click.option(
        "--from-statement",
        type=Part("statements"),
        metavar="ID",
        help="Of a commitment or milestone: the statement it comes from.",
    ),
    click.option("--due", metavar="EDTF", help="Of a commitment: by when."),
    click.option("--expected", metavar="EDTF", help="Of a milestone: when."),
    click.option("--actual", metavar="EDTF", help="Of a milestone closing: when it was reached."),
    click.option(
        "--certainty",
        type=Word("Certainty"),
        metavar="CERTAINTY",
        help="Of a milestone: planned, possible, conditional.",
    ),
    click.option(
        "--date-verbatim",
        metavar="TEXT",
        help='Of a commitment or milestone: its date in their words, such as "in due course".',
    ),
    click.option("--text", metavar="TEXT", help="Of an agreement or milestone: what it says."),
    click.option(
        "--role",
        type=Word("ParticipantRole"),
        metavar="ROLE",
        help="Of a participant: party, mediator, observer ...",
    ),
    click.option(
        "--kind",
        type=Word("ParticipantKind", "AgreementKind"),
        metavar="KIND",
        help="Of a participant: organization, person ...; of an agreement: interim, framework ...",
    ),
    click.option(
        "--represents",
        type=Part("participants"),
        metavar="ID",
        multiple=True,
        help="Of a participant: for whom it speaks.",
    ),
    click.option(
        "--count", type=click.IntRange(min=1), help="Of a participant: how many a cohort has."
    ),
    click.option(
        "--session", type=Part("sessions"), metavar="ID", help="The session in which it happened."
    ),
)

_COMMON_FIELDS = (
    click.option(
        "--basis",
        type=click.Choice(["direct", "on_record", "reported", "unattributed", "analysis"]),
        help="How it is known; direct if nothing is said.",
    ),
    click.option(
        "--form",
        type=click.Choice(["verbatim", "paraphrase", "summary", "translation"]),
        help="How close the words are to those that were used.",
    ),
    click.option("--occurred", metavar="EDTF", help="When: 2022-10-10, 2023-41, [2022-10-10..]."),
    click.option(
        "--occurred-verbatim", metavar="TEXT", help='When, in their words, such as "in May 2020".'
    ),
    click.option(
        "--speaker", "speaker_described", metavar="TEXT", help="A speaker without a name."
    ),
    click.option("--author", metavar="TEXT", help="Who inferred it, with the basis analysis."),
    click.option(
        "--seen-by",
        type=Part("participants"),
        metavar="WHO",
        multiple=True,
        help="public, parties, recorder, or the ids of participants.",
    ),
    click.option(
        "--source",
        "sources",
        type=(str, str, str),
        metavar="ID KIND TITLE",
        multiple=True,
        help="Where it can be looked up: a kind is primary, news, minutes or system.",
    ),
    click.option("--excerpt", metavar="TEXT", help="The passage of the last source that says so."),
)


def options(command: _Command) -> _Command:
    """Add the options that draft an entry."""
    types = [
        click.option(
            _option(name),
            type=Word(one.enum) if one.enum else str,
            metavar=one.metavar,
            help=one.help,
        )
        for name, one in TYPES.items()
    ]
    return _with([*types, *_FIELDS], common(command))


def common(command: _Command) -> _Command:
    """The options that every entry takes."""
    return _with(_COMMON_FIELDS, command)


def _with(given: Sequence[Callable[[_Command], _Command]], command: _Command) -> _Command:
    for option in reversed(given):
        command = option(command)
    return command


def said_of_all(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the options say that every entry takes, as its builder takes it."""
    said = {name: value for name, value in given.items() if value not in (None, ())}
    try:
        _settle(said)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return said


def example(negotiation: str) -> str:
    """A command that puts the first participant on the record."""
    name = negotiation.removeprefix("negotiations/")
    return f'pourparler record {name} --participant "Nissan Motor" --id nissan'


def drafts(file: BinaryIO | None, given: Mapping[str, Any]) -> list[pb.Draft]:
    """The drafts of a file, or the one that the options say."""
    said = {name: value for name, value in given.items() if value not in (None, ())}
    if file is not None:
        if said:
            options = ", ".join(map(_option, said))
            raise click.UsageError(f"Say it in FILE or by options, not both ({options}).")
        return read(file)
    kinds = [kind for kind in TYPES if kind in said]
    if len(kinds) != 1:
        raise click.UsageError(
            "Say what to record: a FILE (`-` for standard input), or one of "
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
"""What the builders call what an option says."""


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
    """Turn what the options say of every entry into what the builders take."""
    if "seen_by" in said:
        who = said.pop("seen_by")
        alone = len(who) == 1 and who[0] in {"public", "parties", "recorder"}
        said["visibility"] = who[0] if alone else list(who)
    if "sources" in said:
        said["sources"] = [source(key, sort, title=title) for key, sort, title in said["sources"]]
    if "excerpt" in said:
        if "sources" not in said:
            raise click.UsageError("An --excerpt is of a --source.")
        said["sources"][-1].excerpt = said.pop("excerpt")
