"""The service is killed while it erases: it is undone or done, and never claimed but undone."""

import contextlib
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from pourparler import v1 as pb
from pourparler.transparency.findings import Verdict
from pourparler.v1.privacy_service_pb2_grpc import PrivacyServiceStub
from pourparler_service.storage.record_codec import decode_record, is_erased
from tests.support.disk_search import traces
from tests.support.erasure_cases import (
    ASKED,
    ID,
    NAME,
    OF_ANNA,
    SAID,
    SEALED_FOR_ANNA,
    kept,
    person,
    stated,
    talks,
)
from tests.support.sample_entries import opened
from tests.support.service_client import connected
from tests.support.service_process import UNMEASURED, apart, serving

ROOT = Path(__file__).parents[2]
ENTRIES = 600
ROUNDS = 5


@pytest.mark.parametrize(
    "step", ["intended", "destroyed", "rewritten", "purged", "recorded", "done"]
)
def test_killed_at_any_step_the_next_start_finishes_it(tmp_path: Path, step: str) -> None:
    drafts = talks()
    drafts[7].words.text = "Shown to her, and not about her"
    with kept(tmp_path) as rooms:
        rooms.record(*drafts)
        rooms.look_at_everything()

    line = [sys.executable, "-m", "tests.support.erasure_cases", str(tmp_path), step]
    ended = subprocess.run(line, check=False, cwd=ROOT, env=UNMEASURED, timeout=60)

    assert ended.returncode == -signal.SIGKILL
    with kept(tmp_path) as rooms:
        erasure = rooms.erasures.erase(ASKED)
        assert erasure.state == pb.ERASURE_STATE_SUCCEEDED
        assert list(erasure.versions) == SEALED_FOR_ANNA
        assert traces(tmp_path, *OF_ANNA) == []
        assert rooms.verified().verdict is Verdict.SOUND


def test_whenever_it_is_killed_what_is_claimed_has_happened(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - the moments of a test
    drafts = [opened(), person("anna", NAME)]
    drafts += [stated(f"s-{number}", f"{SAID} {number}", "anna") for number in range(ENTRIES)]
    request = pb.EraseSubjectRequest(
        name=f"negotiations/{ID}",
        participant_id="anna",
        legal_basis=ASKED.legal_basis,
        authority=ASKED.authority,
        request_id="e-1",
    )
    for turn in range(ROUNDS):
        data = tmp_path / str(turn)
        with apart(data, measured=False) as process, connected(process.address) as service:
            service.record(ID, *drafts)
            privacy: Any = PrivacyServiceStub(service.channel)
            answered: list[pb.EraseSubjectResponse] = []

            def ask(privacy: Any = privacy, answered: list[Any] = answered) -> None:
                with contextlib.suppress(grpc.RpcError):
                    answered.append(privacy.EraseSubject(request, timeout=20))

            asking = threading.Thread(target=ask)
            asking.start()
            time.sleep(chance.random() * 0.15)
            process.kill()
            asking.join()

        with serving(data) as (process, service):
            entries = [
                decode_record(record.SerializeToString())
                for part in service.replay(ID)
                for record in pb.Records.FromString(part.SerializeToString()).records
            ]
            said_of = {
                one.facts.entry_redacted.target_version
                for one in entries
                if one.facts.HasField("entry_redacted")
            }
            gone = {one.header.version for one in entries if is_erased(one)}
            # After a start nothing is half done.
            assert said_of == gone
            assert gone in (set(), set(range(2, ENTRIES + 3)))
            if answered:
                assert gone
            if gone:
                assert traces(data, NAME, SAID) == []
            again: Any = PrivacyServiceStub(service.channel)
            assert len(again.EraseSubject(request, timeout=30).erasure.versions) == ENTRIES + 1
            assert process.stop() == 0
        assert traces(data, NAME, SAID) == []
