"""Checkpoints and proofs over the wire: any version, what is out of range, and what they prove."""

import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.transparency import merkle
from pourparler.transparency.checkpoint import (
    VerifierKey,
    log_origin,
    parse_note,
    verify_checkpoint,
)
from pourparler.transparency.merkle import (
    Frontier,
    ProofError,
    check_consistency,
    check_inclusion,
    leaf_hash,
    node_hash,
)
from pourparler_service.config.settings import Settings
from pourparler_service.server import ServeError, running
from pourparler_service.transparency.signing_keys import SigningKey, make_key, write_key
from tests.support.sample_entries import joined, opened, said
from tests.support.service_client import Service, connected, refused
from tests.support.signing_keys import signing_key

NAME = "test.example"
SIZE = 23
LARGEST = 2**64 - 1
VERSIONS = st.integers(1, SIZE)


class Talks(NamedTuple):
    """A negotiation on a service: what it answered to each entry, and the entries as stored."""

    service: Service
    key: VerifierKey
    receipts: list[pb.Receipt]
    headers: list[bytes]

    def root(self, size: int) -> bytes:
        frontier = Frontier()
        for header in self.headers[:size]:
            frontier.append(leaf_hash(header))
        return frontier.root()

    def verified_root(self, signed: str, size: int) -> bytes:
        """The root in a checkpoint of this size, verified with a key from elsewhere."""
        checkpoint = verify_checkpoint(signed, log_origin(NAME, "talks"), [self.key])
        assert checkpoint.size == size
        assert checkpoint.extensions == ()
        assert checkpoint.root == self.root(size)
        return checkpoint.root

    def checkpoint(self, version: int | None = None) -> pb.GetCheckpointResponse:
        asked = pb.GetCheckpointRequest(name="negotiations/talks", version=version)
        answer: pb.GetCheckpointResponse = self.service.audits.GetCheckpoint(asked, timeout=10)
        return answer

    def inclusion(self, version: int, at: int | None = None) -> pb.GetInclusionProofResponse:
        asked = pb.GetInclusionProofRequest(
            name="negotiations/talks", version=version, at_version=at
        )
        answer: pb.GetInclusionProofResponse = self.service.audits.GetInclusionProof(
            asked, timeout=10
        )
        return answer

    def consistency(self, old: int, new: int | None = None) -> pb.GetConsistencyProofResponse:
        asked = pb.GetConsistencyProofRequest(
            name="negotiations/talks", from_version=old, to_version=new
        )
        answer: pb.GetConsistencyProofResponse = self.service.audits.GetConsistencyProof(
            asked, timeout=10
        )
        return answer


def signed_with(folder: Path, *keys: SigningKey, data: str = "data") -> Settings:
    """The settings of a service on a folder that signs with these keys."""
    paths = [folder / f"{number}.key" for number, _ in enumerate(keys)]
    for key, path in zip(keys, paths, strict=True):
        path.unlink(missing_ok=True)
        write_key(key, path)
    return Settings(data=folder / data, address="127.0.0.1:0", signing_keys=tuple(paths))


def recorded(service: Service, entries: int) -> list[pb.Receipt]:
    """What the service answers to the entries of a negotiation, one by one."""
    drafts = [opened(), joined("acme"), *(said(f"s-{n}", "acme") for n in range(entries - 2))]
    return [
        service.record("talks", draft, request_id=f"r-{n}")
        for n, draft in enumerate(drafts, start=1)
    ]


def headers(service: Service, id_: str) -> list[bytes]:
    request = pb.ReplayEntriesRequest(name=f"negotiations/{id_}").SerializeToString()
    parts = service.raw("/pourparler.v1.AuditService/ReplayEntries", request, stream=True)
    return [one.header for part in parts for one in pb.Records.FromString(part).records]


