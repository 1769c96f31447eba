"""The drafts that `record` is given: read from ProtoJSON, or said by options."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, TypeVar

import click
from google.protobuf import json_format

from pourparler import v1 as pb
from pourparler.cli.options.completion import Part, Word
from pourparler.cli.terminal_escape import harmless
from pourparler.drafts import builders
from pourparler.drafts.values import money, source

_Command = TypeVar("_Command", bound=Callable[..., Any])

LONGEST = 16 << 20
"""How much is read, in bytes: far more than a service takes at once."""

KINDS = (
    "statement", "position", "question", "proposal", "answer", "proposal_closing", "agreement",
    "agreement_status", "commitment", "commitment_status", "milestone", "milestone_closing",
    "topic", "topic_status", "participant",
)  # fmt: skip
"""What can be said by options: the option with its text, name, title, answer or status, of each."""

_OPTIONS = (
    click.option("--statement", metavar="TEXT", help="Something was said."),
    click.option("--position", metavar="TEXT", help="A party wants or refuses something."),
    click.option("--question", metavar="TEXT", help="A point is open."),
    click.option("--proposal", metavar="TEXT", help="An offer is made."),
    click.option(
        "--answer",
        type=Word("Answer"),
        metavar="ANSWER",
        help="An offer is answered: accept, reject ...",
    ),
    click.option(
        "--proposal-closing",
        type=Word("ProposalClosing"),
        metavar="HOW",
        help="An offer goes off the table: withdrawn, lapsed.",
    ),
    click.option("--agreement", metavar="TITLE", help="Something is agreed, or was before."),
    click.option(
        "--agreement-status",
        type=Word("AgreementStatus"),
        metavar="STATUS",
        help="An agreement is approved, doubted, ended: in_force, in_question, terminated ...",
    ),
    click.option("--commitment", metavar="TEXT", help="Somebody owes something."),
    click.option(
        "--commitment-status",
        type=Word("CommitmentStatus"),
        metavar="STATUS",
        help="A commitment is kept, broken, released: fulfilled, breached ...",
    ),
    click.option("--milestone", metavar="TITLE", help="A step is expected; with its --id, anew."),
    click.option(
        "--milestone-closing",
        type=Word("MilestoneOutcome"),
        metavar="OUTCOME",
        help="A step is over: reached, missed, cancelled.",
    ),
    click.option("--topic", metavar="TITLE", help="A matter is put on the table."),
    click.option(
        "--topic-status",
        type=Word("TopicStatus"),
        metavar="STATUS",
        help="A topic makes progress or is set aside: settled, deferred ...",
    ),
    click.option("--participant", metavar="NAME", help="Someone enters; needs --id."),
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

_OF_ALL = (
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
    """The options by which an entry can be said."""
    return _with(_OPTIONS, common(command))


def common(command: _Command) -> _Command:
    """The options that every entry takes."""
    return _with(_OF_ALL, command)


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
    kinds = [kind for kind in KINDS if kind in said]
    if len(kinds) != 1:
        raise click.UsageError(
            "Say what to record: a FILE (`-` for standard input), or one of "
            f"{', '.join(map(_option, KINDS))}."
        )
    return [_built(kinds[0], said)]


def read(file: BinaryIO) -> list[pb.Draft]:
    """Drafts as ProtoJSON, one after the other or in a list."""
    data = file.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise click.UsageError("The file is too long for one group: use `pourparler import`.")
    try:
        found = [parsed(value) for value in _values(data.decode("utf-8-sig"))]
    except (ValueError, RecursionError) as error:
        raise click.UsageError(
            f"The file holds no drafts: {harmless(str(error))}."
            " See docs/reference/import-formats.md for what one is."
        ) from error
    if not found:
        raise click.UsageError("The file holds no draft.")
    return found


def parsed(value: object) -> pb.Draft:
    """A draft from what ProtoJSON says of it; a ValueError if that is none."""
    if not isinstance(value, dict):
        raise ValueError("it is JSON, but not an object with facts and words")  # noqa: TRY004 (one error for all)
    try:
        return json_format.ParseDict(value, pb.Draft())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (json_format.ParseError, TypeError, AttributeError, OverflowError) as error:
        # Of some values that do not fit, the parser says so only by stumbling.
        raise ValueError(" ".join(str(error).split()).rstrip(".")) from error


def _values(text: str) -> list[Any]:
    decoder, place, values = json.JSONDecoder(), 0, []
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        value, place = decoder.raw_decode(text, place)
        values.extend(value if isinstance(value, list) else [value])
    return values


_TAKEN = {
    "statement": {"id", "by", "to", "about", "attributed_to", "act", "in_reply_to"},
    "position": {"id", "by", "about", "stance", "money", "supersedes"},
    "question": {"id", "by", "to", "about"},
    "proposal": {
        "id", "by", "to", "about", "money", "binding", "condition", "expires", "counters",
        "supersedes",
    },
    "answer": {"by", "in_reply_to", "condition", "reason"},
    "proposal_closing": {"of", "by", "reason"},
    "agreement": {
        "id", "between", "kind", "origin", "status", "about", "money", "text", "from_proposal",
        "supersedes",
    },
    "agreement_status": {"of", "by", "reason"},
    "commitment": {
        "id", "by", "to", "money", "due", "condition", "from_proposal", "from_agreement",
        "from_statement", "date_verbatim",
    },
    "commitment_status": {"of", "by", "reason", "from_statement"},
    "milestone": {
        "id", "by", "about", "expected", "certainty", "condition", "reason", "date_verbatim",
        "text", "from_statement",
    },
    "milestone_closing": {"of", "actual", "date_verbatim", "reason", "from_statement"},
    "topic": {"id", "by"},
    "topic_status": {"of", "from_agreement", "reason"},
    "participant": {"id", "role", "kind", "represents", "count"},
}  # fmt: skip
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
    unfit = sorted(said.keys() - _TAKEN[kind] - _COMMON)
    if unfit:
        names = ", ".join(map(_option, unfit))
        raise click.UsageError(f"{_A[kind]} takes no {names}.")
    try:
        _settle(said)
        if "money" in said:
            said["terms"] = [money(key, sum_, unit) for key, sum_, unit in said.pop("money")]
        named = {_NAMES.get(name, name): value for name, value in said.items()}
        return _BUILDERS[kind](text, named)
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


def _participant(name: str, said: dict[str, Any]) -> pb.Draft:
    if "id" not in said:
        raise click.UsageError("A participant needs --id: all else names them by it.")
    return builders.participant(said.pop("id"), name, **said)


def _position(text: str, said: dict[str, Any]) -> pb.Draft:
    about = said.pop("about", ())
    if len(about) != 1 or "by" not in said or "stance" not in said:
        raise click.UsageError("A position needs --by, one --about and --stance.")
    return builders.position(text, about=about[0], **said)


def _proposal(text: str, said: dict[str, Any]) -> pb.Draft:
    if "by" not in said or "to" not in said:
        raise click.UsageError("A proposal needs --by and --to.")
    return builders.proposal(text, **said)


def _answer(how: str, said: dict[str, Any]) -> pb.Draft:
    by = said.pop("by", ())
    if len(by) != 1 or "in_reply_to" not in said:
        raise click.UsageError("An answer needs one --by, and --in-reply-to with the proposal.")
    return builders.answer(said.pop("in_reply_to"), how, by=by[0], **said)


def _agreement(title: str, said: dict[str, Any]) -> pb.Draft:
    if "between" not in said or "kind" not in said:
        raise click.UsageError("An agreement needs --between and --kind.")
    return builders.agreement(title, **said)


def _commitment(text: str, said: dict[str, Any]) -> pb.Draft:
    if "by" not in said:
        raise click.UsageError("A commitment needs --by.")
    return builders.commitment(text, statement=said.pop("statements", ""), **said)


def _change(kind: str) -> Callable[[str, dict[str, Any]], pb.Draft]:
    """What becomes of something, by the builder of this name."""

    def changed(how: str, said: dict[str, Any]) -> pb.Draft:
        if "of" not in said:
            raise click.UsageError(f"{_A[kind]} needs --of.")
        draft: pb.Draft = getattr(builders, kind)(said.pop("of"), how, **said)
        return draft

    return changed


_A = {kind: f"{'An' if kind[0] == 'a' else 'A'} {kind.replace('_', ' ')}" for kind in KINDS}
_BUILDERS: Mapping[str, Callable[[str, dict[str, Any]], pb.Draft]] = {
    "statement": lambda text, said: builders.statement(text, **said),
    "position": _position,
    "question": lambda text, said: builders.question(text, **said),
    "proposal": _proposal,
    "answer": _answer,
    "agreement": _agreement,
    "commitment": _commitment,
    "milestone": lambda title, said: builders.milestone(title, **said),
    "topic": lambda title, said: builders.topic(title, **said),
    "participant": _participant,
    **{kind: _change(kind) for kind in KINDS if kind.endswith(("_status", "_closing"))},
}
