"""Power is cut at every sync of a rotation. SQLite's files are left as a disk may leave them, while the systems stay as
far on as they were. What is left opens and is whole, and another worker completes the rotation.
"""

import itertools
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass

import pytest
from crash.matrix import power_cut
from crash.matrix.kill_environment import KillEnvironment
from crash.matrix.kill_plan import Admit, Say, carried, completed, every, hit, outcomes
from crash.matrix.tracing import SYNCING, WRITING, Point, carriers, lines, points, refreshing
from support.request_history import assert_openair_came_second, installed, saved

from persistence.kek import read_kek_file
from persistence.store import Store
from states.state import State

pytestmark = pytest.mark.timeout(7200)

SELECTED = 4
SELECTED_BACK = 2


@dataclass(frozen=True)
class PowerCut:
    """``left`` is a function's name in power.py: what the disk had of what was not synced."""

    point: Point
    left: str

    def __str__(self) -> str:
        return f"power cut {self.point}, {self.left} written"


@dataclass(frozen=True)
class SetBack:
    syncs: int

    def __str__(self) -> str:
        return f"set back to what was there after {self.syncs} syncs"


@pytest.fixture
def database() -> str:
    """PostgreSQL looks after its own files."""
    return "sqlite"


def test_no_request_rests_on_what_a_power_cut_could_undo(admit: Admit) -> None:
    """A worker's writes are synced before it sends anything to NetSuite or OpenAir."""
    environment, _ = carried(admit)
    sent = synced = 0
    unsynced: set[str] = set()
    for line in carriers(lines(environment.logs[-1])):  # no request depends on a lease renewal
        if line.syscall == "sendto":
            assert set() == unsynced, line
            sent += 1
        elif line.syscall in SYNCING:
            unsynced.discard(line.file)
            synced += 1
        elif line.syscall in WRITING and line.is_kept:
            unsynced.add(line.file)
    assert sent >= 20
    assert synced >= 9


def test_power_is_cut(admit: Admit, say: Say) -> None:
    """At every sync, with any part of the rest: the rotation completes and every rule has held. A person is needed
    only where OpenAir's next refresh token was not on the disk.
    """
    _, traced = carried(admit)
    at = points(traced)
    syncs = [after for before, after in itertools.pairwise(at) if _is_sync(after) and not _is_sync(before)]
    found = [PowerCut(point, left.__name__) for point in syncs for left in power_cut.LEFT]
    tokens = refreshing(at)[-1]
    selection = every([each for each in found if each.point != tokens], SELECTED)
    done = outcomes("power cuts", found, selection, lambda it: survived(hit(admit, it.point), it.left), say)
    assert [it for it, _ in done if it.point == tokens] == [it for it, needed_consent in done if needed_consent]


def test_set_back_to_an_earlier_sync(admit: Admit, say: Say) -> None:
    """A database from a backup, or from a disk that lied, knows less than the systems, which are at the end by now. No
    rule is broken, and both end with the same certificate. Where it forgot the candidate that NetSuite signs with,
    that is a foreign rotation to it, and a person decides.
    """
    environment, _ = carried(admit)
    *earlier, _ = power_cut.history(environment.logs[-1])
    found = [SetBack(syncs) for syncs, _ in enumerate(earlier)]
    again = every(found, SELECTED_BACK)
    outcomes("databases set back", found, again, lambda it: recovered(carried(admit)[0], it.syncs), say)


def _is_sync(point: Point) -> bool:
    return point.call.what.startswith("commit")


def survived(environment: KillEnvironment, left: str) -> bool:
    """Cut the files back, let a worker finish, judge; tell whether a person had to consent."""
    *_, (synced, unsynced) = power_cut.history(environment.logs[-1])
    assert unsynced
    power_cut.cut(environment.data, environment.disk, [*synced, *getattr(power_cut, left)(unsynced)])
    assert_whole(environment)
    return completed(environment)


def recovered(environment: KillEnvironment, syncs: int) -> None:
    """Set the files of a completed rotation back, let a worker finish it once more, judge."""
    was = environment.rotation.proofs.candidate
    environment.close()
    synced, _ = list(power_cut.history(environment.logs[-1]))[syncs]
    power_cut.cut(environment.data, environment.disk, synced)
    assert_whole(environment)
    environment.finish()
    done = environment.rotation
    assert done.proofs.candidate
    assert State.COMPLETED is done.state
    assert (done.proofs.candidate != was) == ("FOREIGN_ROTATION" in [failure.code for failure in environment.parked])
    assert done.proofs.candidate.fingerprint == installed(environment.history)[-1] == saved(environment.history)[-1]
    assert_openair_came_second(environment.history)
    environment.app.journal.verify()
    environment.close()


def assert_whole(environment: KillEnvironment) -> None:
    """The rest is a valid database with an intact journal. Checked in a copy, because opening it would recover it."""
    copy = environment.folder.with_name("copy")
    shutil.copytree(environment.data, copy)
    with closing(sqlite3.connect(copy / "keyturn.db")) as opened:
        assert [("ok",)] == opened.execute("PRAGMA integrity_check").fetchall()
    store = Store(f"sqlite:///{copy / 'keyturn.db'}", lambda: read_kek_file(environment.app.settings.kek_file))
    store.check()
    assert store.journal.verify() >= 1
    store.close()
