"""The vault: seals private keys and other secrets, so that the database alone opens none of them.

A secret is encrypted with a data key (AES-256-GCM, a random 96-bit nonce) and bound to the record and column it
belongs to: moved elsewhere, it does not open. The data key is kept in the database, wrapped by the key-encryption key,
which is kept elsewhere. Changing the latter re-wraps the data keys and touches no record.

    sealed   version (1 byte) · data key's id (4 bytes) · nonce (12 bytes) · ciphertext and tag

The vault also authenticates what is stored in clear, with HMAC-SHA256 and a key that HKDF derives from the data key:
who can write the database, but has no key-encryption key, can make no code that the vault accepts.

    code     data key's id (decimal) · "-" · 64 hex digits

The data key can be changed too: what it sealed is sealed with a newer one, and the older one is retired. Of a retired
key only the authentication key is kept, because what it authenticated is still to be checked.
"""

import hmac
import json
import re
import secrets
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from persistence.kek import NONCE, SIZE, KeyEncryptionKey, aes_gcm, derive
from states.errors import SealBroken, VaultLocked

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION: Final = 1
_HEADER: Final = struct.Struct(f">BI{NONCE}s")
_CODE: Final = re.compile(r"([1-9][0-9]{0,8})-[0-9a-f]{64}")
_FIRST: Final = 1
"""The id of the data key that first use makes. All first users make the same id, and only one of them wins."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as the database keeps it, or what is left of a retired one."""

    id: int
    kek_id: str
    """Which key-encryption key wrapped it."""
    wrapped: bytes = field(repr=False)
    """The key; of a retired one, the authentication key that was derived from it."""
    retired_at: datetime | None = None
    """UTC; None for a key that seals or opens records."""


class DataKeys(Protocol):
    """Where wrapped data keys are kept; the store is one."""

    def data_keys(self) -> list[WrappedKey]:
        """Every data key, retired ones too."""
        ...

    def add_data_key(self, key: WrappedKey) -> WrappedKey:
        """Keep ``key``, unless there is one of that id already; return the one that is kept. Raises Stale when those
        that are kept were wrapped by another key-encryption key.
        """
        ...

    def rewrap(self, before: Sequence[WrappedKey], after: Sequence[WrappedKey]) -> None:
        """Replace all data keys, ``before``, by the same ones wrapped by another key: all or none. Raises Stale."""
        ...

    def retire(self, before: Sequence[WrappedKey], after: Sequence[WrappedKey], newest: int) -> bool:
        """Replace all data keys as ``rewrap`` does, unless an older key than ``newest`` still sealed a record; return
        whether they were replaced. Raises Stale.
        """
        ...


