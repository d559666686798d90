"""The database: which ones Keyturn accepts, what they guarantee, and how an unavailable one is reported."""

import os
import sqlite3
import stat
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError
from support import postgresql as postgres
from support.advice import text
from support.factories import a_connection
from support.polling import until
from support.stores import open_store

from persistence.store import Store
from states.errors import InvalidSettings, KeyturnError, TryLater, Unknown


def test_the_databases_clock(store: Store) -> None:
    """It is asked each time, and is UTC."""
    first, second = store.now(), store.now()
    assert first <= second
    assert (timedelta(0), True) == (first.utcoffset(), abs(datetime.now(UTC) - second) < timedelta(minutes=1))


def test_a_closed_store_holds_no_connection(store: Store) -> None:
    """Every connection to the database is given up; what is used again is opened again."""
    store.now()
    opened = [store._database._engine.pool.checkedin()]
    for _ in range(2):
        store.close()
        opened.append(store._database._engine.pool.checkedin())
    assert [True, False, False] == [number > 0 for number in opened]
    assert "acme" == store.connections.get("acme").name


@pytest.mark.parametrize(
    "url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "sqlite+pysqlcipher:///x", "nonsense", ""]
)
def test_what_is_no_store(url: str) -> None:
    """Other databases, a database in memory and what is no URL are refused at once, in a sentence."""
    with pytest.raises(InvalidSettings, match="sqlite:///PATH"):
        open_store(url)


def test_postgresql_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the driver, the error says how to install it from the checkout."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InvalidSettings, match="package psycopg") as caught:
        open_store("postgresql://127.0.0.1/keyturn")
    assert "`pip install '.[postgresql]'`" in text(caught.value.next_action)


def test_a_password_is_not_shown() -> None:
    """A server that cannot be reached is named without its password, and nothing was changed."""
    store = open_store("postgresql://keyturn:hunter2@127.0.0.1:1/keyturn")
    with pytest.raises(TryLater, match=r"keyturn:\*\*\*@127.0.0.1:1") as caught:
        store.check()
    assert "hunter2" not in str(caught.value)
    with pytest.raises(TryLater) as later:
        store.now()
    assert "hunter2" not in str(later.value)
    with pytest.raises(TryLater) as alone:
        store._database.open_session()
    assert "hunter2" not in str(alone.value)


def test_the_file_is_its_users_alone(tmp_path: Path) -> None:
    """No other user can read SQLite's files, with any umask, nor the folder if it was created for them."""
    folder = tmp_path / "new" / "data"
    before = os.umask(0)
    try:
        store = open_store(f"sqlite:///{folder / 'keyturn.db'}")
        store.migrate()
        store.connections.add(a_connection())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert {"keyturn.db": 0o600, "keyturn.db-wal": 0o600, "keyturn.db-shm": 0o600} == modes
    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)


def _dangling(folder: Path) -> None:
    (folder / "keyturn.db").symlink_to(folder / "elsewhere")


def _folder(folder: Path) -> None:
    (folder / "keyturn.db").mkdir()


def _no_folder(folder: Path) -> None:
    folder.rmdir()
    folder.touch()


@pytest.mark.parametrize("place", [_dangling, _folder, _no_folder])
def test_where_no_file_can_be_made(tmp_path: Path, place: Callable[[Path], None]) -> None:
    """A link that dangles is not followed; that, a folder in the file's place and no folder are errors of settings."""
    folder = tmp_path / "data"
    folder.mkdir()
    place(folder)
    store = open_store(f"sqlite:///{folder / 'keyturn.db'}")
    with pytest.raises(InvalidSettings, match=r"data/keyturn\.db cannot be made: ") as caught:
        store.migrate()
    store.close()
    assert "KEYTURN_DATA" in text(caught.value.next_action)
    assert not (folder / "elsewhere").exists()


def test_a_link_to_the_file_is_followed(tmp_path: Path) -> None:
    """A person may keep the file on another volume."""
    (tmp_path / "elsewhere").touch(mode=0o600)
    _dangling(tmp_path)
    store = open_store(f"sqlite:///{tmp_path / 'keyturn.db'}")
    store.migrate()
    store.check()
    store.close()


