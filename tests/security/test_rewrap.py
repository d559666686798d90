"""A change of the key-encryption key loses nothing, under load or when it is killed."""

import base64
import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from acceptance.installed_keyturn import InstalledKeyturn, command
from support.environment import connect, keyturn
from support.polling import WAIT_LIMIT, until
from support.request_history import judged_simulator

from orchestrator.adapters.keys import VaultKeys
from orchestrator.bootstrap import Keyturn
from orchestrator.secrets import SecretName, Secrets
from persistence import vault
from persistence.kek import KeyEncryptionKey, read_kek_file
from persistence.store import Store
from persistence.vault import Vault
from states.errors import RotationOpen, VaultLocked
from states.state import State

MANY = 3000
"""How many data keys make a rewrap take long enough to be killed in the middle."""


@pytest.fixture
def initialised(tmp_path: Path) -> InstalledKeyturn:
    """An initialised Keyturn."""
    made = InstalledKeyturn.at(tmp_path)
    assert 0 == made("init").returncode
    return made


def new_key(folder: Path, name: str) -> Path:
    """Create a file with a new key-encryption key."""
    file = folder / name
    file.touch(mode=0o600)
    file.write_text(base64.b64encode(os.urandom(32)).decode())
    return file


def test_rewrapped_under_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key changes four times while workers rotate and a secret is written: all rotations complete.

    Every secret opens with the last key, and none with the first one.
    """
    with judged_simulator(accounts=3) as simulator, keyturn(tmp_path, monkeypatch, KEYTURN_WORKER__POLL="0.05") as app:
        first, file = read_kek_file(app.settings.kek_file), app.settings.kek_file
        names = [f"c{number}" for number in range(3)]
        for name, pair in zip(names, simulator.pairs.values(), strict=True):
            connect(app, pair.credentials, name)
        with _workers(2), _passwords_stored(app, names[0]) as written:
            for change in range(4):
                before = len(simulator.history.entries())
                _request(app, names)
                until(lambda before=before: len(simulator.history.entries()) > before)  # type: ignore[misc]
                key = new_key(tmp_path, f"kek-{change}")
                Vault(app.store.secrets, lambda: read_kek_file(file)).rewrap(read_kek_file(key))
                key.replace(file)
            _request(app, names)
            until(lambda: all(each.state is State.COMPLETED for each in app.lists.rotations().items))
        assert written
        opened = Vault(app.store.secrets, lambda: read_kek_file(file))
        for name in names:
            secrets = Secrets(app.store, opened, app.connections.show(name))
            given = {each for each in SecretName if secrets.get(each)}
            assert {*SecretName} - {SecretName.PROXY_CREDENTIALS} == given
            current = app.store.rotations.newest(connection=name)[0]
            assert current.proofs.candidate
            assert VaultKeys(opened).open(current.id, current.proofs.candidate)
        assert (
            written[-1]
            == Secrets(app.store, opened, app.connections.show(names[0])).need(SecretName.OPENAIR_PASSWORD).decode()
        )
        with pytest.raises(VaultLocked):
            Vault(app.store.secrets, lambda: first).check()


def _request(app: Keyturn, names: list[str]) -> None:
    for name in names:
        with suppress(RotationOpen):
            app.rotations.request(name, actor="tester")


@contextmanager
def _passwords_stored(app: Keyturn, name: str) -> Iterator[list[str]]:
    """Store one password after the other until the block ends, each with a new vault, as separate processes would."""
    written: list[str] = []
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            with suppress(VaultLocked):  # between the change of the key and the change of its file
                store, fresh = app.store, Vault(app.store.secrets, lambda: read_kek_file(app.settings.kek_file))
                password = f"password {len(written)}"
                sealed = Secrets(store, fresh, store.connections.get(name)).seal(
                    SecretName.OPENAIR_PASSWORD, password.encode()
                )
                store.secrets.put(name, SecretName.OPENAIR_PASSWORD, sealed, version=None)
                written.append(password)
            ended.wait(0.02)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield written
    finally:
        ended.set()
        writer.join()


@pytest.mark.parametrize("moment", ["before it begins", "in the middle"])
def test_killed_rewrap(initialised: InstalledKeyturn, moment: str) -> None:
    """A killed rewrap changes nothing: the old key still opens everything, and the rewrap can be repeated."""
    old = read_kek_file(initialised.kek)
    with closing(Store(f"sqlite:///{initialised.database}", lambda: old)) as store:
        sealed = store.vault.seal(b"secret", owner="acme", column="token")
        with store._database.writing() as tx:
            for number in range(2, MANY):
                key = vault._wrap(old, number, bytes(32))
                tx.exec_driver_sql(
                    "INSERT INTO datakeys (id, kek_id, wrapped) VALUES (?, ?, ?)", (number, key.kek_id, key.wrapped)
                )
    key = new_key(initialised.folder, "new")
    with closing(sqlite3.connect(initialised.database, isolation_level=None, timeout=0)) as database:
        if moment == "before it begins":
            database.execute("BEGIN IMMEDIATE")
        rewrap = initialised.start("vault", "rewrap", key, "--yes")
        if moment == "in the middle":
            until(lambda: rewrap.poll() is None and _is_writing(database), tick=0.005)
        else:
            until(lambda: _is_open_in(rewrap, initialised.database), tick=0.005)
        rewrap.kill()
        rewrap.communicate()
        assert rewrap.returncode < 0, "it was over before it could be killed"
    _assert_opens_with(initialised, old, sealed)
    assert 0 == initialised("vault", "rewrap", key, "--yes").returncode
    _assert_opens_with(initialised, read_kek_file(key), sealed)
    with pytest.raises(VaultLocked):
        _assert_opens_with(initialised, old, sealed)


def _assert_opens_with(initialised: InstalledKeyturn, key: KeyEncryptionKey, sealed: bytes) -> None:
    with closing(Store(f"sqlite:///{initialised.database}", lambda: key)) as store:
        opened = store.vault
        opened.check()
        assert b"secret" == opened.open(sealed, owner="acme", column="token")


def _is_writing(database: sqlite3.Connection) -> bool:
    """Return whether another process holds the database's write lock."""
    try:
        database.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    database.execute("ROLLBACK")
    return False


def _is_open_in(process: subprocess.Popen[str], file: Path) -> bool:
    folder = Path(f"/proc/{process.pid}/fd")
    return any(_target(each) == str(file) for each in folder.iterdir())


def _target(descriptor: Path) -> str:
    with suppress(FileNotFoundError):  # closed since the folder was listed
        return str(descriptor.readlink())
    return ""


@contextmanager
def _workers(count: int) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    workers = [subprocess.Popen(command("worker"), stdout=quiet, stderr=quiet) for _ in range(count)]
    try:
        yield
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(WAIT_LIMIT)
