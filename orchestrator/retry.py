"""How long each step is retried: seconds by tenacity inside the step, longer by columns that survive restarts.

| step | inside the step | put off | then |
|---|---|---|---|
| generate_key | 3 tries, about 2 s | 1 min, 5 min, 15 min | parked: it needs nothing but this machine |
| upload_to_netsuite | 5 tries, about 15 s | 1 min to 1 h, for about a day | parked: the old certificate still works |
| save_to_openair | 8 tries, about 15 s | 5 s to 1 min, for about 12 h | parked: an outage, so it tries hard |
| verify | 5 tries, about 15 s | 10 s to 5 min, for about 2 h | parked: imports work again by now |
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.stop import stop_base
from tenacity.wait import wait_base, wait_random_exponential

from orchestrator import events
from orchestrator.step_attempt import StepAttempt
from states import steps
from states.errors import KeyturnError, TryLater, Unknown
from states.ports import Ports
from states.rotation import Rotation
from states.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long one step is retried."""

    attempts: int
    """Tries inside the step."""
    first_wait: float
    longest_wait: float
    """Seconds between two tries inside the step; the wait grows from the first to the longest, with jitter."""
    put_offs: tuple[float, ...]
    """Seconds for which the step is put off after its tries; the last one repeats."""
    most_put_offs: int
    """After so many the rotation is parked."""
    urgent: bool = False
    """Whether waiting is an outage, so that the first failing try already raises the alarm."""

    def put_off(self, tries: int) -> timedelta | None:
        """How long to wait after ``tries`` earlier put-offs, or None to give up."""
        if tries >= self.most_put_offs:
            return None
        return timedelta(seconds=self.put_offs[min(tries, len(self.put_offs) - 1)])


_MINUTE: Final = 60.0

TABLE: Final[dict[Step, RetryPolicy]] = {
    steps.generate_key: RetryPolicy(
        attempts=3, first_wait=0.5, longest_wait=2, put_offs=(_MINUTE, 5 * _MINUTE, 15 * _MINUTE), most_put_offs=3
    ),
    steps.upload_to_netsuite: RetryPolicy(
        attempts=5,
        first_wait=1,
        longest_wait=8,
        put_offs=(_MINUTE, 5 * _MINUTE, 15 * _MINUTE, 60 * _MINUTE),
        most_put_offs=26,
    ),
    steps.save_to_openair: RetryPolicy(
        attempts=8,
        first_wait=0.2,
        longest_wait=4,
        put_offs=(5, 10, 20, _MINUTE),
        most_put_offs=720,
        urgent=True,
    ),
    steps.verify: RetryPolicy(
        attempts=5, first_wait=1, longest_wait=8, put_offs=(10, 30, _MINUTE, 5 * _MINUTE), most_put_offs=27
    ),
}

RETRIED: Final = (TryLater, Unknown)
"""What repeating may mend. Anything else is decided by the engine at once."""


class RetriedStep:
    """One step of one rotation, tried as often as its patience allows."""

    def __init__(self, step: Step, ports: Ports, turn: StepAttempt) -> None:
        """``ports`` are the connection's; writing through them is ``turn``'s to allow."""
        self.patience = TABLE[step]
        self._step = step
        self._ports = replace(ports, turn=turn)
        self._turn = turn

    def run(self) -> Rotation:
        """Do the step; return the rotation with one more proof. Raises the last try's error."""
        return self._retrying()(self._try)

    def _try(self) -> Rotation:
        return self._step(self._turn.begin(), self._ports)

    def _retrying(self) -> Retrying:
        return Retrying(
            sleep=self._ports.clock.sleep,
            retry=retry_if_exception_type(RETRIED),
            stop=stop_after_attempt(self.patience.attempts) | _asked_to_stay_away(self.patience.longest_wait),
            wait=_asked_or(
                wait_random_exponential(multiplier=self.patience.first_wait, max=self.patience.longest_wait)
            ),
            before_sleep=self._publish,
            reraise=True,
        )

    def _publish(self, state: RetryCallState) -> None:
        self._turn.publish(
            events.Retrying(
                self._turn.claim.rotation,
                step=self._step.__name__,
                number=state.attempt_number,
                wait_seconds=round(state.upcoming_sleep, 3),
                code=_error(state).code,
                outage=self.patience.urgent,
            )
        )


class _asked_or(wait_base):  # noqa: N801 - tenacity names its waits so
    """Wait as long as the other system asked for, or else as ``otherwise`` says."""

    def __init__(self, otherwise: wait_base) -> None:
        self._otherwise = otherwise

    def __call__(self, retry_state: RetryCallState) -> float:
        asked = retry_after(_error(retry_state))
        return self._otherwise(retry_state) if asked is None else asked


class _asked_to_stay_away(stop_base):  # noqa: N801 - tenacity names its stops so
    """Stop trying inside the step when the other system asks for more than ``longest`` seconds."""

    def __init__(self, longest: float) -> None:
        self._longest = longest

    def __call__(self, retry_state: RetryCallState) -> bool:
        asked = retry_after(_error(retry_state))
        return asked is not None and asked > self._longest


def retry_after(error: KeyturnError) -> float | None:
    """The seconds that the other system asked for, or None."""
    return error.retry_after if isinstance(error, TryLater) else None


def _error(state: RetryCallState) -> KeyturnError:
    """How the try ended: whether to stop and how long to wait is asked only after an error that is retried."""
    assert state.outcome
    error = state.outcome.exception()
    assert isinstance(error, RETRIED)
    return error
