"""The sources of the key-encryption key, and the errors if a source has none."""

import base64
import os
import pickle
import stat
import sys
from contextlib import nullcontext
from pathlib import Path

import keyring
import keyring.core
import pytest
from keyring.backends import fail
from support.advice import text

from persistence.kek import (
    KeyEncryptionKey,
    create_kek_file,
    read_kek_credential,
    read_kek_environment,
    read_kek_file,
    read_kek_keyring,
)
from states.errors import AlreadyExists, InvalidSettings, SealBroken, VaultLocked

KEY = bytes(range(32))
TEXT = base64.b64encode(KEY).decode()


def test_a_new_key_file_is_private(tmp_path: Path) -> None:
    """A new key file has mode 600 even under umask 0, holds 32 random bytes, and leaves no draft."""
    before = os.umask(0)
    try:
        create_kek_file(tmp_path / "kek")
        create_kek_file(tmp_path / "other")
    finally:
        os.umask(before)
    assert ["kek", "other"] == sorted(path.name for path in tmp_path.iterdir())
    assert 0o600 == stat.S_IMODE((tmp_path / "kek").stat().st_mode)
    assert 32 == len(base64.b64decode((tmp_path / "kek").read_text()))
    assert read_kek_file(tmp_path / "kek").id != read_kek_file(tmp_path / "other").id


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    """An existing key file is never overwritten."""
    file = tmp_path / "kek"
    create_kek_file(file)
    before = file.read_bytes()
    with pytest.raises(AlreadyExists, match=str(file)):
        create_kek_file(file)
    assert before == file.read_bytes()
    assert [file] == list(tmp_path.iterdir())


def test_a_key_file_needs_its_folder(tmp_path: Path) -> None:
    """If the folder is missing, the error names it, and no folder is created."""
    with pytest.raises(InvalidSettings, match=f"{tmp_path / 'none' / 'kek'} cannot be written: No such file"):
        create_kek_file(tmp_path / "none" / "kek")
    assert [] == list(tmp_path.iterdir())


def test_every_source_gives_the_same_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File, environment variable, systemd credential and keyring hold the same Base64 and yield the same key."""
    for name in ("kek", "keyturn-kek"):
        (tmp_path / name).write_text(f"{TEXT}\n")
        (tmp_path / name).chmod(0o600)
    monkeypatch.setattr(keyring, "get_password", lambda service, user: {("keyturn", "kek"): TEXT}[service, user])
    keys = [
        read_kek_file(tmp_path / "kek"),
        read_kek_environment({"KEYTURN_KEK": TEXT}),
        read_kek_credential({"CREDENTIALS_DIRECTORY": str(tmp_path)}),
        read_kek_keyring(),
    ]
    assert [KeyEncryptionKey(KEY).id] * 4 == [key.id for key in keys]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_key_file_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """A key file that others can read or write is refused with the command that closes it."""
    file = tmp_path / "kek"
    create_kek_file(file)
    file.chmod(mode)
    with pytest.raises(VaultLocked, match="open to other users") as caught:
        read_kek_file(file)
    assert f"chmod 600 {file}" in text(caught.value.next_action)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_key_file_of_another_user_is_refused(tmp_path: Path) -> None:
    """A key file that belongs to another user is refused, because its owner can change it."""
    file = tmp_path / "kek"
    create_kek_file(file)
    os.chown(file, 12345, -1)
    with pytest.raises(VaultLocked, match="open to other users"):
        read_kek_file(file)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(
    ("owner", "mode", "opens"),
    [(0, 0o440, True), (0, 0o400, True), (0, 0o444, False), (0, 0o460, False), (12345, 0o440, False)],
)
def test_a_mounted_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, mode: int, *, opens: bool
) -> None:
    """Root's file that no more than one group can read is accepted, as Kubernetes mounts a secret for a user."""
    file = tmp_path / "kek"
    create_kek_file(file)
    os.chown(file, owner, 2000)
    file.chmod(mode)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with nullcontext() if opens else pytest.raises(VaultLocked, match="open to other users"):
        assert read_kek_file(file).id


