"""The drafts that `record` is given: read from ProtoJSON, or said by options."""

import json
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeVar

import click
from google.protobuf import json_format

from pourparler import build
from pourparler import v1 as pb
from pourparler.cli.safe import harmless
from pourparler.values import source

_Command = TypeVar("_Command", bound=Callable[..., Any])

LONGEST = 16 << 20
"""How much is read, in bytes: far more than a service takes at once."""

KINDS = ("statement", "position", "question", "topic", "participant")
"""What can be said by options: the option with its text, name or title, of each."""

_OPTIONS = (
    click.option("--statement", metavar="TEXT", help="Something was said."),
    click.option("--position", metavar="TEXT", help="A party wants or refuses something."),
    click.option("--question", metavar="TEXT", help="A point is open."),
    click.option("--topic", metavar="TITLE", help="A matter is put on the table."),
    click.option("--participant", metavar="NAME", help="Someone enters; needs --id."),
    click.option("--id", metavar="ID", help="The id of what is new; else one is made."),
    click.option("--by", metavar="ID", multiple=True, help="Who says, holds, asks or proposes it."),
    click.option("--to", metavar="ID", multiple=True, help="To whom."),
    click.option("--about", metavar="ID", multiple=True, help="On which topic."),
    click.option(
        "--attributed-to", metavar="ID", multiple=True, help="Who is said to have said it."
    ),
    click.option(
        "--act", metavar="ACT", help="Of a statement: assert, announce, warn, concede ..."
    ),
    click.option("--in-reply-to", metavar="ID", help="Of a statement: the one it answers."),
    click.option("--stance", metavar="STANCE", help="Of a position: wants, opposes, red_line ..."),
    click.option("--role", metavar="ROLE", help="Of a participant: party, mediator, observer ..."),
    click.option(
        "--kind", metavar="KIND", help="Of a participant: organization, person, group ..."
    ),
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
        "--speaker", "speaker_described", metavar="TEXT", help="A speaker without a name."
    ),
    click.option("--author", metavar="TEXT", help="Who inferred it, with the basis analysis."),
    click.option("--session", metavar="ID", help="The session in which it happened."),
    click.option(
        "--seen-by",
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
)


def options(command: _Command) -> _Command:
    """The options by which an entry can be said."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def example(negotiation: str) -> str:
    """A command that puts the first participant on the record."""
    name = negotiation.removeprefix("negotiations/")
    return f'pourparler record {name} --participant "Nissan Motor" --id nissan'


def drafts(file: BinaryIO | None, given: Mapping[str, Any]) -> list[pb.Draft]:
    """The drafts of a file, or the one that the options say."""
    said = {name: value for name, value in given.items() if value not in (None, ())}
    if file is not None:
        if said:
            options = ", ".join(f"--{name.replace('_', '-')}" for name in said)
            raise click.UsageError(f"Say it in FILE or by options, not both ({options}).")
        return read(file)
    kinds = [kind for kind in KINDS if kind in said]
    if len(kinds) != 1:
        raise click.UsageError(
            "Say what to record: a FILE (`-` for standard input), or one of "
            f"{', '.join(f'--{kind}' for kind in KINDS)}."
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
        raise click.UsageError(f"The file holds no drafts: {harmless(str(error))}") from error
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
        raise ValueError(str(error)) from error


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
    "position": {"id", "by", "about", "stance"},
    "question": {"id", "by", "to", "about"},
    "topic": {"id", "by"},
    "participant": {"id", "role", "kind"},
}
_COMMON = {
    "basis", "form", "occurred", "speaker_described", "author", "session", "seen_by", "sources",
}  # fmt: skip
_BUILDERS: Mapping[str, Callable[..., pb.Draft]] = {
    "statement": build.statement,
    "position": build.position,
    "question": build.question,
    "topic": build.topic,
}


def _built(kind: str, said: dict[str, Any]) -> pb.Draft:
    text = said.pop(kind)
    unfit = sorted(said.keys() - _TAKEN[kind] - _COMMON)
    if unfit:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in unfit)
        raise click.UsageError(f"A {kind} takes no {names}.")
    if "seen_by" in said:
        who = said.pop("seen_by")
        alone = len(who) == 1 and who[0] in {"public", "parties", "recorder"}
        said["visibility"] = who[0] if alone else list(who)
    try:
        if "sources" in said:
            said["sources"] = [
                source(key, sort, title=title) for key, sort, title in said["sources"]
            ]
        if kind == "participant":
            if "id" not in said:
                raise click.UsageError("A participant needs --id: all else names them by it.")
            return build.participant(said.pop("id"), text, **said)
        if kind == "position":
            about = said.get("about", ())
            if len(about) != 1 or "by" not in said or "stance" not in said:
                raise click.UsageError("A position needs --by, one --about and --stance.")
            said["about"] = about[0]
        return _BUILDERS[kind](text, **said)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
