"""Derived data: every holder that a service has is told of commits and of erasures."""

import asyncio
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pourparler_service.application import Application
from pourparler_service.config.settings import Settings
from pourparler_service.storage.derived_data import DerivedDataList

PACKAGES = ("pourparler_service", "tests", "test_derived_data")


def reached(root: object) -> Iterator[object]:
    """All objects of ours that an object holds, by whatever way."""
    seen: set[int] = set()
    waiting: list[object] = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, (list, tuple, set, frozenset)):
            waiting += one
        elif hasattr(one, "__self__"):  # a bound method, handed on in place of its object
            waiting.append(one.__self__)
        elif hasattr(one, "func") and hasattr(one, "args"):  # a partial function
            waiting += [one.func, one.args]
        elif type(one).__module__.partition(".")[0] in PACKAGES:
            yield one
            waiting += vars(one).values() if hasattr(one, "__dict__") else []
            slots = (name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ()))
            waiting += [getattr(one, name, None) for name in slots]


def holders(root: object) -> list[object]:
    """The objects that satisfy DerivedData, but for the list of them."""
    return [
        one
        for one in reached(root)
        if callable(getattr(one, "on_commit", None))
        and callable(getattr(one, "purge", None))
        and not isinstance(one, DerivedDataList)
    ]


def unregistered(application: Application) -> list[str]:
    registered = {id(one) for one in application.derived_data.holders}
    return sorted(type(one).__name__ for one in holders(application) if id(one) not in registered)


async def test_every_holder_of_derived_data_is_registered(tmp_path: Path) -> None:
    for settings in (Settings.in_memory(), Settings(data=tmp_path / "data")):
        application = Application(settings)
        try:
            names = [type(one).__name__ for one in application.derived_data.holders]
            found = {type(one).__name__ for one in holders(application)}

            assert unregistered(application) == []
            assert found == set(names)
            assert len(set(names)) == len(names)
        finally:
            application.close()
    # The order is that of the registration: sources first, waiting readers last.
    assert names == [
        "Snapshots",
        "CurrentNegotiations",
        "ScopeResolver",
        "FilteredStates",
        "ResponseCache",
        "NegotiationList",
        "Indexer",
        "SharedPages",
        "CommitNotifier",
    ]


class Forgotten:
    """A holder that a service is given, and that nobody registered."""

    def on_commit(self, ids: Collection[str]) -> None:
        """Never called."""

    def purge(self, id_: str) -> None:
        """Never called."""


async def test_a_holder_that_was_not_registered_is_found() -> None:
    """The test above would fail: however the holder is reached."""
    application = Application(Settings.in_memory())
    forgotten: Any = Forgotten()
    try:
        plants: list[tuple[object, object]] = [
            (application, forgotten),
            (application.states, {"deep": [forgotten]}),
            (application.search, forgotten.purge),
        ]
        for holder, planted in plants:
            assert unregistered(application) == []
            vars(holder)["planted"] = planted
            assert unregistered(application) == ["Forgotten"]
            del vars(holder)["planted"]
    finally:
        application.close()
        await asyncio.sleep(0)


def test_all_holders_are_told_in_their_order() -> None:
    told: list[tuple[str, object]] = []

    class Holder:
        def __init__(self, name: str) -> None:
            self.name = name

        def on_commit(self, ids: Collection[str]) -> None:
            told.append((self.name, set(ids)))

        def purge(self, id_: str) -> None:
            told.append((self.name, id_))

    both = DerivedDataList([Holder("first"), Holder("second")])
    both.on_commit(["a", "b"])
    both.purge("a")

    assert told == [("first", {"a", "b"}), ("second", {"a", "b"}), ("first", "a"), ("second", "a")]
