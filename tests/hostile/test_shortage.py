"""A machine that is short of threads or of file descriptors."""

import errno
import gc
import os
import resource
import ssl
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hostile.hostile_worker import Worker, completed_once
from support.polling import until
from support.stores import open_store

from orchestrator import bootstrap
from orchestrator.adapters.http import Http
from orchestrator.bootstrap import Keyturn
from orchestrator.cli import application
from persistence.kek import read_kek_file
from simulator import Simulator
from states.errors import Exhausted, TryLater
from states.shortage import shortage
from states.state import State

Start = Callable[..., AbstractContextManager[Worker]]

CROWDED = '''
import os, pathlib, threading

start = threading.Thread.start

def crowded(thread):
    """There is no room for threads of this name, as long as the file is there."""
    if thread.name.startswith(os.environ["CROWDED"]) and pathlib.Path(os.environ["WHILE"]).exists():
        raise RuntimeError("can't start new thread")
    start(thread)

threading.Thread.start = crowded
'''
"""A sitecustomize.py: Python imports it at start-up. It tells one thread from another, which no limit does."""

USER = 47001
"""A user who has no other processes, and to whom limits hold as to anybody but root."""
NOT_ROOT = (
    *("setpriv", "--reuid", USER, "--clear-groups"),
    *("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override", "--bounding-set=-all,+dac_override"),
)
"""Become that user, who can still use the files that root has created."""