@pytest.fixture(name="talks", scope="module")
def _talks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talks]:
    folder = tmp_path_factory.mktemp("signed")
    settings = signed_with(folder, signing_key())
    with running(settings) as address, connected(address) as service:
        receipts = recorded(service, SIZE)
        yield Talks(service, signing_key().verifier_key, receipts, headers(service, "talks"))


def test_every_receipt_has_the_checkpoint_of_its_version(talks: Talks) -> None:
    for version, receipt in enumerate(talks.receipts, start=1):
        talks.verified_root(receipt.checkpoint, version)
        assert talks.checkpoint(version).checkpoint == receipt.checkpoint


def test_a_retry_has_the_checkpoint_that_the_first_receipt_had(talks: Talks) -> None:
    again = talks.service.record("talks", joined("acme"), request_id="r-2")

    assert again == talks.receipts[1]


def test_without_a_version_the_checkpoint_is_the_last_one(talks: Talks) -> None:
    answer = talks.checkpoint()

    talks.verified_root(answer.checkpoint, SIZE)
    assert answer.computed_at.version == SIZE
    assert answer.computed_at.record_time == talks.receipts[-1].entries[0].header.record_time


def test_a_checkpoint_says_of_what_time_it_is(talks: Talks) -> None:
    answer = talks.checkpoint(5)

    assert answer.computed_at.version == 5
    assert answer.computed_at.record_time == talks.receipts[4].entries[0].header.record_time


def test_a_validated_group_has_no_checkpoint(talks: Talks) -> None:
    receipt = talks.service.record("talks", said("x", "acme"), validate_only=True)

    assert receipt.checkpoint == ""


@any_of(VERSIONS, VERSIONS)
def test_an_inclusion_proof_holds_at_any_two_versions(talks: Talks, one: int, other: int) -> None:
    version, size = sorted([one, other])

    answer = talks.inclusion(version, size)

    root = talks.verified_root(answer.checkpoint, size)
    assert answer.header == talks.headers[version - 1]
    leaf = leaf_hash(answer.header)
    check_inclusion(leaf, version - 1, size, list(answer.hashes), root)
    assert len(answer.hashes) <= math.ceil(math.log2(size))
    for wrong in {version - 2, version} & set(range(size)):
        with pytest.raises(ProofError):
            check_inclusion(leaf, wrong, size, list(answer.hashes), root)


@any_of(VERSIONS, VERSIONS)
def test_a_consistency_proof_holds_between_any_two_versions(
    talks: Talks, one: int, other: int
) -> None:
    old, new = sorted([one, other])

    answer = talks.consistency(old, new)

    root = talks.verified_root(answer.checkpoint, new)
    check_consistency(old, talks.root(old), new, root, list(answer.hashes))
    assert len(answer.hashes) <= math.ceil(math.log2(new)) + 1
    if old < new:
        with pytest.raises(ProofError):
            check_consistency(old, bytes(32), new, root, list(answer.hashes))


def test_without_a_version_proofs_lead_to_the_last_checkpoint(talks: Talks) -> None:
    last = talks.checkpoint().checkpoint

    assert talks.inclusion(3).checkpoint == last
    assert talks.consistency(3).checkpoint == last
    assert talks.consistency(SIZE).hashes == []


@pytest.mark.parametrize(("version", "size"), [(1, 1), (1, SIZE), (8, 16), (SIZE, SIZE)])
def test_an_inclusion_proof_comes_as_a_tlog_proof_too(
    talks: Talks, version: int, size: int
) -> None:
    answer = talks.inclusion(version, size)

    magic, index, *rest = answer.tlog_proof.split("\n")
    end = rest.index("")
    hashes, checkpoint = rest[:end], "\n".join(rest[end + 1 :])
    assert magic == "c2sp.org/tlog-proof@v1"
    assert index == f"index {version - 1}"
    assert [proof_hash(line) for line in hashes] == list(answer.hashes)
    assert checkpoint == answer.checkpoint
    check_inclusion(
        leaf_hash(answer.header),
        version - 1,
        size,
        [proof_hash(line) for line in hashes],
        talks.verified_root(checkpoint, size),
    )


