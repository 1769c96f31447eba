"""What changed, as it is shown."""

from collections.abc import Sequence
from functools import partial

from pourparler import money
from pourparler import v1 as pb
from pourparler.cli.output.diff import changes, legend, reversals
from pourparler.cli.output.page import Page
from pourparler.cli.output.wording import Names
from pourparler.schema.contract import PARTS
from pourparler.state.diff import diff
from pourparler.state.diff import reversals as reversals_of
from tests.support import sample_entries
from tests.support.filled_messages import fill
from tests.support.terminal_capture import in_pipe, in_terminal

PARTIES = (
    sample_entries.opened(),
    sample_entries.joined("acme"),
    sample_entries.joined("bolt"),
    sample_entries.topic(),
)


def shown(before: Sequence[pb.Draft], later: Sequence[pb.Draft]) -> str:
    state = sample_entries.state_of(*before, *later)
    found = diff(sample_entries.state_of(*before), state)
    return in_pipe(lambda page: changes(page, found, Names(state.participants)))


def rows(page: str) -> list[str]:
    return [" ".join(line.split()) for line in page.splitlines()[3:]]


def test_a_change_shows_what_was_and_what_is_and_by_which_entry() -> None:
    dropped = pb.TopicStatusChanged(topic_id="price", status=pb.TOPIC_STATUS_DROPPED)

    page = shown(
        PARTIES,
        [sample_entries.draft(dropped, pb.Words(reason="No use"), basis=sample_entries.REPORTED)],
    )

    assert rows(page) == [
        "price topic #5 changed reported, unconfirmed status: open → dropped; because: No use"
    ]


def test_what_is_new_and_what_is_gone_is_shown_whole() -> None:
    before, after = (
        sample_entries.state_of(*PARTIES),
        sample_entries.state_of(*PARTIES, sample_entries.said("s", "acme")),
    )

    def put(one: pb.Negotiation, other: pb.Negotiation) -> str:
        return in_pipe(lambda page: changes(page, diff(one, other), Names(after.participants)))

    assert rows(put(before, after)) == [
        "s statement #5 new direct Acme, summary: A text; assert; stands"
    ]
    assert rows(put(after, before))[0].startswith("s statement - gone direct Acme, summary: A text")


def test_the_version_alone_is_no_change() -> None:
    left = [sample_entries.joined("carl")]

    assert not any(line.startswith("negotiation") for line in rows(shown(PARTIES, left)))
    assert shown(PARTIES, []) == "Changes: none.\n"


def test_a_negotiation_that_was_not_opened_before_is_shown_as_opened() -> None:
    assert rows(shown([], [sample_entries.opened()])) == [
        "negotiation - #1 new direct A title, open",
        "anonymous@loopback principal #1 new - as custodian",
    ]


def test_who_went_back_on_a_term_is_flagged() -> None:
    offers = [
        sample_entries.draft(
            pb.ProposalMade(
                proposal_id=f"o{place}",
                by=["acme"],
                to=["bolt"],
                topic_ids=["price"],
                terms=[money("price", amount, "EUR")],
                binding=pb.PROPOSAL_BINDING_BINDING,
            )
        )
        for place, amount in enumerate((100, 80, 95))
    ]
    state = sample_entries.state_of(*PARTIES, *offers)

    page = in_pipe(lambda page: reversals(page, reversals_of(state), Names(state.participants)))

    assert "Reversals: later terms that undo earlier ones (1)" in page
    assert rows(page) == [
        (
            "Acme price price 100 EUR (#5, proposal o0) 80 EUR (#6, proposal o1)"
            " 95 EUR (#7, proposal o2)"
        )
    ]


def test_every_field_of_every_part_can_be_shown() -> None:
    nothing = pb.Negotiation()
    state = pb.Negotiation(name="negotiations/x", status=pb.NEGOTIATION_STATUS_OPEN)
    for collection in PARTS.values():
        fill(getattr(state, collection)["a"])
        getattr(nothing, collection)["a"].SetInParent()
    fill(state.words)
    fill(state.facts)
    state.amendments[3].corrected_by.append(4)

    for one, other in ((nothing, state), (state, nothing), (pb.Negotiation(), state)):
        found = diff(one, other)
        for place in (in_pipe, in_terminal):
            page = place(partial(_put, found))
            assert page.count("\n") > len(PARTS)
            assert "pourparler.v1" not in page


def _put(found: Sequence[pb.Change], page: Page) -> None:
    changes(page, found, Names())


def test_the_bases_of_what_changed_are_explained() -> None:
    found = diff(pb.Negotiation(), sample_entries.state_of(*PARTIES))

    assert "direct: recorded at the table" in in_pipe(lambda page: legend(page, found))
