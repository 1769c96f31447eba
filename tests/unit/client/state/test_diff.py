"""What changed between two states, and what was gone back on."""

from collections.abc import Iterable, Sequence

import pytest

from pourparler import v1 as pb
from pourparler.state.diff import apply_changes, diff, reversals
from pourparler.state.fold import fold
from tests.support.sample_entries import (
    answered,
    date,
    draft,
    history,
    joined,
    offered,
    opened,
    state_of,
    topic,
)

NOTHING = pb.Negotiation()
BEGINNING = (opened(), joined("renault"), joined("nissan"), topic("price"), topic("shares"))


def percent(value: str, **more: str) -> pb.Term:
    result = term(value, pb.TERM_TYPE_PERCENT)
    for name, one in more.items():
        setattr(result, name, one)
    return result


def term(
    value: str,
    kind: pb.TermType.ValueType,
    qualifier: pb.TermQualifier.ValueType = pb.TERM_QUALIFIER_EXACT,
    *,
    key: str = "stake",
    unit: str = "",
    value_max: str = "",
) -> pb.Term:
    return pb.Term(
        key=key, type=kind, qualifier=qualifier, value=value, unit=unit, value_max=value_max
    )


def offer(
    proposal_id: str, *terms: pb.Term, topics: Sequence[str] = (), by: Sequence[str] = ("renault",)
) -> pb.Draft:
    return draft(
        pb.ProposalMade(
            proposal_id=proposal_id,
            by=by,
            to=["nissan"],
            topic_ids=topics,
            terms=terms,
            binding=pb.PROPOSAL_BINDING_BINDING,
        )
    )


def position(
    position_id: str,
    *terms: pb.Term,
    stance: pb.Stance.ValueType = pb.STANCE_WANTS,
    holders: Sequence[str] = ("renault",),
    on: str = "shares",
    supersedes: str = "",
    words: pb.Words | None = None,
) -> pb.Draft:
    return draft(
        pb.PositionTaken(
            position_id=position_id,
            holders=holders,
            topic_id=on,
            stance=stance,
            terms=terms,
            supersedes=supersedes,
        ),
        words,
    )


def withdrawn(position_id: str) -> pb.Draft:
    return draft(pb.PositionWithdrawn(position_id=position_id, by=["renault"]))


def corrected(version: int, by: pb.Draft | None) -> pb.Draft:
    mode = pb.CORRECTION_MODE_REPLACE if by else pb.CORRECTION_MODE_ANNUL
    event = pb.EntryCorrected(
        target_version=version,
        mode=mode,
        kind=pb.CORRECTION_KIND_RECORDER,
        replacement=by.facts if by else None,
    )
    return draft(event, by.words if by else None)


def steps(reversal: pb.Reversal) -> tuple[str, str, str]:
    return reversal.first.id, reversal.moved.id, reversal.back.id


def gone_back(*given: pb.Draft) -> list[tuple[str, str, str]]:
    return [steps(one) for one in reversals(state_of(*BEGINNING, *given))]


def offers(*values: str) -> list[pb.Draft]:
    return [offer(f"o{place}", percent(value)) for place, value in enumerate(values, start=1)]


def test_nothing_changed_between_a_state_and_itself() -> None:
    state = state_of(*BEGINNING)

    assert diff(state, state) == []
    assert diff(NOTHING, NOTHING) == []


def test_the_negotiation_comes_first_then_the_parts_by_kind_and_id_then_the_rest() -> None:
    state = state_of(
        opened(),
        topic("price"),
        joined("renault"),
        joined("nissan"),
        position("p", holders=["nissan"], on="price"),
        corrected(2, topic("price")),
    )

    assert [change.part for change in diff(NOTHING, state)] == [
        "negotiation",
        "participants/nissan",
        "participants/renault",
        "topics/price",
        "positions/p",
        "amendments/2",
        "principals/anonymous@loopback",
    ]


def test_amendments_are_in_the_order_of_their_numbers() -> None:
    names = [f"p{number}" for number in range(10)]
    state = state_of(
        opened(),
        *map(joined, names),
        corrected(11, joined("p9")),
        corrected(9, joined("p7")),
        corrected(10, joined("p8")),
    )

    parts = [change.part for change in diff(state_of(opened()), state)]

    assert parts[-3:] == ["amendments/9", "amendments/10", "amendments/11"]


