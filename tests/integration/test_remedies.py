"""Restoring and adopting through the whole of Keyturn, over real HTTP, against the simulator."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from home import NAME, ImpatientClock
from judge import assert_openair_came_second, installed, saved

from orchestrator.bootstrap import App
from persistence.store import Claim, Store
from simulator import Fault, Simulator
from states.certificate import Certificate, Challenge
from states.connection import Algorithm, Policy
from states.errors import (
    Drift,
    ForeignRotation,
    IllegalMove,
    KeyturnError,
    RestoreUnfinished,
    SignInRefused,
    Stale,
    TryLater,
)
from states.rotation import Candidate, Ending, Rotation
from states.state import State

Rotate = Callable[[], Rotation]
Carry = Callable[[Rotation], Rotation]

NO_SAVE = Fault("openair.api", "401", action="Modify", times=None)
"""OpenAir can be read, but not saved to."""


class LaterClock(ImpatientClock):
    """The machine's clock, some time from now."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


@pytest.fixture
def clock(app: App) -> LaterClock:
    """The application's clock, which a test may put forward."""
    app.clock = clock = LaterClock()
    return clock


@pytest.fixture
def first(clock: LaterClock, rotate: Rotate) -> Certificate:
    """The certificate that a first rotation put in place on both sides."""
    del clock  # before anything is built that would take another
    done = rotate()
    assert done.candidate
    return done.candidate.certificate


@pytest.fixture
def stuck(first: Certificate, simulator: Simulator, rotate: Rotate) -> Rotation:
    """A second rotation, parked between the two sides: NetSuite has its certificate, OpenAir takes none."""
    del first
    simulator.faults.add(NO_SAVE)
    parked = rotate()
    assert parked.position is State.UPLOADED_TO_NETSUITE
    assert parked.failure
    return parked


def kept_keys(app: App, *rotations: Rotation) -> list[bool]:
    """Of which rotations the candidate's key is still there."""
    shown = [app.rotations.show(rotation.id).candidate for rotation in rotations]
    return [bool(candidate and candidate.sealed_key) for candidate in shown]


def events(app: App, rotation: Rotation) -> list[str]:
    """What happened to a rotation since it was parked."""
    told = [entry.event for entry in app.rotations.journal(rotation.id)]
    return told[told.index("fail") + 1 :]


def _without_key(rotation: Rotation) -> Rotation:
    assert rotation.candidate
    return replace(rotation, candidate=replace(rotation.candidate, sealed_key=b""))


# --- restore ----------------------------------------------------------------------------------------------------------


def test_restoring_ends_the_outage(app: App, simulator: Simulator, first: Certificate, stuck: Rotation) -> None:
    """Imports are refused while the rotation is stuck; restored, both sides agree, health is good and they go in."""
    refused, problems = simulator.imports.send(), app.checks.health(NAME).problems
    restored = app.remedies.restore(stuck.id, actor="ada", reason="OpenAir takes nothing")
    assert refused
    assert refused.startswith("Error:")
    assert {"DRIFT", "SKEW", "PARKED"} == {problem.code for problem in problems}
    assert ("project=T", ()) == (simulator.imports.send(), app.checks.health(NAME).problems)
    assert (State.FAILED, Ending.RESTORED, False) == (restored.state, restored.ending, restored.is_open)
    assert _without_key(restored) == app.rotations.show(stuck.id)
    assert ["restoring", "restore"] == events(app, stuck)
    assert first.fingerprint == installed(simulator.history.entries())[-1]
    assert [first.fingerprint] == saved(simulator.history.entries()), "OpenAir was not written again"
    assert_openair_came_second(simulator.history.entries())
    app.upkeep.verify_journal()


def test_restoring_keeps_the_previous_certificate(app: App, first: Certificate, stuck: Rotation) -> None:
    """It stays the connection's current one with its key and its due moment; the candidate's key is destroyed."""
    before = app.connections.show(NAME)
    made_first = app.rotations.recent()[-1]
    app.remedies.restore(stuck.id, actor="ada")
    assert before == app.connections.show(NAME)
    assert first == before.current
    assert [True, False] == kept_keys(app, made_first, stuck)


