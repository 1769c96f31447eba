"""Some entries shown, of the others their headers: what is in such a bundle, and what is not."""

import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from google.protobuf.message import Message
from hypothesis import given as having
from hypothesis import settings
from hypothesis import strategies as st

from examples.casino import convert
from pourparler import v1 as pb
from pourparler.cli.commands import run
from pourparler.state.fold import fold
from pourparler.transparency.bundle import BundleReader, TruncatedBundleError, redact
from pourparler.transparency.findings import Audit, Verdict
from pourparler.transparency.selection import Selection, SelectionError
from tests.support import bundles, sample_entries, strategies
from tests.support.bundles import audited, bundle, changed, checkpoint, sealed, talks
from tests.support.draft_replay import drafts, replayed

ROOT = Path(__file__).parents[4]
SEED = ROOT / "examples" / "renault-nissan" / "negotiation.jsonl"
CASINO = ROOT / "tests" / "data" / "casino"
SHORTEST = 4  # a shorter string may stand anywhere by chance


def shown(records: Sequence[bytes], negotiation: str, versions: Iterable[int]) -> bytes:
    """A bundle of these records in which these versions can be read."""
    output = io.BytesIO()
    whole = io.BytesIO(bundle(records, negotiation=negotiation))

    assert redact(whole, output, Selection(versions)) == len(records)
    return output.getvalue()


def gaps(entries: Sequence[pb.Entry], *versions: int) -> list[tuple[int, int]]:
    """What these versions are shown without."""
    selection = Selection(versions)
    for stored in sealed(entries):
        selection.filter_record(stored)
    return [(gap.version, gap.missing_version) for gap in selection.gaps]


def strings(message: Message) -> Iterator[str]:
    """All text in a message."""
    for field, value in message.ListFields():
        for one in value if isinstance(value, Sequence) and not isinstance(value, str) else [value]:
            if isinstance(one, Message):
                yield from strings(one)
            elif isinstance(one, str) and field.type == field.TYPE_STRING:
                yield one


def check(entries: Sequence[pb.Entry], negotiation: str, versions: Sequence[int]) -> Audit:
    """See that these can be read, that all verifies, and that no byte of the rest is there."""
    records = sealed(entries, negotiation)
    data = shown(records, negotiation, versions)

    audit = audited(data)

    read = list(BundleReader(io.BytesIO(data)).records())
    hidden = [place for place in range(1, len(records) + 1) if place not in set(versions)]
    assert audit.verdict is (Verdict.PARTIAL if hidden else Verdict.SOUND), audit.findings
    assert {one.name for one in audit.findings} <= {"section withheld"}
    assert audit.withheld == tuple(hidden)
    assert audit.root == bundles.root_of(records)
    assert audit.state == fold(map(pb.Entry.FromString, read))
    assert [read[place - 1] for place in versions] == [records[place - 1] for place in versions]
    # What is shown, the headers and the checkpoint may say the same as what is hidden.
    said = b"\0".join(
        [
            *(records[place - 1] for place in versions),
            *(pb.Record.FromString(one).header for one in records),
            BundleReader(io.BytesIO(data)).header.SerializeToString(),
        ]
    )
    for place in hidden:
        record = pb.Record.FromString(records[place - 1])
        entry = pb.Entry.FromString(records[place - 1])
        assert pb.Record.FromString(read[place - 1]) == pb.Record(header=record.header)
        for salt in record.salts:
            assert salt not in data
        for text in (*strings(entry.facts), *strings(entry.words)):
            secret = text.encode()
            assert len(secret) < SHORTEST or secret in said or secret not in data
    return audit


@having(strategies.steps(24), st.data())
@settings(max_examples=40, deadline=None)
def test_of_any_history_any_choice_is_shown_and_nothing_else(
    seeds: list[int], data: st.DataObject
) -> None:
    entries = strategies.history(seeds)
    if not entries:
        return
    numbers = st.integers(1, len(entries))
    versions = sorted(data.draw(st.sets(numbers, min_size=1)))

    check(entries, sample_entries.NEGOTIATION, versions)


@pytest.mark.parametrize("version", range(1, 18))
def test_each_entry_of_the_press_report_can_be_shown_alone(version: int) -> None:
    (said,) = drafts(SEED.read_text(encoding="utf-8").splitlines()).items()
    record = replayed(*said)

    check(record.entries, said[0].removeprefix("negotiations/"), [version])


