"""Recovery of connections for which a person saves the certificate in OpenAir and reports what it holds."""

import re
from dataclasses import replace
from typing import Any

import pytest
from integration.fixture_types import Carry, Rotate
from support.advice import commands, text
from support.clock import OffsetClock
from support.environment import NAME
from support.factories import changed

from orchestrator.adapters.openair_manual import with_persons_reading
from orchestrator.bootstrap import Keyturn
from persistence.store import Rotations
from simulator import Fault, Simulator
from states.connection import OpenAirKind, OpenAirSettings
from states.errors import Drift, IllegalMove, InvalidInput, Stale
from states.next_action import Verb
from states.rotation import Ending, Rotation
from states.state import State


@pytest.fixture(autouse=True)
def by_hand(app: Keyturn, clock: OffsetClock) -> None:
    """A person saves the certificate in OpenAir."""
    del clock  # requested first, so that the application is built with it
    openair = OpenAirSettings(kind=OpenAirKind.EXPORT)
    app.connections.edit(replace(app.connections.show(NAME), openair=openair), {}, actor="tester")


@pytest.fixture
def confirmed(app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry) -> Rotation:
    """A first rotation that a person saved and confirmed."""
    waiting = carry(app.rotations.begin(rotate().id, actor="ada"))
    assert waiting.proofs.candidate
    simulator.openair.settings.save_outside(waiting.proofs.candidate.certificate.pem)
    return carry(app.rotations.confirm(waiting.id, waiting.proofs.candidate.fingerprint, actor="ada"))


@pytest.fixture
def waiting(app: Keyturn, confirmed: Rotation, rotate: Rotate, carry: Carry) -> Rotation:
    """A second rotation, which waits until a person saved its certificate."""
    del confirmed
    asked = carry(app.rotations.begin(rotate().id, actor="ada"))
    assert asked.awaits_person
    return asked


def test_no_outage_begins_unattended(app: Keyturn, simulator: Simulator, confirmed: Rotation, carry: Carry) -> None:
    """A connection that is due is not rotated; where the policy starts it, it waits in KeyGenerated for a person. The
    file is written once NetSuite has confirmed the certificate, and not before.
    """
    assert confirmed
    with app.store._database.writing() as tx:
        tx.exec_driver_sql("UPDATE connections SET due_at = '2026-01-01 00:00:00.000000'")
    assert ([], False) == (app.schedule.start_due(actor="cron").started, app.connections.show(NAME).is_automatic)
    connection = app.connections.show(NAME)
    started_by_hand = replace(connection.policy, starts_by_hand=True)
    app.connections.edit(replace(connection, policy=started_by_hand), {}, actor="tester")
    files = set(app.settings.export_folder.iterdir())
    (started,) = app.schedule.start_due(actor="cron").started
    before = simulator.netsuite.record.fingerprint
    waiting = carry(started)
    assert (State.KEY_GENERATED, True, before) == (
        waiting.state,
        waiting.awaits_person,
        simulator.netsuite.record.fingerprint,
    )
    assert [f"rotation begin {waiting.id}"] == commands(app.rotations.explain(waiting.id).next_action)
    assert files == set(app.settings.export_folder.iterdir())
    with pytest.raises(IllegalMove, match="waits for a person's confirmation"):
        app.rotations.confirm(waiting.id, "00" * 32, actor="ada")
    uploaded = carry(app.rotations.begin(waiting.id, actor="ada"))
    assert (State.UPLOADED_TO_NETSUITE, True) == (uploaded.state, uploaded.awaits_person)
    assert uploaded.proofs.candidate
    (file,) = set(app.settings.export_folder.iterdir()) - files
    assert uploaded.proofs.candidate.certificate.pem == file.read_text()
    assert uploaded.proofs.candidate.fingerprint[:8] not in file.name + text(
        app.rotations.explain(waiting.id).next_action
    )
    with pytest.raises(IllegalMove, match="does not wait for a person"):
        app.rotations.begin(waiting.id, actor="ada")


def test_a_late_confirmation_is_refused(
    app: Keyturn, monkeypatch: pytest.MonkeyPatch, confirmed: Rotation, waiting: Rotation
) -> None:
    """A confirmation after a restore is refused, and nothing of it is stored."""
    assert confirmed.proofs.candidate
    assert waiting.proofs.candidate
    write, previous = Rotations.write, confirmed.proofs.candidate.fingerprint

    def late(store: Rotations, before: Rotation, *args: Any, **more: Any) -> Rotation:
        monkeypatch.setattr(Rotations, "write", write)
        app.rotations.park(waiting.id, actor="bob")
        assert Ending.RESTORED is app.recovery.restore(waiting.id, actor="bob", seen=previous).ending
        return write(store, before, *args, **more)

    monkeypatch.setattr(Rotations, "write", late)
    with pytest.raises(Stale):
        app.rotations.confirm(waiting.id, waiting.proofs.candidate.fingerprint, actor="ada")
    assert confirmed.proofs.candidate.certificate == app.store.connections.confirmed_export(NAME)
    assert () == app.health.health(NAME).problems


def park(app: Keyturn, rotation: Rotation) -> None:
    """Park the rotation, so that it can be closed."""
    app.rotations.park(rotation.id, actor="bob")


