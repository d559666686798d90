"""A change of the data key: nothing is lost, under load or when it is killed, and old secrets are gone."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from acceptance.installed_keyturn import InstalledKeyturn
from security.test_rewrap import new_key
from support.environment import connect, keyturn
from support.polling import until
from support.request_history import judged_simulator

from orchestrator.adapters.keys import VaultKeys
from orchestrator.bootstrap import Keyturn
from orchestrator.operations.rekey import Rekey
from orchestrator.secrets import SecretName, Secrets
from persistence.kek import KeyEncryptionKey, read_kek_file
from persistence.store import Store
from states.errors import VaultLocked
from states.state import State


def sealed_records(app: Keyturn) -> list[bytes]:
    """Everything that the vault sealed, as it is stored."""
    with app.store._database.reading() as tx:
        secrets = tx.exec_driver_sql("SELECT sealed FROM secrets").scalars().all()
        keys = tx.exec_driver_sql("SELECT sealed_key FROM certificates WHERE sealed_key IS NOT NULL").scalars().all()
    return [*secrets, *keys]


def rotate(app: Keyturn, name: str) -> State:
    """Rotate the connection's certificate in this process; return the state in which the rotation ended."""
    rotation = app.rotations.request(name, actor="tester")
    return app.carry.run(rotation, None, app.stop_request(), lambda _: None).state


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyturn]:
    """A connection whose certificate was rotated once: its key is kept."""
    with judged_simulator() as simulator, keyturn(tmp_path, monkeypatch) as made:
        connect(made, simulator.credentials, "acme")
        assert State.COMPLETED == rotate(made, "acme")
        yield made


def test_every_record_is_sealed_again(app: Keyturn) -> None:
    """Every secret and kept private key opens as before, with the new data key; the old one opens nothing any more."""
    before = sealed_records(app)
    plain = {
        name: found[0]
        for name in SecretName
        if (found := Secrets(app.store, app.vault, app.connections.show("acme")).get(name))
    }
    done = app.rekey.change()
    assert (2, len(before)) == (done.data_key, done.records)
    assert all(2 == int.from_bytes(sealed[1:5]) for sealed in sealed_records(app))
    assert plain == {name: Secrets(app.store, app.vault, app.connections.show("acme")).need(name) for name in plain}
    newest = app.store.rotations.newest(connection="acme")[0]
    assert newest.proofs.candidate
    assert VaultKeys(app.vault).open(newest.id, newest.proofs.candidate)
    assert [True, False] == [key.retired_at is not None for key in app.store.secrets.data_keys()]
    assert State.COMPLETED == rotate(app, "acme")


def test_old_secrets_are_overwritten(app: Keyturn, tmp_path: Path) -> None:
    """On SQLite, neither what the old data key sealed nor the old data key is left in the database's files."""
    old = [*sealed_records(app), *(key.wrapped for key in app.store.secrets.data_keys())]
    assert app.rekey.change().is_overwritten
    files = [path for path in tmp_path.rglob("*") if path.is_file() and "keyturn.db" in path.name]
    assert files
    assert [] == [(path.name, len(each)) for path in files for each in old if each in path.read_bytes()]


def test_what_an_old_key_authenticated_is_still_authentic(app: Keyturn) -> None:
    """Codes outlive the data key that they were made with, in this process and the next."""
    code = app.vault.authenticate(b"something")
    app.rekey.change()
    assert app.vault.is_authentic(b"something", code)
    with closing(Store(app.settings.store_url, lambda: read_kek_file(app.settings.kek_file))) as other:
        assert other.vault.is_authentic(b"something", code)
        assert not other.vault.is_authentic(b"another thing", code)
        assert code != other.vault.authenticate(b"something")


def test_a_secret_that_was_sealed_before_the_change_is_sealed_again(app: Keyturn) -> None:
    """A refreshed token that was sealed with the old key, and is stored after the change, is not lost."""
    secrets = Secrets(app.store, app.vault, app.connections.show("acme"))
    _, version = secrets.get(SecretName.OPENAIR_REFRESH_TOKEN) or (b"", 0)
    seal, sealed = app.vault.seal, []

    def slow_seal(plain: bytes, *, owner: str, column: str) -> bytes:
        sealed.append(seal(plain, owner=owner, column=column))
        if len(sealed) == 1:
            app.vault.seal = seal  # type: ignore[method-assign]
            app.rekey.change()
        return sealed[-1]

    app.vault.seal = slow_seal  # type: ignore[method-assign]
    secrets.replace(SecretName.OPENAIR_REFRESH_TOKEN, b"refreshed", version)
    assert b"refreshed" == secrets.need(SecretName.OPENAIR_REFRESH_TOKEN)


