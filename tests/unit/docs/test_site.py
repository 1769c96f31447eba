"""What the site is made of. That it builds, with every link leading somewhere, is `make docs`."""

import ast
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

import pourparler
from docs.site import assembly, catalogue, commands, contract, promises, python, refusals, tree
from docs.site.story import Example, examples
from pourparler import Client
from pourparler import v1 as pb
from pourparler.cli.commands import pourparler as command_line
from pourparler.drafts import builders
from pourparler.schema.contract import ENTRY_TYPES
from pourparler_service.server import running

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(name="shown", scope="module")
def _shown() -> Mapping[str, Example]:
    with running() as address, Client(address) as client:
        return examples(client)


@pytest.fixture(name="reference", scope="module")
def _reference() -> str:
    return "\n".join(contract.pages(ROOT).values())


def test_there_is_an_example_of_every_type_of_entry(shown: Mapping[str, Example]) -> None:
    assert set(shown) == set(ENTRY_TYPES)


def test_every_example_is_made_by_the_builder_of_its_type(shown: Mapping[str, Example]) -> None:
    of_service = {"entry_redacted"}
    for name, example in shown.items():
        call = ast.parse(example.said, mode="eval").body
        assert isinstance(call, ast.Call)
        builder = ast.unparse(call.func)

        assert (builder in builders.__dict__) == (name not in of_service), name
        assert name in example.entry["facts"], name  # type: ignore[operator]


def test_the_catalogue_has_a_page_of_every_type_with_its_words_and_its_example(
    shown: Mapping[str, Example],
) -> None:
    pages = catalogue.pages(ROOT, shown)

    assert len(pages) == len(ENTRY_TYPES) + 1
    for name, kind in ENTRY_TYPES.items():
        page = pages[f"entries/{name.replace('_', '-')}"]
        stored = json.loads(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[-1])
        assert stored == shown[name].entry
        for field in [*kind.descriptor.fields_by_name, *kind.rule.words, *kind.rule.optional_words]:
            assert f"`{field}`" in page, f"{name}: {field}"
        assert f"[{kind.title}]({name.replace('_', '-')}.md)" in pages["entries/index"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("proposal_made", "PROPOSAL_TO_SELF"),
        ("topic_status_changed", "INVALID_TOPIC_TRANSITION"),
        ("agreement_recorded", "INVALID_AGREEMENT_TRANSITION"),
        ("statement_recorded", "JOINT_MISMATCH"),
        ("entry_disclosed", "CONSENT_REQUIRED"),
        ("entry_corrected", "CORRECTION_BREAKS_LATER"),
        ("access_revoked", "ACCESS_LAST_CUSTODIAN"),
    ],
)
def test_what_is_refused_of_a_type_is_read_off_its_rules(name: str, reason: str) -> None:
    having = {one for one in ENTRY_TYPES if reason in refusals.of_type(one)}

    assert name in having
    assert len(having) <= 3


def test_every_reason_of_the_rules_is_one_of_a_type_or_of_all() -> None:
    text = "".join(
        (ROOT / "service" / "pourparler_service" / f"{room}.py").read_text()
        for room in (
            "domain/rules",
            "domain/common_rules",
            "domain/amendment_rules",
            "domain/proposal_rules",
            "domain/representation",
            "domain/lifecycles",
            "validation/drafts",
            "validation/terms",
            "validation/votes",
        )
    )
    named = set(re.findall(r"ERROR_REASON_(\w+)", text))
    of_requests = {"RESERVED_TO_SERVICE"}  # by who records it, not by what it says

    found = refusals.of_all().union(*map(refusals.of_type, ENTRY_TYPES))

    assert named - found - of_requests == set()


def test_the_reference_has_everything_that_the_contract_declares(reference: str) -> None:
    for one in contract.files(ROOT):
        names = [message.name for message in one.file.message_type]
        names += [enum.name for enum in one.file.enum_type]
        for service in one.file.service:
            names += [f"{service.name}.{method.name}" for method in service.method]
        for name in set(names) - contract.ENTRY_MESSAGES:
            assert f"({contract.label(name)})=" in reference, name


def test_every_reason_stands_with_its_status(reference: str) -> None:
    for value in pb.ErrorReason.DESCRIPTOR.values[1:]:
        name = value.name.removeprefix("ERROR_REASON_")
        status = value.GetOptions().Extensions[pb.status]

        said = rf"^`{name}`\n: .*? {value.number}, with `{status}`\.$"
        assert re.search(said, reference, re.MULTILINE | re.DOTALL), name


