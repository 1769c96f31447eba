"""Copies: a record of another service, taken as it is or not at all, and only read from then on."""

import asyncio
import dataclasses
import functools
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given as given_any
from hypothesis import settings as settings_of

from pourparler import v1 as pb
from pourparler.state.fold import fold
from pourparler.transparency.auditor import Auditor
from pourparler.transparency.checkpoint import VerifierKey, log_origin, verify_checkpoint
from pourparler.transparency.findings import Verdict
from pourparler.transparency.merkle import check_consistency, check_inclusion, leaf_hash
from pourparler_service.api.call_handler import Call
from pourparler_service.api.import_service import ImportServicer
from pourparler_service.config.settings import Settings
from pourparler_service.domain.refusal import RefusalError
from pourparler_service.server import running
from pourparler_service.storage.record_codec import decode_record
from pourparler_service.transparency.signing_keys import Signer, write_key
from tests.support import sample_entries
from tests.support.bundles import bundle, changed, checkpoint, root_of, sealed
from tests.support.sample_entries import draft, joined, opened, said, topic
from tests.support.service_client import Answered, Service, answered_by, connected, refused
from tests.support.service_process import apart
from tests.support.signing_keys import SIGNER, signing_key
from tests.support.store_audit import audit
from tests.support.stores import open_store
from tests.support.strategies import history, steps

KEY = str(signing_key().verifier_key)
TALKS = (
    opened(),
    joined("acme"),
    joined("bolt"),
    topic(),
    said("s-1", "acme"),
    said("s-2", "bolt"),
)


def talks(id_: str, drafts: Sequence[pb.Draft] = TALKS) -> list[bytes]:
    """The entries of a negotiation elsewhere, as they are stored there."""
    return sealed(sample_entries.history(*drafts), id_)


def bundled(id_: str, records: Sequence[bytes], signer: Signer = SIGNER) -> bytes:
    """A bundle of the first entries of a negotiation elsewhere."""
    return bundle(
        records,
        negotiation=id_,
        origin=log_origin(signer.name, id_),
        signed=checkpoint(records, id_, signer),
    )


def parts(
    data: bytes, keys: Sequence[str] = (KEY,), size: int = 1_000
) -> Iterator[pb.ImportNegotiationRequest]:
    """A bundle in parts of a size, the keys with the first."""
    for start in range(0, max(len(data), 1), size):
        yield pb.ImportNegotiationRequest(
            chunk=data[start : start + size], verifier_keys=() if start else keys
        )


def copied(
    service: Service, data: bytes, keys: Sequence[str] = (KEY,)
) -> pb.ImportNegotiationResponse:
    answer: pb.ImportNegotiationResponse = service.records.ImportNegotiation(
        parts(data, keys), timeout=20
    )
    return answer


def not_copied(service: Service, data: bytes, keys: Sequence[str] = (KEY,)) -> Answered:
    return refused(lambda: copied(service, data, keys))


def stored(service: Service, id_: str) -> list[bytes]:
    """The entries of a negotiation as a service delivers them."""
    request = pb.ReplayEntriesRequest(name=f"negotiations/{id_}").SerializeToString()
    messages = service.raw("/pourparler.v1.AuditService/ReplayEntries", request, stream=True)
    return [
        record.SerializeToString(deterministic=True)
        for message in messages
        for record in pb.Records.FromString(message).records
    ]


def head(service: Service, id_: str, version: int | None = None) -> pb.GetCheckpointResponse:
    asked = pb.GetCheckpointRequest(name=f"negotiations/{id_}", version=version)
    answer: pb.GetCheckpointResponse = service.audits.GetCheckpoint(asked, timeout=10)
    return answer


def holds(service: Service, id_: str) -> bool:
    """Whether a service lists a negotiation."""
    listed = service.negotiations.ListNegotiations(
        pb.ListNegotiationsRequest(page_size=1_000), timeout=10
    )
    return f"negotiations/{id_}" in [one.name for one in listed.negotiations]


