"""Entries in, state out: every entry type, and everything that is derived."""

from collections.abc import Callable, Sequence

import pytest

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES, PARTS
from pourparler.state.acceptance import deciders, final_answers, proposal_status
from pourparler.state.corrections import EffectiveEntry, effective_entries, is_amending
from pourparler.state.fold import UnknownEntryError, evolve, fold, fold_effective
from pourparler.state.summary import basic_view, copy_without_parts, count_parts
from pourparler.state.undo import UndoLog
from tests.support.sample_entries import (
    ANALYSIS,
    DIRECT,
    NEGOTIATION,
    ON_RECORD,
    PUBLIC,
    REPORTED,
    UNATTRIBUTED,
    answered,
    date,
    draft,
    entry,
    granted,
    history,
    joined,
    left,
    offered,
    opened,
    recorded_at,
    restricted,
    revoked,
    said,
    state_of,
    topic,
)

BEGINNING = (opened(), joined("renault"), joined("nissan"), topic("price"))


def offer(proposal_id: str = "o", *, counters: str = "", supersedes: str = "") -> pb.Draft:
    return draft(
        pb.ProposalMade(
            proposal_id=proposal_id,
            by=["renault"],
            to=["nissan"],
            counters=counters,
            supersedes=supersedes,
            binding=pb.PROPOSAL_BINDING_BINDING,
        )
    )


def position(position_id: str, *, supersedes: str = "") -> pb.Draft:
    return draft(
        pb.PositionTaken(
            position_id=position_id,
            holders=["renault"],
            topic_id="price",
            stance=pb.STANCE_WANTS,
            supersedes=supersedes,
        )
    )


def question(question_id: str, *, reopens: str = "") -> pb.Draft:
    return draft(pb.QuestionRaised(question_id=question_id, raised_by=["renault"], reopens=reopens))


def agreement(
    agreement_id: str,
    *,
    status: pb.AgreementStatus.ValueType = pb.AGREEMENT_STATUS_IN_FORCE,
    supersedes: Sequence[str] = (),
    amends: Sequence[str] = (),
    proposal_id: str = "",
) -> pb.Draft:
    return draft(
        pb.AgreementRecorded(
            agreement_id=agreement_id,
            origin=pb.AGREEMENT_ORIGIN_REACHED,
            kind=pb.AGREEMENT_KIND_DEFINITIVE,
            between=["renault", "nissan"],
            supersedes=supersedes,
            amends=amends,
            proposal_id=proposal_id,
            status=status,
        ),
    )


def commitment(*, conditional: bool = False) -> pb.Draft:
    return draft(
        pb.CommitmentMade(
            commitment_id="c", debtors=["renault"], creditors=["nissan"], conditional=conditional
        )
    )


def milestone(expected: str | None = "2026-40", title: str = "Flotation") -> pb.Draft:
    event = pb.MilestonePlanned(
        milestone_id="m",
        by=["renault"],
        expected=date(expected) if expected else None,
        certainty=pb.CERTAINTY_POSSIBLE,
    )
    return draft(event, pb.Words(title=title))


def reached(actual: str) -> pb.Draft:
    return draft(
        pb.MilestoneClosed(
            milestone_id="m", outcome=pb.MILESTONE_OUTCOME_REACHED, actual=date(actual)
        )
    )


def document(document_id: str, *, version_of: str = "") -> pb.Draft:
    return draft(pb.DocumentAttached(document_id=document_id, version_of=version_of))


def reply(
    statement_id: str,
    act: pb.StatementAct.ValueType,
    speaker: str,
    *,
    basis: pb.Basis.ValueType = DIRECT,
    to: str = "s",
) -> pb.Draft:
    return draft(
        pb.StatementRecorded(
            statement_id=statement_id, speakers=[speaker], act=act, in_reply_to=to
        ),
        basis=basis,
    )


def spoken_for(whom: str, said: pb.Draft) -> pb.Draft:
    """The same statement, made on behalf of somebody."""
    said.facts.statement_recorded.on_behalf_of.append(whom)
    return said


def rumour(*attributed_to: str) -> pb.Draft:
    return draft(
        pb.StatementRecorded(
            statement_id="s", attributed_to=attributed_to, act=pb.STATEMENT_ACT_ASSERT
        ),
        basis=REPORTED if attributed_to else UNATTRIBUTED,
    )


def retracted(*by: str, partial: bool = False) -> pb.Draft:
    return draft(pb.StatementRetracted(statement_id="s", by=by, partial=partial))


def corrected(version: int, by: pb.Draft | None = None, reason: str = "A slip") -> pb.Draft:
    words = pb.Words()
    if by is not None:
        words.CopyFrom(by.words)
    words.correction_reason = reason
    return draft(
        pb.EntryCorrected(
            target_version=version,
            mode=pb.CORRECTION_MODE_ANNUL if by is None else pb.CORRECTION_MODE_REPLACE,
            kind=pb.CORRECTION_KIND_RECORDER,
            replacement=by.facts if by is not None else None,
        ),
        words,
    )


def disclosed(version: int, to: pb.Visibility = PUBLIC) -> pb.Draft:
    return draft(pb.EntryDisclosed(target_version=version, disclosed_to=to))


def redacted(version: int) -> pb.Draft:
    return draft(pb.EntryRedacted(target_version=version))


def session() -> pb.Draft:
    event = pb.SessionOpened(
        session_id="round-1", kind=pb.SESSION_KIND_ROUND, attendees=["renault", "nissan"]
    )
    return draft(event, pb.Words(title="First round", place="Paris"))


