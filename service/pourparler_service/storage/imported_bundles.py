"""The records of imported bundles, stored beside the entries of a copy."""

from pourparler import v1 as pb
from pourparler_service.storage.interface import COPIES, EventStore


def imports_of(store: EventStore, id_: str) -> list[pb.Copy]:
    """Return the imported bundles of a copy, the oldest first; none if it is no copy."""
    return [pb.Copy.FromString(one.data) for one in store.read(COPIES + id_)]
