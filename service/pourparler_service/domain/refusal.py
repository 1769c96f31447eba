"""Refusals of requests: their violations and their status codes. Pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, NoReturn

from pourparler import v1 as pb

MOST_VIOLATIONS = 20
"""The maximum number of violations in a refusal."""

_SHOWN = 60
_LISTED = 3
_PREFIX = "ERROR_REASON_"


class Violation(NamedTuple):
    """One problem of a request: its reason, the path of its field, and a sentence for people."""

    reason: int
    field: str
    text: str
    metadata: Mapping[str, str]


class RefusalError(Exception):
    """The service refuses a request because of its violations, the first one above all."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        """Refuse because of at least one violation."""
        self.violations = tuple(violations)
        if not self.violations:
            raise ValueError("A refusal needs a violation.")
        super().__init__(self.text)

    @property
    def reason(self) -> int:
        """The ErrorReason of the first violation."""
        return self.violations[0].reason

    @property
    def field(self) -> str:
        """The path of the field of the first violation; empty without a field."""
        return self.violations[0].field

    @property
    def text(self) -> str:
        """The sentence of the first violation."""
        return self.violations[0].text

    @property
    def metadata(self) -> Mapping[str, str]:
        """The variable parts of the first sentence, by name."""
        return self.violations[0].metadata

    def with_prefix(self, prefix: str) -> "RefusalError":
        """Return the refusal with the path of each field below `prefix`."""
        return RefusalError(
            violation._replace(field=f"{prefix}.{violation.field}" if violation.field else prefix)
            for violation in self.violations
        )


def refuse(reason: int, text: str, field: str = "", **metadata: str) -> NoReturn:
    """Raise RefusalError for one reason."""
    raise RefusalError([Violation(reason, field, text, metadata)])


def reason_name(reason: int) -> str:
    """Return the name of an ErrorReason as in an ErrorInfo, such as `PART_NOT_FOUND`."""
    return pb.ErrorReason.Name(pb.ErrorReason.ValueType(reason)).removeprefix(_PREFIX)


def status_name(reason: int) -> str:
    """Return the name of the gRPC status code of a reason, from the contract."""
    value = pb.ErrorReason.DESCRIPTOR.values_by_number[reason]
    return str(value.GetOptions().Extensions[pb.status])


def quoted(text: str) -> str:
    """Return a text of a caller for a sentence: quoted, shortened, harmless in a terminal."""
    shown = "".join(one if one.isprintable() else _escaped(one) for one in text[: _SHOWN + 1])
    return f"'{shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + '…'}'"


def id_list(ids: Iterable[str]) -> str:
    """Return ids for a sentence: the first few, and the number of others."""
    names = list(ids)
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class ViolationList:
    """The violations of a request, collected for one refusal."""

    def __init__(self) -> None:
        """Start without violations."""
        self._violations: list[Violation] = []

    def add(self, reason: int, text: str, field: str, **metadata: str) -> None:
        """Add a violation. Raise RefusalError at the maximum number."""
        self._violations.append(Violation(reason, field, text, metadata))
        if len(self._violations) == MOST_VIOLATIONS:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raise RefusalError if there is a violation."""
        if self._violations:
            raise RefusalError(self._violations)


def not_found(id_: str) -> NoReturn:
    """Raise the refusal for a negotiation that does not exist or that the caller may not see."""
    refuse(
        pb.ERROR_REASON_NEGOTIATION_NOT_FOUND,
        f"There is no negotiation '{id_}'.",
        negotiation=id_,
    )
