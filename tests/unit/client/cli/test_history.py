"""A history as it is shown."""

import pytest

from pourparler import v1 as pb
from pourparler.cli.output.entry_descriptions import describe
from pourparler.cli.output.history import PIECE, history
from pourparler.cli.output.wording import Names
from pourparler.schema.contract import ENTRY_TYPES
from tests.support import sample_entries
from tests.support.filled_messages import fill
from tests.support.terminal_capture import in_pipe, in_terminal

NAMES = Names({"acme": pb.Participant(words=pb.Words(name="Acme Limited"))})


def shown(*drafts: pb.Draft | pb.Entry) -> str:
    return in_pipe(lambda page: history(page, sample_entries.history(*drafts), NAMES))


def test_each_entry_is_one_line_in_a_pipe() -> None:
    words = pb.Words(text="We agree\nfully.")
    event = pb.StatementRecorded(statement_id="s", speakers=["acme"], act=pb.STATEMENT_ACT_ANNOUNCE)
    draft = sample_entries.draft(event, words, form=pb.FORM_VERBATIM, occurred="2023-41")

    assert [line.split("  ") for line in shown(sample_entries.opened(), draft).splitlines()][2][
        0
    ] == "#2"
    assert " ".join(shown(sample_entries.opened(), draft).splitlines()[2].split()) == (
        "#2 second half of 2023 2026-01-01 00:02:00Z direct statement recorded"
        " s, announce: Acme Limited: “We agree\\nfully.” -"
    )


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (pb.ProposalMade(proposal_id="o", by=["acme"], to=["bolt"]), "Acme Limited offers bolt o"),
        (pb.ProposalMade(proposal_id="o", by=["a", "b"], to=["bolt"]), "a and b offer bolt o"),
        (pb.CommitmentMade(commitment_id="c", debtors=["acme"]), "Acme Limited owes all"),
        (pb.CommitmentMade(commitment_id="c", debtors=["a", "b"]), "a and b owe all"),
    ],
)
def test_one_offers_and_owes_and_several_offer_and_owe(
    event: pb.ProposalMade | pb.CommitmentMade, said: str
) -> None:
    assert said in shown(sample_entries.draft(event))


def test_a_long_history_has_one_head_and_all_its_lines() -> None:
    entries = [sample_entries.entry(1, pb.NegotiationOpened())] * (2 * PIECE + 1)
    for place in (in_pipe, in_terminal):
        said = place(lambda page: history(page, iter(entries), NAMES))
        assert said.lower().count("occurred") == 1
        assert said.count("#1 ") == 2 * PIECE + 1


def test_what_later_entries_say_of_an_entry_stands_beside_it() -> None:
    amendments = {1: pb.Amendment(corrected_by=[3], correction_reason="A slip", annulled=True)}

    said = in_pipe(
        lambda page: history(
            page, sample_entries.history(sample_entries.opened()), NAMES, amendments=amendments
        )
    )

    assert "annulled by #3 (A slip)" in said


def test_what_is_only_possibly_in_is_marked() -> None:
    said = in_pipe(
        lambda page: history(
            page,
            sample_entries.history(sample_entries.opened(), sample_entries.joined("acme")),
            NAMES,
            possible=lambda: frozenset({1}),
        )
    )

    first, second = said.splitlines()[1:]
    assert "only possibly by then" in first
    assert "only possibly" not in second


def test_the_passage_of_a_source_is_shown_with_its_source() -> None:
    source = pb.Source(id="src", kind=pb.SOURCE_KIND_NEWS, excerpt="It is so", locator="page 3")
    draft = sample_entries.draft(
        pb.NegotiationOpened(), pb.Words(title="T", sources=[source]), basis=sample_entries.REPORTED
    )

    assert "source src (page 3): “It is so”" in shown(draft)


def test_an_entry_that_is_withheld_says_so() -> None:
    withheld = pb.Entry(header=pb.EntryHeader(negotiation="given", version=1))

    assert "(withheld)" in shown(withheld)


def test_a_correction_says_what_the_entry_should_have_been() -> None:
    corrected = pb.EntryCorrected(
        target_version=2,
        mode=pb.CORRECTION_MODE_REPLACE,
        kind=pb.CORRECTION_KIND_IDENTITY,
        replacement=sample_entries.answered("o", "acme", pb.ANSWER_REJECT).facts,
    )
    draft = sample_entries.draft(corrected, pb.Words(correction_reason="it was another"))

    assert describe(draft, NAMES) == (
        "#2 is corrected (identity), because it was another."
        " It should have been: Acme Limited answers o: reject"
    )


@pytest.mark.parametrize("kind", ENTRY_TYPES)
def test_every_entry_type_has_its_sentence_with_little_said_and_with_much(kind: str) -> None:
    little, much = pb.Draft(), pb.Draft()
    for draft in (little, much):
        getattr(draft.facts, kind).SetInParent()
    fill(getattr(much.facts, kind))
    fill(much.words)

    for draft in (little, much):
        said = describe(draft, Names())
        assert len(said) > 5
        assert "None" not in said
        assert said != "(withheld)"
    assert len(describe(much, Names())) > len(describe(little, Names()))
