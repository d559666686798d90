"""What is reported of a rotation, how urgent it is, and what is reported when it is over."""

from dataclasses import replace
from datetime import timedelta

from support.factories import NOW, a_rotation, advance_to

from orchestrator.views.alert import _IN_WORDS
from states.alert import SEVERITY, Finding, Kind, Severity, ended, of_rotation
from states.concern import Harm
from states.state import State
from states.timing import OUTAGE_REPORTED_AFTER


def test_each_harm_is_a_kind_with_a_severity_and_words() -> None:
    """What the status shows can be reported."""
    assert {harm.name for harm in Harm} < {kind.value for kind in Kind}
    assert set(Kind) == set(SEVERITY) == set(_IN_WORDS)


def test_an_outage_is_reported_once_it_lasts() -> None:
    """Each rotation is one for a moment; of one that lasts for a minute someone is notified."""
    rotation = replace(advance_to(a_rotation(), State.UPLOADED_TO_NETSUITE), skew_from=NOW)
    assert of_rotation(rotation, NOW + OUTAGE_REPORTED_AFTER - timedelta(microseconds=1)) is None
    found = of_rotation(rotation, NOW + OUTAGE_REPORTED_AFTER)
    assert found
    assert (Kind.OUTAGE, Severity.CRITICAL, NOW) == (found.kind, found.severity, found.since)


def test_a_finding_is_stored_and_read() -> None:
    """What is read is what was stored; the all-clear repeats what is over."""
    rotation = replace(a_rotation(), awaits_person=True, waiting_for="Save it.")
    found = of_rotation(rotation, NOW)
    assert found
    assert found == Finding.from_data(found.to_data())
    over = ended(found, NOW)
    assert (Kind.AWAITING_PERSON, f"This is over since 2026-11-23 12:00 UTC: {found.message}") == (
        over.kind,
        over.message,
    )
