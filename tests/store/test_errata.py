"""Who takes part corrects the wording of what they recorded themselves, and nothing else."""

from collections.abc import Callable, Iterator, Sequence
from random import Random

import pytest
from hypothesis import given as having
from hypothesis import settings
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES, PARTS, introduced_part
from pourparler.state.corrections import AMENDING_TYPES
from pourparler.state.fold import fold
from pourparler_service.authorization.roles import participants_scope
from pourparler_service.domain import rules, self_correction_rules
from pourparler_service.domain.refusal import RefusalError, reason_name
from tests.store.test_cut_reads import audience_of
from tests.store.test_writer_access import ACCEPTED, RECORDER, Talks
from tests.support import sample_entries, strategies
from tests.support.sample_entries import (
    RECORDER_ONLY,
    answered,
    granted,
    joined,
    offered,
    restricted,
    said,
    topic,
)
from tests.support.store_audit import audit
from tests.support.stores import open_store

Change = Callable[[pb.Draft], object]


@pytest.fixture(name="talks")
def _talks() -> Iterator[Talks]:
    """Kim and Rex keep the record; Ann is for acme, Bob for bolt."""
    store = open_store(None, {})
    talks = Talks(store)
    talks.record(
        "kim",
        sample_entries.opened(),
        joined("acme"),
        joined("bolt"),
        topic("price"),
        granted("ann", pb.ACCESS_ROLE_PARTY, "acme"),
        granted("bob", pb.ACCESS_ROLE_PARTY, "bolt"),
        granted("rex", RECORDER),
    )
    yield talks
    talks.writer.close()
    audit(store, "n")
    store.close()


def mended(
    entry: pb.Entry,
    text: str = "Ten at most.",
    *,
    kind: pb.CorrectionKind.ValueType = pb.CORRECTION_KIND_RECORDER,
) -> pb.Draft:
    """A correction of the text of an entry."""
    event = pb.EntryCorrected(
        target_version=entry.header.version, mode=pb.CORRECTION_MODE_REPLACE, kind=kind
    )
    event.replacement.CopyFrom(entry.facts)
    for name in ("visibility", "request_id", "recorded_by"):
        event.replacement.ClearField(name)
    words = pb.Words()
    words.CopyFrom(entry.words)
    words.text, words.correction_reason = text, "A slip of the pen."
    return sample_entries.draft(event, words, visibility=entry.facts.visibility)


def spoken(talks: Talks, caller: str = "ann", statement_id: str = "limit") -> pb.Entry:
    """What somebody has recorded that acme said."""
    return talks.record(caller, said(statement_id, "acme")).entries[0]


def statement(talks: Talks, statement_id: str = "limit") -> pb.Statement:
    entries = [pb.Entry.FromString(one.data) for one in talks.store.read("n")]
    return fold(entries).statements[statement_id]


def test_who_recorded_what_they_said_corrects_its_words(talks: Talks) -> None:
    entry = spoken(talks)

    correction = talks.record("ann", mended(entry)).entries[0]

    known = statement(talks)
    assert known.words.text == "Ten at most."
    assert list(known.blame) == [entry.header.version, correction.header.version]
    assert correction.facts.recorded_by == "ann"


def test_the_day_on_which_it_was_said_can_be_corrected(talks: Talks) -> None:
    correction = mended(spoken(talks))
    correction.facts.entry_corrected.replacement.occurred.CopyFrom(
        sample_entries.date("2025-12-24")
    )

    talks.record("ann", correction)

    assert statement(talks).origin.occurred.edtf == "2025-12-24"


def test_it_can_be_corrected_once_more(talks: Talks) -> None:
    entry = spoken(talks)
    talks.record("ann", mended(entry))

    talks.record("ann", mended(entry, "Eleven.", kind=pb.CORRECTION_KIND_TRANSLATION))

    assert statement(talks).words.text == "Eleven."


def on_topic(draft: pb.Draft) -> None:
    draft.facts.entry_corrected.replacement.statement_recorded.topic_ids.append("price")


