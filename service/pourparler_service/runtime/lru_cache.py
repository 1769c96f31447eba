"""A cache with a limit in bytes, which evicts the least recently used values. Pure."""

from collections import OrderedDict
from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class LruCache(Generic[_Key, _Value]):
    """Values by key, up to a total size. It evicts the least recently used values.

    The last value put stays, whatever its size. Owned by one thread, or guarded by its owner.
    """

    def __init__(self, most: int) -> None:
        """Hold at most so many bytes."""
        self._most = most
        self._values: OrderedDict[_Key, tuple[_Value, int]] = OrderedDict()
        self.size = 0
        """The size of all values, in bytes."""

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: _Key) -> bool:
        return key in self._values

    def keys_by_age(self) -> list[_Key]:
        """Return the keys, the least recently used first."""
        return list(self._values)

    def get(self, key: _Key) -> _Value | None:
        """Return the value of a key and mark it as used; None if it is not cached."""
        known = self._values.get(key)
        if known is None:
            return None
        self._values.move_to_end(key)
        return known[0]

    def put(self, key: _Key, value: _Value, size: int) -> list[_Key]:
        """Cache a value of so many bytes. Return the keys that were evicted for it."""
        self.drop(key)
        self._values[key] = value, size
        self.size += size
        gone = []
        while self.size > self._most and len(self._values) > 1:
            other, (_, dropped) = self._values.popitem(last=False)
            self.size -= dropped
            gone.append(other)
        return gone

    def drop(self, key: _Key) -> None:
        """Drop a key, if it is cached."""
        _, size = self._values.pop(key, (None, 0))
        self.size -= size

    def clear(self) -> None:
        """Drop every key."""
        self._values.clear()
        self.size = 0
