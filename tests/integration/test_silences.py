"""Silences: what they keep from being sent, what they do not hide, and what is sent when they end."""

from datetime import timedelta

import pytest
from integration.fixture_types import Rotate
from integration.test_alert_kinds import Taker, found, routed
from sqlalchemy import update
from support.clock import OffsetClock
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from orchestrator.events import Event, SilenceAdded, SilenceEnded
from orchestrator.operations.alerts import KEPT
from persistence import alert_models
from simulator import Fault, Simulator
from states.alert import Kind, Phase
from states.errors import InvalidInput, NotFound, VaultLocked
from states.rotation import Rotation
from states.silence import Silence

BEGAN, LASTS, ENDED = Phase.BEGAN, Phase.LASTS, Phase.ENDED
NO_SAVE = Fault("openair.api", "401", action="Add", when="before", times=None)


def silence(app: Keyturn, connection: str | None = NAME, kind: Kind | None = None, *, days: int = 2) -> Silence:
    """Silence alerts for some days; return the silence."""
    until = app.clock.now() + timedelta(days=days)
    preview = app.silences.preview(connection, kind, until=until, reason="OpenAir is being moved", actor="ada")
    app.silences.add(preview)
    return preview.silence


def pass_time(app: Keyturn, span: timedelta) -> None:
    """Look and send so much later."""
    assert isinstance(app.clock, OffsetClock)
    app.clock.ahead += span
    app.alerts.look()
    assert not app.alerts.send()


def abandon(app: Keyturn, simulator: Simulator, parked: Rotation) -> None:
    """Close the rotation by the clock of ``app``."""
    assert isinstance(app.clock, OffsetClock)
    simulator.clock.offset = app.clock.ahead
    app.recovery.abandon(parked.id, actor="ada", reason="not now")


def of_parked(taker: Taker) -> list[Phase]:
    """The phases of the messages about the parked rotation: once it is closed, the connection is left alone."""
    return [phase for kind, phase in taker.reported() if kind is Kind.PARKED]


@pytest.fixture
def taker(app: Keyturn) -> Taker:
    """What the one route gets."""
    return routed(app)


@pytest.fixture
def parked(taker: Taker, simulator: Simulator, rotate: Rotate) -> Rotation:
    """A rotation that is parked before it changed anything, of which no message was sent yet."""
    del taker
    simulator.netsuite.record.reset("missing")
    return rotate()


def test_what_is_silenced_is_sent_when_the_silence_is_over(
    app: Keyturn, taker: Taker, simulator: Simulator, parked: Rotation
) -> None:
    """Neither the first message nor a reminder is sent meanwhile; then what lasts is, once, and its all-clear."""
    made = silence(app)
    for _ in range(3):
        pass_time(app, timedelta(hours=15))
    assert [] == taker.reported()
    assert [made.id] == [each.silence for each in app.alerts.newest(9)]
    pass_time(app, timedelta(hours=4))
    pass_time(app, timedelta(hours=1))
    assert [(Kind.PARKED, LASTS)] == taker.reported()
    assert taker.got[0].id.startswith(parked.id)
    abandon(app, simulator, parked)
    pass_time(app, timedelta())
    assert [LASTS, ENDED] == of_parked(taker)


def test_what_no_one_heard_of_has_no_all_clear(
    app: Keyturn, taker: Taker, simulator: Simulator, parked: Rotation
) -> None:
    """It began and ended in a silence: nothing is sent, neither then nor afterwards, and the list says so."""
    silence(app)
    pass_time(app, timedelta())
    abandon(app, simulator, parked)
    pass_time(app, timedelta())
    pass_time(app, timedelta(days=3))
    assert [] == of_parked(taker)
    ours = [each for each in app.alerts.newest(9) if each.message.finding.kind is Kind.PARKED]
    assert [(ENDED, True), (BEGAN, True)] == [(each.message.phase, each.silence is not None) for each in ours]


def test_what_was_reported_before_has_its_all_clear(
    app: Keyturn, taker: Taker, simulator: Simulator, parked: Rotation
) -> None:
    """A receiver that heard of an alert hears that it is over, also in a silence; of a reminder it hears nothing."""
    assert not app.alerts.send()
    silence(app, kind=Kind.PARKED)
    pass_time(app, timedelta(days=1, hours=1))
    abandon(app, simulator, parked)
    pass_time(app, timedelta())
    assert [BEGAN, ENDED] == of_parked(taker)


