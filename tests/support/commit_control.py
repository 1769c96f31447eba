"""The commits of a service in this process, as a test holds them and lets them fail."""

import sqlite3
import threading

import pytest
from eventsourcing.sqlite import SQLiteConnection

_SECONDS = 60


class Commits:
    """The commits of the writer: the next one is held when the test says so, and ends as it says.

    The transaction is open, with all that is to be committed in it.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._held = threading.Event()
        self._go_on = threading.Event()
        self._wanted = False
        self._before = self._after = ""
        commit = SQLiteConnection.commit

        def held(connection: SQLiteConnection) -> None:
            if threading.current_thread().name != "writer" or not self._wanted:
                commit(connection)
                return
            self._wanted = False
            self._held.set()
            assert self._go_on.wait(_SECONDS)
            if self._before:
                raise sqlite3.OperationalError(self._before)
            commit(connection)
            if self._after:
                raise sqlite3.OperationalError(self._after)

        monkeypatch.setattr(SQLiteConnection, "commit", held)

    def hold(self) -> None:
        """Hold the next one."""
        self._held.clear()
        self._go_on.clear()
        self._wanted = True

    def wait(self) -> None:
        """Wait until one is held."""
        assert self._held.wait(_SECONDS)

    def go_on(self, *, before: str = "", after: str = "") -> None:
        """Let the one that is held be made, or fail before or after that."""
        self._before, self._after = before, after
        self._go_on.set()
