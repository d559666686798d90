"""Both systems in memory, and workers that run the real engine one call at a time, as a trace of the model says."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NoReturn

from factories import NOW, a_certificate, key_pem, signed

from orchestrator.engine import Engine
from orchestrator.heart import Heart
from orchestrator.operations.remedies import Remedies
from persistence.journal import PUT_OFF, RESTORE, RESTORING, UNKNOWN
from persistence.store import Claim, Store
from states.certificate import Certificate, Challenge
from states.connection import Policy
from states.errors import (
    CannotSign,
    CertificateRecordMissing,
    KeyturnError,
    NotPermitted,
    Stale,
    TryLater,
    Unknown,
)
from states.ports import Ports, Record, Report
from states.rotation import Candidate, Confirmation, PrivateKey, Rotation
from states.table import FAIL

LEASE = 600.0
"""Seconds: no lease runs out by itself while a trace is replayed."""
A_WHILE = timedelta(seconds=10)
"""Longer than a proof is fresh."""
A_MOMENT = timedelta(seconds=1)
PATIENCE = 20.0
"""Seconds that the code may take from one call to the next before the replay gives up."""


@dataclass(frozen=True)
class Mute:
    """What NetSuite's record holds when nobody can sign with it."""

    certificate: Certificate


class Killed(BaseException):
    """The worker's process ends here: nothing catches it, nothing more is written."""


class Bug(Exception):
    """Something that no code of ours foresees."""


class Diverged(AssertionError):
    """The code did something else than the model."""


# --- both systems -----------------------------------------------------------------------------------------------------


@dataclass
class Systems:
    """What NetSuite and OpenAir hold, and the requests that may still land."""

    previous: Certificate = field(default_factory=a_certificate)
    foreign: Certificate = field(default_factory=a_certificate)
    netsuite: Certificate | Mute | None = None
    openair: Certificate | None = None
    late_install: tuple[Certificate, bool] | None = None
    late_save: Certificate | None = None
    time: datetime = NOW
    """By NetSuite's clock."""
    sent: set[str] = field(default_factory=set)
    """The fingerprints that NetSuite was sent."""

    def __post_init__(self) -> None:
        self.netsuite = self.openair = self.previous

    def install(self, certificate: Certificate, *, create: bool) -> None:
        self.sent.add(certificate.fingerprint)
        if self.netsuite or create:
            self.netsuite = certificate

    def sign(self, challenge: Challenge) -> str:
        if self.netsuite is None:
            raise CertificateRecordMissing
        if isinstance(self.netsuite, Mute):
            raise CannotSign
        return signed(self.netsuite, challenge.text)


class WorkersClock:
    """A worker's time: it stands still until the trace says that a while went by."""

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


class WorkersRandom:
    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def bytes(self, count: int) -> bytes:
        self._count += 1
        return f"{self._name} {self._count}".encode().ljust(count, b".")

    def fraction(self) -> float:
        return 0.5


class WorkersKeys:
    """A candidate's key is "sealed" by the name of what it is for."""

    def generate(self, rotation_id: str, connection: str, policy: Policy, now: datetime) -> Candidate:
        return Candidate(a_certificate(now=now, days=policy.days), f"{connection} {rotation_id}".encode())

    def open(self, rotation_id: str, candidate: Candidate) -> PrivateKey:
        assert candidate.sealed_key.endswith(rotation_id.encode())
        return PrivateKey(key_pem(candidate.certificate))


