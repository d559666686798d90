"""Interrupted restores: a lost answer, a killed process, another person at the same time."""

from dataclasses import replace
from datetime import timedelta
from threading import Thread

import pytest
from integration.fixture_types import Carry
from integration.recovery.evidence import events
from support.advice import commands
from support.clock import OffsetClock
from support.environment import NAME
from support.request_history import assert_openair_came_second, installed

from orchestrator.bootstrap import Keyturn
from persistence.store import Claim, Claims
from simulator import Fault, Simulator
from states.certificate import Certificate, Challenge
from states.errors import Drift, Exhausted, IllegalMove, KeyturnError, RestoreUnfinished, Stale
from states.rotation import Ending, Rotation
from states.state import State


def test_a_lost_answer_is_read_back(app: Keyturn, simulator: Simulator, first: Certificate, stuck: Rotation) -> None:
    """A restore whose install lost its answer succeeds with one install."""
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="after"))
    assert Ending.RESTORED is app.recovery.restore(stuck.id, actor="ada").ending
    assert 2 == installed(simulator.history.entries()).count(first.fingerprint), "once when made, once restored"


def test_a_restore_needs_a_thread_for_its_lease(app: Keyturn, stuck: Rotation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restore that cannot start the thread that renews its lease does not begin, and can be repeated later."""

    def start(_thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as crowded:
        crowded.setattr(Thread, "start", start)
        with pytest.raises(Exhausted, match="no more threads"):
            app.recovery.restore(stuck.id, actor="ada")
    assert stuck == app.rotations.show(stuck.id)
    assert Ending.RESTORED is app.recovery.restore(stuck.id, actor="ada").ending


def test_a_restore_that_never_arrived_is_repeated(app: Keyturn, simulator: Simulator, stuck: Rotation) -> None:
    """If two reads do not find the install, the restore stays unfinished and in doubt; a second call finishes it."""
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="before"))
    with pytest.raises(RestoreUnfinished, match="does not sign with it so far") as caught:
        app.recovery.restore(stuck.id, actor="ada")
    left = app.rotations.show(stuck.id)
    assert left.restoring_since
    assert left.restoring_since == left.doubt.since
    assert stuck.failure
    assert replace(stuck.failure, failed_from=State.KEY_GENERATED) == left.failure
    assert ["rotation restore ID"] == commands(caught.value.next_action)
    assert [f"rotation restore {stuck.id}"] == commands(app.rotations.explain(stuck.id).next_action)
    assert Ending.RESTORED is app.recovery.restore(stuck.id, actor="ada").ending
    assert ["restoring", "restoring", "restore"] == events(app, stuck)


def test_a_late_install_is_found(app: Keyturn, simulator: Simulator, first: Certificate, stuck: Rotation) -> None:
    """An install that takes effect after the first call failed is found by the second, which sends none."""
    before = len(simulator.history.entries())
    simulator.faults.add(Fault("netsuite.restlet", "late", action="install", seconds=0.5))
    with pytest.raises(RestoreUnfinished):
        app.recovery.restore(stuck.id, actor="ada")
    simulator.history.wait_for(lambda entry: entry.effect.get("installed") == first.fingerprint, after=before)
    assert Ending.RESTORED is app.recovery.restore(stuck.id, actor="ada").ending
    assert ["restoring", "restore"] == events(app, stuck)


def test_resuming_waits_for_the_install_of_a_restore(
    app: Keyturn, simulator: Simulator, clock: OffsetClock, stuck: Rotation, carry: Carry
) -> None:
    """While the restore's install may take effect, resuming is refused; afterwards it completes."""
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="before"))
    with pytest.raises(RestoreUnfinished):
        app.recovery.restore(stuck.id, actor="ada")
    with pytest.raises(IllegalMove, match="may still take effect"):
        app.rotations.resume(stuck.id, actor="ada")
    simulator.faults.clear()
    clock.ahead = timedelta(minutes=10)
    done = carry(app.rotations.resume(stuck.id, actor="ada"))
    assert (State.COMPLETED, None) == (done.state, done.restoring_since)
    assert_openair_came_second(simulator.history.entries())


