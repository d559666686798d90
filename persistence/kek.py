"""The key-encryption key: 32 bytes that open the vault's data keys, kept apart from the database.

It comes from a file, an environment variable, a systemd credential or the keyring; written as standard Base64.
"""

import base64
import binascii
import hashlib
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from states.errors import AlreadyExists, InvalidSettings, SealBroken, VaultLocked
from states.next_action import REPEAT, NextAction, Verb, by_hand
from states.shortage import shortage

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SIZE: Final = 32
"""Bytes: AES-256."""
NONCE: Final = 12
"""Bytes: what GCM takes without hashing it."""
_SIZE_BY_GCM: Final = NONCE + SIZE + 16
"""Bytes of a data key that an earlier checkout wrapped with AES-GCM. The next rewrap wraps it as all others."""
VARIABLE: Final = "KEYTURN_KEK"
CREDENTIAL: Final = "keyturn-kek"
KEYRING_SERVICE: Final = "keyturn"
KEYRING_USER: Final = "kek"


class KeyEncryptionKey:
    """Wraps and unwraps data keys. Shows nothing of itself but its id."""

    __slots__ = ("_cipher", "_key", "id")

    def __init__(self, key: bytes) -> None:
        """``key`` is 32 random bytes. Raises VaultLocked for any other length."""
        if len(key) != SIZE:
            raise VaultLocked(f"A key-encryption key is {SIZE} bytes, not {len(key)}.")
        self._key = key
        self._cipher = aes_gcm(key)
        self.id = hashlib.sha256(b"keyturn-kek-id:" + key).hexdigest()[:12]
        """Tells one key from another, and nothing about either."""

    def __repr__(self) -> str:
        return f"KeyEncryptionKey({self.id})"

    def __reduce__(self) -> str:
        raise TypeError("A key-encryption key is never pickled.")

    def wrap(self, data_key: bytes, label: bytes) -> bytes:
        """Encrypt a data key with AES key wrap (RFC 3394); ``label`` is bound to it."""
        from cryptography.hazmat.primitives.keywrap import aes_key_wrap  # noqa: PLC0415 - see aes_gcm

        return aes_key_wrap(self._wrapping_key(label), data_key)

    def unwrap(self, wrapped: bytes, label: bytes) -> bytes:
        """Decrypt a data key that this very key wrapped with ``label``. Raises SealBroken when it is corrupt."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see aes_gcm
        from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap  # noqa: PLC0415

        try:
            if len(wrapped) == _SIZE_BY_GCM:
                return self._cipher.decrypt(wrapped[:NONCE], wrapped[NONCE:], label)
            return aes_key_unwrap(self._wrapping_key(label), wrapped)
        except (InvalidTag, InvalidUnwrap, TypeError, ValueError) as error:  # SQLite stores a text for bytes, too
            raise SealBroken("A data key of the vault is corrupt.") from error

    def _wrapping_key(self, label: bytes) -> bytes:
        """A key for each label, because AES key wrap binds nothing by itself."""
        return derive(self._key, b"keyturn wrapping key: " + label)


def derive(key: bytes, purpose: bytes) -> bytes:
    """Derive another key of SIZE bytes from a random one: HKDF-Expand with SHA-256 (RFC 5869)."""
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - see aes_gcm
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand  # noqa: PLC0415

    return HKDFExpand(SHA256(), SIZE, purpose).derive(key)


def aes_gcm(key: bytes) -> "AESGCM":
    """The cipher of ``key``. `cryptography` is imported here: a command that opens no seal does without it."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM(key)


