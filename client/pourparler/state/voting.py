"""Voting rules: the result that votes give, now and whatever the other votes will be.

Pure: no I/O, no clock.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from pourparler import v1 as pb


@dataclass(slots=True)
class Votes:
    """The votes of one kind of count: by heads, or by weights."""

    yes: Fraction = Fraction(0)
    no: Fraction = Fraction(0)
    abstain: Fraction = Fraction(0)
    eligible: Fraction = Fraction(0)

    @property
    def cast(self) -> Fraction:
        """The yes and no votes."""
        return self.yes + self.no

    @property
    def present(self) -> Fraction:
        """The yes votes, no votes and abstentions."""
        return self.cast + self.abstain


@dataclass(slots=True)
class Count:
    """The votes by heads and by weights."""

    heads: Votes = field(default_factory=Votes)
    weighted: Votes = field(default_factory=Votes)


def share(text: str) -> Fraction:
    """Return a share such as `2/3`. Raises ValueError unless it is more than 0 and at most 1."""
    upper, slash, lower = text.partition("/")
    if not (slash and upper.isdecimal() and lower.isdecimal() and text.isascii() and int(lower)):
        raise ValueError("a share is a fraction such as 2/3")
    result = Fraction(int(upper), int(lower))
    if not 0 < result <= 1:
        raise ValueError("a share is more than 0 and at most 1")
    return result


def weight(text: str) -> Fraction:
    """Return the weight of a vote. Raises ValueError unless it is a positive decimal."""
    if not text.isascii() or set(text) - set("0123456789."):
        raise ValueError("a weight is a positive decimal such as 1.5")
    result = Fraction(text)
    if result <= 0:
        raise ValueError("a weight is a positive decimal such as 1.5")
    return result


def count(rule: pb.VotingRule, voters: Collection[str], answers: Mapping[str, int]) -> Count:
    """Return the count of the answers of voters. A voter without an answer is absent."""
    weights = {one.participant_id: weight(one.weight) for one in rule.weights}
    result = Count()
    for voter in voters:
        given = answers.get(voter, pb.ANSWER_ABSENT)
        for votes, value in (
            (result.heads, Fraction(1)),
            (result.weighted, weights.get(voter, Fraction(1))),
        ):
            votes.eligible += value
            if given == pb.ANSWER_ACCEPT:
                votes.yes += value
            elif given == pb.ANSWER_REJECT:
                votes.no += value
            elif given == pb.ANSWER_ABSTAIN:
                votes.abstain += value
    return result


def carries(rule: pb.VotingRule, votes: Count) -> bool:
    """Return True if votes carry a proposal under a rule, without a casting vote."""
    heads = votes.heads
    if not _is_quorate(rule, votes):
        return False
    if rule.HasField("at_least_yes") and heads.yes < rule.at_least_yes:
        return False
    if rule.HasField("at_most_no") and heads.no > rule.at_most_no:
        return False
    return heads.yes > 0 and all(_reaches(one, votes) for one in rule.thresholds)


def _reaches(threshold: pb.Threshold, count_: Count) -> bool:
    votes = count_.weighted if threshold.weighted else count_.heads
    base = {
        pb.VOTE_BASE_CAST: votes.cast,
        pb.VOTE_BASE_PRESENT: votes.present,
        pb.VOTE_BASE_ELIGIBLE: votes.eligible,
    }[threshold.base]
    needed = share(threshold.share) * base
    return votes.yes >= needed if threshold.reached else votes.yes > needed


def is_tie(rule: pb.VotingRule, votes: Count) -> bool:
    """Return True if the yes and no votes are equal, as the first threshold counts them."""
    weighted = bool(rule.thresholds) and rule.thresholds[0].weighted
    some = votes.weighted if weighted else votes.heads
    return some.yes == some.no


def result(
    rule: pb.VotingRule,
    voters: Collection[str],
    answers: Mapping[str, int],
    *,
    casting: int = 0,
    closed: bool = False,
) -> int:
    """Return the ProposalStatus that the answers give.

    `answers` are the final answers by voter. `casting` is the casting vote, or 0. `closed` means
    that no further answer comes. Before the close, a vote is decided if all ways in which the other
    voters can still vote have the same result.
    """
    open_, accepted, rejected = (
        pb.PROPOSAL_STATUS_OPEN,
        pb.PROPOSAL_STATUS_ACCEPTED,
        pb.PROPOSAL_STATUS_REJECTED,
    )
    waiting = [] if closed else [one for one in voters if one not in answers]
    if not waiting:
        if rule.on_close and not closed:
            return open_
        votes = count(rule, voters, answers)
        if carries(rule, votes):
            return accepted
        if rule.casting_vote and is_tie(rule, votes) and _is_quorate(rule, votes):
            if casting:
                return accepted if casting == pb.ANSWER_ACCEPT else rejected
            return rejected if closed else open_
        return rejected
    if rule.on_close:
        return open_
    others = (pb.ANSWER_REJECT, pb.ANSWER_ABSENT)
    if all(carries(rule, count(rule, voters, _filled(answers, waiting, one))) for one in others):
        return accepted
    best = count(rule, voters, _filled(answers, waiting, pb.ANSWER_ACCEPT))
    if not rule.casting_vote and not carries(rule, best):
        return rejected
    return open_


def _is_quorate(rule: pb.VotingRule, votes: Count) -> bool:
    """Return True if a quorum is present, or none is needed."""
    heads = votes.heads
    return not rule.quorum or heads.present >= share(rule.quorum) * heads.eligible


def _filled(answers: Mapping[str, int], waiting: Collection[str], given: int) -> Mapping[str, int]:
    return {**answers, **dict.fromkeys(waiting, given)}


def tally_result(tally: pb.Tally, rule: pb.VotingRule) -> int:
    """Return the ProposalStatus that a tally gives under a rule, or OPEN if it gives none.

    Raises ValueError if a count is not a decimal.
    """
    votes = Votes(*(counted(getattr(tally, name)) for name in ("yes", "no", "abstain")))
    if not tally.yes and not tally.no:
        return pb.PROPOSAL_STATUS_OPEN
    others = [counted(getattr(tally, name)) for name in ("absent", "paired")]
    known = counted(tally.eligible)
    votes.eligible = known or votes.present + sum(others, Fraction(0))
    by_count = Count(votes, votes)
    if carries(rule, by_count):
        return pb.PROPOSAL_STATUS_ACCEPTED
    return pb.PROPOSAL_STATUS_REJECTED


def counted(text: str) -> Fraction:
    """Return a count: a decimal of zero or more, and zero for a count that is not known."""
    if not text:
        return Fraction(0)
    if not text.isascii() or set(text) - set("0123456789."):
        raise ValueError("a count is a decimal of zero or more")
    return Fraction(text)
