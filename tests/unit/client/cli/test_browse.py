"""The reader in the terminal, over a bundle: what it shows, how one moves in it, as it was."""

import io
from typing import Any

import pytest
from hypothesis import given as whatever
from hypothesis import settings
from hypothesis import strategies as st
from rich.console import Console

from pourparler import v1 as pb
from pourparler.cli.browse import descriptions
from pourparler.cli.browse.app import Browser
from pourparler.cli.browse.help_screen import KEYS
from pourparler.cli.browse.outline import matching, timeline
from pourparler.cli.browse.outline import topics as tree
from pourparler.cli.browse.record_model import Record
from pourparler.cli.browse.row_list import Rows
from pourparler.cli.browse.source import BundleSource
from pourparler.cli.browse.text_layout import IndentedText, fitted, words_of
from pourparler.cli.output.status_lines import QUESTIONS
from pourparler.state.fold import fold
from pourparler.transparency.bundle import BundleError
from tests.support import bundles, report_samples, sample_entries, strategies
from tests.support.tui_screen import in_full, lines, reader, rows, seen, under_cursor, until
from tests.unit.client.cli.test_report import seed
from tests.unit.docs import test_docs

SIZES = [(80, 24), (200, 60), (40, 12)]


@settings(max_examples=40)
@whatever(strategies.histories(), st.lists(st.integers(0, 40), min_size=1, max_size=8))
def test_whatever_step_is_taken_the_state_is_the_fold_up_to_there(
    entries: list[pb.Entry], steps: list[int]
) -> None:
    record = Record(entries[:8])
    record.at()
    for entry in entries[8:]:
        record.add(entry)

    for version in steps:
        assert record.at(version).state == fold(entries[:version])


def test_in_a_long_record_each_state_is_the_fold_up_to_there_in_any_order() -> None:
    entries = report_samples.sized(400)
    late = sample_entries.recorded(
        401, sample_entries.draft(pb.EntryCorrected(target_version=70), pb.Words())
    )
    late.header.negotiation = "talks"
    late.facts.entry_corrected.mode = pb.CORRECTION_MODE_ANNUL
    entries.append(late)
    record = Record(entries)

    for version in (401, 400, 1, 64, 65, 399, 128, 401, 70, 300):
        shown = record.at(version)
        assert shown.state == fold(entries[:version])
        assert [one.header.version for one in shown.entries] == [*range(1, version + 1)]
        assert shown.past is (version < 401)


def text_of(pieces: Any, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, markup=False).print(*pieces, sep="\n")
    return out.getvalue()


def test_an_entry_in_full_says_what_it_says_and_how_that_is_known() -> None:
    shown = Record(seed()).at()

    joint = text_of(descriptions.entry(shown, 11))
    rumour = text_of(descriptions.entry(shown, 12))

    assert "#11 statement recorded" in joint
    assert "Renault Group and Nissan Motor, jointly" in joint
    assert "┃ “" in joint
    assert "not their words" not in joint
    assert "Joint statement, Renault Group and Nissan Motor" in joint
    assert "paraphrase, not their words" in rumour
    assert "┃" not in rumour
    assert "“" not in rumour.partition("occurred")[0]
    assert "reported, unconfirmed" in rumour
    assert "between 2022-10-01 and 2022-10-31" in rumour
    assert "made       statement s-majority" in rumour
    assert "recorded   2026-01-01 00:12:00Z by anonymous@loopback" in rumour


def test_corrections_are_told_from_both_sides() -> None:
    shown = Record(report_samples.talks()).at()

    assert "corrected by #16 (Misheard as they say)" in text_of(descriptions.entry(shown, 15))
    mended = text_of(descriptions.entry(shown, 16))
    assert "corrects   #15" in mended
    assert "because    Misheard as they say" in mended
    assert "was        position half" in mended
    assert "good" not in mended.partition("now ")[0]
    assert "good" in mended.partition("now ")[2]
    assert "annulled by #17" in text_of(descriptions.entry(shown, 14))
    assert "it counts as never made" in text_of(descriptions.entry(shown, 17))


def test_what_is_withheld_or_erased_is_shown_as_that() -> None:
    entries = sample_entries.history(
        sample_entries.opened(),
        sample_entries.joined("acme"),
        sample_entries.topic(),
        sample_entries.said("s", "acme"),
        sample_entries.draft(
            pb.EntryRedacted(target_version=4), pb.Words(legal_basis="Article 17")
        ),
    )
    entries[2].ClearField("facts")
    entries[2].ClearField("words")
    entries[3].ClearField("words")
    shown = Record(entries).at()

    assert "Its facts and words are withheld" in text_of(descriptions.entry(shown, 3))
    assert "words erased by #5" in text_of(descriptions.entry(shown, 4))
    row = timeline(shown)[2]
    assert "withheld" in row.text().plain
    assert "withheld" in row.said()


def test_a_part_is_told_with_the_entries_that_made_it_so() -> None:
    shown = Record(report_samples.talks()).at()

    said = text_of(descriptions.part(shown, ("proposals", "offer-1")))

    assert said.startswith("proposal offer-1: rejected")
    assert "made by    #23 #25" in said
    assert said.index("#23 proposal made") < said.index("#25 proposal answered")
    assert "There is no proposal" in text_of(descriptions.part(shown, ("proposals", "none")))


