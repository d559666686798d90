"""The bus passes each event to every listener; the log is one of them."""

import logging

import pytest
from support.factories import NOW, a_rotation, next_move

from orchestrator import event_log, events, log
from orchestrator.events import Bus, Event
from orchestrator.log import OUTAGE
from states.rotation import Ending

ROTATION = a_rotation()
ABOUT = {"rotation": ROTATION.id, "connection": ROTATION.connection, "state": "Requested"}


def test_every_listener_receives_each_event() -> None:
    """Permanent listeners receive every event, others the events published while they listen."""
    always: list[Event] = []
    heard: list[Event] = []
    bus = Bus(always.append)
    lost, requested = events.LeaseLost(ROTATION), events.Requested(ROTATION, "ada", ROTATION.cause)
    with bus.listening(heard.append):
        bus.publish(lost)
    bus.publish(requested)
    assert ([lost, requested], [lost]) == (always, heard)


def test_a_listener_that_fails_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """If a listener fails, the failure is logged and the other listeners receive the event."""
    heard: list[Event] = []

    def fail(_event: Event) -> None:
        raise ValueError

    Bus(fail, heard.append).publish(events.LeaseLost(ROTATION))
    assert (1, ["event listener failed"]) == (len(heard), [record.message for record in caplog.records])


@pytest.mark.parametrize(
    ("event", "level", "message", "more"),
    [
        (
            events.ConnectionSaved("acme", 3, "ada"),
            logging.INFO,
            "connection saved",
            {"connection": "acme", "version": 3, "actor": "ada"},
        ),
        (
            events.ConnectionRemoved("acme", 3, "ada"),
            logging.INFO,
            "connection removed",
            {"connection": "acme", "version": 3, "actor": "ada"},
        ),
        (
            events.ConnectionRenamed("bolt", "acme", 4, "ada"),
            logging.INFO,
            "connection renamed",
            {"connection": "bolt", "before": "acme", "version": 4, "actor": "ada"},
        ),
        (
            events.SignInNotRenewed("acme", "NOT_PERMITTED", "NetSuite does not permit it."),
            logging.WARNING,
            "sign-in not renewed",
            {"connection": "acme", "code": "NOT_PERMITTED", "reason": "NetSuite does not permit it."},
        ),
        (events.Closed(ROTATION, Ending.ADOPTED), logging.INFO, "rotation closed", {"ending": "adopted"}),
        (
            events.Retrying(ROTATION, "verify", 2, 0.5, "TRY_LATER", outage=False),
            logging.WARNING,
            "step will be tried again",
            {"step": "verify", "try": 2, "wait_seconds": 0.5, "code": "TRY_LATER", "outage": False},
        ),
        (
            events.Retrying(ROTATION, "save_to_openair", 1, 0.5, "TRY_LATER", outage=True),
            logging.ERROR,
            "step will be tried again",
            {"step": "save_to_openair", "try": 1, "wait_seconds": 0.5, "code": "TRY_LATER", "outage": True},
        ),
    ],
    ids=["connection", "removed", "renamed", "sign-in not renewed", "closed", "retrying", "retrying-in-an-outage"],
)
def test_an_event_is_logged_with_its_fields(
    event: Event, level: int, message: str, more: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """A log record has the rotation, its connection and state, and the event's own fields; an outage is an error."""
    with caplog.at_level(logging.INFO):
        event_log.write(event)
    (record,) = caplog.records
    assert (level, message) == (record.levelno, record.message)
    about = ABOUT if isinstance(event, events.RotationEvent) else {}
    assert {**about, **more} == {name: record.__dict__[name] for name in (*about, *more)}


def test_every_event_has_a_log_message() -> None:
    """Every kind of event has a log message."""
    kinds = {kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)}
    assert kinds - {Event, events.RotationEvent, events.Changed} == set(event_log.MESSAGES)


def test_an_outage_comes_first_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A warning or an error about a rotation in an outage has the outage's sentence, which begins a line of text."""
    rotation = next_move(next_move(a_rotation(), now=NOW), now=NOW)
    with caplog.at_level(logging.INFO):
        event_log.write(events.Parked(rotation, "REFUSED", "Refused."))
        event_log.write(events.Moved(rotation, "upload_to_netsuite", 0.5))
    parked, moved = caplog.records
    assert parked.__dict__[OUTAGE].startswith("Imports are refused since ")
    assert OUTAGE not in moved.__dict__
    formatted = log._Text().format(parked)
    assert f"ERROR   {parked.__dict__[OUTAGE]}: rotation parked" in formatted


@pytest.mark.parametrize("kind", event_log.MESSAGES, ids=lambda kind: kind.__name__)
def test_no_field_is_one_that_every_record_has(kind: type[Event]) -> None:
    """The log refuses a record with a field such as ``name``: the event would be lost."""
    reserved = {*vars(logging.makeLogRecord({})), "message", "asctime"}
    assert set() == reserved & set(event_log.field_names(kind))