# For every entry type: what was given before, the entry, and the parts and fields it changes.
EACH: dict[str, tuple[Sequence[pb.Draft], pb.Draft]] = {
    "negotiation_opened": ((), opened()),
    "negotiation_suspended": (
        (opened(),),
        draft(pb.NegotiationSuspended(expected_resume=date("2026-09"))),
    ),
    "negotiation_resumed": (
        (opened(), draft(pb.NegotiationSuspended(expected_resume=date("2026-09")))),
        draft(pb.NegotiationResumed()),
    ),
    "negotiation_concluded": (
        (*BEGINNING, agreement("a")),
        draft(pb.NegotiationConcluded(outcome=pb.OUTCOME_AGREEMENT, agreement_ids=["a"])),
    ),
    "participant_joined": ((opened(),), joined("renault")),
    "participant_changed": (
        BEGINNING,
        draft(
            pb.ParticipantChanged(participant_id="renault", count=3),
            pb.Words(name="Renault Group"),
        ),
    ),
    "participant_left": (BEGINNING, left("renault")),
    "session_opened": (BEGINNING, session()),
    "session_closed": (
        (*BEGINNING, session()),
        draft(pb.SessionClosed(closed_session_id="round-1"), pb.Words(summary="No result")),
    ),
    "topic_added": ((opened(),), topic("price")),
    "topic_status_changed": (
        BEGINNING,
        draft(
            pb.TopicStatusChanged(topic_id="price", status=pb.TOPIC_STATUS_UNDER_DISCUSSION),
        ),
    ),
    "statement_recorded": (
        (*BEGINNING, rumour("nissan")),
        reply("t", pb.STATEMENT_ACT_DENY, "nissan"),
    ),
    "statement_retracted": ((*BEGINNING, said("s", "renault")), retracted("renault")),
    "position_taken": ((*BEGINNING, position("p")), position("q", supersedes="p")),
    "position_withdrawn": (
        (*BEGINNING, position("p")),
        draft(pb.PositionWithdrawn(position_id="p", by=["renault"])),
    ),
    "question_raised": ((*BEGINNING, question("q")), question("r", reopens="q")),
    "question_resolved": (
        (*BEGINNING, question("q")),
        draft(
            pb.QuestionResolved(question_id="q", resolution=pb.QUESTION_RESOLUTION_ANSWERED),
            pb.Words(answer="Fifteen"),
        ),
    ),
    "proposal_made": ((*BEGINNING, offer("o")), offer("n", supersedes="o", counters="o")),
    "proposal_answered": ((*BEGINNING, offer()), answered("o", "nissan")),
    "proposal_closed": (
        (*BEGINNING, offer()),
        draft(
            pb.ProposalClosed(proposal_id="o", how=pb.PROPOSAL_CLOSING_WITHDRAWN, by=["renault"])
        ),
    ),
    "agreement_recorded": (
        (*BEGINNING, offer(), answered("o", "nissan"), agreement("a"), agreement("b")),
        agreement("c", supersedes=["a"], amends=["b"], proposal_id="o"),
    ),
    "agreement_status_changed": (
        (*BEGINNING, agreement("a")),
        draft(pb.AgreementStatusChanged(agreement_id="a", status=pb.AGREEMENT_STATUS_IN_QUESTION)),
    ),
    "approval_recorded": (
        (*BEGINNING, agreement("a")),
        draft(pb.ApprovalRecorded(agreement_id="a", by=["renault"], act=pb.APPROVAL_ACT_SIGNED)),
    ),
    "commitment_made": (BEGINNING, commitment()),
    "commitment_status_changed": (
        (*BEGINNING, commitment()),
        draft(pb.CommitmentStatusChanged(commitment_id="c", status=pb.COMMITMENT_STATUS_FULFILLED)),
    ),
    "milestone_planned": ((*BEGINNING, milestone()), milestone("2027")),
    "milestone_closed": ((*BEGINNING, milestone()), reached("2026-03-01")),
    "document_attached": ((*BEGINNING, document("d")), document("e", version_of="d")),
    "entry_corrected": (BEGINNING, corrected(4, topic("price"))),
    "entry_disclosed": (BEGINNING, disclosed(4)),
    "entry_redacted": (BEGINNING, redacted(4)),
    "access_granted": (BEGINNING, granted("one", pb.ACCESS_ROLE_AUDITOR)),
    "access_revoked": (
        (*BEGINNING, granted("one", pb.ACCESS_ROLE_AUDITOR)),
        revoked("one"),
    ),
}

every_type = pytest.mark.parametrize("name", EACH)


def test_there_is_a_case_for_every_entry_type() -> None:
    assert set(EACH) == set(ENTRY_TYPES)
    assert all(last.facts.WhichOneof("event") == name for name, (_, last) in EACH.items())


@every_type
def test_an_entry_makes_a_difference_and_leaves_its_version_in_the_blame(name: str) -> None:
    given, last = EACH[name]
    entries = history(*given, last)
    state = fold(entries[:-1])

    evolve(state, entries[-1])

    blames = [
        set(part.blame) for parts in PARTS.values() for part in getattr(state, parts).values()
    ]
    amended = [
        {*one.corrected_by, *one.disclosed_by, one.redacted_by} for one in state.amendments.values()
    ]
    principals = [set(one.blame) for one in state.principals.values()]
    version = len(entries)
    assert state.version == version
    made_by = [set(state.blame), *blames, *amended, *principals]
    assert any(version in one for one in made_by)


@every_type
def test_an_entry_can_be_undone(name: str) -> None:
    given, last = EACH[name]
    entries = history(*given, last)
    state = fold(entries[:-1])
    before = state.SerializeToString(deterministic=True)
    undo = UndoLog(state)

    evolve(state, entries[-1], undo=undo)
    count_parts(state)
    assert state.SerializeToString(deterministic=True) != before
    undo.rollback()

    assert state.SerializeToString(deterministic=True) == before


def test_a_whole_group_can_be_undone_and_another_be_tried() -> None:
    entries = history(
        *BEGINNING,
        offer("o"),
        answered("o", "nissan", pb.ANSWER_ACCEPT_IN_PRINCIPLE),
        offer("n", supersedes="o", counters="o"),
        milestone(),
        milestone("2027"),
        left("renault"),
        joined("renault"),
        draft(pb.NegotiationSuspended()),
    )
    state = fold(entries[:4])
    before = fold(entries[:4])

    for _ in range(2):
        undo = UndoLog(state)
        for one in entries[4:]:
            evolve(state, one, undo=undo)
        undo.rollback()
        assert state == before

    for one in entries[4:]:
        evolve(state, one)
    count_parts(state)
    assert state == fold(entries)


@every_type
def test_one_more_entry_is_the_fold_of_all(name: str) -> None:
    given, last = EACH[name]
    entries = history(*given, last)
    state = fold(entries[:-1])

    evolve(state, entries[-1])
    count_parts(state)

    if not is_amending(entries[-1]):
        assert state == fold(entries)


@every_type
def test_what_changes_a_part_that_is_not_there_changes_nothing(name: str) -> None:
    _, last = EACH[name]
    alone = fold(history(last))

    assert alone.version == 1
    assert len(alone.amendments) == (name.startswith("entry_"))


@pytest.mark.parametrize("name", [name for name in EACH if ENTRY_TYPES[name].introduces])
def test_a_part_says_where_it_comes_from(name: str) -> None:
    introduces = ENTRY_TYPES[name].introduces
    assert introduces is not None
    given, last = EACH[name]
    last.facts.occurred.CopyFrom(date("2025-12"))
    last.facts.session_id = "round-1"
    last.facts.visibility.CopyFrom(PUBLIC)
    event = getattr(last.facts, name)
    kind = introduces.GetOptions().Extensions[pb.rule].introduces

    state = fold(history(*given, last))

    part = getattr(state, PARTS[kind])[getattr(event, introduces.name)]
    version = len(given) + 1
    assert part.facts == event
    assert part.words == last.words
    assert list(part.blame)[-1] == version
    assert part.origin == pb.Origin(
        version=version,
        record_time=recorded_at(version),
        recorded_by="anonymous@loopback",
        occurred=date("2025-12"),
        provenance=last.facts.provenance,
        confirmed=last.facts.provenance.basis in {DIRECT, ON_RECORD},
        visibility=PUBLIC,
        session_id="round-1",
    )


