"""The keys of natural persons: their words are encrypted at rest, until a key is destroyed.

Each person of each negotiation has a key of their own. The keys are stored in a table of a backend,
wrapped with the master key. How words are encrypted is storage format: permanent.
"""

import contextlib
import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from google.protobuf.message import DecodeError

from pourparler import v1 as pb
from pourparler_service.storage.interface import StoreUnavailableError
from pourparler_service.storage.key_table import ErasureIntent, SubjectKeyTable, WrappedKey
from pourparler_service.storage.master_key import INFO, KEY_BYTES, MasterKey, SubjectKeyError
from pourparler_service.storage.record_codec import NO_SALT, SALT_FIELD_BYTES, record_parts

_NONCE_BYTES = 12
_BLOB = b"pourparler.v1.cover"  # the associated data of an encrypted blob: permanent
_MOST_KEY_SETS = 10_000  # ciphers in memory, each of the persons of an entry
_MOST_CURRENT = 100_000  # persons in memory with the name of their current key


class _KeySet(NamedTuple):
    """The keys of the persons of an entry, combined."""

    cipher: AESGCM | None
    """None if one of the keys is destroyed."""
    persons: tuple[str, ...]


class SubjectKeyStore:
    """Encrypts and decrypts with the keys of persons, and destroys them.

    - Durable: `ensure_keys`, `begin_erasure`, `destroy` and `save` return when a crash cannot undo
      them, and leave nothing if they fail.
    - Final: after `destroy` nothing that was encrypted with the keys is ever decrypted again, by
      this object or by another one.
    - Concurrent: any thread may call any method.

    Methods raise SubjectKeyError if the keys cannot be read or written.
    """

    def __init__(self, table: SubjectKeyTable, master: MasterKey) -> None:
        """Use the keys of this table, which this master key wraps. Raise SubjectKeyError."""
        self.lock = threading.RLock()
        """Guards the table. Hold it from an encryption until its commit: no key is destroyed in
        between."""
        self._table = table
        self._master = AESGCM(master.key)
        # Changed under the lock, and read without it.
        self._key_sets: dict[tuple[str, str], _KeySet] = {}
        self._current: dict[tuple[str, str], str] = {}
        with _as_key_error():
            if not table.master_key_id:
                with table.transaction():
                    table.set_master_key_id(master.key_id)

    def close(self) -> None:
        """Close the table. It may be called again."""
        with self.lock:
            self._table.close()

    # Encryption.

    def ensure_keys(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Make a key for each person of a negotiation who has none: durable on return."""
        with self.lock, _as_key_error():
            if len(self._current) >= _MOST_CURRENT:
                self._current = {}
            missing = [one for one in wanted if one not in self._current]
            if missing:
                with self._table.transaction():
                    made = {one: self._current_key(*one) for one in missing}
                self._current |= made

    def _current_key(self, negotiation: str, participant: str) -> str:
        """Return the name of the key that encrypts the words of a person now; make it if absent."""
        newest = self._table.newest(negotiation, participant)
        if newest is not None and newest.wrapped is not None:
            return f"{participant}:{newest.number}"
        number = 1 if newest is None else newest.number + 1
        key = WrappedKey(negotiation, participant, number, None)
        wrapped = _wrap(self._master, key, secrets.token_bytes(KEY_BYTES))
        self._table.add(key._replace(wrapped=wrapped))
        return f"{participant}:{number}"

    def encrypt(self, negotiation: str, data: bytes, persons: Sequence[str]) -> bytes:
        """Return an entry as it is stored: its words under the keys of these persons.

        `ensure_keys` has made the keys before. Raise SubjectKeyError.
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
        """Return an encrypted entry in clear, or without its words if one of its keys is destroyed.

        Raise SubjectKeyError.
        """
        # Every entry of a replay passes here: nothing is looked up twice.
        row = pb.SealedRecord.FromString(stored)
        try:
            cipher = self._key_sets[negotiation, row.keys].cipher
        except KeyError:
            cipher = self._key_set(negotiation, row.keys).cipher
        before, after, encrypted = row.before_salt, row.after_salt, row.sealed
        if cipher is None:
            return before + NO_SALT + after
        try:
            words = cipher.decrypt(encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:], before)
        except InvalidTag:
            raise SubjectKeyError(
                f"the words of an entry of {negotiation} were changed in the store"
            ) from None
        return b"".join((before, words[:SALT_FIELD_BYTES], after, words[SALT_FIELD_BYTES:]))

    def subjects_of(self, negotiation: str, stored: bytes) -> tuple[str, ...]:
        """Return the participants with whose keys an entry is encrypted."""
        keys = pb.SealedRecord.FromString(stored).keys
        return self._key_set(negotiation, keys).persons

    def _key_set(self, negotiation: str, names: str) -> _KeySet:
        """Return the keys of these names, separated by spaces."""
        known = self._key_sets.get((negotiation, names))
        if known is not None:
            return known
        keys = names.split(" ")
        with self.lock, _as_key_error():
            parts = [self._key(negotiation, key) for key in keys]
            cipher = None
            if None not in parts:
                derived = HKDF(SHA256(), KEY_BYTES, None, INFO).derive(
                    b"".join(part for part in parts if part)
                )
                cipher = AESGCM(derived)
            if len(self._key_sets) >= _MOST_KEY_SETS:
                self._key_sets = {}
            found = _KeySet(cipher, tuple(key.partition(":")[0] for key in keys))
            self._key_sets[negotiation, names] = found
            return found

    def _key(self, negotiation: str, name: str) -> bytes | None:
        """Return the key of this name in clear; None if it is destroyed."""
        participant, _, number = name.partition(":")
        key = self._table.find(negotiation, participant, int(number))
        if key is None:
            raise SubjectKeyError(
                f"the key {name} of {negotiation} is not in {self._table.name}, which is"
                " older than the record, or not the one that belongs to it"
            )
        if key.wrapped is None:
            return None
        try:
            return _unwrap(self._master, key)
        except InvalidTag:
            raise SubjectKeyError(f"the key {name} of {negotiation} was changed") from None

    def encrypt_blob(self, negotiation: str, data: bytes) -> bytes:
        """Encrypt what was made of many entries of a negotiation, for a file.

        The keys of all its persons encrypt it: once one of them is destroyed, it is lost.
        """
        with self.lock, _as_key_error():
            names = [f"{key.participant}:{key.number}" for key in self._table.keys(negotiation)]
            keys = " ".join(sorted(names))
            cipher = self._key_set(negotiation, keys).cipher if keys else None
        if cipher is None:
            return pb.SealedRecord(sealed=data).SerializeToString()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        encrypted = nonce + cipher.encrypt(nonce, data, _BLOB)
        return pb.SealedRecord(keys=keys, sealed=encrypted).SerializeToString()

    def decrypt_blob(self, negotiation: str, data: bytes) -> bytes | None:
        """Decrypt a blob; None if a key of it is destroyed, or it is damaged."""
        row = pb.SealedRecord()
        with contextlib.suppress(DecodeError, InvalidTag, SubjectKeyError):
            row.ParseFromString(data)
            if not row.keys:
                return row.sealed
            cipher = self._key_set(negotiation, row.keys).cipher
            if cipher is not None:
                encrypted = row.sealed
                return cipher.decrypt(encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:], _BLOB)
        return None

    # Erasure.

    def has_key(self, negotiation: str, participant: str) -> bool:
        """Return True if a person has a key, or had one that is destroyed."""
        with self.lock, _as_key_error():
            return self._table.newest(negotiation, participant) is not None

    def begin_erasure(self, intent: ErasureIntent) -> None:
        """Store that an erasure has begun: it is finished from here on, after a crash too."""
        with self.lock, _as_key_error(), self._table.transaction():
            self._table.add_erasure(intent)

    def destroy(self, intent: ErasureIntent) -> None:
        """Destroy the keys of a person, and store what the erasure says of it.

        Both are durable on return, or neither. The count of the keys is set in the erasure.
        """
        negotiation, participant = intent.negotiation, intent.erasure.participant_id
        with self.lock, _as_key_error():
            with self._table.transaction():
                intent.erasure.key_count = self._table.destroy(negotiation, participant)
                self._table.save_erasure(intent._replace(destroyed=True), done=False)
            self._current.pop((negotiation, participant), None)
            self._key_sets = {}

    def save(self, intent: ErasureIntent, *, done: bool) -> None:
        """Store the present state of an erasure, and if it is done."""
        with self.lock, _as_key_error(), self._table.transaction():
            self._table.save_erasure(intent, done=done)

    def erasure(self, name: str) -> pb.Erasure | None:
        """Return the erasure of this name, if there is one."""
        with self.lock, _as_key_error():
            found = self._table.erasure(name)
        return found.erasure if found else None

    def requested(self, caller: str, request_id: str) -> ErasureIntent | None:
        """Return the erasure that a caller asked for with this request id, if there is one."""
        with self.lock, _as_key_error():
            return self._table.requested(caller, request_id)

    def unfinished(self) -> list[ErasureIntent]:
        """Return the erasures that have begun and are not done, the oldest first."""
        with self.lock, _as_key_error():
            return self._table.unfinished()

    # The master key.

    def rewrap(self, master: MasterKey) -> int:
        """Wrap all keys with another master key, all or none; return their number."""
        with self.lock, _as_key_error():
            old, new = self._master, AESGCM(master.key)
            with self._table.transaction():
                keys = self._table.keys()
                for key in keys:
                    self._table.replace(key._replace(wrapped=_wrap(new, key, _unwrap(old, key))))
                self._table.set_master_key_id(master.key_id)
            self._master = new
            return len(keys)


def _wrap(master: AESGCM, key: WrappedKey, clear: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + master.encrypt(nonce, clear, _place(key))


def _unwrap(master: AESGCM, key: WrappedKey) -> bytes:
    wrapped = key.wrapped or b""
    return master.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], _place(key))


def _place(key: WrappedKey) -> bytes:
    """Return the associated data that binds a wrapped key to its row: rows cannot be swapped."""
    return f"{key.negotiation}\0{key.participant}\0{key.number}".encode()


@contextlib.contextmanager
def _as_key_error() -> Iterator[None]:
    """Raise the failures of the table as SubjectKeyError."""
    try:
        yield
    except StoreUnavailableError as error:
        raise SubjectKeyError(f"the keys of persons cannot be read or written: {error}") from error