def test_what_campers_said_is_shown_and_not_what_they_prefer() -> None:
    (dialogue, *_) = convert.dialogues(CASINO)
    name = convert.name(dialogue)
    record = replayed(name, drafts(convert.lines(CASINO))[name])
    spoken = [
        entry.header.version
        for entry in record.entries
        if entry.facts.HasField("statement_recorded")
    ]

    audit = check(record.entries, name.removeprefix("negotiations/"), spoken)

    assert audit.state is not None
    assert len(audit.state.statements) == len(spoken)
    assert not audit.state.positions


def test_all_of_it_can_be_chosen() -> None:
    records = sealed(talks())

    assert shown(records, "talks", range(1, 6)) == bundle(records)


def test_what_is_withheld_stays_withheld_however_often_it_is_done() -> None:
    records = sealed(talks())
    once = io.BytesIO(shown(records, "talks", [2, 5]))
    twice = io.BytesIO()

    redact(once, twice, Selection([5]))

    assert twice.getvalue() == shown(records, "talks", [5])
    once.seek(0)
    with pytest.raises(SelectionError, match="Version 3 is withheld in this record"):
        redact(once, io.BytesIO(), Selection([3, 5]))


def test_a_withheld_bundle_that_is_changed_is_manipulated() -> None:
    records = sealed(talks())
    partial = list(BundleReader(io.BytesIO(shown(records, "talks", [5]))).records())

    def another_text(record: pb.Record) -> None:
        record.words = pb.Words(text="Never").SerializeToString()

    forged = [*partial[:4], changed(partial[4], another_text)]

    audit = audited(bundle(forged, signed=checkpoint(records)))

    assert audit.verdict is Verdict.MANIPULATED
    assert audit.state is None


def test_more_is_withheld_than_findings_are_kept() -> None:
    entries = sample_entries.history(
        *talks(), *(sample_entries.topic(f"t-{number}") for number in range(95))
    )

    audit = check(entries, "talks", [5])

    assert len(audit.findings) == 100
    assert audit.withheld == (1, 2, 3, 4, *range(6, 101))


@pytest.mark.parametrize("versions", [[], [0], [0, 1], [-1]])
def test_something_is_to_be_chosen(versions: list[int]) -> None:
    with pytest.raises(SelectionError, match="of 1 or more"):
        Selection(versions)


def test_what_is_not_there_cannot_be_chosen_and_leaves_no_whole_bundle() -> None:
    output = io.BytesIO()
    with pytest.raises(SelectionError, match="no version 6: the record ends with version 5"):
        redact(io.BytesIO(bundle(sealed(talks()))), output, Selection([1, 6]))

    output.seek(0)
    with pytest.raises(TruncatedBundleError):
        list(BundleReader(output).records())


@pytest.mark.parametrize("bad", [b"", b"\xff\xff", sealed(talks())[1]])
def test_what_is_not_the_next_record_is_not_passed_on(bad: bytes) -> None:
    with pytest.raises(SelectionError, match="at position 1 is not version 1"):
        Selection([1]).filter_record(bad)


# What it is shown without.

CORRECTION = sample_entries.draft(
    pb.EntryCorrected(
        target_version=5,
        mode=pb.CORRECTION_MODE_ANNUL,
        kind=pb.CORRECTION_KIND_RECORDER,
    )
)


def test_a_statement_names_who_made_it() -> None:
    assert gaps(talks(), 5) == [(5, 2)]
    assert gaps(talks(), 2, 5) == []


def test_a_corrected_entry_is_not_shown_without_a_word_about_it() -> None:
    entries = sample_entries.history(*talks(), CORRECTION)

    assert gaps(entries, 2, 5) == [(5, 6)]
    assert gaps(entries, 6) == [(6, 5)]
    assert gaps(entries, 2, 5, 6) == []


def test_so_are_disclosed_redacted_and_retracted_ones() -> None:
    entries = sample_entries.history(
        *talks(),
        sample_entries.draft(
            pb.EntryDisclosed(target_version=5, disclosed_to=sample_entries.PUBLIC)
        ),
        sample_entries.draft(pb.EntryRedacted(target_version=5)),
        sample_entries.draft(pb.StatementRetracted(statement_id="s-1", by=["acme"])),
    )

    assert gaps(entries, 2, 5) == [(5, 6), (5, 7), (5, 8)]