def test_nothing_folds_to_nothing() -> None:
    state = fold([])

    assert (state.name, state.version, state.status) == ("", 0, 0)


def test_the_state_is_named_dated_and_counted() -> None:
    state = state_of(*BEGINNING, offer(), document("d"))

    assert (state.name, state.version) == (f"negotiations/{NEGOTIATION}", 6)
    assert state.update_time == recorded_at(6)
    assert state.counts == pb.Counts(participants=2, topics=1, proposals=1, documents=1)


# The negotiation itself


def test_an_opening_opens_the_negotiation() -> None:
    state = state_of(
        draft(
            pb.NegotiationOpened(
                acceptance_rule=pb.ACCEPTANCE_RULE_ANY, predecessor="negotiations/before"
            ),
            pb.Words(title="The alliance", purpose="Its future"),
        )
    )

    assert state.status == pb.NEGOTIATION_STATUS_OPEN
    assert state.facts.predecessor == "negotiations/before"
    assert (state.words.title, state.words.purpose) == ("The alliance", "Its future")
    assert (list(state.blame), state.origin.version, state.status_change.version) == ([1], 1, 1)


def test_the_talks_pause_and_go_on() -> None:
    paused = (
        opened(),
        draft(
            pb.NegotiationSuspended(expected_resume=date("2026-09")), pb.Words(reason="Elections")
        ),
    )

    suspended = state_of(*paused)
    resumed = state_of(*paused, draft(pb.NegotiationResumed(), pb.Words(reason="They are over")))

    assert suspended.status == pb.NEGOTIATION_STATUS_SUSPENDED
    assert suspended.expected_resume == date("2026-09")
    assert suspended.status_change.reason == "Elections"
    assert resumed.status == pb.NEGOTIATION_STATUS_OPEN
    assert not resumed.HasField("expected_resume")
    assert (resumed.status_change.reason, list(resumed.blame)) == ("They are over", [1, 2, 3])


def test_the_talks_end_and_are_taken_up_again() -> None:
    ended = (
        *BEGINNING,
        agreement("a"),
        draft(pb.NegotiationConcluded(outcome=pb.OUTCOME_AGREEMENT, agreement_ids=["a"])),
    )

    concluded = state_of(*ended)
    resumed = state_of(*ended, draft(pb.NegotiationResumed()))

    assert concluded.status == pb.NEGOTIATION_STATUS_CONCLUDED
    assert (concluded.outcome, list(concluded.agreement_ids)) == (pb.OUTCOME_AGREEMENT, ["a"])
    assert resumed.status == pb.NEGOTIATION_STATUS_OPEN
    assert (resumed.outcome, list(resumed.agreement_ids)) == (pb.OUTCOME_UNSPECIFIED, [])


# Participants and sessions


def test_a_participant_comes_goes_and_comes_back() -> None:
    gone = (
        *BEGINNING,
        draft(
            pb.ParticipantLeft(
                participant_id="nissan", leaving_reason=pb.LEAVING_REASON_EXCLUDED, by=["renault"]
            ),
            pb.Words(reason="No quorum"),
        ),
    )
    came_back = joined("nissan", pb.PARTICIPANT_ROLE_OBSERVER)

    was = state_of(*gone).participants["nissan"]
    now = state_of(*gone, came_back).participants["nissan"]

    assert (was.status, was.leaving_reason) == (
        pb.PARTICIPANT_STATUS_LEFT,
        pb.LEAVING_REASON_EXCLUDED,
    )
    assert (list(was.status_change.by), was.status_change.reason) == (["renault"], "No quorum")
    assert (now.status, now.leaving_reason) == (pb.PARTICIPANT_STATUS_ACTIVE, 0)
    assert now.facts.role == pb.PARTICIPANT_ROLE_OBSERVER
    assert (list(now.blame), now.origin.version) == ([3, 5, 6], 6)


def test_a_change_of_a_participant_changes_what_it_gives_and_nothing_else() -> None:
    before = draft(
        pb.ParticipantJoined(
            participant_id="alliance",
            kind=pb.PARTICIPANT_KIND_GROUP,
            role=pb.PARTICIPANT_ROLE_GROUP,
            members=["renault", "nissan"],
            members_complete=True,
            owned_by=["renault"],
        ),
        pb.Words(name="Alliance", aliases=["RNM"], mandate="To talk"),
    )
    change = draft(
        pb.ParticipantChanged(
            participant_id="alliance",
            members=pb.ParticipantList(participant_ids=["nissan"]),
            owned_by=pb.ParticipantList(),
            members_complete=False,
        ),
        pb.Words(name="The Alliance", reason="Renault went"),
    )

    part = state_of(*BEGINNING, before, change).participants["alliance"]

    assert list(part.facts.members) == ["nissan"]
    assert list(part.facts.owned_by) == []
    assert part.facts.members_complete is False
    assert part.facts.role == pb.PARTICIPANT_ROLE_GROUP
    assert (part.words.name, list(part.words.aliases), part.words.mandate) == (
        "The Alliance",
        ["RNM"],
        "To talk",
    )
    assert (list(part.blame), part.origin.version) == ([5, 6], 5)


def test_every_field_of_a_participant_that_can_change_does() -> None:
    change = draft(
        pb.ParticipantChanged(
            participant_id="nissan",
            role=pb.PARTICIPANT_ROLE_REPRESENTATIVE,
            represents=pb.ParticipantList(participant_ids=["renault"]),
            count=7,
        ),
        pb.Words(aliases=["N"], mandate="To sign"),
    )

    part = state_of(*BEGINNING, change).participants["nissan"]

    assert part.facts.role == pb.PARTICIPANT_ROLE_REPRESENTATIVE
    assert (list(part.facts.represents), part.facts.count) == (["renault"], 7)
    assert (part.words.name, list(part.words.aliases)) == ("Nissan", ["N"])
    assert part.words.mandate == "To sign"


def test_a_session_is_opened_and_closed() -> None:
    closed = draft(pb.SessionClosed(closed_session_id="round-1"), pb.Words(summary="No result"))

    during = state_of(*BEGINNING, session()).sessions["round-1"]
    after = state_of(*BEGINNING, session(), closed).sessions["round-1"]

    assert (during.status, during.words.place) == (pb.SESSION_STATUS_OPEN, "Paris")
    assert (after.status, after.summary) == (pb.SESSION_STATUS_CLOSED, "No result")
    assert (list(after.blame), after.status_change.version) == ([5, 6], 6)


# Topics


def test_a_topic_without_a_status_is_open() -> None:
    state = state_of(
        draft(pb.TopicAdded(topic_id="a")),
        draft(pb.TopicAdded(topic_id="b", status=pb.TOPIC_STATUS_UNDER_DISCUSSION)),
    )

    assert state.topics["a"].status == pb.TOPIC_STATUS_OPEN
    assert state.topics["b"].status == pb.TOPIC_STATUS_UNDER_DISCUSSION


