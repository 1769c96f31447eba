"""The entry types: one page each, from the contract, the rules and an example record."""

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
from pourparler.schema.contract import ENTRY_TYPES, EntryType
from pourparler_service.domain import lifecycles
from pourparler_service.domain.lifecycles import Lifecycle
from pourparler_service.validation.drafts import WORDS_OF_ALL

_REASONS = "ERROR_REASON_"
_LIFECYCLES = [one for one in vars(lifecycles).values() if isinstance(one, Lifecycle)]


def pages(root: Path, examples: Mapping[str, Example]) -> Mapping[str, str]:
    """Return the pages of the entry types by name."""
    known = contract.files(root)
    found = {f"entries/{_page(name)}": "\n".join(_entry(known, one, examples[name]))
             for name, one in ENTRY_TYPES.items()}  # fmt: skip
    found["entries/index"] = "\n".join(_index(known))
    return found


def _page(name: str) -> str:
    return name.replace("_", "-")


def _index(known: Sequence[Commented]) -> Iterator[str]:
    yield "# Entry types\n"
    yield (
        f"There are {len(ENTRY_TYPES)} entry types. Each page lists the fields, the words and the"
        " refusals of one type. It has an example that a service recorded when the page was"
        " generated. [Concepts](../explanation/concepts.md) explains the terms.\n"
    )
    for kind, types in groupby(ENTRY_TYPES.values(), key=lambda one: one.name.split("_")[0]):
        yield f"## {_KINDS[kind]}\n"
        for one in types:
            comment = _message(known, one.title)[2]
            yield f"[{one.title}]({_page(one.name)}.md)\n: {_first(comment)}\n"
    yield "## Refusals of every entry type\n"
    yield (
        "The service can refuse an entry of any type for these reasons. The page of"
        " [error reasons](../contract/errors.md) has the status of each.\n"
    )
    yield from _reasons(known, refusals.of_all())
    listed = "\n".join(_page(name) for name in ENTRY_TYPES)
    yield f"```{{toctree}}\n:hidden:\n\n{listed}\n```\n"


_OF_EVERY = "the [reasons of every type](index.md#refusals-of-every-entry-type)"
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
    "approval": "Approvals",
}


def _first(text: str) -> str:
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]


def _message(
    known: Sequence[Commented], name: str
) -> tuple[Commented, DescriptorProto, str, tuple[int, ...]]:
    """Return the file of a message, the message, its comment and its path."""
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
    yield f"Field of [Facts](#{label('Facts')}): `{kind.name}`. In Python, {_made_by(builder)}.\n"
    yield "## Fields\n"
    if message.field:
        yield from contract.fields(one, message, path)
    else:
        yield "This type has no fields of its own.\n"
    yield "## Words\n"
    yield from _words(known, kind)
    yield "## Refusals\n"
    yield from _held(kind)
    own = refusals.of_type(kind.name) - refusals.of_all()
    if own:
        yield f"The service refuses this type for {_OF_EVERY}, and for these reasons:\n"
        yield from _reasons(known, own)
    else:
        yield f"The service refuses this type only for {_OF_EVERY}.\n"
    for life in _LIFECYCLES:
        if _name(life.reason) in own:
            yield from _steps(life)
    yield "## Example\n"
    yield f"```python\n{example.said}\n```\n"
    yield "The recorded entry, without the header and the caller:\n"
    yield f"```json\n{_json(example.entry)}\n```\n"


def _made_by(builder: str) -> str:
    if builder.startswith("client."):
        return f"only the service records it, for a call of `{builder.removeprefix('client.')}`"
    return f"{{py:func}}`pourparler.{builder}` builds it"


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
    yield f"An entry of any type may {also}have {of_all}.\n"


def _held(kind: EntryType) -> Iterator[str]:
    if kind.rule.act:
        yield (
            "This type is an act of a party. The service refuses it on the basis `UNATTRIBUTED` or"
            f" `ANALYSIS`: [BASIS_NOT_ALLOWED](#{label('ERROR_REASON_BASIS_NOT_ALLOWED')}).\n"
        )
    if kind.rule.follow_up:
        yield "An entry of this type is allowed after the end of the negotiation.\n"


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
    yield f"{life.title} has these status transitions:\n"
    yield "| from | to |\n|---|---|"
    for was, becomes in life.steps.items():
        if becomes:
            then = ", ".join(f"`{life.name(one)}`" for one in becomes)
            yield f"| {f'`{life.name(was)}`' if was else 'start'} | {then} |"
    yield ""


def _json(entry: dict[str, object]) -> str:
    """Return readable ProtoJSON, with short lists on one line."""
    text = json.dumps(entry, indent=2, ensure_ascii=False)
    short = re.compile(r'\[\n\s+("[^"\n]*"(?:,\n\s+"[^"\n]*")*)\n\s+\]')
    return short.sub(lambda found: "[" + re.sub(r",\n\s+", ", ", found[1]) + "]", text)
