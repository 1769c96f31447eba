"""Erasure over the wire: by both clients and the command; what was given out before still holds."""

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from pourparler import Client, NotFoundError, errors
from pourparler import v1 as pb
from pourparler.cli.commands import run
from pourparler.transparency.bundle import verify
from pourparler.transparency.findings import Verdict
from pourparler.transparency.trust import Trust
from pourparler.v1.privacy_service_pb2_grpc import PrivacyServiceStub
from pourparler_service.aggregate.snapshots import FEWEST
from pourparler_service.api.call_handler import Call
from pourparler_service.api.privacy_service import PrivacyServicer
from pourparler_service.authorization.policy import Policy
from pourparler_service.authorization.viewer_scopes import ScopeResolver
from pourparler_service.config.settings import Settings
from pourparler_service.domain.refusal import RefusalError, reason_name
from pourparler_service.server import running
from pourparler_service.storage.record_codec import decode_record
from pourparler_service.transparency.signing_keys import write_key
from tests.support import signing_keys
from tests.support.client_variants import awaited
from tests.support.disk_search import traces
from tests.support.erasure_cases import (
    HELD,
    NAME,
    OF_ANNA,
    PERSON,
    SAID,
    SEALED_FOR_ANNA,
    kept,
    person,
    stated,
    talks,
)
from tests.support.sample_entries import draft, joined, opened
from tests.support.service_client import Service, connected, refused

BY_LAW = {"legal_basis": "Art. 17(1)(b) GDPR", "authority": "Data protection officer"}


@pytest.fixture(name="data")
def _data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(name="service")
def _service(tmp_path: Path, data: Path) -> Iterator[Service]:
    write_key(signing_keys.KEY, tmp_path / "key")
    settings = Settings(data=data, address="127.0.0.1:0", signing_keys=(tmp_path / "key",))
    with running(settings) as address, connected(address) as service:
        yield service


@pytest.fixture(name="connect", params=["sync", "asyncio"])
def _connect(request: pytest.FixtureRequest, service: Service) -> Iterator[Callable[..., Any]]:
    if request.param == "sync":
        yield lambda **settings: Client(service.address, **settings)
        return
    with asyncio.Runner() as runner:
        yield lambda **settings: awaited(runner, service.address, **settings)


def group(id_: str = "talks") -> pb.RecordEntriesRequest:
    drafts = talks()
    drafts[7].words.text = "Shown to her, and not about her"
    return pb.RecordEntriesRequest(
        negotiation=f"negotiations/{id_}", request_id="r-1", drafts=drafts
    )


def test_both_clients_have_words_destroyed(
    service: Service, connect: Callable[..., Any], data: Path
) -> None:
    service.records.RecordEntries(group(), timeout=10)
    assert service.state("talks").negotiation.statements["s-1"].words.text == f"{SAID} sings"
    with connect() as client:
        erasure = client.erase_subject("talks", "anna", **BY_LAW, request_id="e-1")
        again = client.erase_subject("talks", "anna", **BY_LAW, request_id="e-1")
        found = client.get_erasure(erasure.name)

    assert erasure == again == found
    assert list(erasure.versions) == SEALED_FOR_ANNA
    assert erasure.requested_by == "anonymous@loopback"
    assert erasure.legal_basis == BY_LAW["legal_basis"]
    assert traces(data, *OF_ANNA) == []
    state = service.state("talks").negotiation
    assert state.statements["s-1"].words == pb.Words()
    assert state.statements["s-5"].words.text == f"{HELD} alone"


def test_what_was_given_out_before_verifies_as_before(
    service: Service, connect: Callable[..., Any], tmp_path: Path
) -> None:
    key = signing_keys.KEY.verifier_key
    with connect(verifier_keys=[key], trust_store=tmp_path / "trust") as client:
        service.records.RecordEntries(group(), timeout=10)
        older = client.get_checkpoint("talks")
        before, after = io.BytesIO(), io.BytesIO()
        client.export_bundle("talks", before)

        client.erase_subject("talks", "anna", **BY_LAW)

        client.get_negotiation("talks")  # which goes on from what was seen
        assert (
            client.audit("talks", verifier_keys=[key], base_checkpoint=older).verdict
            is Verdict.SOUND
        )
        client.export_bundle("talks", after)
    for file in (before, after):
        file.seek(0)
        assert verify(file, [key]).verdict is Verdict.SOUND
    assert SAID.encode() in before.getvalue()
    assert not any(word.encode() in after.getvalue() for word in OF_ANNA)