def test_a_topic_is_settled_by_an_agreement_and_taken_up_again() -> None:
    settled = (
        *BEGINNING,
        agreement("a"),
        draft(
            pb.TopicStatusChanged(
                topic_id="price", status=pb.TOPIC_STATUS_SETTLED, by_agreement_id="a"
            )
        ),
    )
    reopened = draft(
        pb.TopicStatusChanged(topic_id="price", status=pb.TOPIC_STATUS_UNDER_DISCUSSION),
        pb.Words(reason="New figures"),
        basis=ANALYSIS,
    )

    done = state_of(*settled).topics["price"]
    again = state_of(*settled, reopened).topics["price"]

    assert (done.status, done.by_agreement_id) == (pb.TOPIC_STATUS_SETTLED, "a")
    assert (again.status, again.by_agreement_id) == (pb.TOPIC_STATUS_UNDER_DISCUSSION, "")
    assert (again.status_change.reason, again.status_change.confirmed) == ("New figures", False)
    assert (again.origin.confirmed, list(again.blame)) == (True, [4, 6, 7])


# Statements


@pytest.mark.parametrize("basis", pb.Basis.values()[1:], ids=pb.Basis.Name)
def test_only_what_is_direct_or_on_record_is_confirmed(basis: pb.Basis.ValueType) -> None:
    confirmed = basis in {DIRECT, ON_RECORD}
    made = draft(pb.StatementRecorded(statement_id="s", act=pb.STATEMENT_ACT_ASSERT), basis=basis)
    back = draft(pb.StatementRetracted(statement_id="s", by=["renault"]), basis=basis)

    statement = state_of(*BEGINNING, made, back).statements["s"]

    assert statement.origin.confirmed is confirmed
    assert statement.status_change.confirmed is confirmed


def test_a_statement_stands_until_it_is_taken_back() -> None:
    given = (*BEGINNING, said("s", "renault"))

    stands = state_of(*given).statements["s"]
    taken_back = state_of(*given, retracted("renault")).statements["s"]

    assert (stands.status, list(stands.retracted_by)) == (pb.STATEMENT_STATUS_STANDS, [])
    assert taken_back.status == pb.STATEMENT_STATUS_RETRACTED
    assert (list(taken_back.retracted_by), list(taken_back.blame)) == (["renault"], [5, 6])


def test_a_joint_statement_is_taken_back_in_part_and_then_whole() -> None:
    given = (*BEGINNING, said("s", "renault", "nissan"), retracted("nissan", partial=True))

    in_part = state_of(*given).statements["s"]
    whole = state_of(*given, retracted("renault", partial=True)).statements["s"]

    assert (in_part.status, list(in_part.retracted_by)) == (
        pb.STATEMENT_STATUS_STANDS,
        ["nissan"],
    )
    assert in_part.status_change.version == 6
    assert (whole.status, list(whole.retracted_by)) == (
        pb.STATEMENT_STATUS_RETRACTED,
        ["nissan", "renault"],
    )


def test_a_reported_statement_is_taken_back_by_those_it_is_attributed_to() -> None:
    given = (*BEGINNING, rumour("renault", "nissan"))

    one = state_of(*given, retracted("renault")).statements["s"]
    both = state_of(*given, retracted("renault", "nissan")).statements["s"]

    assert one.status == pb.STATEMENT_STATUS_STANDS
    assert both.status == pb.STATEMENT_STATUS_RETRACTED


CONFIRM, DENY = pb.STATEMENT_ACT_CONFIRM, pb.STATEMENT_ACT_DENY


@pytest.mark.parametrize(
    ("about", "replies", "expected"),
    [
        pytest.param(rumour("nissan"), [], 0, id="nobody-said-anything"),
        pytest.param(
            rumour("nissan"),
            [reply("t", CONFIRM, "nissan")],
            pb.CORROBORATION_CONFIRMED,
            id="the-one-it-is-attributed-to-confirms",
        ),
        pytest.param(
            rumour("nissan"),
            [reply("t", DENY, "nissan", basis=ON_RECORD)],
            pb.CORROBORATION_DENIED,
            id="on-record-denied",
        ),
        pytest.param(
            rumour("nissan"),
            [reply("t", CONFIRM, "nissan"), reply("u", CONFIRM, "nissan")],
            pb.CORROBORATION_CONFIRMED,
            id="twice-confirmed",
        ),
        pytest.param(
            rumour("nissan", "renault"),
            [reply("t", CONFIRM, "nissan"), reply("u", DENY, "renault")],
            pb.CORROBORATION_DISPUTED,
            id="confirmed-and-denied",
        ),
        pytest.param(
            rumour("nissan"),
            [reply("t", DENY, "nissan"), reply("u", CONFIRM, "nissan"), reply("v", DENY, "nissan")],
            pb.CORROBORATION_DISPUTED,
            id="disputed-once-is-disputed-for-good",
        ),
        pytest.param(rumour("nissan"), [reply("t", CONFIRM, "renault")], 0, id="by-somebody-else"),
        pytest.param(
            rumour("nissan"),
            [spoken_for("nissan", reply("t", CONFIRM, "observer"))],
            pb.CORROBORATION_CONFIRMED,
            id="by-somebody-on-their-behalf",
        ),
        pytest.param(
            rumour("nissan"),
            [spoken_for("renault", reply("t", CONFIRM, "observer"))],
            0,
            id="on-behalf-of-somebody-else",
        ),
        pytest.param(
            rumour("nissan"),
            [reply("t", CONFIRM, "nissan", basis=REPORTED)],
            0,
            id="only-said-to-have-confirmed",
        ),
        pytest.param(
            rumour(), [reply("t", DENY, "renault")], pb.CORROBORATION_DENIED, id="any-party"
        ),
        pytest.param(rumour(), [reply("t", DENY, "observer")], 0, id="no-party"),
        pytest.param(
            rumour("nissan"),
            [reply("t", pb.STATEMENT_ACT_DECLINE_TO_COMMENT, "nissan")],
            0,
            id="declined-to-comment",
        ),
    ],
)
def test_a_statement_is_borne_out_by_those_who_should_know(
    about: pb.Draft, replies: list[pb.Draft], expected: int
) -> None:
    observer = joined("observer", pb.PARTICIPANT_ROLE_OBSERVER)

    statement = state_of(*BEGINNING, observer, about, *replies).statements["s"]

    assert statement.corroboration == expected
    named = [one.facts.statement_recorded.statement_id for one in replies]
    assert list(statement.corroborated_by) == (named if expected else [])
    assert len(statement.blame) == 1 + len(statement.corroborated_by)