@pytest.fixture
def crowded(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """The environment of a process that cannot start threads of that name while the file ``crowded`` is there."""
    place = tmp_path / "site"
    place.mkdir()
    (place / "sitecustomize.py").write_text(CROWDED)
    (tmp_path / "crowded").touch()
    return lambda name: {"PYTHONPATH": str(place), "CROWDED": name, "WHILE": str(tmp_path / "crowded")}


@pytest.fixture
def of_the_user(app: Keyturn) -> None:
    """The key-encryption key is its owner's alone to read."""
    os.chown(app.settings.kek_file, USER, USER)


@pytest.mark.parametrize("name", ["keyturn-worker-2", "keyturn-leases", "keyturn-signals", "keyturn-alerts"])
def test_no_thread_for_the_worker(worker: Start, crowded: Callable[[str], dict[str, str]], name: str) -> None:
    """A worker that cannot have all its threads ends at once, none left behind, with a sentence, a code and 1."""
    with worker(threads=2, **crowded(name)) as running:
        assert 1 == running.process.wait(60)
    assert not running.tracebacks
    reported = running.log.read_text()
    assert "This machine lets Keyturn start no more threads. [MACHINE_EXHAUSTED]" in reported
    assert "ulimit -u" in reported


def test_no_thread_for_a_call(
    app: Keyturn, simulator: Simulator, worker: Start, crowded: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    """A call that needs a thread is not sent, which is no doubt; when there are threads again, all goes on."""
    rotation = app.rotations.request("acme", actor="tester")
    with worker(**crowded("keyturn-connect")) as running:
        running.wait_to_say("step will be tried again", code="MACHINE_EXHAUSTED")
        (tmp_path / "crowded").unlink()
        completed_once(app, simulator, rotation)
        assert 0 == running.stop()
    assert app.rotations.show(rotation.id).doubt.in_flight_until is None
    assert not running.tracebacks


@pytest.mark.root
@pytest.mark.usefixtures("of_the_user")
def test_a_full_process_table_at_the_start(worker: Start) -> None:
    """Where the kernel itself lets the user have one thread and no more, a worker ends: a sentence, a code and 1."""
    with worker(through=(*NOT_ROOT, "prlimit", "--nproc=1")) as running:
        assert 1 == running.process.wait(60)
    assert not running.tracebacks
    assert "This machine lets Keyturn start no more threads. [MACHINE_EXHAUSTED]" in running.log.read_text()


@pytest.mark.root
@pytest.mark.usefixtures("of_the_user")
def test_a_full_process_table_for_a_call(app: Keyturn, simulator: Simulator, worker: Start) -> None:
    """With room for the worker's own threads alone, a call that needs one is not sent; later, all goes on."""
    rotation = app.rotations.request("acme", actor="tester")
    with worker(
        through=(*NOT_ROOT, "prlimit", "--nproc=6:64")
    ) as running:  # main, signals, leases, presence, alerts, one works
        running.wait_to_say("step will be tried again", code="MACHINE_EXHAUSTED")
        assert [] == simulator.history.entries()
        room = ("prlimit", "--pid", str(running.process.pid), "--nproc=64:64")
        subprocess.run([*map(str, NOT_ROOT), *room], check=True)
        completed_once(app, simulator, rotation)
        assert 0 == running.stop()
    assert app.rotations.show(rotation.id).doubt.in_flight_until is None
    assert not running.tracebacks


@pytest.mark.parametrize("is_warm", [False, True], ids=["at its first rotation", "later"])
def test_no_descriptors(several: Keyturn, simulator: Simulator, worker: Start, *, is_warm: bool) -> None:
    """Without descriptors nothing can be opened or sent: the worker says so and lives, and goes on when it has some."""
    with worker() as running:
        if is_warm:
            before = several.rotations.request("bravo", actor="tester")
            until(lambda: several.rotations.show(before.id).state is State.COMPLETED)
        until(lambda: running.threads == 6)  # the main one, signals, leases, presence, alerts, one that works
        with running.limited(resource.RLIMIT_NOFILE, len(running.files())):
            rotation = several.rotations.request("acme", actor="tester")
            until(lambda: running.said("step will be tried again") or running.said("worker will try again"))
        completed_once(several, simulator, rotation)
        assert 0 == running.stop()


def test_a_step_that_met_a_shortage(app: Keyturn, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is postponed, not parked; what it may have sent is in doubt, and is read back before it continues."""
    rotation = app.rotations.request("acme", actor="tester")
    claim = app.store.claims.claim("tester", lease=15, now=app.clock.now())
    assert claim
    with monkeypatch.context() as short, app.engine() as engine:
        short.setattr(app.connect("acme").netsuite, "install", _raise(OSError(errno.EMFILE, "secret")))
        postponed = engine.run(claim)
    assert "This machine is short of something that Keyturn needs: Too many open files." == postponed.waiting_for
    assert (State.KEY_GENERATED, True) == (postponed.state, postponed.doubt.since is not None)
    again = app.store.claims.claim("tester", lease=15, now=postponed.available_at)
    assert again
    with app.engine() as engine:
        engine.run(again)
    completed_once(app, simulator, rotation)


@pytest.mark.parametrize("error", [TryLater("The database is away."), OSError(errno.EMFILE, "no more files")])
def test_a_rotation_is_not_blamed_for_its_machine(
    app: Keyturn, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Where the database is away, or the machine short, before anything was begun, the rotation is as it was."""
    rotation = app.rotations.request("acme", actor="tester")
    claim = app.store.claims.claim("tester", lease=15, now=app.clock.now())
    assert claim
    monkeypatch.setattr(app, "connect", _raise(error))
    with app.engine() as engine, pytest.raises(type(error)):
        engine.run(claim)
    assert rotation == app.rotations.show(rotation.id)
    assert app.store.claims.claim("other", lease=15, now=app.clock.now()), "it was given back"


def test_a_command_without_descriptors(
    app: Keyturn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what the machine lacks, in the system's own words, with a code and 1."""
    del app  # its settings are in the environment by now
    monkeypatch.setattr(bootstrap, "start", _raise(OSError(errno.EMFILE, "secret")))
    assert 1 == application.run(["rotation", "list"])
    reported = capsys.readouterr().err
    assert "short of something that Keyturn needs: Too many open files. [MACHINE_EXHAUSTED]" in reported
    assert "secret" not in reported.partition("error:")[2]


def _raise(error: Exception) -> Callable[..., None]:
    def work(*_arguments: object, **_options: object) -> None:
        raise error

    return work


@pytest.mark.parametrize("what", ["database", "key", "host name", "connection"])
def test_what_cannot_be_opened_is_a_shortage(app: Keyturn, simulator: Simulator, what: str) -> None:
    """Without descriptors, SQLite's and the resolver's own words do not hide it; nothing is parked as refused."""
    http = Http("NetSuite", "https://keyturn.invalid" if what == "host name" else simulator.netsuite_url)
    openings: dict[str, Callable[[], object]] = {
        "database": lambda: open_store(app.settings.store_url).connections.check_known("acme"),
        "key": lambda: read_kek_file(app.settings.kek_file),
        "host name": lambda: http.post("/", b"", {}, writes=True),
        "connection": lambda: http.post("/", b"", {}, writes=True),
    }
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    gc.collect()  # what an earlier test left open would otherwise be closed, and be free, while this one runs
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        with pytest.raises(Exhausted, match="Too many open files"):
            openings[what]()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("error", "lacking"),
    [
        (ImportError("_rust.abi3.so: failed to map segment from shared object"), "memory"),
        (ImportError("libssl.so.3: cannot open shared object file: Too many open files"), "Too many open files"),
        (ssl.SSLError("[SSL] malloc failure (_ssl.c:3098)"), "memory"),
    ],
)
def test_a_shortage_in_words(error: Exception, lacking: str) -> None:
    """Libraries in C name a shortage in words alone: it is no fault of Keyturn then."""
    found = shortage(error)
    assert found is not None
    assert found.message.endswith(f": {lacking}.")
    assert shortage(ImportError("No module named psycopg")) is None
