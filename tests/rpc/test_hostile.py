"""What is sent to do harm is recorded as it was said, or refused in so many words; no more."""

import contextlib
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from pourparler import v1 as pb
from pourparler.schema.wire import length_delimited
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from tests.support.http2_frames import BEGIN, PREFACE, begun, frame
from tests.support.load_generator import RECORD
from tests.support.sample_entries import (
    SOURCE,
    draft,
    joined,
    offered,
    opened,
    restricted,
    said,
    topic,
)
from tests.support.service_client import Answered, Service, answered_by, connected, refused
from tests.support.store_audit import audit_records

FAULTS = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}
U64 = (1 << 64) - 1
I32 = (1 << 31) - 1

AWKWARD = [
    "NUL \0 within",
    "bell \a, escape \x1b[2J\x1b]0;title\a, delete \x7f, C1 \x9b31m",
    "\u202eright to left\u202c and \u2066isolated\u2069 and \u200fmarked",
    "\r\nlines\u2028and\u2029paragraphs\v\f",
    "\ufeffbyte order, \u200bzero width, \u00adsoft, \ufffe\uffff no characters, \U0010ffff last",
    "Z\u0335\u0321\u0353a\u0334\u0308l\u0336\u0347g\u0337\u0322o " * 40,
    "e\u0301 is not é, \u212b is not Å, and neither becomes the other",
    "'; DROP TABLE stored_events; --",
    "<script>alert(1)</script> ${jndi:ldap://x} %s %n {0} {{7*7}} `id` $(id)",
]


def shown(text: str) -> str:
    """A text as the name of a test: short, and how long it was."""
    return f"{text[:20]!a}-{len(text)}"


@pytest.fixture(name="table", scope="module")
def _table(service: Service) -> Service:
    """A negotiation with the id `table`, to which nothing here may be added."""
    service.record("table", opened(), joined("a"), joined("b"), topic("t"))
    return service


@contextlib.contextmanager
def unchanged(service: Service) -> Iterator[None]:
    """See that nothing is added to the negotiation meanwhile."""
    before = service.state("table")
    yield
    assert service.state("table") == before


def records(service: Service, id_: str) -> list[bytes]:
    """The stored bytes of a negotiation."""
    request = pb.ReplayEntriesRequest(name=f"negotiations/{id_}").SerializeToString()
    parts = service.raw("/pourparler.v1.AuditService/ReplayEntries", request, stream=True)
    return [
        record.SerializeToString()
        for part in parts
        for record in pb.Records.FromString(part).records
    ]


def is_harmless(answered: Answered) -> None:
    """An error that can be shown to people: bounded, and nothing in it moves or turns text."""
    assert answered.code not in FAULTS
    assert answered.text.isprintable()
    assert len(answered.text) <= 600


# Texts.


def test_words_are_kept_as_they_were_said(service: Service) -> None:
    drafts = [opened()]
    drafts[0].words.title = AWKWARD[0]
    for place, text in enumerate(AWKWARD):
        entered = joined(f"p{place}")
        entered.words.name = text
        entered.words.aliases.append(text)
        spoken = said(f"s{place}", f"p{place}")
        spoken.words.text = text
        source = pb.Source(id="src", kind=pb.SOURCE_KIND_NEWS, uri=text, excerpt=text)
        spoken.words.sources.append(source)
        drafts += [entered, spoken]

    receipt = service.record("awkward", *drafts)

    state = service.state("awkward").negotiation
    entries = [entry for part in service.replay("awkward") for entry in part.entries]
    assert entries == list(receipt.entries)
    for place, text in enumerate(AWKWARD):
        assert state.participants[f"p{place}"].words.name == text
        assert state.participants[f"p{place}"].words.aliases == [text]
        assert state.statements[f"s{place}"].words.text == text
        assert state.statements[f"s{place}"].words.sources[0].excerpt == text
    request = pb.ListNegotiationsRequest(title_contains="NUL \0")
    listed = service.negotiations.ListNegotiations(request).negotiations
    assert [(one.name, one.title) for one in listed] == [("negotiations/awkward", AWKWARD[0])]
    audit_records("awkward", records(service, "awkward"))


