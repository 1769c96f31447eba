"""Validation of the values of terms by type and qualifier. Pure."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler_service.domain.refusal import ViolationList, quoted

LONGEST_NUMBER = 40
"""The maximum length of a number in characters: beyond any sum of money."""

LONGEST_UNIT = 64
"""The maximum length of a unit in characters: a currency, or the counted item."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_CHOICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_NUMBERS = frozenset({pb.TERM_TYPE_MONEY, pb.TERM_TYPE_PERCENT, pb.TERM_TYPE_QUANTITY})
_ORDERED = _NUMBERS | {pb.TERM_TYPE_DATE}
_OF_ANY_TYPE = frozenset({pb.TERM_QUALIFIER_EXACT, pb.TERM_QUALIFIER_UNKNOWN})


class _Problem(NamedTuple):
    """An error of a term: the field, and a sentence."""

    field: str
    text: str


def check_terms(
    found: ViolationList, terms: Sequence[pb.Term], texts: Sequence[pb.TermText], path: str
) -> None:
    """Add a violation for each invalid term of an entry, and for each invalid text of a term."""
    if not terms and not texts:
        return
    seen: set[bytes] = set()
    expected: set[tuple[str, str]] = set()
    given = [(one.key, one.variant) for one in texts]
    for place, term in enumerate(terms):
        here = f"{path}[{place}]"
        for field, text in _problems(term):
            found.add(pb.ERROR_REASON_TERM_INVALID, text, f"{here}.{field}", key=term.key)
        in_words = term.type == pb.TERM_TYPE_TEXT and term.qualifier != pb.TERM_QUALIFIER_UNKNOWN
        same = term.SerializeToString(deterministic=True)
        if same in seen or (in_words and (term.key, term.variant) in expected):
            text = f"The term {quoted(term.key)} occurs twice. Alternatives differ in their value."
            found.add(pb.ERROR_REASON_DUPLICATE, text, here, key=term.key)
        seen.add(same)
        if in_words:
            expected.add((term.key, term.variant))
            if (term.key, term.variant) not in given:
                text = f"The term {quoted(term.key)} has no text. Add it to words.term_texts."
                found.add(pb.ERROR_REASON_TERM_INVALID, text, f"{here}.value", key=term.key)
    for place, (key, variant) in enumerate(given):
        here = f"words.term_texts[{place}]"
        if (key, variant) not in expected:
            text = f"This text has no term {quoted(key)} of the type TEXT."
            found.add(pb.ERROR_REASON_TERM_INVALID, text, here, key=key)
        elif (key, variant) in given[:place]:
            text = f"The term {quoted(key)} has two texts. Leave one of them out."
            found.add(pb.ERROR_REASON_DUPLICATE, text, here, key=key)


def _problems(term: pb.Term) -> Iterator[_Problem]:
    kind, qualifier = term.type, term.qualifier
    if not kind or not qualifier:
        return  # check_fields reports missing fields
    if qualifier not in _OF_ANY_TYPE and kind not in _ORDERED:
        yield _Problem(
            "qualifier", "Only a number or a day can have this qualifier. Use EXACT or UNKNOWN."
        )
    yield from _unit_problems(term)
    if len(term.per) > LONGEST_UNIT or not term.per.isprintable():
        yield _Problem("per", f"The unit is not {LONGEST_UNIT} printable characters or fewer.")
    if term.of and term.of_thing:
        yield _Problem("of_thing", "A term is of a participant or of a thing, not of both.")
    if qualifier == pb.TERM_QUALIFIER_UNKNOWN or kind == pb.TERM_TYPE_TEXT:
        text = (
            "A term of the type TEXT has no value here. Give it in words.term_texts."
            if kind == pb.TERM_TYPE_TEXT
            else "A term with the qualifier UNKNOWN has no value. Leave it out."
        )
        for field in ("value", "value_max"):
            if getattr(term, field):
                yield _Problem(field, text)
        return
    between = qualifier == pb.TERM_QUALIFIER_BETWEEN
    if term.value_max and not between:
        yield _Problem("value_max", "Only a term with the qualifier BETWEEN has a second value.")
    bad = [field for field in ("value", "value_max")[: 1 + between] if not _is_valid(term, field)]
    for field in bad:
        value = quoted(getattr(term, field))
        yield _Problem(field, f"The value {value} is not {_FORMATS.get(kind, 'known')}.")
    if (
        between
        and kind in _ORDERED
        and not bad
        and _order(term, "value_max") < _order(term, "value")
    ):
        yield _Problem("value_max", "The upper end of the range is below the lower end.")


def _unit_problems(term: pb.Term) -> Iterator[_Problem]:
    unit, unknown = term.unit, term.qualifier == pb.TERM_QUALIFIER_UNKNOWN
    if term.type == pb.TERM_TYPE_MONEY:
        if not _CURRENCY.fullmatch(unit) and (unit or not unknown):
            yield _Problem("unit", f"The unit {quoted(unit)} is not a currency code such as EUR.")
    elif term.type == pb.TERM_TYPE_QUANTITY:
        if len(unit) > LONGEST_UNIT or not unit.isprintable():
            yield _Problem("unit", f"The unit is not {LONGEST_UNIT} printable characters or fewer.")
    elif unit:
        yield _Problem("unit", "Only the types MONEY and QUANTITY have a unit. Leave it out.")


_FORMATS = {
    pb.TERM_TYPE_MONEY: "a decimal number such as 12.50",
    pb.TERM_TYPE_PERCENT: "a decimal number such as 12.5",
    pb.TERM_TYPE_QUANTITY: "a decimal number such as 12",
    pb.TERM_TYPE_ENUM: "a choice: letters, digits, '.', '_' or '-'",
    pb.TERM_TYPE_DATE: "a day such as 2023-07-01",
    pb.TERM_TYPE_BOOL: "true or false",
}


def _is_valid(term: pb.Term, field: str) -> bool:
    value, kind = getattr(term, field), term.type
    if kind in _NUMBERS:
        return len(value) <= LONGEST_NUMBER and bool(_NUMBER.fullmatch(value))
    if kind == pb.TERM_TYPE_DATE:
        return bool(_DAY.fullmatch(value)) and _in_calendar(value)
    if kind == pb.TERM_TYPE_BOOL:
        return value in {"true", "false"}
    return kind != pb.TERM_TYPE_ENUM or bool(_CHOICE.fullmatch(value))


def _in_calendar(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def _order(term: pb.Term, field: str) -> Decimal:
    value: str = getattr(term, field)
    return Decimal(value if term.type in _NUMBERS else value.replace("-", ""))
