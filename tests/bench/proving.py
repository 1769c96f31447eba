"""Proof: how fast a whole record is audited, and whether proofs stay cheap as a record grows."""

import functools
import hashlib
import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence

from pourparler import v1 as pb
from pourparler.transparency.auditor import Auditor
from pourparler.transparency.findings import Verdict
from pourparler.transparency.merkle import MerkleTree, check_consistency, check_inclusion, leaf_hash
from tests.bench import talks, wire
from tests.bench.measure import Aim, Means, Taken, Workload
from tests.bench.servers import EMPTY, OURS, servers
from tests.support.signing_keys import KEY, SIGNER

AUDITED = 100_000
LENGTHS = (10, 1_000, 100_000)
_FLOOR = "SHA-256 and parsing"
_CALLS = 200
_SHORT_ONES = 100
# From 10 entries to 100,000 the logarithm grows from 4 to 17; what does not grow with it stays.
_WITHIN_LOGARITHM = 17 / 4


def audit_workloads(_: Means) -> Iterator[Workload]:
    """The audit of a record against what it cannot do without."""
    id_ = talks.of_length(AUDITED)
    records = [one.data for one in talks.records(id_, AUDITED)]
    size = sum(map(len, records))
    tree = MerkleTree(leaf_hash(pb.Record.FromString(data).header) for data in records)
    recorded = pb.Entry.FromString(records[-1]).header.record_time
    checkpoint = SIGNER.checkpoint(id_, AUDITED, tree.root(), recorded)

    def audit() -> Taken:
        began = time.perf_counter()
        auditor = Auditor(id_, [KEY.verifier_key])
        auditor.add_all(lambda: records)
        verdict = auditor.finish(checkpoint).verdict
        rate = AUDITED / (time.perf_counter() - began)
        assert verdict is Verdict.SOUND
        return Taken(rate)

    yield Workload(
        "audit",
        f"audit of {AUDITED:,} entries in memory ({size:,} bytes)",
        "entries a second",
        {_FLOOR: lambda: _floor(records), "audit": audit},
        _FLOOR,
        [Aim("audit", _FLOOR, at_least=0.5), Aim("audit", None, at_least=100_000)],
    )


def _floor(records: Sequence[bytes]) -> Taken:
    """Parse each record both ways, and hash what has to be hashed: sections, leaf, node."""
    began = time.perf_counter()
    node = bytes(32)
    for data in records:
        record = pb.Record.FromString(data)
        pb.Entry.FromString(data)
        salts = record.salts
        hashlib.sha256(salts[0] + record.facts).digest()
        hashlib.sha256(salts[1] + record.words).digest()
        leaf = hashlib.sha256(b"\0" + record.header).digest()
        node = hashlib.sha256(b"\1" + node + leaf).digest()
    return Taken(len(records) / (time.perf_counter() - began))


def workloads(means: Means) -> Iterator[Workload]:
    """Receipts and proofs over the wire at each length, and the checks of proofs by the client."""
    histories = {talks.of_length(length): length for length in LENGTHS}
    short = min(LENGTHS)
    # Short records do not stay short if all appends go to one.
    histories |= {f"{talks.of_length(short)}-{place:04}": short for place in range(_SHORT_ONES)}
    with servers(means.folder, histories) as at:

        def took(method: str, bodies: Iterator[bytes]) -> Taken:
            some = itertools.islice(bodies, _CALLS)
            return wire.run(at.ours, method, some, seconds=means.seconds).by_time()

        def nothing() -> Taken:
            some = itertools.islice(_inclusions(short), _CALLS)
            return wire.run(at.empty, "/empty/Unary-0", some, seconds=means.seconds).by_time()

        for name, (method, bodies_at) in _CALLED.items():
            contenders: dict[str, Callable[[], Taken]] = {EMPTY: nothing}
            for length in LENGTHS:
                contenders[_at(length)] = functools.partial(took, method, bodies_at(length))
            yield Workload(
                name.replace(" ", "-"),
                f"{name}, by one caller, {OURS}",
                "ms",
                contenders,
                _at(short),
                [Aim(_at(max(LENGTHS)), _at(short), at_most=_WITHIN_LOGARITHM)],
                less_is_more=True,
            )
    yield from _checks()


def _checks() -> Iterator[Workload]:
    """What it takes the client to check a proof."""
    trees = {
        length: MerkleTree(leaf_hash(place.to_bytes(4, "big")) for place in range(length))
        for length in LENGTHS
    }
    for name, checks in (("inclusion", _check_inclusions), ("consistency", _check_consistencies)):
        contenders: dict[str, Callable[[], Taken]] = {
            _at(length): functools.partial(checks, tree) for length, tree in trees.items()
        }
        yield Workload(
            f"{name}-checked",
            f"{name} proof checked by the client",
            "microseconds",
            contenders,
            _at(min(LENGTHS)),
            less_is_more=True,
        )


def _check_inclusions(tree: MerkleTree) -> Taken:
    some, size, root = random.Random(tree.size), tree.size, tree.root()  # noqa: S311 - any will do
    indexes = [some.randrange(size) for _ in range(_CALLS)]
    given = [
        (leaf_hash(index.to_bytes(4, "big")), index, tree.prove_inclusion(index, size))
        for index in indexes
    ]
    began = time.perf_counter()
    for leaf, index, proof in given:
        check_inclusion(leaf, index, size, proof, root)
    return Taken((time.perf_counter() - began) / _CALLS * 1_000_000)


def _check_consistencies(tree: MerkleTree) -> Taken:
    some, size, root = random.Random(tree.size), tree.size, tree.root()  # noqa: S311 - any will do
    earlier = [some.randint(1, size) for _ in range(_CALLS)]
    given = [(old, tree.root(old), tree.prove_consistency(old, size)) for old in earlier]
    began = time.perf_counter()
    for old, old_root, proof in given:
        check_consistency(old, old_root, size, root, proof)
    return Taken((time.perf_counter() - began) / _CALLS * 1_000_000)


def _at(length: int) -> str:
    return f"at {length:,} entries"


def _name(length: int) -> str:
    return f"negotiations/{talks.of_length(length)}"


def _appends(length: int) -> Iterator[bytes]:
    id_ = talks.of_length(length)
    if length == min(LENGTHS):
        return talks.statements(id_, _SHORT_ONES)
    return talks.appends(id_)


def _checkpoints(length: int) -> Iterator[bytes]:
    while True:
        yield pb.GetCheckpointRequest(name=_name(length)).SerializeToString()


def _inclusions(length: int) -> Iterator[bytes]:
    some = random.Random(length)  # noqa: S311 - any entries will do
    while True:
        yield pb.GetInclusionProofRequest(
            name=_name(length), version=some.randint(1, length)
        ).SerializeToString()


def _consistencies(length: int) -> Iterator[bytes]:
    some = random.Random(length)  # noqa: S311 - any versions will do
    while True:
        yield pb.GetConsistencyProofRequest(
            name=_name(length), from_version=some.randint(1, length)
        ).SerializeToString()


_CALLED: dict[str, tuple[str, Callable[[int], Iterator[bytes]]]] = {
    "receipt": (talks.RECORD, _appends),
    "checkpoint": (talks.CHECKPOINT, _checkpoints),
    "inclusion proof": (talks.INCLUSION, _inclusions),
    "consistency proof": (talks.CONSISTENCY, _consistencies),
}