IDS = [
    "a\0",
    "a\n",
    "\u202ea",
    "\x1b[2J",
    "a b",
    "A",
    "á",
    "a\u0301",
    "а",  # of another alphabet
    "..",
    "../a",
    "-a",
    "a/b",
    "a\\b",
    "a%00",
    "",
    "a" * 65,
    "a" * 400_000,
]
BEARERS: dict[str, Callable[[str], pb.Draft]] = {
    "facts.statement_recorded.statement_id": lambda id_: said(id_, "a"),
    "facts.statement_recorded.speakers[0]": lambda id_: said("s", id_),
    "facts.participant_joined.participant_id": joined,
    "facts.topic_added.topic_id": topic,
    "facts.proposal_made.to[0]": lambda id_: offered("o", ["a"], [id_]),
    "facts.visibility.audience[0]": lambda id_: said("s", "a", visibility=restricted(id_)),
    "facts.session_id": lambda id_: said("s", "a", session=id_),
    "words.sources[0].id": lambda id_: draft(
        pb.TopicAdded(topic_id="n"),
        pb.Words(sources=[pb.Source(id=id_, kind=pb.SOURCE_KIND_NEWS)]),
    ),
}


@pytest.mark.parametrize("id_", IDS, ids=shown)
def test_no_id_is_anything_but_an_id(table: Service, id_: str) -> None:
    with unchanged(table):
        for field, bearer in BEARERS.items():
            if not id_ and field == "facts.session_id":
                continue  # none is named
            answered = refused(lambda bearer=bearer: table.record("table", bearer(id_)))  # type: ignore[misc]
            is_harmless(answered)
            assert answered.reason in {"ID_INVALID", "FIELD_REQUIRED"}
            assert answered.field == f"drafts[0].{field}"


@pytest.mark.parametrize("id_", [one for one in IDS if one], ids=shown)
def test_no_name_is_anything_but_a_name(table: Service, id_: str) -> None:
    name = f"negotiations/{id_}"
    for call in (
        lambda: table.record(id_, opened()),
        lambda: table.state(id_),
        lambda: table.replay(id_),
        lambda: table.audits.GetCheckpoint(pb.GetCheckpointRequest(name=name), timeout=10),
        lambda: table.record("table", opened_after(name)),
    ):
        answered = refused(call)
        is_harmless(answered)
        assert answered.reason == "ID_INVALID" or len(id_) > 4_096


def opened_after(predecessor: str) -> pb.Draft:
    return draft(pb.NegotiationOpened(predecessor=predecessor))


@pytest.mark.parametrize(
    "text", [AWKWARD[0], "é", "\x7f", "a" * 129, "a\n", "a" * 900_000], ids=shown
)
def test_a_request_id_is_short_and_printable(table: Service, text: str) -> None:
    answered = refused(lambda: table.record("table", topic("n"), request_id=text))

    is_harmless(answered)
    assert (answered.reason, answered.field) == ("FIELD_INVALID", "request_id")


# Dates.


