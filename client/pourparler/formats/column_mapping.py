"""A column mapping: a TOML file that maps the rows of another table to drafts.

The parser is strict: it reports a mistake before any entry is recorded.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from pourparler import v1 as pb
from pourparler.drafts.values import negotiation_name
from pourparler.formats import table_options
from pourparler.formats.cell_values import Exact, reader_of
from pourparler.formats.column_terms import MEMBERS, REQUIRED, Column, ColumnTerm
from pourparler.formats.draft_lines import BadLineError, compact
from pourparler.formats.table_options import BadMappingError, TableOptions
from pourparler.schema.contract import ENTRY_TYPES, is_repeated

__all__ = ["BadMappingError", "ColumnMapping", "read"]

_LARGEST = 1 << 20
_TOP = {"negotiation", "separator", "entries", "values", "row_id"}
_ENTRY = {"when", "set", "columns", "terms"}
_TIME = "google.protobuf.Timestamp"
_DATE = pb.FuzzyDate.DESCRIPTOR.full_name
_SPEAKERS = ("facts", "statement_recorded", "speakers")

Plain = str | bool | int


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a draft that a cell fills: its path, and the parser of its text."""

    path: tuple[str, ...]
    repeated: bool
    read: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of row: its condition, its constant fields, its columns, and its terms."""

    when: Mapping[str, str]
    fixed: Mapping[_Field, Sequence[str]]
    columns: Mapping[_Field, str]
    event: str
    terms: Sequence[ColumnTerm]


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """The drafts of the rows of a table."""

    options: TableOptions
    _negotiation: str
    _separator: str
    _row_id: str
    _names: Mapping[str, Mapping[str, str]]
    _kinds: Sequence[_Kind]

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it reads."""
        found = {self._row_id} if self._row_id else set()
        for kind in self._kinds:
            found.update(kind.when, kind.columns.values())
            found.update(column for term in kind.terms for column in term.columns)
        return frozenset(found)

    def delivery(self, cells: Mapping[str, str]) -> str:
        """Return the identity of a row, or "". Raises BadLineError if it has none."""
        if not self._row_id:
            return ""
        found = _cell(cells, self._row_id).strip()
        if not found:
            raise BadLineError(f"The row has no identity (column {self._row_id}).")
        return f"row\n{found}"

    def line(self, cells: Mapping[str, str]) -> bytes:
        """Return the draft of a row as a line. Raises BadLineError, which names the column."""
        kind = next((one for one in self._kinds if _meets(one, cells)), None)
        if kind is None:
            raise BadLineError("The row is of no kind that the mapping has.")
        draft: dict[str, Any] = {}
        for field, parts in kind.fixed.items():
            _put(draft, field, parts, "the mapping")
        for field, column in kind.columns.items():
            _put(draft, field, self._parts(field, cells, column), column)
        self._put_terms(draft, kind, cells)
        event = draft.get("facts", {}).get("statement_recorded", {})
        if len(event.get("speakers", ())) > 1:
            event.setdefault("joint", True)
        address = {"negotiation": negotiation_name(self._negotiation)} if self._negotiation else {}
        return compact(address | draft).encode()

    def _parts(self, field: _Field, cells: Mapping[str, str], column: str) -> list[str]:
        cell = _cell(cells, column)
        known = self._names.get(column, {})
        if not field.repeated:
            return [known.get(cell.strip(), cell)] if cell else []
        parts = [one.strip() for one in cell.split(self._separator)]
        return [known.get(one, one) for one in parts if one]

    def _put_terms(self, draft: dict[str, Any], kind: _Kind, cells: Mapping[str, str]) -> None:
        def cell(column: str) -> str:
            found = _cell(cells, column)
            return self._names.get(column, {}).get(found.strip(), found)

        for one in kind.terms:
            read = one.read(cell, self.options.dates, self.options.numbers)
            if read is None:
                continue
            term, text = read
            event = draft.setdefault("facts", {}).setdefault(kind.event, {})
            event.setdefault("terms", []).append(term)
            if text:
                draft.setdefault("words", {}).setdefault("term_texts", []).append(text)


def read(file: BinaryIO) -> ColumnMapping:
    """Return the mapping in a file. Raises BadMappingError."""
    data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise BadMappingError(f"The mapping is longer than {_LARGEST:,} bytes.")
    try:
        said = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise BadMappingError(f"The mapping is not TOML: {error}.") from None
    _known(said, _TOP | table_options.MEMBERS, "The mapping")
    negotiation, separator = said.get("negotiation", ""), said.get("separator", ";")
    row_id = said.get("row_id", "")
    if not isinstance(negotiation, str) or not isinstance(separator, str) or not separator:
        raise BadMappingError("The members negotiation and separator have to be text.")
    if not isinstance(row_id, str):
        raise BadMappingError("The member row_id has to be the name of a column.")
    options = table_options.read(said)
    names = {
        column: {text: _plain(value) for text, value in table.items()}
        for column, table in _tables(said.get("values", {}), "values").items()
    }
    kinds = [_kind(one, options) for one in _list(said.get("entries"))]
    return ColumnMapping(options, negotiation, separator, row_id, names, kinds)


def _meets(kind: _Kind, cells: Mapping[str, str]) -> bool:
    return all(cells.get(column) == value for column, value in kind.when.items())


def _cell(cells: Mapping[str, str], column: str) -> str:
    if column not in cells:
        raise BadLineError(f"The table has no such column (column {column}).")
    return cells[column]


