"""Views: who sees what, who may record what. One place, and pure."""

from collections.abc import Sequence

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler_service.authorization.audience import Audience
from pourparler_service.authorization.filtering import header_only
from pourparler_service.authorization.policy import Policy, check_may_list, check_may_open
from pourparler_service.authorization.roles import (
    EVERYTHING,
    NOTHING,
    PUBLIC,
    Roles,
    VisibilityScope,
    check_may_record,
    check_sees_own,
    participants_scope,
    roles_of,
    scope_as_participant,
    scope_of,
    withheld_conflict,
)
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import RefusalError, reason_name
from pourparler_service.storage.record_codec import decode_record, record_bytes
from tests.support import sample_entries
from tests.support.draft_checks import TALKS, WHISPER
from tests.support.sample_entries import (
    PARTIES,
    RECORDER_ONLY,
    draft,
    granted,
    offered,
    revoked,
    said,
)

NOW = Timestamp(seconds=1_800_000_000)
EVERY_VISIBILITY = {
    "public": sample_entries.PUBLIC,
    "parties": PARTIES,
    "acme": sample_entries.restricted("acme"),
    "acme, bolt": sample_entries.restricted("acme", "bolt"),
    "recorder": RECORDER_ONLY,
    "none": pb.Visibility(),
    "of another version": pb.Visibility(level=9),  # type: ignore[arg-type]
}


def seen(sight: VisibilityScope) -> list[str]:
    return [name for name, visibility in EVERY_VISIBILITY.items() if sight.allows(visibility)]


def audience(*drafts: pb.Draft) -> Audience:
    result = Audience()
    for entry in sample_entries.history(*drafts):
        result.add(entry.header, entry.facts)
    return result


def roles(*drafts: pb.Draft, principal: str = "one") -> Roles:
    return roles_of(audience(*TALKS, *drafts).principals, principal, NOW)


CUSTODIAN, RECORDER = pb.ACCESS_ROLE_CUSTODIAN, pb.ACCESS_ROLE_RECORDER
PARTY, MEDIATOR, AUDITOR = pb.ACCESS_ROLE_PARTY, pb.ACCESS_ROLE_MEDIATOR, pb.ACCESS_ROLE_AUDITOR
OF_ACME, OF_BOLT = granted("one", PARTY, "acme"), granted("one", PARTY, "bolt")
SEES: dict[str, tuple[tuple[pb.Draft, ...], VisibilityScope, Sequence[str]]] = {
    "a stranger": ((), NOTHING, ()),
    "a custodian": ((granted("one", CUSTODIAN),), EVERYTHING, list(EVERY_VISIBILITY)),
    "a recorder": ((granted("one", RECORDER),), EVERYTHING, list(EVERY_VISIBILITY)),
    "an auditor": ((granted("one", AUDITOR),), EVERYTHING, list(EVERY_VISIBILITY)),
    "an auditor in time": (
        (granted("one", AUDITOR, until=NOW.seconds + 1),),
        EVERYTHING,
        list(EVERY_VISIBILITY),
    ),
    "an auditor too late": ((granted("one", AUDITOR, until=NOW.seconds),), NOTHING, ()),
    "a party": (
        (OF_BOLT,),
        participants_scope(["bolt"]),
        ["public", "parties", "acme, bolt"],
    ),
    "a party of two": (
        (OF_ACME, OF_BOLT),
        participants_scope(["acme", "bolt"]),
        ["public", "parties", "acme", "acme, bolt"],
    ),
    "a party no more": ((OF_ACME, revoked("one")), NOTHING, ()),
    "a party of one of two": (
        (OF_ACME, OF_BOLT, revoked("one", PARTY, "acme")),
        participants_scope(["bolt"]),
        ["public", "parties", "acme, bolt"],
    ),
    "a mediator": ((granted("one", MEDIATOR),), participants_scope([]), ["public", "parties"]),
    "a mediator who takes part": (
        (granted("one", MEDIATOR, "acme"),),
        participants_scope(["acme"]),
        ["public", "parties", "acme", "acme, bolt"],
    ),
    "another one": ((granted("two", CUSTODIAN),), NOTHING, ()),
}


@pytest.mark.parametrize("case", SEES)
def test_what_is_seen_follows_from_access(case: str) -> None:
    drafts, sight, names = SEES[case]

    assert scope_of(roles(*drafts), "one", Policy()) == sight
    assert seen(sight) == list(names)


def test_the_operators_own_machine_sees_everything() -> None:
    assert scope_of(roles_of({}, ANONYMOUS, NOW), ANONYMOUS, Policy()) == EVERYTHING