def test_a_copy_is_the_record_byte_for_byte_and_gives_the_same_state(service: Service) -> None:
    records = talks("whole")

    answer = copied(service, bundled("whole", records))

    assert answer == pb.ImportNegotiationResponse(
        name="negotiations/whole", version=6, entry_count=6
    )
    assert stored(service, "whole") == records
    state = service.state("whole")
    assert state.negotiation == fold(map(decode_record, records))
    assert state.computed_at.version == 6
    assert service.state("whole", pb.AsOf(version=3)).negotiation == fold(
        map(decode_record, records[:3])
    )


def test_a_copy_verifies_with_the_key_of_the_original_and_nothing_else(service: Service) -> None:
    records = talks("verified")
    signed = checkpoint(records, "verified")

    copied(service, bundled("verified", records))

    given_out = head(service, "verified")
    assert given_out.checkpoint == signed
    assert given_out.copy.checkpoint == signed
    assert given_out.copy.version == 6
    assert given_out.copy.verifier_keys == [KEY]
    assert given_out.copy.copied_by == "anonymous@loopback"
    assert abs(given_out.copy.copy_time.seconds - time.time()) < 60
    auditor = Auditor("verified", [VerifierKey.parse(KEY)])
    auditor.add_all(lambda: stored(service, "verified"))
    found = auditor.finish(given_out.checkpoint, state=service.state("verified").negotiation)
    assert (found.verdict, found.findings) == (Verdict.SOUND, ())


def test_the_proofs_of_a_copy_lead_to_the_checkpoint_of_the_original(service: Service) -> None:
    records = talks("proved")
    copied(service, bundled("proved", records))
    root = verify_checkpoint(
        head(service, "proved").checkpoint,
        log_origin("test.example", "proved"),
        [VerifierKey.parse(KEY)],
    ).root

    name = "negotiations/proved"
    inclusion = service.audits.GetInclusionProof(
        pb.GetInclusionProofRequest(name=name, version=3), timeout=10
    )
    consistency = service.audits.GetConsistencyProof(
        pb.GetConsistencyProofRequest(name=name, from_version=4), timeout=10
    )

    check_inclusion(leaf_hash(inclusion.header), 2, 6, list(inclusion.hashes), root)
    assert inclusion.checkpoint == consistency.checkpoint == head(service, "proved").checkpoint
    check_consistency(4, root_of(records[:4]), 6, root, list(consistency.hashes))


def test_the_record_of_a_running_service_can_be_copied_to_another(
    service: Service, tmp_path: Path
) -> None:
    write_key(signing_key(), tmp_path / "key")
    settings = Settings(
        data=tmp_path / "data", address="127.0.0.1:0", signing_keys=(tmp_path / "key",)
    )
    with running(settings) as address, connected(address) as original:
        for one in TALKS:
            receipt = original.record("moved", one)
        records = stored(original, "moved")
        state = original.state("moved").negotiation

    answer = copied(service, bundle(records, negotiation="moved", signed=receipt.checkpoint))

    assert answer.entry_count == 6
    assert stored(service, "moved") == records
    assert service.state("moved").negotiation == state
    assert head(service, "moved").checkpoint == receipt.checkpoint


def test_every_type_of_amendment_is_copied_with_what_it_does(service: Service) -> None:
    corrected = draft(
        pb.EntryCorrected(
            target_version=5,
            mode=pb.CORRECTION_MODE_ANNUL,
            kind=pb.CORRECTION_KIND_RECORDER,
        )
    )
    records = talks("amended", [*TALKS, corrected, said("s-3", "acme")])

    copied(service, bundled("amended", records))

    state = service.state("amended").negotiation
    assert state == fold(map(decode_record, records))
    assert set(state.statements) == {"s-2", "s-3"}


@settings_of(max_examples=25, deadline=None)
@given_any(steps(24))
def test_whatever_was_recorded_elsewhere_can_be_copied(service: Service, seeds: list[int]) -> None:
    entries = history(seeds)
    id_ = f"any-{uuid.uuid4()}"
    records = sealed(entries, id_)

    copied(service, bundled(id_, records))

    assert stored(service, id_) == records
    state = service.state(id_).negotiation
    assert state == fold(map(decode_record, records))