def test_nothing_that_was_kept_of_a_part_has_the_words_after_it(service: Service) -> None:
    service.records.RecordEntries(group(), timeout=10)
    others = [stated(f"o-{number}", "Nobody", "acme") for number in range(FEWEST)]
    service.records.RecordEntries(
        pb.RecordEntriesRequest(negotiation="negotiations/talks", drafts=others), timeout=10
    )

    def shown() -> list[str]:
        points = (None, pb.AsOf(version=FEWEST), pb.AsOf(version=FEWEST + 1))
        return [
            client.get_negotiation("talks", as_of=point, viewer_participant_id="acme")
            .SerializeToString()
            .decode("latin-1")
            for point in points
            for _ in range(2)  # made, and kept
        ]

    with Client(service.address) as client:
        assert all(SAID in one for one in shown())

        client.erase_subject("talks", "anna", **BY_LAW)

        assert not any(word in one for one in shown() for word in OF_ANNA)


def believed(
    service: Service, trust: Trust, request: pb.RecordEntriesRequest, data: bytes
) -> pb.Receipt:
    """The receipt in a response, if it is believed."""
    check = trust.check_receipt(request, data)
    answer = None
    while True:
        try:
            asked = check.send(answer)
        except StopIteration as end:
            receipt: pb.Receipt = end.value
            return receipt
        name = type(asked).__name__.removesuffix("Request")
        answer = getattr(service.audits, name)(asked, timeout=10)


def test_a_receipt_may_lack_the_words_that_were_destroyed_and_no_others(service: Service) -> None:
    trust, request = Trust([signing_keys.KEY.verifier_key]), group()
    first = service.records.RecordEntries(request, timeout=10)
    believed(service, trust, request, first.SerializeToString())
    with Client(service.address) as client:
        client.erase_subject("talks", "anna", **BY_LAW)

    again: pb.RecordEntriesResponse = service.records.RecordEntries(request, timeout=10)

    receipt = believed(service, trust, request, again.SerializeToString())
    assert list(receipt.erased_versions) == SEALED_FOR_ANNA
    for lie in (_unsaid, _of_other_facts, _with_other_words, _of_others):
        forged = pb.RecordEntriesResponse()
        forged.CopyFrom(again)
        lie(forged.receipt)
        with pytest.raises(errors.ReceiptMismatchError):
            believed(service, trust, request, forged.SerializeToString())


def test_the_first_receipt_cannot_lack_words(service: Service) -> None:
    trust, request = Trust([signing_keys.KEY.verifier_key]), group()
    first: pb.RecordEntriesResponse = service.records.RecordEntries(request, timeout=10)
    first.receipt.erased_versions.append(3)
    first.receipt.entries[2].ClearField("words")
    first.receipt.entries[2].salts[1] = b""

    with pytest.raises(errors.ReceiptMismatchError, match="no later entry that redacts them"):
        believed(service, trust, request, first.SerializeToString())


def _unsaid(receipt: pb.Receipt) -> None:
    receipt.ClearField("erased_versions")


def _of_other_facts(receipt: pb.Receipt) -> None:
    receipt.entries[2].facts.occurred.edtf = "2020"


def _with_other_words(receipt: pb.Receipt) -> None:
    receipt.entries[2].words.name = "Somebody else"


def _of_others(receipt: pb.Receipt) -> None:
    receipt.erased_versions.append(1)
    receipt.entries[0].words.title = "Something else"


