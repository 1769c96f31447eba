"""Every data directory has an id and secrets of its own, and one holder."""

import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from pourparler_service.application import Backend
from pourparler_service.storage.data_directory import DataDirectoryInUseError
from pourparler_service.storage.interface import RecordDirectory


def test_a_secret_is_the_same_each_time_and_another_for_each_name(backend: Backend) -> None:
    with closing(backend.directory()) as directory:
        secret = directory.secret("pages")

        assert len(secret) == 32
        assert directory.secret("pages") == secret
        assert directory.secret("cursors") != secret
        assert directory.log_id
        assert directory.path is None or directory.path.is_dir()


def test_a_secret_that_many_ask_for_at_once_is_one(backend: Backend) -> None:
    found: list[bytes] = []
    with closing(backend.directory()) as directory:
        threads = [
            threading.Thread(target=lambda: found.append(directory.secret("pages")))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert set(found) == {directory.secret("pages")}
    assert len(found) == 8


def test_the_id_and_the_secrets_stay(reopened: Callable[[], Backend]) -> None:
    def known(directory: RecordDirectory) -> tuple[str, bytes]:
        with closing(directory):
            return directory.log_id, directory.secret("pages")

    assert known(reopened().directory()) == known(reopened().directory())


def test_a_directory_that_is_held_is_not_opened_again(reopened: Callable[[], Backend]) -> None:
    with closing(reopened().directory()), pytest.raises(DataDirectoryInUseError):
        reopened().directory()

    reopened().directory().close()
