"""Every table of subject keys: what was encrypted is decrypted, until a key is destroyed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler_service.application import Backend
from pourparler_service.storage.key_table import ErasureIntent, SubjectKeyTable, WrappedKey
from pourparler_service.storage.master_key import MasterKey, SubjectKeyError
from pourparler_service.storage.record_codec import record_bytes, record_parts
from pourparler_service.storage.subject_keys import SubjectKeyStore
from tests.support.stores import keys_of

ID = "talks"
TIME = Timestamp(seconds=1_665_388_800)


class FaultError(Exception):
    """What a transaction fails with."""


def record(text: str = "Quetzalcoatl", *, negotiation: str = ID, version: int = 1) -> bytes:
    return record_bytes(negotiation, version, TIME, pb.Facts(request_id="r"), pb.Words(text=text))


def intent(name: str = "x", participant: str = "anna", negotiation: str = ID) -> ErasureIntent:
    erasure = pb.Erasure(
        name=f"negotiations/{negotiation}/erasures/{name}", participant_id=participant
    )
    return ErasureIntent(negotiation, "somebody", f"r-{name}", destroyed=False, erasure=erasure)


def erase(keys: SubjectKeyStore, participant: str, negotiation: str = ID) -> ErasureIntent:
    erasing = intent(participant, participant, negotiation)
    keys.begin_erasure(erasing)
    keys.destroy(erasing)
    return erasing


@pytest.fixture
def table(backend: Backend) -> Iterator[SubjectKeyTable]:
    table = backend.key_table()
    yield table
    table.close()


# The table.


def test_a_key_is_found_by_its_person_and_number(table: SubjectKeyTable) -> None:
    first, second = (WrappedKey(ID, "anna", number, bytes([number])) for number in (1, 2))
    other = WrappedKey("other", "anna", 1, b"other")
    with table.transaction():
        for key in (first, second, other):
            table.add(key)

    assert table.newest(ID, "anna") == second
    assert table.newest(ID, "bela") is None
    assert table.find(ID, "anna", 1) == first
    assert table.find(ID, "anna", 3) is None
    assert sorted(table.keys(ID)) == [first, second]
    assert sorted(table.keys()) == sorted([first, second, other])
    assert table.keys("none") == []


def test_a_table_without_keys_needs_no_master_key(table: SubjectKeyTable) -> None:
    with table.transaction():
        table.set_master_key_id("0123abcd")
    assert table.master_key_id == ""

    with table.transaction():
        table.add(WrappedKey(ID, "anna", 1, b"w"))

    assert table.master_key_id == "0123abcd"


def test_a_destroyed_key_stays_as_a_row_without_its_bytes(table: SubjectKeyTable) -> None:
    with table.transaction():
        for number in (1, 2):
            table.add(WrappedKey(ID, "anna", number, b"w"))
        table.add(WrappedKey(ID, "bela", 1, b"w"))

    with table.transaction():
        assert table.destroy(ID, "anna") == 2
        assert table.destroy(ID, "nobody") == 0

    assert table.newest(ID, "anna") == WrappedKey(ID, "anna", 2, None)
    assert table.keys(ID) == [WrappedKey(ID, "bela", 1, b"w")]
    with table.transaction():
        assert table.destroy(ID, "anna") == 0


def test_a_transaction_that_fails_leaves_nothing(table: SubjectKeyTable) -> None:
    known = WrappedKey(ID, "anna", 1, b"w")
    begun = intent("begun")
    with table.transaction():
        table.set_master_key_id("before")
        table.add(known)
        table.add_erasure(begun)

    def fail() -> None:
        with table.transaction():
            table.set_master_key_id("after")
            table.add(WrappedKey(ID, "bela", 1, b"w"))
            table.replace(known._replace(wrapped=b"other"))
            table.destroy(ID, "anna")
            table.add_erasure(intent("new"))
            table.save_erasure(begun._replace(destroyed=True), done=True)
            raise FaultError

    with pytest.raises(FaultError):
        fail()

    assert table.master_key_id == "before"
    assert table.keys() == [known]
    assert table.unfinished() == [begun]
    assert table.erasure(intent("new").erasure.name) is None


def test_erasures_are_found_until_they_are_done_in_their_order(table: SubjectKeyTable) -> None:
    begun = [intent(name) for name in ("c", "a", "b")]
    with table.transaction():
        for one in begun:
            table.add_erasure(one)
    assert table.unfinished() == begun

    changed = begun[1]._replace(destroyed=True)
    changed.erasure.key_count = 7
    with table.transaction():
        table.save_erasure(changed, done=False)
        table.save_erasure(begun[0], done=True)

    assert table.unfinished() == [changed, begun[2]]
    assert table.erasure(begun[0].erasure.name) == begun[0]
    assert table.erasure("none") is None
    assert table.requested("somebody", "r-a") == changed
    assert table.requested("somebody else", "r-a") is None


def test_what_is_returned_of_an_erasure_is_the_callers_own(table: SubjectKeyTable) -> None:
    with table.transaction():
        table.add_erasure(intent())

    table.unfinished()[0].erasure.key_count = 7

    assert table.unfinished()[0].erasure.key_count == 0


# The keys.


def test_what_was_encrypted_is_decrypted(keys: SubjectKeyStore) -> None:
    keys.ensure_keys([(ID, "anna"), (ID, "bela")])

    whole = record()
    stored = keys.encrypt(ID, whole, ["anna", "bela"])

    assert b"Quetzalcoatl" not in stored
    assert keys.decrypt(ID, stored) == whole
    assert keys.subjects_of(ID, stored) == ("anna", "bela")


def test_to_destroy_any_one_of_the_keys_destroys_the_words(keys: SubjectKeyStore) -> None:
    whole = record()
    keys.ensure_keys([(ID, "anna"), (ID, "bela"), ("other", "anna")])
    both, hers = keys.encrypt(ID, whole, ["anna", "bela"]), keys.encrypt(ID, whole, ["bela"])
    elsewhere = keys.encrypt("other", whole, ["anna"])
    assert keys.decrypt(ID, both) == whole

    erased = erase(keys, "anna")

    assert erased.erasure.key_count == 1
    assert keys.decrypt(ID, both) == record_parts(whole).left
    assert keys.subjects_of(ID, both) == ("anna", "bela")
    assert keys.decrypt(ID, hers) == whole
    assert keys.decrypt("other", elsewhere) == whole
    assert [keys.has_key(ID, who) for who in ("anna", "bela", "carl")] == [True, True, False]


def test_after_an_erasure_there_is_another_key(keys: SubjectKeyStore) -> None:
    whole = record()
    keys.ensure_keys([(ID, "anna")])
    before = keys.encrypt(ID, whole, ["anna"])
    erase(keys, "anna")

    keys.ensure_keys([(ID, "anna")])
    after = keys.encrypt(ID, whole, ["anna"])

    assert pb.SealedRecord.FromString(after).keys == "anna:2"
    assert keys.decrypt(ID, after) == whole
    assert keys.decrypt(ID, before) == record_parts(whole).left


def test_a_blob_goes_with_the_first_key_that_is_destroyed(keys: SubjectKeyStore) -> None:
    assert keys.decrypt_blob(ID, keys.encrypt_blob(ID, b"of nobody")) == b"of nobody"
    keys.ensure_keys([(ID, "anna"), (ID, "bela")])
    blob = keys.encrypt_blob(ID, b"Quetzalcoatl")

    assert b"Quetzalcoatl" not in blob
    assert keys.decrypt_blob(ID, blob) == b"Quetzalcoatl"
    erase(keys, "bela")
    assert keys.decrypt_blob(ID, blob) is None
    assert keys.decrypt_blob(ID, b"\xff not one") is None


def test_another_master_key_wraps_all_keys_or_none(keys: SubjectKeyStore) -> None:
    whole = record()
    keys.ensure_keys([(ID, "anna"), (ID, "bela")])
    erase(keys, "bela")
    stored = keys.encrypt(ID, whole, ["anna"])

    assert keys.rewrap(MasterKey.random()) == 1

    assert keys.decrypt(ID, stored) == whole


def test_keys_are_there_when_the_table_is_opened_again(
    reopened: Callable[[], Backend], tmp_path: Path
) -> None:
    whole = record()
    with closing(keys_of(reopened(), tmp_path)) as keys:
        keys.ensure_keys([(ID, "anna"), (ID, "bela")])
        hers, his = keys.encrypt(ID, whole, ["anna"]), keys.encrypt(ID, whole, ["bela"])
        erased = erase(keys, "anna")

    with closing(keys_of(reopened(), tmp_path)) as again:
        assert again.decrypt(ID, his) == whole
        assert again.decrypt(ID, hers) == record_parts(whole).left
        assert again.unfinished() == [erased._replace(destroyed=True)]
        again.save(erased, done=True)
        assert again.unfinished() == []


def test_keys_of_another_table_are_an_error(keys: SubjectKeyStore, backend: Backend) -> None:
    keys.ensure_keys([("other", "anna")])
    missing = pb.SealedRecord(keys="anna:9", before_salt=b"x", sealed=bytes(40))

    with pytest.raises(SubjectKeyError, match="anna:9 of other is not in"):
        keys.decrypt("other", missing.SerializeToString())


def test_a_key_is_destroyed_for_all_threads_at_once(keys: SubjectKeyStore) -> None:
    """Others encrypt and decrypt meanwhile: each finds the words, or an entry without them."""
    whole = record()
    left = record_parts(whole).left
    faults: list[object] = []
    stop = threading.Event()

    def use() -> None:
        while not stop.is_set():
            try:
                with keys.lock:
                    keys.ensure_keys([(ID, "anna")])
                    stored = keys.encrypt(ID, whole, ["anna"])
                if keys.decrypt(ID, stored) not in {whole, left}:
                    faults.append("neither the words nor nothing")
            except Exception as fault:  # noqa: BLE001 - told of below
                faults.append(fault)

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(10):
        erasing = intent(str(number))
        keys.begin_erasure(erasing)
        with keys.lock:
            keys.ensure_keys([(ID, "anna")])
            stored = keys.encrypt(ID, whole, ["anna"])
            keys.destroy(erasing)
        assert keys.decrypt(ID, stored) == left
    stop.set()
    for thread in threads:
        thread.join()

    assert faults == []