class WorkersNetSuite:
    """The record as one worker reaches it: each call waits for the trace to say how it ends."""

    def __init__(self, worker: "Worker", systems: Systems) -> None:
        self._worker = worker
        self._systems = systems

    def report(self) -> Report:
        held = self._systems.netsuite
        shown = held.certificate if isinstance(held, Mute) else held
        # The keys of a test are made within one second: only what is shown of our own is told apart.
        ours = shown if shown and shown.fingerprint in self._systems.sent else None
        record = Record(
            name="a record",
            file_name="somebody-elses.pem",
            valid_from=ours.not_before if ours else None,
            valid_to=ours.not_after if ours else None,
        )
        return Report(record=record, server_time=NOW, bundles={})

    def sign(self, challenge: Challenge) -> str:
        self._worker.call("sign")
        return self._systems.sign(challenge)

    def install(
        self, certificate: Certificate, key: PrivateKey, challenge: Challenge, *, deadline: datetime, create: bool
    ) -> str:
        assert key_pem(certificate) == key.reveal()
        how = self._worker.call("install")
        if (self._systems.time > deadline) != (how == "late"):
            self._worker.diverged(f"The install is sent by {deadline}; it is {self._systems.time}.")
        if how in ("lost_late", "slow"):
            self._systems.sent.add(certificate.fingerprint)
            self._systems.late_install = (certificate, create)
        elif how in ("done", "lost_done", "broke_done"):
            if how == "done" and self._systems.netsuite is None and not create:
                raise CertificateRecordMissing
            self._systems.install(certificate, create=create)
        elif how == "mute":
            self._systems.install(certificate, create=create)
            self._systems.netsuite = Mute(certificate)
        _answer(how)
        return self._systems.sign(challenge)


class WorkersOpenAir:
    """OpenAir as one worker reaches it."""

    def __init__(self, worker: "Worker", systems: Systems) -> None:
        self._worker = worker
        self._systems = systems

    def read(self) -> Certificate | None:
        self._worker.call("read")
        return self._systems.openair

    def save(self, confirmation: Confirmation) -> None:
        how = self._worker.call("save")
        if how in ("lost_late", "slow"):
            self._systems.late_save = confirmation.certificate
        elif how in ("done", "lost_done", "broke_done"):
            self._systems.openair = confirmation.certificate
        _answer(how)


def _answer(how: str) -> None:
    """What the caller of a write gets to know of it, where that is not the plain answer."""
    if how == "broke_done":
        raise Bug
    if how.startswith("lost") or how == "mute":
        raise Unknown


_TROUBLE: Mapping[str, type[Exception]] = {
    "gone": TryLater,
    "later": TryLater,
    "late": TryLater,
    "refused": NotPermitted,
    "broke": Bug,
}

# --- a worker ---------------------------------------------------------------------------------------------------------

_NOTES: Mapping[str, str] = {PUT_OFF: "put_off", FAIL: "park", UNKNOWN: "unknown", RESTORING: "note", RESTORE: "close"}
"""What the model calls the writes that are no forward moves."""


class GatedStore(Store):
    """The real store; each write of a worker waits until the trace comes to it."""

    def __init__(self, url: str, worker: "Worker") -> None:
        super().__init__(url)
        self._worker = worker

    def advance(self, claim: Claim, *args: Any, event: str, **kwargs: Any) -> Claim:
        self._worker.wait(_NOTES.get(event, "move"))
        with self._worker.noting():
            return super().advance(claim, *args, event=event, **kwargs)

    def hold(self, worker: str, parked: Rotation, *, lease: float) -> Claim:
        """At once: it is read and held in one, in the model."""
        self._worker.claim = super().hold(worker, parked, lease=lease)
        return self._worker.claim

    def write(self, *args: Any, **kwargs: Any) -> Rotation:
        self._worker.wait("close")
        with self._worker.noting():
            return super().write(*args, **kwargs)

    def ensure_held(self, claim: Claim) -> None:
        self._worker.wait("check")
        with self._worker.noting("held"):
            super().ensure_held(claim)

    def release(self, claim: Claim) -> None:
        self._worker.wait("release")
        with self._worker.noting():
            super().release(claim)


