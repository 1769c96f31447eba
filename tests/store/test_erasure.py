"""An erasure: it is undone or done, and what it destroyed is found nowhere again."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.state.fold import fold
from pourparler.state.status import status_report
from pourparler.transparency.checkpoint import parse_checkpoint, parse_note
from pourparler.transparency.findings import Verdict
from pourparler.transparency.merkle import check_consistency
from pourparler_service.domain.refusal import RefusalError, reason_name
from pourparler_service.storage.interface import StoredEntry, StoreUnavailableError
from pourparler_service.storage.record_codec import decode_record, is_erased, leaf
from pourparler_service.writes.erasure import GROUP
from tests.support.disk_search import traces
from tests.support.erasure_cases import (
    ASKED,
    AUDIENCE_ALONE,
    HELD,
    ID,
    NAME,
    OF_ANNA,
    OF_BELA,
    SAID,
    SEALED_FOR_ANNA,
    TITLE,
    Kept,
    kept,
    person,
    stated,
    talks,
)
from tests.support.sample_entries import draft, joined, opened
from tests.support.signing_keys import KEY

STEPS = ["intended", "destroyed", "rewritten", "purged", "recorded", "done"]


class Crash(BaseException):
    """Nobody catches it, as nobody catches a crash."""


def crash_at(step: str) -> Callable[[str], None]:
    def reached(now: str) -> None:
        if now == step:
            raise Crash

    return reached


def redactions(rooms: Kept) -> dict[int, int]:
    """Of which version each redaction speaks, by its own."""
    entries = [decode_record(one.data) for one in rooms.store.read(ID)]
    return {
        one.header.version: one.facts.entry_redacted.target_version
        for one in entries
        if one.facts.HasField("entry_redacted")
    }


def test_words_of_persons_lie_nowhere_in_clear(tmp_path: Path) -> None:
    with kept(tmp_path) as rooms:
        rooms.record(*talks())
        rooms.look_at_everything()

        found = traces(tmp_path, *OF_ANNA, *OF_BELA)

        stored = rooms.store.read(ID)
        assert rooms.state().participants["anna"].words.name == NAME
        in_clear = [one.version for one in stored if not one.persons]
    # What is only shown to a person does not concern one.
    assert {text for _, text in found} == {SAID}
    assert AUDIENCE_ALONE in in_clear
    assert [one.version for one in stored if "anna" in one.persons] == SEALED_FOR_ANNA
    assert [one.version for one in stored if one.persons == ("anna", "bela")] == [6]


def sealed_talks() -> list[pb.Draft]:
    """Talks without the words that are only shown to Anna."""
    drafts = talks()
    drafts[AUDIENCE_ALONE - 1].words.text = "Shown to her, and not about her"
    return drafts


def test_after_an_erasure_not_a_word_is_left(tmp_path: Path) -> None:
    with kept(tmp_path / "data") as rooms:
        rooms.record(*sealed_talks())
        rooms.look_at_everything()
        assert traces(tmp_path, *OF_ANNA, *OF_BELA) == []

        assert rooms.found(NAME) == [3, 10]
        assert rooms.found(f"{SAID}* -{NAME}") == [5, 6]

        erasure = rooms.erasures.erase(ASKED)

        rooms.look_at_everything()
        assert [rooms.found(word) for word in OF_ANNA] == [[], [], [], []]
        assert rooms.found(HELD) == [4, 12]
        assert list(erasure.versions) == SEALED_FOR_ANNA
        assert erasure.key_count == 1
        assert erasure.state == pb.ERASURE_STATE_SUCCEEDED
        assert list(erasure.limits) == [
            pb.ERASURE_LIMIT_DISTRIBUTED_COPIES,
            pb.ERASURE_LIMIT_COPIES_AT_OTHER_SERVICES,
            pb.ERASURE_LIMIT_BACKUPS,
        ]
        assert list(redactions(rooms).values()) == SEALED_FOR_ANNA
        assert traces(tmp_path, *OF_ANNA) == []
        shutil.copytree(tmp_path / "data", tmp_path / "backup")
    # A backup made after it has everything that there is, keys too.
    with kept(tmp_path / "backup") as rooms:
        rooms.look_at_everything()
        written = rooms.state().SerializeToString()
        for word in OF_ANNA:
            assert word.encode() not in written
            assert not any(word.encode() in one.data for one in rooms.store.read(ID))
        assert rooms.state().statements["s-5"].words.text == f"{HELD} alone"


def test_facts_state_and_standing_stay(tmp_path: Path) -> None:
    with kept(tmp_path) as rooms:
        rooms.record(*sealed_talks())
        before = rooms.state()
        rooms.erasures.erase(ASKED)

        after = rooms.state()
        assert after == fold([decode_record(one.data) for one in rooms.store.read(ID)])
        assert set(after.participants) == set(before.participants)
        assert set(after.statements) == set(before.statements)
        for id_, part in before.statements.items():
            assert after.statements[id_].facts == part.facts
        assert after.statements["s-0"].words == before.statements["s-0"].words
        assert after.amendments[9].redacted_by
        on = edtf.bounds("2030")
        assert status_report(after, on, "2030").on_date == status_report(before, on, "2030").on_date
        for version in range(1, 13):
            assert rooms.state(version).version == version
        page = rooms.catalogue.page(pb.ListNegotiationsRequest())
        assert [one.title for one in page.negotiations] == [""]


def test_proofs_receipts_and_older_checkpoints_verify_as_before(tmp_path: Path) -> None:
    with kept(tmp_path) as rooms:
        first = rooms.record(*sealed_talks(), request_id="r-1")
        assert rooms.verified().verdict is Verdict.SOUND
        older = parse_checkpoint(parse_note(rooms.log.checkpoint(ID, None).checkpoint).text)
        leaves = [leaf(one.data) for one in rooms.store.read(ID)]

        rooms.erasures.erase(ASKED)

        assert rooms.verified().verdict is Verdict.SOUND
        assert [leaf(one.data) for one in rooms.store.read(ID)][:12] == leaves
        newer = parse_checkpoint(parse_note(rooms.log.checkpoint(ID, None).checkpoint).text)
        proof = rooms.log.consistency(ID, older.size, None)
        check_consistency(older.size, older.root, newer.size, newer.root, list(proof.hashes))

        again = pb.Receipt.FromString(rooms.record(*sealed_talks(), request_id="r-1"))
        was = pb.Receipt.FromString(first)
        assert list(again.erased_versions) == SEALED_FOR_ANNA
        assert again.checkpoint == was.checkpoint
        for entry, before in zip(again.entries, was.entries, strict=True):
            assert entry.header == before.header
            assert entry.facts == before.facts
            gone = entry.header.version in SEALED_FOR_ANNA
            assert is_erased(entry) == gone
            assert entry.words == (pb.Words() if gone else before.words)


def test_another_request_under_the_same_id_is_still_refused(tmp_path: Path) -> None:
    with kept(tmp_path) as rooms:
        rooms.record(*sealed_talks(), request_id="r-1")
        rooms.erasures.erase(ASKED)

        with pytest.raises(RefusalError) as refused:
            rooms.record(*sealed_talks()[:-1], request_id="r-1")
        assert reason_name(refused.value.reason) == "REQUEST_ID_REUSED"


def test_of_two_persons_the_erasure_of_either_destroys_what_concerns_both(tmp_path: Path) -> None:
    with kept(tmp_path) as rooms:
        rooms.record(*sealed_talks())
        hers = rooms.erasures.erase(ASKED)
        his = rooms.erasures.erase(ASKED._replace(participant_id="bela", request_id="e-2"))

        assert 6 in hers.versions
        assert list(his.versions) == [4, 12]
        assert list(his.erased_before) == [6]
        assert traces(tmp_path, *OF_ANNA, *OF_BELA) == []
        assert rooms.verified().verdict is Verdict.SOUND


def test_what_is_said_of_a_person_later_can_be_erased_again(tmp_path: Path) -> None:
    with kept(tmp_path) as rooms:
        rooms.record(*sealed_talks())
        rooms.erasures.erase(ASKED)
        rooms.record(stated("s-9", f"{SAID} returns", "anna"))
        version = rooms.store.last_version(ID)
        assert rooms.state().statements["s-9"].words.text == f"{SAID} returns"
        assert traces(tmp_path, SAID) == []

        again = rooms.erasures.erase(ASKED._replace(request_id="e-2"))

        assert list(again.versions) == [version]
        assert rooms.state().statements["s-9"].words.text == ""
        assert rooms.verified().verdict is Verdict.SOUND


def test_an_erasure_that_is_asked_for_again_is_the_same(tmp_path: Path) -> None:
    with kept(tmp_path) as rooms:
        rooms.record(*sealed_talks())
        first = rooms.erasures.erase(ASKED)

        assert rooms.erasures.erase(ASKED) == first
        assert rooms.erasures.get(first.name) == first
        with pytest.raises(RefusalError) as refused:
            rooms.erasures.erase(ASKED._replace(participant_id="bela"))
        assert reason_name(refused.value.reason) == "REQUEST_ID_REUSED"
        with pytest.raises(RefusalError) as refused:
            rooms.erasures.get("negotiations/talks/erasures/none")
        assert reason_name(refused.value.reason) == "ERASURE_NOT_FOUND"


def test_only_persons_of_the_record_are_erased() -> None:
    with kept(None) as rooms:
        rooms.record(*talks())
        for who, reason in (("nobody", "PART_NOT_FOUND"), ("acme", "NOT_A_PERSON")):
            with pytest.raises(RefusalError) as refused:
                rooms.erasures.erase(ASKED._replace(participant_id=who))
            assert reason_name(refused.value.reason) == reason
        with pytest.raises(RefusalError) as refused:
            rooms.erasures.erase(ASKED._replace(negotiation="none"))
        assert reason_name(refused.value.reason) == "NEGOTIATION_NOT_FOUND"
        about = stated("s-9", "It is theirs", "anna")
        about.facts.concerns.append("acme")
        rooms.record(about)

        erasure = rooms.erasures.erase(ASKED._replace(participant_id="acme"))

        assert list(erasure.versions) == [13]


def test_in_memory_words_are_destroyed_as_well() -> None:
    with kept(None) as rooms:
        rooms.record(*sealed_talks())
        rooms.look_at_everything()

        assert list(rooms.erasures.erase(ASKED).versions) == SEALED_FOR_ANNA

        rooms.look_at_everything()
        assert rooms.state().participants["anna"].words == pb.Words()
        assert rooms.verified().verdict is Verdict.SOUND


def in_clear(rooms: Kept) -> None:
    """Record talks as they were stored before words were sealed."""
    append = rooms.store.append
    rooms.store.append = lambda records: append(  # type: ignore[method-assign]
        [one._replace(persons=()) for one in records]
    )
    rooms.record(*sealed_talks())
    rooms.store.append = append  # type: ignore[method-assign]


def test_what_stood_in_clear_is_written_anew(tmp_path: Path) -> None:
    with kept(tmp_path) as rooms:
        in_clear(rooms)
        rooms.look_at_everything()
        assert traces(tmp_path, NAME, TITLE)

        erasure = rooms.erasures.erase(ASKED)

        rooms.look_at_everything()
        assert list(erasure.versions) == list(erasure.rewritten_versions) == SEALED_FOR_ANNA
        assert traces(tmp_path, *OF_ANNA) == []
        assert rooms.verified().verdict is Verdict.SOUND


def test_what_cannot_be_written_anew_is_not_said_to_be_destroyed() -> None:
    with kept(None) as rooms:
        in_clear(rooms)

        erasure = rooms.erasures.erase(ASKED)

        assert list(erasure.remaining_versions) == SEALED_FOR_ANNA
        assert pb.ERASURE_LIMIT_UNENCRYPTED_ENTRIES in erasure.limits
        assert list(erasure.versions) == []
        assert redactions(rooms) == {}
        assert rooms.state().participants["anna"].words.name == NAME


def test_who_turns_out_to_be_a_person_is_erased_from_the_beginning(tmp_path: Path) -> None:
    with kept(tmp_path) as rooms:
        company = draft(
            pb.ParticipantJoined(
                participant_id="anna",
                kind=pb.PARTICIPANT_KIND_ORGANIZATION,
                role=pb.PARTICIPANT_ROLE_PARTY,
            ),
            pb.Words(name=NAME),
        )
        rooms.record(opened(), company, joined("acme"), stated("s-1", SAID, "anna"))
        correction = draft(
            pb.EntryCorrected(
                target_version=2,
                mode=pb.CORRECTION_MODE_REPLACE,
                replacement=person("anna", NAME).facts,
            ),
            pb.Words(name=TITLE, correction_reason=f"{TITLE} is no company"),
        )
        rooms.record(correction)

        erasure = rooms.erasures.erase(ASKED)

        assert list(erasure.versions) == [2, 4, 5]
        assert list(erasure.rewritten_versions) == [2, 4]
        assert traces(tmp_path, NAME, SAID, TITLE) == []
        assert rooms.verified().verdict is Verdict.SOUND


def test_an_entry_that_was_annulled_is_redacted_too(tmp_path: Path) -> None:
    with kept(tmp_path) as rooms:
        rooms.record(*sealed_talks())
        annulment = pb.EntryCorrected(target_version=5, mode=pb.CORRECTION_MODE_ANNUL)
        rooms.record(draft(annulment, pb.Words(correction_reason=f"{SAID} was silent")))

        erasure = rooms.erasures.erase(ASKED)

        assert list(erasure.versions) == [*SEALED_FOR_ANNA, 13]
        assert traces(tmp_path, *OF_ANNA) == []
        assert rooms.verified().verdict is Verdict.SOUND


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_leaves_it_undone_or_done(tmp_path: Path, step: str) -> None:
    with kept(tmp_path, crash_at(step)) as rooms:
        rooms.record(*sealed_talks())
        rooms.look_at_everything()
        with pytest.raises(Crash):
            rooms.erasures.erase(ASKED)
        # Whatever is claimed has happened.
        for target in redactions(rooms).values():
            assert is_erased(decode_record(rooms.store.read(ID)[target - 1].data))

    with kept(tmp_path) as rooms:
        rooms.look_at_everything()
        erasure = rooms.erasures.erase(ASKED)
        assert erasure.state == pb.ERASURE_STATE_SUCCEEDED
        assert list(erasure.versions) == SEALED_FOR_ANNA
        assert erasure.key_count == 1
        assert list(redactions(rooms).values()) == SEALED_FOR_ANNA
        assert traces(tmp_path, *OF_ANNA) == []
        assert rooms.verified().verdict is Verdict.SOUND


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_while_entries_stand_in_clear(tmp_path: Path, step: str) -> None:
    with kept(tmp_path, crash_at(step)) as rooms:
        in_clear(rooms)
        with pytest.raises(Crash):
            rooms.erasures.erase(ASKED)

    with kept(tmp_path) as rooms:
        erasure = rooms.erasures.erase(ASKED)
        assert list(erasure.versions) == list(erasure.rewritten_versions) == SEALED_FOR_ANNA
        assert list(redactions(rooms).values()) == SEALED_FOR_ANNA
        assert traces(tmp_path, *OF_ANNA) == []


def test_before_the_intent_is_on_disk_a_crash_leaves_all_as_it_was(tmp_path: Path) -> None:
    with kept(tmp_path) as rooms:
        rooms.record(*sealed_talks())
        before = [one.data for one in rooms.store.read(ID)]
        rooms.store.subject_keys.begin_erasure = _crash  # type: ignore[assignment, method-assign]
        with pytest.raises(Crash):
            rooms.erasures.erase(ASKED)

    with kept(tmp_path) as rooms:
        assert [one.data for one in rooms.store.read(ID)] == before
        assert rooms.store.subject_keys.unfinished() == []


def _crash(*_: object) -> None:
    raise Crash


def test_what_fails_is_finished_by_the_next_erasure(tmp_path: Path) -> None:
    with kept(tmp_path) as rooms:
        rooms.record(*sealed_talks())
        purge = rooms.store.purge
        rooms.store.purge = _fail  # type: ignore[method-assign]
        with pytest.raises(StoreUnavailableError):
            rooms.erasures.erase(ASKED)
        assert redactions(rooms) == {}
        rooms.store.purge = purge  # type: ignore[method-assign]

        rooms.erasures.erase(ASKED._replace(participant_id="bela", request_id="e-2"))

        hers = rooms.erasures.erase(ASKED)
        assert hers.state == pb.ERASURE_STATE_SUCCEEDED
        assert list(hers.versions) == SEALED_FOR_ANNA


def _fail(*_: object) -> None:
    raise StoreUnavailableError("the disk is gone")


def test_what_is_recorded_meanwhile_lies_under_another_key(tmp_path: Path) -> None:
    later: list[Kept] = []

    def reached(step: str) -> None:
        if step in {"destroyed", "purged"} and later:
            later[0].record(stated(f"s-{step}", f"{HELD} {step}", "anna"))

    with kept(tmp_path, reached) as rooms:
        rooms.record(*sealed_talks())
        later.append(rooms)

        erasure = rooms.erasures.erase(ASKED)

        assert list(erasure.versions) == SEALED_FOR_ANNA
        for step in ("destroyed", "purged"):
            assert rooms.state().statements[f"s-{step}"].words.text == f"{HELD} {step}"
        assert rooms.verified().verdict is Verdict.SOUND


def test_many_entries_are_erased_in_groups(tmp_path: Path) -> None:
    with kept(tmp_path) as rooms:
        rooms.record(opened(), person("anna", NAME))
        many = GROUP + 5
        for begin in range(0, many, 500):
            drafts = [
                stated(f"s-{number}", f"{SAID} {number}", "anna")
                for number in range(begin, min(begin + 500, many))
            ]
            rooms.record(*drafts)

        erasure = rooms.erasures.erase(ASKED)

        assert len(erasure.versions) == many + 1
        times = {
            entry.header.record_time.ToNanoseconds()
            for entry in (decode_record(one.data) for one in rooms.store.read(ID, after=many + 2))
        }
        assert len(times) == 2
        assert not any(one.words.text for one in rooms.state().statements.values())
        assert rooms.verified().verdict is Verdict.SOUND


def test_a_copy_loses_its_words_and_stays_a_copy(tmp_path: Path) -> None:
    with kept(tmp_path) as rooms:
        rooms.record(*sealed_talks())
        signed = rooms.log.checkpoint(ID, None).checkpoint
        key = str(KEY.verifier_key)
        beside = pb.Copy(checkpoint=signed, version=12, verifier_keys=[key]).SerializeToString()
        rooms.store.append([StoredEntry(f"copies:{ID}", 1, "pourparler.v1.Copy", beside)])
        rooms.negotiations.purge(ID)

        erasure = rooms.erasures.erase(ASKED)

        assert list(erasure.versions) == SEALED_FOR_ANNA
        assert pb.ERASURE_LIMIT_ORIGINAL_RECORD in erasure.limits
        assert redactions(rooms) == {}
        assert traces(tmp_path, *OF_ANNA) == []
        assert rooms.verified().verdict is Verdict.PARTIAL