def test_a_denial_that_was_taken_back_does_not_count() -> None:
    taken_back = draft(pb.StatementRetracted(statement_id="u", by=["nissan"]))
    replies = [reply("t", CONFIRM, "nissan"), reply("u", DENY, "nissan")]

    before = state_of(*BEGINNING, rumour("nissan"), *replies).statements["s"]
    after = state_of(*BEGINNING, rumour("nissan"), *replies, taken_back).statements["s"]

    assert before.corroboration == pb.CORROBORATION_DISPUTED
    assert after.corroboration == pb.CORROBORATION_CONFIRMED
    assert list(after.corroborated_by) == ["t"]
    assert list(after.blame) == [*before.blame, before.blame[-1] + 1]


def test_the_statement_that_was_confirmed_is_otherwise_untouched() -> None:
    before = state_of(*BEGINNING, rumour("nissan")).statements["s"]
    after = state_of(*BEGINNING, rumour("nissan"), reply("t", CONFIRM, "nissan")).statements["s"]

    assert (after.facts, after.words, after.origin) == (before.facts, before.words, before.origin)
    assert not after.origin.confirmed


# Positions and questions


def test_a_position_takes_the_place_of_another() -> None:
    state = state_of(*BEGINNING, position("p"), position("q", supersedes="p"))

    before, now = state.positions["p"], state.positions["q"]
    assert (before.status, before.superseded_by) == (pb.POSITION_STATUS_SUPERSEDED, "q")
    assert (list(before.blame), list(before.status_change.by)) == ([5, 6], ["renault"])
    assert (now.status, now.superseded_by, list(now.blame)) == (pb.POSITION_STATUS_HELD, "", [6])


def test_a_position_is_given_up() -> None:
    gone = draft(
        pb.PositionWithdrawn(position_id="p", by=["renault"]), pb.Words(reason="Too costly")
    )

    part = state_of(*BEGINNING, position("p"), gone).positions["p"]

    assert part.status == pb.POSITION_STATUS_WITHDRAWN
    assert (list(part.status_change.by), part.status_change.reason) == (["renault"], "Too costly")


@pytest.mark.parametrize(
    ("resolution", "status"),
    [
        (pb.QUESTION_RESOLUTION_ANSWERED, pb.QUESTION_STATUS_ANSWERED),
        (pb.QUESTION_RESOLUTION_MOOT, pb.QUESTION_STATUS_MOOT),
        (pb.QUESTION_RESOLUTION_WITHDRAWN, pb.QUESTION_STATUS_WITHDRAWN),
    ],
    ids=["answered", "moot", "withdrawn"],
)
def test_a_question_is_closed(
    resolution: pb.QuestionResolution.ValueType, status: pb.QuestionStatus.ValueType
) -> None:
    closed = draft(
        pb.QuestionResolved(
            question_id="q", resolution=resolution, statement_ids=["s"], agreement_id="a"
        ),
        pb.Words(answer="Fifteen"),
    )

    part = state_of(*BEGINNING, question("q"), closed).questions["q"]

    assert (part.status, part.answer) == (status, "Fifteen")
    assert (list(part.statement_ids), part.agreement_id) == (["s"], "a")
    assert list(part.blame) == [5, 6]


def test_a_question_is_asked_again_under_another_id() -> None:
    state = state_of(*BEGINNING, question("q"), question("r", reopens="q"))

    assert state.questions["q"].reopened_by == "r"
    assert list(state.questions["q"].blame) == [5, 6]
    assert state.questions["r"].status == pb.QUESTION_STATUS_OPEN
    assert list(state.questions["r"].status_change.by) == ["renault"]


# Proposals


def test_an_offer_is_open_and_an_answer_stands_in_it() -> None:
    answer = draft(
        pb.ProposalAnswered(proposal_id="o", by="nissan", answer=pb.ANSWER_ACCEPT_IN_PRINCIPLE),
        pb.Words(conditions=["The board agrees"]),
        occurred="2025-12-31",
    )

    part = state_of(*BEGINNING, offer(), answer).proposals["o"]

    assert part.status == pb.PROPOSAL_STATUS_OPEN
    assert part.status_change.version == 5
    (given,) = part.replies
    assert (given.facts.by, list(given.words.conditions)) == ("nissan", ["The board agrees"])
    assert (given.origin.version, given.origin.occurred) == (6, date("2025-12-31"))


def test_the_answer_that_decides_is_the_change_of_status() -> None:
    part = state_of(*BEGINNING, offer(), answered("o", "nissan")).proposals["o"]

    assert part.status == pb.PROPOSAL_STATUS_ACCEPTED
    assert (part.status_change.version, list(part.status_change.by)) == (6, ["nissan"])
    assert part.status_change.confirmed


def test_an_offer_takes_the_place_of_ones_own_and_stands_beside_the_other_sides() -> None:
    theirs = offered("theirs", ["nissan"], ["renault"])

    proposals = state_of(
        *BEGINNING, theirs, offer("o"), offer("n", supersedes="o", counters="theirs")
    ).proposals

    assert (proposals["o"].status, proposals["o"].superseded_by) == (
        pb.PROPOSAL_STATUS_SUPERSEDED,
        "n",
    )
    assert (proposals["theirs"].status, list(proposals["theirs"].countered_by)) == (
        pb.PROPOSAL_STATUS_OPEN,
        ["n"],
    )
    assert proposals["n"].status == pb.PROPOSAL_STATUS_OPEN
    assert list(proposals["theirs"].blame) == [5, 7]


def test_what_one_entry_does_to_a_part_in_two_ways_is_in_its_blame_once() -> None:
    state = state_of(*BEGINNING, offer("o"), offer("n", supersedes="o", counters="o"))

    assert list(state.proposals["o"].blame) == [5, 6]


@pytest.mark.parametrize(
    ("how", "status"),
    [
        (pb.PROPOSAL_CLOSING_WITHDRAWN, pb.PROPOSAL_STATUS_WITHDRAWN),
        (pb.PROPOSAL_CLOSING_LAPSED, pb.PROPOSAL_STATUS_LAPSED),
    ],
    ids=["withdrawn", "lapsed"],
)
def test_an_offer_goes_off_the_table(
    how: pb.ProposalClosing.ValueType, status: pb.ProposalStatus.ValueType
) -> None:
    closed = draft(pb.ProposalClosed(proposal_id="o", how=how, by=["renault"]))

    part = state_of(*BEGINNING, offer(), closed).proposals["o"]

    assert (part.status, list(part.status_change.by)) == (status, ["renault"])


def proposal(answers: str, *, decided_by: str = "") -> pb.Proposal:
    """An offer to a, b and c, and what each of them answered: + - 0 (abstains) ~ (in principle)."""
    kinds = {
        "+": pb.ANSWER_ACCEPT,
        "-": pb.ANSWER_REJECT,
        "0": pb.ANSWER_ABSTAIN,
        "~": pb.ANSWER_ACCEPT_IN_PRINCIPLE,
    }
    return pb.Proposal(
        facts=pb.ProposalMade(to=["a", "b", "c"], decided_by=decided_by),
        replies=[
            pb.ProposalReply(facts=pb.ProposalAnswered(by=who, answer=kinds[answer]))
            for who, answer in zip("abc", answers, strict=False)
            if answer in kinds
        ],
    )