def test_resuming_after_a_failed_restore(
    app: Keyturn, simulator: Simulator, clock: OffsetClock, stuck: Rotation, carry: Carry
) -> None:
    """If NetSuite holds the previous certificate after an unfinished restore, a resume completes, as advised.

    Keyturn itself installed that certificate, so the rotation is not parked for it.
    """
    simulator.faults.clear()
    simulator.faults.add(Fault("openair.api", "foreign", action="Read", when="before", skip=1))
    with pytest.raises(RestoreUnfinished):
        app.recovery.restore(stuck.id, actor="ada")
    with pytest.raises(Drift, match="does not help") as caught:
        app.recovery.restore(stuck.id, actor="ada")
    assert ["rotation resume ID"] == commands(caught.value.next_action)
    clock.ahead = timedelta(minutes=10)
    done = carry(app.rotations.resume(stuck.id, actor="ada"))
    assert (State.COMPLETED, ()) == (done.state, app.health.health(NAME).problems)
    assert stuck.skew_from == done.skew_from, "never understated"
    assert_openair_came_second(simulator.history.entries())
    app.journal.verify()


class Killed(BaseException):
    """The simulated end of the process."""


@pytest.mark.parametrize("where", ["sign", "install", "read"])
@pytest.mark.parametrize("applied", [False, True])
def test_a_crash_in_the_middle(
    app: Keyturn,
    simulator: Simulator,
    stuck: Rotation,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    applied: bool,  # noqa: FBT001
) -> None:
    """After a kill before or after any remote call, a second call finishes the restore when the lease has expired."""
    ports = app.connect(NAME)
    system = ports.openair if where == "read" else ports.netsuite
    call = getattr(system, where)
    calls = 0

    def die(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if where == "read" and calls == 1:
            return call(*arguments, **named)  # the look before; the read that proves it comes second
        if applied:
            call(*arguments, **named)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(system, where, die)
        patched.setattr(Claims, "release", lambda *_: None)
        with pytest.raises(Killed):
            app.recovery.restore(stuck.id, actor="ada")
    with pytest.raises(Stale, match="being worked on"):
        app.recovery.restore(stuck.id, actor="ada")
    _expire(app, stuck)
    assert (where != "sign") == (app.rotations.show(stuck.id).restoring_since is not None)
    assert Ending.RESTORED is app.recovery.restore(stuck.id, actor="ada").ending
    assert app.health.health(NAME).problems == ()
    assert_openair_came_second(simulator.history.entries())
    app.journal.verify()


def _expire(app: Keyturn, rotation: Rotation) -> None:
    """Let the lease on ``rotation`` expire."""
    with app.store._database.writing() as tx:
        tx.exec_driver_sql(f"UPDATE rotations SET lease_until = '2000-01-01' WHERE id = '{rotation.id}'")  # noqa: S608 - the id is ours


def test_a_restore_excludes_other_verbs(
    app: Keyturn, stuck: Rotation, first: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During a restore a second restore and a resume are refused, and no worker claims the rotation."""
    ports = app.connect(NAME)
    sign = ports.netsuite.sign
    refusals: list[type[KeyturnError]] = []
    claims: list[Claim | None] = []

    def interfere(challenge: Challenge) -> str:
        for verb in (app.recovery.restore, app.rotations.resume):
            try:
                verb(stuck.id, actor="bob")
            except KeyturnError as error:
                refusals.append(type(error))
        claims.append(app.store.claims.claim("w1", lease=60, now=app.clock.now()))
        return sign(challenge)

    monkeypatch.setattr(ports.netsuite, "sign", interfere)
    assert app.recovery.restore(stuck.id, actor="ada").ending
    assert ([Stale, Stale], [None]) == (refusals, claims)
    assert first == app.connections.show(NAME).current