def test_restoring_ends_the_skew(app: App, clock: LaterClock, stuck: Rotation) -> None:
    """The skew counts to the moment at which both sides agreed again, and no further."""
    clock.ahead = timedelta(minutes=5)
    restored = app.remedies.restore(stuck.id, actor="ada")
    assert restored.skew_from
    assert restored.closed_at
    skew = restored.closed_at - restored.skew_from
    assert skew >= timedelta(minutes=5)
    clock.ahead = timedelta(days=1)
    assert skew == app.rotations.show(stuck.id).skew(clock.now())


def test_a_restored_connection_rotates_again(app: App, simulator: Simulator, stuck: Rotation, carry: Carry) -> None:
    """Once nothing can land any more, the next rotation replaces the restored certificate as if nothing had been."""
    restored = app.remedies.restore(stuck.id, actor="ada")
    simulator.faults.clear()
    following = app.rotations.request(NAME, actor="tester")
    assert restored.in_flight_until == following.available_at
    done = carry(following)
    assert (State.COMPLETED, stuck.previous) == (done.state, done.previous)
    assert_openair_came_second(simulator.history.entries())


def test_restoring_twice(app: App, simulator: Simulator, stuck: Rotation) -> None:
    """What was restored has ended: a second call is refused and sends nothing."""
    app.remedies.restore(stuck.id, actor="ada")
    sent = len(simulator.history.entries())
    with pytest.raises(IllegalMove, match="The rotation has ended"):
        app.remedies.restore(stuck.id, actor="ada")
    assert sent == len(simulator.history.entries())


def test_a_lost_answer_is_read_back(app: App, simulator: Simulator, first: Certificate, stuck: Rotation) -> None:
    """Restored all the same, with one install, when the answer of it was lost."""
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="after"))
    assert Ending.RESTORED is app.remedies.restore(stuck.id, actor="ada").ending
    assert 2 == installed(simulator.history.entries()).count(first.fingerprint), "once when made, once restored"


def test_a_restore_that_never_arrived_is_repeated(app: App, simulator: Simulator, stuck: Rotation) -> None:
    """When two looks find nothing, the rotation stays parked, in doubt and begun; the second call finishes it."""
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="before"))
    with pytest.raises(RestoreUnfinished, match="does not sign with it so far") as caught:
        app.remedies.restore(stuck.id, actor="ada")
    left = app.rotations.show(stuck.id)
    assert left.restoring_since
    assert left.restoring_since == left.doubt_since
    assert stuck.failure
    assert replace(stuck.failure, failed_from=State.KEY_GENERATED) == left.failure
    assert "`keyturn rotation restore ID`" in caught.value.next_action
    assert f"keyturn rotation restore {stuck.id}" == app.rotations.explain(stuck.id).advice.command
    assert Ending.RESTORED is app.remedies.restore(stuck.id, actor="ada").ending
    assert ["restoring", "restoring", "restore"] == events(app, stuck)


def test_a_late_landing_is_found(app: App, simulator: Simulator, first: Certificate, stuck: Rotation) -> None:
    """An install that lands after the first call gave up is found by the second, which sends none of its own."""
    before = len(simulator.history.entries())
    simulator.faults.add(Fault("netsuite.restlet", "late", action="install", seconds=0.5))
    with pytest.raises(RestoreUnfinished):
        app.remedies.restore(stuck.id, actor="ada")
    simulator.history.wait_for(lambda entry: entry.effect.get("installed") == first.fingerprint, after=before)
    assert Ending.RESTORED is app.remedies.restore(stuck.id, actor="ada").ending
    assert ["restoring", "restore"] == events(app, stuck)


def test_resuming_waits_for_what_restoring_sent(
    app: App, simulator: Simulator, clock: LaterClock, stuck: Rotation, carry: Carry
) -> None:
    """While the previous certificate may still land, the candidate is not sent; after that, resuming completes."""
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="before"))
    with pytest.raises(RestoreUnfinished):
        app.remedies.restore(stuck.id, actor="ada")
    with pytest.raises(IllegalMove, match="may still take effect"):
        app.rotations.resume(stuck.id, actor="ada")
    simulator.faults.clear()
    clock.ahead = timedelta(minutes=10)
    done = carry(app.rotations.resume(stuck.id, actor="ada"))
    assert (State.COMPLETED, None) == (done.state, done.restoring_since)
    assert_openair_came_second(simulator.history.entries())


