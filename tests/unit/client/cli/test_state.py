"""A state as it is shown."""

import io

import pytest
from rich.console import Console
from rich.style import Style

from pourparler import percent
from pourparler import v1 as pb
from pourparler.cli.output import colors, wording
from pourparler.cli.output import state as shown_state
from pourparler.cli.output.page import Page
from pourparler.cli.output.part_descriptions import KINDS
from pourparler.cli.output.state import head, parts, point
from pourparler.schema.contract import PARTS
from tests.support import sample_entries
from tests.support.terminal_capture import in_pipe, in_terminal

ACME, BOLT = sample_entries.joined("acme"), sample_entries.joined("bolt")


def shown(state: pb.Negotiation, *only: str) -> str:
    return in_pipe(lambda page: parts(page, state, only))


def row(state: pb.Negotiation, kind: str) -> str:
    """The first row of the table of a kind, its columns apart by single blanks."""
    return " ".join(shown(state, kind).splitlines()[3].split())


def statement(text: str, form: pb.Form.ValueType, **more: object) -> pb.Draft:
    event = pb.StatementRecorded(statement_id="s", act=pb.STATEMENT_ACT_ASSERT, speakers=["acme"])
    draft = sample_entries.draft(event, pb.Words(text=text), form=form)
    for name, value in more.items():
        setattr(draft.facts.statement_recorded, name, value)
    return draft


def test_a_statement_shows_its_speaker_its_basis_and_the_entries_that_made_it_so() -> None:
    state = sample_entries.state_of(
        sample_entries.opened(), ACME, statement("We agree.", pb.FORM_VERBATIM)
    )

    assert shown(state, "statements") == (
        "\nStatements (1)\n"
        "ID  VERSIONS  STATUS  BASIS   WHEN  WHAT               DETAILS  SINCE\n"
        "s   #3        stands  direct  -     Acme: “We agree.”  assert   -\n"
        "\n"
        "direct: recorded at the table, or sent by the one who acts.\n"
        "#12: the entries that made it so; `pourparler blame` says how.\n"
    )


def test_a_paraphrase_never_looks_like_a_quotation() -> None:
    state = sample_entries.state_of(
        sample_entries.opened(), ACME, statement("“We agree.”", pb.FORM_PARAPHRASE)
    )

    assert "Acme, paraphrase: “We agree.”" in shown(state)


def test_how_quotations_are_told_from_the_rest_is_explained_where_there_are_any() -> None:
    exact = statement("We agree.", pb.FORM_VERBATIM)
    loose = statement("They agree.", pb.FORM_PARAPHRASE, statement_id="other")
    both = sample_entries.state_of(sample_entries.opened(), ACME, exact, loose)
    none = sample_entries.state_of(sample_entries.opened(), ACME, loose)

    told = "“…”: word for word; what is a paraphrase says so."
    assert told in in_terminal(lambda page: parts(page, both))
    assert "word for word" not in in_terminal(lambda page: parts(page, none))


def test_each_basis_that_is_shown_is_explained_in_its_colour() -> None:
    state = sample_entries.state_of(
        sample_entries.opened(), ACME, statement("We agree.", pb.FORM_VERBATIM)
    )
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="256", width=80)

    parts(Page(console), state)

    assert out.getvalue().count("\x1b[38;5;29mdirect") == 3
    assert "\x1b[38;5;29mdirect\x1b[0m\x1b[2m: recorded at the table" in out.getvalue()
    assert "reported" not in out.getvalue()


@pytest.mark.parametrize("basis", wording.BASES)
def test_the_colours_of_bases_are_read_on_black_and_on_white(basis: int) -> None:
    colour = Style.parse(colors.BASES[basis]).color
    assert colour is not None
    shares = [
        one / 255 / 12.92 if one <= 10 else ((one / 255 + 0.055) / 1.055) ** 2.4
        for one in colour.get_truecolor()
    ]
    light = sum(part * share for part, share in zip((0.2126, 0.7152, 0.0722), shares, strict=True))

    assert 1.05 / (light + 0.05) >= 3.5
    assert (light + 0.05) / 0.05 >= 3.5


