"""Where OpenAir does not take the certificate, the engine restores the previous one by itself."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from integration.engine.environment import LEASE, EngineEnvironment, about, allow_one_try, extra
from support.factories import a_certificate, changed, pair_of

from orchestrator import retry
from persistence.journal import POSTPONED, RESTORE_REFUSED
from states import steps
from states.certificate import Certificate
from states.connection import OnRefusal, Policy
from states.errors import CannotSign, NotPermitted, Refused, TryLater, Unknown
from states.rotation import Ending, Rotation
from states.state import State
from states.table import FAIL, RESTORE, RESTORING
from states.timing import HOLD_OFF, TRY_AGAIN_AFTER

NO = Refused("OpenAir takes nothing.")


@pytest.fixture
def first(environment: EngineEnvironment) -> Certificate:
    """The certificate of a completed first rotation, which both systems hold and whose key is kept."""
    done = environment.run()
    assert done.proofs.candidate
    environment.systems.calls.clear()
    environment.systems.events.clear()
    environment.heard.clear()
    return done.proofs.candidate.certificate


def parked(environment: EngineEnvironment, *errors: Exception, policy: Policy | None = None) -> Rotation:
    """A second rotation, parked because OpenAir refuses its certificate."""
    environment.systems.will_fail("openair.save", *(errors or (NO,)))
    return environment.engine.run(environment.begin(number=2, policy=policy or Policy()))


def test_what_netsuite_could_not_do_is_journaled(environment: EngineEnvironment, first: Certificate) -> None:
    """The restore has the warnings of its own install."""
    assert first
    environment.systems.netsuite.warnings = ["Delete the key file."]
    restored = environment.go_on(parked(environment))
    detail = environment.last(restored).detail
    assert (Ending.RESTORED, ["Delete the key file."]) == (restored.ending, detail["warnings"])


def events(environment: EngineEnvironment, rotation: Rotation) -> list[str]:
    """The events of the rotation's journal since the upload."""
    return [entry.event for entry in environment.entries(rotation)][3:]


