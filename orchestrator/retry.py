"""How long each step is retried: seconds by tenacity inside the step, longer by columns that survive restarts.

| step | inside the step | postponed | then |
|---|---|---|---|
| generate_key | 3 tries, about 2 s | 1 min, 5 min, 15 min | parked: it needs nothing but this machine |
| upload_to_netsuite | 5 tries, about 15 s | 1 min to 1 h, for about a day | parked: the old certificate still works |
| save_to_openair | 8 tries, about 15 s | 5 s to 1 min, for about 12 h | parked: an outage, so it tries hard |
| verify | 5 tries, about 15 s | 10 s to 5 min, for about 2 h | parked: imports work again by now |
| restore by itself | 1 try | 5 s to 5 min, for about a day | waits for a person: an outage, so it tries hard |
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.stop import stop_base
from tenacity.wait import wait_base, wait_random_exponential

from orchestrator import events
from orchestrator.step_attempt import StepAttempt
from states import steps
from states.errors import KeyturnError, TryLater, Unknown
from states.ports import Ports
from states.rotation import Proof, Rotation
from states.steps import Step
from states.table import Edge


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long one step is retried."""

    attempts: int
    """Tries inside the step."""
    first_wait: float
    longest_wait: float
    """Seconds between two tries inside the step; the wait grows from the first to the longest, with jitter."""
    postponements: tuple[float, ...]
    """Seconds for which the step is postponed when its tries have failed; the last one repeats."""
    most_postponements: int
    """After so many the rotation is parked."""

    def postponement(self, tries: int) -> timedelta | None:
        """How long to wait after ``tries`` earlier postponements, or None to give up."""
        if tries >= self.most_postponements:
            return None
        return timedelta(seconds=self.postponements[min(tries, len(self.postponements) - 1)])

    @property
    def mean_round(self) -> timedelta:
        """How long the waits of a round of tries are in all, on average: each is drawn between nothing and its most."""
        most = (min(self.first_wait * 2**number, self.longest_wait) for number in range(self.attempts - 1))
        return timedelta(seconds=sum(most) / 2)

    def next_try(self, tries: int, error: KeyturnError, now: datetime) -> datetime | None:
        """When to try again (UTC) after ``error`` ended a round of tries ``now``, or None to give up.

        ``tries`` counts the earlier postponements. The other system may ask for a longer wait; where it is known when
        the obstacle ends, the wait is no longer than that.
        """
        wait = self.postponement(tries)
        if wait is None:
            return None
        until = now + max(wait, timedelta(seconds=retry_after(error) or 0))
        return min(until, error.over_at) if isinstance(error, TryLater) and error.over_at else until


_MINUTE: Final = 60.0

TABLE: Final[dict[Step, RetryPolicy]] = {
    steps.generate_key: RetryPolicy(
        attempts=3,
        first_wait=0.5,
        longest_wait=2,
        postponements=(_MINUTE, 5 * _MINUTE, 15 * _MINUTE),
        most_postponements=3,
    ),
    steps.upload_to_netsuite: RetryPolicy(
        attempts=5,
        first_wait=1,
        longest_wait=8,
        postponements=(_MINUTE, 5 * _MINUTE, 15 * _MINUTE, 60 * _MINUTE),
        most_postponements=26,
    ),
    steps.save_to_openair: RetryPolicy(
        attempts=8,
        first_wait=0.2,
        longest_wait=4,
        postponements=(5, 10, 20, _MINUTE),
        most_postponements=720,
    ),
    steps.verify: RetryPolicy(
        attempts=5, first_wait=1, longest_wait=8, postponements=(10, 30, _MINUTE, 5 * _MINUTE), most_postponements=27
    ),
}

RESTORE: Final = RetryPolicy(
    attempts=1, first_wait=1, longest_wait=8, postponements=(5, 10, 20, _MINUTE, 5 * _MINUTE), most_postponements=300
)
"""Of restoring the previous certificate where OpenAir did not take the new one."""
REFUSED_RESTORE: Final = replace(RESTORE, postponements=(_MINUTE, 5 * _MINUTE, 15 * _MINUTE), most_postponements=100)
"""Of the same where a system refuses: seldom enough that a wrong password does not lock a user out."""

