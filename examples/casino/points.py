"""Compute the points of each camper from the state only. Pure."""

from pourparler import v1 as pb

A_PACKAGE = {"high": 5, "medium": 4, "low": 3}
"""The points for one package, by the priority that its holder gives it."""

WALKED_AWAY = 5
"""The points of each camper if the talks end without a deal."""


def points(state: pb.Negotiation) -> dict[str, int]:
    """Return the points of each camper for the agreed packages, by the priorities of the camper."""
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
