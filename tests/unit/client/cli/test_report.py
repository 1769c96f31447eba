"""The page of a negotiation: whole, true at every version, and safe whatever was said."""

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from examples.casino import convert as casino_convert
from examples.diplomacy import convert as diplomacy_convert
from pourparler import v1 as pb
from pourparler.cli.commands import run
from pourparler.cli.output.part_descriptions import KINDS_BY_RESULT
from pourparler.cli.output.part_summaries import summarize
from pourparler.cli.output.wording import Names
from pourparler.cli.report import charts
from pourparler.cli.report.page import Checked, page
from pourparler.cli.report.timeline_data import timeline
from pourparler.schema.edtf import bounds
from pourparler.state.fold import fold
from tests.support import bundles, report_samples, sample_entries
from tests.support.draft_replay import drafts, replayed
from tests.unit.examples import test_casino, test_diplomacy, test_renault_nissan

ON = "2026-02-01"
NOBODY = Checked("", "Nobody has looked.")


class Read(HTMLParser):
    """What a browser would take from the page: its elements with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def seed() -> list[pb.Entry]:
    lines = (test_renault_nissan.EXAMPLE / "negotiation.jsonl").read_text(encoding="utf-8")
    ((name, said),) = drafts(lines.splitlines()).items()
    return replayed(name, said).entries


def casino() -> list[pb.Entry]:
    by_name = drafts(casino_convert.lines(test_casino.DATA))
    name = min(by_name)
    return replayed(name, by_name[name]).entries


def diplomacy() -> list[pb.Entry]:
    by_name = drafts(diplomacy_convert.lines(test_diplomacy.DATA))
    name = min(by_name)
    return replayed(name, by_name[name]).entries


class Shown(HTMLParser):
    """What a page that is stepped to a version shows: its texts, but for scales and legends."""

    def __init__(self, text: str, version: int) -> None:
        super().__init__()
        self.version = version
        self.open: list[tuple[str, bool, bool]] = []  # its name, whether it is shown, whether drawn
        self.texts: Counter[str] = Counter()
        self.marks: Counter[str] = Counter()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        shown = all(above for _, above, _ in self.open)
        if "data-when" in given:
            shown = shown and _within(self.version, given["data-when"] or "")
            if tag in {"path", "line"} and shown:
                colour = given.get("fill") or given.get("stroke") or ""
                self.marks[re.sub(r"gradient-\d+", "gradient", colour)] += 1
        elif "hidden" in given:
            shown = False
        drawn = tag == "svg" or any(above for _, _, above in self.open)
        if tag not in {"meta", "input", "br"}:
            self.open.append((tag, shown and tag not in {"script", "style", "title", "dl"}, drawn))
            if drawn and tag == "text" and "data-when" not in given:
                self.open[-1] = (tag, False, True)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and all(shown for _, shown, _ in self.open):
            self.texts[" ".join(data.split())] += 1


RECORDS = {"seed": seed, "casino": casino, "diplomacy": diplomacy, "made": report_samples.talks}


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    path = tmp_path / "talks.bundle"
    path.write_bytes(bundles.bundle(bundles.sealed(report_samples.talks())))
    return path


@pytest.mark.parametrize("entries", RECORDS.values(), ids=RECORDS)
def test_at_every_version_each_part_is_told_as_it_was_then(
    entries: Callable[[], list[pb.Entry]],
) -> None:
    record = entries()
    through = timeline(record, ON)

    for version in range(1, len(record) + 1):
        state = fold(record[:version])
        names = Names(state.participants)
        assert {
            (kind, shown.face)
            for (kind, _), parts in through.parts.items()
            for shown, spans, _ in parts
            if _within(version, spans)
        } == {
            (kind, summarize(kind, key, part, state, names))
            for kind in KINDS_BY_RESULT
            for key, part in getattr(state, kind).items()
        }


@pytest.mark.parametrize(
    ("entries", "versions"),
    [
        (seed, [1, 5, 11, 16]),
        (casino, [20, 42]),
        (diplomacy, [40]),
        (report_samples.talks, [5, 6, 7, 9, 14, 15, 16, 17, 19, 31]),
        (report_samples.changed, [4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    ],
    ids=["seed", "casino", "diplomacy", "made", "changed"],
)
def test_a_page_at_an_earlier_version_shows_what_the_page_of_that_version_does(
    entries: Callable[[], list[pb.Entry]], versions: Iterable[int]
) -> None:
    record = entries()
    whole = page(record, ON, NOBODY)

    for version in versions:
        stepped = Shown(whole, version)
        then = Shown(page(record[:version], ON, NOBODY), version)
        told_of_the_page = re.compile("this page shows version|Names in charts")
        for texts in (stepped.texts, then.texts):
            for one in [one for one in texts if told_of_the_page.search(one)]:
                del texts[one]
        assert stepped.texts == then.texts
        assert stepped.marks == then.marks


def test_at_every_version_the_questions_are_answered_as_they_were_then() -> None:
    record = report_samples.talks()
    through = timeline(record, ON)

    for version in range(1, len(record) + 1):
        then = timeline(record[:version], ON).standing
        assert {item for item, spans, _ in through.standing if _within(version, spans)} == {
            item for item, _, now in then if now
        }


def _within(version: int, spans: str) -> bool:
    ends = [span.partition("-") for span in spans.split()]
    return any(int(first) <= version < int(last or version + 1) for first, _, last in ends)


def test_what_was_annulled_is_told_until_then_and_stays_in_the_record() -> None:
    faces = list(timeline(report_samples.talks(), ON).parts["statements", "denial"])

    assert [(spans, now) for _, spans, now in faces] == [("14-17", False)]


def test_hostile_words_make_no_element_and_turn_nothing() -> None:
    text = page(report_samples.talks(3, report_samples.HOSTILE), ON, NOBODY)
    read = Read(text)

    assert len(read.all("script")) == len(read.all("style")) == 1
    assert not read.all("img")
    assert "alert(1)" in "".join(read.text)
    assert not [name for _, each in read.elements for name in each if name.startswith("on")]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", text)
    assert "{{ 7 * 7 }}" in "".join(read.text)


def test_the_page_asks_for_nothing_and_runs_only_its_own_script() -> None:
    text = page(report_samples.talks(), ON, NOBODY)
    read = Read(text)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = (one["content"] for one in read.all("meta") if "http-equiv" in one)

    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{digest}';" in policy
    assert not [each for _, each in read.elements if "src" in each]
    assert not read.all("link")
    assert {one["href"] for one in read.all("a") if not (one["href"] or "").startswith("#")} == {
        "https://news.example/1"
    }


def test_every_link_within_the_page_leads_somewhere() -> None:
    read = Read(page(report_samples.talks(), ON, NOBODY))
    ids = [each["id"] for _, each in read.elements if "id" in each]

    assert len(ids) == len(set(ids))
    inner = {str(one["href"])[1:] for one in read.all("a") if str(one["href"]).startswith("#")}
    assert inner <= set(ids)


@pytest.mark.parametrize("uri", ["javascript:alert(1)", "data:text/html,x", "//news.example"])
def test_only_an_address_of_the_web_can_be_followed(uri: str) -> None:
    source = pb.Source(id="src", kind=pb.SOURCE_KIND_NEWS, uri=uri)
    said = sample_entries.said("s", "acme")
    said.words.sources.append(source)

    read = Read(
        page(
            sample_entries.history(sample_entries.opened(), sample_entries.joined("acme"), said),
            ON,
            NOBODY,
        )
    )

    assert uri in "".join(read.text)
    assert uri not in [one["href"] for one in read.all("a")]


def test_a_quotation_is_set_as_one_and_a_paraphrase_says_what_it_is() -> None:
    text = page(report_samples.talks(), ON, NOBODY)

    assert '<blockquote dir="auto">Never as they say</blockquote>' in text
    assert '<span class="form">paraphrase</span>They would sell as they say</p>' in text
    assert "reported, unconfirmed" in text


def test_a_correction_tells_what_was_and_what_counts_both_ways() -> None:
    text = page(report_samples.talks(), ON, NOBODY)

    assert '<a href="#v16">#16</a> corrects <a href="#v15">#15</a>' in text
    assert "It counts as never made." in text
    assert 'corrected by <a href="#v16">#16</a>' in text
    assert 'annulled by <a href="#v17">#17</a>' in text


def test_what_is_withheld_is_said_to_be() -> None:
    record = report_samples.talks()
    record[11].ClearField("words")
    record[12].ClearField("words")
    record[12].ClearField("facts")

    text = page(record, ON, NOBODY)

    assert "its words are withheld" in text
    assert "withheld: only its place, time and digests are known" in text


@pytest.mark.parametrize("kept", [1, 9, 14, 16, 17, 20])
def test_of_a_record_of_which_one_entry_alone_is_shown_there_is_a_page(kept: int) -> None:
    record = report_samples.talks()
    for entry in record:
        if entry.header.version != kept:
            entry.ClearField("facts")
            entry.ClearField("words")

    text = page(record, ON, NOBODY)

    assert text.count("withheld: only its place, time and digests are known") == 31


def test_what_was_erased_is_said_to_be_and_by_which_entry() -> None:
    erased = sample_entries.recorded(
        4,
        sample_entries.draft(
            pb.EntryRedacted(target_version=3), pb.Words(legal_basis="the law", authority="court")
        ),
    )
    record = sample_entries.history(
        sample_entries.opened(), sample_entries.joined("acme"), sample_entries.said("s", "acme")
    )

    text = page([*record, erased], ON, NOBODY)

    assert "its words were erased by law, by #4" in text
    assert "words erased by #4" in text


def test_who_goes_back_on_something_is_told() -> None:
    text = page(report_samples.talks(8), ON, NOBODY)

    assert "<h4>Reversals</h4>" in text
    assert '<span class="back">reversal</span>' in text


def test_the_same_record_makes_the_same_page() -> None:
    record = report_samples.talks()

    assert page(record, ON, NOBODY) == page(record, ON, NOBODY)


@pytest.mark.parametrize(
    ("edtf", "form"),
    [
        ("2026-01-31", "exact"),
        ("2026-01-31~", "about"),
        ("2026-41", "within"),
        ("2026", "within"),
        ("[2026-01-01..2026-02-01]", "within"),
        ("2026-01-01/2026-02-01", "lasting"),
        ("2026-01-01/..", "lasting"),
    ],
)
def test_a_date_is_drawn_as_what_it_is(edtf: str, form: str) -> None:
    assert charts.form(sample_entries.date(edtf)) == form


def test_a_timeline_draws_open_ends_as_open_and_uncertain_days_as_hollow() -> None:
    def drawn(edtf: str) -> str:
        row = charts.dated("Signing", "planned", sample_entries.date(edtf))
        return charts.timeline([(row, "1-", True)], ON)

    assert "triangle" not in drawn("2026-03-01")
    assert "linearGradient" in drawn("[2026-03-01..]")
    assert "linearGradient" in drawn("[..2026-03-01]")
    assert "stroke-dasharray" in drawn("2026-41")
    assert "linearGradient" not in drawn("2026-41")
    assert 'fill="var(--paper)"' in drawn("2026-03-01~")


def test_what_is_no_more_does_not_stretch_the_scale_and_is_drawn_at_its_edge() -> None:
    meant = charts.dated("Dinner", "planned", sample_entries.date("2026-05-02"))
    typed = charts.dated("Dinner", "planned", sample_entries.date("2206-05-02"))

    alone = charts.timeline([(meant, "7-", True)], ON)
    both = charts.timeline([(typed, "6-7", False), (meant, "7-", True)], ON)

    [scale, *_] = re.findall("role-axis-label.*?</g>", alone, re.DOTALL)
    assert scale in both
    assert len(re.findall('data-when="6-7" hidden', both)) == 2  # it fades out, with an arrow
    assert "hidden" not in alone


def test_a_narrow_timeline_shows_the_same_with_its_labels_above() -> None:
    rows = [
        (
            charts.dated("planned: Signing", "planned", sample_entries.date("[2026-03-01..]")),
            "4-",
            True,
        ),
        (charts.dated("planned: Dinner", "planned", sample_entries.date("2026-05")), "6-7", False),
    ]

    wide, narrow = (charts.timeline(rows, ON, narrow=one) for one in (False, True))

    whens = re.compile('data-when="[^"]*"(?: hidden)?')
    assert Counter(whens.findall(wide)) == Counter(whens.findall(narrow))
    assert wide.count(">planned: Signing<") == narrow.count(">planned: Signing<") == 1
    assert not set(re.findall('id="[^"]*"', wide)) & set(re.findall('id="[^"]*"', narrow))


def test_no_dates_make_no_timeline() -> None:
    assert not charts.timeline([], ON)


def test_a_page_of_an_empty_record_says_so() -> None:
    text = page([], ON, NOBODY)

    assert "not opened, as far as this record says" in text


def test_without_a_key_the_page_says_that_nobody_verified_it(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "report.html"

    assert run(["report", "--bundle", str(file), "-o", str(there), "--on", ON]) == 0
    assert (
        capsys.readouterr().out == f"Wrote {there}, a page of 32 entries. Record: not verified.\n"
    )
    assert '<h2 id="verified">Not verified</h2>' in there.read_text(encoding="utf-8")


def test_with_a_key_the_page_tells_checkpoint_key_and_result(file: Path, tmp_path: Path) -> None:
    there = tmp_path / "report.html"
    key = str(bundles.KEYS[0])

    assert run(["report", "--bundle", str(file), "-o", str(there), "--verifier-key", key]) == 0

    text = there.read_text(encoding="utf-8")
    assert "Verified: sound" in text
    assert f"Key: <code>{key}</code>" in text
    root = bundles.audited(file.read_bytes()).root.hex()
    assert f"32 entries of <code>test.example/negotiations/talks</code>, root <code>{root}" in text


def test_a_page_of_a_forged_record_says_so_loudly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = bundles.sealed(report_samples.talks())
    signed = bundles.checkpoint(records)
    records[11] = bundles.changed(records[11], lambda one: setattr(one, "words", b""))
    forged = tmp_path / "forged.bundle"
    forged.write_bytes(bundles.bundle(records, signed=signed))
    there = tmp_path / "report.html"
    key = str(bundles.KEYS[0])

    code = run(
        ["report", "--bundle", str(forged), "-o", str(there), "--verifier-key", key, "--json"]
    )

    assert code == 4
    assert json.loads(capsys.readouterr().out)["verification"] == "manipulated"
    assert 'class="verified manipulated"' in there.read_text(encoding="utf-8")


def test_a_page_may_be_of_an_earlier_version(file: Path, tmp_path: Path) -> None:
    there = tmp_path / "report.html"

    assert run(["report", "--bundle", str(file), "-o", str(there), "--as-of", "5"]) == 0

    text = there.read_text(encoding="utf-8")
    assert 'id="v5"' in text
    assert 'id="v6"' not in text
    assert "It shows the first 5 of 32 entries." in text


def test_the_page_goes_into_a_pipe(file: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["report", "--bundle", str(file), "-o", "-", "--on", ON]) == 0
    assert capfdbinary.readouterr().out.startswith(b"<!doctype html>")


def test_what_is_no_bundle_or_no_date_is_refused(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "report.html"
    other = tmp_path / "other"
    other.write_bytes(b"something else")
    cut = tmp_path / "cut"
    cut.write_bytes(file.read_bytes()[:-50])

    assert run(["report", "--bundle", str(other), "-o", str(there)]) == 1
    assert run(["report", "--bundle", str(cut), "-o", str(there)]) == 1
    assert run(["report", "--bundle", str(file), "-o", str(there), "--on", "soon"]) == 2
    assert run(["report", "-o", str(there)]) == 2
    assert run(["report", "talks", "--bundle", str(file), "-o", str(there)]) == 2
    assert "Give either NEGOTIATION or --bundle FILE." in capsys.readouterr().err
    assert not there.exists()


def test_dues_are_reckoned_on_the_day_given() -> None:
    early, late = (page(report_samples.talks(), on, NOBODY) for on in ("2025-12-31", ON))

    assert "not due yet" in early
    assert "overdue" in late
    assert bounds(ON).earliest in late
