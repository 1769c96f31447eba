"""A new entry type needs hands in a few places: none of them is in the command or the formats.

The walk of CONTRIBUTING.md is the list `WALK` below.
"""

import ast
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from pourparler import v1 as pb
from pourparler.cli.commands import pourparler as command_line
from pourparler.cli.input.draft_types import TYPES
from pourparler.cli.output import part_descriptions
from pourparler.cli.output.entry_descriptions import DESCRIPTIONS, describe
from pourparler.cli.output.history import history
from pourparler.cli.output.wording import Names
from pourparler.drafts import builders
from pourparler.formats.registry import WRITERS
from pourparler.schema.contract import ENTRY_TYPES, PARTS
from tests.support.sample_entries import recorded, said
from tests.support.terminal_capture import in_pipe

ROOT = Path(__file__).resolve().parents[2]

WALK = {
    "client/pourparler/state/fold.py": "what an entry does to the state",
    "client/pourparler/drafts/builders.py": "how a caller drafts it",
    "client/pourparler/cli/input/draft_types.py": "the option of `record` that drafts it",
    "client/pourparler/cli/output/entry_descriptions.py": "one sentence for the terminal",
    "client/pourparler/cli/output/part_descriptions.py": "the kind of part that it brings, if new",
    "service/pourparler_service/domain/rules.py": "when the state refuses it",
    "service/pourparler_service/validation/drafts.py": "what is refused without a state",
}
"""Each file that may list entry types or kinds of part by hand, and what it says of them."""

RULES = {
    "client/pourparler/__init__.py": "the builders are public names",
    "client/pourparler/cli/report/descriptions.py": "the kinds whose dates the timeline draws",
    "client/pourparler/cli/report/page.py": "the kinds that have a section of their own",
    "client/pourparler/cli/report/timeline_data.py": "the types that leave the status as it is",
    "client/pourparler/state/corrections.py": "the types that amend other entries",
    "service/pourparler_service/authorization/roles.py": "what a mediator may record",
    "service/pourparler_service/domain/self_correction_rules.py": "what its recorder may correct",
    "service/pourparler_service/reads/entry_filters.py": "the kinds that have a topic",
    "service/pourparler_service/reads/negotiation_list.py": "the types that change the list",
}
"""Each file that names a few types or kinds because a rule is about these, and no others."""


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def spellings() -> dict[str, str]:
    """The names of entry types and kinds of part as code spells them, and what each names."""
    found: dict[str, str] = {}
    for name in ENTRY_TYPES:
        found |= {name: name, camel(name): name, f"_{name}": name}
    for number, kind in PARTS.items():
        one = kind.removesuffix("s")
        found |= {
            kind: kind,
            one: kind,
            camel(one): kind,
            pb.PartKind.Name(pb.PartKind.ValueType(number)): kind,
        }
    return found


def listed(source: str) -> Iterator[set[str]]:
    """The types or kinds that each literal of a module lists."""
    known = spellings()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Dict):
            items = [key for key in node.keys if key is not None]
        elif isinstance(node, ast.Set | ast.List | ast.Tuple):
            items = node.elts
        else:
            continue
        names = [
            one.value if isinstance(one, ast.Constant) else getattr(one, "attr", "")
            for one in items
        ]
        yield {known[name] for name in names if isinstance(name, str) and name in known}


def keeps_a_list(source: str) -> bool:
    return any(len(names) > 2 for names in listed(source))


def modules() -> Iterator[Path]:
    for folder in ("client/pourparler", "service/pourparler_service"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "v1" not in path.parts:
                yield path


def test_no_other_file_lists_entry_types_or_kinds_of_part() -> None:
    keeping = {str(path.relative_to(ROOT)) for path in modules() if keeps_a_list(path.read_text())}

    assert keeping - WALK.keys() - RULES.keys() == set()


def test_a_list_kept_by_hand_is_noticed() -> None:
    assert keeps_a_list('KINDS = ("statements", "positions", "topics")')
    assert keeps_a_list(
        "X = {pb.PART_KIND_TOPIC: 1, pb.PART_KIND_SESSION: 2, pb.PART_KIND_DOCUMENT: 3}"
    )
    assert keeps_a_list('X = {"topic_added": 1, "entry_corrected": 2, "session_opened": 3}')
    assert not keeps_a_list('X = ("topic_added", "topics")')


def test_every_file_of_the_walk_is_there() -> None:
    for path in (*WALK, *RULES):
        assert (ROOT / path).is_file(), path


def test_every_entry_type_has_a_sentence_and_every_kind_of_part_a_description() -> None:
    kinds = set(PARTS.values())

    assert DESCRIPTIONS.keys() == ENTRY_TYPES.keys()
    assert part_descriptions.PART_DESCRIPTIONS.keys() == kinds
    assert set(part_descriptions.KINDS_BY_TOPIC) == kinds
    assert set(part_descriptions.KINDS_BY_RESULT) == kinds
    assert set(part_descriptions.FRAMEWORK) <= kinds


def test_every_option_that_drafts_an_entry_has_a_builder() -> None:
    options = {option.name for option in command_line.commands["record"].params}

    assert set(TYPES) <= options
    for name in TYPES:
        assert hasattr(builders, name), name


def test_a_type_without_a_sentence_is_told_and_exported_by_the_contract(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pretend entry type: one of the contract that nothing here was told of."""
    monkeypatch.delitem(DESCRIPTIONS, "statement_recorded")
    draft = said("s-1", "a")
    entry = recorded(1, draft)

    sentence = describe(entry, Names())

    assert sentence.startswith("statement recorded, statement id s-1")
    assert draft.words.text in sentence
    assert "statement recorded" in in_pipe(lambda page: history(page, [entry], Names()))
    for name, write in WRITERS.items():
        if name != "parquet":
            file = io.BytesIO()
            assert write(file, iter([entry]), "log/n") == 1
            assert file.getvalue()
