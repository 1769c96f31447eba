"""Python values as values of the contract. Pure: no I/O, no clock."""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol, TypedDict, TypeVar, Unpack

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema.contract import TALLY_COUNTS, entry_type

Ref = str | pb.Draft
"""A part of the negotiation: its id, or the draft that introduces it."""

Refs = Ref | Iterable[Ref]
"""One part or several."""

When = date | datetime | str | pb.FuzzyDate
"""A date: a day, an instant with its time zone, or EDTF (`2023-41`)."""

Number = int | str | Decimal
"""An exact number; a float is not accepted, because it is not exact."""

Choice = int | str
"""A value of an enum, or its name in lower case without the prefix: `wants`, `red_line`."""

Audience = str | Iterable[Ref] | pb.Visibility
"""The visibility of an entry: `public`, `parties` or `recorder`, or a list of participants."""

Point = int | datetime | pb.AsOf
"""A point in the record: a version, a record time, or `as_of(...)`."""

_V_co = TypeVar("_V_co", bound=int, covariant=True)


class _Enum(Protocol[_V_co]):
    @property
    def DESCRIPTOR(self) -> EnumDescriptor: ...  # noqa: N802 (protobuf's name)

    def Value(self, name: str) -> _V_co: ...  # noqa: N802 (protobuf's name)


def choice(enum: _Enum[_V_co], given: Choice) -> _V_co:
    """Return an enum value by its name or number. Raises ValueError, which lists all names."""
    names = [value.name for value in enum.DESCRIPTOR.values]
    prefix = names[0].removesuffix("UNSPECIFIED")
    plain = {name.removeprefix(prefix).lower(): name for name in names[1:]}
    if isinstance(given, int):
        number = enum.DESCRIPTOR.values_by_number.get(given)
        if number is not None:
            return enum.Value(number.name)
    else:
        name = plain.get(given.lower().replace(" ", "_").replace("-", "_"))
        if name is not None:
            return enum.Value(name)
    kind = enum.DESCRIPTOR.name
    raise ValueError(f"{given!r} is no {kind}: give one of {', '.join(plain)}.")


def ref(given: Ref) -> str:
    """Return the id of a part, from the id or from the draft that introduces the part."""
    if isinstance(given, str):
        return given
    kind = entry_type(given.facts)
    if kind is None or kind.introduces is None:
        raise ValueError(
            f"A draft of {kind.title if kind else 'nothing'} introduces no part: "
            "pass the id of a part."
        )
    return str(getattr(getattr(given.facts, kind.name), kind.introduces.name))


def refs(given: Refs) -> list[str]:
    """Return the ids of one part or several."""
    return [ref(given)] if isinstance(given, str | pb.Draft) else [ref(one) for one in given]


def instant(when: datetime) -> Timestamp:
    """Return an instant. Raises ValueError if the datetime has no time zone."""
    if when.tzinfo is None:
        raise ValueError(f"{when!r} has no time zone: add one, as in datetime.now(UTC).")
    stamp = Timestamp()
    stamp.FromDatetime(when)
    return stamp


def fuzzy(when: When | None) -> pb.FuzzyDate | None:
    """Return a date of the contract; None is an unknown date."""
    if when is None or isinstance(when, pb.FuzzyDate):
        return when
    if isinstance(when, datetime):
        return pb.FuzzyDate(instant=instant(when))
    return pb.FuzzyDate(edtf=edtf(when))


def edtf(when: date | str) -> str:
    """Return a day, or a date in EDTF, as EDTF (ISO 8601-2)."""
    if isinstance(when, datetime):
        return instant(when).ToJsonString()
    return when if isinstance(when, str) else when.isoformat()


def as_of(
    version: int | None = None,
    *,
    record_time: datetime | None = None,
    occur_date: date | str | None = None,
) -> pb.AsOf:
    """Return a point in the record: a version or a record time, and an occurrence date."""
    return pb.AsOf(
        version=version,
        record_time=None if record_time is None else instant(record_time),
        occur_date="" if occur_date is None else edtf(occur_date),
    )


def point(given: Point | None, occurred: date | str | None = None) -> pb.AsOf | None:
    """Return the point of a read; None is now."""
    if given is None:
        return None if occurred is None else as_of(occur_date=occurred)
    if isinstance(given, pb.AsOf):
        if occurred is None:
            return given
        if given.occur_date:
            raise ValueError("Give the occurrence date once, not twice: in as_of or in occur_date.")
        given = pb.AsOf.FromString(given.SerializeToString())
        given.occur_date = edtf(occurred)
        return given
    if isinstance(given, int):
        return as_of(given, occur_date=occurred)
    return as_of(record_time=given, occur_date=occurred)


def negotiation_name(given: str) -> str:
    """Return the resource name of a negotiation (AIP-122): `negotiations/{id}`."""
    return given if given.startswith("negotiations/") else f"negotiations/{given}"


def visibility(given: Audience) -> pb.Visibility:
    """Return the visibility of an entry."""
    if isinstance(given, pb.Visibility):
        return given
    if isinstance(given, str):
        level = "recorder_only" if given == "recorder" else given
        return pb.Visibility(level=choice(pb.VisibilityLevel, level))
    return pb.Visibility(level=pb.VISIBILITY_LEVEL_RESTRICTED, audience=refs(given))


class Place(TypedDict, total=False):
    """The participants of a term: its object, holder, payer or performer, and target."""

    of: Ref
    held_by: Ref
    by: Ref
    into: Ref