def test_going_on_after_a_restore_that_came_to_nothing(
    app: App, simulator: Simulator, clock: LaterClock, stuck: Rotation, carry: Carry
) -> None:
    """NetSuite was given the previous certificate back, then OpenAir lost it: a plain resume, as advised, completes.

    That NetSuite holds the previous certificate is our own doing, and no reason to park.
    """
    simulator.faults.clear()
    simulator.faults.add(Fault("openair.api", "foreign", action="Read", when="before", skip=1))
    with pytest.raises(RestoreUnfinished):
        app.remedies.restore(stuck.id, actor="ada")
    with pytest.raises(Drift, match="does not help") as caught:
        app.remedies.restore(stuck.id, actor="ada")
    assert "`keyturn rotation resume ID`" in caught.value.next_action
    clock.ahead = timedelta(minutes=10)
    done = carry(app.rotations.resume(stuck.id, actor="ada"))
    assert (State.COMPLETED, ()) == (done.state, app.checks.health(NAME).problems)
    assert stuck.skew_from == done.skew_from, "never understated"
    assert_openair_came_second(simulator.history.entries())
    app.upkeep.verify_journal()


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("where", ["sign", "install", "read"])
@pytest.mark.parametrize("applied", [False, True])
def test_a_crash_in_the_middle(
    app: App,
    simulator: Simulator,
    stuck: Rotation,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    applied: bool,  # noqa: FBT001
) -> None:
    """Killed before or after any remote call, with its lease left behind: when that ran out, a second call finishes."""
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
        patched.setattr(Store, "release", lambda *_: None)
        with pytest.raises(Killed):
            app.remedies.restore(stuck.id, actor="ada")
    with pytest.raises(Stale, match="being worked on"):
        app.remedies.restore(stuck.id, actor="ada")
    _expire(app, stuck)
    assert (where != "sign") == (app.rotations.show(stuck.id).restoring_since is not None)
    assert Ending.RESTORED is app.remedies.restore(stuck.id, actor="ada").ending
    assert app.checks.health(NAME).problems == ()
    assert_openair_came_second(simulator.history.entries())
    app.upkeep.verify_journal()


def _expire(app: App, rotation: Rotation) -> None:
    """Let the lease of whoever held ``rotation`` run out."""
    with app.store._database.writing() as tx:
        tx.exec_driver_sql(f"UPDATE rotations SET lease_until = '2000-01-01' WHERE id = '{rotation.id}'")  # noqa: S608 - the id is ours