def test_words_that_were_destroyed_by_a_redaction_are_missing_in_a_copy_too(
    service: Service,
) -> None:
    redacted = draft(pb.EntryRedacted(target_version=5))
    records = talks("redacted", [*TALKS, redacted])
    records[4] = changed(records[4], without_words)

    answer = copied(service, bundled("redacted", records))

    assert answer.version == 7
    assert stored(service, "redacted") == records
    assert not service.state("redacted").negotiation.statements["s-1"].words.text


def without_words(record: pb.Record) -> None:
    record.words = b""
    record.salts[1] = b""


def without_facts(record: pb.Record) -> None:
    record.facts = b""
    record.salts[0] = b""


def test_a_longer_bundle_extends_a_copy(service: Service) -> None:
    records = talks("grown")
    copied(service, bundled("grown", records[:2]))
    assert service.state("grown").negotiation.participants.keys() == {"acme"}

    first = copied(service, bundled("grown", records[:4]))
    second = copied(service, bundled("grown", records))

    assert (first.version, first.entry_count) == (4, 2)
    assert (second.version, second.entry_count) == (6, 2)
    assert stored(service, "grown") == records
    assert service.state("grown").negotiation == fold(map(decode_record, records))
    for version in (2, 4, 6):
        given_out = head(service, "grown", version)
        assert given_out.checkpoint == checkpoint(records[:version], "grown")
        assert given_out.copy.version == given_out.computed_at.version == version
    proof = service.audits.GetConsistencyProof(
        pb.GetConsistencyProofRequest(name="negotiations/grown", from_version=2, to_version=4),
        timeout=10,
    )
    check_consistency(2, root_of(records[:2]), 4, root_of(records[:4]), list(proof.hashes))


def test_taking_the_same_or_less_again_changes_nothing(service: Service) -> None:
    records = talks("again")
    copied(service, bundled("again", records))
    before = head(service, "again")

    same = copied(service, bundled("again", records))
    less = copied(service, bundled("again", records[:3]))

    assert (
        same
        == less
        == pb.ImportNegotiationResponse(name="negotiations/again", version=6, entry_count=0)
    )
    assert head(service, "again") == before
    assert stored(service, "again") == records


def test_a_copy_has_only_the_checkpoints_that_came_with_it(service: Service) -> None:
    records = talks("few")
    for size in (2, 5):
        copied(service, bundled("few", records[:size]))
    name = "negotiations/few"

    asked: list[tuple[Callable[..., object], object, str]] = [
        (service.audits.GetCheckpoint, pb.GetCheckpointRequest(name=name, version=3), "version"),
        (
            service.audits.GetInclusionProof,
            pb.GetInclusionProofRequest(name=name, version=1, at_version=3),
            "at_version",
        ),
        (
            service.audits.GetConsistencyProof,
            pb.GetConsistencyProofRequest(name=name, from_version=1, to_version=3),
            "to_version",
        ),
    ]
    for call, request, field in asked:
        answer = refused(functools.partial(call, request, timeout=10))

        assert (answer.code, answer.reason) == (
            grpc.StatusCode.NOT_FOUND,
            "CHECKPOINT_NOT_FOUND",
        )
        assert answer.field == field
        assert answer.metadata["versions"] == "2, 5"
    assert refused(lambda: head(service, "few", 6)).reason == "VERSION_NOT_FOUND"
    assert refused(lambda: head(service, "few", 0)).reason == "VERSION_NOT_FOUND"


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"validate_only": True},
        {"expected_version": 6},
        {"request_id": "r-1"},
    ],
    ids=["plainly", "to validate", "at its version", "as a retry"],
)
def test_nothing_can_be_recorded_into_a_copy(service: Service, more: dict[str, Any]) -> None:
    id_ = f"closed-{len(str(more))}"
    entries = sample_entries.history(*TALKS)
    for entry in entries:
        entry.facts.request_id = "r-1"
    records = sealed(entries, id_)
    copied(service, bundled(id_, records))

    for one in (said("s-9", "acme"), opened(), TALKS[1]):
        answer = refused(functools.partial(service.record, id_, one, **more))

        assert (answer.code, answer.reason) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "NEGOTIATION_IS_COPY",
        )
        assert answer.field == "negotiation"
    assert stored(service, id_) == records


