"""The keys of persons: what is sealed with them is as it was, until one of them is destroyed."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.schema.wire import length_delimited
from pourparler_service.backends.sqlite.subject_keys import DATABASE, SqliteKeyTable
from pourparler_service.operations.key_rotation import rotate_master_key
from pourparler_service.storage import subject_keys as kept
from pourparler_service.storage.data_directory import DataDirectory
from pourparler_service.storage.interface import StoredEntry
from pourparler_service.storage.key_table import ErasureIntent
from pourparler_service.storage.master_key import (
    MASTER_KEY,
    MasterKey,
    MasterKeyError,
    SubjectKeyError,
)
from pourparler_service.storage.record_codec import record_bytes, record_parts
from pourparler_service.storage.subject_keys import SubjectKeyStore
from tests.support.disk_search import traces
from tests.support.stores import open_store, open_subject_keys

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "sealed.json").read_text())
ID = "talks"
TIME = Timestamp(seconds=1_665_388_800)
WORD = "Quetzalcoatl"


def record(text: str = WORD, *, negotiation: str = ID, version: int = 1) -> bytes:
    facts = pb.Facts(request_id="r")
    return record_bytes(negotiation, version, TIME, facts, pb.Words(text=text))


@pytest.fixture(name="persons")
def _persons(tmp_path: Path) -> Iterator[SubjectKeyStore]:
    persons = open_subject_keys(tmp_path, {})
    yield persons
    persons.close()


def erase(persons: SubjectKeyStore, participant: str, negotiation: str = ID) -> None:
    erasure = pb.Erasure(name=f"negotiations/{negotiation}/erasures/x", participant_id=participant)
    intent = ErasureIntent(negotiation, "somebody", "", destroyed=False, erasure=erasure)
    persons.begin_erasure(intent)
    persons.destroy(intent)


@pytest.mark.parametrize("length", [1, 100, 127, 128, 200, 20_000])
@pytest.mark.parametrize("negotiation", ["n", "n" * 64])
def test_an_entry_in_parts_is_the_same_bytes_when_it_is_joined(
    negotiation: str, length: int
) -> None:
    stored = record("x" * length, negotiation=negotiation, version=2**40)

    parts = record_parts(stored)

    assert parts.before_salt + parts.salt + parts.after_salt + parts.words == stored
    left = pb.Record.FromString(parts.left)
    assert left.SerializeToString(deterministic=True) == parts.left
    assert (len(left.salts[0]), left.salts[1], left.words) == (32, b"", b"")
    assert left.facts == pb.Record.FromString(stored).facts


@given(st.text(min_size=1), st.integers(1, 2**63 - 1), st.text("abc.-_09", min_size=1, max_size=64))
def test_whatever_an_entry_says_it_is_opened_as_it_was(text: str, version: int, id_: str) -> None:
    stored = record(text, negotiation=id_, version=version)
    persons = open_subject_keys(None, {})
    persons.ensure_keys([(id_, "anna")])

    assert persons.decrypt(id_, persons.encrypt(id_, stored, ["anna"])) == stored
    persons.close()


def test_what_was_sealed_is_opened_as_it_always_was(tmp_path: Path) -> None:
    master = MasterKey(bytes.fromhex(GOLDEN["master_key"]))
    assert master.key_id == GOLDEN["master_key_id"]
    SubjectKeyStore(SqliteKeyTable(tmp_path / DATABASE), master).close()
    with sqlite3.connect(tmp_path / DATABASE) as database:
        for negotiation, participant, number, wrapped in GOLDEN["keys"]:
            row = (negotiation, participant, number, bytes.fromhex(wrapped))
            database.execute("INSERT INTO key VALUES (?, ?, ?, ?)", row)
    database.close()
    persons = SubjectKeyStore(SqliteKeyTable(tmp_path / DATABASE), master)

    opened = persons.decrypt("renault-nissan", bytes.fromhex(GOLDEN["sealed"]))

    assert opened.hex() == GOLDEN["record"]
    assert persons.subjects_of("renault-nissan", bytes.fromhex(GOLDEN["sealed"])) == (
        "anna",
        "bela",
    )
    persons.close()


def test_what_is_sealed_can_be_opened_by_what_the_format_says_of_it() -> None:
    master = AESGCM(bytes.fromhex(GOLDEN["master_key"]))
    keys = b""
    for negotiation, participant, number, wrapped in GOLDEN["keys"]:
        place = f"{negotiation}\0{participant}\0{number}".encode()
        data = bytes.fromhex(wrapped)
        keys += master.decrypt(data[:12], data[12:], place)
    row = pb.SealedRecord.FromString(bytes.fromhex(GOLDEN["sealed"]))

    key = HKDF(SHA256(), 32, None, b"pourparler.v1.words").derive(keys)
    words = AESGCM(key).decrypt(row.sealed[:12], row.sealed[12:], row.before_salt)

    was = pb.Record.FromString(bytes.fromhex(GOLDEN["record"]))
    assert row.keys == "anna:1 bela:1"
    assert words == length_delimited(2, was.salts[1]) + length_delimited(4, was.words)
    header = pb.EntryHeader.FromString(was.header)
    salt = words[2:34]
    assert sha256(salt + was.words).digest() == header.section_digests[1]
    assert bytes.fromhex(GOLDEN["sealed"])[0] != was.SerializeToString()[0] == 0x0A


def test_a_key_that_was_destroyed_is_in_no_file(persons: SubjectKeyStore, tmp_path: Path) -> None:
    persons.ensure_keys([(ID, f"p-{number}") for number in range(200)])
    (hers,) = wrapped(tmp_path, "p-77")
    (his,) = wrapped(tmp_path, "p-78")

    erase(persons, "p-77")

    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert wrapped(tmp_path, "p-77") == [None]
    assert not any(hers[12:28] in file for file in files)
    assert any(his in file for file in files)
    assert sorted(path.name for path in tmp_path.iterdir()) == [MASTER_KEY, DATABASE]


def wrapped(folder: Path, participant: str) -> list[bytes]:
    """The keys of a participant, as they lie in a folder."""
    with sqlite3.connect(folder / DATABASE) as database:
        rows = database.execute("SELECT wrapped FROM key WHERE participant = ?", (participant,))
        found = [row[0] for row in rows]
    database.close()
    return found


def test_who_has_which_key_is_looked_up_again_when_too_much_is_kept(
    persons: SubjectKeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "_MOST_CURRENT", 2)
    monkeypatch.setattr(kept, "_MOST_KEY_SETS", 2)
    whole = record()
    sealed = {}
    for who in ("anna", "bela", "carl", "anna"):
        persons.ensure_keys([(ID, who)])
        sealed[who] = persons.encrypt(ID, whole, [who])

    assert {pb.SealedRecord.FromString(one).keys for one in sealed.values()} == {
        "anna:1",
        "bela:1",
        "carl:1",
    }
    assert [persons.decrypt(ID, one) for one in sealed.values()] == [whole] * 3


def test_words_are_bound_to_their_place(persons: SubjectKeyStore) -> None:
    persons.ensure_keys([(ID, "anna")])
    first = pb.SealedRecord.FromString(persons.encrypt(ID, record(), ["anna"]))
    second = pb.SealedRecord.FromString(persons.encrypt(ID, record(version=2), ["anna"]))
    first.sealed = second.sealed

    with pytest.raises(SubjectKeyError, match="were changed in the store"):
        persons.decrypt(ID, first.SerializeToString())


def test_what_has_no_words_is_not_sealed(persons: SubjectKeyStore) -> None:
    empty = record_bytes(ID, 1, TIME, pb.Facts(), pb.Words())
    persons.ensure_keys([(ID, "anna")])

    assert persons.encrypt(ID, empty, ["anna"]) == empty


def test_a_key_that_is_not_there_and_was_not_destroyed_is_an_error(
    persons: SubjectKeyStore, tmp_path: Path
) -> None:
    persons.ensure_keys([(ID, "anna")])
    sealed = persons.encrypt(ID, record(), ["anna"])
    (tmp_path / "other").mkdir()
    other = open_subject_keys(tmp_path / "other", {})

    with pytest.raises(SubjectKeyError, match="anna:1 of talks is not in"):
        other.decrypt(ID, sealed)
    other.close()


# The master key.


def filled(folder: Path) -> None:
    """A folder with an entry that is sealed."""
    with DataDirectory(folder):
        store = open_store(folder, {})
        store.append([StoredEntry(ID, 1, "t", record(), ("anna",))])
        store.close()


def opened(folder: Path, **environment: str) -> bytes:
    """The entry of a folder."""
    store = open_store(folder, environment)
    try:
        return store.read(ID)[0].data
    finally:
        store.close()


def test_the_master_key_is_made_at_the_first_start_for_its_owner_alone(tmp_path: Path) -> None:
    filled(tmp_path)

    assert (tmp_path / MASTER_KEY).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / DATABASE).stat().st_mode & 0o777 == 0o600
    assert opened(tmp_path) == opened(tmp_path)


def test_the_master_key_may_lie_elsewhere_or_be_given_by_its_value(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    elsewhere = shutil.move(tmp_path / "data" / MASTER_KEY, tmp_path / "key")
    value = Path(elsewhere).read_text().strip()

    first = opened(tmp_path / "data", POURPARLER_MASTER_KEY=str(elsewhere))

    assert opened(tmp_path / "data", POURPARLER_MASTER_KEY=value) == first
    assert not (tmp_path / "data" / MASTER_KEY).exists()


def test_without_the_master_key_nothing_starts_and_it_is_said_what_is_lost(tmp_path: Path) -> None:
    filled(tmp_path)
    key = (tmp_path / MASTER_KEY).read_text()
    needed = open_master(tmp_path)
    (tmp_path / MASTER_KEY).unlink()

    with pytest.raises(MasterKeyError) as missing:
        open_store(tmp_path, {})

    assert f"The master key {needed} is missing" in str(missing.value)
    assert "(persons: 1, negotiations: 1) cannot be read" in str(missing.value)
    assert not (tmp_path / MASTER_KEY).exists()
    (tmp_path / MASTER_KEY).write_text(key)
    assert opened(tmp_path)


def open_master(folder: Path) -> str:
    with sqlite3.connect(folder / DATABASE) as database:
        (found,) = database.execute("SELECT master_key_id FROM about").fetchone()
    database.close()
    return str(found)


def test_another_master_key_is_refused_by_name(tmp_path: Path) -> None:
    filled(tmp_path / "one")
    filled(tmp_path / "other")
    shutil.copy(tmp_path / "other" / MASTER_KEY, tmp_path / "one" / MASTER_KEY)

    with pytest.raises(MasterKeyError, match=open_master(tmp_path / "other")):
        open_store(tmp_path / "one", {})


@pytest.mark.parametrize("said", ["", "not a key", "AAAA"])
def test_what_is_no_master_key_is_refused(tmp_path: Path, said: str) -> None:
    file = tmp_path / "key"
    file.write_text(said)

    with pytest.raises(MasterKeyError, match="is not a master key"):
        open_subject_keys(tmp_path, {"POURPARLER_MASTER_KEY": str(file)})
    with pytest.raises(MasterKeyError, match="cannot be read"):
        open_subject_keys(tmp_path, {"POURPARLER_MASTER_KEY": str(tmp_path / "nowhere")})


def test_a_record_without_the_keys_of_its_persons_is_refused(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / DATABASE).unlink()

    for _ in range(2):
        with pytest.raises(SubjectKeyError, match=f"but no {DATABASE}"):
            open_store(tmp_path, {})


def test_keys_of_a_newer_format_are_left_as_they_are(tmp_path: Path) -> None:
    filled(tmp_path)
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("UPDATE about SET format = 2")
    database.close()

    with pytest.raises(SubjectKeyError, match="format 2"):
        open_store(tmp_path, {})


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / DATABASE).write_bytes(b"not a database at all, but long enough to look like one")

    with pytest.raises(SubjectKeyError, match="cannot be read"):
        open_store(tmp_path, {})


def test_a_rotation_wraps_all_keys_anew(tmp_path: Path) -> None:
    filled(tmp_path)
    was, before = open_master(tmp_path), opened(tmp_path)
    old = tmp_path / "old"
    shutil.copy(tmp_path / MASTER_KEY, old)

    rotated = rotate_master_key(tmp_path, {})

    assert rotated.keys == 1
    assert rotated.key_id == open_master(tmp_path) != was
    assert opened(tmp_path) == before
    assert sorted(path.name for path in tmp_path.glob("master*")) == [MASTER_KEY]
    with pytest.raises(MasterKeyError):
        open_store(tmp_path, {"POURPARLER_MASTER_KEY": str(old)})


def test_a_rotation_to_a_file_of_its_own(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    before = opened(tmp_path / "data")
    value = (tmp_path / "data" / MASTER_KEY).read_text().strip()
    new = tmp_path / "new"

    with pytest.raises(MasterKeyError, match="say to which file"):
        rotate_master_key(tmp_path / "data", {"POURPARLER_MASTER_KEY": value})
    rotate_master_key(tmp_path / "data", {}, new)

    assert not (tmp_path / "data" / MASTER_KEY).exists()
    assert opened(tmp_path / "data", POURPARLER_MASTER_KEY=str(new)) == before
    with pytest.raises(MasterKeyError, match="There is a file"):
        rotate_master_key(tmp_path / "data", {"POURPARLER_MASTER_KEY": str(new)}, new)


class Crash(BaseException):
    """Nobody catches it, as nobody catches a crash."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_rotation_that_is_cut_off_leaves_one_of_the_two_master_keys(
    tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)
    was, before = open_master(tmp_path), opened(tmp_path)
    rewrap = SubjectKeyStore.rewrap

    def cut_off(self: SubjectKeyStore, master: MasterKey) -> int:
        if when == "after":
            rewrap(self, master)
        raise Crash

    monkeypatch.setattr(SubjectKeyStore, "rewrap", cut_off)
    with pytest.raises(Crash):
        rotate_master_key(tmp_path, {})
    assert (tmp_path / f"{MASTER_KEY}.next").exists()

    assert opened(tmp_path) == before
    assert (open_master(tmp_path) == was) == (when == "before")
    assert sorted(path.name for path in tmp_path.glob("master*")) == [MASTER_KEY]


