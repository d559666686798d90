"""Workers that run the real engine one call at a time, as a trace of the model says."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, NoReturn

from support.factories import NOW, a_certificate, key_pem
from support.randomness import FakeRandom
from support.stores import open_store

from orchestrator.engine import Engine
from orchestrator.leases import LeaseRenewer
from orchestrator.operations.approvals import Approvals
from orchestrator.operations.recovery import Recovery
from persistence.journal import POSTPONED, UNKNOWN
from persistence.store import Claim, Claims, Rotations
from states.connection import Policy
from states.errors import KeyturnError, Stale
from states.ports import Ports
from states.rotation import Candidate, PrivateKey, Rotation
from states.table import FAIL, RESTORE, RESTORING
from tests.model.trace_systems import TROUBLE, Systems, WorkersNetSuite, WorkersOpenAir

LEASE = 600.0
"""Seconds: no lease runs out by itself while a trace is replayed."""
A_WHILE = timedelta(seconds=10)
"""Longer than a proof is fresh."""
A_MOMENT = timedelta(seconds=1)
LONGEST_STEP = 20.0
"""Seconds that the code may take from one call to the next before the replay gives up."""


class Killed(BaseException):
    """The worker's process ends here: nothing catches it, nothing more is written."""


class Diverged(AssertionError):
    """The code did something else than the model."""


class WorkersClock:
    """A worker's clock: it does not move until the trace says that time passed."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self.time = NOW

    def now(self) -> datetime:
        while self._worker.comes("aged"):
            self._worker.coming.popleft()
            self.time += A_WHILE
        return self.time

    def sleep(self, seconds: float) -> None:
        """No time passes by itself."""


class WorkersKeys:
    """A candidate's key is "sealed" by the name of what it is for."""

    def generate(self, rotation_id: str, connection: str, policy: Policy, now: datetime) -> Candidate:
        return Candidate(a_certificate(now=now, days=policy.days), f"{connection} {rotation_id}".encode())

    def open(self, rotation_id: str, candidate: Candidate) -> PrivateKey:
        assert candidate.sealed_key.endswith(rotation_id.encode())
        return PrivateKey(key_pem(candidate.certificate))


_NOTES: Mapping[str, str] = {
    POSTPONED: "postpone",
    FAIL: "park",
    UNKNOWN: "unknown",
    RESTORING: "note",
    RESTORE: "close",
}
"""What the model calls the writes that are no forward moves."""


class GatedRotations(Rotations):
    """The real rotations; each write of a worker waits until the trace comes to it."""

    def __init__(self, rotations: Rotations, worker: "Worker") -> None:
        super().__init__(rotations._database, rotations._vault)
        self._worker = worker

    def advance(self, claim: Claim, *args: Any, event: str, **kwargs: Any) -> Claim:
        self._worker.wait(_NOTES.get(event, "move"))
        with self._worker.noting():
            return super().advance(claim, *args, event=event, **kwargs)

    def write(self, *args: Any, **kwargs: Any) -> Rotation:
        self._worker.wait("close")
        with self._worker.noting():
            return super().write(*args, **kwargs)


class GatedClaims(Claims):
    """The real claims, gated likewise."""

    def __init__(self, claims: Claims, worker: "Worker") -> None:
        super().__init__(claims._database, claims._vault)
        self._worker = worker

    def hold(self, worker: str, parked: Rotation, *, lease: float) -> Claim:
        """Does not wait: the model reads and holds the rotation in one action."""
        self._worker.claim = super().hold(worker, parked, lease=lease)
        return self._worker.claim

    def ensure_held(self, claim: Claim) -> None:
        self._worker.wait("check")
        with self._worker.noting("held"):
            super().ensure_held(claim)

    def release(self, claim: Claim) -> None:
        self._worker.wait("release")
        with self._worker.noting():
            super().release(claim)


