"""PostgreSQL is restarted while workers on several machines are busy."""

import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from machines.site_of_machines import ACCOUNTS, Site
from support import postgresql as postgres
from support.polling import until
from support.request_history import assert_openair_came_second, installed, saved

from persistence.read_model import RotationFilter
from states.errors import TryLater
from states.state import State

pytestmark = pytest.mark.postgresql

MACHINES: Final = 3
BEFORE: Final = 5
"""How many rotations are completed before the restart; the others are under way, or wait."""


def completed(site: Site) -> int:
    """How many rotations are completed; 0 while the server is away."""
    try:
        return site.app.store.rotations.count(RotationFilter(states=[State.COMPLETED]))
    except TryLater:
        return 0


def restart(site: Site) -> None:
    """Stop the server as a crash does, and start it again with the same options."""
    data = site.socket / "data"
    program = Path(shlex.split((data / "postmaster.opts").read_text())[0]).with_name("pg_ctl")
    with site.database.entered():
        postgres._run(program, "-D", data, "-l", data / "log", "-m", "immediate", "-w", "restart")


def test_a_restart_under_load(site: Site) -> None:
    """Of thirty rotations each is completed, none is parked meanwhile, and each has one upload, and the same saved."""
    with ExitStack() as stack:
        workers = [stack.enter_context(site.worker(site.network.add(), threads=2)) for _ in range(MACHINES)]
        until(lambda: len(site.app.workers.alive()) == MACHINES)
        rotations = [site.app.rotations.request(f"c{number}", actor="tester").id for number in range(ACCOUNTS)]
        until(lambda: completed(site) >= BEFORE)
        restart(site)
        until(lambda: completed(site) == ACCOUNTS)
        assert [0] * MACHINES == [worker.stop() for worker in workers]
        assert [False] * MACHINES == [worker.tracebacks for worker in workers]
    history = site.simulator.history.entries()
    assert ACCOUNTS == len(installed(history)) == len(set(installed(history)))
    assert sorted(set(installed(history))) == sorted(set(saved(history)))
    assert_openair_came_second(history)
    journals = [site.app.rotations.journal(each) for each in rotations]
    assert not [entry for journal in journals for entry in journal if entry.target is State.FAILED]
    assert sum(map(len, journals)) == site.app.journal.verify().entries