def test_a_negotiation_of_the_services_own_is_never_replaced_by_a_copy(service: Service) -> None:
    own = service.record("own", opened(), joined("zoe"))

    answer = not_copied(service, bundled("own", talks("own")))

    assert (answer.code, answer.reason) == (
        grpc.StatusCode.ALREADY_EXISTS,
        "NEGOTIATION_EXISTS",
    )
    assert service.state("own").computed_at.version == 2
    assert head(service, "own").checkpoint == own.checkpoint
    assert not head(service, "own").HasField("copy")
    assert service.record("own", said("s", "zoe")).version == 3


def test_a_copy_from_one_service_is_never_extended_by_another(service: Service) -> None:
    records = talks("origins")
    copied(service, bundled("origins", records[:3]))
    other = signing_key(5, "other.example")

    answer = not_copied(
        service, bundled("origins", records, Signer([other])), [str(other.verifier_key)]
    )

    assert answer.reason == "NEGOTIATION_EXISTS"
    assert "test.example/negotiations/origins" in answer.text
    assert stored(service, "origins") == records[:3]


def test_a_history_that_was_told_otherwise_is_refused_as_such(service: Service) -> None:
    records = talks("forked")
    copied(service, bundled("forked", records[:4]))
    otherwise = talks("forked", [*TALKS[:3], topic("other"), *TALKS[4:], said("s-3", "acme")])

    for size in (4, 5, 7):
        answer = not_copied(service, bundled("forked", otherwise[:size]))

        assert (answer.code, answer.reason) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "COPY_CONFLICT",
        )
        assert answer.metadata["version"] == "4"
    assert copied(service, bundled("forked", otherwise[:3])).entry_count == 0
    assert stored(service, "forked") == records[:4]
    assert copied(service, bundled("forked", records)).version == 6


def test_a_key_of_the_same_name_does_not_extend_a_copy(service: Service) -> None:
    records = talks("stolen")
    copied(service, bundled("stolen", records[:4]))
    forger = signing_key(9)
    forged = Signer([forger])
    more = [*records[:4], *talks("stolen", [*TALKS[:4], said("forged", "bolt")])[4:]]

    answer = not_copied(service, bundled("stolen", more, forged), [str(forger.verifier_key)])

    assert answer.reason == "BUNDLE_INVALID"
    assert answer.metadata["finding"] == "not signed"
    assert stored(service, "stolen") == records[:4]


def test_a_key_that_signs_beside_that_of_the_original_is_not_trusted_later(
    service: Service,
) -> None:
    records = talks("beside")
    forger = signing_key(9)
    both = Signer([signing_key(), forger])
    keys = [KEY, str(forger.verifier_key)]
    copied(service, bundled("beside", records[:2]))
    copied(service, bundled("beside", records[:4], both), keys)

    answer = not_copied(service, bundled("beside", records, Signer([forger])), keys)

    assert answer.metadata["finding"] == "not signed"
    assert stored(service, "beside") == records[:4]


def test_a_copy_is_extended_across_a_rotation_of_keys(service: Service) -> None:
    records = talks("rotated")
    newer = signing_key(1)
    copied(service, bundled("rotated", records[:3]))

    answer = copied(service, bundled("rotated", records, Signer([signing_key(), newer])))

    assert answer.version == 6


