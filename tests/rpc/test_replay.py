"""The history as a stream: whole, filtered, cut, backwards, and always with a last word."""

from typing import Any

import pytest

from pourparler import v1 as pb
from tests.support.sample_entries import (
    ANALYSIS,
    answered,
    draft,
    joined,
    offered,
    opened,
    said,
    topic,
)
from tests.support.service_client import Service, refused

REPLAY = "/pourparler.v1.AuditService/ReplayEntries"


@pytest.fixture(scope="module")
def talks(service: Service) -> Service:
    """1 opened, 2-3 joined, 4-5 topics, 6 on t, 7 on u, 8 names 6, 9-10 offer on t, 11 annuls 7."""
    on_t, on_u, on_none = said("s-t", "a"), said("s-u", "b"), said("s-none", "b")
    on_t.facts.statement_recorded.topic_ids.append("t")
    on_u.facts.statement_recorded.topic_ids.append("u")
    on_none.facts.statement_recorded.in_reply_to = "s-t"
    question = draft(pb.QuestionRaised(question_id="q"), basis=ANALYSIS)
    annulled = draft(
        pb.EntryCorrected(
            target_version=7, mode=pb.CORRECTION_MODE_ANNUL, kind=pb.CORRECTION_KIND_RECORDER
        )
    )
    service.record("talks", opened(), joined("a"), joined("b"), topic("t"), topic("u"))
    service.record("talks", on_t, on_u, on_none, offered("o", ["a"], ["b"], topics=["t"]))
    service.record("talks", answered("o", "b"), annulled, question)
    return service


def versions(parts: list[pb.ReplayEntriesResponse]) -> list[int]:
    """The versions that were sent; at the end, and there alone, the replay is complete."""
    assert [part.HasField("complete") for part in parts] == [False] * (len(parts) - 1) + [True]
    sent = [entry.header.version for part in parts for entry in part.entries]
    assert parts[-1].complete.entry_count == len(sent)
    return sent


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        ({"after_version": 9}, [10, 11, 12]),
        ({"after_version": 12}, []),
        ({"after_version": (1 << 64) - 1}, []),
        ({"reverse": True, "after_version": 9}, [12, 11, 10]),
        ({"entry_types": ["participant_joined", "topic_added"]}, [2, 3, 4, 5]),
        ({"bases": [pb.BASIS_ANALYSIS]}, [12]),
        ({"participant_ids": ["a"]}, [2, 6, 9]),
        ({"participant_ids": ["b"]}, [3, 7, 8, 9, 10, 11]),
        ({"participant_ids": ["nobody"]}, []),
        ({"topic_ids": ["t"]}, [4, 6, 8, 9, 10]),
        ({"topic_ids": ["u"]}, [5, 7, 11]),
        ({"topic_ids": ["t", "u"], "participant_ids": ["a"]}, [6, 9]),
        ({"as_of": pb.AsOf(version=6), "topic_ids": ["t"]}, [4, 6]),
        ({"as_of": pb.AsOf(version=0)}, []),
        ({"limit": 12}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ],
    ids=str,
)
def test_those_entries_are_sent_that_meet_every_filter(
    talks: Service, asked: dict[str, Any], sent: list[int]
) -> None:
    parts = talks.replay("talks", **asked)

    assert versions(parts) == sent
    assert not parts[-1].complete.limited


def test_a_limit_cuts_and_says_so(talks: Service) -> None:
    parts = talks.replay("talks", limit=2, reverse=True)

    assert versions(parts) == [12, 11]
    assert parts[-1].complete.limited


def test_the_end_says_at_what_point_it_was(talks: Service) -> None:
    complete = talks.replay("talks", as_of=pb.AsOf(version=6))[-1].complete

    assert complete.computed_at.version == 6
    assert complete.computed_at == talks.state("talks", pb.AsOf(version=6)).computed_at


def test_what_had_only_possibly_happened_is_named(service: Service) -> None:
    sure, perhaps, later = said("sure", "a"), said("perhaps", "a"), said("later", "a")
    sure.facts.occurred.edtf = "2020"
    perhaps.facts.occurred.edtf = "2020/2022"
    later.facts.occurred.edtf = "2022"
    service.record("possible", opened(), joined("a"), sure, perhaps, later)

    parts = service.replay("possible", as_of=pb.AsOf(occur_date="2021"))

    sent = versions(parts)
    possible = [version for part in parts for version in part.possible_versions]
    assert (3 in sent, 4 in sent, 5 in sent) == (True, True, False)
    assert (3 in possible, 4 in possible) == (False, True)


def test_a_message_has_a_bounded_number_of_entries(service: Service) -> None:
    service.record("many", opened(), joined("a"), *(said(f"s{n}", "a") for n in range(598)))

    parts = service.replay("many")

    assert [len(part.entries) for part in parts] == [256, 256, 88, 0]
    assert versions(parts) == list(range(1, 601))


def test_a_message_has_a_bounded_size(service: Service) -> None:
    long = [said(f"s{n}", "a") for n in range(12)]
    for one in long:
        one.words.text = "x" * 60_000
    service.record("long", opened(), joined("a"), *long)

    parts = service.raw(
        REPLAY, pb.ReplayEntriesRequest(name="negotiations/long").SerializeToString(), stream=True
    )

    assert max(map(len, parts)) <= 262_144 + 4_096
    assert len(parts) == 4
    assert versions([pb.ReplayEntriesResponse.FromString(part) for part in parts]) == list(
        range(1, 15)
    )


def test_entries_and_records_are_two_readings_of_the_same_bytes(service: Service) -> None:
    receipt = service.record("twins", opened(), joined("a"))

    first = service.raw(
        REPLAY, pb.ReplayEntriesRequest(name="negotiations/twins").SerializeToString(), stream=True
    )[0]

    records = pb.Records.FromString(first).records
    assert [pb.Entry.FromString(one.SerializeToString()) for one in records] == list(
        receipt.entries
    )
    assert pb.EntryHeader.FromString(records[0].header) == receipt.entries[0].header


@pytest.mark.parametrize(
    ("asked", "reason", "field"),
    [
        ({"entry_types": ["topic_added", "Topic"]}, "FIELD_INVALID", "entry_types[1]"),
        ({"participant_ids": ["A B"]}, "ID_INVALID", "participant_ids[0]"),
        ({"topic_ids": ["t", ""]}, "ID_INVALID", "topic_ids[1]"),
        ({"topic_ids": ["t"] * 1_001}, "LIMIT_EXCEEDED", "topic_ids"),
        ({"bases": [99]}, "ENUM_UNKNOWN", "bases[0]"),
        ({"bases": [0]}, "FIELD_INVALID", "bases[0]"),
    ],
    ids=["type", "participant", "topic", "too many", "unknown basis", "no basis"],
)
def test_a_filter_that_can_meet_nothing_is_refused(
    talks: Service, asked: dict[str, Any], reason: str, field: str
) -> None:
    refusal = refused(lambda: talks.replay("talks", **asked))

    assert (refusal.code.name, refusal.reason, refusal.field) == ("INVALID_ARGUMENT", reason, field)