def test_restore_needs_the_fingerprint(app: Keyturn, simulator: Simulator, waiting: Rotation) -> None:
    """Without OpenAir's fingerprint a restore is refused; the command in `explain` has the option."""
    park(app, waiting)
    before, sent = app.rotations.show(waiting.id), len(simulator.history.entries())
    with pytest.raises(InvalidInput, match="Only a person can see") as caught:
        app.recovery.restore(waiting.id, actor="bob")
    assert "give the SHA-256 that OpenAir shows as the fingerprint" in text(caught.value.next_action)
    assert (before, sent) == (app.rotations.show(waiting.id), len(simulator.history.entries()))
    (restore,) = (it for it, _ in app.rotations.explain(waiting.id).verbs if it.verb is Verb.RESTORE)
    assert [f"rotation restore {waiting.id} --fingerprint"] == commands(restore)


def test_a_saved_candidate_is_not_restored(app: Keyturn, simulator: Simulator, waiting: Rotation) -> None:
    """If OpenAir shows the candidate, a restore is refused, and the next action is to resume."""
    assert waiting.proofs.candidate
    simulator.openair.settings.save_outside(waiting.proofs.candidate.certificate.pem)
    park(app, waiting)
    with pytest.raises(IllegalMove, match="OpenAir holds this rotation's own certificate"):
        app.recovery.restore(waiting.id, actor="bob", seen=waiting.proofs.candidate.fingerprint)
    assert "project=T" == simulator.import_requests.send()


def test_restore_of_the_certificate_in_openair(
    app: Keyturn, simulator: Simulator, confirmed: Rotation, waiting: Rotation
) -> None:
    """If OpenAir shows the previous certificate, in any notation, a restore succeeds and imports are accepted."""
    assert confirmed.proofs.candidate
    park(app, waiting)
    shown = ":".join(re.findall("..", confirmed.proofs.candidate.fingerprint.upper()))
    assert Ending.RESTORED is app.recovery.restore(waiting.id, actor="bob", seen=shown).ending
    assert ("project=T", ()) == (simulator.import_requests.send(), app.health.health(NAME).problems)


def test_restore_corrects_the_last_confirmation(
    app: Keyturn, simulator: Simulator, carry: Carry, confirmed: Rotation, waiting: Rotation
) -> None:
    """The fingerprint that OpenAir shows now counts, and replaces the last confirmation."""
    assert confirmed.proofs.candidate
    assert waiting.proofs.candidate
    simulator.faults.add(Fault("netsuite.restlet", "503", action="sign", times=None))
    carry(app.rotations.confirm(waiting.id, waiting.proofs.candidate.fingerprint, actor="ada"))
    simulator.faults.clear()
    park(app, waiting)
    app.recovery.restore(waiting.id, actor="bob", seen=confirmed.proofs.candidate.fingerprint)
    assert confirmed.proofs.candidate.certificate == app.store.connections.confirmed_export(NAME)
    assert ("project=T", ()) == (simulator.import_requests.send(), app.health.health(NAME).problems)


def test_an_unknown_certificate_is_overwritten(
    app: Keyturn, simulator: Simulator, confirmed: Rotation, rotate: Rotate, carry: Carry
) -> None:
    """A foreign certificate in both systems cannot be adopted here; the offered resume replaces it.

    Keyturn knows only its fingerprint, so it cannot verify NetSuite's signature.
    """
    del confirmed
    simulator.netsuite.record.reset("foreign")
    theirs = simulator.netsuite.record.held
    assert theirs
    simulator.openair.settings.save_outside(theirs.pair.certificate_pem())
    parked = rotate()
    advice = app.rotations.explain(parked.id).next_action
    again, adopt = f"rotation resume {parked.id}", f"rotation adopt {parked.id} --fingerprint"
    assert [again, adopt, f"{again} --overwrite"] == commands(advice)
    assert "only a certificate that Keyturn knows already can be adopted" in text(advice)
    with pytest.raises(Drift, match="does not know") as caught:
        app.recovery.adopt(parked.id, actor="ada", seen=theirs.pair.fingerprint)
    assert "rotation resume ID --overwrite" in commands(caught.value.next_action)
    unbegun = carry(app.rotations.resume(parked.id, actor="ada", overwrite=True))
    waiting = carry(app.rotations.begin(unbegun.id, actor="ada"))
    assert waiting.proofs.candidate
    simulator.openair.settings.save_outside(waiting.proofs.candidate.certificate.pem)
    carry(app.rotations.confirm(waiting.id, waiting.proofs.candidate.fingerprint, actor="ada"))
    assert ("project=T", ()) == (simulator.import_requests.send(), app.health.health(NAME).problems)


def test_a_foreign_certificate_in_netsuite_alone_is_not_adopted(
    app: Keyturn, simulator: Simulator, confirmed: Rotation, rotate: Rotate
) -> None:
    """If OpenAir shows a known certificate that NetSuite does not sign with, adopting is refused."""
    assert confirmed.proofs.candidate
    simulator.netsuite.record.reset("foreign")
    parked = rotate()
    with pytest.raises(Drift, match="signs with another key") as caught:
        app.recovery.adopt(parked.id, actor="ada", seen=confirmed.proofs.candidate.fingerprint)
    assert "rotation resume ID --overwrite" in commands(caught.value.next_action)


def test_a_fingerprint_is_refused_if_keyturn_reads_openair(app: Keyturn, waiting: Rotation) -> None:
    """If Keyturn reads OpenAir itself, a fingerprint from a person is refused."""
    by_keyturn = changed(waiting, by_hand=False)
    with pytest.raises(InvalidInput, match="reads this OpenAir itself"):
        with_persons_reading(by_keyturn, app.connect(NAME), "00")
