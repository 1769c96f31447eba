"""The line before the writer: whose turn it is, and who finds no room."""

import threading
from collections.abc import Iterable

import pytest

from pourparler import v1 as pb
from pourparler_service.domain.refusal import RefusalError
from pourparler_service.writes.write_queue import BATCH_ENTRIES, WriteQueue


class One:
    """Somebody who waits."""

    def __init__(self, said: str, *, entries: int = 1, gave_up: bool = False) -> None:
        self.said = said
        self._entries = entries
        self._gave_up = gave_up

    def entries(self) -> int:
        return self._entries

    def start(self) -> bool:
        return not self._gave_up


def join(line: WriteQueue[One], name: str, *said: str) -> None:
    for one in said:
        line.put(name, One(one))


def said(batch: Iterable[One]) -> list[str]:
    return [one.said for one in batch]


def refused(line: WriteQueue[One], name: str) -> int:
    with pytest.raises(RefusalError) as error:
        line.put(name, One("late"))
    return error.value.reason


def test_each_name_has_its_turn_and_keeps_its_order() -> None:
    line: WriteQueue[One] = WriteQueue()
    join(line, "many", "m1", "m2", "m3", "m4")
    join(line, "few", "f1")
    join(line, "some", "s1", "s2")

    assert said(line.take_batch()) == ["m1", "f1", "s1", "m2", "s2", "m3", "m4"]


def test_who_hands_in_much_waits_behind_himself_alone() -> None:
    line: WriteQueue[One] = WriteQueue()
    for number in range(3):
        line.put("much", One(f"m{number}", entries=BATCH_ENTRIES - 1))
    join(line, "little", "l1")

    assert said(line.take_batch()) == ["m0", "l1"]
    assert said(line.take_batch()) == ["m1", "m2"]


def test_one_is_taken_whatever_its_size() -> None:
    line: WriteQueue[One] = WriteQueue()
    line.put("a", One("whole", entries=10 * BATCH_ENTRIES))
    line.put("a", One("next"))

    assert said(line.take_batch()) == ["whole"]


def test_who_gave_up_is_passed_over() -> None:
    line: WriteQueue[One] = WriteQueue()
    line.put("a", One("gone", gave_up=True))
    line.put("a", One("here"))

    assert said(line.take_batch()) == ["here"]
    assert len(line) == 0


def test_no_name_takes_the_room_of_the_others() -> None:
    line: WriteQueue[One] = WriteQueue(4, 2)
    assert not line.is_crowded("greedy")
    join(line, "greedy", "g1")
    assert line.is_crowded("greedy")
    assert not line.is_crowded("modest")
    join(line, "greedy", "g2")

    assert refused(line, "greedy") == pb.ERROR_REASON_OVERLOADED
    join(line, "modest", "m1")
    assert line.is_crowded("anybody")


def test_a_full_line_has_room_for_nobody_until_some_are_taken() -> None:
    line: WriteQueue[One] = WriteQueue(4, 2)
    join(line, "a", "a1", "a2")
    join(line, "b", "b1", "b2")

    assert refused(line, "c") == pb.ERROR_REASON_OVERLOADED
    assert len(line.take_batch()) == 4
    join(line, "c", "c1")


def test_a_closed_line_is_emptied_and_nobody_joins() -> None:
    line: WriteQueue[One] = WriteQueue()
    join(line, "a", "a1")
    line.close()

    assert refused(line, "a") == pb.ERROR_REASON_SHUTTING_DOWN
    assert said(line.take_batch()) == ["a1"]
    assert line.take_batch() == []


def test_who_takes_waits_for_somebody_to_come() -> None:
    line: WriteQueue[One] = WriteQueue()
    taken: list[str] = []
    taker = threading.Thread(target=lambda: taken.extend(said(line.take_batch())))
    taker.start()
    join(line, "a", "a1")
    taker.join(10)

    assert taken == ["a1"]


def test_those_who_were_answered_together_are_taken_together_again() -> None:
    line: WriteQueue[One] = WriteQueue()
    join(line, "a", "a1", "a2", "a3")
    assert len(line.take_batch()) == 3

    came = threading.Thread(target=lambda: join(line, "b", "b2", "b3"))
    join(line, "b", "b1")
    came.start()
    came.join(10)

    assert said(line.take_batch()) == ["b1", "b2", "b3"]