def test_the_rules_of_a_field_stand_with_it() -> None:
    page = contract.pages(ROOT)["contract/facts"]

    assert re.search(
        r"`session_id` string\n: .*\*\*Refers to\*\* a session that is on the record\.", page
    )
    assert re.search(r"`provenance` \[Provenance\].*\n: .*\*\*Required\.\*\*", page)


def test_every_command_and_every_option_is_in_the_page_of_the_command() -> None:
    page = commands.page()
    for name, command in command_line.commands.items():
        section = page.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
        assert section, name
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else ():
                assert option in section, f"{name} {option}"


def test_everything_public_is_in_the_reference_of_the_client() -> None:
    text = "\n".join(python.pages().values())
    elsewhere = {"aio", "v1", "Audit", "Finding", "Verdict"}

    for name in set(pourparler.__all__) - elsewhere:
        assert re.search(rf":: pourparler\.{name}$", text, re.MULTILINE), name


def test_every_promise_stands_with_its_test() -> None:
    written = (ROOT / promises.PAGE).read_text()
    page = promises.page(ROOT)
    known = promises.promises(ROOT)

    assert len(known) == len(re.findall(r"^\| .*\[`test_\w+`\]", written, re.MULTILINE)) > 20
    for promise in known:
        assert f"def {promise.test}(" in page


def test_every_page_is_listed_on_the_front_page_or_comes_last() -> None:
    sections = tree.contents(ROOT)
    listed = [name for section in sections for _, name in section.pages]

    assert len(listed) == len(set(listed))
    assert set(tree.MADE.values()) <= set(listed)
    below = re.compile(r"decisions/\d{4}-.*|index")
    assert {one for one in tree.written(ROOT).values() if not below.fullmatch(one)} <= set(listed)


def test_links_lead_to_the_pages_of_the_site(tmp_path: Path) -> None:
    assembly.assemble(ROOT, tmp_path, {"entries/index.md": "# Made\n"})

    concepts = (tmp_path / "explanation" / "concepts.md").read_text()
    assert "](../entries/index.md)" in concepts
    record_format = (tmp_path / "reference" / "record-format.md").read_text()
    assert "](../sources/docs/verifier.py.md)" in record_format
    assert "](explanation/promises.md)" in (tmp_path / "index.md").read_text()
    performance = (tmp_path / "explanation" / "performance.md").read_text()
    assert '<img class="only-dark" src="../_static/speed-dark.svg"' in performance
    pictures = re.findall(r'<img src="_static/([^"]+)"', (tmp_path / "readme.md").read_text())
    assert pictures == ["report.png", "terminal.svg"]
    assert all((ROOT / "docs" / "pictures" / name).exists() for name in pictures)


def test_a_link_to_what_is_not_there_is_left_for_the_build_to_refuse(tmp_path: Path) -> None:
    project, pages = tmp_path / "project", tmp_path / "pages"
    for name, text in {
        "README.md": "[gone](docs/gone.md), [there](docs/), [front](docs/README.md)",
        "CHANGELOG.md": "# Changes",
        "docs/README.md": "# Front\n\n## All\n\n- [Changes](../CHANGELOG.md)\n",
    }.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    assembly.assemble(project, pages, {})

    assert (pages / "readme.md").read_text() == (
        "[gone](docs/gone.md), [there](index.md), [front](index.md)"
    )
    contents = (pages / "index.md").read_text()
    assert ":caption: All\n\nChanges <changelog>\n" in contents
    assert ":caption: Further\n\nreadme\n" in contents


def test_the_text_of_tests_is_left_out_of_the_search(tmp_path: Path) -> None:
    assembly.assemble(ROOT, tmp_path, {"explanation/promises.md": promises.page(ROOT)})

    tests = sorted((tmp_path / "sources" / "tests").rglob("*.md"))
    assert tests
    for page in (tmp_path / "explanation" / "promises.md", *tests):
        metadata = page.read_text().split("---\n")[1]
        assert "no-search: true\n" in metadata, page
    shown = (tmp_path / "sources" / "docs" / "verifier.py.md").read_text()
    assert "no-search" not in shown


def test_a_page_that_is_no_page_any_more_is_removed(tmp_path: Path) -> None:
    assembly.assemble(ROOT, tmp_path, {"gone.md": "# Gone\n"})
    assembly.assemble(ROOT, tmp_path, {})

    assert not (tmp_path / "gone.md").exists()
    assert (tmp_path / "index.md").exists()