class Worker:
    """Runs the real engine or recovery in a thread of its own that stops before each remote call and each write."""

    def __init__(self, name: str, url: str, systems: Systems) -> None:
        self.name = name
        self.coming: deque[str] = deque()
        """The names of its own events that the trace still has."""
        self.clock = WorkersClock(self)
        self.store = open_store(url)
        self.store.rotations = GatedRotations(self.store.rotations, self)
        self.store.claims = GatedClaims(self.store.claims, self)
        self.at = "idle"
        """What it is about to do."""
        self.result = ""
        """The outcome of its last call of the store: stored, held or stale."""
        self.claim: Claim | None = None
        """The parked rotation that it held last."""
        self._how = ""
        self._killed = False
        self._broken: BaseException | None = None
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        ports = Ports(
            WorkersNetSuite(self, systems),
            WorkersOpenAir(self, systems),
            WorkersKeys(),
            self.clock,
            FakeRandom(name),
        )
        leases = LeaseRenewer(self.store, lease=LEASE)  # it never beats: leases end when the trace says so
        self._engine = Engine(self.store, lambda _: ports, leases, self.clock, stopping=lambda _: self.comes("release"))
        self._recovery = Recovery(
            self.store, lambda _: ports, self.clock, Approvals(self.store, self.clock, is_required=False), lease=LEASE
        )

    # --- what the trace does with it

    def carry(self, claim: Claim) -> None:
        """Carry a claimed rotation, up to the first call."""
        self._begin(lambda: self._engine.run(claim))

    def restore(self, rotation_id: str, *, overwrite: bool) -> None:
        """Restore, up to the first call."""
        self._begin(lambda: self._recovery.restore(rotation_id, actor=self.name, overwrite=overwrite))

    def adopt(self, rotation_id: str) -> None:
        """Adopt, up to the first call."""
        self._begin(lambda: self._recovery.adopt(rotation_id, actor=self.name))

    def abandon(self, rotation_id: str) -> None:
        """Abandon in doubt, up to the first call."""
        self._begin(lambda: self._recovery.abandon(rotation_id, actor=self.name))

    def go_on(self, to_do: str, how: str) -> None:
        """Do what it is about to do, which must be ``to_do``, and go on up to the next call."""
        if self.at != to_do:
            raise Diverged(f"{self.name} is about to {self.at!r}; the model's does {to_do!r}.")
        self._how = how
        self._go.release()
        self._wait_until_stopped()

    def kill(self) -> None:
        """End the worker where it has stopped."""
        if self.at != "idle":
            self._killed = True
            self._go.release()
            self._wait_until_stopped()

    def comes(self, event: str) -> bool:
        """Whether the trace's next event of this worker is ``event``."""
        return bool(self.coming) and self.coming[0] == event

    # --- what its own thread does

    def wait(self, to_do: str) -> str:
        """Stop before ``to_do`` until the trace reaches it; return its outcome."""
        if self._killed:  # a killed process cleans nothing up
            raise Killed
        self.at = to_do
        self._stopped.release()
        self._go.acquire()
        if self._killed:
            raise Killed
        return self._how

    def call(self, name: str) -> str:
        """Wait before a remote call; raise its error, or return its outcome."""
        how = self.wait(name)
        if how in TROUBLE:
            raise TROUBLE[how]
        return how

    @contextmanager
    def noting(self, well: str = "stored") -> Iterator[None]:
        """Record the outcome of a call of the store."""
        self.result = ""
        try:
            yield
            self.result = well
        except Stale:
            self.result = "stale"
            raise

    def diverged(self, how: str) -> NoReturn:
        """Record that the code did something else than the model, and end the thread."""
        self._broken = Diverged(how)
        raise Killed

    def _begin(self, work: Callable[[], object]) -> None:
        self._killed = False
        threading.Thread(target=self._do, args=(work,), daemon=True).start()
        self._wait_until_stopped()

    def _do(self, work: Callable[[], object]) -> None:
        try:
            with suppress(KeyturnError):  # refused, or taken over
                work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - reported by the thread that waits for this one
            self._broken = error
        self.at = "idle"
        self._stopped.release()

    def _wait_until_stopped(self) -> None:
        if not self._stopped.acquire(timeout=LONGEST_STEP):
            raise Diverged(f"{self.name} neither calls nor ends.")
        if self._broken:
            raise Diverged(f"{self.name} broke: {self._broken!r}") from self._broken
