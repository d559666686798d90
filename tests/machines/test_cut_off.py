"""A worker whose machine is cut off the database, and later comes back."""

import os
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, Final

import pytest
from machines.site_of_machines import Holder, Site
from support.polling import until
from support.request_history import installed, saved

from persistence.journal import TAKEN_OVER
from simulator import Fault
from states.state import State

pytestmark = pytest.mark.postgresql

WITHIN: Final = timedelta(seconds=2)
"""How long after the lease's end another worker has taken over at the latest. It then looks twice, two seconds apart,
for what the first one may have sent; how long that and the save take depends on the systems."""
HELD: Final = 20.0
"""Seconds for which OpenAir holds an answer: longer than a lease, and than another worker needs."""


def test_another_worker_finishes_and_the_first_writes_nothing(site: Site) -> None:
    """A rotation in UploadedToNetSuite is taken over within the lease's end plus two seconds, and completed;
    the worker that comes back sends nothing for it, writes nothing, and carries the next rotation.
    """
    app, history = site.app, site.simulator.history
    account = app.connections.show("c0").netsuite.account
    near_save = Fault("openair.api", "delay", action="Read", when="before", account=account, skip=1, seconds=HELD)
    site.simulator.faults.add(near_save)
    rotation = app.rotations.request("c0", actor="tester")
    first, second = site.network.add(), site.network.add()
    with site.worker(first) as lost, ExitStack() as late:
        until(lambda: not site.simulator.faults.pending())
        other = late.enter_context(site.worker(second))
        until(lambda: len(app.workers.alive()) == 2)
        with site.cut_off(first):
            seen = [site.holder(rotation.id)]
            assert State.UPLOADED_TO_NETSUITE == seen[0].state

            def is_completed() -> bool:
                seen.append(site.holder(rotation.id))
                return seen[-1].state == State.COMPLETED

            until(is_completed)
        _assert_in_time(seen)
        journal, before = app.rotations.journal(rotation.id), history.entries(account=account)
        lost.wait_to_say("lease lost")
        history.wait_for(lambda each: each.fault == "delay" and each.ended != "in progress", seconds=60)
        assert 0 == other.stop()
        following = app.rotations.request("c1", actor="tester")
        until(lambda: app.rotations.show(following.id).state is State.COMPLETED)
        assert 0 == lost.stop()
        assert not lost.tracebacks
        assert [f":{lost.process.pid}:"] == _carriers(site, following.id, lost.process.pid)
    assert journal == app.rotations.journal(rotation.id)
    assert [TAKEN_OVER] == [entry.event for entry in journal if entry.event == TAKEN_OVER]
    after = history.entries(account=account)
    assert all(str(each.action).endswith("Read") for each in after if each not in before)
    assert 1 == len(installed(after)) == len(saved(after))


def _assert_in_time(seen: list[Holder]) -> None:
    """Another worker took over in time, by the database's clock."""
    taken = next(place for place, each in enumerate(seen) if each.worker != seen[0].worker)
    ended = seen[taken - 1].lease_until
    assert ended
    over, finished = seen[taken].now - ended, seen[-1].now - ended
    print(f"after the lease's end: taken over {over.total_seconds():.2f} s, finished {finished.total_seconds():.2f} s")  # noqa: T201
    assert over < WITHIN


def _carriers(site: Site, rotation_id: str, pid: int) -> list[str]:
    """The processes that wrote to the journal, as far as they are this one; others by their whole names."""
    names = {entry.actor for entry in site.app.rotations.journal(rotation_id)} - {"tester"}
    return sorted({f":{pid}:" if f":{pid}:" in name else name for name in names})


IN_A_MOVE: Final = """
import sys
from orchestrator.bootstrap import Keyturn
from orchestrator.settings_file import load
from persistence import rotation_statements as statements

app = Keyturn(load())
with app.store._database.writing() as tx:
    assert statements.LOCK_ONE.first(tx, {"now": app.clock.now(), "id": sys.argv[1]})
    print("locked", flush=True)
    sys.stdin.read()
"""
"""What a worker does between two statements of a move: it has the rotation's row."""


def test_a_machine_that_is_cut_off_within_a_move(site: Site) -> None:
    """The database ends the session of a machine that vanished in a transaction, and another one carries the rotation:
    the row's lock does not outlive the machine by hours.
    """
    rotation = site.app.rotations.request("c0", actor="tester")
    first, second = site.network.add(), site.network.add()
    command: list[Any] = ["ip", "netns", "exec", first.namespace, sys.executable, "-c", IN_A_MOVE, rotation.id]
    environment = {**os.environ, "KEYTURN_STORE__URL": site.url}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as lost:
        assert lost.stdout
        assert b"locked\n" == lost.stdout.readline()
        with site.cut_off(first), site.worker(second) as other:
            try:
                until(lambda: site.holder(rotation.id).state == State.COMPLETED, limit=60)
            finally:
                lost.kill()
            assert 0 == other.stop()