# The store.


@pytest.mark.parametrize(
    "environment",
    [{}, {"COMPRESSOR_TOPIC": "zlib"}, {"POURPARLER_STORE": "memory:"}],
    ids=["sqlite", "compressed", "memory"],
)
def test_a_store_gives_what_it_was_given_and_keeps_it_sealed(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    given = [
        StoredEntry(ID, 1, "t", record(), ("anna",)),
        StoredEntry(ID, 2, "t", record("in clear", version=2)),
        StoredEntry(ID, 3, "t", record(version=3), ("anna", "bela")),
    ]
    store = open_store(tmp_path, environment, store=environment.get("POURPARLER_STORE", ""))
    store.append(given)

    assert store.read(ID) == given
    assert [one for _, one in store.scan(0, 10)] == given
    rows = store.rows(ID, after=0, upto=9, limit=9, size=1 << 20)
    assert [data for _, _, data in rows.rows] == [one.data for one in given]
    places = [(ID, 1), (ID, 2), (ID, 3)]
    assert store.several(places, 1 << 20) == [one.data for one in given]
    assert traces(tmp_path, WORD) == []

    erase(store.subject_keys, "anna")
    left = [record_parts(given[0].data).left, given[1].data, record_parts(given[2].data).left]
    assert [one.data for one in store.read(ID)] == left
    rows = store.rows("", after=0, upto=9, limit=9, size=1 << 20)
    assert [data for _, _, data in rows.rows] == left
    assert store.several(places, 1 << 20) == left
    store.close()


def test_what_was_in_clear_is_overwritten(tmp_path: Path) -> None:
    store = open_store(tmp_path, {})
    given = StoredEntry(ID, 1, "t", record())
    store.append([given])
    assert traces(tmp_path, WORD)

    assert store.rewrite([given._replace(data=record_parts(given.data).left)])
    store.purge()

    assert traces(tmp_path, WORD) == []
    assert store.read(ID)[0].data == record_parts(given.data).left
    store.close()


def test_what_no_store_of_ours_keeps_is_not_rewritten() -> None:
    store = open_store(None, {})
    given = StoredEntry(ID, 1, "t", record())
    store.append([given])

    assert not store.rewrite([given._replace(data=record_parts(given.data).left)])
    store.purge()
    assert store.read(ID) == [given]
    store.close()