class Vault:
    """Seals and opens secrets; safe to share between threads."""

    def __init__(self, keys: DataKeys, kek: Callable[[], KeyEncryptionKey]) -> None:
        """``kek`` reads the key-encryption key; it is called when a secret is first sealed or opened."""
        self._keys = keys
        self._kek = kek
        self._ciphers: dict[int, AESGCM] = {}
        self._authentication_keys: dict[int, bytes] = {}
        self._newest = 0

    def seal(self, plain: bytes, *, owner: str, column: str) -> bytes:
        """Encrypt ``plain`` for that column of that record, such as a rotation's id. Raises VaultLocked, SealBroken."""
        # Looked up each time: a key that was retired since would seal what no one can open.
        self._newest = self._prepare()
        return self.seal_at_once(plain, owner=owner, column=column)

    def seal_at_once(self, plain: bytes, *, owner: str, column: str) -> bytes:
        """Like ``seal``, without a look for a newer data key: in a transaction that excludes one, after ``unlock``."""
        nonce = secrets.token_bytes(NONCE)
        header = _HEADER.pack(_VERSION, self._newest, nonce)
        return header + self._ciphers[self._newest].encrypt(nonce, plain, _bound(header, owner, column))

    def open(self, sealed: bytes, *, owner: str, column: str) -> bytes:
        """Decrypt what was sealed for that very column of that record. Raises SealBroken, VaultLocked."""
        if len(sealed) < _HEADER.size or sealed[0] != _VERSION:
            raise SealBroken(f"The sealed {column} of {owner} is missing or was cut off.")
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see aes_gcm

        header = sealed[: _HEADER.size]
        _, key_id, nonce = _HEADER.unpack(header)
        try:
            return self._cipher(key_id).decrypt(nonce, sealed[_HEADER.size :], _bound(header, owner, column))
        except InvalidTag as error:
            raise SealBroken(f"The sealed {column} of {owner} is corrupt, or belongs to another record.") from error

    def unlock(self) -> None:
        """Open the newest data key; the first use makes one. Safe to repeat; cheap once it is open.

        To be called before a transaction that authenticates: making the first data key is a transaction of its own.
        Raises VaultLocked, SealBroken.
        """
        if not self._newest:
            self._newest = self._prepare()

    def authenticate(self, content: bytes) -> str:
        """Return the authentication code of ``content``, which begins with what it is: codes of different things must
        not be exchangeable. Raises VaultLocked, SealBroken.
        """
        self.unlock()
        return _code(self._newest, self._authentication_keys[self._newest], content)

    def is_authentic(self, content: bytes, code: str) -> bool:
        """Whether this vault made ``code`` for ``content``. Raises VaultLocked, SealBroken."""
        made = _CODE.fullmatch(code)
        if not made or not self._knows(key_id := int(made[1])):
            return False
        expected = _code(key_id, self._authentication_keys[key_id], content)
        return hmac.compare_digest(expected, code)

    def check(self) -> None:
        """See that the key-encryption key opens every data key, and keep them open: from then on this vault goes on
        when the key-encryption key is changed. Stores nothing. Raises VaultLocked, SealBroken.
        """
        kek = self._kek()
        for key in self._keys.data_keys():
            self._open(key, kek)

    def rewrap(self, new_kek: KeyEncryptionKey) -> int:
        """Wrap every data key with ``new_kek`` instead, all or none; return how many there were. Touches no record.

        Processes that have the vault open go on; from their next start they need the new key. Raises VaultLocked,
        SealBroken, Stale when a data key was added meanwhile.
        """
        old = self._kek()
        wrapped = self._keys.data_keys()
        self._keys.rewrap(wrapped, [_wrap(new_kek, key.id, _unwrap(old, key), key.retired_at) for key in wrapped])
        return len(wrapped)

    def renew(self) -> int:
        """Make a newer data key, which seals from now on, and return its id.

        Where a change of the data key was interrupted, the newest one is that key already. Raises VaultLocked,
        SealBroken, Stale when the key-encryption key was changed meanwhile.
        """
        kept = self._keys.data_keys()
        newest = max((key.id for key in kept), default=0)
        if sum(key.retired_at is None for key in kept) < 2:  # noqa: PLR2004 - the present one, and no other
            newest = self._keys.add_data_key(_wrap(self._kek(), newest + 1, secrets.token_bytes(SIZE))).id
        self.check()
        return newest

    def retire(self, newest: int, now: datetime) -> bool:
        """Destroy every data key older than ``newest`` but its authentication key; return False, with nothing changed,
        while one of them still seals a record. Raises VaultLocked, SealBroken, Stale.
        """
        kek, kept = self._kek(), self._keys.data_keys()
        return self._keys.retire(
            kept,
            [key if key.id >= newest or key.retired_at else _retired(kek, key, now) for key in kept],
            newest,
        )

    def _prepare(self) -> int:
        """Open the newest data key, or make the first; return its id."""
        kept = self._keys.data_keys()
        if not kept:
            kept = [self._keys.add_data_key(_wrap(self._kek(), _FIRST, secrets.token_bytes(SIZE)))]
        newest = max(kept, key=lambda key: key.id)
        if newest.id not in self._authentication_keys:
            self._open(newest, self._kek())
        return newest.id

    def _cipher(self, key_id: int) -> "AESGCM":
        if key_id not in self._ciphers and not (self._knows(key_id) and key_id in self._ciphers):
            raise SealBroken(f"The vault's data key {key_id} is missing from the database, or was retired.")
        return self._ciphers[key_id]

    def _knows(self, key_id: int) -> bool:
        """Open the data key with this id, or what is left of it; return whether there is one."""
        if key_id not in self._authentication_keys:
            key = next((key for key in self._keys.data_keys() if key.id == key_id), None)
            if key is None:
                return False
            self._open(key, self._kek())
        return True

    def _open(self, key: WrappedKey, kek: KeyEncryptionKey) -> None:
        opened = _unwrap(kek, key)
        # Other threads see the authentication key last: who finds it finds the cipher too.
        if key.retired_at is None:
            self._ciphers[key.id] = aes_gcm(opened)
            opened = _authentication_key(opened)
        self._authentication_keys[key.id] = opened


def data_key_of(sealed: bytes) -> int:
    """Return the id of the data key that sealed ``sealed``, which the vault made."""
    return int.from_bytes(sealed[1:5])


def _wrap(kek: KeyEncryptionKey, key_id: int, key: bytes, retired_at: datetime | None = None) -> WrappedKey:
    return WrappedKey(key_id, kek.id, kek.wrap(key, _label(key_id, retired_at)), retired_at)


def _retired(kek: KeyEncryptionKey, key: WrappedKey, now: datetime) -> WrappedKey:
    return _wrap(kek, key.id, _authentication_key(_unwrap(kek, key)), now)


def _unwrap(kek: KeyEncryptionKey, key: WrappedKey) -> bytes:
    if key.kek_id != kek.id:
        raise VaultLocked(f"The vault was sealed with the key-encryption key {key.kek_id}, but was given {kek.id}.")
    return kek.unwrap(key.wrapped, _label(key.id, key.retired_at))


def _authentication_key(data_key: bytes) -> bytes:
    return derive(data_key, b"keyturn authentication")


def _code(key_id: int, key: bytes, content: bytes) -> str:
    return f"{key_id}-{hmac.digest(key, content, 'sha256').hex()}"


def _label(key_id: int, retired_at: datetime | None) -> bytes:
    return f"keyturn {'data' if retired_at is None else 'authentication'} key {key_id}".encode()


def _bound(header: bytes, owner: str, column: str) -> bytes:
    """The associated data: what the ciphertext belongs to, written so that no two records are written alike."""
    return header + json.dumps(["keyturn secret", owner, column]).encode()