def in_their_name(draft: pb.Draft) -> None:
    draft.facts.entry_corrected.replacement.statement_recorded.speakers[:] = ["bolt"]


def as_another_one(draft: pb.Draft) -> None:
    event = draft.facts.entry_corrected
    event.replacement.statement_recorded.statement_id = "other"


def annulled(draft: pb.Draft) -> None:
    draft.facts.entry_corrected.mode = pb.CORRECTION_MODE_ANNUL
    draft.facts.entry_corrected.ClearField("replacement")
    reason = draft.words.correction_reason
    draft.words.Clear()
    draft.words.correction_reason = reason


def unseen(draft: pb.Draft) -> None:
    draft.facts.visibility.CopyFrom(restricted("acme"))


def on_request(draft: pb.Draft) -> None:
    draft.facts.entry_corrected.kind = pb.CORRECTION_KIND_SPEAKER_REQUEST


def of_another_person(draft: pb.Draft) -> None:
    draft.facts.entry_corrected.kind = pb.CORRECTION_KIND_IDENTITY


CHANGES = {
    on_topic: "entry_corrected.replacement",
    in_their_name: "entry_corrected.replacement.statement_recorded.speakers[0]",
    as_another_one: "entry_corrected.replacement",
    annulled: "entry_corrected",
    unseen: "visibility",
    on_request: "entry_corrected.kind",
    of_another_person: "entry_corrected.kind",
}


@pytest.mark.parametrize(
    ("change", "field"), CHANGES.items(), ids=[one.__name__ for one in CHANGES]
)
def test_nothing_but_the_words_is_theirs_to_correct(
    talks: Talks, change: Change, field: str
) -> None:
    correction = mended(spoken(talks))
    change(correction)

    refused = talks.refused("ann", correction)

    assert reason_name(refused.reason) == "ROLE_NOT_SUFFICIENT"
    assert refused.field == f"drafts[0].facts.{field}"


def test_what_another_one_has_recorded_is_not_theirs(talks: Talks) -> None:
    by_keeper = spoken(talks, "kim", "minuted")
    of_bolt = talks.record("bob", said("theirs", "bolt")).entries[0]

    for entry, field in (
        (by_keeper, "entry_corrected.target_version"),
        (of_bolt, "entry_corrected.replacement.statement_recorded.speakers[0]"),
    ):
        refused = talks.refused("ann", mended(entry))
        assert reason_name(refused.reason) == "ROLE_NOT_SUFFICIENT"
        assert refused.field == f"drafts[0].facts.{field}"


def test_what_the_keepers_have_corrected_is_theirs(talks: Talks) -> None:
    entry = spoken(talks)
    talks.record("rex", mended(entry, "Nine."))

    assert talks.answer("ann", mended(entry)) == "ROLE_NOT_SUFFICIENT"
    assert talks.answer("rex", mended(entry, kind=pb.CORRECTION_KIND_IDENTITY)) == ACCEPTED


@pytest.mark.parametrize(
    "deed",
    [offered("mine", ["acme"], ["bolt"]), answered("theirs", "acme")],
    ids=["offer", "answer"],
)
def test_what_was_offered_or_answered_is_for_the_keepers(talks: Talks, deed: pb.Draft) -> None:
    talks.record("bob", offered("theirs", ["bolt"], ["acme"]))
    entry = talks.record("ann", deed).entries[0]

    refused = talks.refused("ann", mended(entry, ""))

    assert reason_name(refused.reason) == "ROLE_NOT_SUFFICIENT"
    assert refused.field.startswith("drafts[0].facts.entry_corrected.")


def replying(statement_id: str, to: str, visibility: pb.Visibility | None = None) -> pb.Draft:
    reply = said(statement_id, "bolt", visibility=visibility)
    reply.facts.statement_recorded.in_reply_to = to
    return reply