def test_sqlite_keeps_what_it_committed(tmp_path: Path) -> None:
    """Every connection writes ahead, waits for the disk, minds foreign keys and overwrites what it erases."""
    store = open_store(f"sqlite:///{tmp_path / 'a%20b #?.db'}")
    store.migrate()
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    for transaction in (store._database.reading, store._database.writing):
        with transaction() as tx:
            found = {name: tx.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in wanted}
        assert wanted == found
    store.close()
    assert (tmp_path / "a%20b #?.db").exists()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """Another program's file is named, and left as it is."""
    file = tmp_path / "notes.txt"
    file.write_text("Not a database, but long enough to be looked at as if it were one. " * 20)
    before = file.read_bytes()
    store = open_store(f"sqlite:///{file}")
    for use in (store.check, store.migrate, store.connections.page):
        with pytest.raises(InvalidSettings, match=r"notes\.txt is not an SQLite database"):
            use()
    store.close()
    assert before == file.read_bytes()


def test_a_folder_whose_name_is_not_utf8(tmp_path: Path) -> None:
    """The bytes of a folder's name lead to the file: none has a meaning for SQLite."""
    folder = tmp_path / os.fsdecode(b"\xff%41?#")
    folder.mkdir()
    open_store(f"sqlite:///{folder}/keyturn.db").migrate()
    assert (folder / "keyturn.db").is_file()


@pytest.mark.parametrize("path", ["{folder}/keyturn.db", "/{folder}/keyturn.db", "//{folder}/keyturn.db"])
def test_slashes_of_a_path(tmp_path: Path, path: str) -> None:
    """As many slashes as people write lead to the same file: SQLite would take //name for a host."""
    open_store(f"sqlite:///{tmp_path}/keyturn.db").migrate()
    open_store("sqlite:///" + path.format(folder=tmp_path)).check()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.root
@pytest.mark.parametrize("is_written", [False, True])
def test_a_folder_without_permission_to_write(tmp_path: Path, *, is_written: bool) -> None:
    """Reading works, also while another user has the database open; a write is TryLater."""
    (tmp_path / "data").mkdir(mode=0o755)
    url = f"sqlite:///{tmp_path / 'data' / 'keyturn.db'}"
    owner = open_store(url)
    owner.migrate()
    owner.connections.add(a_connection())
    if not is_written:
        owner.close()
    for path in (tmp_path / "data").iterdir():
        path.chmod(0o644)
    temporary = tmp_path.parents.index(Path(tempfile.gettempdir()))  # parallel runs have one folder more
    for folder in (tmp_path, *tmp_path.parents[:temporary]):
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        reader = open_store(url)
        reader.check()
        assert ["acme"] == [connection.name for connection in reader.connections.all()]
        with pytest.raises(TryLater, match="readonly"):
            reader.connections.add(a_connection(name="bravo"))
        with pytest.raises(TryLater, match="readonly") as caught:
            reader.check_writable()
        assert "may write to it" in text(caught.value.next_action)
        reader.close()
    finally:
        os.seteuid(0)
    owner.close()


