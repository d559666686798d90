"""Figures for a monitoring system: what they say of rotations over real HTTP, and that nothing is counted twice."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from integration.fixture_types import Rotate
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update
from support.clock import OffsetClock
from support.database_writer import write
from support.environment import NAME
from support.stores import open_store

from orchestrator.bootstrap import Keyturn
from orchestrator.operations import counters
from orchestrator.operations.counters import Counters
from orchestrator.views import metrics
from persistence import models
from simulator import Fault, Simulator
from states.errors import TryLater
from states.rotation import Rotation
from states.state import State

NO_SAVE = Fault("openair.api", "401", action="Add", when="before", times=None)
TROUBLE = ("keyturn_outage", "keyturn_needs")
Figures = Mapping[str, float]


def scraped(app: Keyturn) -> Figures:
    """The samples, by name and labels, as Prometheus reads them."""
    text = metrics.text(metrics.families(app.metrics.read()))
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(sorted(sample.labels.values()))
            found[f"{sample.name}({labels})" if labels else sample.name] = sample.value
    return found


@pytest.fixture
def parked(simulator: Simulator, rotate: Rotate) -> Rotation:
    """A rotation that is parked between both sides: OpenAir refuses its certificate."""
    simulator.faults.add(NO_SAVE)
    rotation = rotate()
    assert State.UPLOADED_TO_NETSUITE is rotation.position
    return rotation


def test_a_completed_rotation(app: Keyturn, rotate: Rotate) -> None:
    """Its certificate's expiry, its steps with their durations and its skew are shown, and nothing that is wrong."""
    before = scraped(app)
    done = rotate()
    figures = scraped(app)
    assert done.proofs.candidate
    assert done.skew_from
    skew = done.skew(done.updated_at)
    assert skew
    assert (0, 1) == tuple(each["keyturn_rotations_total(completed)"] for each in (before, figures))
    expiry = done.proofs.candidate.certificate.not_after.timestamp()
    assert expiry == figures[f"keyturn_certificate_not_after_timestamp_seconds({NAME})"]
    for step in ("generate_key", "upload_to_netsuite", "save_to_openair", "verify"):
        assert 1 == figures[f"keyturn_step_attempts_total(done,{step})"]
        assert 1 == figures[f"keyturn_step_duration_seconds_count({step})"]
    assert (1, pytest.approx(skew.total_seconds(), abs=0.001)) == (
        figures["keyturn_skew_seconds_count"],
        figures["keyturn_skew_seconds_sum"],
    )
    assert (1, 0) == (figures["keyturn_connections"], figures["keyturn_rotations_parked"])
    assert figures["keyturn_next_rotation_timestamp_seconds"] < expiry
    assert [] == [name for name in figures if name.startswith((*TROUBLE, "keyturn_rotation_state"))]


def test_an_outage_that_waits_for_a_person(app: Keyturn, parked: Rotation) -> None:
    """It is shown with its length and its harm, and its end with its skew."""
    assert isinstance(app.clock, OffsetClock)
    assert parked.skew_from
    app.clock.ahead += timedelta(minutes=10)
    figures = scraped(app)
    length = figures[f"keyturn_outage_seconds({NAME},true)"]
    assert 600 <= length <= (app.clock.now() - parked.skew_from).total_seconds()
    assert (1, 1, 1) == (
        figures[f"keyturn_needs_person(OUTAGE,{NAME})"],
        figures[f"keyturn_rotation_state(Failed,{NAME})"],
        figures["keyturn_rotations_parked"],
    )
    assert (1, 0) == (
        figures["keyturn_step_attempts_total(failed,save_to_openair)"],
        figures["keyturn_skew_seconds_count"],
    )


