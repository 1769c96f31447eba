"""What is kept for as long as there is room."""

from pourparler_service.runtime.lru_cache import LruCache


def test_what_was_used_longest_ago_goes_first() -> None:
    held: LruCache[str, int] = LruCache(30)
    for place, key in enumerate("abc"):
        held.put(key, place, 10)
    assert held.get("a") == 0

    held.put("d", 3, 10)

    assert [key in held for key in "abcd"] == [True, False, True, True]
    assert (len(held), held.size) == (3, 30)


def test_what_grows_makes_others_go() -> None:
    held: LruCache[str, int] = LruCache(30)
    held.put("a", 1, 10)
    held.put("b", 2, 10)

    held.put("b", 3, 25)

    assert held.get("a") is None
    assert held.get("b") == 3
    assert held.size == 25


def test_the_last_one_stays_whatever_its_size() -> None:
    held: LruCache[str, int] = LruCache(30)
    held.put("a", 1, 10)

    held.put("b", 2, 1_000)

    assert (len(held), held.size) == (1, 1_000)
    held.put("c", 3, 10)
    assert (len(held), held.size) == (1, 10)


def test_what_is_let_go_takes_no_room() -> None:
    held: LruCache[str, int] = LruCache(30)
    held.put("a", 1, 10)
    held.put("b", 2, 10)

    held.drop("a")
    held.drop("never there")

    assert (len(held), held.size) == (1, 10)
    held.clear()
    assert (len(held), held.size) == (0, 0)
