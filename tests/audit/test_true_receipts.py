"""A client that checks every receipt refuses none that is true."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from pourparler import Client, errors
from pourparler import v1 as pb
from pourparler.state.fold import fold
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from pourparler_service.transparency.signing_keys import write_key
from tests.support.draft_replay import read
from tests.support.signing_keys import KEY
from tests.support.strategies import propose

EXAMPLE = Path(__file__).parents[2] / "examples" / "renault-nissan" / "negotiation.jsonl"


@pytest.fixture(name="client", scope="module")
def _client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("trust")
    write_key(KEY, folder / "signing.key")
    settings = replace(Settings.in_memory(), signing_keys=(folder / "signing.key",))
    with (
        running(settings) as address,
        Client(address, verifier_keys=[KEY.verifier_key], trust_store=folder / "trust") as client,
    ):
        yield client


def test_every_receipt_of_a_real_negotiation_is_believed(client: Client) -> None:
    for line in EXAMPLE.read_text().splitlines():
        name, draft = read(line)
        client.record(name, draft)


def test_every_receipt_of_whatever_can_be_recorded_is_believed(client: Client) -> None:
    kinds = set()
    for seed in range(8):
        random = Random(seed)  # noqa: S311 - dice, not secrets
        entries: list[pb.Entry] = []
        for _ in range(40):
            draft = propose(random, fold(entries), entries)
            try:
                receipt = client.record(f"random-{seed}", draft)
            except errors.TrustError:
                raise
            except errors.PourparlerError:
                continue  # the rules do not allow it
            entries.extend(receipt.entries)
            kinds.add(draft.facts.WhichOneof("event"))
    assert len(kinds) > 20