def test_what_others_have_answered_is_for_the_keepers(talks: Talks) -> None:
    entry = spoken(talks)
    talks.record("bob", replying("reply", "limit"))

    refused = talks.refused("ann", mended(entry))

    assert refused.field == "drafts[0].facts.entry_corrected.target_version"
    assert talks.answer("kim", mended(entry)) == ACCEPTED


def test_what_one_has_spoken_of_oneself_can_still_be_corrected(talks: Talks) -> None:
    entry = spoken(talks)
    more = said("more", "acme")
    more.facts.statement_recorded.in_reply_to = "limit"
    talks.record("ann", more)

    assert talks.answer("ann", mended(entry)) == ACCEPTED


def test_that_something_hidden_speaks_of_it_cannot_be_found_out(talks: Talks) -> None:
    entry = spoken(talks)
    talks.record("bob", replying("aside of theirs", "limit", restricted("bolt")))
    talks.record("kim", replying("minute", "limit", RECORDER_ONLY))

    assert talks.answer("ann", mended(entry)) == ACCEPTED


def test_what_was_corrected_unseen_is_refused_without_saying_why(talks: Talks) -> None:
    entry = spoken(talks)
    secret = mended(entry, "Eight.")
    secret.facts.visibility.CopyFrom(RECORDER_ONLY)
    talks.record("kim", secret)

    refused = talks.refused("ann", mended(entry))

    assert (reason_name(refused.reason), refused.field) == ("HIDDEN_CONFLICT", "drafts[0]")
    assert statement(talks).words.text == "Eight."


def test_after_the_end_nothing_is_corrected_but_by_the_keepers(talks: Talks) -> None:
    entry = spoken(talks)
    end = pb.NegotiationConcluded(outcome=pb.OUTCOME_NO_AGREEMENT)
    talks.record("kim", sample_entries.draft(end))

    assert talks.answer("ann", mended(entry)) == "ROLE_NOT_SUFFICIENT"
    assert talks.answer("kim", mended(entry)) == ACCEPTED


def test_who_lost_access_corrects_nothing(talks: Talks) -> None:
    entry = spoken(talks)
    talks.record("kim", sample_entries.revoked("ann"))

    assert talks.answer("ann", mended(entry)) == "NEGOTIATION_NOT_FOUND"


def test_who_acts_for_another_one_by_now_corrects_nothing(talks: Talks) -> None:
    entry = spoken(talks)
    talks.record("kim", sample_entries.revoked("ann"), granted("ann", pb.ACCESS_ROLE_PARTY, "bolt"))

    assert talks.answer("ann", mended(entry)) == "ROLE_NOT_SUFFICIENT"


def test_who_mediates_corrects_what_they_said_themselves(talks: Talks) -> None:
    talks.record(
        "kim",
        joined("mediator", pb.PARTICIPANT_ROLE_MEDIATOR),
        granted("mia", pb.ACCESS_ROLE_MEDIATOR, "mediator"),
    )
    spoke, added = talks.record("mia", said("let us", "mediator"), topic("break")).entries

    assert talks.answer("mia", mended(spoke)) == ACCEPTED
    assert talks.answer("mia", mended(added, "")) == "ROLE_NOT_SUFFICIENT"


def test_who_audits_besides_is_told_why(talks: Talks) -> None:
    talks.record("kim", granted("ann", pb.ACCESS_ROLE_AUDITOR))
    entry = spoken(talks)
    talks.record("kim", replying("minute", "limit", RECORDER_ONLY))

    assert talks.answer("ann", mended(entry)) == "ROLE_NOT_SUFFICIENT"
    assert talks.answer("kim", granted("ann", RECORDER), mended(entry)) == ACCEPTED


