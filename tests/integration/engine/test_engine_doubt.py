"""A write whose answer was lost is stored before anything else is sent; and what was seen of it since is kept."""

import logging
from datetime import timedelta

import pytest
from integration.database_outage import lose_evidence
from integration.engine.environment import CALL, EngineEnvironment, about, allow_one_try, extra
from support.factories import NOW

from orchestrator.retry import TABLE
from orchestrator.views.timeline import describe
from persistence.journal import POSTPONED, UNKNOWN
from states import steps
from states.errors import AwaitingPerson, NotPermitted, Refused, Stale, TryLater, Unknown
from states.state import State
from states.table import FAIL
from states.timing import HOLD_OFF, INSTALL_WITHIN


def test_a_lost_answer_is_stored_before_anything_else_is_sent(
    environment: EngineEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    """A write whose answer was lost is journaled with what is known of it, logged, and published."""
    environment.systems.will_fail("netsuite.install", Unknown("Lost."))
    done = environment.run(State.KEY_GENERATED)
    lost = next(entry for entry in environment.entries(done) if entry.event == UNKNOWN)
    assert done.proofs.candidate
    at = NOW + 3 * CALL
    until = at + HOLD_OFF
    assert {
        "write": "install",
        "fingerprint": done.proofs.candidate.fingerprint,
        "began": NOW.isoformat(),
        "until": until.isoformat(),
        "code": "UNKNOWN_OUTCOME",
        "message": "Lost.",
    } == lost.detail
    assert at == lost.at
    heard = environment.heard[0]
    assert (NOW, until, at, State.KEY_GENERATED) == (
        heard.doubt.since,
        heard.doubt.in_flight_until,
        heard.updated_at,
        heard.state,
    )
    record = next(each for each in caplog.records if each.message == "answer lost")
    expected = {**about(heard), "write": "install", "code": "UNKNOWN_OUTCOME"}
    assert (logging.WARNING, expected) == (record.levelno, extra(record))


def test_a_refusal_that_ended_the_request_leaves_nothing_in_flight(environment: EngineEnvironment) -> None:
    """NetSuite answered that it ended the install before it saved: it is in doubt, as ever, and holds nothing off."""
    refused = Refused("The folder is not private.")
    refused.is_ended = True
    environment.systems.will_fail("netsuite.install", refused)
    parked = environment.run(State.KEY_GENERATED)
    noted = next(entry for entry in environment.entries(parked) if entry.event == UNKNOWN)
    assert (State.FAILED, NOW, None) == (parked.state, parked.doubt.since, parked.doubt.in_flight_until)
    assert ("REFUSED", False) == (noted.detail["code"], "until" in noted.detail)
    assert ("the install was ended before it changed anything [REFUSED]: The folder is not private.") == describe(
        noted, None
    )
    assert ["netsuite.sign"] * 2 == environment.systems.calls[-2:]


def test_an_earlier_lost_request_stays_in_flight(environment: EngineEnvironment) -> None:
    """What was sent before without an answer may still take effect, although a later request was answered."""
    refused = Refused("The folder is not private.")
    refused.is_ended = True
    environment.systems.will_fail("netsuite.install", Unknown("Lost."), refused)
    parked = environment.run(State.KEY_GENERATED)
    lost = next(entry for entry in environment.entries(parked) if entry.event == UNKNOWN)
    assert (State.FAILED, NOW, lost.at + HOLD_OFF) == (
        parked.state,
        parked.doubt.since,
        parked.doubt.in_flight_until,
    )


def test_what_is_in_flight_outlasts_the_doubt(environment: EngineEnvironment) -> None:
    """A lost answer that was settled by sending again leaves the first request in flight, through every later move."""
    environment.systems.will_fail("netsuite.install", Unknown())
    done = environment.run(State.KEY_GENERATED)
    assert (State.COMPLETED, None, NOW + 3 * CALL + HOLD_OFF) == (
        done.state,
        done.doubt.since,
        done.doubt.in_flight_until,
    )


def test_a_doubt_that_is_settled_at_once(environment: EngineEnvironment) -> None:
    """The lost install is found in the very same try: its move tells what was seen, and it stays in flight."""
    environment.systems.will_fail("netsuite.install", Unknown(), applied=True)
    done = environment.run(State.KEY_GENERATED)
    uploaded = next(entry for entry in environment.entries(done) if entry.event == "upload_to_netsuite")
    looks = ["NetSuite signed with the certificate before.", "NetSuite signed with the candidate."]
    assert looks == uploaded.detail["looks"]
    assert (1, NOW + 3 * CALL + HOLD_OFF) == (
        environment.systems.calls.count("netsuite.install"),
        done.doubt.in_flight_until,
    )


def test_a_doubt_that_stays_is_postponed(environment: EngineEnvironment) -> None:
    """An outcome that is still unknown after the last try is looked for again later."""
    environment.systems.will_fail("netsuite.install", *[Unknown("Lost.")] * 5)
    waiting = environment.run(State.KEY_GENERATED)
    assert (State.KEY_GENERATED, 1, timedelta(minutes=1)) == (
        waiting.state,
        waiting.tries,
        waiting.available_at - waiting.updated_at,
    )
    assert (POSTPONED, "UNKNOWN_OUTCOME") == (environment.last(waiting).event, environment.last(waiting).detail["code"])


def test_a_doubt_that_cannot_be_stored_lets_the_rotation_go(
    environment: EngineEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away when an answer is lost: Stale is raised, telling why, and the cause is kept."""
    lose_evidence(monkeypatch, environment.store)
    environment.systems.will_fail("netsuite.install", Unknown())
    with pytest.raises(Stale, match="The database is away") as raised:
        environment.run(State.KEY_GENERATED)
    assert isinstance(raised.value.__cause__, TryLater)
    assert [] == environment.heard


def test_each_try_begins_afresh(environment: EngineEnvironment) -> None:
    """Every try sees the doubt that the tries before left, and may send while it is young itself."""
    environment.systems.will_fail("netsuite.install", Unknown())
    environment.systems.will_go_well("netsuite.sign")
    environment.systems.will_fail("netsuite.sign", TryLater(), TryLater())
    done = environment.run(State.KEY_GENERATED)
    (lost,) = [entry for entry in environment.entries(done) if entry.event == UNKNOWN]
    first, second = environment.systems.netsuite.deadlines
    assert (State.COMPLETED, NOW + INSTALL_WITHIN) == (done.state, first)
    assert second > lost.at + INSTALL_WITHIN


def _in_doubt(environment: EngineEnvironment) -> list[str]:
    looks = environment.last(environment.store.rotations.newest()[0]).detail["looks"]
    assert isinstance(looks, list)
    return looks


@pytest.mark.parametrize(
    ("error", "event"),
    [(TryLater(), POSTPONED), (AwaitingPerson(), POSTPONED), (NotPermitted(), FAIL), (ZeroDivisionError(), FAIL)],
    ids=["try later", "a person", "refused", "a bug"],
)
def test_what_was_seen_in_doubt_is_kept(environment: EngineEnvironment, error: Exception, event: str) -> None:
    """However a try in doubt ends, the journal has what it saw, and nothing of the tries before."""
    tries = TABLE[steps.save_to_openair].attempts if isinstance(error, TryLater) else 1
    environment.systems.will_fail("openair.save", Unknown("Lost."), *[error] * tries)
    environment.run(State.UPLOADED_TO_NETSUITE)
    assert event == environment.last(environment.store.rotations.newest()[0]).event
    assert [*["OpenAir holds another certificate."] * 2, "NetSuite signed with the candidate."] == _in_doubt(
        environment
    )


def test_what_was_seen_at_the_last_attempt_is_kept(
    environment: EngineEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rotation that was given up in doubt tells what its last try saw."""
    allow_one_try(monkeypatch, steps.save_to_openair)
    environment.systems.will_fail("openair.save", Unknown())
    parked = environment.run(State.UPLOADED_TO_NETSUITE)
    assert parked.failure
    assert ("GAVE_UP", ["OpenAir holds another certificate."] * 2) == (parked.failure.code, _in_doubt(environment))


def test_without_a_doubt_no_looks_are_kept(environment: EngineEnvironment) -> None:
    """Where nothing was in doubt, what a step saw is not worth keeping."""
    assert [] == [entry for entry in environment.entries(environment.run()) if "looks" in entry.detail]


def test_a_doubt_without_looks_records_none(environment: EngineEnvironment) -> None:
    """A try in doubt that saw nothing leaves no empty list in the journal."""
    environment.systems.will_fail("netsuite.install", Unknown())
    environment.systems.will_go_well("netsuite.sign")
    environment.systems.will_fail("netsuite.sign", *[NotPermitted()] * 2)
    parked = environment.run(State.KEY_GENERATED)
    assert (State.FAILED, False) == (parked.state, "looks" in environment.last(parked).detail)
