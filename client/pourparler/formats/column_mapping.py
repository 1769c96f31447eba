"""A column mapping: a TOML file that maps the rows of another table to drafts.

The parser is strict: it reports a mistake before any entry is recorded.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from pourparler import v1 as pb
from pourparler.drafts.values import choice, negotiation_name
from pourparler.formats.draft_lines import BadLineError, compact
from pourparler.schema.contract import ENTRY_TYPES, is_repeated

_LARGEST = 1 << 20
_TOP = {"negotiation", "separator", "entries", "values"}
_ENTRY = {"when", "set", "columns"}
_TIME = "google.protobuf.Timestamp"


class BadMappingError(ValueError):
    """A mapping is not valid; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a draft that a cell fills: its path, and the parser of its text."""

    path: tuple[str, ...]
    repeated: bool
    read: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of row: its condition, its constant fields, and its columns."""

    when: Mapping[str, str]
    fixed: Mapping[_Field, str]
    columns: Mapping[_Field, str]


def read(file: BinaryIO) -> Callable[[Mapping[str, str]], bytes]:
    """Return the function that maps a row to a line. Raises BadMappingError."""
    data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise BadMappingError(f"The mapping is longer than {_LARGEST:,} bytes.")
    try:
        said = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise BadMappingError(f"The mapping is not TOML: {error}.") from None
    _known(said, _TOP, "The mapping")
    negotiation, separator = said.get("negotiation", ""), said.get("separator", ";")
    if not isinstance(negotiation, str) or not isinstance(separator, str) or not separator:
        raise BadMappingError("The members negotiation and separator have to be text.")
    names = _tables(said.get("values", {}), "values")
    kinds = [_kind(one) for one in _list(said.get("entries"))]

    def line(cells: Mapping[str, str]) -> bytes:
        kind = next((one for one in kinds if _meets(one, cells)), None)
        if kind is None:
            raise BadLineError("The row is of no kind that the mapping has.")
        draft: dict[str, Any] = {}
        for field, text in kind.fixed.items():
            _put(draft, field, _parts(field, text, separator), "the mapping")
        for field, column in kind.columns.items():
            if column not in cells:
                raise BadLineError(f"The table has no such column (column {column}).")
            parts = _parts(field, cells[column], separator)
            known = names.get(column, {})
            _put(draft, field, [known.get(one, one) for one in parts], column)
        address = {"negotiation": negotiation_name(negotiation)} if negotiation else {}
        return compact(address | draft).encode()

    return line


def _meets(kind: _Kind, cells: Mapping[str, str]) -> bool:
    return all(cells.get(column) == value for column, value in kind.when.items())


def _parts(field: _Field, cell: str, separator: str) -> list[str]:
    parts = [one.strip() for one in cell.split(separator)] if field.repeated else [cell]
    return [one for one in parts if one]


def _put(draft: dict[str, Any], field: _Field, parts: Sequence[str], column: str) -> None:
    """Set a field of a draft from a cell; an empty cell sets nothing."""
    try:
        values = [field.read(one) for one in parts]
    except ValueError as error:
        raise BadLineError(f"{error} (column {column})") from None
    if not values:
        return
    place = draft
    for name in field.path[:-1]:
        place = place.setdefault(name, {})
    place[field.path[-1]] = values if field.repeated else values[0]


def _kind(said: object) -> _Kind:
    if not isinstance(said, dict):
        raise BadMappingError("The member entries has to be a list of tables.")
    _known(said, _ENTRY, "An entry of the mapping")
    texts = _tables(said, "an entry of the mapping")
    fixed, columns = texts.get("set", {}), texts.get("columns", {})
    twice = fixed.keys() & columns.keys()
    if twice:
        raise BadMappingError(f"The mapping fills {min(twice)} twice.")
    kind = _Kind(
        texts.get("when", {}),
        {_field(path): text for path, text in fixed.items()},
        {_field(path): column for path, column in columns.items()},
    )
    events = {
        field.path[1]
        for field in (*kind.fixed, *kind.columns)
        if field.path[0] == "facts" and field.path[1] in ENTRY_TYPES
    }
    if len(events) != 1:
        raise BadMappingError("An entry of the mapping has to fill fields of one type of entry.")
    return kind


def _field(path: str) -> _Field:
    """Return the field of a draft at a path, such as `facts.provenance.basis`."""
    names = tuple(path.split("."))
    descriptor: Descriptor | None = pb.Draft.DESCRIPTOR
    field: FieldDescriptor | None = None
    for name in names:
        field = descriptor.fields_by_name.get(name) if descriptor is not None else None
        if field is None or (name != names[-1] and is_repeated(field)):
            raise BadMappingError(f"A draft has no field {path} that a cell can fill.")
        descriptor = field.message_type
    if field is None or (descriptor is not None and descriptor.full_name != _TIME):
        raise BadMappingError(f"The field {path} is not one that a cell can fill.")
    return _Field(names, is_repeated(field), _reader(field))


def _reader(field: FieldDescriptor) -> Callable[[str], Any]:
    enum = field.enum_type
    if enum is not None:
        plain = getattr(pb, enum.name)
        prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
        return lambda text: choice(plain, text.removeprefix(prefix))
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _truth
    if field.cpp_type in {FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64}:
        return _number
    return str


def _truth(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError(f"{text[:60]!r} is not true or false.")
    return text.lower() == "true"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 19:  # noqa: PLR2004 - 64 bits
        raise ValueError(f"{text[:60]!r} is not a whole number.")
    return int(text)


def _tables(said: object, where: str) -> Mapping[str, Mapping[str, str]]:
    if not isinstance(said, dict):
        raise BadMappingError(f"The member {where} has to be a table.")
    for name, table in said.items():
        if not isinstance(table, dict) or not all(isinstance(one, str) for one in table.values()):
            raise BadMappingError(f"In {where}, {name} has to be a table of texts.")
    return said


def _list(said: object) -> Sequence[object]:
    if not isinstance(said, list) or not said:
        raise BadMappingError("The mapping has no entries.")
    return said


def _known(said: Mapping[str, object], known: set[str], what: str) -> None:
    unknown = said.keys() - known
    if unknown:
        raise BadMappingError(f"{what} has no member {min(unknown)}.")
