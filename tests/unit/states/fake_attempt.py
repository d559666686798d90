"""The keys and the attempt of a step, in memory."""

from datetime import datetime
from typing import TYPE_CHECKING

from support.pairs import NOW, a_pair
from unit.states.rotations import ID

from states.connection import Policy
from states.errors import KeyMismatch, KeyturnError, SealBroken, Stale
from states.ports import Write
from states.rotation import Candidate, PrivateKey

if TYPE_CHECKING:  # it is made of these
    from unit.states.step_systems import StepSystems


class FakeAttempt:
    """One attempt of a step (states.ports.Attempt); records its calls in order."""

    def __init__(self, systems: "StepSystems") -> None:
        self._systems = systems
        self.began = NOW
        self.is_lost = False
        """Whether another worker holds the rotation."""
        self.can_store = True
        """Whether the store can record a lost answer."""
        self.checks: list[str] = []
        """The call before each check, or empty."""
        self.unknown: list[tuple[Write, str]] = []
        """Each write whose answer was lost, and the error's code."""
        self.looks: list[str] = []
        self.warnings: list[str] = []

    def ensure_held(self) -> None:
        if self.is_lost:
            raise Stale
        self.checks.append(self._systems.calls[-1] if self._systems.calls else "")

    def record_unknown(self, write: Write, error: KeyturnError) -> None:
        if not self.can_store:
            raise Stale
        self.unknown.append((write, error.code))
        self._systems.calls.append("unknown")

    def observe(self, sentence: str) -> None:
        self.looks.append(sentence)

    def warn(self, warning: str) -> None:
        self.warnings.append(warning)


class FakeKeys:
    """Generates ``systems.candidate`` first, and another pair at each later call (states.ports.Keys)."""

    def __init__(self, systems: "StepSystems") -> None:
        self._systems = systems
        self.made: list[tuple[str, str, Policy, datetime]] = []
        self.error: KeyturnError | None = None

    def generate(self, rotation_id: str, connection: str, policy: Policy, now: datetime) -> Candidate:
        if self.error:
            raise self.error
        pair = a_pair() if self.made else self._systems.candidate
        self.made.append((rotation_id, connection, policy, now))
        return Candidate(pair.certificate, b"sealed")

    def open(self, rotation_id: str, candidate: Candidate) -> PrivateKey:
        if self.error:
            raise self.error
        if rotation_id != ID or candidate.sealed_key != b"sealed":
            raise SealBroken
        if candidate.fingerprint != self._systems.candidate.fingerprint:
            raise KeyMismatch
        return PrivateKey(self._systems.candidate.key_pem())