def test_an_outage_that_a_restore_ended(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """A rotation that is restored counts as that, with the length of its outage, in the bucket that it belongs to."""
    rotate()
    simulator.faults.add(Fault("openair.api", "401", action="Modify", when="before", times=None))
    parked = rotate()
    simulator.faults.clear()
    before = scraped(app)
    restored = app.recovery.restore(parked.id, actor="ada")
    figures = scraped(app)
    skew = restored.skew(restored.updated_at)
    assert skew
    assert (0, 1) == tuple(each["keyturn_rotations_total(restored)"] for each in (before, figures))
    total = figures["keyturn_skew_seconds_sum"] - before["keyturn_skew_seconds_sum"]
    assert (2, pytest.approx(skew.total_seconds(), abs=0.001)) == (figures["keyturn_skew_seconds_count"], total)
    assert 2 == figures["keyturn_skew_seconds_bucket(+Inf)"]


def test_a_postponed_step(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """A step that is scheduled again counts as postponed, and nothing needs a person."""
    simulator.faults.add(Fault("netsuite.token", "503", when="before", times=None))
    assert State.KEY_GENERATED is rotate().state
    figures = scraped(app)
    assert (1, 0) == (
        figures["keyturn_step_attempts_total(postponed,upload_to_netsuite)"],
        figures["keyturn_step_attempts_total(done,upload_to_netsuite)"],
    )
    assert 1 == figures[f"keyturn_rotation_state(KeyGenerated,{NAME})"]


def test_nothing_is_counted_twice(app: Keyturn, rotate: Rotate) -> None:
    """Scrapes of two processes, one after another and at the same place, add up to what happened once."""
    rotate()
    other = Counters(open_store(app.settings.store_url))
    assert app.metrics.read().counts == other.read() == app.metrics.read().counts
    rotate()
    figures = [other.read(), app.metrics.read().counts]
    assert [2, 2] == [each["rotations/completed"] for each in figures]


@pytest.mark.parametrize("detail", [7, [], "seconds", None, {"seconds": 10**400}, {"seconds": -1}, {"seconds": "1"}])
def test_an_entry_that_keyturn_never_wrote(app: Keyturn, rotate: Rotate, detail: object) -> None:
    """What someone else wrote as an entry's detail is counted as no duration, and ends no scrape."""
    rotate()
    write(app, lambda tx, _name: tx.execute(update(models.journal).values(detail=detail)))
    figures = scraped(app)
    assert 1 == figures["keyturn_rotations_total(completed)"]
    assert 0 == figures["keyturn_step_duration_seconds_count(generate_key)"]


def test_what_was_missed_is_counted_page_by_page(app: Keyturn, rotate: Rotate, monkeypatch: pytest.MonkeyPatch) -> None:
    """One scrape counts so many pages at most; the next ones count the rest."""
    monkeypatch.setattr(counters, "_PAGE", 2)
    monkeypatch.setattr(counters, "_MOST_PAGES", 1)
    rotate()
    scrapes = [app.metrics.read().counts for _ in range(3)]
    assert [1, 3, 4] == [sum(each[name] for name in each if name.startswith("attempts")) for each in scrapes]


def test_a_database_that_cannot_be_written(app: Keyturn, rotate: Rotate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the counts cannot be stored they are shown all the same, and counted again the next time."""
    rotate()

    def refuse(*_: object) -> bool:
        raise TryLater("The database can only be read.")

    monkeypatch.setattr(app.store.monitoring, "count", refuse)
    assert [1, 1] == [app.metrics.read().counts["rotations/completed"] for _ in "ab"]


def test_what_needs_a_person_does_not_depend_on_the_counts(app: Keyturn, parked: Rotation) -> None:
    """Any value that someone writes into the counts, the outage and the parked rotation are shown."""
    assert parked
    before = scraped(app)
    forged = counters.Counted(app.store.journal.end(), {"skew/sum": -1.0, "attempts/save_to_openair/failed": 0.0})
    assert app.store.monitoring.count(app.store.monitoring.counted(), forged)
    after, shown = scraped(app), (*TROUBLE, "keyturn_rotations_parked")
    assert [3, 3] == [sum(name.startswith(shown) for name in each) for each in (before, after)]


def test_a_pass_over_the_schedule(app: Keyturn) -> None:
    """When the schedule was last looked at is shown from the first pass on."""
    name = "keyturn_scheduler_last_success_timestamp_seconds"
    assert name not in scraped(app)
    app.schedule.start_due(actor="schedule")
    assert abs(app.clock.now().timestamp() - scraped(app)[name]) < 60


def test_a_pass_that_cannot_be_noted(app: Keyturn, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the pass started is returned all the same, for the caller to carry."""

    def refuse(_: object) -> None:
        raise TryLater("The database can only be read.")

    monkeypatch.setattr(app.store.monitoring, "note_pass", refuse)
    (started,) = app.schedule.start_due(actor="schedule").started
    assert NAME == started.connection


def test_only_certificates_that_expire_soon(app: Keyturn, rotate: Rotate) -> None:
    """With a time, the certificates that expire later are not listed; everything else is."""
    rotate()
    now = app.clock.now()
    listed = [len(app.metrics.read(until=now + timedelta(days=days)).expiries) for days in (30, 400)]
    assert [0, 1] == listed
