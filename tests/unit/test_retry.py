"""The retry policy of each step: attempts, waits and postponements."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from support.factories import NOW, a_rotation

from orchestrator import event_log
from orchestrator.retry import RESTORE, TABLE, RetriedStep, retry_after
from states import steps
from states.errors import KeyturnError, NotPermitted, Throttled, TryLater, Unknown
from states.ports import Attempt, Ports
from states.rotation import Proof, Receipt, Rotation
from states.steps import Step
from states.table import FORWARD

MINUTE = 60


class RetryTrial:
    """Runs one step's retry policy on a step that raises the given errors, and records the waits."""

    def __init__(self, step: Step, errors: Iterable[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
        self.slept: list[float] = []
        self.begun = 0
        failures = iter(errors)

        def attempt(rotation: Rotation, ports: Ports, hold: Attempt) -> Proof:
            assert (self._ports, self._attempt) == (ports, hold)
            if error := next(failures, None):
                raise error
            return Receipt(f"try {rotation.tries}", NOW)

        attempt.__name__ = step.__name__
        monkeypatch.setitem(TABLE, attempt, TABLE[step])
        claim = SimpleNamespace(rotation=a_rotation())
        self._attempt: Any = SimpleNamespace(begin=self._begin, claim=claim, publish=event_log.write)
        nothing: Any = None
        clock: Any = SimpleNamespace(sleep=self.slept.append)
        self._ports = Ports(nothing, nothing, nothing, clock, nothing)
        edge = next(edge for edge in FORWARD if edge.step is step)
        self.run = RetriedStep(replace(edge, step=attempt), self._ports, self._attempt).run

    def _begin(self) -> Rotation:
        self.begun += 1
        return a_rotation(tries=self.begun)


MakeTrial = Callable[..., RetryTrial]


@pytest.fixture
def make_trial(monkeypatch: pytest.MonkeyPatch) -> MakeTrial:
    return lambda step, *errors: RetryTrial(step, errors, monkeypatch)


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every random wait the longest one."""
    monkeypatch.setattr("random.uniform", lambda _shortest, longest: longest)


STEPS = [
    (steps.generate_key, [0.5, 1], [MINUTE, 5 * MINUTE, 15 * MINUTE], 3),
    (steps.upload_to_netsuite, [1, 2, 4, 8], [MINUTE, 5 * MINUTE, 15 * MINUTE, *[60 * MINUTE] * 23], 26),
    (steps.save_to_openair, [0.2, 0.4, 0.8, 1.6, 3.2, 4, 4], [5, 10, 20, *[MINUTE] * 717], 720),
    (steps.verify, [1, 2, 4, 8], [10, 30, MINUTE, *[5 * MINUTE] * 24], 27),
]


@pytest.mark.usefixtures("longest")
@pytest.mark.parametrize(("step", "waits"), [row[:2] for row in STEPS], ids=[row[0].__name__ for row in STEPS])
def test_the_attempts_of_a_step(step: Step, waits: Sequence[float], make_trial: MakeTrial) -> None:
    """A step is attempted a fixed number of times, with waits that double up to the limit; then its error is raised."""
    trial = make_trial(step, *[TryLater(f"number {number}") for number in range(20)])
    with pytest.raises(TryLater) as raised:
        trial.run()
    assert (pytest.approx(waits), f"number {len(waits)}") == (trial.slept, raised.value.message)


@pytest.mark.parametrize(
    ("step", "waits", "most"), [(row[0], *row[2:]) for row in STEPS], ids=[row[0].__name__ for row in STEPS]
)
def test_the_postponements_of_a_step(step: Step, waits: Sequence[float], most: int) -> None:
    """A step is postponed a fixed number of times, for growing intervals; then the rotation gives up."""
    policy = TABLE[step]
    assert [timedelta(seconds=wait) for wait in waits] == [policy.postponement(tries) for tries in range(most)]
    assert policy.postponement(most) is None


@pytest.mark.parametrize(("step", "waits"), [row[:2] for row in STEPS], ids=[row[0].__name__ for row in STEPS])
def test_a_round_lasts_half_of_its_longest_waits(step: Step, waits: Sequence[float]) -> None:
    """Each wait is drawn between nothing and its most."""
    assert pytest.approx(sum(waits) / 2) == TABLE[step].mean_round.total_seconds()
    assert timedelta() == RESTORE.mean_round


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (TryLater(), MINUTE),
        (Unknown(), MINUTE),
        (TryLater(retry_after=MINUTE + 1), MINUTE + 1),
        (TryLater(retry_after=1), MINUTE),
        (TryLater(over_at=NOW + timedelta(seconds=7)), 7),
        (TryLater(retry_after=900, over_at=NOW + timedelta(seconds=7)), 7),
        (TryLater(over_at=NOW + timedelta(days=1)), MINUTE),
    ],
    ids=[
        "as the policy says",
        "unknown",
        "asked for longer",
        "for less",
        "over sooner",
        "for longer, over sooner",
        "later",
    ],
)
def test_the_next_try(error: KeyturnError, seconds: float) -> None:
    """It comes when the policy says, or as late as the other system asks; not after the obstacle's known end."""
    assert NOW + timedelta(seconds=seconds) == TABLE[steps.upload_to_netsuite].next_try(0, error, NOW)


def test_after_the_last_postponement_there_is_no_next_try() -> None:
    """The policy gives up, and no wait that the other system asks for changes that."""
    policy = TABLE[steps.verify]
    last = policy.most_postponements - 1
    asked = TryLater(retry_after=1, over_at=NOW)
    assert [NOW + timedelta(minutes=5), None] == [
        policy.next_try(last, TryLater(), NOW),
        policy.next_try(last + 1, asked, NOW),
    ]


def test_total_length_of_the_postponements() -> None:
    """In total: 20 minutes for a key, a day before the upload, half a day in the outage, two hours to verify."""
    hours = {row[0].__name__: round(sum(row[2]) / 3600, 1) for row in STEPS}
    assert {"generate_key": 0.3, "upload_to_netsuite": 23.4, "save_to_openair": 12.0, "verify": 2.0} == hours


def test_only_the_save_is_urgent() -> None:
    """Only the save to OpenAir is urgent, because imports are refused until then."""
    assert [steps.save_to_openair] == [edge.step for edge in FORWARD if edge.urgent]


@pytest.mark.parametrize("error", [TryLater(), Unknown()])
def test_a_temporary_error_is_retried(error: KeyturnError, make_trial: MakeTrial) -> None:
    """After a temporary error, the step runs again with the current rotation, and its result is returned."""
    trial = make_trial(steps.verify, error)
    done = trial.run()
    assert (2, "try 2", 1) == (trial.begun, done.fingerprint, len(trial.slept))


def test_a_refusal_is_not_retried(make_trial: MakeTrial) -> None:
    """A refusal is raised at once, without a further attempt."""
    trial = make_trial(steps.verify, NotPermitted())
    with pytest.raises(NotPermitted):
        trial.run()
    assert (1, []) == (trial.begun, trial.slept)


LONGEST = [(steps.generate_key, 2), (steps.upload_to_netsuite, 8), (steps.save_to_openair, 4), (steps.verify, 8)]


@pytest.mark.parametrize(("step", "longest"), LONGEST, ids=[row[0].__name__ for row in LONGEST])
def test_retry_after_is_respected(step: Step, longest: int, make_trial: MakeTrial) -> None:
    """The step waits for a Retry-After up to its longest wait; a longer one postpones the step."""
    trial = make_trial(step, *[Throttled(retry_after=asked) for asked in (longest, longest + 0.1)])
    with pytest.raises(Throttled):
        trial.run()
    assert [longest] == trial.slept


def test_retry_after_may_be_zero(make_trial: MakeTrial) -> None:
    """After a Retry-After of 0 the step runs again at once."""
    trial = make_trial(steps.verify, Throttled(retry_after=0))
    trial.run()
    assert [0] == trial.slept


@pytest.mark.usefixtures("longest")
@pytest.mark.parametrize(
    ("step", "level", "outage"), [(steps.verify, logging.WARNING, False), (steps.save_to_openair, logging.ERROR, True)]
)
def test_each_further_try_is_logged(
    step: Step, level: int, caplog: pytest.LogCaptureFixture, make_trial: MakeTrial, *, outage: bool
) -> None:
    """Each retry is logged with rotation, step, attempt, wait and reason, as a warning or, in an outage, an error."""
    make_trial(step, Unknown(), TryLater()).run()
    first, second = caplog.records
    assert ("step will be tried again", level) == (first.message, first.levelno)
    about = {
        "rotation": a_rotation().id,
        "connection": "acme",
        "step": step.__name__,
        "try": 1,
        "wait_seconds": TABLE[step].first_wait,
        "code": "UNKNOWN_OUTCOME",
        "outage": outage,
    }
    assert about == {name: first.__dict__[name] for name in about}
    assert (2, "TRY_LATER") == (second.__dict__["try"], second.__dict__["code"])


def test_the_logged_wait_is_rounded(caplog: pytest.LogCaptureFixture, make_trial: MakeTrial) -> None:
    """The logged wait is rounded to milliseconds."""
    make_trial(steps.verify, Throttled(retry_after=0.12345)).run()
    assert 0.123 == caplog.records[0].__dict__["wait_seconds"]


@pytest.mark.parametrize(("error", "seconds"), [(TryLater(retry_after=3), 3), (TryLater(), None), (Unknown(), None)])
def test_retry_after_of_an_error(error: KeyturnError, seconds: float | None) -> None:
    """Only an error with a Retry-After asks for a wait."""
    assert seconds == retry_after(error)
