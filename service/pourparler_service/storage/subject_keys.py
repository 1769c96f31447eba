"""The keys of natural persons: what their words are sealed with at rest, until one is destroyed.

Each person of each negotiation has a key of their own. They lie in a database of their own, wrapped
by the master key. What words are sealed with, and how, is storage format: permanent.
"""

import contextlib
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from google.protobuf.message import DecodeError

from pourparler import v1 as pb
from pourparler_service.backends.sqlite.transaction import transaction
from pourparler_service.storage.master_key import _INFO, KEY_BYTES, MasterKey, SubjectKeyError
from pourparler_service.storage.record_codec import NO_SALT, SALT_FIELD_BYTES, record_parts

DATABASE = "persons.sqlite"

FORMAT = 1
"""The version of the format of the database."""


_NONCE_BYTES = 12
_COVERED = b"pourparler.v1.cover"
_KEPT = 10_000  # how many ciphers are kept, each of the persons of an entry
_HELD = 100_000  # of how many persons it is kept which key is theirs now

_TABLES = """
CREATE TABLE about (format INTEGER NOT NULL, master_key_id TEXT NOT NULL);
CREATE TABLE key (
    negotiation TEXT NOT NULL,
    participant TEXT NOT NULL,
    number INTEGER NOT NULL,
    wrapped BLOB,          -- NULL once it is destroyed
    PRIMARY KEY (negotiation, participant, number)
);
CREATE TABLE erasure (
    place INTEGER PRIMARY KEY,  -- the earlier, the lower
    name TEXT NOT NULL UNIQUE,
    negotiation TEXT NOT NULL,
    caller TEXT NOT NULL,
    request_id TEXT NOT NULL,
    destroyed INTEGER NOT NULL,
    done INTEGER NOT NULL,
    said BLOB NOT NULL     -- an Erasure
);
"""

_ERASURES = "SELECT negotiation, caller, request_id, destroyed, said FROM erasure"


class _KeySet(NamedTuple):
    """Some keys taken together: what they open, and whose they are."""

    cipher: AESGCM | None
    """None if one of them was destroyed."""
    persons: tuple[str, ...]


class ErasureIntent(NamedTuple):
    """An erasure that is begun, and who asked for it by which request."""

    negotiation: str
    caller: str
    request_id: str
    destroyed: bool
    """Whether the keys are destroyed."""
    erasure: pb.Erasure


def _connected(path: Path | None) -> sqlite3.Connection:
    database = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
    # What is overwritten or deleted is overwritten with zeros, and nothing is left in a second file
    # once a transaction is over: a write-ahead log would keep keys that were destroyed.
    database.execute("PRAGMA secure_delete = ON")
    database.execute("PRAGMA journal_mode = DELETE")
    database.execute("PRAGMA synchronous = EXTRA")
    return database