def test_a_new_part_has_no_before_and_names_the_versions_that_made_it() -> None:
    before, after = state_of(*BEGINNING), state_of(*BEGINNING, offer("o", percent("15")))

    change = diff(before, after)[-1]

    assert (change.part, change.kind) == ("proposals/o", pb.CHANGE_KIND_ADDED)
    assert not change.HasField("before")
    assert change.after.proposal == after.proposals["o"]
    assert (list(change.versions), list(change.fields)) == ([6], [])


def test_a_changed_part_names_the_fields_that_differ() -> None:
    before = state_of(*BEGINNING, offer("o", percent("15")))
    after = state_of(*BEGINNING, offer("o", percent("15")), answered("o", "nissan"))

    change = diff(before, after)[-1]

    assert (change.part, change.kind) == ("proposals/o", pb.CHANGE_KIND_CHANGED)
    assert list(change.fields) == ["blame", "status", "status_change", "replies"]
    assert list(change.versions) == [7]


def test_fields_of_facts_words_and_origin_are_named_by_their_path() -> None:
    given = [*BEGINNING, offer("o", percent("15"))]
    better = draft(
        pb.ProposalMade(
            proposal_id="o",
            by=["renault"],
            to=["nissan"],
            terms=[percent("16")],
            expires=date("2026-02"),
            binding=pb.PROPOSAL_BINDING_BINDING,
        ),
        pb.Words(text="Sixteen, not fifteen"),
        basis=pb.BASIS_REPORTED,
        occurred="2025-12-30",
    )

    change = diff(state_of(*given), state_of(*given, corrected(6, better)))[-2]

    assert change.part == "proposals/o"
    assert set(change.fields) == {
        "facts.terms",
        "facts.expires",
        "words.text",
        "words.sources",
        "origin.occurred",
        "origin.provenance",
        "origin.confirmed",
        "status_change",
        "blame",
    }
    assert list(change.versions) == [7]


def test_a_part_that_was_annulled_is_gone_and_names_the_correction() -> None:
    given = [*BEGINNING, offer("o", percent("15"))]

    gone, amended = diff(state_of(*given), state_of(*given, corrected(6, None)))[-2:]

    assert (gone.part, gone.kind) == ("proposals/o", pb.CHANGE_KIND_REMOVED)
    assert not gone.HasField("after")
    assert (list(gone.versions), list(gone.fields)) == ([7], [])
    assert (amended.part, amended.kind) == ("amendments/6", pb.CHANGE_KIND_ADDED)
    assert list(amended.versions) == [7]


def test_a_part_whose_later_entry_was_annulled_names_the_correction() -> None:
    given = [*BEGINNING, offer("o", percent("15")), answered("o", "nissan")]

    change = next(
        one
        for one in diff(state_of(*given), state_of(*given, corrected(7, None)))
        if one.part == "proposals/o"
    )

    assert change.kind == pb.CHANGE_KIND_CHANGED
    assert list(change.versions) == [8]


def test_words_that_were_there_and_empty_are_told_from_no_words() -> None:
    before, after = state_of(*BEGINNING), state_of(*BEGINNING)
    after.topics["price"].words.Clear()
    after.topics["price"].words.SetInParent()
    before.topics["price"].ClearField("words")

    (change,) = diff(before, after)

    assert list(change.fields) == ["words"]
    assert apply_changes(before, [change]) == after


HISTORY = history(
    *BEGINNING,
    offer("o1", percent("15")),
    answered("o1", "nissan", pb.ANSWER_REJECT),
    draft(pb.NegotiationSuspended(expected_resume=date("2026-05"))),
    draft(pb.NegotiationResumed()),
    corrected(6, offer("o1", percent("16"))),
    corrected(7, None),
    answered("o1", "nissan"),
)