SPOILED: dict[str, tuple[Callable[[list[bytes]], bytes], str]] = {
    "something else": (lambda records: b"not a bundle", "not a bundle"),
    "nothing": (lambda records: b"", "not a bundle"),
    "a later format": (
        lambda records: bundled("bad", records).replace(b".v1.", b".v2.", 1),
        "not a bundle",
    ),
    "cut": (lambda records: bundled("bad", records)[:-40], "cut"),
    "with more at its end": (lambda records: bundled("bad", records) + b"\n", "bundle damaged"),
    "with a bit flipped": (
        lambda records: bundled("bad", records).replace(b"acme", b"acmf", 1),
        "bundle damaged",
    ),
    "with a word changed": (
        lambda records: bundle(
            [changed(records[0], another_title), *records[1:]],
            negotiation="bad",
            signed=checkpoint(records, "bad"),
        ),
        "section changed",
    ),
    "with a section withheld": (
        lambda records: bundled("bad", [*records[:5], changed(records[5], without_facts)]),
        "section withheld",
    ),
    "with words withheld": (
        lambda records: bundled("bad", [*records[:5], changed(records[5], without_words)]),
        "section withheld",
    ),
    "without an entry": (
        lambda records: bundle(
            [*records[:2], *records[3:]], negotiation="bad", signed=checkpoint(records, "bad")
        ),
        "entry missing",
    ),
    "without its last entry": (
        lambda records: bundle(records[:-1], negotiation="bad", signed=checkpoint(records, "bad")),
        "cut",
    ),
    "reordered": (
        lambda records: bundle(
            [records[1], records[0], *records[2:]],
            negotiation="bad",
            signed=checkpoint(records, "bad"),
        ),
        "entry missing",
    ),
    "under another key": (
        lambda records: bundled("bad", records, Signer([signing_key(7)])),
        "not signed",
    ),
    "of another origin": (
        lambda records: bundle(records, negotiation="bad", origin="other.example/negotiations/bad"),
        "another origin",
    ),
    "of another negotiation": (
        lambda records: bundled("bad", talks("good")),
        "another negotiation",
    ),
}


def another_title(record: pb.Record) -> None:
    words = pb.Words.FromString(record.words)
    words.title = "Another"
    record.words = words.SerializeToString(deterministic=True)


@pytest.mark.parametrize(("spoil", "finding"), SPOILED.values(), ids=SPOILED)
def test_a_bundle_that_is_not_sound_is_refused_and_nothing_of_it_taken(
    service: Service, spoil: Callable[[list[bytes]], bytes], finding: str
) -> None:
    answer = not_copied(service, spoil(talks("bad")))

    assert (answer.code, answer.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "BUNDLE_INVALID",
    )
    assert answer.metadata["finding"] == finding
    assert answer.text.endswith("Nothing was imported.")
    assert not holds(service, "bad")


def test_what_is_not_sound_does_not_extend_a_copy_either(service: Service) -> None:
    records = talks("sound")
    copied(service, bundled("sound", records[:3]))

    cut = not_copied(service, bundled("sound", records)[:-40])

    assert cut.metadata["finding"] == "cut"
    assert stored(service, "sound") == records[:3]


FORMS: dict[str, pb.Draft] = {
    "a resolution that there is not": draft(pb.QuestionResolved(question_id="q")),
    "an id that cannot be one": joined("Not an id"),
    "a date that is none": draft(pb.NegotiationSuspended(), occurred=pb.FuzzyDate(edtf="x")),
    "bounds that the date does not give": draft(
        pb.NegotiationSuspended(),
        occurred=pb.FuzzyDate(edtf="2020", earliest="2020-01-01", latest="2029-12-31"),
    ),
    "an event that is not known": pb.Draft(facts=pb.Facts(session_id="x")),
}


@pytest.mark.parametrize("draft", FORMS.values(), ids=FORMS)
def test_what_no_service_records_is_not_copied_whoever_signs_it(
    service: Service, draft: pb.Draft
) -> None:
    answer = not_copied(service, bundled("odd", talks("odd", [*TALKS, draft])))

    assert answer.reason == "BUNDLE_INVALID"
    assert not holds(service, "odd")


def test_a_negotiation_whose_id_is_none_is_not_copied(service: Service) -> None:
    for id_ in ("Bad", "copies:x", "a/b", ""):
        assert not_copied(service, bundled(id_, talks(id_))).reason == "BUNDLE_INVALID"


