"""What made each part what it is, as it is shown."""

import json

import pytest
from rich.cells import cell_len

from pourparler import v1 as pb
from pourparler.cli.output import blame as page
from pourparler.cli.output.blame import PartSelector, ordered
from pourparler.state.blame import NEGOTIATION, blame
from pourparler.state.fold import fold
from tests.support.sample_entries import (
    PUBLIC,
    REPORTED,
    answered,
    draft,
    granted,
    history,
    joined,
    offered,
    opened,
    recorded,
    said,
    topic,
)
from tests.support.terminal_capture import in_pipe, in_terminal

OFFER = offered("o", ["acme"], ["bolt"], topics=["price"])
OFFER.words.text = "Half of it. " * 40
TALKS = history(
    opened(), joined("acme"), joined("bolt"), topic("price"), OFFER, answered("o", "bolt")
)


def shown(
    part: str = "", *, width: int | None = None, full: bool = False, talks: list[pb.Entry] = TALKS
) -> str:
    wanted = PartSelector(part)
    found = ordered(blame(talks, wanted))
    state = fold(talks)
    if width is None:
        return in_pipe(lambda put: page.blame(put, found, state, one=wanted.one))
    return in_terminal(
        lambda put: page.blame(put, found, state, one=wanted.one), width=width, full=full
    )


def test_in_a_pipe_each_entry_of_each_part_is_a_line_of_its_own() -> None:
    head, *rows = shown("proposals").splitlines()

    assert head.split()[:8] == [
        "PART", "STATUS", "#", "OCCURRED", "RECORDED", "BASIS", "TYPE", "WHAT",
    ]  # fmt: skip
    assert [row.split()[:3] for row in rows] == [
        ["proposals/o", "accepted", "#5"],
        ["proposals/o", "accepted", "#6"],
    ]
    assert "sets status: open → accepted; answers: none → Bolt: accept (#6)" in rows[1]
    assert "anonymous@loopback" in rows[1]
    assert OFFER.words.text in rows[0]


def test_of_one_proposal_it_is_said_why_it_is_decided_and_which_entry_set_what() -> None:
    lines = shown("o", width=100).splitlines()

    assert "proposals/o: accepted" in lines
    assert "Why: by the acceptance rule of #1, all addressees. Bolt: accept (#6)." in lines
    fields = {tuple(line.split()[:2]) for line in lines}
    assert {("#6", "status"), ("#5", "to"), ("#5", "text"), ("#6", "answers")} <= fields
    assert ("#5", "proposal") not in fields


def test_words_are_shortened_in_a_terminal_and_it_says_so_unless_all_is_asked_for() -> None:
    short, full = shown("proposals", width=120), shown("proposals", width=120, full=True)

    assert "more characters: see --full)" in " ".join(short.split())
    assert short.count("Half") < full.count("Half") == 40


def test_without_a_part_all_kinds_are_shown_and_the_bases_explained() -> None:
    talks = [*TALKS, recorded(7, draft(pb.TopicAdded(topic_id="x"), basis=REPORTED))]
    lines = shown(width=100, talks=talks).splitlines()

    kinds = ["Negotiation", "Participants (2)", "Topics (2)", "Proposals (1)", "Access (1)"]
    assert [line for line in lines if line in kinds] == kinds
    assert any(line.startswith("reported: another person says") for line in lines)
    assert not any(line.startswith("analysis: ") for line in lines)


@pytest.mark.parametrize("width", [40, 80, 120, 200])
@pytest.mark.parametrize("part", ["", "o"])
def test_no_line_is_wider_than_the_terminal(part: str, width: int) -> None:
    talks = [*TALKS, recorded(7, said("a-very-long-id-" * 4, "acme"))]

    lines = shown(part, width=width, talks=talks).splitlines()

    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize(
    ("said_as", "places"),
    [
        ("o", [("proposals", "o")]),
        ("proposal/o", [("proposals", "o")]),
        ("proposals/o", [("proposals", "o")]),
        ("proposals", [("proposals", "o")]),
        ("topics/o", []),
        ("negotiation", [(NEGOTIATION, "")]),
        ("access", [("principals", "ann"), ("principals", "anonymous@loopback")]),
        ("access/ann", [("principals", "ann")]),
        ("nothing", []),
    ],
)
def test_a_part_is_asked_for_by_its_id_its_path_or_its_kind(
    said_as: str, places: list[tuple[str, str]]
) -> None:
    talks = [*TALKS, recorded(7, granted("ann", pb.ACCESS_ROLE_AUDITOR))]

    found = blame(talks, PartSelector(said_as))

    assert sorted(one.place for one in found) == places


def test_what_is_annulled_says_by_which_entry() -> None:
    annulment = pb.EntryCorrected(target_version=6, mode=pb.CORRECTION_MODE_ANNUL)
    talks = [*TALKS, recorded(7, draft(annulment, pb.Words(correction_reason="A slip")))]

    row = shown("o", talks=talks).splitlines()[2]

    assert "sets nothing any more; annulled by #7 (A slip)" in row
    assert row.split()[1] == "open"


def test_a_correction_and_a_disclosure_say_what_they_set_of_what_another_entry_brought() -> None:
    other = said("s", "bolt")
    corrected = pb.EntryCorrected(
        target_version=7, mode=pb.CORRECTION_MODE_REPLACE, replacement=other.facts
    )
    disclosed = pb.EntryDisclosed(target_version=7, disclosed_to=PUBLIC)
    talks = [
        *TALKS,
        recorded(7, said("s", "acme")),
        recorded(8, draft(corrected, pb.Words(text="Another", correction_reason="A slip"))),
        recorded(9, draft(disclosed)),
    ]

    brought, mended, shown_to = shown("s", talks=talks).splitlines()[1:]

    assert "brings it; corrected by #8 (A slip), disclosed by #9" in brought
    assert "sets status, speakers, act, text and basis" in mended
    assert "sets seen by" in shown_to


def test_as_json_each_part_has_its_fields_and_its_entries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page.print_json(blame(TALKS, PartSelector("o")))

    told = json.loads(capsys.readouterr().out)
    assert told["part"] == "proposals/o"
    assert told["fields"]["status"] == 6
    assert [one["version"] for one in told["entries"]] == [5, 6]
    assert told["entries"][1]["entry"]["facts"]["proposal_answered"]["answer"] == "ANSWER_ACCEPT"
