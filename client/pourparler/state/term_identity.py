"""The identity of terms: which terms say the same thing of the same subject. Pure."""

from collections.abc import Iterable

from pourparler import v1 as pb

TermIdentity = tuple[str, ...]
"""The key, variant, participants, thing and rate unit of a term."""


def term_identity(term: pb.Term) -> TermIdentity:
    """Return the identity of a term. Terms of equal identity are alternatives."""
    return (
        term.key,
        term.variant,
        term.of,
        term.of_thing,
        term.held_by,
        term.by,
        term.into,
        term.per,
    )


def by_identity(terms: Iterable[pb.Term]) -> dict[TermIdentity, list[pb.Term]]:
    """Return terms by their identity, in the order in which identities first occur."""
    found: dict[TermIdentity, list[pb.Term]] = {}
    for term in terms:
        found.setdefault(term_identity(term), []).append(term)
    return found


def overlay(
    terms: Iterable[pb.Term], later: Iterable[pb.Term], dropped_keys: Iterable[str] = ()
) -> list[pb.Term]:
    """Return terms as changed by later ones: dropped, replaced by identity, or added."""
    dropped = set(dropped_keys)
    found = by_identity(one for one in terms if one.key not in dropped)
    found.update(by_identity(later))
    return [term for same in found.values() for term in same]


def differing_keys(terms: Iterable[pb.Term], others: Iterable[pb.Term]) -> list[str]:
    """Return the keys of the terms in which two lists differ; alternatives compare as sets."""
    one, other = by_identity(terms), by_identity(others)
    keys = {
        identity[0]
        for identity in one.keys() | other.keys()
        if _values(one.get(identity, ())) != _values(other.get(identity, ()))
    }
    return sorted(keys)


def _values(terms: Iterable[pb.Term]) -> set[bytes]:
    return {term.SerializeToString(deterministic=True) for term in terms}