@pytest.mark.parametrize(
    "edtf",
    [
        "0000",
        "10000",
        "-0001",
        "y-17E7",
        "Y1E9999999",
        "2023-02-30",
        "2023-13",
        "2023-99",
        "9999-24",
        "[..]",
        "../..",
        "/",
        "[" * 64,
        "[2023..2022]",
        "２０２３",  # digits, but not these
        "2023\0",
        "2023-\u202e01",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2023-10-10T10:00:60Z",
        "2" * 900_000,
    ],
    ids=shown,
)
def test_a_date_of_no_calendar_is_refused(table: Service, edtf: str) -> None:
    spoken, planned = said("s", "a"), draft(pb.MilestonePlanned(milestone_id="m"))
    planned.facts.milestone_planned.certainty = pb.CERTAINTY_POSSIBLE
    spoken.facts.occurred.edtf = planned.facts.milestone_planned.expected.edtf = edtf
    sourced = topic("n")
    sourced.words.sources.add(id="src", kind=pb.SOURCE_KIND_NEWS, published=edtf)
    with unchanged(table):
        for one, field in (
            (spoken, "facts.occurred"),
            (planned, "facts.milestone_planned.expected"),
            (sourced, "words.sources[0].published"),
        ):
            answered = refused(lambda one=one: table.record("table", one))  # type: ignore[misc]
            is_harmless(answered)
            assert (answered.reason, answered.field) == ("DATE_INVALID", f"drafts[0].{field}")
        answered = refused(lambda: table.state("table", pb.AsOf(occur_date=edtf)))
        assert (answered.reason, answered.field) == ("DATE_INVALID", "as_of.occur_date")


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [
        (-62_135_596_801, 0),  # the last second of the year 0
        (253_402_300_800, 0),  # the first of the year 10000
        ((1 << 63) - 1, 0),
        (-(1 << 63), 0),
        (0, -1),
        (0, 1_000_000_000),
        (0, -(1 << 31)),
        (-1, I32),
    ],
)
def test_an_instant_of_no_calendar_is_refused(table: Service, seconds: int, nanos: int) -> None:
    instant = Timestamp(seconds=seconds, nanos=nanos)
    spoken, sourced = said("s", "a"), said("s", "a")
    spoken.facts.occurred.instant.CopyFrom(instant)
    sourced.words.sources.append(SOURCE)
    sourced.words.sources[0].retrieve_time.CopyFrom(instant)
    with unchanged(table):
        for one, field in (
            (spoken, "facts.occurred"),
            (sourced, "words.sources[0].retrieve_time"),
        ):
            answered = refused(lambda one=one: table.record("table", one))  # type: ignore[misc]
            is_harmless(answered)
            assert (answered.reason, answered.field) == ("DATE_INVALID", f"drafts[0].{field}")
        for call in (
            lambda: table.state("table", pb.AsOf(record_time=instant)),
            lambda: table.negotiations.ListNegotiations(
                pb.ListNegotiationsRequest(open_start_time=instant)
            ),
        ):
            answered = refused(call)
            is_harmless(answered)
            assert answered.reason == "FIELD_INVALID"


# Numbers.


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "sNaN",
        "Infinity",
        "-inf",
        "1e5",
        "1E-400",
        "0x10",
        "1_000",
        "1,000",
        "+1",
        " 1",
        "1\n",
        "1.",
        ".5",
        "01",
        "--1",
        "",
        "1２",  # digits, but not these
        "٣",
        "9" * 41,
        "0." + "0" * 900_000,
    ],
    ids=shown,
)
def test_a_number_that_is_none_is_refused(table: Service, value: str) -> None:
    offer = offered("o", ["a"], ["b"])
    term = pb.Term(
        key="k", type=pb.TERM_TYPE_PERCENT, qualifier=pb.TERM_QUALIFIER_EXACT, value=value
    )
    offer.facts.proposal_made.terms.append(term)

    with unchanged(table):
        answered = refused(lambda: table.record("table", offer))

    is_harmless(answered)
    assert answered.reason in {"TERM_INVALID", "LIMIT_EXCEEDED"}
    assert answered.field == "drafts[0].facts.proposal_made.terms[0].value"


@pytest.mark.parametrize("number", [99, -1, I32, -I32 - 1])
def test_a_value_of_no_enum_is_refused(table: Service, number: int) -> None:
    statement = said("s", "a")
    sourced = said("s", "a")
    sourced.words.sources.append(SOURCE)
    fields: list[tuple[pb.Draft, Any, str, str]] = [
        (statement, statement.facts.statement_recorded, "act", "facts.statement_recorded.act"),
        (statement, statement.facts.provenance, "basis", "facts.provenance.basis"),
        (statement, statement.facts.visibility, "level", "facts.visibility.level"),
        (sourced, sourced.words.sources[0], "kind", "words.sources[0].kind"),
    ]
    with unchanged(table):
        for whole, part, name, path in fields:
            kept = getattr(part, name)
            setattr(part, name, number)
            answered = refused(lambda whole=whole: table.record("table", whole))  # type: ignore[misc]
            setattr(part, name, kept)
            is_harmless(answered)
            assert answered.reason == "ENUM_UNKNOWN"
            assert f"drafts[0].{path}" in answered.fields


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.state("table", pb.AsOf(version=U64)),
        lambda s: s.record("table", topic("n"), expected_version=U64),
        lambda s: s.record("table", draft(correction(U64))),
        lambda s: s.record("table", draft(correction(0))),
        lambda s: s.negotiations.ListNegotiations(pb.ListNegotiationsRequest(page_size=-I32 - 1)),
        lambda s: s.audits.GetCheckpoint(
            pb.GetCheckpointRequest(name="negotiations/table", version=U64)
        ),
    ],
    ids=["version", "expected", "target", "no target", "page", "checkpoint"],
)
def test_a_number_beyond_all_others_is_refused(
    table: Service, call: Callable[[Service], object]
) -> None:
    with unchanged(table):
        answered = refused(lambda: call(table))

    is_harmless(answered)
    assert answered.reason


