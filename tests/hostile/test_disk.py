"""No room for the database's files, no permission to write them, or not there at all, while a rotation is under way."""

import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from acceptance.installed_keyturn import command
from hostile.hostile_worker import Worker, a_worker, completed_once, error_of
from support.environment import connect, keyturn

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.rotation import Rotation

Start = Callable[..., AbstractContextManager[Worker]]

NO_ROOM = 16 * 1024
"""Bytes that a file may have. The log stays below, the database is beyond."""


def begin(app: Keyturn, simulator: Simulator) -> Rotation:
    """A rotation whose upload will be done at once, but answered late."""
    simulator.faults.add(Fault("netsuite.restlet", "delay", action="install", when="after", seconds=2))
    return app.rotations.request("acme", actor="tester")


def uploaded(simulator: Simulator) -> None:
    simulator.history.wait_for(lambda entry: "installed" in entry.effect, seconds=60)


def test_no_room_for_what_was_just_uploaded(app: Keyturn, simulator: Simulator, worker: Start) -> None:
    """The move after the upload cannot be stored: the worker says so and lives; when there is room, it goes on."""
    rotation = begin(app, simulator)
    with worker() as running:
        uploaded(simulator)
        with running.limited(resource.RLIMIT_FSIZE, NO_ROOM):
            reported = running.wait_to_say("worker will try again", code="UNKNOWN_OUTCOME")
            assert (
                f"The database {app.settings.data / 'keyturn.db'} is not available: disk I/O error."
                == reported["reason"]
            )
        completed_once(app, simulator, rotation)
        assert 0 == running.stop()
    assert not running.tracebacks


def test_a_database_that_is_moved_away_and_back(app: Keyturn, simulator: Simulator, worker: Start) -> None:
    """The worker does not write to a file that no other process can see: it reports that, and continues afterwards."""
    rotation = begin(app, simulator)
    folder, away = app.settings.data, app.settings.data.with_name("away")
    with worker() as running:
        uploaded(simulator)
        app.close()
        folder.rename(away)
        reported = running.wait_to_say("worker will try again", code="TRY_LATER")
        assert "unable to open database file" in reported["reason"]
        away.rename(folder)
        completed_once(app, simulator, rotation)
        assert 0 == running.stop()
    assert not running.tracebacks


def test_a_database_that_was_restored_under_a_worker(app: Keyturn, simulator: Simulator, worker: Start) -> None:
    """Once another file is in its place, the worker works on that one, and settles there what it had just sent."""
    rotation = begin(app, simulator)
    file = app.settings.data / "keyturn.db"
    with worker() as running:
        uploaded(simulator)
        app.close()
        copy = file.with_name("copy")
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        for log in ("-wal", "-shm"):
            file.with_name(file.name + log).rename(file.with_name("old" + log))
        copy.replace(file)
        completed_once(app, simulator, rotation)
        assert 0 == running.stop()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> Iterator[Keyturn]:
    """A Keyturn whose data are on a file system of their own, of one megabyte."""
    data = tmp_path / "data"
    data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", data], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let its root mount anything")
    try:
        with keyturn(tmp_path, monkeypatch, KEYTURN_WORKER__LEASE="1", KEYTURN_WORKER__POLL="0.1") as running:
            connect(running, simulator.credentials)
            yield running
    finally:
        subprocess.run(["umount", "--lazy", data], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Leave no space in the file system while the block runs."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(512))
        except OSError as error:
            assert "No space left on device" == error.strerror  # noqa: PT017 - that ends the loop
    try:
        yield
    finally:
        ballast.unlink()


def refused(*arguments: str) -> tuple[str, int, str]:
    """Code, exit code and what was kept, of a command that must fail."""
    run = subprocess.run(command(*arguments, "-o", "json"), capture_output=True, check=False)
    reported = error_of(run)
    assert run.returncode == reported["exit_code"]
    return reported["code"], run.returncode, reported["kept"]


@pytest.mark.root
def test_a_full_disk(small: Keyturn, simulator: Simulator, tmp_path: Path) -> None:
    """A COMMIT without disk space did nothing, and reports that; when there is space again, all continues."""
    rotation = begin(small, simulator)
    with a_worker(tmp_path) as running:
        uploaded(simulator)
        with full(small.settings.data):
            reported = running.wait_to_say("worker will try again", code="TRY_LATER")
            assert "database or disk is full" in reported["reason"]
            changed = refused("connection", "edit", "acme", "--days", "300")
            assert ("TRY_LATER", 7, "Nothing was changed.") == changed
        completed_once(small, simulator, rotation)
        assert 0 == running.stop()
    assert not running.tracebacks


@pytest.mark.root
def test_a_read_only_file_system(small: Keyturn, simulator: Simulator, tmp_path: Path) -> None:
    """Where it may not write, a worker does not start, with a code for trouble that passes; when it may, it does."""
    rotation = small.rotations.request("acme", actor="tester")
    small.close()
    subprocess.run(["mount", "-o", "remount,ro", small.settings.data], check=True)
    assert ("TRY_LATER", 7, "Nothing was changed.") == refused("worker")
    assert ("TRY_LATER", 7, "Nothing was changed.") == refused("rotate", "acme")
    subprocess.run(["mount", "-o", "remount,rw", small.settings.data], check=True)
    with a_worker(tmp_path) as running:
        completed_once(small, simulator, rotation)
        assert 0 == running.stop()


@pytest.mark.root
def test_a_lost_mount(small: Keyturn, simulator: Simulator, tmp_path: Path) -> None:
    """A file system that disappears under the worker and comes back: nothing is written elsewhere meanwhile."""
    rotation = begin(small, simulator)
    data = small.settings.data
    keep = tmp_path / "keep"
    keep.mkdir()
    with a_worker(tmp_path) as running:
        uploaded(simulator)
        small.close()
        subprocess.run(["mount", "--move", data, keep], check=True)
        try:
            running.wait_to_say("worker will try again", code="TRY_LATER")
            assert [] == list(data.iterdir())
        finally:
            subprocess.run(["mount", "--move", keep, data], check=True)
        completed_once(small, simulator, rotation)
        assert 0 == running.stop()