def test_words_are_searched_in_all_that_an_entry_says() -> None:
    rows_ = timeline(Record(seed()).at())

    def found(asked: str) -> list[str]:
        return [row.key[1] for row in matching(rows_, words_of(asked))]

    assert found("MAJORITY reportedly") == ["12"]
    assert found("#7") == ["7"]
    assert found("unconfirmed q-shares") == ["14"]
    assert found("nowhere") == []


def test_topics_that_go_round_in_circles_are_shown_once() -> None:
    state = sample_entries.history(
        sample_entries.draft(pb.TopicAdded(topic_id="a", parent_id="b"), pb.Words(title="A")),
        sample_entries.draft(pb.TopicAdded(topic_id="b", parent_id="a"), pb.Words(title="B")),
        sample_entries.draft(pb.TopicAdded(topic_id="c"), pb.Words(title="C")),
    )

    assert [row.key[1] for row in tree(Record(state).at(), None)] == ["a", "b", "c"]


def test_a_text_is_cut_and_folded_to_its_width() -> None:
    assert fitted("several\nlines of it", 10).plain == "several l…"
    assert fitted("one", 5).plain == "one  "
    assert all(
        line.cell_len <= 12 for line in IndentedText("ありがとうございます and more").lines(12)
    )
    assert [*IndentedText("").lines(10)] == []


@pytest.mark.parametrize("size", SIZES)
async def test_somebody_who_was_not_in_the_room_sees_where_it_stands(
    size: tuple[int, int],
) -> None:
    app = reader(seed())
    async with app.run_test(size=size) as pilot:
        await until(pilot, "at the table")
        asked = [key[1] for key in rows(app).keys if key[0] == "heading"]

        assert asked[: len(QUESTIONS) + 1] == ["Who is at the table?", *QUESTIONS]
        assert "Future of the" in lines(app)[0]
        assert "now, 17 entries" in seen(app)
        assert all(len(line) <= size[0] for line in lines(app))


async def test_every_view_is_reached_by_keys_and_by_the_mouse() -> None:
    app = reader(seed())
    async with app.run_test(size=(160, 40)) as pilot:
        await until(pilot, "at the table")
        await pilot.press("3")
        await until(pilot, "#17")
        await pilot.press("end")
        await until(pilot, "#17 agreement status changed")
        await pilot.press("2")
        await until(pilot, "On no topic")
        await pilot.click("#views", offset=(4, 0))
        await until(pilot, "What is agreed?")
        await pilot.click("#views", offset=(26, 0))
        await until(pilot, "#1 ")
        await pilot.click(rows(app), offset=(10, 4))
        await pilot.pause()
        assert under_cursor(app) == ("entries", "5")
        assert "#5 participant joined" in in_full(app)


async def test_an_entry_takes_the_whole_screen_and_gives_it_back() -> None:
    app = reader(seed())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, "at the table")
        await pilot.press("3", "down", "enter")
        await until(pilot, "#2 participant joined")
        assert not any(one.display for one in app.screen.query(Rows))
        await pilot.press("escape")
        await until(pilot, "#5 ")
        assert under_cursor(app) == ("entries", "2")


async def test_stepping_back_shows_the_record_as_it_was_and_one_key_leads_to_now() -> None:
    app = reader(seed())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, "in question")
        await pilot.press("comma")
        await until(pilot, "HISTORY as of #16 of 17")
        assert "in question" not in seen(app)
        await pilot.press("less_than_sign", "greater_than_sign", "comma")
        await until(pilot, "HISTORY as of #15 of 17")
        await pilot.press("3")
        await until(pilot, "#15")
        assert "#16" not in seen(app)
        await pilot.press("comma", "comma")
        await until(pilot, "HISTORY as of #13 of 17")
        assert under_cursor(app) == ("entries", "13")
        await pilot.press("v", "1", "1", "enter")
        await until(pilot, "HISTORY as of #11 of 17")
        await pilot.press("1")
        await until(pilot, "at the table")
        assert "question" not in seen(app).partition("What is still open?")[2]
        await pilot.press("n")
        await until(pilot, "now, 17 entries")
        await pilot.press("less_than_sign", "less_than_sign")
        await until(pilot, "HISTORY as of #1 of 17")
        await pilot.press("greater_than_sign", "right_square_bracket", "greater_than_sign")
        await until(pilot, "now, 17 entries")


async def test_it_begins_at_the_version_that_is_asked_for() -> None:
    app = reader(seed(), version=11)
    async with app.run_test() as pilot:
        await until(pilot, "HISTORY as of #11 of 17")


async def test_as_of_what_is_under_the_cursor() -> None:
    app = reader(seed())
    async with app.run_test() as pilot:
        await until(pilot, "at the table")
        await pilot.press("3", *["down"] * 6)
        await pilot.press("a")
        await until(pilot, "HISTORY as of #7 of 17")