def create_kek_file(path: Path) -> None:
    """Write a new random key to ``path``, for this user alone.

    The file appears under its name with all its content, or not at all. Raises AlreadyExists, as a key is never
    overwritten, and InvalidSettings where the folder cannot be written to.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(SIZE)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, this refuses where there is a file already
    except FileExistsError as error:
        raise AlreadyExists(
            f"There is a key-encryption key {path} already.",
            next_action=by_hand("Keep it: what it sealed would be lost with it. Choose another name for a new one."),
        ) from error
    except OSError as error:
        raise InvalidSettings(f"The key-encryption key {path} cannot be written: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)


def read_kek_file(path: Path) -> KeyEncryptionKey:
    """Read a key file.

    Raises VaultLocked unless it exists, and is this user's and closed to all others, or is root's and open to no more
    than one group: see docs/decisions/0017-key-file-of-a-mounted-secret.md.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:  # Windows' editors write a byte order mark
            found = os.fstat(file.fileno())
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        if lacking := shortage(error):
            raise lacking from error
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise VaultLocked(f"The key-encryption key {path} cannot be read: {reason}.") from error
    if not _is_closed(found):
        raise VaultLocked(
            f"The key-encryption key {path} is open to other users.",
            next_action=NextAction(Verb.CLOSE_FILES, {"paths": (str(path),), "take": True}, then=REPEAT),
        )
    return _decode(text, f"The file {path}")


def _is_closed(file: os.stat_result) -> bool:
    """Whether no one but this user and root can read or change the file, as far as its mode tells."""
    mode = stat.S_IMODE(file.st_mode)
    if file.st_uid == os.geteuid():
        return not mode & 0o077
    # Root can read and change every file anyway. What root mounts for this process's group is meant for it.
    return file.st_uid == 0 and not mode & 0o037


def read_kek_environment(environ: Mapping[str, str]) -> KeyEncryptionKey:
    """Read the variable KEYTURN_KEK. Raises VaultLocked."""
    if not environ.get(VARIABLE):
        raise VaultLocked(f"The environment variable {VARIABLE} is not set.")
    return _decode(environ[VARIABLE], f"The environment variable {VARIABLE}")


def read_kek_credential(environ: Mapping[str, str]) -> KeyEncryptionKey:
    """Read the systemd credential keyturn-kek, which systemd has protected already. Raises VaultLocked.

    https://systemd.io/CREDENTIALS/
    """
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise VaultLocked(
            "systemd gave this process no credentials.",
            next_action=by_hand(
                f"Add LoadCredentialEncrypted={CREDENTIAL} to the service's unit. Restart the service."
            ),
        )
    try:
        text = (Path(folder) / CREDENTIAL).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        if lacking := shortage(error):
            raise lacking from error
        raise VaultLocked(f"The systemd credential {CREDENTIAL} cannot be read.") from error
    return _decode(text, f"The systemd credential {CREDENTIAL}")


def read_kek_keyring() -> KeyEncryptionKey:
    """Read the desktop's keyring. Raises VaultLocked where there is none, as on most servers."""
    try:
        import keyring  # noqa: PLC0415 - an extra, and slow to import
        from keyring.errors import KeyringError  # noqa: PLC0415
    except ImportError as error:
        raise VaultLocked(
            "The keyring needs the package keyring.",
            next_action=NextAction(Verb.INSTALL_EXTRA, {"extra": "keyring"}, then=REPEAT),
        ) from error
    try:
        text = keyring.get_password(KEYRING_SERVICE, KEYRING_USER)
    except KeyringError as error:
        raise VaultLocked(
            "This machine has no keyring that can be opened.",
            next_action=by_hand("Keep the key-encryption key in a file instead (setting vault.file)."),
        ) from error
    if text is None:
        raise VaultLocked(
            "The keyring has no key-encryption key.",
            next_action=NextAction(Verb.STORE_KEK, {"service": KEYRING_SERVICE, "user": KEYRING_USER}, then=REPEAT),
        )
    return _decode(text, "The keyring's entry")


def _decode(text: str, where: str) -> KeyEncryptionKey:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != SIZE:
        raise VaultLocked(f"{where} does not hold {SIZE} bytes in Base64.")  # and never what it holds
    return KeyEncryptionKey(key)