def test_a_policy_names_those_who_see_everything_and_those_who_see_what_is_public() -> None:
    policy = Policy(auditors=["one"], public=["*"])

    assert scope_of(Roles(), "one", policy) == EVERYTHING
    assert scope_of(Roles(), "two", policy) == PUBLIC
    assert scope_of(roles(OF_ACME), "two", policy) == participants_scope(["acme"])
    assert seen(PUBLIC) == ["public"]


def test_by_default_everybody_known_opens_and_lists_and_nobody_else_may_do_more() -> None:
    policy = Policy()

    assert policy.allows("one", policy.open)
    assert policy.allows("one", policy.list)
    assert not policy.sees_everything("one")
    assert not policy.allows("one", policy.privacy)
    assert not policy.allows("one", Policy(open=["two"]).open)


def test_who_asks_for_the_view_of_another_one_sees_what_both_may_see() -> None:
    keeper, mediator = roles(granted("one", RECORDER)), roles(granted("one", MEDIATOR, "bolt"))
    bystander = roles(granted("one", MEDIATOR))

    assert seen(scope_as_participant("acme", keeper, keeper.scope)) == [
        "public",
        "parties",
        "acme",
        "acme, bolt",
    ]
    assert seen(scope_as_participant("acme", mediator, mediator.scope)) == [
        "public",
        "parties",
        "acme, bolt",
    ]
    assert seen(scope_as_participant("acme", bystander, bystander.scope)) == ["public", "parties"]


@pytest.mark.parametrize("grant", [OF_ACME, None])
def test_who_takes_part_does_not_see_what_another_one_sees(grant: pb.Draft | None) -> None:
    known = roles(grant) if grant else Roles()

    with pytest.raises(RefusalError) as refused:
        scope_as_participant("acme", known, scope_of(known, "one", Policy(public=["*"])))

    assert reason_name(refused.value.reason) == "ROLE_NOT_SUFFICIENT"
    assert refused.value.field == "viewer_participant_id"


def test_the_public_within_what_a_participant_sees_is_the_public() -> None:
    assert PUBLIC.intersection(participants_scope(["acme"])) == PUBLIC
    assert participants_scope(["acme"]).intersection(EVERYTHING) == participants_scope(["acme"])
    assert NOTHING.intersection(EVERYTHING) == NOTHING


def disclosed(target: int, to: pb.Visibility) -> pb.Draft:
    return draft(
        pb.EntryDisclosed(target_version=target, disclosed_to=to), visibility=RECORDER_ONLY
    )


def corrected(target: int) -> pb.Draft:
    event = pb.EntryCorrected(target_version=target, mode=pb.CORRECTION_MODE_REPLACE)
    event.replacement.CopyFrom(said("whisper", "acme").facts)
    return draft(event, visibility=sample_entries.restricted("acme", "mia"))


def test_what_is_disclosed_is_seen_from_then_on_whoever_sees_that_it_was() -> None:
    after = audience(*TALKS, disclosed(WHISPER, PARTIES))
    bolt = participants_scope(["bolt"])

    assert after.visible(bolt)(WHISPER)
    assert not after.visible(bolt)(WHISPER + 1)
    assert not after.visible(bolt, upto=WHISPER)(WHISPER)
    assert after.visible(participants_scope(["mia"]), upto=WHISPER)(WHISPER)


def test_it_is_disclosed_as_it_counts_with_its_corrections() -> None:
    after = audience(*TALKS, corrected(WHISPER), disclosed(WHISPER, PARTIES), corrected(WHISPER))
    sees = after.visible(participants_scope(["bolt"]))

    assert [sees(version) for version in range(WHISPER, WHISPER + 4)] == [True, True, False, False]


def test_who_sees_the_joining_of_a_participant_knows_them() -> None:
    hidden = sample_entries.joined("spy")
    hidden.facts.visibility.CopyFrom(RECORDER_ONLY)
    after = audience(*TALKS, hidden)

    assert after.shows_participant("acme", PUBLIC.intersection(EVERYTHING)) is False
    assert after.shows_participant("acme", participants_scope(["bolt"]))
    assert after.shows_participant("spy", EVERYTHING)
    assert not after.shows_participant("spy", participants_scope(["bolt"]))
    assert not after.shows_participant("nobody", EVERYTHING)


def test_nothing_public_shows_nothing_to_the_public() -> None:
    loud = said("loud", "acme", visibility=sample_entries.PUBLIC)

    assert not audience(*TALKS).shows_any(PUBLIC)
    assert audience(*TALKS, loud).shows_any(PUBLIC)


