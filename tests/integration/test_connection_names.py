"""Connections that are removed and renamed, as the verbs do it: with secrets that open and workers that know."""

from contextlib import nullcontext
from dataclasses import astuple, replace
from datetime import timedelta

import pytest
from integration.fixture_types import Rotate
from support.environment import NAME, connect

from orchestrator.adapters.openair_auth import Grant
from orchestrator.bootstrap import Keyturn
from orchestrator.secrets import SecretName, Secrets
from simulator import Fault, Simulator
from states.errors import HeldOff, InvalidInput, NotFound, RotationOpen, SealBroken, TryLater
from states.rotation import Cause
from states.state import State


def test_a_renamed_connection_rotates(app: Keyturn, rotate: Rotate) -> None:
    """Its secrets open for its new name and for no other; under that name it is checked and rotated."""
    first = rotate()
    sealed = app.store.secrets.all_of(NAME)
    assert sealed
    renamed = app.connections.rename(app.connections.show(NAME), "bolt", actor="ada")
    assert first.proofs.candidate
    assert first.proofs.candidate.certificate == renamed.current
    resealed = app.store.secrets.all_of("bolt")
    for name in sealed:
        with pytest.raises(SealBroken):
            Secrets(app.store, app.vault, renamed).open(name, sealed[name][0])
        assert Secrets(app.store, app.vault, replace(renamed, name=NAME)).open(name, sealed[name][0]) == Secrets(
            app.store, app.vault, renamed
        ).open(name, resealed[name][0])
    rotation, claim = app.rotations.request_and_claim("bolt", actor="ada")
    assert claim
    with app.engine() as engine:
        assert State.COMPLETED is engine.run(claim).state
    assert Cause.MANUAL is rotation.cause


def test_a_name_must_be_valid(app: Keyturn) -> None:
    """What is no connection's name is refused before anything is changed."""
    with pytest.raises(InvalidInput, match="not a connection name"):
        app.connections.rename(app.connections.show(NAME), "No Name", actor="ada")
    assert SecretName.NETSUITE_KEY in app.connections.secrets_of(NAME)


def test_a_removed_connection_is_not_started(app: Keyturn, simulator: Simulator) -> None:
    """A connection that is due is started by no schedule once it is removed; added again, it is."""
    assert [NAME] == app.schedule.all_due()
    app.connections.remove(app.connections.show(NAME), actor="ada")
    assert [] == app.schedule.all_due()
    app.schedule.start_due(actor="schedule")
    assert [] == app.rotations.unfinished()
    with pytest.raises(NotFound):
        app.rotations.request(NAME, actor="ada")
    connect(app, simulator.credentials)
    assert [NAME] == app.schedule.all_due()


def test_a_connection_that_is_removed_while_it_is_started_is_no_failure(
    app: Keyturn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schedule that has read that it is due, and then finds it gone, has started nothing and failed in nothing."""
    monkeypatch.setattr(app.store.deadlines, "due", lambda _now, _limit: ["gone"])
    assert ([], [], []) == astuple(app.schedule.start_due(actor="schedule"))


def test_a_parked_rotation_keeps_its_connection(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """Refused with the rotation's name, before a person is asked and again when it is done."""
    simulator.faults.add(Fault("netsuite.restlet", "302", times=None))
    parked = rotate()
    for refused in (
        lambda: app.connections.check_removable(app.connections.show(NAME)),
        lambda: app.connections.remove(app.connections.show(NAME), actor="ada"),
        lambda: app.connections.rename(app.connections.show(NAME), "bolt", actor="ada"),
    ):
        with pytest.raises(RotationOpen, match=parked.id):
            refused()


def test_another_connection_of_a_former_name_is_another(app: Keyturn, rotate: Rotate, simulator: Simulator) -> None:
    """A process that kept the ports of a connection does not use them for another one that has its name now."""
    rotate()
    before = app.connect(NAME)
    app.connections.remove(app.connections.show(NAME), actor="ada")
    connect(app, simulator.credentials)
    assert before is not app.connect(NAME)


def test_the_rotations_of_a_removed_connection_are_shown(app: Keyturn, rotate: Rotate) -> None:
    """They are listed, explained and verified as before, by its name too."""
    done = rotate()
    app.connections.remove(app.connections.show(NAME), actor="ada")
    assert [done.id] == [each.id for each in app.lists.rotations(connection=NAME).items]
    assert done.id == app.rotations.explain(NAME).rotation.id
    assert app.rotations.journal(done.id) == [
        entry for _, entry in app.lists.journal(since=done.created_at, connection=NAME)
    ]


@pytest.mark.parametrize("is_over", [False, True])
def test_a_rename_waits_for_tokens_that_are_renewed(app: Keyturn, *, is_over: bool) -> None:
    """Another process stores OpenAir's next refresh token under the name that it began with: it must not be lost."""
    _note_refresh(app, is_over=is_over)
    with nullcontext() if is_over else pytest.raises(TryLater, match="Another worker is renewing"):
        app.connections.rename(app.connections.show(NAME), "bolt", actor="ada")
    assert ["bolt" if is_over else NAME] == [each.name for each in app.connections.all()]


@pytest.mark.parametrize("is_over", [False, True])
def test_another_url_waits_for_tokens_that_are_renewed(app: Keyturn, *, is_over: bool) -> None:
    """Another process stores OpenAir's next refresh token sealed for the hosts that it began with."""
    _note_refresh(app, is_over=is_over)
    before = app.connections.show(NAME)
    after = replace(before, openair=replace(before.openair, url="https://moved.app.openair.com"))
    with nullcontext() if is_over else pytest.raises(TryLater, match="Another worker is renewing"):
        app.connections.edit(after, {}, actor="ada")
    expected = after if is_over else before
    assert expected.openair == app.connections.show(NAME).openair


def _note_refresh(app: Keyturn, *, is_over: bool) -> None:
    """Store what a worker stores before it renews OpenAir's tokens, with an end that is over or not."""
    secrets = Secrets(app.store, app.vault, app.connections.show(NAME))
    found = secrets.get(SecretName.OPENAIR_REFRESH_TOKEN)
    assert found
    until = app.clock.now() + timedelta(seconds=-1 if is_over else 30)
    note = replace(Grant.from_bytes(found[0]), refreshing_until=until, in_doubt=True)
    secrets.replace(SecretName.OPENAIR_REFRESH_TOKEN, note.to_bytes(), found[1])


def test_a_lost_request_keeps_its_connection(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """A removal that would be refused until a lost request can no longer take effect is refused when it is checked."""
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="after"))
    assert State.COMPLETED is rotate().state
    with pytest.raises(HeldOff):
        app.connections.check_removable(app.connections.show(NAME))