KEYS_REFUSED: dict[str, tuple[Sequence[str], str, str]] = {
    "none": ([], "FIELD_REQUIRED", "verifier_keys"),
    "no key": (["x"], "FIELD_INVALID", "verifier_keys[0]"),
    "a key and none": ([KEY, ""], "FIELD_INVALID", "verifier_keys[1]"),
    "of two names": (
        [KEY, str(signing_key(1, "other.example").verifier_key)],
        "FIELD_INVALID",
        "verifier_keys",
    ),
    "too many": ([KEY] * 17, "LIMIT_EXCEEDED", "verifier_keys"),
}


@pytest.mark.parametrize(("keys", "reason", "field"), KEYS_REFUSED.values(), ids=KEYS_REFUSED)
def test_keys_that_can_verify_nothing_are_refused(
    service: Service, keys: Sequence[str], reason: str, field: str
) -> None:
    answer = not_copied(service, bundled("keyless", talks("keyless")), keys)

    assert (answer.reason, answer.field) == (reason, field)
    assert not holds(service, "keyless")


def test_keys_come_with_the_first_part_only(service: Service) -> None:
    data = bundled("late-keys", talks("late-keys"))
    requests = [
        pb.ImportNegotiationRequest(chunk=data[:10], verifier_keys=[KEY]),
        pb.ImportNegotiationRequest(chunk=data[10:], verifier_keys=[KEY]),
    ]

    answer = refused(lambda: service.records.ImportNegotiation(iter(requests), timeout=10))

    assert (answer.reason, answer.field) == ("FIELD_NOT_ALLOWED", "verifier_keys")


def test_an_empty_stream_is_refused(service: Service) -> None:
    assert (
        refused(lambda: service.records.ImportNegotiation(iter(()), timeout=10)).reason
        == "FIELD_REQUIRED"
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"\xff\xff", "MALFORMED"), (b"\x9a\x06\x01x", "FIELD_NOT_ALLOWED")],
    ids=["garbage", "a field of a later version"],
)
def test_a_stream_of_what_is_no_request_is_refused(
    service: Service, data: bytes, reason: str
) -> None:
    channel: Any = service.channel
    call = channel.stream_unary("/pourparler.v1.RecordService/ImportNegotiation")
    first = pb.ImportNegotiationRequest(
        chunk=b"pourparler", verifier_keys=[KEY]
    ).SerializeToString()

    for sent in ([data], [first, data]):
        answer = refused(functools.partial(call, iter(sent), timeout=10))

        assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


@pytest.mark.parametrize("size", [1, 7, 4_096])
def test_a_bundle_may_be_parted_anywhere(service: Service, size: int) -> None:
    id_ = f"parted-{size}"
    data = bundled(id_, talks(id_))

    answer = service.records.ImportNegotiation(parts(data, size=size), timeout=30)

    assert answer.entry_count == 6


def test_a_bundle_that_is_too_large_is_refused_before_it_is_all_here() -> None:
    settings = dataclasses.replace(Settings.in_memory(), max_bundle_bytes=1_000)
    data = bundled("large", talks("large"))
    assert len(data) > 1_000
    with running(settings) as address, connected(address) as service:
        answer = not_copied(service, data)

        assert answer.reason == "MESSAGE_TOO_LARGE"
        assert answer.metadata["limit"] == "1000"
        assert not holds(service, "large")


def test_a_part_beyond_what_a_request_may_have_is_refused(service: Service) -> None:
    request = pb.ImportNegotiationRequest(chunk=bytes(1 << 20), verifier_keys=[KEY])

    answer = refused(lambda: service.records.ImportNegotiation(iter([request]), timeout=10))

    assert answer.reason == "MESSAGE_TOO_LARGE"


def test_one_copy_taken_by_many_at_once_is_taken_once(service: Service) -> None:
    records = talks("raced", [*TALKS, *(said(f"t-{n}", "acme") for n in range(200))])
    data = bundled("raced", records)
    outcomes: list[str] = []

    def take() -> None:
        try:
            outcomes.append(f"{copied(service, data).entry_count} new")
        except grpc.RpcError as error:
            outcomes.append(answered_by(error).reason)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes.count("206 new") == 1
    assert set(outcomes) <= {"206 new", "0 new", "VERSION_MISMATCH", "OVERLOADED"}
    assert stored(service, "raced") == records
    assert copied(service, data).entry_count == 0


