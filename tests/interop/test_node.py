"""Node's gRPC, which shares no code with ours, through reflection: records, reads, is refused."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from pourparler import v1 as pb
from pourparler_service.server import running
from tests.support.node_programs import installed
from tests.support.sample_entries import joined, opened, said

HERE = Path(__file__).parent / "node"
CACHE = Path(__file__).parents[2] / "build" / "interop-node"
WORDS = "Nous n'y sommes pas. \U0001f91d\nعربي \u202e\u0000"

pytestmark = pytest.mark.tools


@pytest.fixture(name="script", scope="module")
def _script() -> Path:
    """The client in a folder with what it needs, installed once for every lock."""
    return installed(HERE, CACHE, "client.mjs")


def request(*drafts: pb.Draft, **more: Any) -> dict[str, Any]:
    """A request in the names and values that the client's protobuf takes."""
    message = pb.RecordEntriesRequest(negotiation="negotiations/node", drafts=drafts, **more)
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


@pytest.mark.parametrize("reflection", ["v1", "v1alpha"])
def test_node_records_a_statement_and_reads_it_back(
    script: Path, tmp_path: Path, reflection: str
) -> None:
    statement = said("s", "a")
    statement.words.text = WORDS
    statement.facts.occurred.edtf = "2023-41"
    asked = {
        "record": request(opened(), joined("a"), statement, request_id="once"),
        "refused": request(said("other", "nobody")),
    }
    (tmp_path / "asked.json").write_text(json.dumps(asked), encoding="utf-8")

    with running() as address:
        ended = subprocess.run(
            ["node", str(script), address, reflection, str(tmp_path / "asked.json")],
            capture_output=True,
            timeout=60,
            check=False,
        )

    assert ended.returncode == 0, ended.stderr.decode(errors="replace")
    answered = json.loads(ended.stdout)
    assert "pourparler.v1.RecordService" in answered["services"]
    receipt = answered["receipt"]
    assert (receipt["negotiation"], receipt["version"]) == ("negotiations/node", 3)
    assert answered["again"] == receipt
    entry = receipt["entries"][2]
    assert entry["words"]["text"] == WORDS
    assert entry["facts"]["event"] == "statement_recorded"
    assert entry["facts"]["statement_recorded"]["speakers"] == ["a"]
    assert entry["facts"]["occurred"]["latest"] == "2023-12-31"
    assert len(entry["header"]["section_digests"]) == 2

    state = answered["state"]
    assert state["computed_at"]["version"] == 3
    # Maps that it learns of by reflection it takes for the lists that they are on the wire.
    [statement_read] = state["negotiation"]["statements"]
    assert statement_read["key"] == "s"
    assert statement_read["value"]["words"]["text"] == WORDS
    replayed = answered["replay"]
    assert [one for part in replayed for one in part["entries"]] == receipt["entries"]
    assert replayed[-1]["complete"]["entry_count"] == 3

    refused = answered["refused"]
    assert (refused["code"], refused["reason"]) == ("NOT_FOUND", "PART_NOT_FOUND")
    assert refused["domain"] == "pourparler"
    assert refused["metadata"]["field"] == "drafts[0].facts.statement_recorded.speakers[0]"
    assert refused["status"] == {"code": 5, "message": refused["text"]}
    assert refused["types"] == ["type.googleapis.com/google.rpc.ErrorInfo"]
    assert answered["refusedStream"]["reason"] == "NEGOTIATION_NOT_FOUND"
