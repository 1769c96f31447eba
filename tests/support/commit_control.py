"""Control over the commits of a service in this process: a test holds them or lets them fail."""

import sqlite3
import threading

import pytest
from eventsourcing.sqlite import SQLiteConnection

_SECONDS = 60


class Commits:
    """The commits of the writer: a test can hold the next one, and decide how it ends.

    While a commit is held, its transaction is open and contains all its changes.
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
        """Hold the next commit."""
        self._held.clear()
        self._go_on.clear()
        self._wanted = True

    def wait(self) -> None:
        """Wait until a commit is held."""
        assert self._held.wait(_SECONDS)

    def go_on(self, *, before: str = "", after: str = "") -> None:
        """Let the held commit succeed, or fail before or after it is made."""
        self._before, self._after = before, after
        self._go_on.set()