async def test_from_a_part_one_is_led_to_its_entry_and_back() -> None:
    app = reader(seed())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, "Leader-follower")
        await pilot.press(*["down"] * 5)
        await pilot.pause()
        assert under_cursor(app) == ("agreements", "agr-leader-follower")
        await pilot.press("t")
        await until(pilot, "#17 agreement status changed")
        assert under_cursor(app) == ("entries", "17")
        await pilot.press("escape")
        await until(pilot, "Leader-follower")
        assert under_cursor(app) == ("agreements", "agr-leader-follower")


async def test_a_search_leaves_what_has_the_words_and_ends_with_the_cursor_in_place() -> None:
    app = reader(seed())
    async with app.run_test(size=(80, 30)) as pilot:
        await until(pilot, "at the table")
        await pilot.press("3", "slash", *"ampère market")
        await until(pilot, "“ampère market”: 1 row")
        assert rows(app).keys == [("entries", "15")]
        await pilot.press("enter", "escape")
        await until(pilot, "#14 ")
        assert under_cursor(app) == ("entries", "15")
        assert len(rows(app).keys) == 17


async def test_topics_fold_and_unfold() -> None:
    app = reader(report_samples.talks())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, "at the table")
        await pilot.press("2")
        await until(pilot, "A good half")
        await pilot.press("left")
        await until(pilot, "A good half", gone=True)
        await pilot.press("right")
        await until(pilot, "A good half")
        await pilot.press("x")
        await until(pilot, "Who pays", gone=True)
        assert [key[1] for key in rows(app).keys] == ["stake", "seat", ""]
        await pilot.press("slash", *"good half")
        await until(pilot, "A good half")
        assert rows(app).keys == [("topics", "stake"), ("positions", "half")]


async def test_a_long_record_is_read_whole_and_stays_at_one_line_a_row() -> None:
    app = reader(report_samples.sized(2_000))
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, "now, 2,000 entries")
        await pilot.press("3", "end")
        await until(pilot, "#2000")
        await pilot.press("comma")
        await until(pilot, "HISTORY as of #1,999 of 2,000")
        assert under_cursor(app) == ("entries", "1999")


async def test_a_resize_keeps_the_place() -> None:
    app = reader(seed())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, "at the table")
        await pilot.press("3", *["down"] * 11)
        await pilot.resize_terminal(200, 60)
        await until(pilot, "#12 statement recorded")
        await pilot.resize_terminal(50, 14)
        await pilot.pause()
        assert under_cursor(app) == ("entries", "12")
        assert "#12" in seen(app)


async def test_the_help_has_every_key() -> None:
    app = reader(seed())
    async with app.run_test(size=(100, 60)) as pilot:
        await until(pilot, "at the table")
        await pilot.press("question_mark")
        await until(pilot, "this help")
        for _, keys in KEYS:
            for key, does in keys:
                assert key in seen(app)
                assert does.split()[0] in seen(app)
        await pilot.press("escape")
        await until(pilot, "at the table")


@pytest.mark.parametrize("key", ["q", "ctrl+c", "escape"])
async def test_it_is_left_by_a_key(key: str) -> None:
    app = reader(seed())
    async with app.run_test() as pilot:
        await until(pilot, "at the table")
        await pilot.press(key)

    assert app.return_code == 0


async def test_hostile_words_stay_words() -> None:
    app = reader(report_samples.talks(3, report_samples.HOSTILE))
    async with app.run_test(size=(200, 60)) as pilot:
        await until(pilot, "at the table")
        for key in ("1", "2", "3"):
            await pilot.press(key, "down", "enter")
            await pilot.pause()
            assert "<U+202E>" in seen(app)
            assert not {"\x1b", "\u202e", "\u2066"} & set(seen(app))
            await pilot.press("escape")


def test_what_is_no_bundle_is_refused() -> None:
    with pytest.raises(BundleError):
        BundleSource(io.BytesIO(b"nothing of the kind"))
    with pytest.raises(BundleError):
        BundleSource(io.BytesIO(bundles.bundle(bundles.sealed(bundles.talks()))[:-20]))


async def test_an_entry_of_a_type_that_is_not_known_is_told_in_a_sentence() -> None:
    records = bundles.sealed(bundles.talks())
    unknown = pb.Entry.FromString(records[-1])
    facts = pb.Facts(request_id="r")
    facts.MergeFromString(b"\xf2\x7f\x00")  # field 2046
    unknown.facts.CopyFrom(facts)
    data = bundles.bundle([*records[:-1], unknown.SerializeToString()])
    app = Browser(BundleSource(io.BytesIO(data)), "talks")
    async with app.run_test() as pilot:
        await until(pilot, "does not support")
        await pilot.press("q")

    assert app.return_code == 0


def test_the_page_of_the_reader_has_every_key_and_what_it_does() -> None:
    page = (test_docs.ROOT / "docs" / "guides" / "terminal-browser.md").read_text()

    for place, keys in KEYS:
        for key, does in keys:
            if (place, key) == ("The list", "Enter"):
                continue
            plain = page.replace("`", "")
            assert key.replace("`", "") in plain
            assert does.removeprefix("this ") in plain