def correction(target: int) -> pb.EntryCorrected:
    return pb.EntryCorrected(
        target_version=target,
        mode=pb.CORRECTION_MODE_ANNUL,
        kind=pb.CORRECTION_KIND_RECORDER,
    )


def test_filters_beyond_all_numbers_meet_nothing_or_everything(table: Service) -> None:
    assert not any(part.entries for part in table.replay("table", after_version=U64))
    assert sum(len(part.entries) for part in table.replay("table", limit=U64)) == 4
    request = pb.ListNegotiationsRequest(page_size=I32, participant_id="a")
    assert "negotiations/table" in {
        one.name for one in table.negotiations.ListNegotiations(request).negotiations
    }


# Messages.


def one_draft(data: bytes, id_: str = "table") -> bytes:
    """The bytes of a request with a draft of these bytes."""
    rest = pb.RecordEntriesRequest(negotiation=f"negotiations/{id_}").SerializeToString()
    return rest + length_delimited(5, data)


def nested(depth: int) -> bytes:
    """A correction of a correction of a correction, as bytes: messages cannot be made so deep."""
    facts = b""
    for _ in range(depth):
        event = pb.EntryCorrected(target_version=1, mode=pb.CORRECTION_MODE_REPLACE)
        facts = length_delimited(47, event.SerializeToString() + length_delimited(4, facts))
    return length_delimited(1, facts)


def test_the_replacement_is_where_it_is_nested() -> None:
    read = pb.Draft.FromString(nested(2)).facts.entry_corrected
    assert read.replacement.HasField("entry_corrected")


@pytest.mark.parametrize("depth", [2, 10, 45, 100, 1_000, 10_000])
def test_what_is_too_deep_is_refused(table: Service, depth: int) -> None:
    with unchanged(table):
        answered = refused(lambda: table.raw(RECORD, one_draft(nested(depth))))

    is_harmless(answered)
    assert answered.code is grpc.StatusCode.INVALID_ARGUMENT
    assert answered.reason in {"FIELD_REQUIRED", "FIELD_NOT_ALLOWED", "MALFORMED"}


@pytest.mark.parametrize("times", [50, 500_000])
def test_groups_within_groups_are_refused(table: Service, times: int) -> None:
    begin, end = b"\x9b\x06", b"\x9c\x06"  # of the group 99
    for data in (begin * times, begin * times + end * times):
        answered = refused(lambda data=data: table.raw(RECORD, one_draft(data)))  # type: ignore[misc]
        is_harmless(answered)


STRANGE = length_delimited(1022, b"strange")


def strange(message: Message) -> None:
    """Add a field that no version knows."""
    message.MergeFromString(STRANGE)


def _whole() -> pb.Draft:
    """A draft with a message in every place."""
    whole = offered("o", ["a"], ["b"])
    whole.facts.occurred.instant.seconds = 1_600_000_000
    whole.facts.visibility.CopyFrom(restricted("a"))
    whole.facts.proposal_made.terms.add(
        key="k", type=pb.TERM_TYPE_TEXT, qualifier=pb.TERM_QUALIFIER_EXACT
    )
    whole.words.term_texts.add(key="k", text="text")
    whole.words.sources.append(SOURCE)
    whole.words.sources[0].retrieve_time.seconds = 1_600_000_000
    return whole


