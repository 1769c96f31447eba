"""The stored entries of a negotiation, a page at a time."""

from collections.abc import Iterator

from pourparler_service.runtime.cooperative import paced
from pourparler_service.storage.interface import EventReader, StoredEntry

_STEP = 256


def stored(
    store: EventReader, id_: str, *, after: int = 0, upto: int | None = None, in_haste: bool = False
) -> Iterator[StoredEntry]:
    """The entries above the version `after`, up to and including `upto`, or to the last one.

    With pauses, unless in haste. What ends at the last one ends with a whole group: the last step
    reads it as it is then.
    """
    while upto is None or after < upto:
        step = store.read(id_, after=after, upto=upto, limit=_STEP)
        yield from step if in_haste else paced(step)
        if len(step) < _STEP:
            return
        after = step[-1].version