def test_what_cannot_be_erased_is_refused_with_its_reason(service: Service) -> None:
    service.records.RecordEntries(group(), timeout=10)
    privacy: Any = PrivacyServiceStub(service.channel)

    def asked(**given: str) -> Any:
        said = {"name": "negotiations/talks", "participant_id": "anna", **BY_LAW, **given}
        request = pb.EraseSubjectRequest(**said)
        return refused(lambda: privacy.EraseSubject(request, timeout=10))

    def got(name: str) -> Any:
        return refused(lambda: privacy.GetErasure(pb.GetErasureRequest(name=name), timeout=10))

    assert asked(name="talks").reason == "ID_INVALID"
    assert asked(name="negotiations/none").reason == "NEGOTIATION_NOT_FOUND"
    assert asked(participant_id="").reason == "FIELD_REQUIRED"
    assert asked(participant_id="An/na").reason == "ID_INVALID"
    assert asked(participant_id="nobody").reason == "PART_NOT_FOUND"
    assert asked(participant_id="acme").reason == "NOT_A_PERSON"
    assert asked(legal_basis=" ")[3]["field"] == "legal_basis"
    assert asked(authority="").reason == "FIELD_REQUIRED"
    assert asked(request_id="\n").reason == "FIELD_INVALID"
    assert asked(participant_id="acme").code is grpc.StatusCode.FAILED_PRECONDITION
    assert got("anything").reason == "ID_INVALID"
    gone = "negotiations/talks/erasures/00000000-0000-0000-0000-000000000000"
    assert got(gone).reason == "ERASURE_NOT_FOUND"
    assert got(gone.replace("talks", "none")).reason == "NEGOTIATION_NOT_FOUND"


def test_a_copy_lies_sealed_and_loses_its_words_where_it_is(
    service: Service, tmp_path: Path
) -> None:
    key, bundle = signing_keys.KEY.verifier_key, io.BytesIO()
    service.records.RecordEntries(group(), timeout=10)
    with Client(service.address) as client:
        client.export_bundle("talks", bundle)
    there = tmp_path / "there"
    with running(Settings(data=there, address="127.0.0.1:0")) as address, Client(address) as other:
        bundle.seek(0)
        other.import_bundle(bundle, verifier_keys=[key])
        assert other.get_negotiation("talks").negotiation.participants["anna"].words.name == NAME
        assert traces(there, *OF_ANNA, HELD) == []

        erasure = other.erase_subject("talks", "anna", **BY_LAW)

        assert list(erasure.versions) == SEALED_FOR_ANNA
        assert pb.ERASURE_LIMIT_ORIGINAL_RECORD in erasure.limits
        assert other.get_negotiation("talks").negotiation.participants["anna"].words == pb.Words()
        assert other.audit("talks", verifier_keys=[key]).verdict is Verdict.PARTIAL

        # What the original says of its own erasure comes with a longer copy.
        with Client(service.address) as client:
            client.erase_subject("talks", "anna", **BY_LAW)
            longer = io.BytesIO()
            client.export_bundle("talks", longer)
        longer.seek(0)
        other.import_bundle(longer, verifier_keys=[key])
        assert other.audit("talks", verifier_keys=[key]).verdict is Verdict.SOUND


def test_who_follows_sees_that_words_were_destroyed(service: Service) -> None:
    service.records.RecordEntries(group(), timeout=10)
    with Client(service.address) as client, client.watch("talks") as watch:
        for _ in group().drafts:
            next(watch)
        client.erase_subject("talks", "anna", **BY_LAW)
        targets = [next(watch).facts.entry_redacted.target_version for _ in SEALED_FOR_ANNA]

    assert targets == SEALED_FOR_ANNA


