"""The catalogue of entries: a page for each type, made of the contract, rules and a record."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto

from docs.site import contract, refusals
from docs.site.contract import Commented, label, linked
from docs.site.story import Example
from pourparler import v1 as pb
from pourparler.contract import ENTRY_TYPES, EntryType
from pourparler_service import lifecycles
from pourparler_service.lifecycles import Lifecycle
from pourparler_service.shape import WORDS_OF_ALL

_REASONS = "ERROR_REASON_"
_LIFECYCLES = [one for one in vars(lifecycles).values() if isinstance(one, Lifecycle)]


def pages(root: Path, examples: Mapping[str, Example]) -> Mapping[str, str]:
    """The pages of the catalogue, by their names."""
    known = contract.files(root)
    found = {f"entries/{_page(name)}": "\n".join(_entry(known, one, examples[name]))
             for name, one in ENTRY_TYPES.items()}  # fmt: skip
    found["entries/index"] = "\n".join(_index(known))
    return found


def _page(name: str) -> str:
    return name.replace("_", "-")


def _index(known: Sequence[Commented]) -> Iterator[str]:
    yield "# The entries\n"
    yield (
        f"There are {len(ENTRY_TYPES)} types of entry. Each has a page here with what it says,"
        " which words it takes, what is refused, and an example that a service recorded when this"
        " page was made. What the words mean, and why these things are kept apart, is said in"
        " [Concepts](../explanation/concepts.md).\n"
    )
    for kind, types in groupby(ENTRY_TYPES.values(), key=lambda one: one.name.split("_")[0]):
        yield f"## {_KINDS[kind]}\n"
        for one in types:
            comment = _message(known, one.title)[2]
            yield f"[{one.title}]({_page(one.name)}.md)\n: {_first(comment)}\n"
    yield "## What is refused of every entry\n"
    yield (
        "Beside what is refused of its type, an entry of any type can be refused for these reasons;"
        " the page of [reasons](../contract/errors.md) says with which status.\n"
    )
    yield from _reasons(known, refusals.of_all())
    listed = "\n".join(_page(name) for name in ENTRY_TYPES)
    yield f"```{{toctree}}\n:hidden:\n\n{listed}\n```\n"


_KINDS = {
    "negotiation": "The negotiation",
    "participant": "Participants",
    "session": "Sessions",
    "topic": "Topics",
    "statement": "Statements",
    "position": "Positions",
    "question": "Questions",
    "proposal": "Proposals",
    "agreement": "Agreements",
    "commitment": "Commitments",
    "milestone": "Milestones",
    "document": "Documents",
    "entry": "Entries about entries",
    "access": "Access",
}


def _first(text: str) -> str:
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]


def _message(
    known: Sequence[Commented], name: str
) -> tuple[Commented, DescriptorProto, str, tuple[int, ...]]:
    """A message, where it is declared, its comment and its path."""
    for one in known:
        for place, message in enumerate(one.file.message_type):
            if message.name == name:
                return one, message, one.comment(4, place), (4, place)
    raise LookupError(f"There is no message {name} in the contract.")


def _entry(known: Sequence[Commented], kind: EntryType, example: Example) -> Iterator[str]:
    one, message, comment, path = _message(known, kind.title)
    builder = example.said.partition("(")[0]
    yield f"({label(kind.title)})=\n# {kind.title}\n"
    yield linked(comment, kind.title) + "\n"
    yield f"In [Facts](#{label('Facts')}) it is `{kind.name}`; in Python, {_made_by(builder)}.\n"
    yield "## What it says\n"
    if message.field:
        yield from contract.fields(one, message, path)
    else:
        yield "Nothing beyond its words and what every entry says.\n"
    yield "## Its words\n"
    yield from _words(known, kind)
    yield "## When it is refused\n"
    yield from _held(kind)
    own = refusals.of_type(kind.name) - refusals.of_all()
    if own:
        yield "Besides what is [refused of every entry](index.md#what-is-refused-of-every-entry):\n"
        yield from _reasons(known, own)
    else:
        yield "For what is [refused of every entry](index.md#what-is-refused-of-every-entry).\n"
    for life in _LIFECYCLES:
        if _name(life.reason) in own:
            yield from _steps(life)
    yield "## An example\n"
    yield f"```python\n{example.said}\n```\n"
    yield "What the service recorded, but for who called and the header:\n"
    yield f"```json\n{_json(example.entry)}\n```\n"


def _made_by(builder: str) -> str:
    if builder.startswith("client."):
        return f"the service records it itself, for `{builder.removeprefix('client.')}`"
    return f"{{py:func}}`pourparler.{builder}` makes it"


def _words(known: Sequence[Commented], kind: EntryType) -> Iterator[str]:
    one, message, _, path = _message(known, "Words")
    said = {
        field.name: linked(one.comment(*path, 2, place), "Words")
        for place, field in enumerate(message.field)
    }
    for name in (*kind.rule.words, *kind.rule.optional_words):
        must = " **Required.**" if name in kind.rule.words else ""
        yield f"`{name}`\n: {said[name].replace(chr(10), chr(10) + '  ')}{must}\n"
    of_all = ", ".join(f"`{name}`" for name in said if name in WORDS_OF_ALL)
    also = "also " if kind.rule.words or kind.rule.optional_words else ""
    yield f"Like every entry it may {also}have {of_all}.\n"


def _held(kind: EntryType) -> Iterator[str]:
    if kind.rule.act:
        yield (
            "It is the act of a party, and never recorded on the basis `UNATTRIBUTED` or"
            f" `ANALYSIS`: [BASIS_NOT_ALLOWED](#{label('ERROR_REASON_BASIS_NOT_ALLOWED')}).\n"
        )
    if kind.rule.follow_up:
        yield "It may still be recorded when the negotiation has ended.\n"


def _reasons(known: Sequence[Commented], names: Iterable[str]) -> Iterator[str]:
    errors = next(one for one in known if one.stem == "errors")
    enum = errors.file.enum_type[0]
    for place, value in enumerate(enum.value):
        name = value.name.removeprefix(_REASONS)
        if name in names:
            said = errors.comment(5, 0, 2, place)
            yield f"[{name}](#{label(value.name)})\n: {said}\n"


def _name(reason: int) -> str:
    return pb.ErrorReason.Name(pb.ErrorReason.ValueType(reason)).removeprefix(_REASONS)


def _steps(life: Lifecycle) -> Iterator[str]:
    yield f"{life.what} goes from one status to another like this:\n"
    yield "| from | to |\n|---|---|"
    for was, becomes in life.steps.items():
        if becomes:
            then = ", ".join(f"`{life.name(one)}`" for one in becomes)
            yield f"| {f'`{life.name(was)}`' if was else 'the beginning'} | {then} |"
    yield ""


def _json(entry: dict[str, object]) -> str:
    """ProtoJSON to be read: short lists stand on one line."""
    text = json.dumps(entry, indent=2, ensure_ascii=False)
    short = re.compile(r'\[\n\s+("[^"\n]*"(?:,\n\s+"[^"\n]*")*)\n\s+\]')
    return short.sub(lambda found: "[" + re.sub(r",\n\s+", ", ", found[1]) + "]", text)