def test_a_busy_database_is_tried_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another process does not end its transaction, a write is TryLater, and nothing was changed."""
    url = f"sqlite:///{tmp_path / 'keyturn.db'}"
    monkeypatch.setattr("persistence.sqlite.DATABASE_WAIT", 0.01)
    one, other = open_store(url), open_store(url)
    one.migrate()
    with one._database.writing(), pytest.raises(TryLater, match="locked"):
        other.connections.add(a_connection())
    assert [] == list(other.connections.all())
    one.close()
    other.close()


@pytest.mark.parametrize(
    ("name", "expected", "is_unknown"),
    [("SQLITE_FULL", TryLater, False), ("SQLITE_BUSY", TryLater, False), ("SQLITE_IOERR", Unknown, True)],
)
def test_a_commit_that_did_nothing_has_written_nothing(
    tmp_path: Path, name: str, expected: type[KeyturnError], *, is_unknown: bool
) -> None:
    """After a commit that did nothing for certain the store says that nothing was written; after any other failure,
    that something may have been. What was committed before stays written.
    """
    store = open_store(f"sqlite:///{tmp_path}/keyturn.db")
    store.migrate()
    store.close()
    fresh = open_store(f"sqlite:///{tmp_path}/keyturn.db")

    def fail(_connection: Connection) -> None:
        reason = sqlite3.OperationalError("database or disk is full")
        reason.sqlite_errorname = name
        raise OperationalError("COMMIT", {}, reason)

    def refused() -> None:
        event.listen(fresh._database._engine, "commit", fail)
        with pytest.raises(KeyturnError) as caught, fresh._database.writing() as tx:
            tx.exec_driver_sql("DELETE FROM connections")
        event.remove(fresh._database._engine, "commit", fail)
        assert expected is type(caught.value)
        assert is_unknown is ("look whether the change was made" in (caught.value.next_action.because or ""))

    refused()
    assert is_unknown is fresh.has_written
    with fresh._database.writing() as tx:
        tx.exec_driver_sql("DELETE FROM connections")
    refused()
    assert fresh.has_written
    fresh.close()


def test_a_read_only_database_is_tried_later(store: Store) -> None:
    """Reading goes on; a write is TryLater in a sentence, and nothing was changed. When it may be, the next one is."""
    made_so = "PRAGMA query_only = ON" if store._database.is_sqlite else "SET TRANSACTION READ ONLY"

    def write() -> None:
        with store._database.writing() as tx:
            tx.exec_driver_sql(made_so)
            assert 1 == tx.exec_driver_sql("SELECT count(*) FROM connections").scalar_one()
            tx.exec_driver_sql("DELETE FROM connections")

    with pytest.raises(TryLater, match=r"is not available: .*read-?only"):
        write()
    assert ["acme"] == [connection.name for connection in store.connections.all()]
    store.connections.add(a_connection(name="bravo"))


ON_POSTGRESQL = pytest.mark.parametrize(
    "url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)


@ON_POSTGRESQL
def test_a_transaction_that_stood_still_is_tried_later(store: Store) -> None:
    """A server that ends a transaction which waits for too long, as a suspended machine's does, undoes it."""

    def stand_still() -> None:
        with store._database.writing() as tx:
            tx.exec_driver_sql("DELETE FROM connections")
            process = tx.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            tx.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '10ms'")
            until(lambda: not _is_served(store, process))
            tx.exec_driver_sql("SELECT 1")

    with pytest.raises(TryLater, match="is not available"):
        stand_still()
    assert ["acme"] == [connection.name for connection in store.connections.all()]


def _is_served(store: Store, process: int) -> bool:
    with store._database.reading() as tx:
        found = tx.exec_driver_sql("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", (process,)).scalar_one()
    return bool(found)


@pytest.mark.postgresql
def test_a_server_that_is_full_is_not_missing(postgresql: Path) -> None:
    """A server without room for one more connection is tried later; one that does not know us has to be set up."""
    url = postgres.new_database(postgresql)
    with pytest.raises(InvalidSettings, match=r"role .* does not exist"):
        open_store(url.replace("//postgres@", "//crowd@")).check()
    owner = open_store(url)
    with owner._database.writing() as tx:
        tx.exec_driver_sql("CREATE ROLE crowd LOGIN CONNECTION LIMIT 0")
    owner.close()
    with pytest.raises(TryLater, match="too many connections"):
        open_store(url.replace("//postgres@", "//crowd@")).check()


@ON_POSTGRESQL
def test_a_lost_server_is_unavailable_or_unknown(store: Store) -> None:
    """A connection that is cut before the commit is TryLater, in the commit Unknown; the next use makes a new one."""

    def cut_off(*, goes_on: bool) -> None:
        with store._database.writing() as tx, store._database.writing() as other:
            process = tx.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            other.exec_driver_sql(f"SELECT pg_terminate_backend({process}, 5000)")
            if goes_on:
                tx.exec_driver_sql("SELECT 1")

    with pytest.raises(TryLater):
        cut_off(goes_on=True)
    with pytest.raises(Unknown):
        cut_off(goes_on=False)
    assert ["acme"] == [connection.name for connection in store.connections.all()]