def _put(draft: dict[str, Any], field: _Field, parts: Sequence[str], column: str) -> None:
    """Set a field of a draft from a cell; an empty cell sets nothing."""
    try:
        values = [field.read(one) for one in parts if one]
    except ValueError as error:
        raise BadLineError(f"{error} (column {column})") from None
    if not values:
        return
    place = draft
    for name in field.path[:-1]:
        place = place.setdefault(name, {})
    place[field.path[-1]] = values if field.repeated else values[0]


def _kind(said: object, options: TableOptions) -> _Kind:
    if not isinstance(said, dict):
        raise BadMappingError("The member entries has to be a list of tables.")
    _known(said, _ENTRY, "An entry of the mapping")
    rest = {name: table for name, table in said.items() if name != "terms"}
    tables = _tables(rest, "an entry of the mapping")
    when = {column: _plain(value) for column, value in tables.get("when", {}).items()}
    fixed, columns = tables.get("set", {}), tables.get("columns", {})
    twice = fixed.keys() & columns.keys()
    if twice:
        raise BadMappingError(f"The mapping fills {min(twice)} twice.")
    by_field = {_field(path, options, ""): _constant(path, value) for path, value in fixed.items()}
    from_columns: dict[_Field, str] = {}
    for path, column in columns.items():
        if not isinstance(column, str):
            raise BadMappingError(f"The column of {path} has to be text.")
        from_columns[_field(path, options, column)] = column
    events = {
        field.path[1]
        for field in (*by_field, *from_columns)
        if field.path[0] == "facts" and field.path[1] in ENTRY_TYPES
    }
    if len(events) != 1:
        raise BadMappingError("An entry of the mapping has to fill fields of one type of entry.")
    (event,) = events
    return _Kind(when, by_field, from_columns, event, _terms(said.get("terms", []), event))


def _constant(path: str, value: Plain | list[str]) -> list[str]:
    if isinstance(value, list):
        if not is_repeated(_descriptor(path)):
            raise BadMappingError(f"The field {path} has one value, and no list of them.")
        return [Exact(one) for one in value]
    return [_plain(value)]


def _plain(value: object) -> Exact:
    """Return a constant of the mapping as the text of a cell."""
    if isinstance(value, bool):
        return Exact(str(value).lower())
    return Exact(value)


def _terms(said: object, event: str) -> Sequence[ColumnTerm]:
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        raise BadMappingError("The member terms of an entry has to be a list of tables.")
    if said and "terms" not in ENTRY_TYPES[event].descriptor.fields_by_name:
        raise BadMappingError(f"An entry of the type {event} has no terms.")
    return [_term(one) for one in said]


def _term(said: Mapping[str, object]) -> ColumnTerm:
    _known(said, set(MEMBERS), "A term of the mapping")
    for name in REQUIRED:
        if name not in said:
            raise BadMappingError(f"A term of the mapping has no {name}.")
    members: dict[str, Exact | Column] = {}
    for name, value in said.items():
        if isinstance(value, dict):
            column = value.get("column")
            if value.keys() != {"column"} or not isinstance(column, str):
                raise BadMappingError(f"The {name} of a term has to be text or {{ column = ... }}.")
            members[name] = Column(column)
        elif isinstance(value, Plain):
            members[name] = _plain(value)
        else:
            raise BadMappingError(f"The {name} of a term has to be text or {{ column = ... }}.")
    return ColumnTerm(members)


def _descriptor(path: str) -> FieldDescriptor:
    """Return the field of a draft at a path, such as `facts.provenance.basis`."""
    names = path.split(".")
    descriptor: Descriptor | None = pb.Draft.DESCRIPTOR
    field: FieldDescriptor | None = None
    for place, name in enumerate(names, 1):
        field = descriptor.fields_by_name.get(name) if descriptor is not None else None
        if field is None or (place < len(names) and is_repeated(field)):
            raise BadMappingError(f"A draft has no field {path} that a cell can fill.")
        descriptor = field.message_type
    if field is None:
        raise BadMappingError(f"A draft has no field {path} that a cell can fill.")
    return field


def _field(path: str, options: TableOptions, column: str) -> _Field:
    """Return the field of a draft at a path. A date is read as the table writes dates."""
    field, names = _descriptor(path), tuple(path.split("."))
    dates = options.dates_of(column)
    message = field.message_type.full_name if field.message_type is not None else ""
    container = field.containing_type.full_name if field.containing_type is not None else ""
    if container == _DATE and field.name == "edtf":
        return _Field(names[:-1], repeated=False, read=dates.fuzzy)
    if message == _DATE:
        return _Field(names, repeated=False, read=dates.fuzzy)
    if message == _TIME:
        return _Field(names, is_repeated(field), dates.instant)
    if message:
        raise BadMappingError(f"The field {path} is not one that a cell can fill.")
    return _Field(names, is_repeated(field), reader_of(field))


def _tables(said: object, where: str) -> Mapping[str, Mapping[str, Any]]:
    if not isinstance(said, dict):
        raise BadMappingError(f"The member {where} has to be a table.")
    for name, table in said.items():
        if not isinstance(table, dict) or not all(map(_is_constant, table.values())):
            raise BadMappingError(f"In {where}, {name} has to be a table of texts.")
    return said


def _is_constant(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    return isinstance(value, Plain)


def _list(said: object) -> Sequence[object]:
    if not isinstance(said, list) or not said:
        raise BadMappingError("The mapping has no entries.")
    return said


def _known(said: Mapping[str, object], known: set[str], what: str) -> None:
    unknown = said.keys() - known
    if unknown:
        raise BadMappingError(f"{what} has no member {min(unknown)}.")