def test_a_record_that_a_worker_stores_meanwhile_is_sealed_again(app: Keyturn) -> None:
    """While a record that appeared after the last look is sealed with the old key, that key is not retired."""
    secrets, retire = Secrets(app.store, app.vault, app.connections.show("acme")), app.vault.retire
    late = secrets.seal(SecretName.OPENAIR_PASSWORD, b"late")

    def retire_late(*args: object) -> bool:
        app.vault.retire = retire  # type: ignore[method-assign]
        app.store.secrets.put("acme", SecretName.OPENAIR_PASSWORD, late, version=None)
        done = retire(*args)  # type: ignore[arg-type]
        assert not done
        return done

    app.vault.retire = retire_late  # type: ignore[method-assign,assignment]
    assert 2 == app.rekey.change().data_key
    assert b"late" == secrets.need(SecretName.OPENAIR_PASSWORD)


@pytest.mark.parametrize("after", range(6))
def test_an_interrupted_change_is_continued(app: Keyturn, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Ended after any record, everything still opens; the next change makes no further data key, and finishes."""
    plain = Secrets(app.store, app.vault, app.connections.show("acme")).need(SecretName.NETSUITE_KEY)
    seal, calls = app.vault.seal, iter(range(after))

    def until_killed(value: bytes, *, owner: str, column: str) -> bytes:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return seal(value, owner=owner, column=column)

    with monkeypatch.context() as patched:
        patched.setattr(app.vault, "seal", until_killed)
        try:
            app.rekey.change()
        except KeyboardInterrupt:
            assert plain == Secrets(app.store, app.vault, app.connections.show("acme")).need(SecretName.NETSUITE_KEY)
    assert 2 <= app.rekey.change().data_key <= 3
    assert plain == Secrets(app.store, app.vault, app.connections.show("acme")).need(SecretName.NETSUITE_KEY)
    assert State.COMPLETED == rotate(app, "acme")


def test_rekeyed_under_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data key changes again and again while certificates are rotated: every rotation completes."""
    with judged_simulator(accounts=2) as simulator, keyturn(tmp_path, monkeypatch) as app:
        for name, pair in zip(("a", "b"), simulator.pairs.values(), strict=True):
            connect(app, pair.credentials, name)
        with _rekeying(app) as changes:
            for _ in range(3):
                for name in ("a", "b"):
                    assert State.COMPLETED == rotate(app, name)
            until(lambda: len(changes) > 1)
        assert {max(changes)} == {int.from_bytes(sealed[1:5]) for sealed in sealed_records(app)}
        for name in ("a", "b"):
            assert Secrets(app.store, app.vault, app.connections.show(name)).need(SecretName.OPENAIR_REFRESH_TOKEN)


@contextmanager
def _rekeying(app: Keyturn) -> Iterator[list[int]]:
    """Change the data key until the block ends, as another process would: with a store of its own."""
    changes: list[int] = []
    ended = threading.Event()

    def change() -> None:
        with closing(Store(app.settings.store_url, lambda: read_kek_file(app.settings.kek_file))) as store:
            while not ended.is_set():
                changes.append(Rekey(store, app.clock).change().data_key)
                ended.wait(0.05)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield changes
    finally:
        ended.set()
        thread.join()


def test_an_old_backup_opens_until_the_key_encryption_key_is_changed_too(app: Keyturn, tmp_path: Path) -> None:
    """With the present key-encryption key alone, a copy of the database from before both changes opens nothing."""
    with closing(sqlite3.connect(app.store.name)) as live, closing(sqlite3.connect(tmp_path / "backup.db")) as backup:
        live.backup(backup)

    def opened(kek: KeyEncryptionKey) -> bytes:
        with closing(Store(f"sqlite:///{tmp_path / 'backup.db'}", lambda: kek)) as old:
            return Secrets(old, old.vault, old.connections.get("acme")).need(SecretName.NETSUITE_KEY)

    assert opened(read_kek_file(app.settings.kek_file))
    app.rekey.change()
    key = new_key(tmp_path, "new-kek")
    app.vault.rewrap(read_kek_file(key))
    with pytest.raises(VaultLocked):
        opened(read_kek_file(key))


def test_the_command(tmp_path: Path) -> None:
    """`vault rekey` counts first, does nothing unless it is confirmed, and says what is still to be done."""
    made = InstalledKeyturn.at(tmp_path)
    assert 0 == made("init").returncode
    assert "Would seal 0 records with a new data key." in made("vault", "rekey", "--dry-run").stdout
    assert 0 != made("vault", "rekey").returncode
    done = made("vault", "rekey", "--yes")
    assert (0, True) == (done.returncode, "Sealed 0 records with data key 1." in done.stdout)
    assert "`keyturn vault rewrap NEW_KEY_FILE`" in done.stderr