def test_nobody_else_touches_what_is_being_restored(
    app: App, stuck: Rotation, first: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one restores, a second restore and a resume are told that it is being worked on; no worker claims it."""
    ports = app.connect(NAME)
    sign = ports.netsuite.sign
    refusals: list[type[KeyturnError]] = []
    claims: list[Claim | None] = []

    def meddle(challenge: Challenge) -> str:
        for verb in (app.remedies.restore, app.rotations.resume):
            try:
                verb(stuck.id, actor="bob")
            except KeyturnError as error:
                refusals.append(type(error))
        claims.append(app.store.claim("w1", lease=60, now=app.clock.now()))
        return sign(challenge)

    monkeypatch.setattr(ports.netsuite, "sign", meddle)
    assert app.remedies.restore(stuck.id, actor="ada").ending
    assert ([Stale, Stale], [None]) == (refusals, claims)
    assert first == app.connections.show(NAME).current


def test_openair_took_the_candidate_after_all(app: App, simulator: Simulator, stuck: Rotation, carry: Carry) -> None:
    """When OpenAir turns out to hold the candidate, restoring is refused with nothing changed, and resuming helps."""
    assert stuck.candidate
    simulator.openair.settings.save_outside(stuck.candidate.certificate.pem)
    with pytest.raises(IllegalMove, match="going on helps"):
        app.remedies.restore(stuck.id, actor="ada")
    assert stuck == app.rotations.show(stuck.id)
    simulator.faults.clear()
    assert carry(app.rotations.resume(stuck.id, actor="ada")).state is State.COMPLETED


def test_a_strangers_key_is_replaced_only_on_a_persons_word(app: App, simulator: Simulator, stuck: Rotation) -> None:
    """NetSuite holds neither candidate nor previous certificate: refused, unless overwriting is allowed."""
    simulator.netsuite.record.reset("foreign")
    before = installed(simulator.history.entries())
    with pytest.raises(ForeignRotation):
        app.remedies.restore(stuck.id, actor="ada")
    assert stuck == app.rotations.show(stuck.id)
    assert before == installed(simulator.history.entries())
    assert app.remedies.restore(stuck.id, actor="ada", overwrite=True).ending
    assert app.checks.health(NAME).problems == ()


def test_without_the_key_nothing_is_restored(app: App, simulator: Simulator, clock: LaterClock, rotate: Rotate) -> None:
    """Where the policy keeps no keys there is nothing to put back, and `explain` says so beforehand."""
    del clock
    connection = app.connections.show(NAME)
    app.connections.edit(replace(connection, policy=Policy(algorithm=Algorithm.EC_P256, keep_key=False)), {})
    rotate()
    simulator.faults.add(NO_SAVE)
    parked = rotate()
    why_not = {verb.name: why_not for verb, why_not in app.rotations.explain(parked.id).verbs}
    assert "The previous certificate's private key was not kept." == why_not["restore"]
    with pytest.raises(IllegalMove, match="was not kept"):
        app.remedies.restore(parked.id, actor="ada")


@pytest.mark.parametrize(("kind", "error"), [("503", TryLater), ("401", SignInRefused)])
def test_a_system_that_cannot_be_asked(
    app: App, simulator: Simulator, stuck: Rotation, kind: str, error: type[KeyturnError]
) -> None:
    """Nothing is changed when a system cannot be asked beforehand, and the advice is to repeat this verb."""
    simulator.faults.add(Fault("openair.api", kind, action="Read", when="before", times=None))
    with pytest.raises(error) as caught:
        app.remedies.restore(stuck.id, actor="ada")
    assert "`keyturn rotation restore ID`" in caught.value.next_action
    assert stuck == app.rotations.show(stuck.id)
    simulator.faults.clear()
    assert app.remedies.restore(stuck.id, actor="ada").ending, "the lease was given back"


def test_a_lost_install_of_the_candidate_is_waited_for(
    app: App, simulator: Simulator, first: Certificate, clock: LaterClock, rotate: Rotate
) -> None:
    """While the candidate's own install may still land, restoring is refused and says until when; then it closes."""
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="before"))
    simulator.faults.add(Fault("netsuite.restlet", "403", action="sign", skip=1, times=None))
    parked = rotate()
    simulator.faults.clear()
    assert parked.failure
    assert (State.KEY_GENERATED, True) == (parked.position, parked.doubt_since is not None)
    with pytest.raises(IllegalMove, match="may still take effect, until"):
        app.remedies.restore(parked.id, actor="ada")
    clock.ahead = timedelta(minutes=10)
    restored = app.remedies.restore(parked.id, actor="ada")
    assert (Ending.RESTORED, None, ["restore"]) == (restored.ending, restored.skew_from, events(app, parked))
    assert [first.fingerprint] == installed(simulator.history.entries()), "it never landed, so nothing was sent"


# --- adopt ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def foreign(simulator: Simulator, first: Certificate, rotate: Rotate) -> Rotation:
    """A second rotation, parked because somebody else replaced NetSuite's certificate."""
    del first
    simulator.netsuite.record.reset("foreign")
    parked = rotate()
    assert parked.failure
    assert parked.failure.code == "FOREIGN_ROTATION"
    return parked


def finish(simulator: Simulator) -> str:
    """Let the stranger save his certificate in OpenAir too; return its fingerprint."""
    held = simulator.netsuite.record.held
    assert held
    simulator.openair.settings.save_outside(held.pair.certificate_pem())
    return held.pair.fingerprint