class SubjectKeyStore:
    """The keys of persons, and the erasures that destroy them. For any thread."""

    def __init__(self, path: Path | None, master: MasterKey) -> None:
        """Open the database at `path`, or one in memory, with its master key.

        Raises PersonsError.
        """
        self.lock = threading.RLock()
        """Guards the database. Held while what is sealed is stored: so no key is destroyed between
        a sealing and its commit."""
        self._path = path
        self._master = AESGCM(master.key)
        # Changed under the lock, and read without it.
        self._keys: dict[tuple[str, str], _KeySet] = {}
        self._current: dict[tuple[str, str], str] = {}
        with _as_error():
            if path is not None:
                path.touch(0o600)
            self._database = _connected(path)
            if not self._database.execute("SELECT 1 FROM sqlite_master").fetchone():
                with transaction(self._database):
                    for statement in _TABLES.split(";"):
                        self._database.execute(statement)
                    self._database.execute(
                        "INSERT INTO about VALUES (?, ?)", (FORMAT, master.key_id)
                    )
            elif not self._database.execute("SELECT 1 FROM key").fetchone():
                with transaction(self._database):
                    self._database.execute("UPDATE about SET master_key_id = ?", (master.key_id,))

    def close(self) -> None:
        """Let the database go."""
        with self.lock:
            self._database.close()

    # What is sealed and opened.

    def ensure_keys(self, wanted: Iterable[tuple[str, str]]) -> None:
        """See that these persons, each of a negotiation, have a key: on disk when this returns."""
        with self.lock, _as_error():
            if len(self._current) >= _HELD:
                self._current = {}
            missing = [one for one in wanted if one not in self._current]
            if missing:
                with transaction(self._database):
                    made = {one: self._newest(*one) for one in missing}
                self._current |= made

    def _newest(self, negotiation: str, participant: str) -> str:
        """The name of the key with which a person's words are sealed now; made if there is none."""
        number, there = self._database.execute(
            "SELECT coalesce(max(number), 0), coalesce(max(number * (wrapped IS NOT NULL)), 0)"
            " FROM key WHERE negotiation = ? AND participant = ?",
            (negotiation, participant),
        ).fetchone()
        if not there or there < number:
            number += 1
            wrapped = self._wrapped(
                negotiation, participant, number, secrets.token_bytes(KEY_BYTES)
            )
            self._database.execute(
                "INSERT INTO key VALUES (?, ?, ?, ?)", (negotiation, participant, number, wrapped)
            )
        return f"{participant}:{number}"

    def encrypt(self, negotiation: str, data: bytes, persons: Sequence[str]) -> bytes:
        """An entry as it is stored: under the keys of these persons, who are held.

        Raises PersonsError.
        """
        parts = record_parts(data)
        if not parts.words:
            return data
        keys = " ".join(sorted(self._current[negotiation, person] for person in persons))
        cipher = self._key_set(negotiation, keys).cipher
        if cipher is None:
            raise SubjectKeyError("a key was destroyed while it was used")
        nonce = secrets.token_bytes(_NONCE_BYTES)
        before = parts.before_salt
        row = pb.SealedRecord(
            before_salt=before,
            after_salt=parts.after_salt,
            keys=keys,
            sealed=nonce + cipher.encrypt(nonce, parts.salt + parts.words, before),
        )
        return row.SerializeToString(deterministic=True)

    def decrypt(self, negotiation: str, stored: bytes) -> bytes:
        """A sealed entry as it was before, or without its words if a key of it was destroyed.

        Raises PersonsError.
        """
        # In the way of every entry of a replay: nothing is asked for twice.
        row = pb.SealedRecord.FromString(stored)
        try:
            cipher = self._keys[negotiation, row.keys].cipher
        except KeyError:
            cipher = self._key_set(negotiation, row.keys).cipher
        before, after, sealed = row.before_salt, row.after_salt, row.sealed
        if cipher is None:
            return before + NO_SALT + after
        try:
            words = cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], before)
        except InvalidTag:
            raise SubjectKeyError(
                f"the words of an entry of {negotiation} were changed in the store"
            ) from None
        return b"".join((before, words[:SALT_FIELD_BYTES], after, words[SALT_FIELD_BYTES:]))

    def subjects_of(self, negotiation: str, stored: bytes) -> tuple[str, ...]:
        """The participants with whose keys an entry is sealed."""
        keys = pb.SealedRecord.FromString(stored).keys
        return self._key_set(negotiation, keys).persons

    def _key_set(self, negotiation: str, names: str) -> _KeySet:
        """The keys of these names."""
        known = self._keys.get((negotiation, names))
        if known is not None:
            return known
        keys = names.split(" ")
        with self.lock, _as_error():
            parts = [self._key(negotiation, key) for key in keys]
            cipher = None
            if None not in parts:
                derived = HKDF(SHA256(), KEY_BYTES, None, _INFO).derive(
                    b"".join(part for part in parts if part)
                )
                cipher = AESGCM(derived)
            if len(self._keys) >= _KEPT:
                self._keys = {}
            taken = _KeySet(cipher, tuple(key.partition(":")[0] for key in keys))
            self._keys[negotiation, names] = taken
            return taken

    def _key(self, negotiation: str, name: str) -> bytes | None:
        """A person's key; None if it was destroyed."""
        participant, _, number = name.partition(":")
        row = self._database.execute(
            "SELECT wrapped FROM key WHERE negotiation = ? AND participant = ? AND number = ?",
            (negotiation, participant, int(number)),
        ).fetchone()
        if row is None:
            raise SubjectKeyError(
                f"the key {name} of {negotiation} is not in {self._path or 'memory'}, which is"
                " older than the record, or not the one that belongs to it"
            )
        if row[0] is None:
            return None
        where = _place(negotiation, participant, int(number))
        try:
            return self._master.decrypt(row[0][:_NONCE_BYTES], row[0][_NONCE_BYTES:], where)
        except InvalidTag:
            raise SubjectKeyError(f"the key {name} of {negotiation} was changed") from None

    def _wrapped(self, negotiation: str, participant: str, number: int, key: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._master.encrypt(nonce, key, _place(negotiation, participant, number))

    def encrypt_blob(self, negotiation: str, data: bytes) -> bytes:
        """What is made of many entries of a negotiation, as it may lie on disk.

        It is sealed with the keys of all its persons: once one of them is destroyed, it is gone.
        """
        with self.lock, _as_error():
            rows = self._database.execute(
                "SELECT participant, number FROM key WHERE negotiation = ? AND wrapped IS NOT NULL",
                (negotiation,),
            ).fetchall()
            keys = " ".join(sorted(f"{participant}:{number}" for participant, number in rows))
            cipher = self._key_set(negotiation, keys).cipher if keys else None
        if cipher is None:
            return pb.SealedRecord(sealed=data).SerializeToString()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + cipher.encrypt(nonce, data, _COVERED)
        return pb.SealedRecord(keys=keys, sealed=sealed).SerializeToString()

    def decrypt_blob(self, negotiation: str, data: bytes) -> bytes | None:
        """What was covered; None if that cannot be had any more."""
        row = pb.SealedRecord()
        with contextlib.suppress(DecodeError, InvalidTag, SubjectKeyError):
            row.ParseFromString(data)
            if not row.keys:
                return row.sealed
            cipher = self._key_set(negotiation, row.keys).cipher
            if cipher is not None:
                sealed = row.sealed
                return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _COVERED)
        return None

    # What is destroyed.

    def has_key(self, negotiation: str, participant: str) -> bool:
        """Whether a person has a key, or had one that was destroyed."""
        with self.lock, _as_error():
            row = self._database.execute(
                "SELECT 1 FROM key WHERE negotiation = ? AND participant = ?",
                (negotiation, participant),
            ).fetchone()
            return row is not None

    def begin_erasure(self, intent: ErasureIntent) -> None:
        """Put down that an erasure is to be made: once this returns there is no way back."""
        with self.lock, _as_error(), transaction(self._database):
            self._database.execute(
                "INSERT INTO erasure (name, negotiation, caller, request_id, destroyed, done, said)"
                " VALUES (?, ?, ?, ?, 0, 0, ?)",
                (
                    intent.erasure.name,
                    intent.negotiation,
                    intent.caller,
                    intent.request_id,
                    intent.erasure.SerializeToString(),
                ),
            )

    def destroy(self, intent: ErasureIntent) -> None:
        """Destroy the keys of a person, and put down with it what the erasure says of that.

        All on disk when this returns, or nothing of it.
        """
        negotiation, participant = intent.negotiation, intent.erasure.participant_id
        with self.lock, _as_error():
            with transaction(self._database):
                destroyed = self._database.execute(
                    "UPDATE key SET wrapped = NULL"
                    " WHERE negotiation = ? AND participant = ? AND wrapped IS NOT NULL",
                    (negotiation, participant),
                ).rowcount
                intent.erasure.key_count = destroyed
                self._save(intent._replace(destroyed=True), done=False)
            self._current.pop((negotiation, participant), None)
            self._keys = {}

    def save(self, intent: ErasureIntent, *, done: bool) -> None:
        """Put down what an erasure says now, and whether it is done."""
        with self.lock, _as_error(), transaction(self._database):
            self._save(intent, done=done)

    def _save(self, intent: ErasureIntent, *, done: bool) -> None:
        self._database.execute(
            "UPDATE erasure SET said = ?, destroyed = ?, done = ? WHERE name = ?",
            (intent.erasure.SerializeToString(), intent.destroyed, done, intent.erasure.name),
        )

    def erasure(self, name: str) -> pb.Erasure | None:
        """The erasure of this name, if there is one."""
        found = self._erasures(f"{_ERASURES} WHERE name = ?", name)
        return found[0].erasure if found else None

    def requested(self, caller: str, request_id: str) -> ErasureIntent | None:
        """The erasure that a caller asked for by this request, if there is one."""
        found = self._erasures(
            f"{_ERASURES} WHERE caller = ? AND request_id = ?", caller, request_id
        )
        return found[0] if found else None

    def unfinished(self) -> list[ErasureIntent]:
        """The erasures that have begun and are not done, the oldest first."""
        return self._erasures(f"{_ERASURES} WHERE NOT done ORDER BY place")

    def _erasures(self, statement: str, *values: str) -> list[ErasureIntent]:
        with self.lock, _as_error():
            rows = self._database.execute(statement, values).fetchall()
        return [
            ErasureIntent(
                negotiation, caller, request_id, bool(destroyed), pb.Erasure.FromString(said)
            )
            for negotiation, caller, request_id, destroyed, said in rows
        ]

    # The master key.

    def rewrap(self, master: MasterKey) -> int:
        """Wrap all keys by another master key, all or none; how many there are."""
        with self.lock, _as_error():
            old, fresh = self._master, AESGCM(master.key)
            with transaction(self._database):
                rows = self._database.execute(
                    "SELECT negotiation, participant, number, wrapped FROM key"
                    " WHERE wrapped IS NOT NULL"
                ).fetchall()
                for *place, wrapped in rows:
                    where = _place(*place)
                    key = old.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], where)
                    nonce = secrets.token_bytes(_NONCE_BYTES)
                    self._database.execute(
                        "UPDATE key SET wrapped = ?"
                        " WHERE negotiation = ? AND participant = ? AND number = ?",
                        (nonce + fresh.encrypt(nonce, key, where), *place),
                    )
                self._database.execute("UPDATE about SET master_key_id = ?", (master.key_id,))
            self._master = fresh
            return len(rows)


def _place(negotiation: str, participant: str, number: int) -> bytes:
    """What binds a wrapped key to its place: two cannot change places."""
    return f"{negotiation}\0{participant}\0{number}".encode()


@contextlib.contextmanager
def _as_error() -> Iterator[None]:
    """Let what the database fails with go on as ours."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise SubjectKeyError(f"the keys of persons cannot be read or written: {error}") from error