def talked(entries: Sequence[pb.Entry], me: str, random: Random) -> list[pb.Entry]:
    """A history that goes on: one records what it says; others answer, correct and disclose."""
    result = [pb.Entry.FromString(one.SerializeToString()) for one in entries]
    for one in result:
        one.facts.recorded_by = "others"
    mine: list[pb.Entry] = []
    for number in range(20):
        seen_by = random.choice(
            [sample_entries.PARTIES, restricted(me), RECORDER_ONLY, sample_entries.PUBLIC]
        )
        target = random.choice(mine) if mine else None
        who, draft = "me", said(f"mine-{number}", me, visibility=seen_by)
        if target is not None and random.random() < 0.6:
            reply = said(f"reply-{number}", me, visibility=seen_by)
            reply.facts.statement_recorded.in_reply_to = introduced_part(target.facts)[1]  # type: ignore[index]
            correction = mended(target, f"Mended {number}.")
            correction.facts.visibility.CopyFrom(seen_by)
            disclosure = sample_entries.draft(
                pb.EntryDisclosed(
                    target_version=target.header.version,
                    disclosed_to=sample_entries.PUBLIC,
                    consented_by=[me],
                ),
                visibility=seen_by,
            )
            who, draft = "others", random.choice([reply, correction, disclosure])
        if strategies.refusal(fold(result), draft, result) is None:
            entry = sample_entries.recorded(len(result) + 1, draft)
            entry.facts.recorded_by = who
            result.append(entry)
            mine += [entry] if who == "me" else []
    return result


def refusal(check: Callable[[], object]) -> RefusalError | None:
    try:
        check()
    except RefusalError as refused:
        return refused
    return None


@having(strategies.steps(40), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_whatever_is_so_corrected_only_its_own_words_become_others(
    seeds: list[int], seed: int
) -> None:
    random = Random(seed)  # noqa: S311 - dice, not secrets
    entries = strategies.history(seeds)
    me = next(iter(sorted(fold(entries).participants)), "")
    entries = talked(entries, me, random) if me else entries
    sees = audience_of(entries).visible(participants_scope([me]))
    shown = [one for one in entries if sees(one.header.version)]
    seen = fold(
        [one if sees(one.header.version) else pb.Entry(header=one.header) for one in entries]
    )
    whole, now = fold(entries), sample_entries.recorded_at(len(entries) + 1)
    for target in shown:
        if target.facts.WhichOneof("event") in {*AMENDING_TYPES, None}:
            continue
        draft = mended(target, "Otherwise.")
        draft.facts.recorded_by = "me"

        def judge(state: pb.Negotiation, history: Sequence[pb.Entry]) -> None:
            self_correction_rules.check(draft.facts, history)  # noqa: B023 - called within the loop
            rules.check(state, draft, record_time=now, history=lambda: history)  # noqa: B023

        if refusal(lambda: self_correction_rules.check_not_referenced(seen, draft.facts, shown)):  # noqa: B023
            continue
        if refusal(lambda: judge(seen, shown)):
            continue
        about = [
            one
            for one in entries
            if one.facts.WhichOneof("event") in AMENDING_TYPES
            and not sees(one.header.version)
            and _target(one) == target.header.version
        ]
        refused = refusal(lambda: judge(whole, entries))
        assert refused is None or about, refused
        if refused is None:
            after = fold([*entries, sample_entries.recorded(len(entries) + 1, draft)])
            assert _but(after, target) == _but(whole, target)
            assert target.facts.recorded_by == "me"


def _target(entry: pb.Entry) -> int:
    version: int = getattr(entry.facts, entry.facts.WhichOneof("event") or "").target_version
    return version


def _but(state: pb.Negotiation, target: pb.Entry) -> pb.Negotiation:
    """A state without what a correction of the words of a part is to change."""
    rest = pb.Negotiation()
    rest.CopyFrom(state)
    for name in ("version", "update_time", "amendments"):
        rest.ClearField(name)
    part = introduced_part(target.facts)
    assert part is not None
    kept = getattr(rest, PARTS[part[0]])[part[1]]
    for name in ("words", "blame"):
        kept.ClearField(name)
    kept.origin.ClearField("occurred")
    return rest


def test_every_type_of_which_words_are_corrected_brings_a_part_and_is_no_act() -> None:
    for name in self_correction_rules.CORRECTABLE:
        assert ENTRY_TYPES[name].introduces is not None
        assert not ENTRY_TYPES[name].rule.act