def test_the_text_of_a_question_or_an_offer_is_a_quotation_only_word_for_word() -> None:
    asked = pb.QuestionRaised(question_id="q")
    offered = sample_entries.offered("o", ["acme"], ["bolt"])
    offered.words.text = "“Half of it”"
    exact = sample_entries.draft(asked, pb.Words(text="Who pays?"), form=pb.FORM_VERBATIM)
    state = sample_entries.state_of(sample_entries.opened(), ACME, BOLT, exact, offered)

    assert "“Who pays?”" in row(state, "questions")
    assert "Acme to Bolt: summary: “Half of it”" in row(state, "proposals")


def test_what_is_only_reported_is_marked_and_its_status_has_a_basis_of_its_own() -> None:
    prior = pb.AgreementRecorded(
        agreement_id="old",
        origin=pb.AGREEMENT_ORIGIN_PRIOR,
        kind=pb.AGREEMENT_KIND_FRAMEWORK,
        between=["acme", "bolt"],
        status=pb.AGREEMENT_STATUS_IN_FORCE,
    )
    doubt = pb.AgreementStatusChanged(agreement_id="old", status=pb.AGREEMENT_STATUS_IN_QUESTION)
    state = sample_entries.state_of(
        sample_entries.opened(),
        ACME,
        BOLT,
        sample_entries.draft(prior, basis=sample_entries.REPORTED, occurred="2020-05"),
        sample_entries.draft(doubt, pb.Words(reason="Times change"), basis=sample_entries.ANALYSIS),
    )

    assert row(state, "agreements") == (
        "old #4 #5 in question reported, unconfirmed 2020-05"
        " A title older than these talks; framework; between Acme and Bolt; source src"
        " #5 analysis, unconfirmed: Times change"
    )


def test_a_position_shows_its_stance_and_terms() -> None:
    taken = pb.PositionTaken(
        position_id="p",
        holders=["acme"],
        topic_id="price",
        stance=pb.STANCE_RED_LINE,
        terms=[percent("stake", more_than=50, held_by="acme")],
    )
    state = sample_entries.state_of(
        sample_entries.opened(),
        ACME,
        sample_entries.topic(),
        sample_entries.draft(taken, pb.Words(text="A majority")),
    )

    assert row(state, "positions") == (
        "p #4 held direct - Acme, red line, summary: A majority"
        " on price; stake held by Acme: more than 50 % -"
    )


def test_a_proposal_shows_who_answered_what() -> None:
    state = sample_entries.state_of(
        sample_entries.opened(),
        ACME,
        BOLT,
        sample_entries.offered("o", ["acme"], ["bolt"]),
        sample_entries.answered("o", "bolt"),
    )

    assert row(state, "proposals") == (
        "o #4 #5 accepted direct - Acme to Bolt: an offer"
        " binding; answers: Bolt accept #5 #5 direct, by Bolt"
    )


def test_a_fuzzy_plan_shows_as_what_it_is() -> None:
    planned = pb.MilestonePlanned(
        milestone_id="m",
        by=["acme"],
        expected=sample_entries.date("[2022-10-10..]"),
        certainty=pb.CERTAINTY_POSSIBLE,
    )
    words = pb.Words(title="A word", date_verbatim="in due course")
    state = sample_entries.state_of(
        sample_entries.opened(), ACME, sample_entries.draft(planned, words)
    )

    assert row(state, "milestones") == (
        "m #3 possible direct - A word by Acme; expected from 2022-10-10, open (“in due course”) -"
    )


def test_a_corrected_entry_says_by_which_and_why() -> None:
    replacement = sample_entries.joined("acme").facts
    corrected = pb.EntryCorrected(
        target_version=2,
        mode=pb.CORRECTION_MODE_REPLACE,
        kind=pb.CORRECTION_KIND_RECORDER,
        replacement=replacement,
    )
    words = pb.Words(name="Acme Limited", correction_reason="A slip")
    state = sample_entries.state_of(
        sample_entries.opened(), ACME, sample_entries.draft(corrected, words)
    )

    assert "Acme Limited" in shown(state)
    assert "party; organization; corrected by #3 (A slip)" in shown(state)
    assert "Entries amended (1)" in shown(state)


def test_who_alone_may_see_something_is_said() -> None:
    draft = sample_entries.said("s", "acme", visibility=sample_entries.restricted("acme"))

    assert "seen only by Acme" in shown(
        sample_entries.state_of(sample_entries.opened(), ACME, draft)
    )


