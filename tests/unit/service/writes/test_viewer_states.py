"""The state that a caller sees while it records follows the whole one, forwards and back."""

from hypothesis import given as having
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.state.fold import ACCESS_TYPES
from pourparler.state.summary import count_parts
from pourparler_service.aggregate.negotiation import Negotiation
from pourparler_service.authorization.roles import PUBLIC, VisibilityScope, participants_scope
from pourparler_service.storage.record_codec import EncodedRecord, leaf
from pourparler_service.writes.viewer_states import ViewerState, ViewerStates
from tests.support import sample_entries, strategies
from tests.support.stores import open_store
from tests.support.visibility_harness import stored


def loaded(entries: list[pb.Entry]) -> Negotiation:
    store = open_store(None, {})
    store.append(stored(entries))
    negotiation = Negotiation(store, sample_entries.NEGOTIATION)
    negotiation.catch_up()
    return negotiation


def state_of(whole: Negotiation, scope: VisibilityScope) -> ViewerState:
    return ViewerStates(1 << 20).of(whole, scope)


@having(
    strategies.steps(40),
    st.integers(0, 40),
    st.sampled_from([PUBLIC, participants_scope(["pa-1"])]),
)
def test_what_is_taken_out_again_leaves_a_state_as_it_was(
    seeds: list[int], kept: int, scope: VisibilityScope
) -> None:
    entries = strategies.history(seeds)
    whole = loaded(entries[:kept])
    once, start = state_of(whole, scope), whole.mark()
    mark = once.mark()
    for one in stored(entries[kept:]):
        whole.advance(EncodedRecord(one.data, leaf(one.data)), start.undo)
        once.advance(mark)

    could = once.rollback(mark)
    whole.rollback(start)

    telling = {*ACCESS_TYPES, "negotiation_opened"}
    changed = telling.intersection(one.facts.WhichOneof("event") for one in entries[kept:])
    assert could is not bool(changed)
    if not could:
        return
    other = loaded(entries[:kept])
    anew = state_of(other, scope)
    assert once.state == anew.state
    for one in stored(entries[kept:]):
        for negotiation, viewed in ((whole, once), (other, anew)):
            negotiation.advance(EncodedRecord(one.data, leaf(one.data)), negotiation.mark().undo)
            viewed.advance()
    assert once.state == anew.state
    assert once.visible(entries) == anew.visible(entries)
    advanced, folded = once.state, state_of(loaded(entries), scope).state
    for state in (advanced, folded):
        count_parts(state)
    assert advanced == folded