def test_a_copy_is_listed_and_searched_like_any_other() -> None:
    with running() as address, connected(address) as service:
        service.record("mine", opened())
        copied(service, bundled("theirs", talks("theirs")))
        service.record("mine-too", opened())
        copied(service, bundled("theirs", talks("theirs", [*TALKS, said("s-3", "acme")])[:6]))

        listed = service.negotiations.ListNegotiations(pb.ListNegotiationsRequest(), timeout=10)

        assert [one.name.removeprefix("negotiations/") for one in listed.negotiations] == [
            "mine",
            "theirs",
            "mine-too",
        ]
        assert listed.negotiations[1].version == 6
        assert list(listed.negotiations[1].parties) == ["acme", "bolt"]


def test_a_copy_outlives_the_process_and_a_lost_catalogue(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, address="127.0.0.1:0")
    records = talks("kept")
    with running(settings) as address, connected(address) as service:
        copied(service, bundled("kept", records[:4]))
        service.record("own", opened())
        copied(service, bundled("kept", records))
        before = head(service, "kept")
    for path in tmp_path.glob("catalogue.sqlite*"):
        path.unlink()

    with running(settings) as address, connected(address) as service:
        assert head(service, "kept") == before
        assert stored(service, "kept") == records
        assert refused(lambda: service.record("kept", opened())).reason == "NEGOTIATION_IS_COPY"
        listed = service.negotiations.ListNegotiations(pb.ListNegotiationsRequest(), timeout=10)
        assert {one.name: one.version for one in listed.negotiations} == {
            "negotiations/kept": 6,
            "negotiations/own": 1,
        }
    store = open_store(tmp_path)
    audit(store, "kept")
    store.close()


@pytest.mark.parametrize("seconds", [0.0, 0.15, 0.4, 0.8])
def test_a_service_killed_while_it_takes_a_copy_has_all_of_it_or_nothing(
    tmp_path: Path, seconds: float
) -> None:
    records = talks("crashed", [*TALKS, *(said(f"t-{n}", "acme") for n in range(1_500))])
    data = bundled("crashed", records)
    with apart(tmp_path) as process, connected(process.address) as service:
        service.record("own", opened())
        call = service.records.ImportNegotiation.future(parts(data, size=100_000), timeout=30)
        time.sleep(seconds)
        process.kill()
        call.exception(timeout=30)

    again = Settings(data=tmp_path, address="127.0.0.1:0")
    with running(again) as address, connected(address) as service:
        if holds(service, "crashed"):
            assert stored(service, "crashed") == records
            assert head(service, "crashed").copy.version == len(records)
        assert copied(service, data).version == len(records)
        assert service.state("own").computed_at.version == 1


def test_a_bundle_whose_next_part_does_not_come_is_given_up() -> None:
    class Anybody:
        """A writer and copies that are asked for nothing but whether anybody may."""

        def check_may_open(self, caller: str) -> None:
            assert caller == "anybody"

    anybody: Any = Anybody()

    async def stalling() -> AsyncIterator[pb.ImportNegotiationRequest]:
        yield pb.ImportNegotiationRequest(chunk=b"pourparler", verifier_keys=[KEY])
        await asyncio.Event().wait()

    async def take(deadline: float | None, part_seconds: float) -> RefusalError:
        with ThreadPoolExecutor(1) as threads:
            servicer = ImportServicer(
                anybody,
                anybody,
                threads,
                copy_bytes=100,
                part_seconds=part_seconds,
            )
            with pytest.raises(RefusalError) as refusal:
                await servicer.ImportNegotiation(stalling(), Call("anybody", deadline))
        return refusal.value

    for deadline, part_seconds in ((None, 0.05), (time.monotonic() + 0.05, 30.0)):
        refusal = asyncio.run(take(deadline, part_seconds))

        assert refusal.reason == pb.ERROR_REASON_DEADLINE_EXCEEDED