def test_what_takes_its_place_is_told_and_what_only_names_it_is_not() -> None:
    def held(key: str, before: str = "") -> pb.Draft:
        return sample_entries.draft(
            pb.PositionTaken(
                position_id=key,
                holders=["acme"],
                topic_id="price",
                stance=pb.STANCE_WANTS,
                supersedes=before,
            )
        )

    entries = sample_entries.history(*talks()[:4], held("p-1"), held("p-2", "p-1"))

    assert gaps(entries, 2, 4, 5) == [(5, 6)]
    assert gaps(entries, 4) == []
    assert gaps(entries, 2, 4, 5, 6) == []


def test_destroyed_words_look_withheld_without_their_redaction() -> None:
    def without_words(record: pb.Record) -> None:
        record.salts[1] = b""
        record.words = b""

    entries = sample_entries.history(
        *talks(), sample_entries.draft(pb.EntryRedacted(target_version=5))
    )
    records = sealed(entries)
    left = [*records[:4], changed(records[4], without_words), records[5]]

    def withheld(versions: list[int]) -> tuple[int, ...]:
        whole = io.BytesIO(bundle(left, signed=checkpoint(records)))
        output = io.BytesIO()
        redact(whole, output, Selection(versions))
        return audited(output.getvalue()).withheld

    assert withheld([5]) == (1, 2, 3, 4, 5, 6)
    assert withheld([5, 6]) == (1, 2, 3, 4)


# The command.

KEY = str(bundles.KEYS[0])


@pytest.fixture(name="whole")
def _whole(tmp_path: Path) -> Path:
    path = tmp_path / "talks.bundle"
    path.write_bytes(bundle(sealed(talks())))
    return path


def test_an_arbitrator_reads_one_statement(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    statement = tmp_path / "statement.bundle"

    assert run(["redact-bundle", str(whole), "--versions", "5", "-o", str(statement)]) == 0
    made = capsys.readouterr()
    assert run(["verify", str(statement), "--verifier-key", KEY, "--show"]) == 7
    said = capsys.readouterr().out.splitlines()

    assert "5 entries, 1 of them to be read," in made.out
    assert made.err == (
        "Note: #5 is shown without #2. #5 names participants/acme, which #2 brings.\n"
    )
    assert said[0].startswith("Partial: 1 of 5 entries of test.example/negotiations/talks can be")
    assert said[1].startswith("checkpoint 5 ")
    assert said[2] == "section withheld: #1 to #4"
    assert said[3].startswith("The client cannot verify their content")
    (row,) = [line for line in said[4:] if re.match("#[0-9]", line)]
    assert row.startswith("#5")
    assert "acme" in row
    assert "A text" in row
    assert said[-1] == "Withheld entries introduce these parts: participants/acme."


def test_a_machine_reads_it_line_by_line(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "made"

    assert (
        run(["redact-bundle", str(whole), "--versions", "1, 4-5", "-o", str(made), "--json"]) == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert run(["verify", str(made), "--verifier-key", KEY, "--show", "--json"]) == 7
    verdict, *entries = map(json.loads, capsys.readouterr().out.splitlines())

    assert told["shown"] == [1, 4, 5]
    assert [(gap["version"], gap["missing_version"]) for gap in told["gaps"]] == [(5, 2)]
    assert (verdict["verdict"], verdict["withheld"]) == ("partial", [2, 3])
    assert [entry["header"]["version"] for entry in entries] == ["1", "4", "5"]


def test_a_whole_bundle_is_shown_whole_and_a_forged_one_not_at_all(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", str(whole), "--verifier-key", KEY, "--show"]) == 0
    said = capsys.readouterr().out
    assert len(re.findall("^#[0-9]", said, re.MULTILINE)) == 5
    assert "Named here" not in said

    whole.write_bytes(whole.read_bytes().replace(b"A text", b"A lie!"))
    assert run(["verify", str(whole), "--verifier-key", KEY, "--show"]) == 4
    assert "A lie!" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("only", "code"), [("6", 1), ("0", 2), ("", 2), ("x", 2), ("3-1", 2), ("1-9999999999", 2)]
)
def test_what_cannot_be_chosen_is_said_and_leaves_no_file(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], only: str, code: int
) -> None:
    assert (
        run(["redact-bundle", str(whole), "--versions", only, "-o", str(tmp_path / "made")]) == code
    )
    assert "Error: " in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["talks.bundle"]


def test_what_is_no_bundle_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["redact-bundle", str(SEED), "--versions", "1", "-o", str(tmp_path / "made")])

    assert code == 1
    assert "not a bundle of Pourparler" in capsys.readouterr().err
