"""Abandoning: a candidate in doubt is given up when NetSuite shows that it does not hold it.

So no rotation blocks its connection permanently.
"""

from datetime import timedelta

import pytest
from integration.fixture_types import Carry, Rotate
from integration.recovery.evidence import events, kept_keys
from support.advice import commands
from support.clock import OffsetClock
from support.environment import NAME
from support.factories import changed
from support.request_history import installed
from support.stopping import StopAt

from orchestrator.bootstrap import Keyturn
from persistence import models
from simulator import Fault, Simulator
from states.certificate import Challenge
from states.errors import IllegalMove, KeyturnError, SignInRefused, Stale, TryLater
from states.next_action import Verb
from states.rotation import Ending, Rotation
from states.state import State
from states.timing import HOLD_OFF

LOST = Fault("netsuite.restlet", "reset", action="install", when="before")
REFUSED = Fault("netsuite.restlet", "error", action="install", code="INVALID_CERTIFICATE", times=None)
LATER = HOLD_OFF + timedelta(seconds=1)


@pytest.fixture
def refused(clock: OffsetClock, simulator: Simulator, rotate: Rotate) -> Rotation:
    """A parked set-up: the answer to one install was lost, and NetSuite has refused the certificate since."""
    del clock
    simulator.faults.add(LOST, REFUSED)
    parked = rotate()
    assert parked.failure
    assert ("REFUSED", State.KEY_GENERATED, True) == (
        parked.failure.code,
        parked.position,
        parked.doubt.since is not None,
    )
    return parked


def test_a_candidate_that_netsuite_does_not_hold_is_abandoned(
    app: Keyturn, simulator: Simulator, clock: OffsetClock, refused: Rotation, rotate: Rotate
) -> None:
    """After the hold-off NetSuite is asked; then the key is destroyed, and another rotation can begin."""
    with pytest.raises(IllegalMove, match="may still take effect"):
        app.recovery.abandon(refused.id, actor="ada")
    clock.ahead = LATER
    closed = app.recovery.abandon(refused.id, actor="ada", reason="refused for good")
    assert (Ending.ABANDONED, None, [False]) == (closed.ending, closed.doubt.since, kept_keys(app, closed))
    assert (["abandon"], []) == (events(app, refused), installed(simulator.history.entries()))
    detail = app.rotations.journal(refused.id)[-1].detail
    assert refused.proofs.candidate
    assert ("refused for good", refused.proofs.candidate.fingerprint, 2) == (
        detail["reason"],
        detail["fingerprint"],
        len(detail["looks"]),  # type: ignore[arg-type]
    )
    simulator.faults.clear()
    assert State.COMPLETED is rotate().state
    app.journal.verify()


