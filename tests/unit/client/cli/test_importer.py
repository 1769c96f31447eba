"""An import: which lines are tried, under which request ids, and what is told."""

import contextlib
import hashlib
import io
import json
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest
from hypothesis import given as any_
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.cli import interrupts
from pourparler.cli.input import import_lines, importer
from pourparler.cli.input.import_lines import request_id
from pourparler.cli.input.importer import Import, Summary
from pourparler.errors import FailedPreconditionError, PourparlerError, UnavailableError
from pourparler.formats.draft_lines import BadLineError, Read

_FIELDS = sorted(
    {
        field.name
        for message in (pb.Draft, pb.Facts, pb.Words, pb.Provenance, pb.FuzzyDate, pb.ProposalMade)
        for field in message.DESCRIPTOR.fields
    }
)


class Record:
    """A record that keeps what it is sent, and answers a repetition with its first receipt."""

    def __init__(self, refuse: Callable[[str], PourparlerError | None] = lambda _: None) -> None:
        self.entries: dict[str, list[tuple[str, str]]] = {}
        self._time = 0
        self._times: dict[tuple[str, str], int] = {}
        self._refuse = refuse
        self.begin(stop_on_failure=False)
        self._lock = threading.Lock()

    def begin(self, *, stop_on_failure: bool) -> None:
        self._stop_on_failure = stop_on_failure
        self._failed: set[str] = set()

    def now(self) -> int:
        self._time += 1
        return self._time

    def record(self, negotiation: str, draft: pb.Draft, request_id: str) -> Future[pb.Receipt]:
        answer: Future[pb.Receipt] = Future()
        refusal = self._refuse(draft.words.text)
        if negotiation in self._failed:
            answer.set_exception(FailedPreconditionError("In vain.", reason="EARLIER_NOT_RECORDED"))
            return answer
        if refusal is not None:
            if self._stop_on_failure:
                self._failed.add(negotiation)
            answer.set_exception(refusal)
            return answer
        with self._lock:
            entries = self.entries.setdefault(negotiation, [])
            if request_id not in [known for known, _ in entries]:
                entries.append((request_id, draft.words.text))
            time = self._times.setdefault((negotiation, request_id), self._time)
        entry = pb.Entry()
        entry.header.record_time.FromNanoseconds(time)
        answer.set_result(pb.Receipt(entries=[entry]))
        return answer

    def flush(self) -> None:
        """Nothing waits."""

    def said(self, negotiation: str) -> list[str]:
        return [text for _, text in self.entries.get(f"negotiations/{negotiation}", [])]


def line(negotiation: str, text: str) -> str:
    return json.dumps({"negotiation": f"negotiations/{negotiation}", "words": {"text": text}})


def run(
    record: Record,
    *lines: str | bytes,
    keep_going: bool = False,
    negotiation: str = "",
) -> tuple[Summary, list[tuple[int, str]]]:
    told: list[tuple[int, str]] = []
    data = b"".join((one if isinstance(one, bytes) else one.encode()) + b"\n" for one in lines)
    record.begin(stop_on_failure=not keep_going)
    summary = Import(
        record,
        negotiation=negotiation,
        keep_going=keep_going,
        refused=lambda number, error: told.append((number, str(error))),
    ).run(io.BytesIO(data))
    return summary, told


def test_the_request_id_of_a_line_is_permanent() -> None:
    said = b'negotiations/a\n2\n{"words": {}}'

    assert request_id("negotiations/a", 2, b'{"words": {}}') == (
        "import-" + hashlib.sha256(said).hexdigest()[:32]
    )


def test_lines_are_recorded_in_the_order_of_their_negotiation() -> None:
    record = Record()
    lines = [line("ab"[place % 2], str(place)) for place in range(200)]

    summary, told = run(record, *lines)

    assert record.said("a") == [str(place) for place in range(0, 200, 2)]
    assert record.said("b") == [str(place) for place in range(1, 200, 2)]
    assert (summary.recorded, summary.already_there, told) == (200, 0, [])
    assert summary.complete


def test_a_repeated_import_doubles_nothing_even_of_equal_lines() -> None:
    record = Record()
    lines = [line("a", "yes"), line("a", "yes"), line("b", "yes")]
    run(record, *lines[:2])

    summary, _ = run(record, *lines)

    assert (summary.recorded, summary.already_there) == (1, 2)
    assert record.said("a") == ["yes", "yes"]
    assert record.said("b") == ["yes"]


def test_blank_lines_are_passed_over_and_do_not_count() -> None:
    record = Record()

    run(record, line("a", "1"), "", "  ", line("a", "2"))
    summary, _ = run(record, line("a", "1"), line("a", "2"))

    assert summary.already_there == 2