def test_the_head_says_that_there_is_none_of_something() -> None:
    state = sample_entries.state_of(sample_entries.opened(), ACME)

    assert in_pipe(lambda page: head(page, state)) == (
        "A title\n"
        "negotiations/given: open; version 2; opened at a date not known (direct, #1)\n"
        "1 participant, no topics, no agreements, no proposals, no commitments.\n"
    )


def test_the_head_of_a_concluded_negotiation_says_how_it_ended() -> None:
    ended = sample_entries.draft(
        pb.NegotiationConcluded(outcome=pb.OUTCOME_NO_AGREEMENT), pb.Words(reason="No money")
    )

    said = in_pipe(lambda page: head(page, sample_entries.state_of(sample_entries.opened(), ended)))

    assert "given: concluded, no agreement (No money); version 2" in said


def test_the_head_of_what_had_not_been_opened_by_then_says_so() -> None:
    said = in_pipe(lambda page: head(page, pb.Negotiation(), "Talks to come"))

    assert said.startswith("Talks to come\nNo event definitely happened by then")


AT = pb.ComputedAt(version=16, record_time=sample_entries.recorded_at(16))


@pytest.mark.parametrize(
    ("as_of", "said"),
    [
        (pb.AsOf(), ""),
        (
            pb.AsOf(version=16),
            "As the record stood at version 16 (recorded 2026-01-01 00:16:00Z).",
        ),
        (
            pb.AsOf(record_time=sample_entries.recorded_at(17)),
            (
                "As the record stood on 2026-01-01 00:17:00Z, at version 16"
                " (recorded 2026-01-01 00:16:00Z)."
            ),
        ),
        (
            pb.AsOf(occur_date="2021-01-01"),
            (
                "Events that definitely happened by 2021-01-01, by the record as it is now, at"
                " version 16"
                " (recorded 2026-01-01 00:16:00Z)."
            ),
        ),
        (
            pb.AsOf(occur_date="2023-41", version=16),
            (
                "Events that definitely happened by second half of 2023, as the record stood at"
                " version 16"
                " (recorded 2026-01-01 00:16:00Z)."
            ),
        ),
    ],
)
def test_an_answer_as_of_then_says_when_then_is(as_of: pb.AsOf, said: str) -> None:
    assert point(as_of, AT) == said


def test_sources_stand_in_the_order_of_the_record() -> None:
    keys = [f"source-{number:02}" for number in (3, 1, 4, 15, 9, 2, 6, 5, 35, 8, 97)]
    sources = [pb.Source(id=key, kind=pb.SOURCE_KIND_NEWS, title="A newspaper") for key in keys]
    topics = [
        sample_entries.draft(
            pb.TopicAdded(topic_id=f"topic-of-{source.id}", status=pb.TOPIC_STATUS_OPEN),
            pb.Words(title="A topic", sources=[source]),
            basis=pb.BASIS_ON_RECORD,
        )
        for source in sources
    ]

    said = shown(sample_entries.state_of(sample_entries.opened(), *topics)).partition("Sources")[2]

    assert [line.split()[0] for line in said.splitlines() if line.startswith("source-")] == keys


def test_every_kind_of_part_is_shown() -> None:
    assert set(KINDS) == set(PARTS.values())


@pytest.mark.parametrize("width", [80, 200])
def test_awkward_words_do_nothing_to_a_terminal(width: int) -> None:
    evil = "\x1b]0;x\x07 \u202egnp.exe \x9b2J\r\n" + "日本語" * 40
    state = sample_entries.state_of(
        sample_entries.draft(pb.NegotiationOpened(), pb.Words(title=evil, purpose=evil)),
        sample_entries.draft(
            pb.ParticipantJoined(
                participant_id="acme",
                kind=pb.PARTICIPANT_KIND_PERSON,
                role=pb.PARTICIPANT_ROLE_PARTY,
            ),
            pb.Words(name=evil, aliases=[evil], sources=[pb.Source(id="s", title=evil)]),
        ),
        statement(evil, pb.FORM_VERBATIM),
    )

    def put(page: Page) -> None:
        head(page, state)
        shown_state.parts(page, state)

    for page in (in_pipe(put), in_terminal(put, width)):
        assert not {"\x1b", "\x07", "\u202e", "\x9b", "\r"} & set(page)
    assert r"\x1b]0;x\x07 <U+202E>gnp.exe" in in_pipe(put)