def test_what_netsuite_ended_holds_nothing_off(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """Refused before the save, a rotation is abandoned once NetSuite was asked, and the next one need not wait."""
    cabinet = simulator.netsuite.record.file_cabinet
    folder = cabinet.create_folder(name="Keyturn private files of user 17", private=False)
    parked = rotate()
    assert parked.failure
    assert ("REFUSED", None) == (parked.failure.code, parked.doubt.in_flight_until)
    assert parked.doubt.since
    closed = app.recovery.abandon(parked.id, actor="ada")
    assert (Ending.ABANDONED, 2) == (closed.ending, len(app.rotations.journal(parked.id)[-1].detail["looks"]))  # type: ignore[arg-type]
    cabinet._folders.pop(folder)
    assert State.COMPLETED is rotate().state


def test_a_corrupt_key_can_be_abandoned(app: Keyturn, simulator: Simulator, clock: OffsetClock, carry: Carry) -> None:
    """A rotation in doubt whose sealed key is corrupt can be abandoned, which is the only way to end it."""
    _, claim = app.rotations.request_and_claim(NAME, actor="tester")
    assert claim
    with app.engine(StopAt(State.KEY_GENERATED)) as engine:
        made = engine.run(claim)
    assert app.store.claims.claim("dead", lease=-1, now=made.available_at, rotation_id=made.id)
    with app.store._database.writing() as tx:
        tx.execute(models.certificates.update().values(sealed_key=bytes(64)))
    parked = carry(made)
    assert parked.failure
    assert ("SEAL_BROKEN", True) == (parked.failure.code, parked.doubt.since is not None)
    clock.ahead = LATER
    verbs = app.rotations.explain(parked.id).verbs
    assert {"watch", "resume", "abandon"} == {action.verb.value for action, why_not in verbs if not why_not}
    assert Ending.ABANDONED is app.recovery.abandon(parked.id, actor="ada").ending
    assert [] == installed(simulator.history.entries())


def test_a_late_install_is_not_abandoned(
    app: Keyturn, simulator: Simulator, clock: OffsetClock, refused: Rotation, carry: Carry
) -> None:
    """If NetSuite signs with the candidate, abandoning is refused, and resuming completes the rotation."""
    assert refused.proofs.candidate
    ports = app.connect(NAME)
    key, deadline = ports.keys.open(refused.id, refused.proofs.candidate), app.clock.now() + timedelta(minutes=1)
    simulator.faults.clear()
    ports.netsuite.install(
        refused.proofs.candidate.certificate,
        key,
        Challenge.of(bytes(32)),
        deadline=deadline,
        create=True,
        warn=lambda _: None,
    )
    clock.ahead = LATER
    with pytest.raises(IllegalMove, match="going on helps") as caught:
        app.recovery.abandon(refused.id, actor="ada")
    assert ["rotation resume ID"] == commands(caught.value.next_action)
    assert ([True], refused) == (kept_keys(app, refused), app.rotations.show(refused.id))
    assert State.COMPLETED is carry(app.rotations.resume(refused.id, actor="ada")).state


@pytest.mark.parametrize(("kind", "error"), [("503", TryLater), ("401", SignInRefused)])
def test_a_system_that_cannot_be_asked_prevents_abandoning(
    app: Keyturn,
    simulator: Simulator,
    clock: OffsetClock,
    refused: Rotation,
    kind: str,
    error: type[KeyturnError],
) -> None:
    """If NetSuite is down or refuses the sign-in, abandoning is refused, and the next action is to repeat it."""
    clock.ahead = LATER
    simulator.faults.add(Fault("netsuite.restlet", kind, action="sign", times=None))
    with pytest.raises(error) as caught:
        app.recovery.abandon(refused.id, actor="ada")
    assert caught.value.next_action.leads_to(Verb.REPEAT)
    assert refused == app.rotations.show(refused.id)


def test_a_placeholder_that_cannot_sign_is_not_the_candidate(
    app: Keyturn, simulator: Simulator, clock: OffsetClock, refused: Rotation
) -> None:
    """A placeholder in NetSuite's report proves that the candidate is not there, although it cannot sign."""
    clock.ahead = LATER
    simulator.netsuite.record.reset("placeholder")
    simulator.faults.add(Fault("netsuite.restlet", "error", action="sign", code="SIGNING_FAILED", times=None))
    assert Ending.ABANDONED is app.recovery.abandon(refused.id, actor="ada").ending


def test_a_candidate_that_was_never_sent_is_abandoned(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """Also without a doubt NetSuite is asked twice; OpenAir may be down."""
    simulator.faults.add(Fault("openair.api", "401", times=None))
    parked = rotate()
    assert (State.KEY_GENERATED, None) == (parked.position, parked.doubt.since)
    before = len(simulator.history.entries())
    assert Ending.ABANDONED is app.recovery.abandon(parked.id, actor="ada").ending
    assert ["sign", "sign"] == [entry.action for entry in simulator.history.entries()[before:]]


def test_a_save_that_swaps_and_then_throws_is_found(simulator: Simulator, rotate: Rotate) -> None:
    """NetSuite's save() swaps the key and throws: the look after it finds the candidate, and the rotation completes."""
    simulator.netsuite.record.save_throws = "UNEXPECTED_ERROR"
    assert State.COMPLETED is rotate().state
    assert 1 == len(installed(simulator.history.entries()))


def test_a_refused_install_that_shows_late_is_not_abandoned(
    app: Keyturn, simulator: Simulator, clock: OffsetClock, rotate: Rotate
) -> None:
    """NetSuite shows a refused install only after both looks: abandoning looks again, and keeps the key in use."""
    simulator.faults.add(Fault("netsuite.restlet", "error", "install", when="after", code="INVALID_CERTIFICATE"))
    simulator.faults.add(Fault("netsuite.restlet", "stale", "install", seconds=30))
    parked = rotate()
    assert parked.failure
    assert "REFUSED" == parked.failure.code
    clock.ahead = simulator.clock.offset = LATER
    with pytest.raises(IllegalMove, match="signs with this rotation's own certificate"):
        app.recovery.abandon(parked.id, actor="ada")
    assert [True] == kept_keys(app, parked)


def test_a_change_meanwhile_is_not_overwritten(
    app: Keyturn, clock: OffsetClock, refused: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the rotation is resumed while NetSuite is asked, it stays open."""
    clock.ahead = LATER
    ports = app.connect(NAME)
    sign = ports.netsuite.sign

    def resume(challenge: Challenge) -> str:
        if app.rotations.show(refused.id).state is State.FAILED:
            app.rotations.resume(refused.id, actor="bob")
        return sign(challenge)

    monkeypatch.setattr(ports.netsuite, "sign", resume)
    with pytest.raises(Stale):
        app.recovery.abandon(refused.id, actor="ada")
    assert app.rotations.show(refused.id).is_open


def test_a_confirmed_candidate_is_never_abandoned(app: Keyturn, clock: OffsetClock, stuck: Rotation) -> None:
    """During the outage a rotation can be resumed or restored, but not abandoned."""
    clock.ahead = LATER
    with pytest.raises(IllegalMove, match="has proved that it holds its certificate"):
        app.recovery.abandon(stuck.id, actor="ada")
    assert changed(stuck, previous_key_kept=True) == app.rotations.show(stuck.id)