OPEN = pb.PROPOSAL_STATUS_OPEN
ACCEPTED, REJECTED = pb.PROPOSAL_STATUS_ACCEPTED, pb.PROPOSAL_STATUS_REJECTED
DECIDED = {
    # all,     any,      majority
    "": (OPEN, OPEN, OPEN),
    "+": (OPEN, ACCEPTED, OPEN),
    "++": (OPEN, ACCEPTED, ACCEPTED),
    "+++": (ACCEPTED, ACCEPTED, ACCEPTED),
    "~~~": (OPEN, OPEN, OPEN),
    "++~": (OPEN, ACCEPTED, ACCEPTED),
    "++0": (ACCEPTED, ACCEPTED, ACCEPTED),
    "+00": (ACCEPTED, ACCEPTED, REJECTED),
    "+0": (OPEN, ACCEPTED, OPEN),
    "000": (REJECTED, REJECTED, REJECTED),
    "00": (OPEN, OPEN, REJECTED),
    "-": (REJECTED, OPEN, OPEN),
    "--": (REJECTED, OPEN, REJECTED),
    "---": (REJECTED, REJECTED, REJECTED),
    "-0~": (REJECTED, OPEN, REJECTED),
    "-+": (REJECTED, ACCEPTED, OPEN),
    "-++": (REJECTED, ACCEPTED, ACCEPTED),
    "0-0": (REJECTED, REJECTED, REJECTED),
    "0--": (REJECTED, REJECTED, REJECTED),
}


def under(rule: pb.AcceptanceRule.ValueType) -> pb.Negotiation:
    return pb.Negotiation(facts=pb.NegotiationOpened(acceptance_rule=rule))


@pytest.mark.parametrize("answers", DECIDED, ids=lambda answers: answers or "none")
def test_the_answers_decide_an_offer_by_the_acceptance_rule(answers: str) -> None:
    rules = (
        pb.ACCEPTANCE_RULE_ALL_ADDRESSEES,
        pb.ACCEPTANCE_RULE_ANY,
        pb.ACCEPTANCE_RULE_MAJORITY,
    )

    given = tuple(proposal_status(under(rule), proposal(answers)) for rule in rules)
    assert given == DECIDED[answers]
    assert proposal_status(pb.Negotiation(), proposal(answers)) == DECIDED[answers][0]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [("+", OPEN), ("++", ACCEPTED), ("++-", ACCEPTED), ("  +", OPEN), ("-", REJECTED)],
)
def test_where_those_who_decide_are_named_the_others_do_not_count(
    answers: str, expected: pb.ProposalStatus.ValueType
) -> None:
    named = proposal(answers, decided_by="ab")

    state = under(pb.ACCEPTANCE_RULE_NAMED)
    assert deciders(state, named) == ["a", "b"]
    assert proposal_status(state, named) == expected


def test_an_answer_in_principle_can_be_followed_by_a_final_one() -> None:
    given = proposal("~-")
    given.replies.add(facts=pb.ProposalAnswered(by="a", answer=pb.ANSWER_ACCEPT))

    assert final_answers(given) == {"a": pb.ANSWER_ACCEPT, "b": pb.ANSWER_REJECT}
    assert deciders(under(pb.ACCEPTANCE_RULE_ANY), given) == ["a", "b", "c"]


def test_the_acceptance_rule_is_that_of_the_opening() -> None:
    state = state_of(
        opened(pb.ACCEPTANCE_RULE_ANY),
        *BEGINNING[1:],
        offered("o", ["renault"], ["nissan", "mitsubishi"]),
        answered("o", "mitsubishi"),
    )

    assert state.proposals["o"].status == pb.PROPOSAL_STATUS_ACCEPTED


# Agreements and commitments


def test_an_agreement_takes_the_place_of_others_changes_others_and_comes_from_an_offer() -> None:
    given, last = EACH["agreement_recorded"]

    state = state_of(*given, last)

    old, changed = state.agreements["a"], state.agreements["b"]
    assert (old.status, old.superseded_by) == (pb.AGREEMENT_STATUS_SUPERSEDED, "c")
    assert (changed.status, list(changed.amended_by)) == (pb.AGREEMENT_STATUS_IN_FORCE, ["c"])
    assert state.proposals["o"].agreement_id == "c"
    assert state.proposals["o"].status == pb.PROPOSAL_STATUS_ACCEPTED
    assert [list(one.blame) for one in (old, changed, state.agreements["c"])] == [
        [7, 9],
        [8, 9],
        [9],
    ]


def test_an_acceptance_is_no_agreement() -> None:
    state = state_of(*BEGINNING, offer(), answered("o", "nissan"))

    assert state.counts.agreements == 0


def test_an_agreement_changes_its_status_on_the_basis_of_that_entry() -> None:
    doubt = draft(
        pb.AgreementStatusChanged(
            agreement_id="a", status=pb.AGREEMENT_STATUS_IN_QUESTION, by=["nissan"]
        ),
        pb.Words(reason="It may have to be renegotiated"),
        basis=ANALYSIS,
    )

    part = state_of(*BEGINNING, agreement("a"), doubt).agreements["a"]

    assert part.status == pb.AGREEMENT_STATUS_IN_QUESTION
    assert part.status_change.provenance.basis == ANALYSIS
    assert (part.status_change.confirmed, part.origin.confirmed) == (False, True)
    assert list(part.status_change.by) == ["nissan"]


def test_a_commitment_is_conditional_or_active_at_first_and_then_what_became_of_it() -> None:
    kept = draft(
        pb.CommitmentStatusChanged(
            commitment_id="c",
            status=pb.COMMITMENT_STATUS_FULFILLED,
            by=["renault"],
            statement_ids=["s"],
            document_ids=["d"],
        )
    )

    assert (
        state_of(*BEGINNING, commitment(conditional=True)).commitments["c"].status
        == pb.COMMITMENT_STATUS_CONDITIONAL
    )
    active = state_of(*BEGINNING, commitment()).commitments["c"]
    assert (active.status, list(active.status_change.by)) == (
        pb.COMMITMENT_STATUS_ACTIVE,
        ["renault"],
    )
    fulfilled = state_of(*BEGINNING, commitment(), kept).commitments["c"]
    assert fulfilled.status == pb.COMMITMENT_STATUS_FULFILLED
    assert (list(fulfilled.statement_ids), list(fulfilled.document_ids)) == (["s"], ["d"])


# Milestones and documents


def test_a_milestone_planned_anew_keeps_the_dates_it_had() -> None:
    part = state_of(
        *BEGINNING,
        milestone("2026-40", "Flotation"),
        milestone(None, "Flotation, perhaps"),
        milestone("2027", "Listing"),
    ).milestones["m"]

    assert part.status == pb.MILESTONE_STATUS_PLANNED
    assert (part.facts.expected, part.words.title) == (date("2027"), "Listing")
    assert list(part.planned_before) == [date("2026-40"), pb.FuzzyDate()]
    assert (list(part.blame), part.origin.version) == ([5, 6, 7], 7)


