"""Which entries made each part of a state what it is, and what each of them set."""

from hypothesis import given as given_by

from pourparler import v1 as pb
from pourparler.schema.contract import PARTS
from pourparler.state.blame import NEGOTIATION, Blame, PartKey, blame
from pourparler.state.fold import fold
from tests.support.sample_entries import (
    answered,
    draft,
    granted,
    history,
    joined,
    offered,
    opened,
    said,
    topic,
)
from tests.support.strategies import histories

BEGINNING = (opened(), joined("acme"), joined("bolt"), topic("price"))
OFFER = offered("o", ["acme"], ["bolt"], topics=["price"])


def of(place: PartKey, *drafts: pb.Draft) -> Blame:
    (found,) = blame(history(*BEGINNING, *drafts), lambda other: other == place)
    return found


def versions(found: Blame) -> list[int]:
    return [made.entry.header.version for made in found.contributions]


def corrected(target: int, replacement: pb.Draft) -> pb.Draft:
    event = pb.EntryCorrected(
        target_version=target, mode=pb.CORRECTION_MODE_REPLACE, replacement=replacement.facts
    )
    return draft(event, pb.Words(text=replacement.words.text, correction_reason="A slip"))


def annulled(target: int) -> pb.Draft:
    event = pb.EntryCorrected(target_version=target, mode=pb.CORRECTION_MODE_ANNUL)
    return draft(event, pb.Words(correction_reason="A slip"))


def test_the_answer_set_the_status_of_a_proposal_and_the_offer_its_terms() -> None:
    found = of(("proposals", "o"), OFFER, answered("o", "bolt"))

    assert found.path == "proposals/o"
    assert versions(found) == [5, 6]
    assert found.fields["facts.to"] == 5
    assert found.fields["status"] == 6
    assert set(found.contributions[1].sets) == {"status", "status_change", "replies"}
    assert found.contributions[1].before.status == pb.PROPOSAL_STATUS_OPEN
    assert found.contributions[1].after.status == pb.PROPOSAL_STATUS_ACCEPTED


def test_of_what_was_corrected_the_correction_has_set_what_it_says() -> None:
    other = said("s", "bolt")
    other.words.text = "Another text"
    found = of(("statements", "s"), said("s", "acme"), corrected(5, other))

    assert versions(found) == [5, 6]
    assert found.part.facts.speakers == ["bolt"]
    assert found.fields["facts.speakers"] == found.fields["words.text"] == 6
    assert found.fields["origin.record_time"] == 5
    assert "words.text" not in found.contributions[0].sets


def test_words_that_a_session_no_longer_has_were_emptied_by_its_resumption() -> None:
    session = pb.SessionOpened(session_id="s", kind=pb.SESSION_KIND_CALL)
    closed = draft(pb.SessionClosed(closed_session_id="s"))

    found = of(("sessions", "s"), draft(session, pb.Words(title="First")), closed, draft(session))

    assert found.part.HasField("words")
    assert found.fields["words"] == 7
    assert "words.title" not in found.fields


def test_who_may_see_a_part_was_set_by_its_disclosure() -> None:
    public = pb.Visibility(level=pb.VISIBILITY_LEVEL_PUBLIC)
    disclosed = draft(pb.EntryDisclosed(target_version=5, disclosed_to=public))
    found = of(("statements", "s"), said("s", "acme"), disclosed)

    assert found.fields["origin.visibility"] == 6
    assert found.fields["words.text"] == 5


def test_an_annulled_answer_is_named_and_sets_nothing() -> None:
    found = of(("proposals", "o"), OFFER, answered("o", "bolt"), annulled(6))

    assert found.part.status == pb.PROPOSAL_STATUS_OPEN
    assert [(made.entry.header.version, made.annulled) for made in found.contributions] == [
        (5, False),
        (6, True),
    ]
    assert found.contributions[1].sets == ()
    assert found.fields["status"] == 5


def test_a_part_that_was_annulled_is_found_without_a_state() -> None:
    found = of(("proposals", "o"), OFFER, annulled(5))

    assert found.part is None
    assert found.fields == {}
    assert [made.annulled for made in found.contributions] == [True]


def test_the_negotiation_itself_and_access_to_it_are_blamed_too() -> None:
    paused = draft(pb.NegotiationSuspended())

    head = of((NEGOTIATION, ""), paused)
    assert versions(head) == [1, 5]
    assert head.fields["status"] == 5
    assert head.fields["words.title"] == 1
    ann = of(("principals", "ann"), granted("ann", pb.ACCESS_ROLE_AUDITOR))
    assert versions(ann) == [5]
    assert ann.path == "principals/ann"


def test_within_some_versions_only_these_count() -> None:
    entries = history(*BEGINNING, OFFER, answered("o", "bolt"))

    (found,) = blame(entries, lambda place: place[1] == "o", only_versions={1, 2, 3, 4, 5})

    assert versions(found) == [5]
    assert found.part.status == pb.PROPOSAL_STATUS_OPEN


@given_by(histories())
def test_every_field_of_every_part_is_put_down_to_an_entry_that_the_state_blames(
    entries: list[pb.Entry],
) -> None:
    state = fold(entries)
    found = {one.place: one for one in blame(entries)}

    for kind in (*PARTS.values(), "principals"):
        for key, part in getattr(state, kind).items():
            one = found[kind, key]
            assert one.part == part
            assert set(part.blame) <= set(versions(one))
            assert set(one.fields.values()) <= set(part.blame)
            assert {
                made.entry.header.version for made in one.contributions if made.annulled
            }.isdisjoint(part.blame)
            said_of_it = {field.name for field, _ in part.ListFields()} - {"blame"}
            assert said_of_it == {path.partition(".")[0] for path in one.fields}