RETRIED: Final = (TryLater, Unknown)
"""What repeating may fix. Anything else is decided by the engine at once."""


class RetriedStep:
    """One step of one rotation, tried as often as its retry policy allows."""

    def __init__(
        self,
        edge: Edge,
        ports: Ports,
        attempt: StepAttempt,
        *,
        stopping: Callable[[Rotation], bool] = lambda _: False,
    ) -> None:
        """``edge`` has the step, ``ports`` are the connection's, ``attempt`` holds the rotation.

        ``stopping`` is asked after each failed try whether the rotation is to be released now.
        """
        assert edge.step
        self.edge = edge
        self.policy = TABLE[edge.step]
        self._step = edge.step
        self._ports = ports
        self._attempt = attempt
        self._stopping = stopping
        self._first: KeyturnError | None = None

    def run(self) -> Proof:
        """Do the step; return its proof. Raises the last try's error."""
        try:
            return self._try()  # nearly always; a `Retrying` takes as much CPU time as the statements of a move
        except RETRIED as error:
            self._first = error
        return self._retrying()(self._next_outcome)

    def _next_outcome(self) -> Proof:
        """Begin with the try that failed before tenacity was needed, which tenacity counts and waits after."""
        first, self._first = self._first, None
        if first:
            raise first
        return self._try()

    def _try(self) -> Proof:
        return self._step(self._attempt.begin(), self._ports, self._attempt)

    def _retrying(self) -> Retrying:
        policy = self.policy
        return Retrying(
            sleep=self._ports.clock.sleep,
            retry=retry_if_exception_type(RETRIED),
            stop=stop_after_attempt(policy.attempts)
            | _stop_for_longer_wait(policy.longest_wait)
            | _stop_when(self._is_stopped),
            wait=_wait_as_asked(wait_random_exponential(multiplier=policy.first_wait, max=policy.longest_wait)),
            before_sleep=self._publish,
            reraise=True,
        )

    def _is_stopped(self) -> bool:
        return self._stopping(self._attempt.claim.rotation)

    def _publish(self, state: RetryCallState) -> None:
        self._attempt.publish(
            events.Retrying(
                self._attempt.claim.rotation,
                step=self.edge.trigger,
                number=state.attempt_number,
                wait_seconds=round(state.upcoming_sleep, 3),
                code=_error(state).code,
                outage=self.edge.urgent,
            )
        )


class _wait_as_asked(wait_base):  # noqa: N801 - tenacity names its waits so
    """Wait as long as the other system asked for, or else as ``otherwise`` says."""

    def __init__(self, otherwise: wait_base) -> None:
        self._otherwise = otherwise

    def __call__(self, retry_state: RetryCallState) -> float:
        asked = retry_after(_error(retry_state))
        return self._otherwise(retry_state) if asked is None else asked


class _stop_for_longer_wait(stop_base):  # noqa: N801 - tenacity names its stops so
    """Stop trying inside the step when the other system asks for more than ``longest`` seconds.

    The step is postponed then: its worker can run other rotations meanwhile, and the wait survives a restart.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest

    def __call__(self, retry_state: RetryCallState) -> bool:
        asked = retry_after(_error(retry_state))
        return asked is not None and asked > self._longest


class _stop_when(stop_base):  # noqa: N801 - likewise
    """Stop trying inside the step when ``condition`` holds."""

    def __init__(self, condition: Callable[[], bool]) -> None:
        self._condition = condition

    def __call__(self, retry_state: RetryCallState) -> bool:
        del retry_state
        return self._condition()


def retry_after(error: KeyturnError) -> float | None:
    """The seconds that the other system asked for, or None."""
    return error.retry_after if isinstance(error, TryLater) else None


def _error(state: RetryCallState) -> KeyturnError:
    """How the try ended: whether to stop and how long to wait is asked only after an error that is retried."""
    assert state.outcome
    error = state.outcome.exception()
    assert isinstance(error, RETRIED)
    return error