def test_the_first_refusal_ends_it_after_all_lines_before_it() -> None:
    record = Record(
        lambda text: FailedPreconditionError("It may not be.") if text == "bad" else None
    )
    lines = [line(f"n{place % 7}", str(place)) for place in range(100)]
    lines[60] = line("n0", "bad")

    for _ in range(2):
        summary, told = run(record, *lines)
        assert told == [(61, "It may not be.")]
        assert sum(len(record.said(f"n{one}")) for one in range(7)) >= 60
        assert {str(place) for place in range(60)} <= {
            said for one in range(7) for said in record.said(f"n{one}")
        }
        assert not summary.complete


def test_a_line_that_is_no_draft_ends_it_only_after_all_lines_before_it() -> None:
    record = Record()

    summary, told = run(
        record, *(line("a", str(place)) for place in range(50)), "{", line("a", "x")
    )

    assert [number for number, _ in told] == [51]
    assert record.said("a") == [str(place) for place in range(50)]
    assert summary.refused == 1


def test_it_goes_on_after_refusals_if_it_is_told_to() -> None:
    record = Record(
        lambda text: FailedPreconditionError("It may not be.") if text == "bad" else None
    )

    summary, told = run(
        record, line("a", "1"), line("a", "bad"), "[", line("a", "2"), keep_going=True
    )

    assert record.said("a") == ["1", "2"]
    assert sorted(number for number, _ in told) == [2, 3]
    assert (summary.recorded, summary.refused) == (2, 2)


def test_a_mended_line_is_recorded_and_the_others_are_found_again() -> None:
    record = Record(
        lambda text: FailedPreconditionError("It may not be.") if text == "bad" else None
    )
    run(record, line("a", "1"), line("a", "bad"), line("a", "3"), keep_going=True)

    summary, told = run(record, line("a", "1"), line("a", "mended"), line("a", "3"))

    assert (summary.recorded, summary.already_there, told) == (1, 2, [])


def test_a_service_that_goes_away_ends_it_and_says_so() -> None:
    record = Record(lambda text: UnavailableError("It is gone.") if text == "5" else None)

    summary, told = run(record, *(line("a", str(place)) for place in range(100)))

    assert told == []
    assert isinstance(summary.away, UnavailableError)
    assert record.said("a") == ["0", "1", "2", "3", "4"]


def test_an_interruption_ends_it_with_what_is_under_way() -> None:
    record = Record()

    class Interrupted(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            said = super().readline(size)
            if b"stop" in said:
                raise KeyboardInterrupt
            return said

    data = "\n".join([line("a", "1"), line("a", "stop"), line("a", "3")])
    summary = Import(record, refused=lambda *_: None).run(Interrupted(data.encode()))

    assert summary.interrupted
    assert "3" not in record.said("a")


def test_an_interruption_comes_to_no_step_but_the_reading_of_a_line() -> None:
    class Interrupted(Record):
        def record(self, negotiation: str, draft: pb.Draft, request_id: str) -> Future[pb.Receipt]:
            signal.raise_signal(signal.SIGINT)
            return super().record(negotiation, draft, request_id)

    record = Interrupted()
    imported = Import(record, refused=lambda *_: None)
    lines = "\n".join(line("a", str(place)) for place in range(3))

    with interrupts.on_first_interrupt(imported.interrupt):
        summary = imported.run(io.BytesIO(lines.encode()))

    assert record.said("a") == ["0"]
    assert (summary.recorded, summary.interrupted) == (1, True)


def test_an_interruption_ends_the_wait_for_a_line() -> None:
    def waiting(_source: object) -> Iterator[Read]:
        yield Read(1, line("a", "1").encode(), 1)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("It went on.")

    record = Record()
    imported = Import(record, refused=lambda *_: None)
    with interrupts.on_first_interrupt(imported.interrupt):
        summary = imported.run(io.BytesIO(), waiting)

    assert record.said("a") == ["1"]
    assert (summary.recorded, summary.interrupted) == (1, True)


def test_the_second_interruption_is_as_always() -> None:
    told: list[str] = []

    def twice() -> None:
        with interrupts.on_first_interrupt(lambda: told.append("first")):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert told == ["first"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_wants_no_interruptions_has_none() -> None:
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.on_first_interrupt(lambda: pytest.fail("It was told.")):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, usual)


def test_a_fault_while_recording_is_not_lost() -> None:
    class Broken(Record):
        def record(self, negotiation: str, draft: pb.Draft, request_id: str) -> Future[pb.Receipt]:
            answer: Future[pb.Receipt] = Future()
            answer.set_exception(ZeroDivisionError())
            return answer

    with pytest.raises(ZeroDivisionError):
        run(Broken(), line("a", "1"), line("b", "2"))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        pytest.param(b"{", "is not JSON", id="not JSON"),
        pytest.param(b"\xff\xfe{}", "is not JSON", id="not UTF-8"),
        pytest.param(b"[]", "not an object", id="a list"),
        pytest.param(b"[" * 100_000, "nested too deeply", id="deep"),
        pytest.param(b"1" * 5_000, "is not JSON", id="a long number"),
        pytest.param(b'{"negotiation": 3}', "has to be text", id="a number as name"),
        pytest.param(b'{"negotiation": "a", "fact": {}}', "is not a draft", id="unknown field"),
        pytest.param(b'{"negotiation": "a", "words": 3}', "is not a draft", id="wrong type"),
        pytest.param(b'{"words": {}}', "does not say which negotiation", id="no negotiation"),
    ],
)
def test_a_line_that_is_no_draft_is_refused_with_its_number(said: bytes, why: str) -> None:
    summary, told = run(Record(), b"", said, keep_going=True)

    assert [number for number, _ in told] == [2]
    assert why in told[0][1]
    assert summary.refused == 1


