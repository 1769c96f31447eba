"""Entries reduced to what a viewer may see. Pure."""

from collections.abc import Callable, Iterable

from pourparler import v1 as pb
from pourparler.schema.wire import first_field
from pourparler_service.storage.interface import StoredEntry


def filtered(records: Iterable[StoredEntry], shows: Callable[[int], bool]) -> list[StoredEntry]:
    """Return records, and the header alone of those whose version is hidden."""
    return [
        one if shows(one.version) else one._replace(data=header_only(one.data)) for one in records
    ]


def header_only(data: bytes) -> bytes:
    """Return the bytes of a Record with nothing but its header, which still verifies."""
    return first_field(data, pb.Record.HEADER_FIELD_NUMBER)
