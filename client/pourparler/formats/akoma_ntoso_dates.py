"""The dates and times of an Akoma Ntoso document, and what follows from them. Pure."""

import re
from datetime import date, datetime
from typing import Any, NamedTuple

_ZONE = re.compile(r"(Z|[+-]\d\d:\d\d)$")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?=$|Z$|[+-]\d\d:\d\d$)")
_OTHER = {"generation", "markup", "publication", "recorded", "transformation"}
"""The names of dates of a document that are not the date of its sitting."""


class Occurred(NamedTuple):
    """A date or a time, as the field `occurred` of a draft."""

    date: dict[str, Any]
    is_exact: bool
    """False if the document says more than the field."""


def time_of(text: str) -> Occurred | None:
    """Return the field for a time of the document; None if it is no time."""
    text = text.strip()
    if _DATE.match(text):
        found = date_of(text)
        return Occurred({"edtf": found}, is_exact=True) if found else None
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    if _ZONE.search(text):
        return Occurred({"instant": text}, is_exact=True)
    # Without a zone the hour could be any: only the day is known.
    day = date_of(text[:10])
    return Occurred({"edtf": day}, is_exact=False) if day else None


def date_of(text: str) -> str:
    """Return a date of the document as a date of EDTF, or ""."""
    found = _DATE.match(text.strip())
    if found is None:
        return ""
    try:
        known = date.fromisoformat(found[0])
    except ValueError:
        return ""
    return found[0] if known.year > 1 else ""  # the year 1 stands for an unknown date


def is_of_sitting(name: str) -> bool:
    """Return True if a date of the work with this name is the date of the sitting."""
    return name.strip("# ").lower() not in _OTHER