def test_lines_that_name_no_negotiation_are_for_the_one_that_is_given() -> None:
    record = Record()

    _, told = run(
        record, '{"words": {"text": "1"}}', line("a", "2"), line("b", "3"), negotiation="a",
        keep_going=True,
    )  # fmt: skip

    assert record.said("a") == ["1", "2"]
    assert told == [(3, "The line is for negotiations/b, not for negotiations/a.")]


def test_a_line_without_end_is_refused_and_not_held_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importer, "LONGEST", 1_000)

    summary, told = run(Record(), "x" * 10_000, line("a", "1"), keep_going=True)

    assert told == [(1, "The line is longer than 1,000 bytes.")]
    assert summary.recorded == 1


def test_a_fault_while_telling_is_not_lost() -> None:
    def refused(number: int, error: Exception) -> None:
        raise BrokenPipeError

    record = Record(lambda _: FailedPreconditionError("It may not be."))

    with pytest.raises(BrokenPipeError):
        Import(record, refused=refused).run(io.BytesIO(line("a", "1").encode()))


def test_what_is_under_way_when_the_first_is_refused_is_told_too_but_not_what_follows_it() -> None:
    answers: list[Future[pb.Receipt]] = []

    class Late(Record):
        def record(self, negotiation: str, draft: pb.Draft, request_id: str) -> Future[pb.Receipt]:
            answers.append(super().record(negotiation, draft, request_id))
            later: Future[pb.Receipt] = Future()
            if len(answers) == 5:
                for answer, promised in zip(answers, [*promises, later], strict=True):
                    threading.Thread(target=tell, args=(answer, promised)).start()
            promises.append(later)
            return later

    promises: list[Future[pb.Receipt]] = []

    def tell(answer: Future[pb.Receipt], later: Future[pb.Receipt]) -> None:
        error = answer.exception()
        if error is not None:
            later.set_exception(error)
        else:
            later.set_result(answer.result())

    record = Late(lambda text: FailedPreconditionError("It may not be.") if text == "bad" else None)

    summary, told = run(
        record,
        *(line("a", "1"), line("a", "bad"), line("a", "3"), line("b", "bad"), line("c", "5")),
    )

    assert sorted(number for number, _ in told) == [2, 4]
    assert (record.said("a"), record.said("b"), record.said("c")) == (["1"], [], ["5"])
    assert (summary.recorded, summary.refused) == (2, 2)


def test_the_service_that_goes_away_is_told_once_for_all_that_was_under_way() -> None:
    class Gone(Record):
        def record(self, negotiation: str, draft: pb.Draft, request_id: str) -> Future[pb.Receipt]:
            answer: Future[pb.Receipt] = Future()
            answer.set_exception(UnavailableError(f"It is gone at {draft.words.text}."))
            return answer

    summary, told = run(Gone(), line("a", "1"), line("b", "2"))

    assert told == []
    assert str(summary.away) == "It is gone at 1."


def test_a_file_that_ends_without_a_line_end_and_one_with_carriage_returns_are_the_same() -> None:
    record = Record()
    Import(record, refused=lambda *_: None).run(io.BytesIO(line("a", "1").encode()))

    summary, _ = run(record, line("a", "1") + "\r")

    assert summary.already_there == 1


def test_what_a_line_says_is_read_under_the_names_of_the_proto_and_of_json() -> None:
    for name in ("occurred_verbatim", "occurredVerbatim"):
        _, draft = import_lines.draft(json.dumps({"words": {name: "soon"}}).encode())
        assert draft.words.occurred_verbatim == "soon"
    with pytest.raises(BadLineError):
        import_lines.draft(b"null")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_FIELDS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


@any_(_JSON)
def test_whatever_json_a_line_is_it_is_a_draft_or_refused(value: object) -> None:
    with contextlib.suppress(BadLineError):
        import_lines.draft(json.dumps(value).encode())