@pytest.mark.parametrize("later", range(len(HISTORY) + 1))
def test_what_changed_applied_to_the_earlier_state_gives_the_later_and_back(later: int) -> None:
    for earlier in range(len(HISTORY) + 1):
        before, after = fold(HISTORY[:earlier]), fold(HISTORY[:later])
        kept = before.SerializeToString(deterministic=True)

        assert apply_changes(before, diff(before, after)) == after
        assert before.SerializeToString(deterministic=True) == kept


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(["15", "20"], [], id="onward"),
        pytest.param(["15", "20", "25"], [], id="further-onward"),
        pytest.param(["15", "20", "20", "25"], [], id="a-pause-is-no-turn"),
        pytest.param(["15", "15.0", "15"], [], id="the-same-in-other-digits"),
        pytest.param(["15", "20", "18"], [("o1", "o2", "o3")], id="part-of-the-way-back"),
        pytest.param(["15", "20", "10"], [("o1", "o2", "o3")], id="past-the-beginning"),
        pytest.param(["20", "15", "20"], [("o1", "o2", "o3")], id="all-the-way-back"),
        pytest.param(["9", "10", "9"], [("o1", "o2", "o3")], id="numbers-not-letters"),
        pytest.param(["15", "20", "25", "24"], [("o1", "o3", "o4")], id="from-the-end-of-the-run"),
        pytest.param(["15", "20", "20", "18"], [("o1", "o2", "o4")], id="after-a-pause"),
        pytest.param(["15", "20", "18", "16"], [("o1", "o2", "o3")], id="further-back-is-one-turn"),
        pytest.param(
            ["15", "20", "18", "19"],
            [("o1", "o2", "o3"), ("o2", "o3", "o4")],
            id="forth-again-is-another",
        ),
    ],
)
def test_numbers_go_back_when_they_turn(
    values: list[str], expected: list[tuple[str, str, str]]
) -> None:
    assert gone_back(*offers(*values)) == expected


def test_a_reversal_says_who_on_what_and_in_which_steps() -> None:
    (reversal,) = reversals(
        state_of(
            *BEGINNING,
            position("p", percent("15", of="nissan", held_by="renault")),
            offer("o2", percent("20", of="nissan", held_by="renault"), topics=["shares"]),
            offer("o3", percent("17", of="nissan", held_by="renault"), topics=["shares"]),
        )
    )

    assert (reversal.participant_id, reversal.topic_id, reversal.term_key) == (
        "renault",
        "shares",
        "stake",
    )
    assert reversal.first == pb.Movement(
        version=6,
        kind=pb.PART_KIND_POSITION,
        id="p",
        term=percent("15", of="nissan", held_by="renault"),
        stance=pb.STANCE_WANTS,
    )
    assert reversal.moved == pb.Movement(
        version=7,
        kind=pb.PART_KIND_PROPOSAL,
        id="o2",
        term=percent("20", of="nissan", held_by="renault"),
    )
    assert (reversal.back.version, reversal.back.id) == (8, "o3")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(percent("20", of="nissan"), id="of-another"),
        pytest.param(percent("20", held_by="nissan"), id="held-by-another"),
        pytest.param(percent("20", by="nissan"), id="by-another"),
        pytest.param(percent("20", into="nissan"), id="into-another"),
        pytest.param(percent("20", unit="points"), id="in-another-unit"),
        pytest.param(term("20", pb.TERM_TYPE_PERCENT, key="bonus"), id="of-another-key"),
        pytest.param(term("20", pb.TERM_TYPE_QUANTITY), id="of-another-type"),
        pytest.param(
            term("", pb.TERM_TYPE_PERCENT, pb.TERM_QUALIFIER_UNKNOWN), id="that-is-not-known"
        ),
        pytest.param(percent("twenty"), id="that-is-no-number"),
        pytest.param(percent("NaN"), id="that-is-not-a-number"),
        pytest.param(percent("Infinity"), id="beyond-all-numbers"),
    ],
)
def test_a_term_is_not_compared_with_one(other: pb.Term) -> None:
    assert gone_back(offer("o1", percent("15")), offer("o2", other), *offers("15")) == []


@pytest.mark.parametrize(
    "qualifier",
    [
        pb.TERM_QUALIFIER_UP_TO,
        pb.TERM_QUALIFIER_AT_LEAST,
        pb.TERM_QUALIFIER_MORE_THAN,
        pb.TERM_QUALIFIER_LESS_THAN,
        pb.TERM_QUALIFIER_APPROX,
    ],
    ids=pb.TermQualifier.Name,
)
def test_values_are_compared_however_they_are_qualified(
    qualifier: pb.TermQualifier.ValueType,
) -> None:
    moved = offer("o2", term("20", pb.TERM_TYPE_PERCENT, qualifier))

    assert gone_back(offer("o1", percent("15")), moved, offer("o3", percent("18"))) == [
        ("o1", "o2", "o3")
    ]


