"""What is kept for as long as there is room for it. Pure."""

from collections import OrderedDict
from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class LruCache(Generic[_Key, _Value]):
    """Values by key, of so many bytes together at most: those used longest ago go first.

    The one put in last stays, whatever its size. Belongs to one thread, or is guarded by its owner.
    """

    def __init__(self, most: int) -> None:
        """Hold at most so many bytes."""
        self._most = most
        self._values: OrderedDict[_Key, tuple[_Value, int]] = OrderedDict()
        self.size = 0
        """How many bytes all that is held takes."""

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: _Key) -> bool:
        return key in self._values

    def held(self) -> list[_Key]:
        """What is held now, what was used longest ago first."""
        return list(self._values)

    def get(self, key: _Key) -> _Value | None:
        """The value of a key, which is used by this; None if it is not held."""
        known = self._values.get(key)
        if known is None:
            return None
        self._values.move_to_end(key)
        return known[0]

    def put(self, key: _Key, value: _Value, size: int) -> list[_Key]:
        """Hold a value that takes so many bytes by now; what there was no room for any more."""
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
        """Let go of a key, if it is held."""
        _, size = self._values.pop(key, (None, 0))
        self.size -= size

    def clear(self) -> None:
        """Let go of everything."""
        self._values.clear()
        self.size = 0
