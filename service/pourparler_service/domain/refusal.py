"""Why a request is refused: the violations, and the status it is answered with. Pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, NoReturn

from pourparler import v1 as pb

MOST_VIOLATIONS = 20
"""How many violations a refusal has at most."""

_SHOWN = 60
_LISTED = 3
_PREFIX = "ERROR_REASON_"


class Violation(NamedTuple):
    """One thing that is wrong: its reason, the path of its field, and a sentence for people."""

    reason: int
    field: str
    text: str
    metadata: Mapping[str, str]


class Refusal(Exception):
    """What was asked for is refused, for what its violations say, the first above all."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        """Take the violations, of which there is one at least."""
        self.violations = tuple(violations)
        if not self.violations:
            raise ValueError("a refusal says why")
        super().__init__(self.text)

    @property
    def reason(self) -> int:
        """The ErrorReason of the first violation."""
        return self.violations[0].reason

    @property
    def field(self) -> str:
        """The path of the field of the first violation; empty if it is about no field."""
        return self.violations[0].field

    @property
    def text(self) -> str:
        """The sentence of the first violation."""
        return self.violations[0].text

    @property
    def metadata(self) -> Mapping[str, str]:
        """What varies in the sentence of the first violation, by name."""
        return self.violations[0].metadata

    def under(self, prefix: str) -> "Refusal":
        """The same refusal, with the path of each field below `prefix`."""
        return Refusal(
            violation._replace(field=f"{prefix}.{violation.field}" if violation.field else prefix)
            for violation in self.violations
        )


def refuse(reason: int, text: str, field: str = "", **metadata: str) -> NoReturn:
    """Refuse for one reason."""
    raise Refusal([Violation(reason, field, text, metadata)])


def name_of(reason: int) -> str:
    """The name of an ErrorReason as an ErrorInfo gives it, such as `PART_NOT_FOUND`."""
    return pb.ErrorReason.Name(pb.ErrorReason.ValueType(reason)).removeprefix(_PREFIX)


def status_of(reason: int) -> str:
    """The name of the gRPC status code with which a reason is answered, as the contract says it."""
    value = pb.ErrorReason.DESCRIPTOR.values_by_number[reason]
    return str(value.GetOptions().Extensions[pb.status])


def quoted(text: str) -> str:
    """A caller's text as it stands in a sentence: quoted, cut short, harmless in a terminal."""
    shown = "".join(one if one.isprintable() else _escaped(one) for one in text[: _SHOWN + 1])
    return f"'{shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + '…'}'"


def listed(ids: Iterable[str]) -> str:
    """Ids as they stand in a sentence: the first few, and how many more there are."""
    names = list(ids)
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class ViolationList:
    """What is found wrong with a request, gathered to be told all at once."""

    def __init__(self) -> None:
        """Begin with nothing found."""
        self._violations: list[Violation] = []

    def add(self, reason: int, text: str, field: str, **metadata: str) -> None:
        """Add a violation; refuse at once when there are as many as anybody reads."""
        self._violations.append(Violation(reason, field, text, metadata))
        if len(self._violations) == MOST_VIOLATIONS:
            self.settle()

    def settle(self) -> None:
        """Refuse if anything was found."""
        if self._violations:
            raise Refusal(self._violations)


def not_found(id_: str) -> NoReturn:
    """Refuse a negotiation that is not there."""
    refuse(
        pb.ERROR_REASON_NEGOTIATION_NOT_FOUND,
        f"There is no negotiation '{id_}'.",
        negotiation=id_,
    )