def test_a_header_alone_is_that_of_the_entry() -> None:
    drafted = said("loud", "acme")
    data = record_bytes("talks", 3, NOW, drafted.facts, drafted.words)

    alone = header_only(data)

    assert decode_record(alone) == pb.Entry(header=decode_record(data).header)
    assert pb.Record.FromString(alone).header == pb.Record.FromString(data).header
    assert alone == pb.Record(header=pb.Record.FromString(data).header).SerializeToString()


TOPIC = pb.TopicAdded(topic_id="place", status=pb.TOPIC_STATUS_OPEN)
SESSION = pb.SessionOpened(session_id="second", kind=pb.SESSION_KIND_ROUND)
JOINT = said("both", "acme", "bolt")
HEARSAY = draft(
    pb.StatementRecorded(attributed_to=["acme"], act=pb.STATEMENT_ACT_ASSERT),
    basis=sample_entries.REPORTED,
)
CONSENTED = pb.EntryDisclosed(target_version=WHISPER, disclosed_to=PARTIES, consented_by=["acme"])
ANNULLED = pb.EntryCorrected(target_version=WHISPER, mode=pb.CORRECTION_MODE_ANNUL)
ACCESS = pb.AccessGranted(principal="two", role=AUDITOR)
EVERY_DRAFT: dict[str, pb.Draft | Message] = {
    "own": said("mine", "acme"),
    "another's": said("theirs", "bolt"),
    "joint": JOINT,
    "offer": offered("mine", ["acme"], ["bolt"]),
    "hearsay": HEARSAY,
    "published": draft(
        said("mine", "acme").facts.statement_recorded, basis=sample_entries.ON_RECORD
    ),
    "topic": TOPIC,
    "session": SESSION,
    "disclosure": CONSENTED,
    "correction": ANNULLED,
    "pause": pb.NegotiationSuspended(),
    "access": ACCESS,
}
RECORDS: dict[str, tuple[tuple[pb.Draft, ...], set[str]]] = {
    "a stranger": ((), set()),
    "an auditor": ((granted("one", AUDITOR),), set()),
    "a custodian": ((granted("one", CUSTODIAN),), set(EVERY_DRAFT)),
    "a recorder": ((granted("one", RECORDER),), set(EVERY_DRAFT) - {"access"}),
    "a party": ((OF_ACME,), {"own", "offer", "published", "disclosure"}),
    "a party of two": (
        (OF_ACME, OF_BOLT),
        {"own", "another's", "joint", "offer", "published", "disclosure"},
    ),
    "a mediator": ((granted("one", MEDIATOR),), {"topic", "session", "disclosure"}),
    "a mediator who takes part": (
        (granted("one", MEDIATOR, "acme"),),
        {"own", "offer", "published", "topic", "session", "disclosure"},
    ),
}


def may_record(known: Roles, one: pb.Draft | Message) -> str:
    drafted = one if isinstance(one, pb.Draft) else draft(one)
    try:
        check_may_record(known, drafted.facts)
    except RefusalError as refused:
        return reason_name(refused.reason)
    return ""


@pytest.mark.parametrize("case", RECORDS)
def test_who_may_record_what(case: str) -> None:
    drafts, allowed = RECORDS[case]
    known = roles(*drafts)

    answers = {name: may_record(known, one) for name, one in EVERY_DRAFT.items()}

    assert answers == {
        name: "" if name in allowed else "ROLE_NOT_SUFFICIENT" for name in EVERY_DRAFT
    }


def test_nobody_records_what_they_could_not_see() -> None:
    drafted = said("mine", "acme", visibility=sample_entries.restricted("bolt"))

    with pytest.raises(RefusalError) as refused:
        check_sees_own(participants_scope(["acme"]), drafted.facts)

    assert refused.value.field == "facts.visibility"
    check_sees_own(participants_scope(["bolt"]), drafted.facts)
    check_sees_own(EVERYTHING, drafted.facts)


def test_who_may_open_and_list_is_for_the_policy_to_say() -> None:
    policy = Policy(open=["one"], list=["two"])

    check_may_open(policy, "one")
    check_may_list(policy, "two")
    check_may_open(policy, ANONYMOUS)
    for check, who in ((check_may_open, "two"), (check_may_list, "one")):
        with pytest.raises(RefusalError) as refused:
            check(policy, who)
        assert reason_name(refused.value.reason) == "NOT_ALLOWED_HERE"


def test_a_conflict_with_what_is_hidden_says_nothing_of_it() -> None:
    refused = withheld_conflict()

    assert reason_name(refused.reason) == "HIDDEN_CONFLICT"
    assert (refused.field, dict(refused.metadata)) == ("", {})
