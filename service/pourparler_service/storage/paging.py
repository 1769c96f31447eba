"""Reading the stored entries of a negotiation page by page."""

from collections.abc import Iterator

from pourparler_service.runtime.cooperative import yielding
from pourparler_service.storage.interface import EventReader, StoredEntry

_STEP = 256


def stored(
    store: EventReader, id_: str, *, after: int = 0, upto: int | None = None, in_haste: bool = False
) -> Iterator[StoredEntry]:
    """Return the entries above the version `after`, up to `upto` inclusive, or up to the last one.

    It pauses for other threads, unless `in_haste`. Up to the last one, it ends with a whole group:
    the last page is read as the store is then.
    """
    while upto is None or after < upto:
        step = store.read(id_, after=after, upto=upto, limit=_STEP)
        yield from step if in_haste else yielding(step)
        if len(step) < _STEP:
            return
        after = step[-1].version