def test_adopting_accepts_what_both_sides_hold(
    app: App, simulator: Simulator, first: Certificate, foreign: Rotation
) -> None:
    """The vendor's own rotation is accepted: current, due in its own window, without a key of ours; nothing is sent."""
    stranger = finish(simulator)
    made_first = app.rotations.recent()[-1]
    before = (installed(simulator.history.entries()), saved(simulator.history.entries()))
    adopted = app.remedies.adopt(foreign.id, actor="ada", reason="the vendor rotated")
    connection = app.connections.show(NAME)
    assert connection.current
    assert connection.due_at
    assert (stranger, Ending.ADOPTED) == (connection.current.fingerprint, adopted.ending)
    assert 7 <= (connection.current.not_after - connection.due_at).days <= 14
    assert [False, False] == kept_keys(app, made_first, foreign)
    assert before == (installed(simulator.history.entries()), saved(simulator.history.entries()))
    assert ((), "project=T") == (app.checks.health(NAME).problems, simulator.imports.send())
    assert (_without_key(adopted), ["adopt"]) == (app.rotations.show(foreign.id), events(app, foreign))
    assert first != connection.current
    app.upkeep.verify_journal()


def test_an_adopted_certificate_is_replaced_like_any_other(
    app: App, simulator: Simulator, foreign: Rotation, rotate: Rotate
) -> None:
    """The next rotation expects the adopted certificate, and takes it for nobody's foreign one."""
    stranger = finish(simulator)
    app.remedies.adopt(foreign.id, actor="ada")
    done = rotate()
    assert done.previous
    assert (State.COMPLETED, stranger) == (done.state, done.previous.fingerprint)


def test_half_a_change_is_not_adopted(app: App, foreign: Rotation) -> None:
    """While OpenAir holds another certificate than NetSuite, nothing is accepted and nothing changed."""
    before = app.connections.show(NAME)
    with pytest.raises(Drift):
        app.remedies.adopt(foreign.id, actor="ada")
    assert (foreign, before) == (app.rotations.show(foreign.id), app.connections.show(NAME))


def test_what_somebody_put_back_keeps_its_key(
    app: App, simulator: Simulator, clock: LaterClock, first: Certificate, stuck: Rotation, carry: Carry
) -> None:
    """Adopting the previous certificate itself changes nothing of it: current, due when it was, its key kept."""
    made_first = app.rotations.recent()[-1]
    kept = app.store.kept_key(first)
    assert kept
    _install(app, *kept)
    clock.ahead = timedelta(minutes=1)  # NetSuite has to prove itself again
    foreign = carry(app.rotations.resume(stuck.id, actor="ada"))
    assert foreign.failure
    assert foreign.failure.code == "FOREIGN_ROTATION"
    before = app.connections.show(NAME)
    simulator.faults.clear()
    adopted = app.remedies.adopt(foreign.id, actor="ada")
    assert (Ending.ADOPTED, before) == (adopted.ending, app.connections.show(NAME))
    assert [True, False] == kept_keys(app, made_first, stuck)


def _install(app: App, maker: str, made: Candidate) -> None:
    """Put into NetSuite what the rotation ``maker`` made, as if somebody else had the key too."""
    ports = app.connect(NAME)
    key, deadline = ports.keys.open(maker, made), app.clock.now() + timedelta(minutes=1)
    ports.netsuite.install(made.certificate, key, Challenge.of(bytes(32)), deadline=deadline, create=False)


def test_our_own_certificate_is_not_adopted(app: App, simulator: Simulator, foreign: Rotation) -> None:
    """When both sides turn out to hold the rotation's own candidate, resuming is the way: its key is not destroyed."""
    assert foreign.candidate
    _install(app, foreign.id, foreign.candidate)
    simulator.openair.settings.save_outside(foreign.candidate.certificate.pem)
    with pytest.raises(IllegalMove, match="own certificate") as caught:
        app.remedies.adopt(foreign.id, actor="ada")
    assert "Run `keyturn rotation resume ID`." == caught.value.next_action
    assert [True] == kept_keys(app, foreign)


def test_adopting_is_not_stored_over_a_change(
    app: App, simulator: Simulator, foreign: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resumed by somebody else while the systems were asked, the rotation is not closed."""
    finish(simulator)
    ports = app.connect(NAME)
    sign = ports.netsuite.sign

    def resume(challenge: Challenge) -> str:
        app.rotations.resume(foreign.id, actor="bob")
        return sign(challenge)

    monkeypatch.setattr(ports.netsuite, "sign", resume)
    with pytest.raises(Stale):
        app.remedies.adopt(foreign.id, actor="ada")
    assert app.rotations.show(foreign.id).is_open