@pytest.mark.parametrize("content", ["\ufeff" + TEXT, TEXT + "\r\n", f"\ufeff{TEXT}\r\n"])
def test_a_key_file_from_windows(tmp_path: Path, content: str) -> None:
    """A byte order mark and CRLF are no part of the key."""
    file = tmp_path / "kek"
    file.touch(mode=0o600)
    file.write_bytes(content.encode())
    assert KeyEncryptionKey(KEY).id == read_kek_file(file).id


@pytest.mark.parametrize("content", ["", "c2VjcmV0", TEXT + TEXT, "hunter2!" * 5, "Ünicode"])
def test_malformed_key_is_not_quoted(tmp_path: Path, content: str) -> None:
    """Content that is no key is refused, and the error does not quote it."""
    file = tmp_path / "kek"
    file.touch(mode=0o600)
    file.write_text(content, encoding="utf-8")
    for read in (lambda: read_kek_file(file), lambda: read_kek_environment({"KEYTURN_KEK": content})):
        with pytest.raises(VaultLocked) as caught:
            read()
        assert not content or content not in f"{caught.value}{text(caught.value.next_action)}"


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    """The error names the missing file, variable, credential folder or credential."""
    with pytest.raises(VaultLocked, match=f"{tmp_path / 'none'} cannot be read: No such file"):
        read_kek_file(tmp_path / "none")
    with pytest.raises(VaultLocked, match="KEYTURN_KEK is not set"):
        read_kek_environment({})
    with pytest.raises(VaultLocked, match="no credentials"):
        read_kek_credential({})
    with pytest.raises(VaultLocked, match="keyturn-kek cannot be read"):
        read_kek_credential({"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_the_keyring_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package keyring, the error says how to install it."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(VaultLocked, match="package keyring") as caught:
        read_kek_keyring()
    assert "`pip install '.[keyring]'`" in text(caught.value.next_action)


def test_a_machine_without_a_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no keyring can be opened, as on a server, the error says what to use instead."""
    monkeypatch.setattr(keyring.core, "_keyring_backend", fail.Keyring())
    with pytest.raises(VaultLocked, match="no keyring") as caught:
        read_kek_keyring()
    assert "in a file instead" in text(caught.value.next_action)


def test_an_empty_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the keyring has no key, the error names the command that stores it."""
    monkeypatch.setattr(keyring, "get_password", lambda *_: None)
    with pytest.raises(VaultLocked, match="no key-encryption key") as caught:
        read_kek_keyring()
    assert "keyring set keyturn kek" in text(caught.value.next_action)


def test_a_key_shows_nothing_of_itself() -> None:
    """Neither the repr nor the id of a key shows the key, and it cannot be pickled."""
    key = KeyEncryptionKey(KEY)
    shown = repr(key) + str(key) + key.id
    assert not any(secret in shown for secret in (TEXT, KEY.hex(), repr(KEY)))
    assert repr(key) == f"KeyEncryptionKey({key.id})"
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(key)


def test_a_wrapped_key_opens_with_its_label_only() -> None:
    """A wrapped key unwraps with the same key and label; with another label or a missing byte it is SealBroken."""
    key = KeyEncryptionKey(KEY)
    wrapped = key.wrap(b"d" * 32, b"1")
    assert b"d" * 32 == key.unwrap(wrapped, b"1")
    for broken, label in ((wrapped, b"2"), (wrapped[:-1], b"1"), (b"", b"1")):
        with pytest.raises(SealBroken):
            key.unwrap(broken, label)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_is_32_bytes(length: int) -> None:
    """A key of another length than 32 bytes is refused."""
    with pytest.raises(VaultLocked, match=f"32 bytes, not {length}"):
        KeyEncryptionKey(b"x" * length)