@pytest.mark.parametrize(("back", "expected"), [("12", [("o1", "o2", "o3")]), ("18", [])])
def test_of_a_range_the_middle_is_compared(back: str, expected: list[tuple[str, str, str]]) -> None:
    between = term("10", pb.TERM_TYPE_PERCENT, pb.TERM_QUALIFIER_BETWEEN, value_max="20")

    # given 10, then 10 to 20, then
    assert (
        gone_back(offer("o1", percent("10")), offer("o2", between), offer("o3", percent(back)))
        == expected
    )


def test_days_go_back_when_they_turn() -> None:
    days = ["2026-07-01", "2026-09-01", "2026-08-01"]
    given = [
        offer(f"o{place}", term(day, pb.TERM_TYPE_DATE, key="handover"))
        for place, day in enumerate(days)
    ]

    assert gone_back(*given) == [("o0", "o1", "o2")]


@pytest.mark.parametrize(
    ("kind", "values"),
    [(pb.TERM_TYPE_BOOL, ["true", "false"]), (pb.TERM_TYPE_ENUM, ["cash", "stock"])],
    ids=["bool", "enum"],
)
def test_other_values_go_back_when_they_return(
    kind: pb.TermType.ValueType, values: list[str]
) -> None:
    first, second = (term(value, kind) for value in values)

    assert gone_back(offer("a", first), offer("b", second), offer("c", second)) == []
    assert gone_back(
        offer("a", first), offer("b", second), offer("c", second), offer("d", first)
    ) == [("a", "b", "d")]


def test_a_return_by_way_of_others_is_one() -> None:
    values = [term(value, pb.TERM_TYPE_ENUM) for value in ("cash", "stock", "bonds", "cash")]

    assert gone_back(*(offer(f"o{n}", value) for n, value in enumerate(values))) == [
        ("o0", "o2", "o3")
    ]


def test_language_is_compared_by_its_words_and_not_where_these_were_destroyed() -> None:
    place = term("", pb.TERM_TYPE_TEXT, key="place")

    def at(position_id: str, text: str) -> pb.Draft:
        said = pb.Words(text="Where", term_texts=[pb.TermText(key="place", text=text)])
        return position(position_id, place, words=said)

    given = (at("p1", "Paris"), at("p2", "Yokohama"), at("p3", "Paris"))
    redacted = draft(pb.EntryRedacted(target_version=7))

    assert gone_back(*given) == [("p1", "p2", "p3")]
    assert gone_back(*given, redacted) == []


def test_joint_offers_go_back_for_each_who_makes_them() -> None:
    given = [
        offer(f"o{n}", percent(value), by=["renault", "mitsubishi"])
        for n, value in enumerate(("15", "20", "15"))
    ]

    found = reversals(state_of(*BEGINNING, joined("mitsubishi"), *given))

    assert [one.participant_id for one in found] == ["mitsubishi", "renault"]


def test_one_side_does_not_go_back_on_what_the_other_offered() -> None:
    theirs = offer("o2", percent("20"), by=["nissan"])

    assert gone_back(offer("o1", percent("15")), theirs, offer("o3", percent("15"))) == []


def test_topics_are_apart() -> None:
    on = [["price"], ["shares"], ["price"]]
    given = [
        offer(f"o{n}", percent(value), topics=topics)
        for n, (value, topics) in enumerate(zip(("15", "20", "15"), on, strict=True))
    ]

    assert gone_back(*given) == []


def test_going_back_on_several_topics_at_once_is_given_once() -> None:
    given = [
        offer(f"o{n}", percent(value), topics=["shares", "price"])
        for n, value in enumerate(("15", "20", "15"))
    ]

    (reversal,) = reversals(state_of(*BEGINNING, *given))

    assert reversal.topic_id == "shares"


def test_reversals_are_in_the_order_of_their_versions() -> None:
    given = [
        offer(f"o{n}", percent(one), term(two, pb.TERM_TYPE_MONEY, key="cash", unit="EUR"))
        for n, (one, two) in enumerate([("1", "5"), ("2", "4"), ("3", "5"), ("2", "6")])
    ]

    found = reversals(state_of(*BEGINNING, *given))

    assert [(one.back.version, one.term_key) for one in found] == [(8, "cash"), (9, "stake")]