class Meant(Place, total=False):
    """The parts of a term beside its value, and the qualifier of a value: one at most."""

    variant: str
    per: str
    of_thing: str

    up_to: Number | date
    at_least: Number | date
    more_than: Number | date
    less_than: Number | date
    between: tuple[Number | date, Number | date]
    about: Number | date


def only(given: Iterable[str], known: Collection[str], what: str) -> None:
    """Raise TypeError if a keyword argument has an unknown name."""
    unknown = ", ".join(repr(name) for name in given if name not in known)
    if unknown:
        raise TypeError(f"{what} takes no {unknown}. All take {', '.join(sorted(known))}.")


_MEANT = Meant.__optional_keys__
_QUALIFIERS = {
    "up_to": pb.TERM_QUALIFIER_UP_TO,
    "at_least": pb.TERM_QUALIFIER_AT_LEAST,
    "more_than": pb.TERM_QUALIFIER_MORE_THAN,
    "less_than": pb.TERM_QUALIFIER_LESS_THAN,
    "between": pb.TERM_QUALIFIER_BETWEEN,
    "about": pb.TERM_QUALIFIER_APPROX,
}


def term(
    key: str,
    type: Choice,  # noqa: A002 (the contract's word)
    value: Number | date | bool | None = None,  # noqa: FBT001 (a value of type BOOL)
    *,
    unit: str = "",
    **meant: Unpack[Meant],
) -> pb.Term:
    """Return a term: `term("end", "date", up_to="2023-07-01")`. The default value is UNKNOWN."""
    # A misspelt `up_to` would make a limit something that is not known.
    only(meant, _MEANT, "A term")
    given = {name: meant[name] for name in _QUALIFIERS if name in meant}  # type: ignore[literal-required]
    if len(given) + (value is not None) > 1:
        raise ValueError(f"The term {key!r} has more than one value.")
    qualifier, highest = pb.TERM_QUALIFIER_EXACT, None
    if given:
        ((name, value),) = given.items()
        qualifier = _QUALIFIERS[name]
        if name == "between":
            value, highest = meant["between"]
    elif value is None:
        qualifier = pb.TERM_QUALIFIER_UNKNOWN
    return pb.Term(
        key=key,
        type=choice(pb.TermType, type),
        qualifier=qualifier,
        value=_written(value),
        value_max=_written(highest),
        unit=unit,
        of=ref(meant.get("of", "")),
        held_by=ref(meant.get("held_by", "")),
        by=ref(meant.get("by", "")),
        into=ref(meant.get("into", "")),
        variant=meant.get("variant", ""),
        per=meant.get("per", ""),
        of_thing=meant.get("of_thing", ""),
    )


def money(
    key: str, amount: Number | None = None, currency: str = "", **meant: Unpack[Meant]
) -> pb.Term:
    """Return an amount in a currency (ISO 4217): `money("price", "12.50", "EUR")`."""
    return term(key, pb.TERM_TYPE_MONEY, amount, unit=currency, **meant)


def percent(key: str, amount: Number | None = None, **meant: Unpack[Meant]) -> pb.Term:
    """Return a share in percent: `percent("stake", more_than=50, of="ampere", held_by="a")`."""
    return term(key, pb.TERM_TYPE_PERCENT, amount, **meant)


def quantity(
    key: str, amount: Number | None = None, unit: str = "", **meant: Unpack[Meant]
) -> pb.Term:
    """Return a quantity: `quantity("water", 2, "package", held_by="alice")`."""
    return term(key, pb.TERM_TYPE_QUANTITY, amount, unit=unit, **meant)


def wording(key: str, text: str) -> pb.TermText:
    """Return a term of type TEXT: a clause in words."""
    return pb.TermText(key=key, text=text)


def source(
    id: str,  # noqa: A002 (the contract's word)
    kind: Choice,
    *,
    title: str = "",
    publisher: str = "",
    published: date | str = "",
    uri: str = "",
    locator: str = "",
    excerpt: str = "",
    digest: str = "",
    retrieved: datetime | None = None,
) -> pb.Source:
    """Return a source; `kind` is `primary`, `news`, `minutes` or `system`."""
    return pb.Source(
        id=id,
        kind=choice(pb.SourceKind, kind),
        title=title,
        publisher=publisher,
        published=edtf(published),
        uri=uri,
        locator=locator,
        excerpt=excerpt,
        digest=digest,
        retrieve_time=None if retrieved is None else instant(retrieved),
    )


def _written(value: Number | date | bool | None) -> str:  # noqa: FBT001 (a value of type BOOL)
    """Return the value of a term in the form of the contract."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return edtf(value)
    if isinstance(value, int | str):
        return str(value)
    raise TypeError(f"{value!r} is no exact number: give '0.1' or Decimal('0.1').")


def tally(*, declared: Choice | None = None, **counts: int | str) -> pb.Tally:
    """Return the counts of a vote: `tally(yes=202, no=432, declared="defeated")`.

    The counts are `yes`, `no`, `abstain`, `absent`, `paired` and `eligible`. A count that is left
    out is not known. Raises ValueError for another name.
    """
    unknown = counts.keys() - set(TALLY_COUNTS)
    if unknown:
        raise ValueError(f"A tally has no count {min(unknown)!r}.")
    result = pb.Tally()
    for name, count in counts.items():
        setattr(result, name, str(count))
    if declared is not None:
        result.declared = choice(pb.VoteResult, declared)
    return result