def test_a_refused_save_is_undone(
    environment: EngineEnvironment, first: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker restores the previous certificate at once; it is proved and closed, and OpenAir is not written again."""
    waiting = parked(environment)
    assert (State.FAILED, False, waiting.updated_at) == (waiting.state, waiting.awaits_person, waiting.available_at)
    caplog.clear()
    restored = environment.go_on(waiting)
    assert (State.FAILED, Ending.RESTORED, False) == (restored.state, restored.ending, restored.is_open)
    assert first == environment.systems.openair.held
    assert environment.systems.netsuite.holds
    assert first == environment.systems.netsuite.holds.certificate
    assert [] == environment.systems.saved
    assert [FAIL, RESTORING, RESTORE] == events(environment, restored)
    assert "REFUSED: OpenAir takes nothing." == environment.last(restored).detail["reason"]


def test_the_restore_raises_the_alarm_and_the_next_try_is_a_day_later(
    environment: EngineEnvironment, first: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says at error level why, and when the connection is due again."""
    assert first
    waiting = parked(environment)
    due = environment.store.connections.get("acme")
    environment.store.connections.save(due)
    with environment.store._database.writing() as tx:
        tx.exec_driver_sql("UPDATE connections SET due_at = '2026-01-01 00:00:00.000000'")
    caplog.clear()
    restored = environment.go_on(waiting)
    assert restored.closed_at
    next_try = restored.closed_at + TRY_AGAIN_AFTER
    assert next_try == environment.store.connections.get("acme").due_at
    record = next(each for each in caplog.records if each.message == "previous certificate restored")
    assert logging.ERROR == record.levelno
    said = {"code": "REFUSED", "reason": "OpenAir takes nothing.", "next_try": next_try}
    assert {**about(restored), **said} == extra(record)


def test_a_later_due_moment_stays(environment: EngineEnvironment, first: Certificate) -> None:
    """A rotation that was not due yet, because a person began it, is not repeated before its moment."""
    assert first
    waiting, before = parked(environment), environment.store.connections.get("acme").due_at
    environment.go_on(waiting)
    assert before == environment.store.connections.get("acme").due_at


def test_an_exhausted_policy_is_undone_after_the_hold_off(
    environment: EngineEnvironment, first: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save whose answer was lost may still take effect: until then nothing is sent, by a worker or a person."""
    allow_one_try(monkeypatch, steps.save_to_openair)
    waiting = parked(environment, Unknown("The answer was lost."))
    assert waiting.failure
    assert ("GAVE_UP", waiting.doubt.in_flight_until) == (
        waiting.failure.code,
        waiting.available_at - timedelta.resolution,
    )
    assert HOLD_OFF < waiting.available_at - waiting.failure.at + timedelta(seconds=5)
    in_flight = waiting.doubt.in_flight_until
    assert environment.store.claims.claim("w2", lease=LEASE, now=in_flight, rotation_id=waiting.id) is None
    restored = environment.go_on(waiting)
    assert (Ending.RESTORED, first) == (restored.ending, environment.systems.openair.held)


def test_a_save_that_took_effect_late_is_not_undone(
    environment: EngineEnvironment, first: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When OpenAir is read after the hold-off and holds the candidate, nothing is put back: going on helps."""
    assert first
    allow_one_try(monkeypatch, steps.save_to_openair)
    environment.systems.will_fail("openair.save", Unknown("The answer was lost."), late=60)
    waiting = environment.engine.run(environment.begin(number=2))
    left = environment.go_on(waiting)
    assert waiting.proofs.candidate
    assert (True, True, RESTORE_REFUSED) == (left.is_open, left.awaits_person, environment.last(left).event)
    assert [waiting.proofs.candidate.fingerprint] == environment.systems.installed


@pytest.mark.parametrize("call", ["openair.read", "netsuite.sign", "netsuite.install"])
def test_a_restore_that_cannot_be_done_now_is_done_later(
    environment: EngineEnvironment, first: Certificate, call: str
) -> None:
    """An outage of a system during the restore postpones it; the next try does it."""
    waiting = parked(environment)
    environment.systems.will_fail(call, TryLater("Down."))
    postponed = environment.go_on(waiting)
    assert (POSTPONED, 1, False) == (environment.last(postponed).event, postponed.tries, postponed.awaits_person)
    restored = environment.go_on(postponed)
    assert (Ending.RESTORED, first) == (restored.ending, environment.systems.openair.held)


def test_a_lost_answer_of_the_restore_is_read_back(environment: EngineEnvironment, first: Certificate) -> None:
    """The install of the previous certificate took effect although its answer was lost: it is not sent twice."""
    waiting = parked(environment)
    environment.systems.will_fail("netsuite.install", Unknown("Lost."), applied=True)
    restored = environment.go_on(waiting)
    assert Ending.RESTORED is restored.ending
    assert first.fingerprint == environment.systems.installed[-1]
    assert 2 == len(environment.systems.installed)


def test_a_worker_that_dies_while_it_restores(environment: EngineEnvironment, first: Certificate) -> None:
    """The next worker finishes what was written down, when the lease is over."""
    waiting = parked(environment)
    environment.systems.will_fail("netsuite.install", KeyboardInterrupt("killed"), applied=True)
    claim = environment.store.claims.claim("w2", lease=-1, now=waiting.available_at)
    assert claim
    with pytest.raises(KeyboardInterrupt):
        environment.engine.run(claim)
    interrupted = environment.store.rotations.get(waiting.id)
    assert (True, False) == (bool(interrupted.restoring_since), interrupted.awaits_person)
    with environment.store._database.writing() as tx:
        tx.exec_driver_sql("UPDATE rotations SET lease_until = '2026-01-01 00:00:00.000000' WHERE worker IS NOT NULL")
    restored = environment.go_on(interrupted)
    assert (Ending.RESTORED, [FAIL, RESTORING, RESTORE]) == (restored.ending, events(environment, restored))
    assert first.fingerprint == environment.systems.installed[-1]


def test_a_restore_that_is_refused_is_done_when_that_is_corrected(
    environment: EngineEnvironment, first: Certificate
) -> None:
    """A sign-in that is refused may be corrected: it is tried again, but not so soon that it locks a user out."""
    waiting = parked(environment)
    environment.systems.will_fail("openair.read", NotPermitted("No."))
    postponed = environment.go_on(waiting)
    assert timedelta(minutes=1) <= postponed.available_at - environment.systems.clock.now()
    restored = environment.go_on(postponed)
    assert (Ending.RESTORED, first) == (restored.ending, environment.systems.openair.held)


def test_a_restore_that_does_not_help_waits_for_a_person(
    environment: EngineEnvironment, first: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    """Where no one can tell what a system holds, a person decides; the log says so at error level."""
    assert first
    waiting = parked(environment)
    environment.systems.will_fail("netsuite.sign", CannotSign("Mute."))
    caplog.clear()
    left = environment.go_on(waiting)
    assert (State.FAILED, True, True) == (left.state, left.is_open, left.awaits_person)
    assert (RESTORE_REFUSED, "CANNOT_SIGN") == (environment.last(left).event, environment.last(left).detail["code"])
    assert ("previous certificate not restored", logging.ERROR) in [(r.message, r.levelno) for r in caplog.records]
    assert environment.store.claims.claim("w3", lease=LEASE, now=left.available_at + timedelta(days=9)) is None


def test_a_foreign_certificate_is_not_replaced(environment: EngineEnvironment, first: Certificate) -> None:
    """What someone installed in NetSuite after the refusal stays there: whether to replace it is a person's to say."""
    assert first
    waiting = parked(environment)
    foreign = pair_of(a_certificate())
    environment.systems.netsuite.hold(foreign)
    left = environment.go_on(waiting)
    assert (State.FAILED, True, True) == (left.state, left.is_open, left.awaits_person)
    assert (RESTORE_REFUSED, "FOREIGN_ROTATION") == (
        environment.last(left).event,
        environment.last(left).detail["code"],
    )
    assert foreign == environment.systems.netsuite.holds


def test_a_connection_that_cannot_be_opened(environment: EngineEnvironment, first: Certificate) -> None:
    """Without the ports the restore is postponed; a row that was changed in the database is left to a person."""
    assert first
    waiting = parked(environment)
    environment.refusal = NotPermitted("The vault is locked.")
    postponed = environment.go_on(waiting)
    assert (POSTPONED, False) == (environment.last(postponed).event, postponed.awaits_person)
    claim = environment.store.claims.claim("w2", lease=LEASE, now=postponed.available_at)
    assert claim
    broken = replace(claim, rotation=changed(claim.rotation, broken="It was changed."))
    left = environment.engine.run(broken)
    assert ("TAMPERED", True) == (environment.last(left).detail["code"], left.awaits_person)


def test_the_restore_gives_up_in_the_end(
    environment: EngineEnvironment, first: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that never answers leaves the rotation to a person, with the last error."""
    assert first
    monkeypatch.setattr(retry, "RESTORE", replace(retry.RESTORE, most_postponements=1))
    waiting = parked(environment)
    environment.systems.will_fail("openair.read", TryLater("Down."), TryLater("Still down."))
    left = environment.go_on(environment.go_on(waiting))
    assert ("GAVE_UP", True) == (environment.last(left).detail["code"], left.awaits_person)


def test_a_policy_that_parks(environment: EngineEnvironment, first: Certificate) -> None:
    """With the policy *park* nothing is put back: a person decides."""
    assert first
    left = parked(environment, policy=Policy(on_refusal=OnRefusal.PARK))
    assert (State.FAILED, True) == (left.state, left.awaits_person)
    assert environment.store.claims.claim("w2", lease=LEASE, now=left.available_at + timedelta(days=9)) is None


def test_a_key_that_was_not_kept(environment: EngineEnvironment) -> None:
    """Without the previous certificate's private key there is nothing to put back."""
    environment.systems.will_fail("openair.save", NO)
    left = environment.engine.run(environment.begin())
    assert (State.FAILED, True) == (left.state, left.awaits_person)