@pytest.mark.parametrize(
    ("expected", "actual", "late"),
    [
        pytest.param("2026-40", "2026-07-01", True, id="after-its-last-day"),
        pytest.param("2026-40", "2026-06-30", False, id="on-its-last-day"),
        pytest.param("2026-40", "2026", False, id="perhaps-in-time"),
        pytest.param("2026-40", "2026-07", True, id="surely-after"),
        pytest.param("[2026-01-01..]", "2030-01-01", False, id="in-due-course"),
        pytest.param(None, "2030-01-01", False, id="not-said-when"),
        pytest.param("2026-06-30", "[..2027-01-01]", False, id="not-known-when"),
        pytest.param("2026-06-30", "2026-07-01T00:00:00Z", True, id="an-instant-after"),
        pytest.param("2026-06-30", "2026-06-30T23:59:59Z", False, id="an-instant-on-the-day"),
    ],
)
def test_a_milestone_is_late_when_it_was_surely_reached_after_the_plan(
    expected: str | None, actual: str, *, late: bool
) -> None:
    part = state_of(*BEGINNING, milestone(expected), reached(actual)).milestones["m"]

    assert (part.status, part.late) == (pb.MILESTONE_STATUS_REACHED, late)
    assert part.actual == date(actual)


def test_lateness_is_reckoned_from_the_last_plan() -> None:
    part = state_of(
        *BEGINNING, milestone("2026-01"), milestone("2026-03"), reached("2026-02-14")
    ).milestones["m"]

    assert not part.late


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (pb.MILESTONE_OUTCOME_MISSED, pb.MILESTONE_STATUS_MISSED),
        (pb.MILESTONE_OUTCOME_CANCELLED, pb.MILESTONE_STATUS_CANCELLED),
    ],
    ids=["missed", "cancelled"],
)
def test_a_milestone_is_closed_without_being_reached(
    outcome: pb.MilestoneOutcome.ValueType, status: pb.MilestoneStatus.ValueType
) -> None:
    closed = draft(
        pb.MilestoneClosed(
            milestone_id="m", outcome=outcome, statement_ids=["s"], document_ids=["d"]
        )
    )

    part = state_of(*BEGINNING, milestone(), closed).milestones["m"]

    assert (part.status, part.late, part.HasField("actual")) == (status, False, False)
    assert (list(part.statement_ids), list(part.document_ids)) == (["s"], ["d"])


def test_a_document_knows_its_later_versions() -> None:
    state = state_of(
        *BEGINNING, document("d1"), document("d2", version_of="d1"), document("d3", version_of="d1")
    )

    assert list(state.documents["d1"].later_versions) == ["d2", "d3"]
    assert list(state.documents["d1"].blame) == [5, 6, 7]
    assert list(state.documents["d2"].later_versions) == []


# Entries about entries


def test_a_replacement_counts_at_the_place_of_its_target() -> None:
    given = (*BEGINNING, rumour("renault"), reply("t", CONFIRM, "nissan"))

    before = state_of(*given)
    after = state_of(*given, corrected(5, rumour("nissan"), "It was Nissan"))

    assert before.statements["s"].corroboration == 0
    statement = after.statements["s"]
    assert list(statement.facts.attributed_to) == ["nissan"]
    assert statement.corroboration == pb.CORROBORATION_CONFIRMED
    assert (statement.origin.version, list(statement.blame)) == (5, [5, 7, 6])
    assert after.version == 7
    assert after.amendments[5] == pb.Amendment(corrected_by=[7], correction_reason="It was Nissan")


def test_a_replacement_keeps_who_recorded_the_entry_and_who_may_see_it() -> None:
    target = entry(2, said("s", "renault").facts.statement_recorded, visibility=PUBLIC)
    target.facts.request_id = "first"
    correction = history(opened(), said("x", "y"), corrected(2, said("s", "nissan")))[2]

    (one,) = effective_entries([target, correction])[:1]

    assert one.entry.facts.request_id == "first"
    assert one.entry.facts.recorded_by == "anonymous@loopback"
    assert one.entry.facts.visibility == PUBLIC
    assert one.entry.header == target.header
    assert list(one.entry.facts.statement_recorded.speakers) == ["nissan"]
    assert one.entry.words.correction_reason == ""
    assert list(target.facts.statement_recorded.speakers) == ["renault"]


def test_what_is_corrected_takes_basis_date_and_session_of_the_correction() -> None:
    better = draft(
        pb.TopicAdded(topic_id="price"), basis=REPORTED, occurred="2025-12", session="round-1"
    )

    origin = state_of(*BEGINNING, corrected(4, better)).topics["price"].origin

    assert (origin.provenance.basis, origin.confirmed) == (REPORTED, False)
    assert (origin.occurred, origin.session_id) == (date("2025-12"), "round-1")
    assert origin.record_time == recorded_at(4)


def test_the_last_of_several_corrections_counts() -> None:
    def titled(title: str) -> pb.Draft:
        return draft(pb.TopicAdded(topic_id="price"), pb.Words(title=title))

    state = state_of(
        *BEGINNING, corrected(4, titled("Cost"), "One"), corrected(4, titled("Price"), "Two")
    )

    assert state.topics["price"].words.title == "Price"
    assert list(state.topics["price"].blame) == [4, 5, 6]
    assert state.amendments[4] == pb.Amendment(corrected_by=[5, 6], correction_reason="Two")


def test_what_is_annulled_counts_as_never_made() -> None:
    given = (*BEGINNING, offer("o"), offer("n", supersedes="o"))

    state = state_of(*given, corrected(6))

    assert list(state.proposals) == ["o"]
    assert state.proposals["o"].status == pb.PROPOSAL_STATUS_OPEN
    assert list(state.proposals["o"].blame) == [5]
    assert state.amendments[6].annulled
    assert (state.version, state.counts.proposals) == (7, 1)


def test_an_entry_corrected_and_then_annulled_is_gone() -> None:
    state = state_of(*BEGINNING, corrected(4, topic("price")), corrected(4))

    assert not state.topics
    assert list(state.amendments[4].corrected_by) == [5, 6]
    assert state.amendments[4].annulled


def test_before_the_correction_the_record_said_what_it_said() -> None:
    entries = history(*BEGINNING, corrected(4))

    assert "price" in fold(entries[:4]).topics
    assert not fold(entries[:4]).amendments


def test_the_opening_itself_can_be_corrected() -> None:
    given = (
        *BEGINNING,
        offered("o", ["renault"], ["nissan", "mitsubishi"]),
        answered("o", "nissan"),
    )

    state = state_of(*given, corrected(1, opened(pb.ACCEPTANCE_RULE_ANY)))

    assert state.proposals["o"].status == pb.PROPOSAL_STATUS_ACCEPTED
    assert list(state.blame) == [1, 7]
    assert state.proposals["o"].blame == [5, 6]