def test_terms_of_offers_that_are_off_the_table_count_and_annulled_ones_do_not() -> None:
    given = [offer("o1", percent("15")), offer("o2", percent("20")), offer("o3", percent("15"))]
    closed = draft(
        pb.ProposalClosed(proposal_id="o2", how=pb.PROPOSAL_CLOSING_WITHDRAWN, by=["renault"])
    )

    assert gone_back(*given[:2], closed, given[2]) == [("o1", "o2", "o3")]
    assert gone_back(*given, corrected(7, None)) == []


def test_since_leaves_out_the_reversals_that_were_there() -> None:
    entries = history(*BEGINNING, *offers("15", "20", "15", "20"))

    def since(version: int) -> Iterable[tuple[str, str, str]]:
        return map(steps, reversals(fold(entries), fold(entries[:version])))

    assert list(since(0)) == [("o1", "o2", "o3"), ("o2", "o3", "o4")]
    assert list(since(7)) == [("o1", "o2", "o3"), ("o2", "o3", "o4")]
    assert list(since(8)) == [("o2", "o3", "o4")]
    assert list(since(9)) == []


def test_a_correction_that_shows_a_reversal_is_found_since_it() -> None:
    entries = history(
        *BEGINNING, *offers("15", "20", "25"), corrected(8, offer("o3", percent("18")))
    )

    found = reversals(fold(entries), fold(entries[:8]))

    assert [steps(one) for one in found] == [("o1", "o2", "o3")]


def stances(*row: pb.Stance.ValueType, linked: bool = True) -> list[pb.Draft]:
    return [
        position(f"p{n}", stance=stance, supersedes=f"p{n - 1}" if n and linked else "")
        for n, stance in enumerate(row)
    ]


WANTS, OPPOSES, RED_LINE = pb.STANCE_WANTS, pb.STANCE_OPPOSES, pb.STANCE_RED_LINE
OPEN_TO = pb.STANCE_OPEN_TO


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param([WANTS, OPPOSES], [], id="onward"),
        pytest.param([WANTS, WANTS, WANTS], [], id="the-same"),
        pytest.param([WANTS, OPPOSES, WANTS], [("p0", "p1", "p2")], id="back"),
        pytest.param([WANTS, OPPOSES, OPPOSES, WANTS], [("p0", "p2", "p3")], id="after-a-pause"),
        pytest.param([WANTS, OPPOSES, OPEN_TO, WANTS], [("p0", "p2", "p3")], id="by-way-of-others"),
        pytest.param([RED_LINE, OPEN_TO], [], id="a-red-line-given-up"),
        pytest.param([RED_LINE, OPEN_TO, RED_LINE], [("p0", "p1", "p2")], id="and-drawn-again"),
    ],
)
def test_a_stance_goes_back_when_it_returns(
    row: list[pb.Stance.ValueType], expected: list[tuple[str, str, str]]
) -> None:
    assert gone_back(*stances(*row)) == expected


def test_a_reversal_of_a_stance_has_no_term() -> None:
    (reversal,) = reversals(state_of(*BEGINNING, *stances(WANTS, OPPOSES, WANTS)))

    assert (reversal.topic_id, reversal.term_key) == ("shares", "")
    assert [one.stance for one in (reversal.first, reversal.moved, reversal.back)] == [
        WANTS,
        OPPOSES,
        WANTS,
    ]
    assert not reversal.back.HasField("term")


def test_positions_held_side_by_side_are_about_different_matters() -> None:
    assert gone_back(*stances(WANTS, OPPOSES, WANTS, linked=False)) == []


def test_a_stance_follows_the_one_that_was_withdrawn() -> None:
    one, two, three = stances(WANTS, OPPOSES, WANTS, linked=False)

    assert gone_back(one, withdrawn("p0"), two, withdrawn("p1"), three) == [("p0", "p1", "p2")]


def test_nobody_follows_the_stance_of_another_or_on_another_topic() -> None:
    given = [
        position("p0", stance=WANTS),
        withdrawn("p0"),
        position("p1", stance=OPPOSES, holders=["nissan"]),
        position("p2", stance=OPPOSES, on="price"),
        position("p3", stance=WANTS),
    ]

    assert gone_back(*given) == []


def test_an_empty_state_has_no_reversals() -> None:
    assert reversals(NOTHING) == []
    assert reversals(NOTHING, NOTHING) == []


def test_offers_without_terms_go_back_on_nothing() -> None:
    given = [offered(f"o{n}", ["renault"], ["nissan"], topics=["price"]) for n in range(3)]

    assert gone_back(*given) == []
