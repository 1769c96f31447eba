"""Validation of voting rules and tallies. Pure."""

from collections.abc import Callable

from pourparler import v1 as pb
from pourparler.schema.contract import TALLY_COUNTS
from pourparler.state import voting
from pourparler_service.domain.refusal import ViolationList, quoted

_SHARE = "a share such as 2/3, more than 0 and at most 1"
_WEIGHT = "a positive decimal such as 1.5"
_COUNT = "a decimal of zero or more"


def check_voting_rule(found: ViolationList, rule: pb.VotingRule, path: str) -> None:
    """Add a violation for each share or weight of a rule of votes that is not valid."""
    for place, one in enumerate(rule.thresholds):
        here = f"{path}.thresholds[{place}].share"
        _check(found, voting.share, one.share, here, _SHARE)
    _check(found, voting.share, rule.quorum, f"{path}.quorum", _SHARE)
    for place, weight in enumerate(rule.weights):
        here = f"{path}.weights[{place}].weight"
        _check(found, voting.weight, weight.weight, here, _WEIGHT)


def check_tally(found: ViolationList, tally: pb.Tally, path: str) -> None:
    """Add a violation for each count of a tally that is not valid."""
    for name in TALLY_COUNTS:
        _check(found, voting.counted, getattr(tally, name), f"{path}.{name}", _COUNT)
    check_voting_rule(found, tally.rule, f"{path}.rule")


def _check(
    found: ViolationList, read: Callable[[str], object], value: str, path: str, rule: str
) -> None:
    if not value:
        return
    try:
        read(value)
    except ValueError:
        found.add(pb.ERROR_REASON_FIELD_INVALID, f"{quoted(value)} is not {rule}.", path)
