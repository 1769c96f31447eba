"""The table of subject keys in memory."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from pourparler import v1 as pb
from pourparler_service.storage.key_table import ErasureIntent, WrappedKey

_Value = TypeVar("_Value")


class MemoryKeyTable:
    """A SubjectKeyTable that is lost with the process."""

    name = "memory"

    def __init__(self) -> None:
        self._master_key_id = ""
        # The keys by negotiation, by person, and by number.
        self._keys: dict[str, dict[str, list[WrappedKey]]] = {}
        self._erasures: dict[str, tuple[ErasureIntent, bool]] = {}  # by name, and if it is done
        self._undo: list[Callable[[], object]] = []  # what the transaction that runs has done

    @property
    def master_key_id(self) -> str:
        """As SubjectKeyTable says."""
        return self._master_key_id if self._keys else ""

    def set_master_key_id(self, key_id: str) -> None:
        """As SubjectKeyTable says."""
        self._undo.append(partial(setattr, self, "_master_key_id", self._master_key_id))
        self._master_key_id = key_id

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """As SubjectKeyTable says."""
        self._undo = []
        try:
            yield
        except BaseException:
            for undo in reversed(self._undo):
                undo()
            raise

    def newest(self, negotiation: str, participant: str) -> WrappedKey | None:
        """As SubjectKeyTable says."""
        found = self._of(negotiation, participant)
        return found[-1] if found else None

    def find(self, negotiation: str, participant: str, number: int) -> WrappedKey | None:
        """As SubjectKeyTable says."""
        found = self._of(negotiation, participant)
        return next((key for key in found if key.number == number), None)

    def keys(self, negotiation: str | None = None) -> list[WrappedKey]:
        """As SubjectKeyTable says."""
        ids = self._keys if negotiation is None else [negotiation]
        return [
            key
            for id_ in ids
            for found in self._keys.get(id_, {}).values()
            for key in found
            if key.wrapped is not None
        ]

    def add(self, key: WrappedKey) -> None:
        """As SubjectKeyTable says."""
        found = self._of(key.negotiation, key.participant)
        self._put(key.negotiation, key.participant, [*found, key])

    def replace(self, key: WrappedKey) -> None:
        """As SubjectKeyTable says."""
        found = self._of(key.negotiation, key.participant)
        replaced = [key if one.number == key.number else one for one in found]
        self._put(key.negotiation, key.participant, replaced)

    def destroy(self, negotiation: str, participant: str) -> int:
        """As SubjectKeyTable says."""
        found = self._of(negotiation, participant)
        if found:
            destroyed = [key._replace(wrapped=None) for key in found]
            self._put(negotiation, participant, destroyed)
        return sum(key.wrapped is not None for key in found)

    def _of(self, negotiation: str, participant: str) -> list[WrappedKey]:
        return self._keys.get(negotiation, {}).get(participant, [])

    def _put(self, negotiation: str, participant: str, keys: list[WrappedKey]) -> None:
        persons = self._keys.setdefault(negotiation, {})
        self._undo.append(partial(_restore, persons, participant, persons.get(participant)))
        persons[participant] = keys

    def add_erasure(self, intent: ErasureIntent) -> None:
        """As SubjectKeyTable says."""
        self.save_erasure(intent, done=False)

    def save_erasure(self, intent: ErasureIntent, *, done: bool) -> None:
        """As SubjectKeyTable says."""
        name = intent.erasure.name
        self._undo.append(partial(_restore, self._erasures, name, self._erasures.get(name)))
        self._erasures[name] = _copied(intent), done

    def erasure(self, name: str) -> ErasureIntent | None:
        """As SubjectKeyTable says."""
        found = self._erasures.get(name)
        return _copied(found[0]) if found else None

    def requested(self, caller: str, request_id: str) -> ErasureIntent | None:
        """As SubjectKeyTable says."""
        for intent, _ in self._erasures.values():
            if (intent.caller, intent.request_id) == (caller, request_id):
                return _copied(intent)
        return None

    def unfinished(self) -> list[ErasureIntent]:
        """As SubjectKeyTable says."""
        return [_copied(intent) for intent, done in self._erasures.values() if not done]

    def close(self) -> None:
        """As SubjectKeyTable says."""


def _copied(intent: ErasureIntent) -> ErasureIntent:
    """Return an intent that its holder may change."""
    erasure = pb.Erasure()
    erasure.CopyFrom(intent.erasure)
    return intent._replace(erasure=erasure)


def _restore(held: dict[str, _Value], name: str, value: _Value | None) -> None:
    if value is None:
        del held[name]
    else:
        held[name] = value
