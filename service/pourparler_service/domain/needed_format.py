"""The format of the next entry of a negotiation. Pure."""

from pourparler import v1 as pb
from pourparler.schema.entry_format import LATEST_FORMAT, entry_format
from pourparler.state.acceptance import DECIDED


def needed_format(state: pb.Negotiation, draft: pb.Draft) -> int:
    """Return the format of a draft as the next entry after a state.

    A negotiation that needs a format keeps it, so that the format of a hidden entry says little. An
    answer after the decision has the latest format, because the first one refuses it.
    """
    if state.format == LATEST_FORMAT:
        return LATEST_FORMAT
    facts = draft.facts
    if facts.HasField("proposal_answered"):
        proposal = state.proposals.get(facts.proposal_answered.proposal_id)
        if proposal is not None and proposal.status in DECIDED:
            return LATEST_FORMAT
    return max(state.format, entry_format(facts, draft.words))