def proof_hash(line: str) -> bytes:
    """A line of a tlog-proof: a hash in canonical base64."""
    data = b64decode(line, validate=True)
    assert b64encode(data).decode() == line
    return data


OUT_OF_RANGE: dict[str, tuple[Callable[[Talks], object], str]] = {
    "a checkpoint before the first": (lambda talks: talks.checkpoint(0), "version"),
    "a checkpoint after the last": (lambda talks: talks.checkpoint(SIZE + 1), "version"),
    "a checkpoint far beyond": (lambda talks: talks.checkpoint(LARGEST), "version"),
    "an entry after the last": (lambda talks: talks.inclusion(SIZE + 1), "version"),
    "an entry far beyond": (lambda talks: talks.inclusion(LARGEST), "version"),
    "no entry": (lambda talks: talks.inclusion(0), "version"),
    "an entry after the size": (lambda talks: talks.inclusion(9, 8), "version"),
    "inclusion at no size": (lambda talks: talks.inclusion(1, 0), "at_version"),
    "inclusion after the last": (lambda talks: talks.inclusion(1, SIZE + 1), "at_version"),
    "inclusion far beyond": (lambda talks: talks.inclusion(1, LARGEST), "at_version"),
    "consistency from nothing": (lambda talks: talks.consistency(0), "from_version"),
    "consistency backwards": (lambda talks: talks.consistency(9, 8), "from_version"),
    "consistency from beyond": (lambda talks: talks.consistency(SIZE + 1), "from_version"),
    "consistency to nothing": (lambda talks: talks.consistency(1, 0), "to_version"),
    "consistency to beyond": (lambda talks: talks.consistency(1, SIZE + 1), "to_version"),
    "consistency far beyond": (lambda talks: talks.consistency(LARGEST, LARGEST), "to_version"),
}


@pytest.mark.parametrize(("ask", "field"), OUT_OF_RANGE.values(), ids=OUT_OF_RANGE)
def test_what_is_out_of_range_is_refused_and_says_of_what(
    talks: Talks, ask: Callable[[Talks], object], field: str
) -> None:
    answer = refused(lambda: ask(talks))

    assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "VERSION_NOT_FOUND")
    assert answer.field == field
    assert answer.metadata["last_version"].isdecimal()


@pytest.mark.parametrize("method", ["GetCheckpoint", "GetInclusionProof", "GetConsistencyProof"])
def test_what_is_asked_of_no_negotiation_is_refused(talks: Talks, method: str) -> None:
    call = getattr(talks.service.audits, method)
    request = getattr(pb, f"{method}Request")

    unknown = refused(lambda: call(request(name="negotiations/nowhere"), timeout=10))
    nameless = refused(lambda: call(request(), timeout=10))
    misnamed = refused(lambda: call(request(name="talks"), timeout=10))

    assert unknown.reason == "NEGOTIATION_NOT_FOUND"
    assert nameless.reason == "FIELD_REQUIRED"
    assert misnamed.code is grpc.StatusCode.INVALID_ARGUMENT
    assert {nameless.field, misnamed.field} == {"name"}


