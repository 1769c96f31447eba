"""What a camp-site deal is worth to each camper, from the state alone. Pure."""

from pourparler import v1 as pb

A_PACKAGE = {"high": 5, "medium": 4, "low": 3}
"""The points for one package, by the priority its holder gave it."""

WALKED_AWAY = 5
"""What each camper has when the talks end without a deal."""


def points(state: pb.Negotiation) -> dict[str, int]:
    """The points of each camper: what the agreement gives them, by their own priorities."""
    if state.outcome == pb.OUTCOME_WITHDRAWN:
        return dict.fromkeys(state.participants, WALKED_AWAY)
    worth = {
        (position.facts.holders[0], position.facts.topic_id): A_PACKAGE[term.value]
        for position in state.positions.values()
        for term in position.facts.terms
        if term.key == "priority"
    }
    score = dict.fromkeys(state.participants, 0)
    for agreement_id in state.agreement_ids:
        for term in state.agreements[agreement_id].facts.terms:
            score[term.held_by] += int(term.value) * worth[term.held_by, term.key]
    return score