class Worker:
    """The real engine in a thread of its own, which stands still before each remote call and each write; and the real
    remedies, for whoever restores and adopts.
    """

    def __init__(self, name: str, url: str, systems: Systems) -> None:
        self.name = name
        self.coming: deque[str] = deque()
        """The names of its own events that the trace still has."""
        self.clock = WorkersClock(self)
        self.store = GatedStore(url, self)
        self.at = "idle"
        """What it is about to do."""
        self.result = ""
        """What came of what it did with the store last: stored, held, or stale."""
        self.claim: Claim | None = None
        """The parked rotation that it held last."""
        self._how = ""
        self._killed = False
        self._broken: BaseException | None = None
        self._go, self._stands = threading.Semaphore(0), threading.Semaphore(0)
        ports = Ports(
            WorkersNetSuite(self, systems),
            WorkersOpenAir(self, systems),
            WorkersKeys(),
            self.clock,
            WorkersRandom(name),
        )
        heart = Heart(self.store, lease=LEASE)  # it never beats: leases end when the trace says so
        self._engine = Engine(self.store, lambda _: ports, heart, self.clock, stopping=lambda: self.comes("release"))
        self._remedies = Remedies(self.store, lambda _: ports, self.clock, lease=LEASE)

    # --- what the trace does with it

    def carry(self, claim: Claim) -> None:
        """Carry a claimed rotation, up to the first call."""
        self._begin(lambda: self._engine.run(claim))

    def restore(self, rotation_id: str, *, overwrite: bool) -> None:
        """Restore, up to the first call."""
        self._begin(lambda: self._remedies.restore(rotation_id, actor=self.name, overwrite=overwrite))

    def adopt(self, rotation_id: str) -> None:
        """Adopt, up to the first call."""
        self._begin(lambda: self._remedies.adopt(rotation_id, actor=self.name))

    def go_on(self, to_do: str, how: str) -> None:
        """Do what it is about to do, which must be ``to_do``, and go on up to the next call."""
        if self.at != to_do:
            raise Diverged(f"{self.name} is about to {self.at!r}; the model's does {to_do!r}.")
        self._how = how
        self._go.release()
        self._until_it_stands()

    def kill(self) -> None:
        """End it where it stands."""
        if self.at != "idle":
            self._killed = True
            self._go.release()
            self._until_it_stands()

    def comes(self, event: str) -> bool:
        """Whether the trace's next event of this worker is ``event``."""
        return bool(self.coming) and self.coming[0] == event

    # --- what its own thread does

    def wait(self, to_do: str) -> str:
        """Stand still before ``to_do`` until the trace comes to it; return how it goes."""
        if self._killed:  # nobody tidies up
            raise Killed
        self.at = to_do
        self._stands.release()
        self._go.acquire()
        if self._killed:
            raise Killed
        return self._how

    def call(self, name: str) -> str:
        """Wait before a remote call; raise what befalls it, or return how it goes."""
        how = self.wait(name)
        if how in _TROUBLE:
            raise _TROUBLE[how]
        return how

    @contextmanager
    def noting(self, well: str = "stored") -> Iterator[None]:
        """Note what comes of what it does with the store."""
        self.result = ""
        try:
            yield
            self.result = well
        except Stale:
            self.result = "stale"
            raise

    def diverged(self, how: str) -> NoReturn:
        """Note that the code did something else than the model, and end here."""
        self._broken = Diverged(how)
        raise Killed

    def _begin(self, work: Callable[[], object]) -> None:
        self._killed = False
        threading.Thread(target=self._do, args=(work,), daemon=True).start()
        self._until_it_stands()

    def _do(self, work: Callable[[], object]) -> None:
        try:
            with suppress(KeyturnError):  # refused, or taken over
                work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits for it
            self._broken = error
        self.at = "idle"
        self._stands.release()

    def _until_it_stands(self) -> None:
        if not self._stands.acquire(timeout=PATIENCE):
            raise Diverged(f"{self.name} neither calls nor ends.")
        if self._broken:
            raise Diverged(f"{self.name} broke: {self._broken!r}") from self._broken
