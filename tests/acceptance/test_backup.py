"""`keyturn backup`: a copy that is whole and checked, made while a worker is at work, or none."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from acceptance.installed_keyturn import NAME, InstalledKeyturn, error

from simulator import Simulator


def contents(folder: Path) -> list[str]:
    """The names of the files in a folder."""
    return sorted(file.name for file in folder.iterdir())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder for backups."""
    folder = tmp_path / "with spaces? and 100%"
    folder.mkdir()
    return folder


def test_a_backup_is_a_whole_database(connected: InstalledKeyturn, place: Path) -> None:
    """The copy has every row, no one else may read it, and Keyturn works with it."""
    connected("rotate", NAME)
    made = connected("backup", place / "keyturn.db")
    assert (0, "") == (made.returncode, connected("journal", "verify", "--quiet").stderr), made.stderr
    assert f"the key-encryption key {connected.kek}" in made.stderr
    assert ["keyturn.db"] == contents(place)
    assert 0o600 == stat.S_IMODE((place / "keyturn.db").stat().st_mode)
    original = connected.dump()
    with closing(sqlite3.connect(f"{(place / 'keyturn.db').as_uri()}?mode=ro&immutable=1", uri=True)) as copy:
        assert original == "\n".join(copy.iterdump())
    listed = connected("rotation", "list", "-o", "json").stdout
    url = f"sqlite:///{place / 'keyturn.db'}"
    assert listed == connected("rotation", "list", "-o", "json", KEYTURN_STORE__URL=url).stdout


def test_backups_while_a_worker_is_at_work(connected: InstalledKeyturn, simulator: Simulator, place: Path) -> None:
    """Each backup's journal holds, however far a rotation is, and the rotation is completed."""
    connected("rotate", NAME, "--detach")
    worker = connected.start("worker")
    try:
        entries = [connected.json("backup", place / f"{number}.db")["entries"] for number in range(8)]
        watched = connected("rotation", "watch", NAME)
    finally:
        worker.terminate()
        worker.communicate()
    assert sorted(entries) == entries
    assert 0 == watched.returncode, watched.stderr
    assert 8 == len(contents(place))
    assert 1 == len(simulator.history.effects("saved"))


def test_no_file_is_overwritten(connected: InstalledKeyturn, place: Path) -> None:
    """A file that exists, or a link that leads nowhere, stays as it is; nothing is left next to it."""
    (place / "file").write_text("kept")
    (place / "link").symlink_to(place / "nowhere")
    for name in ("file", "link"):
        refused = connected("backup", place / name, "-o", "json")
        assert ("INVALID_INPUT", 2) == (error(refused)["code"], refused.returncode)
    assert ("kept", ["file", "link"]) == ((place / "file").read_text(), contents(place))


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("UPDATE journal SET actor = 'another'", "JOURNAL_BROKEN"),
        ("DELETE FROM journal WHERE seq = 2", "JOURNAL_BROKEN"),
    ],
)
def test_a_journal_that_was_changed(connected: InstalledKeyturn, place: Path, damage: str, code: str) -> None:
    """No backup is made that would not hold: an older one must not give way to it."""
    connected("rotate", NAME)
    connected.alter(damage)
    assert code == error(connected("backup", place / "keyturn.db", "-o", "json"))["code"]
    assert [] == contents(place)


def test_a_damaged_file(connected: InstalledKeyturn, place: Path) -> None:
    """A database whose pages are damaged is not copied, and the message says so."""
    connected("rotate", NAME)
    connected.alter("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(connected.database.read_bytes())
    with closing(sqlite3.connect(connected.database)) as database:
        page = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_journal_at'").fetchone()[0]
        size = database.execute("PRAGMA page_size").fetchone()[0]
    content[(page - 1) * size + 8 : page * size] = bytes(size - 8)
    connected.database.write_bytes(content)
    refused = error(connected("backup", place / "keyturn.db", "-o", "json"))
    assert ("INVALID_SETTINGS", True) == (refused["code"], "is damaged" in refused["message"])
    assert [] == contents(place)


def test_before_an_upgrade(connected: InstalledKeyturn, place: Path) -> None:
    """A database of an earlier Keyturn is copied, too, and the command says that it did not check the journal."""
    connected.alter("UPDATE alembic_version SET version_num = '0021'")
    made = connected.json("backup", place / "keyturn.db")
    assert ("0021", None) == (made["schema"], made["entries"])
    assert ["keyturn.db"] == contents(place)


def test_of_a_newer_keyturn(connected: InstalledKeyturn, place: Path) -> None:
    """A database that this Keyturn does not know is refused: it could not check the copy."""
    connected.alter("UPDATE alembic_version SET version_num = '9999'")
    assert "INVALID_SETTINGS" == error(connected("backup", place / "keyturn.db", "-o", "json"))["code"]
    assert [] == contents(place)


def test_without_a_database(keyturn: InstalledKeyturn, place: Path) -> None:
    """Where there is none, there is nothing to back up, and no file is made."""
    refused = error(keyturn("backup", place / "keyturn.db", "-o", "json"))
    assert "keyturn init" == refused["next_action"]["command"]
    assert [] == contents(place)


def test_without_the_key(connected: InstalledKeyturn, place: Path) -> None:
    """A backup that cannot be checked is not made."""
    connected.kek.unlink()
    assert "VAULT_LOCKED" == error(connected("backup", place / "keyturn.db", "-o", "json"))["code"]
    assert [] == contents(place)


def test_postgresql(initialised: InstalledKeyturn, place: Path) -> None:
    """PostgreSQL has a program of its own: the command for this database is printed, without its password."""
    url = "postgresql://keyturn:secret@db.example.com/keyturn?sslmode=verify-full"
    refused = error(initialised("backup", place / "keyturn.dump", "-o", "json", KEYTURN_STORE__URL=url))
    wanted = "postgresql://keyturn@db.example.com/keyturn?sslmode=verify-full"
    command = f"pg_dump --format=custom --file='{place / 'keyturn.dump'}' '{wanted}'"
    assert ("INVALID_INPUT", command) == (refused["code"], refused["next_action"]["command"])
