"""What the status and the doctor say of the workers: only what is true, and only where it matters."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from orchestrator.operations.workers import Role, Worker
from orchestrator.views.status import status_json
from states.concern import Concern, Harm
from states.connection import Options
from states.next_action import Verb
from states.timing import SILENT_AFTER, UNATTENDED_AFTER

NEVER = timedelta()


def worker(app: Keyturn, name: str = "box:1:aa", role: Role = Role.WORKER, **changes: Any) -> Worker:
    """A worker of this version."""
    return Worker(**{"name": name, "role": role, "host": "box", "version": app._version, "threads": 2, **changes})


@contextmanager
def present(app: Keyturn, started: Worker, *, silent_for: timedelta = NEVER) -> Iterator[None]:
    """A worker that runs, and was last seen so long ago."""
    presence = app.store.workers.register(started)
    set_back(app, started.name, silent_for)
    yield
    presence.end()


def ended(app: Keyturn, started: Worker, *, ago: timedelta) -> None:
    """A worker that ended so long ago."""
    app.store.workers.register(started).end()
    set_back(app, started.name, ago)


def set_back(app: Keyturn, name: str, by: timedelta) -> None:
    """Let a worker have been seen so long ago."""
    with app.store._database.writing() as tx:
        at = str(app.store.now() - by)[:26]
        tx.execute(text("UPDATE workers SET seen_at = :at WHERE name = :name"), {"at": at, "name": name})


def concerns(app: Keyturn) -> list[Concern]:
    """What the status shows of the workers, which the doctor shows, too."""
    found = [each for each in app.status.report().concerns if each.connection is None]
    assert [each.message for each in found] == [
        each.message for each in app.doctor.waiting() if each.subject == "worker"
    ]
    return found


def summary(app: Keyturn) -> str:
    """The doctor's own line on the workers."""
    return next(each.message for each in app.doctor.examine() if each.subject == "workers")


def test_a_worker_that_is_alive(app: Keyturn) -> None:
    """It needs no one; the status has it in JSON, and the doctor names it with version and threads."""
    with present(app, worker(app)):
        assert [] == concerns(app)
        (shown,) = status_json(app.status.report())["workers"]
        assert ("box:1:aa", "box", app._version, 2) == tuple(
            shown[key] for key in ("name", "host", "version", "threads")
        )
        assert summary(app).startswith(f"1 alive: box:1:aa (Keyturn {app._version}, 2 threads, seen ")


@pytest.mark.parametrize("has_ended", [True, False])
def test_no_worker(app: Keyturn, has_ended: bool) -> None:  # noqa: FBT001
    """Where workers ran and none is alive, what is scheduled waits: said with the last one and its silence."""
    if has_ended:
        ended(app, worker(app), ago=timedelta(seconds=40))
        (concern,) = concerns(app)
    else:
        with present(app, worker(app), silent_for=timedelta(seconds=40)):
            (concern,) = concerns(app)
    assert (Harm.NO_WORKER, Verb.WORKER) == (concern.harm, concern.next_action.verb)
    end = "ended" if has_ended else "has not said that it ended"
    assert f"No worker for 40 s: the last one, box:1:aa, {end}." == concern.message


def test_a_worker_that_is_restarted_is_not_missed(app: Keyturn) -> None:
    """Between its end and the next start a moment passes."""
    ended(app, worker(app), ago=SILENT_AFTER / 2)
    assert [] == concerns(app)


def test_no_worker_is_needed_where_nothing_is_to_be_done(app: Keyturn) -> None:
    """Without an open rotation, and with rotations begun by hand only, no worker is missed."""
    ended(app, worker(app), ago=timedelta(hours=1))
    app.connections.edit(replace(app.connections.show(NAME), options=Options(oauth2=False)), {}, actor="ada")
    assert [] == concerns(app)
    app.rotations.request(NAME, actor="ada")
    assert [Harm.NO_WORKER] == [each.harm for each in concerns(app)]


def test_a_schedules_runs_need_no_permanent_worker(app: Keyturn) -> None:
    """Where run-due is called from cron, its last run tells; one run by a person hides no missing worker."""
    ended(app, worker(app), ago=timedelta(hours=2))
    ended(app, worker(app, "cron:1", Role.RUN_DUE), ago=timedelta(minutes=20))
    assert [Harm.NO_WORKER] == [each.harm for each in concerns(app)]
    ended(app, worker(app, "cron:2", Role.RUN_DUE), ago=timedelta(minutes=5))
    assert [] == concerns(app)
    assert "no permanent worker; the last run of the schedule was 5 min ago" == summary(app)


def test_a_schedule_that_runs_no_more(app: Keyturn) -> None:
    """A run a day is enough; after that, the last one is named."""
    ended(app, worker(app, "cron:1", Role.RUN_DUE), ago=UNATTENDED_AFTER - timedelta(minutes=1))
    assert [] == concerns(app)
    set_back(app, "cron:1", timedelta(days=3))
    (concern,) = concerns(app)
    expected = "No run of the schedule for 3 d, and no worker: the last run was on box."
    assert (Harm.NO_WORKER, expected) == (concern.harm, concern.message)


def test_no_worker_was_ever_seen(app: Keyturn, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new installation may get its worker, until a rotation waits for one."""
    assert [] == concerns(app)
    assert "no permanent worker, and no run of a schedule within a week" == summary(app)
    app.rotations.request(NAME, actor="ada")
    assert [] == concerns(app)
    later = app.clock.now() + SILENT_AFTER + timedelta(seconds=1)
    monkeypatch.setattr(app.clock, "now", lambda: later, raising=False)
    (concern,) = concerns(app)
    assert (Harm.NO_WORKER, "No worker was ever seen, or not for a week.") == (concern.harm, concern.message)


def test_a_worker_that_hangs(app: Keyturn) -> None:
    """A worker whose process lives and is silent is named once another one is alive."""
    with present(app, worker(app)), present(app, worker(app, "box:2:bb"), silent_for=timedelta(minutes=5)):
        (concern,) = concerns(app)
        expected = "Worker box:2:bb was last seen 5 min ago: it hangs, was stopped, or is cut off."
        assert (Harm.SILENT_WORKER, expected) == (concern.harm, concern.message)


def test_a_worker_of_another_version(app: Keyturn) -> None:
    """It was not restarted after an upgrade, or this command was not upgraded: both versions are named."""
    with present(app, worker(app, version="0.9")):
        (concern,) = concerns(app)
        expected = f"Worker box:1:aa runs Keyturn 0.9; this is {app._version}."
        assert (Harm.OTHER_VERSION, expected) == (concern.harm, concern.message)
