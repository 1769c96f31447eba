"""The service is killed while it records: what was acknowledged is there, byte for byte."""

import random
import signal
import time
from pathlib import Path

from tests.apart import apart, serving
from tests.load import RECORD, audit_folder, every_receipt_is_given_again, under_load

ROUNDS = 5


def test_what_was_acknowledged_survives_every_kill(tmp_path: Path) -> None:
    chance = random.Random(5)  # noqa: S311 - the moments of a test
    negotiations: list[str] = []
    acknowledged = 0
    for turn in range(ROUNDS):
        ids = [f"round-{turn}-{caller}" for caller in range(4)]
        negotiations += ids
        with apart(tmp_path) as process, under_load(process.address, ids) as load:
            time.sleep(0.3 + chance.random() * 0.7)
            process.kill()
        assert load.receipts
        assert {code for code, _ in load.refusals} <= {"UNAVAILABLE"}

        recorded = audit_folder(tmp_path, negotiations)
        acknowledged += 3 * len(load.receipts)
        assert recorded >= acknowledged

        with serving(tmp_path) as (process, service):
            every_receipt_is_given_again(service, load)
            # Those who were left without an answer: recorded or not, the retry settles it.
            for data in load.failed:
                load.receipts[data] = service.raw(RECORD, data)
            every_receipt_is_given_again(service, load)
            acknowledged += 3 * len(load.failed)
            assert process.stop() == 0
        assert audit_folder(tmp_path, negotiations) == acknowledged


def test_a_service_that_is_told_to_stop_answers_every_call(tmp_path: Path) -> None:
    ids = [f"caller-{caller}" for caller in range(8)]
    with apart(tmp_path) as process, under_load(process.address, ids) as load:
        time.sleep(1)
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(timeout=30) == 0

    assert load.receipts
    # After the end nobody is there to give details; until then everybody is told.
    assert {code for code, _ in load.refusals} <= {"UNAVAILABLE"}
    assert {reason for _, reason in load.refusals} <= {"SHUTTING_DOWN", ""}
    assert audit_folder(tmp_path, ids) == 3 * len(load.receipts)
    with serving(tmp_path) as (_, service):
        every_receipt_is_given_again(service, load)
