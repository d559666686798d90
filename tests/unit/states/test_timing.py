"""The bounds of time agree with each other. Each test names the failure that its order prevents."""

from datetime import timedelta

from orchestrator.retry import TABLE
from states import steps, timing

LONGEST_POSTPONEMENT = timedelta(seconds=max(max(policy.postponements) for policy in TABLE.values()))


def test_no_request_takes_effect_after_the_hold_off() -> None:
    """The next rotation could be undone by a request of the rotation before it."""
    assert timing.INSTALL_WITHIN + timing.CLOCK_ERROR <= timing.HOLD_OFF
    assert timing.LONGEST_CALL + timing.CLOCK_ERROR <= timing.HOLD_OFF


def test_a_confirmation_is_proved_again_long_before_a_rival_install_is_refused() -> None:
    """OpenAir would be given a certificate that NetSuite no longer holds."""
    assert timing.FRESH < timing.CLOCK_ERROR < timing.INSTALL_WITHIN


def test_two_looks_fit_into_the_time_in_which_a_request_is_in_doubt() -> None:
    """The read-back would end after the time for which it was made."""
    assert timedelta(seconds=2 * timing.READ_BACK_DELAY) < timing.HOLD_OFF


def test_the_repair_of_clocks_leaves_every_honest_lease_alone() -> None:
    """A lease of ten minutes would be cut, and a second worker would take over from a healthy one."""
    assert timing.SHORTEST_LEASE < timing.DEFAULT_LEASE < timing.LONGEST_LEASE < timing.HELD_AT_MOST


def test_the_repair_of_clocks_leaves_every_honest_hold_off_alone() -> None:
    """A hold-off would be replaced by a shorter one, also where the worker's clock is a little ahead."""
    assert timing.HOLD_OFF + timing.CLOCK_ERROR < timing.HELD_AT_MOST


def test_the_repair_of_clocks_leaves_every_honest_postponement_alone() -> None:
    """A rotation would be tried again earlier than its retry policy, the other system or a person asks."""
    longest = max(LONGEST_POSTPONEMENT, timedelta(seconds=timing.LONGEST_RETRY_AFTER), timing.WAIT_FOR_PERSON)
    assert longest + timing.HOLD_OFF + timing.CLOCK_ERROR < timing.POSTPONED_AT_MOST


def test_a_worker_outlives_the_longest_wait_for_the_database() -> None:
    """Waiting once for SQLite's writer would cost the lease."""
    assert timedelta(seconds=timing.DATABASE_WAIT) < timing.DEFAULT_LEASE


def test_a_worker_that_waits_for_the_database_counts_as_alive() -> None:
    """The status would report a worker that waits once for SQLite's writer as silent."""
    assert timing.HEARTBEAT + timedelta(seconds=timing.DATABASE_WAIT) < timing.SILENT_AFTER < timing.WORKERS_KEPT


def test_a_refresh_that_is_under_way_is_believed() -> None:
    """A second worker would spend the same refresh token, and OpenAir would refuse both."""
    longest = timing.LONGEST_CALL + timing.REFRESH_SPARE
    assert longest + timing.CLOCK_ERROR <= timing.REFRESH_FURTHEST


def test_a_call_ends_before_its_token_or_assertion_does() -> None:
    """A request would be refused for a token that expired on its way."""
    assert timedelta(seconds=timing.DEFAULT_CALL) < timing.TOKEN_EXPIRY_MARGIN < timing.ASSUMED_TOKEN_LIFE
    assert timing.ASSERTION_BACKDATED + timing.ASSERTION_VALID_FOR < timedelta(minutes=60)


def test_a_clock_that_the_doctor_accepts_is_accepted_by_both_systems() -> None:
    """The doctor would report a healthy clock, and sign-in would fail because of it."""
    assert timing.CLOCK_ERROR <= timing.ASSERTION_BACKDATED <= timing.CERTIFICATE_BACKDATED


def test_a_command_stays_with_an_outage() -> None:
    """A command would leave between two tries although imports are refused."""
    longest = timedelta(seconds=max(TABLE[steps.save_to_openair].postponements))
    assert longest <= timing.ATTENDED_WAIT < timing.STAY_WITH_OUTAGE


def test_the_schedule_looks_often_enough_for_its_window() -> None:
    """A connection would pass the latest moment between two passes."""
    window = timing.ROTATE_EARLIEST - timing.ROTATE_LATEST
    assert timedelta(seconds=timing.SCHEDULE_EVERY) < window <= timing.ROTATE_LATEST