PLACES: dict[str, Callable[[pb.Draft], Message]] = {
    "": lambda one: one,
    ".facts": lambda one: one.facts,
    ".facts.occurred": lambda one: one.facts.occurred,
    ".facts.occurred.instant": lambda one: one.facts.occurred.instant,
    ".facts.provenance": lambda one: one.facts.provenance,
    ".facts.visibility": lambda one: one.facts.visibility,
    ".facts.proposal_made": lambda one: one.facts.proposal_made,
    ".facts.proposal_made.terms[0]": lambda one: one.facts.proposal_made.terms[0],
    ".words": lambda one: one.words,
    ".words.term_texts[0]": lambda one: one.words.term_texts[0],
    ".words.sources[0]": lambda one: one.words.sources[0],
    ".words.sources[0].retrieve_time": lambda one: one.words.sources[0].retrieve_time,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_field_that_no_version_knows_is_neither_stored_nor_lost(
    table: Service, place: str
) -> None:
    whole = _whole()
    strange(PLACES[place](whole))

    with unchanged(table):
        answered = refused(lambda: table.record("table", whole))

    is_harmless(answered)
    assert (answered.reason, answered.field) == ("FIELD_NOT_ALLOWED", f"drafts[0]{place}")
    assert "1022" in answered.text


def test_the_same_draft_without_it_is_taken(table: Service) -> None:
    assert table.record("table", _whole(), validate_only=True).version == 5


def test_a_known_field_of_another_wire_type_is_not_lost_either(table: Service) -> None:
    session_as_number = b"\x30\x01"
    whole = said("s", "a")
    whole.facts.MergeFromString(session_as_number)

    answered = refused(lambda: table.record("table", whole))

    assert (answered.reason, answered.field) == ("FIELD_NOT_ALLOWED", "drafts[0].facts")


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        (
            RECORD,
            pb.RecordEntriesRequest(negotiation="negotiations/table", drafts=[topic("n")]),
            "",
        ),
        (
            "/pourparler.v1.NegotiationService/GetNegotiation",
            pb.GetNegotiationRequest(name="negotiations/table"),
            "",
        ),
        (
            "/pourparler.v1.NegotiationService/GetNegotiation",
            pb.GetNegotiationRequest(name="negotiations/table", as_of=pb.AsOf(version=1)),
            "as_of",
        ),
        (
            "/pourparler.v1.NegotiationService/ListNegotiations",
            pb.ListNegotiationsRequest(open_start_time=Timestamp(seconds=1)),
            "open_start_time",
        ),
    ],
    ids=["record", "read", "clock", "time"],
)
def test_nothing_is_asked_that_is_not_understood(
    table: Service, method: str, request_: Message, field: str
) -> None:
    asked = type(request_).FromString(request_.SerializeToString())
    strange(getattr(asked, field) if field else asked)

    with unchanged(table):
        answered = refused(lambda: table.raw(method, asked.SerializeToString()))

    assert (answered.code.name, answered.reason) == ("INVALID_ARGUMENT", "FIELD_NOT_ALLOWED")
    assert answered.field == field


def test_a_field_that_comes_twice_is_one_in_the_record(service: Service) -> None:
    service.record("twice", opened())
    first, second = topic("first"), topic("second")
    second.words.title = "The second title"
    doubled = one_draft(first.SerializeToString() + second.SerializeToString(), "twice")

    entry = pb.RecordEntriesResponse.FromString(service.raw(RECORD, doubled)).receipt.entries[0]

    assert entry.facts.topic_added.topic_id == "second"
    assert entry.words.title == "The second title"
    stored = records(service, "twice")
    audit_records("twice", stored)
    record = pb.Record.FromString(stored[-1])
    assert pb.Facts.FromString(record.facts).SerializeToString(deterministic=True) == record.facts


def test_of_two_entry_types_in_one_draft_the_last_counts_alone(service: Service) -> None:
    service.record("both", opened(), joined("a"))
    both = b"".join(
        length_delimited(1, one.facts.SerializeToString()) for one in (said("s", "a"), topic("t"))
    )
    words = length_delimited(2, pb.Words(title="A title").SerializeToString())

    response = pb.RecordEntriesResponse.FromString(
        service.raw(RECORD, one_draft(both + words, "both"))
    )

    assert response.receipt.entries[0].facts.WhichOneof("event") == "topic_added"
    state = service.state("both").negotiation
    assert (set(state.topics), set(state.statements)) == ({"t"}, set())
    assert b"statement" not in pb.Record.FromString(records(service, "both")[-1]).facts
    audit_records("both", records(service, "both"))


