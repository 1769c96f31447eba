"""Every implementation of notifications tells each listener of each commit."""

import threading

from pourparler_service.application import Backend


def test_every_listener_is_told_of_own_commits_before_publish_returns(backend: Backend) -> None:
    notifications = backend.notifications()
    first: list[set[str]] = []
    second: list[set[str]] = []
    notifications.listen(lambda ids: first.append(set(ids)))
    notifications.publish(["a"])
    notifications.listen(lambda ids: second.append(set(ids)))

    notifications.publish(["b", "c"])

    assert first == [{"a"}, {"b", "c"}]
    assert second == [{"b", "c"}]


def test_without_listeners_nothing_happens(backend: Backend) -> None:
    backend.notifications().publish(["a"])


def test_commits_of_several_threads_are_all_told_of(backend: Backend) -> None:
    notifications = backend.notifications()
    heard: list[str] = []
    notifications.listen(heard.extend)

    def publish(mark: str) -> None:
        for number in range(50):
            notifications.publish([f"{mark}{number}"])

    threads = [threading.Thread(target=publish, args=(mark,)) for mark in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(heard) >= {f"{mark}{n}" for mark in "abcd" for n in range(50)}
