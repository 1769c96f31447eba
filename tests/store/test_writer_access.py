"""Who may record what, and what who does not see everything is told of the rest."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given as having
from hypothesis import settings
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler_service.authorization.policy import Policy
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import RefusalError, Violation, reason_name
from pourparler_service.storage.interface import EventStore, StoredEntry
from pourparler_service.writes.requests import WriteRequest
from pourparler_service.writes.writer import Writer
from tests.support.sample_entries import (
    PARTIES,
    RECORDER_ONLY,
    answered,
    draft,
    granted,
    joined,
    offered,
    opened,
    restricted,
    revoked,
    said,
    topic,
)
from tests.support.signing_keys import SIGNER
from tests.support.store_audit import audit
from tests.support.stores import open_store

PARTY, RECORDER = pb.ACCESS_ROLE_PARTY, pb.ACCESS_ROLE_RECORDER
ACCEPTED = ""


class Talks:
    """A writer, and who records what with it."""

    def __init__(self, store: EventStore, policy: Policy | None = None, **more: Any) -> None:
        self.store = store
        self.writer = Writer(store, SIGNER, policy=policy or Policy(), **more)
        self.writer.start()

    def record(self, caller: str, *drafts: pb.Draft, **more: object) -> pb.Receipt:
        asked = {"negotiation": "n", "request_id": "", **more}
        group = WriteRequest(caller=caller, drafts=drafts, **asked)  # type: ignore[arg-type]
        return pb.Receipt.FromString(self.writer.submit(group).result(10))

    def refused(self, caller: str, *drafts: pb.Draft, **more: object) -> Violation:
        with pytest.raises(RefusalError) as refused:
            self.record(caller, *drafts, **more)
        (violation,) = refused.value.violations
        return violation

    def answer(self, caller: str, *drafts: pb.Draft, **more: object) -> str:
        try:
            self.record(caller, *drafts, **more)
        except RefusalError as refused:
            return reason_name(refused.reason)
        return ACCEPTED


@pytest.fixture
def store() -> Iterator[EventStore]:
    store = open_store(None, {})
    yield store
    store.close()


@pytest.fixture
def talks(store: EventStore) -> Iterator[Talks]:
    """Kim keeps the record; Ann is for acme, Bob for bolt; a part of it only Kim sees."""
    talks = Talks(store)
    hidden = topic("merger")
    hidden.facts.visibility.CopyFrom(RECORDER_ONLY)
    talks.record(
        "kim",
        opened(),
        joined("acme"),
        joined("bolt"),
        topic("price"),
        granted("ann", PARTY, "acme"),
        granted("bob", PARTY, "bolt"),
        granted("rex", RECORDER),
        granted("aud", pb.ACCESS_ROLE_AUDITOR),
        hidden,
        said("aside", "acme", visibility=restricted("acme")),
        offered("offer", ["acme"], ["bolt"]),
    )
    yield talks
    talks.writer.close()
    if store.last_version("n"):
        audit(store, "n")


def test_each_records_what_is_theirs_to_record(talks: Talks) -> None:
    assert talks.answer("ann", said("one", "acme")) == ACCEPTED
    assert talks.answer("bob", answered("offer", "bolt")) == ACCEPTED
    assert talks.answer("rex", topic("place")) == ACCEPTED
    assert talks.answer("ann", said("two", "bolt")) == "ROLE_NOT_SUFFICIENT"
    assert talks.answer("ann", topic("date")) == "ROLE_NOT_SUFFICIENT"
    assert talks.answer("aud", said("three", "acme")) == "ROLE_NOT_SUFFICIENT"
    assert talks.answer("rex", granted("ann", RECORDER)) == "ROLE_NOT_SUFFICIENT"
    assert talks.answer("kim", granted("ann", RECORDER)) == ACCEPTED
    assert talks.answer("ann", topic("date")) == ACCEPTED


def test_what_is_refused_says_where(talks: Talks) -> None:
    refused = talks.refused("ann", said("one", "acme"), said("two", "bolt"))

    assert refused.field == "drafts[1].facts.statement_recorded.speakers[0]"
    assert talks.answer("ann", said("one", "acme")) == ACCEPTED


def test_nobody_records_what_they_could_not_see(talks: Talks) -> None:
    refused = talks.refused("ann", said("one", "acme", visibility=restricted("bolt")))

    assert (reason_name(refused.reason), refused.field) == (
        "ROLE_NOT_SUFFICIENT",
        "drafts[0].facts.visibility",
    )


def test_who_has_no_access_is_told_what_they_are_told_where_there_is_nothing(talks: Talks) -> None:
    for drafts, more in (
        ((said("one", "acme"),), {}),
        ((said("one", "acme"),), {"expected_version": 3}),
        ((said("one", "acme"),), {"validate_only": True}),
        ((granted("eve", RECORDER), topic("x")), {"request_id": "r"}),
    ):
        denied = talks.refused("eve", *drafts, **more)
        absent = talks.refused("eve", *drafts, **more, negotiation="m")

        assert denied.text.replace("'n'", "'m'") == absent.text
        assert (denied.reason, denied.field) == (absent.reason, absent.field)
        assert {**denied.metadata, "negotiation": "m"} == dict(absent.metadata)


def test_who_lost_access_has_none(talks: Talks) -> None:
    assert talks.answer("ann", said("one", "acme"), request_id="r") == ACCEPTED
    talks.record("kim", revoked("ann"))

    assert talks.answer("ann", said("two", "acme")) == "NEGOTIATION_NOT_FOUND"
    assert talks.answer("ann", said("one", "acme"), request_id="r") == "NEGOTIATION_NOT_FOUND"


def test_an_auditor_whose_time_is_over_is_nobody(talks: Talks) -> None:
    talks.record("kim", granted("aud", pb.ACCESS_ROLE_AUDITOR, until=1))

    assert talks.answer("aud", said("three", "acme")) == "NEGOTIATION_NOT_FOUND"


def test_what_is_hidden_is_refused_in_the_words_for_what_is_unknown(talks: Talks) -> None:
    def about(topic_id: str, reply: str) -> pb.Draft:
        one = said("one", "bolt")
        one.facts.statement_recorded.topic_ids.append(topic_id)
        one.facts.statement_recorded.in_reply_to = reply
        return one

    for hidden, unknown, key in (
        (about("merger", ""), about("nothing", ""), "merger"),
        (about("price", "aside"), about("price", "nothing"), "aside"),
    ):
        one, other = talks.refused("bob", hidden), talks.refused("bob", unknown)

        assert reason_name(one.reason) == "PART_NOT_FOUND"
        assert one.text == other.text.replace("'nothing'", f"'{key}'")
        assert (one.field, set(one.metadata)) == (other.field, set(other.metadata))


def test_a_version_that_is_hidden_is_refused_as_one_that_is_not_there(talks: Talks) -> None:
    def disclosure(version: int) -> pb.Draft:
        return draft(
            pb.EntryDisclosed(target_version=version, disclosed_to=PARTIES, consented_by=["bolt"])
        )

    hidden, missing = talks.refused("bob", disclosure(10)), talks.refused("bob", disclosure(99))

    assert reason_name(hidden.reason) == "VERSION_NOT_FOUND"
    assert hidden.text.replace("10", "99") == missing.text
    assert hidden.field == missing.field


def test_an_id_that_something_hidden_has_is_refused_without_a_word_of_it(talks: Talks) -> None:
    hidden = talks.refused("bob", said("aside", "bolt"))

    assert reason_name(hidden.reason) == "HIDDEN_CONFLICT"
    assert hidden.field == "drafts[0]"
    assert "aside" not in hidden.text
    assert not hidden.metadata
    assert talks.answer("ann", said("aside", "acme")) == "ID_ALREADY_USED"
    assert talks.answer("bob", said("another", "bolt")) == ACCEPTED


def test_a_group_that_fails_late_leaves_nothing_in_the_view_of_its_caller(talks: Talks) -> None:
    assert talks.answer("bob", said("one", "bolt"), said("aside", "bolt")) == "HIDDEN_CONFLICT"
    assert talks.answer("bob", said("two", "bolt"), validate_only=True) == ACCEPTED

    reply = said("three", "bolt")
    for missing in ("one", "two"):
        reply.facts.statement_recorded.in_reply_to = missing
        assert talks.answer("bob", reply) == "PART_NOT_FOUND"
    assert talks.answer("bob", said("one", "bolt"), said("two", "bolt")) == ACCEPTED


def test_what_is_refused_or_only_tried_is_not_read_up_to_anew(
    talks: Talks, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, begun = talks.store.read, list[int]()

    def noted(negotiation: str, *, after: int = 0, **more: Any) -> list[StoredEntry]:
        begun.append(after)
        return read(negotiation, after=after, **more)

    late = said("one", "bolt"), said("aside", "bolt")
    assert talks.answer("bob", *late) == "HIDDEN_CONFLICT"
    monkeypatch.setattr(talks.store, "read", noted)
    for _ in range(3):
        assert talks.answer("bob", *late) == "HIDDEN_CONFLICT"
        assert talks.answer("bob", said("two", "bolt"), validate_only=True) == ACCEPTED

    assert begun == []


def test_a_group_for_which_others_wait_too_long_is_refused_and_leaves_nothing(
    store: EventStore,
) -> None:
    talks = Talks(store, group_seconds=0)
    try:
        assert talks.answer("kim", opened()) == ACCEPTED
        refused = talks.refused("kim", joined("acme"), joined("bolt"), topic("price"))

        assert reason_name(refused.reason) == "LIMIT_EXCEEDED"
        assert (refused.field, refused.metadata["limit"]) == ("drafts[1]", "1")
        for one in (joined("acme"), joined("bolt")):
            assert talks.answer("kim", one) == ACCEPTED
    finally:
        talks.writer.close()
    assert store.last_version("n") == 3


def test_what_is_disclosed_can_be_referred_to(talks: Talks) -> None:
    reply = said("one", "bolt")
    reply.facts.statement_recorded.in_reply_to = "aside"
    assert talks.answer("bob", reply) == "PART_NOT_FOUND"

    event = pb.EntryDisclosed(target_version=10, disclosed_to=PARTIES, consented_by=["acme"])
    assert talks.answer("ann", draft(event)) == ACCEPTED

    assert talks.answer("bob", reply) == ACCEPTED


def test_a_hidden_session_gives_no_default(talks: Talks) -> None:
    caucus = draft(
        pb.SessionOpened(session_id="caucus", kind=pb.SESSION_KIND_CAUCUS, attendees=["acme"]),
        visibility=restricted("acme"),
    )
    talks.record("kim", caucus)

    assert talks.answer("bob", said("one", "bolt", session="caucus")) == "PART_NOT_FOUND"
    receipt = talks.record("ann", said("one", "acme", session="caucus"))
    assert receipt.entries[0].facts.visibility == restricted("acme")


def test_a_request_id_is_its_callers_own(talks: Talks) -> None:
    aside = said("secret", "acme", visibility=restricted("acme"))
    first = talks.record("ann", aside, request_id="r1")

    assert talks.record("ann", aside, request_id="r1") == first
    assert talks.record("bob", said("one", "bolt"), request_id="r1").version == first.version + 1
    assert talks.answer("ann", said("one", "acme"), request_id="r1") == "REQUEST_ID_REUSED"


def test_who_now_acts_for_another_gets_a_receipt_without_what_they_do_not_see(
    talks: Talks,
) -> None:
    aside = said("secret", "acme", visibility=restricted("acme"))
    first = talks.record("ann", aside, request_id="r1")
    talks.record("kim", revoked("ann"), granted("ann", PARTY, "bolt"))

    answer = talks.answer("ann", aside, request_id="r1")
    again = talks.record("ann", aside, request_id="r1") if answer == ACCEPTED else None

    assert again is not None
    assert again.entries[0] == pb.Entry(header=first.entries[0].header)
    assert again.checkpoint == first.checkpoint


def test_who_opens_is_custodian_and_an_id_that_is_taken_is_taken(talks: Talks) -> None:
    assert talks.answer("eve", opened(), granted("ann", RECORDER), negotiation="m") == ACCEPTED
    assert talks.answer("ann", joined("acme"), negotiation="m") == ACCEPTED
    assert talks.answer("eve", opened()) == "NEGOTIATION_EXISTS"
    assert talks.answer("eve", opened(), expected_version=0) == "NEGOTIATION_EXISTS"


def test_the_policy_says_who_opens(store: EventStore) -> None:
    talks = Talks(store, Policy(open=["kim"], auditors=["aud"]))
    try:
        assert talks.answer("eve", opened()) == "NOT_ALLOWED_HERE"
        assert talks.answer("kim", opened()) == ACCEPTED
        assert talks.answer("eve", opened()) == "NOT_ALLOWED_HERE"
        assert talks.answer("aud", joined("acme")) == "ROLE_NOT_SUFFICIENT"
        assert talks.answer(ANONYMOUS, joined("acme")) == ACCEPTED
    finally:
        talks.writer.close()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "kim"]),
        st.sampled_from(["acme", "bolt"]),
        st.integers(1, 5),
        st.sampled_from([None, PARTIES, restricted("acme"), restricted("bolt"), RECORDER_ONLY]),
        st.booleans(),
    ),
    max_size=15,
)


@having(STEPS)
@settings(max_examples=30, deadline=None)
def test_what_is_held_for_those_who_see_less_is_what_a_new_writer_would_make(
    steps: list[tuple[str, str, int, pb.Visibility | None, bool]],
) -> None:
    store = open_store(None, {})
    one = Talks(store)
    one.record(
        "kim",
        opened(),
        joined("acme"),
        joined("bolt"),
        granted("ann", PARTY, "acme"),
        granted("bob", PARTY, "bolt"),
    )
    for caller, speaker, number, visibility, check in steps:
        drafted = said(f"s{number}", speaker, visibility=visibility)
        anew = Talks(store)
        wanted = anew.answer(caller, drafted, validate_only=True)
        anew.writer.close()

        assert one.answer(caller, drafted, validate_only=check) == wanted
    one.writer.close()
    audit(store, "n")
    store.close()