METHODS: list[Any] = [
    method
    for file in (
        pb.RecordEntriesRequest.DESCRIPTOR.file,
        pb.GetNegotiationRequest.DESCRIPTOR.file,
        pb.ReplayEntriesRequest.DESCRIPTOR.file,
        health_pb2.DESCRIPTOR,
        reflection_pb2.DESCRIPTOR,
    )
    for service_ in file.services_by_name.values()
    for method in service_.methods
]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: str(method.name))
def test_an_empty_request_is_answered_by_every_method(service: Service, method: Any) -> None:
    path = f"/{method.containing_service.full_name}/{method.name}"
    channel: Any = service.channel
    try:
        if method.client_streaming:
            list(channel.stream_stream(path)(iter([b""]), timeout=5))
        elif method.name == "Watch":
            next(channel.unary_stream(path)(b"", timeout=5))
        else:
            service.raw(path, b"", stream=method.server_streaming)
    except grpc.RpcError as error:
        is_harmless(answered_by(error))


# The wire.


def test_what_is_compressed_is_read(service: Service) -> None:
    with grpc.insecure_channel(service.address, compression=grpc.Compression.Gzip) as channel:
        compressed = Service(service.address, channel)
        spoken = said("s", "a")
        spoken.words.text = "again and " * 6_000

        receipt = compressed.record("compressed", opened(), joined("a"), spoken)

        assert receipt.version == 3
        assert compressed.state("compressed").negotiation.statements["s"].words == spoken.words


def test_what_is_enormous_once_it_is_unpacked_is_not_unpacked(service: Service) -> None:
    with grpc.insecure_channel(service.address, compression=grpc.Compression.Gzip) as channel:
        compressed = Service(service.address, channel)
        answered = refused(lambda: compressed.raw(RECORD, b"\0" * (64 << 20)))  # 64 KiB packed

    assert answered.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_enormous_headers_are_refused(service: Service) -> None:
    request = pb.GetNegotiationRequest(name="negotiations/any")

    answered = refused(
        lambda: service.negotiations.GetNegotiation(
            request, metadata=[(f"x-{place}", "x" * 10_000) for place in range(10)], timeout=10
        )
    )

    assert answered.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def _call(body: bytes, path: str = RECORD, **headers: str) -> bytes:
    """A connection with one call, with header fields of one's own."""
    return BEGIN + begun(path, 1, **headers) + frame(0, 1, 1, body)


