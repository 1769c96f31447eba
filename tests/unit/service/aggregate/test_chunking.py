"""Long states in small steps."""

from hypothesis import given as given_any
from hypothesis import settings

from pourparler import v1 as pb
from pourparler.state.fold import fold
from pourparler_service.aggregate import chunking
from tests.support.sample_entries import joined, opened, recorded, said
from tests.support.strategies import histories


def long_state() -> pb.Negotiation:
    drafts = [opened(), joined("a"), *(said(f"s{number}", "a") for number in range(600))]
    return fold([recorded(version, one) for version, one in enumerate(drafts, start=1)])


def lengthened(state: pb.Negotiation) -> pb.Negotiation:
    """The same parts in a state that counts as a long one."""
    result = pb.Negotiation()
    result.CopyFrom(state)
    result.version += 10_000
    return result


def test_a_long_state_is_taken_in_many_small_pieces() -> None:
    state = long_state()

    written = chunking.encode(state)

    assert len(written) > 4
    assert max(map(len, written)) < state.ByteSize() / 3


@settings(max_examples=60, deadline=None)
@given_any(histories())
def test_the_pieces_of_any_state_come_to_it(entries: list[pb.Entry]) -> None:
    for state in (fold(entries), lengthened(fold(entries))):
        written = chunking.encode(state)

        assert chunking.decode(written) == state
        assert pb.Negotiation.FromString(b"".join(written)) == state
        assert chunking.copy(state) == state


def test_a_copy_stays_as_it_is() -> None:
    state = long_state()

    copy = chunking.copy(state)
    del state.statements["s1"]

    assert len(copy.statements) == 600