def test_a_disclosure_widens_who_may_see_what_it_discloses() -> None:
    secret = said("s", "renault", visibility=restricted("renault"))

    state = state_of(
        *BEGINNING,
        secret,
        disclosed(5, restricted("renault", "nissan")),
        disclosed(5, PUBLIC),
    )

    assert state.statements["s"].origin.visibility == PUBLIC
    assert list(state.statements["s"].blame) == [5, 6, 7]
    assert state.amendments[5] == pb.Amendment(disclosed_by=[6, 7])


@pytest.mark.parametrize("first", ["disclosed", "corrected"])
def test_a_disclosure_and_a_correction_do_not_undo_each_other(first: str) -> None:
    secret = said("s", "renault", visibility=restricted("renault"))
    both = [disclosed(5), corrected(5, said("s", "nissan"))]

    state = state_of(*BEGINNING, secret, *(both if first == "disclosed" else both[::-1]))

    statement = state.statements["s"]
    assert statement.origin.visibility == PUBLIC
    assert list(statement.facts.speakers) == ["nissan"]


def test_a_redaction_takes_the_words_and_leaves_the_facts() -> None:
    state = state_of(*BEGINNING, said("s", "renault"), redacted(5))

    statement = state.statements["s"]
    assert not statement.HasField("words")
    assert list(statement.facts.speakers) == ["renault"]
    assert state.amendments[5] == pb.Amendment(redacted_by=6)
    assert list(statement.blame) == [5, 6]


def test_the_redaction_of_a_correction_takes_its_words_wherever_they_count() -> None:
    right = said("s", "nissan")
    right.words.text = "What was really said"
    correction = corrected(5, right)
    state = state_of(*BEGINNING, said("s", "renault"), correction, redacted(6))

    assert state.statements["s"].facts.speakers == ["nissan"]
    assert state.statements["s"].words == pb.Words()
    assert state.amendments[6] == pb.Amendment(redacted_by=7)
    assert state.amendments[5].corrected_by == [6]
    assert state.amendments[5].correction_reason == ""


def test_a_redaction_takes_the_words_of_a_correction_too() -> None:
    state = state_of(
        *BEGINNING, said("s", "renault"), corrected(5, said("s", "nissan")), redacted(5)
    )

    assert not state.statements["s"].HasField("words")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        pytest.param(
            (opened(), draft(pb.NegotiationSuspended(), pb.Words(reason="Secret")), redacted(2)),
            lambda state: state.status_change.reason,
            id="reason",
        ),
        pytest.param(
            (*BEGINNING, offer(), answered("o", "nissan"), redacted(6)),
            lambda state: state.proposals["o"].replies[0].words.text,
            id="reply",
        ),
        pytest.param(
            (opened(), redacted(1)), lambda state: state.words.title, id="title-of-the-negotiation"
        ),
        pytest.param(
            (*BEGINNING, milestone("2026", "Secret"), milestone("2027", "Open"), redacted(6)),
            lambda state: state.milestones["m"].words.title,
            id="plan-made-anew-is-not-given-the-older-words",
        ),
    ],
)
def test_words_that_were_destroyed_are_nowhere(
    given: tuple[pb.Draft, ...], read: Callable[[pb.Negotiation], str]
) -> None:
    assert read(state_of(*given)) == ""


def test_a_withheld_entry_only_moves_the_version_on() -> None:
    entries = history(*BEGINNING, said("s", "renault"))
    withheld = pb.Entry(header=entries[4].header)

    state = fold([*entries[:4], withheld])

    before = fold(entries[:4])
    assert (state.version, state.update_time) == (5, recorded_at(5))
    assert (state.counts, state.topics["price"]) == (before.counts, before.topics["price"])


@pytest.mark.parametrize(
    "amendment",
    [corrected(5, said("s", "nissan")), disclosed(5), redacted(5)],
    ids=["corrected", "disclosed", "redacted"],
)
def test_what_is_said_of_a_withheld_entry_does_not_bring_it_back(amendment: pb.Draft) -> None:
    entries = history(*BEGINNING, said("s", "renault"), amendment)
    entries[4] = pb.Entry(header=entries[4].header)

    state = fold(entries)

    assert not state.statements
    assert state.version == 6


def test_an_entry_of_an_unknown_type_is_not_passed_over() -> None:
    state = state_of(*BEGINNING)
    before = state.SerializeToString(deterministic=True)
    stranger = pb.Entry(header=pb.EntryHeader(negotiation=NEGOTIATION, version=5))
    stranger.facts.MergeFromString(b"\xa2\x06\x00")  # field 100, empty

    with pytest.raises(UnknownEntryError, match="version 5"):
        evolve(state, stranger)

    assert state.SerializeToString(deterministic=True) == before


# Readings


def test_amending_entries_are_those_about_entries() -> None:
    amending = {name for name, (_, last) in EACH.items() if is_amending(pb.Entry(facts=last.facts))}

    assert amending == {"entry_corrected", "entry_disclosed", "entry_redacted"}


def test_counting_leaves_the_entries_as_they_are() -> None:
    entries = history(*BEGINNING, corrected(4, topic("price")), disclosed(2), redacted(3))
    before = [one.SerializeToString(deterministic=True) for one in entries]

    as_counted = effective_entries(entries)

    assert [one.SerializeToString(deterministic=True) for one in entries] == before
    assert [one.amended_by for one in as_counted] == [(), (6,), (7,), (5,), (), (), ()]
    assert effective_entries(entries[:4]) == [EffectiveEntry(one) for one in entries[:4]]


def test_a_reading_can_leave_entries_out() -> None:
    entries = effective_entries(
        history(*BEGINNING, offer(), answered("o", "nissan"), corrected(5, offer()))
    )

    without_offer = fold_effective(one for one in entries if one.entry.header.version != 5)

    assert not without_offer.proposals
    assert (without_offer.version, without_offer.counts.topics) == (7, 1)
    assert fold_effective(entries) == state_of(
        *BEGINNING, offer(), answered("o", "nissan"), corrected(5, offer())
    )


def test_the_head_of_a_state_is_all_but_its_parts() -> None:
    state = state_of(*BEGINNING, corrected(4, topic("price")))
    for parts in PARTS.values():
        assert len(getattr(copy_without_parts(state), parts)) == 0

    whole = pb.Negotiation()
    whole.CopyFrom(copy_without_parts(state))
    whole.participants.MergeFrom(state.participants)
    whole.topics.MergeFrom(state.topics)

    assert whole == state


def test_the_basic_view_has_head_counts_participants_and_topics() -> None:
    state = state_of(*BEGINNING, said("s", "renault"), corrected(4, topic("price")))

    view = basic_view(state)

    assert (view.version, view.words, view.counts) == (6, state.words, state.counts)
    assert set(view.participants) == {"renault", "nissan"}
    assert set(view.topics) == {"price"}
    assert (len(view.statements), len(view.amendments)) == (0, 0)
    assert view.counts.statements == 1
