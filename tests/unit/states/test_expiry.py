"""When it is reported that the certificate in use ends: the steps, and what the schedule still has time for."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.factories import NOW, a_connection

from states.alert import SEVERITY, Kind, Severity, of_concern
from states.expiry import is_left_to_schedule, of_connection, step_of
from states.summary import CertificateSummary, ConnectionSummary
from states.timing import EXPIRING_DAYS, ROTATE_LATEST, UNATTENDED_AFTER

END = NOW + timedelta(days=365)
CURRENT = CertificateSummary("ab" * 32, NOW, END)
TICK = timedelta(microseconds=1)


def summary(*, is_automatic: bool, bundles: bool = True) -> ConnectionSummary:
    """A connection with a certificate that ends at END; its automatic rotation is due nine days before."""
    connection = a_connection()
    return ConnectionSummary(
        name=connection.name,
        netsuite=connection.netsuite,
        openair=connection.openair,
        options=connection.options,
        policy=connection.policy,
        bundles=connection.bundles if bundles else {},
        version=1,
        current=CURRENT,
        due_at=END - timedelta(days=9),
        is_automatic=is_automatic,
    )


@pytest.mark.parametrize(
    ("left", "expected"),
    [(91, None), (90, None), (89, 90), (30, 90), (29, 30), (13, 14), (6.5, 7), (0.5, 1), (-3, 1)],
)
def test_the_last_step_that_is_reached_counts(left: float, expected: int | None) -> None:
    """A step is reached with the moment after it; after the last, and after the end, the last one stays."""
    assert expected == step_of(CURRENT, EXPIRING_DAYS, END - timedelta(days=left))


def test_no_step_is_reached_without_steps() -> None:
    """The settings can leave it to the other alerts."""
    assert step_of(CURRENT, (), END) is None


@pytest.mark.parametrize(("days", "expected"), [(90, 30), (91, 90)])
def test_a_step_as_long_as_the_validity_does_not_count(days: int, expected: int) -> None:
    """Otherwise each new certificate of 90 days, backdated by minutes, would be reported as it begins."""
    short = CertificateSummary("ab" * 32, END - timedelta(days=days, minutes=5), END)
    assert expected == step_of(short, EXPIRING_DAYS, END - timedelta(days=29) if days == 90 else END - timedelta(89))
    assert (step_of(short, EXPIRING_DAYS, END - timedelta(days=89)) is None) is (days == 90)


@pytest.mark.parametrize("days_before", [14, 9, 7, 0])
def test_a_schedule_has_a_day_to_rotate(days_before: int) -> None:
    """From when it begins; and never longer than a day past the end of the window, to which it may be postponed."""
    due_at = END - timedelta(days=days_before)
    late = min(due_at, END - ROTATE_LATEST) + UNATTENDED_AFTER
    assert is_left_to_schedule(CURRENT, due_at, late)
    assert not is_left_to_schedule(CURRENT, due_at, late + TICK)


@pytest.mark.parametrize(
    ("left", "severity"), [(89, Severity.WARNING), (8, Severity.WARNING), (6.9, Severity.ERROR), (0.5, Severity.ERROR)]
)
def test_it_becomes_urgent_in_the_last_week(left: float, severity: Severity) -> None:
    """A route for errors gets nothing about a certificate that has weeks left."""
    now = END - timedelta(days=left)
    connection = summary(is_automatic=False)
    concern = of_connection(connection, None, EXPIRING_DAYS, now)
    assert concern
    found = replace(of_concern(concern), days=step_of(CURRENT, EXPIRING_DAYS, now))
    assert (Kind.EXPIRING, severity, "acme") == (found.kind, found.severity, found.connection)
    assert Severity.WARNING is SEVERITY[Kind.EXPIRING]


def test_an_automatic_connection_that_rotates_in_time_is_not_reported() -> None:
    """Neither before its rotation is due, nor for a day after; then it is."""
    connection = summary(is_automatic=True)
    for left in (89, 29, 13, 8.1):
        assert of_connection(connection, None, EXPIRING_DAYS, END - timedelta(days=left)) is None
    found = of_connection(connection, None, EXPIRING_DAYS, END - timedelta(days=7.9))
    assert found
    assert (END - timedelta(days=14), True) == (found.since, "no automatic rotation has replaced it" in found.message)


def test_the_message_says_why_nothing_renews_it() -> None:
    """Which condition for automatic rotations is not met."""
    found = of_connection(summary(is_automatic=False, bundles=False), None, EXPIRING_DAYS, END - timedelta(days=29))
    assert found
    assert END - timedelta(days=30) == found.since
    assert "no schedule rotates it. " in found.message
    assert "369630" in found.message