def test_a_silence_ended_early_lets_go_at_once(app: Keyturn, taker: Taker, parked: Rotation) -> None:
    """Who ended it, and that it was added, with the reason, is an event, and so in the log."""
    events: list[Event] = []
    with app.events.listening(events.append):
        made = silence(app)
        pass_time(app, timedelta())
        app.silences.end(made.id, actor="bob")
        pass_time(app, timedelta())
    assert [(Kind.PARKED, LASTS)] == taker.reported()
    assert parked.connection == made.connection
    of_silences = [each for each in events if isinstance(each, SilenceAdded | SilenceEnded)]
    added = SilenceAdded(made.id, None, NAME, made.until, "OpenAir is being moved", "ada")
    assert [added, SilenceEnded(made.id, "bob")] == of_silences
    with pytest.raises(NotFound):
        app.silences.end(made.id, actor="bob")
    assert [] == app.silences.all(ended=False)
    (listed,) = app.silences.all(ended=True)
    assert ("bob", False, True) == (listed.silence.ended_by, listed.is_active, listed.is_authentic)


def test_no_end_is_published_of_what_silenced_nothing(app: Keyturn, parked: Rotation) -> None:
    """A silence that was changed outside Keyturn is removed when it is ended."""
    made = silence(app)
    with app.store._database.writing() as tx:
        tx.execute(update(alert_models.silences).values(reason="forged"))
    events: list[Event] = []
    with app.events.listening(events.append):
        assert not app.silences.end(made.id, actor="bob")
    assert ([], []) == (events, app.silences.all(ended=True))
    assert parked.failure


def test_an_outage_is_sent_in_a_silence_of_its_connection(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """Only a silence that names the kind, too, covers it, and the preview says which alerts it covers."""
    taker = routed(app)
    silence(app)
    simulator.faults.add(NO_SAVE)
    rotate()
    assert not app.alerts.send()
    assert [(Kind.OUTAGE, BEGAN)] == taker.reported()
    until = app.clock.now() + timedelta(hours=1)
    wide = app.silences.preview(NAME, None, until=until, reason="x", actor="ada")
    assert ([], app.alerts.lasting()) == (wide.silenced, wide.not_silenced)
    narrow = app.silences.preview(NAME, Kind.OUTAGE, until=until, reason="x", actor="ada")
    assert (app.alerts.lasting(), []) == (narrow.silenced, narrow.not_silenced)
    assert 1 == len(app.silences.all(ended=True)), "a preview stores nothing"
    app.silences.add(narrow)
    pass_time(app, timedelta(minutes=59))
    assert [(Kind.OUTAGE, BEGAN)] == [each for each in taker.reported() if each[0] is Kind.OUTAGE]
    with pytest.raises(InvalidInput):
        silence(app, None, Kind.OUTAGE)
    with pytest.raises(NotFound):
        silence(app, "nowhere")


def test_a_silence_of_a_kind_covers_every_connection(app: Keyturn, taker: Taker) -> None:
    """An alert that becomes one of another kind is sent as a change, though no one heard of its beginning."""
    silence(app, None, Kind.DUE)
    for name in ("acme-eu", "acme-us"):
        found(app, Kind.DUE, name)
    found(app, Kind.OVERDUE, "acme-eu")
    assert not app.alerts.send()
    assert [(Kind.OVERDUE, Phase.CHANGED)] == taker.reported()


def test_the_status_shows_what_is_silenced(app: Keyturn, parked: Rotation) -> None:
    """What is silenced needs a person all the same; the status says until when, by whom and why."""
    made = silence(app)
    report = app.status.report()
    shown = {each.harm.name: report.silence_of(each) for each in report.concerns if each.connection}
    assert {"PARKED": made} == shown
    assert parked.connection == NAME


def test_without_the_key_nothing_is_silenced(
    app: Keyturn, taker: Taker, parked: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that cannot tell whether a silence is genuine sends."""
    silence(app)

    def locked(*_: object) -> bool:
        raise VaultLocked("No key.")

    monkeypatch.setattr(app.store.vault, "is_authentic", locked)
    assert not app.alerts.send()
    assert [(Kind.PARKED, BEGAN)] == taker.reported()
    assert parked.connection == NAME


def test_a_silence_is_forgotten_months_after_its_end(app: Keyturn, taker: Taker) -> None:
    """It is kept as long as the messages that it silenced."""
    silence(app)
    found(app, Kind.DUE, NAME)
    assert not app.alerts.send()
    pass_time(app, timedelta(days=3))
    assert 1 == len(app.silences.all(ended=True))
    found(app, Kind.DUE, "other")
    pass_time(app, KEPT)
    assert [] == app.silences.all(ended=True)
    assert taker.got