def test_the_command_asks_whether_it_is_meant(
    service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service.records.RecordEntries(group(), timeout=10)
    line = ["--server", service.address, "erase", "talks", "anna", "--authority", "DPO"]
    line += ["--legal-basis", "Art. 17"]
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run(line) != 0
    assert service.state("talks").negotiation.participants["anna"].words.name == NAME
    capsys.readouterr()

    assert run([*line, "--yes", "--request-id", "e-1"]) == 0

    told = capsys.readouterr().out
    assert "Destroyed the words of 6 entries that concern anna: #3 #5 #6 #9 #10 #11." in told
    assert "- what was exported or answered before" in told
    assert run([*line, "--yes", "--request-id", "e-1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["participant_id"] == "anna"
    assert run(["--server", service.address, "erase", "talks", "bela", *line[5:], "--yes"]) == 0
    assert "Gone before: #6." in capsys.readouterr().out


def test_the_command_rotates_the_master_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, new = tmp_path / "data", tmp_path / "new"
    settings = Settings(data=data, address="127.0.0.1:0")
    with running(settings) as address, Client(address) as client:
        stated_by_anna(client)
        assert run(["rotate-master-key", "--data", str(data)]) == 1
        assert "is in use by another process" in capsys.readouterr().err

    assert run(["rotate-master-key", "--data", str(data)]) == 0
    assert "wraps 1 key now" in capsys.readouterr().out
    assert run(["rotate-master-key", "--data", str(data), "--to", str(new)]) == 0
    assert "Name that file in POURPARLER_MASTER_KEY." in capsys.readouterr().out
    assert run(["rotate-master-key", "--data", str(tmp_path / "none")]) == 1
    assert run(["rotate-master-key", "--data", str(data)]) == 1
    assert "The master key " in capsys.readouterr().err
    assert run(["serve", "--data", str(data), "--address", "127.0.0.1:0"]) == 1
    assert "(persons: 1, negotiations: 1) cannot be read" in capsys.readouterr().err

    with_it = Settings(
        data=data, address="127.0.0.1:0", environment={"POURPARLER_MASTER_KEY": str(new)}
    )
    with running(with_it) as address, Client(address) as client:
        assert client.get_negotiation("talks").negotiation.participants["anna"].words.name == NAME


def stated_by_anna(client: Client) -> None:
    """Something by a person, and what she is called."""
    client.open_negotiation("Talks", negotiation_id="talks")
    client.record("talks", person("anna", NAME), stated("s-1", SAID, "anna"))


def test_an_erasure_that_is_not_there_is_not_found(service: Service) -> None:
    service.record("n", opened(), joined("acme"))
    event = pb.ParticipantJoined(participant_id="p", kind=PERSON, role=pb.PARTICIPANT_ROLE_PARTY)
    service.record("n", draft(event))
    with Client(service.address) as client:
        with pytest.raises(NotFoundError):
            client.get_erasure("negotiations/n/erasures/00000000-0000-0000-0000-000000000000")
        assert list(client.erase_subject("n", "p", **BY_LAW).versions) == [3]


def test_only_a_custodian_or_whom_the_service_names_has_words_destroyed() -> None:
    policy = Policy(privacy=("the officer",))
    auditor = pb.AccessGranted(principal="the auditor", role=pb.ACCESS_ROLE_AUDITOR)
    with kept(None) as rooms, ThreadPoolExecutor(2) as threads:
        rooms.record(*group().drafts)  # by somebody, who is custodian then
        rooms.record(draft(auditor))

        async def erase(caller: str, participant: str = "anna") -> Any:
            scopes = ScopeResolver(rooms.store, policy, admits=rooms.catalogue.admits)
            servicer = PrivacyServicer(rooms.erasures, threads, threads, scopes)
            request = pb.EraseSubjectRequest(
                name="negotiations/talks", participant_id=participant, **BY_LAW
            )
            call = Call(caller, None)
            answer = await servicer.EraseSubject(request, call)
            erasure = pb.EraseSubjectResponse.FromString(answer).erasure
            found = await servicer.GetErasure(pb.GetErasureRequest(name=erasure.name), call)
            assert pb.GetErasureResponse.FromString(found).erasure == erasure
            return erasure

        for caller, reason in (
            ("a stranger", "NEGOTIATION_NOT_FOUND"),
            ("the auditor", "ROLE_NOT_SUFFICIENT"),
        ):
            with pytest.raises(RefusalError) as refused_to:
                asyncio.run(erase(caller))
            assert reason_name(refused_to.value.reason) == reason
        assert asyncio.run(erase("the officer")).requested_by == "the officer"
        assert list(asyncio.run(erase("somebody", "bela")).versions) == [4, 12]
        said = {
            entry.facts.recorded_by
            for entry in (decode_record(one.data) for one in rooms.store.read("talks"))
            if entry.facts.HasField("entry_redacted")
        }
        assert said == {"the officer", "somebody"}