def test_a_proof_of_a_held_negotiation_costs_the_logarithm_of_its_size(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = 0

    def counting(left: bytes, right: bytes) -> bytes:
        nonlocal hashed
        hashed += 1
        return node_hash(left, right)

    drafts = [said(f"s-{n}", "acme") for n in range(998)]
    service.record("long", opened(), joined("acme"), *drafts)
    checkpoint = pb.GetCheckpointRequest(name="negotiations/long", version=999)
    inclusion = pb.GetInclusionProofRequest(name="negotiations/long", version=500, at_version=999)
    consistency = pb.GetConsistencyProofRequest(
        name="negotiations/long", from_version=500, to_version=999
    )
    service.audits.GetCheckpoint(checkpoint, timeout=10)  # from now on it is held
    monkeypatch.setattr(merkle, "node_hash", counting)

    for call, request in (
        (service.audits.GetCheckpoint, checkpoint),
        (service.audits.GetInclusionProof, inclusion),
        (service.audits.GetConsistencyProof, consistency),
    ):
        hashed = 0
        call(request, timeout=10)

        assert 0 < hashed <= 3 * math.ceil(math.log2(999))


def test_checkpoints_and_proofs_outlive_the_process(tmp_path: Path) -> None:
    settings = signed_with(tmp_path, signing_key())
    with running(settings) as address, connected(address) as service:
        receipts = recorded(service, 9)

    with running(settings) as address, connected(address) as service:
        talks = Talks(service, signing_key().verifier_key, receipts, headers(service, "talks"))
        assert [talks.checkpoint(n).checkpoint for n in range(1, 10)] == [
            one.checkpoint for one in receipts
        ]
        again = service.record("talks", joined("acme"), request_id="r-2")
        assert again == receipts[1]
        root = talks.verified_root(talks.inclusion(3).checkpoint, 9)
        check_consistency(4, talks.root(4), 9, root, list(talks.consistency(4).hashes))


def test_a_key_that_joins_signs_what_is_new_and_leaves_what_was_given_out(tmp_path: Path) -> None:
    older = signing_key()
    with running(signed_with(tmp_path, older)) as address, connected(address) as service:
        before = recorded(service, 4)
    newer = signing_key(1, since=datetime.now(UTC))

    with running(signed_with(tmp_path, older, newer)) as address, connected(address) as service:
        retried = service.record("talks", joined("acme"), request_id="r-2")
        asked = pb.GetCheckpointRequest(name="negotiations/talks", version=4)
        at_four = service.audits.GetCheckpoint(asked, timeout=10)
        after = service.record("talks", said("new", "acme"))

    assert retried == before[1]
    assert at_four.checkpoint == before[3].checkpoint
    assert len(parse_note(after.checkpoint).signatures) == 2
    origin = log_origin(NAME, "talks")
    for key in (older, newer):
        assert verify_checkpoint(after.checkpoint, origin, [key.verifier_key]).size == 5


def test_a_key_of_the_future_signs_nothing_yet(tmp_path: Path) -> None:
    coming = signing_key(1, since=datetime.now(UTC) + timedelta(days=1))
    settings = signed_with(tmp_path, signing_key(), coming)

    with running(settings) as address, connected(address) as service:
        receipts = recorded(service, 2)

    assert {len(parse_note(one.checkpoint).signatures) for one in receipts} == {1}


def test_a_service_does_not_start_with_a_key_that_others_can_read(tmp_path: Path) -> None:
    settings = signed_with(tmp_path, signing_key())
    settings.signing_keys[0].chmod(0o644)

    with pytest.raises(ServeError, match="Other users can read"), running(settings):
        pass


def test_a_service_does_not_start_with_keys_of_two_names(tmp_path: Path) -> None:
    settings = signed_with(tmp_path, make_key("a.example"), make_key("b.example"))

    with (
        pytest.raises(ServeError, match=r"one name, but these are a\.example, b\.example"),
        running(settings),
    ):
        pass


def test_a_service_without_a_key_makes_one_and_keeps_it(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", address="127.0.0.1:0")
    with running(settings) as address, connected(address) as service:
        first = recorded(service, 2)
    made = tmp_path / "data" / "signing.key"
    assert made.stat().st_mode & 0o777 == 0o600

    with running(settings) as address, connected(address) as service:
        again = service.record("talks", joined("acme"), request_id="r-2")
    assert again == first[1]

    made.chmod(0o640)
    with pytest.raises(ServeError, match="Other users can read"), running(settings):
        pass
