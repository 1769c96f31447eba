"""`buf curl`, which is written in Go, through reflection: records, reads, is refused."""

import base64
import json
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2

from pourparler import v1 as pb
from pourparler_service.server import running
from tests.support.sample_entries import joined, opened, said

pytestmark = pytest.mark.tools

REFLECTIONS = ["grpc-v1", "grpc-v1alpha"]


@pytest.fixture(name="buf", scope="module")
def _buf() -> str:
    """The command, of this environment or of this machine."""
    found = shutil.which("buf", path=sysconfig.get_path("scripts")) or shutil.which("buf")
    if found is None:
        pytest.skip("there is no buf")
    return found


@pytest.fixture(name="address", scope="module")
def _address() -> Iterator[str]:
    with running() as address:
        yield address


def curl(
    buf: str, address: str, method: str, reflection: str, request: Mapping[str, Any] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Call a method, or list what there is if none is named."""
    what = ["--data", json.dumps(request)] if method else ["--list-services"]
    url = f"http://{address}/{method}"
    flags = ["--protocol", "grpc", "--http2-prior-knowledge", "--reflect-protocol", reflection]
    return subprocess.run(
        [buf, "curl", *flags, *what, url.removesuffix("/")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("reflection", REFLECTIONS)
def test_buf_lists_the_services(buf: str, address: str, reflection: str) -> None:
    listed = curl(buf, address, "", reflection).stdout.split()

    assert {
        "grpc.health.v1.Health",
        "pourparler.v1.AuditService",
        "pourparler.v1.NegotiationService",
        "pourparler.v1.RecordService",
    } <= set(listed)


@pytest.mark.parametrize("reflection", REFLECTIONS)
def test_buf_records_a_statement_and_reads_it_back(buf: str, address: str, reflection: str) -> None:
    name = f"negotiations/{reflection}"
    drafts = [opened(), joined("a"), said("s", "a")]
    drafts[2].words.text = "Words of 𝄞, “quotes” and \t tabs"
    request = json_format.MessageToDict(
        pb.RecordEntriesRequest(negotiation=name, request_id="once", drafts=drafts)
    )

    recorded = curl(buf, address, "pourparler.v1.RecordService/RecordEntries", reflection, request)
    asked = {"name": name}
    read = curl(buf, address, "pourparler.v1.NegotiationService/GetNegotiation", reflection, asked)
    replayed = curl(buf, address, "pourparler.v1.AuditService/ReplayEntries", reflection, asked)

    assert recorded.returncode == 0, recorded.stderr
    receipt = json_format.Parse(recorded.stdout, pb.RecordEntriesResponse()).receipt
    assert receipt.version == 3
    state = json_format.Parse(read.stdout, pb.GetNegotiationResponse()).negotiation
    assert state.statements["s"].words.text == drafts[2].words.text
    first, last = json_documents(replayed.stdout)
    assert json_format.ParseDict(first, pb.ReplayEntriesResponse()).entries == receipt.entries
    assert json_format.ParseDict(last, pb.ReplayEntriesResponse()).complete.entry_count == 3


def json_documents(text: str) -> Iterator[dict[str, Any]]:
    """The JSON documents in a text, one after the other."""
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:]


@pytest.mark.parametrize("reflection", REFLECTIONS)
def test_buf_is_told_why_it_is_refused(buf: str, address: str, reflection: str) -> None:
    request = {"negotiation": "negotiations/UPPER", "drafts": [{}]}

    refused = curl(buf, address, "pourparler.v1.RecordService/RecordEntries", reflection, request)

    assert refused.returncode != 0
    said = json.loads(refused.stderr)
    assert said["code"] == "invalid_argument"
    assert "'negotiations/UPPER' is not 'negotiations/' followed by an id" in said["message"]
    details = {one["type"]: one for one in said["details"]}
    assert set(details) == {"google.rpc.ErrorInfo", "google.rpc.BadRequest"}
    padded = details["google.rpc.ErrorInfo"]["value"] + "=="
    info = error_details_pb2.ErrorInfo.FromString(base64.b64decode(padded))
    assert (info.reason, info.domain) == ("ID_INVALID", "pourparler")
    assert info.metadata["field"] == "negotiation"