_EMPTY = b"\0\0\0\0\0"
GARBAGE = {
    "no message": _call(b""),
    "two messages": _call(_EMPTY * 2),
    "half a message": _call(b"\0\0\0\0\x09half"),
    "a message of 4 GiB": _call(b"\0\xff\xff\xff\xffand so on"),
    "a flag that is none": _call(b"\x7f\0\0\0\0"),
    "packed by nothing": _call(b"\x01\0\0\0\x04gzip"),
    "packed garbage": _call(b"\x01\0\0\0\x04gzip", grpc_encoding="gzip"),
    "an unknown packing": _call(b"\x01\0\0\0\x04gzip", grpc_encoding="none-such"),
    "another content type": _call(_EMPTY, content_type="text/html"),
    "no content type": _call(_EMPTY, content_type=""),
    "another verb": _call(_EMPTY, **{":method": "GET"}),
    "no path": _call(_EMPTY, **{":path": ""}),
    "a path of noise": _call(_EMPTY, **{":path": "/../../\x01"}),
    "no time": _call(_EMPTY, grpc_timeout="-1x"),
    "all time": _call(_EMPTY, grpc_timeout="99999999H"),
    "a header of noise": _call(_EMPTY, x_noise_bin="%%%%"),
    "nothing": b"",
    "noise": bytes(range(256)) * 64,
    "HTTP/1.1": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
    "half a preface": PREFACE[:12],
    "a preface alone": PREFACE,
    "noise after the preface": PREFACE + b"\xff" * 4_096,
    "a frame too long": BEGIN + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    "data of no stream": BEGIN + frame(0, 1, 7, b"data"),
    "headers of noise": BEGIN + frame(1, 5, 1, b"\xff" * 200),
    "a window of nothing": BEGIN + frame(8, 0, 0, b"\0\0\0\0"),
    "pings": BEGIN + frame(6, 0, 0, b"pingpong") * 5_000,
    "settings": BEGIN + frame(4, 0, 0, b"") * 5_000,
    "resets": BEGIN + b"".join(frame(3, 0, s, b"\0\0\0\x08") for s in (1, 3, 5)),
    "endless headers": BEGIN + frame(1, 0, 1, b"") + frame(9, 0, 1, b"\0") * 5_000,
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_on_the_port_harms_nobody_else(table: Service, garbage: str) -> None:
    host, _, port = table.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.settimeout(0.2)
        with contextlib.suppress(OSError):
            connection.sendall(GARBAGE[garbage])
            while connection.recv(65_536):
                pass

        assert table.state("table").computed_at.version == 4


def test_connections_that_say_nothing_keep_nobody_out(table: Service) -> None:
    host, _, port = table.address.rpartition(":")
    with contextlib.ExitStack() as silent:
        for _ in range(100):
            silent.enter_context(socket.create_connection((host, int(port)), timeout=5))

        with connected(table.address, [("grpc.use_local_subchannel_pool", 1)]) as another:
            assert another.state("table").computed_at.version == 4


# Giving up.


@contextlib.contextmanager
def held_up(data: Path) -> Iterator[None]:
    """Keep the writer waiting for the disk, as another process would that holds the database."""
    other = sqlite3.connect(data / "record.sqlite", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    finally:
        other.close()


def _later(call: Callable[[], object], answers: list[object]) -> threading.Thread:
    def run() -> None:
        try:
            answers.append(call())
        except grpc.RpcError as error:
            answers.append(answered_by(error))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("way", ["cancelled", "too late", "gone"])
def test_who_gives_up_in_the_line_has_recorded_nothing(tmp_path: Path, way: str) -> None:
    settings = Settings(data=tmp_path, address="127.0.0.1:0")
    with running(settings) as address, connected(address) as service:
        service.record("line", opened(), joined("a"))
        request = pb.RecordEntriesRequest(
            negotiation="negotiations/line", drafts=[said("given-up", "a")]
        )
        answers: list[object] = []
        with held_up(tmp_path):
            first = _later(lambda: service.record("line", said("first", "a")), answers)
            time.sleep(0.3)  # until the writer has taken it up
            if way == "too late":
                answered = refused(lambda: service.records.RecordEntries(request, timeout=0.3))
                assert answered.code is grpc.StatusCode.DEADLINE_EXCEEDED
            elif way == "cancelled":
                call = service.records.RecordEntries.future(request)
                time.sleep(0.3)
                call.cancel()
            else:
                with connected(address, [("grpc.use_local_subchannel_pool", 1)]) as another:
                    another.records.RecordEntries.future(request)
                    time.sleep(0.3)
            time.sleep(0.3)  # until the service knows
        first.join(timeout=20)

        [receipt] = answers
        assert isinstance(receipt, pb.Receipt), receipt
        assert receipt.version == 3
        service.record("line", said("last", "a"))
        assert set(service.state("line").negotiation.statements) == {"first", "last"}
        audit_records("line", records(service, "line"))


def test_a_service_takes_no_more_memory_for_all_this(table: Service) -> None:
    # The services of tests are in this very process: a leak by the request would show here.
    def resident() -> int:
        with Path("/proc/self/statm").open(encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    if not Path("/proc/self/statm").exists():
        pytest.skip("there is no /proc to ask")
    data = one_draft(nested(1_000))
    for _ in range(200):
        refused(lambda: table.raw(RECORD, data))
    before = resident()

    for _ in range(1_000):
        refused(lambda: table.raw(RECORD, data))

    assert resident() - before < 32 << 20
