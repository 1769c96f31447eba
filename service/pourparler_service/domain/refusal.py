"""Refusals: the violations of a request, and their gRPC status codes. Pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, NoReturn

from pourparler import v1 as pb

MOST_VIOLATIONS = 20
"""The maximum number of violations of a refusal."""

_SHOWN = 60
_LISTED = 3
_PREFIX = "ERROR_REASON_"


class Violation(NamedTuple):
    """One error of a request: its reason, the path of its field, and a sentence for people."""

    reason: int
    field: str
    text: str
    metadata: Mapping[str, str]


class Refusal(Exception):
    """A request is refused. The first violation gives the reason."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        """Store the violations. Raise ValueError if there is none."""
        self.violations = tuple(violations)
        if not self.violations:
            raise ValueError("a refusal needs a violation")
        super().__init__(self.text)

    @property
    def reason(self) -> int:
        """The ErrorReason of the first violation."""
        return self.violations[0].reason

    @property
    def field(self) -> str:
        """The path of the field of the first violation; empty if it concerns no field."""
        return self.violations[0].field

    @property
    def text(self) -> str:
        """The sentence of the first violation."""
        return self.violations[0].text

    @property
    def metadata(self) -> Mapping[str, str]:
        """The variable parts of the sentence of the first violation, by name."""
        return self.violations[0].metadata

    def under(self, prefix: str) -> "Refusal":
        """Return the same refusal with `prefix` before the path of each field."""
        return Refusal(
            violation._replace(field=f"{prefix}.{violation.field}" if violation.field else prefix)
            for violation in self.violations
        )


def refuse(reason: int, text: str, field: str = "", **metadata: str) -> NoReturn:
    """Raise Refusal with one violation."""
    raise Refusal([Violation(reason, field, text, metadata)])


def name_of(reason: int) -> str:
    """Return the name of an ErrorReason as in google.rpc.ErrorInfo, such as `PART_NOT_FOUND`."""
    return pb.ErrorReason.Name(pb.ErrorReason.ValueType(reason)).removeprefix(_PREFIX)


def status_of(reason: int) -> str:
    """Return the name of the gRPC status code of a reason, from the option in the contract."""
    value = pb.ErrorReason.DESCRIPTOR.values_by_number[reason]
    return str(value.GetOptions().Extensions[pb.status])


def quoted(text: str) -> str:
    """Return a caller's text for a sentence: quoted, shortened, escaped for a terminal."""
    shown = "".join(one if one.isprintable() else _escaped(one) for one in text[: _SHOWN + 1])
    return f"'{shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + '…'}'"


def listed(ids: Iterable[str]) -> str:
    """Return ids for a sentence: the first few, and the number of the others."""
    names = list(ids)
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class ViolationList:
    """The violations of one request, collected so that all are reported together."""

    def __init__(self) -> None:
        """Start with no violation."""
        self._violations: list[Violation] = []

    def add(self, reason: int, text: str, field: str, **metadata: str) -> None:
        """Add a violation. Raise Refusal as soon as there are MOST_VIOLATIONS."""
        self._violations.append(Violation(reason, field, text, metadata))
        if len(self._violations) == MOST_VIOLATIONS:
            self.settle()

    def settle(self) -> None:
        """Raise Refusal if there is a violation."""
        if self._violations:
            raise Refusal(self._violations)


def not_found(id_: str) -> NoReturn:
    """Raise Refusal for a negotiation that does not exist, or that the caller may not see."""
    refuse(
        pb.ERROR_REASON_NEGOTIATION_NOT_FOUND,
        f"There is no negotiation '{id_}'.",
        negotiation=id_,
    )
