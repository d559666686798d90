"""What lists show of rotations and connections: everything that needs no certificate text and no sealed key."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from states.certificate import Certificate
from states.connection import NetSuiteSettings, OpenAirSettings, Options, Policy
from states.rotation import Cause, Ending, Failure, Rotation
from states.state import State


@dataclass(frozen=True, slots=True)
class CertificateSummary:
    """A certificate, known by its fingerprint."""

    fingerprint: str
    not_before: datetime
    not_after: datetime

    @classmethod
    def of(cls, certificate: Certificate) -> "CertificateSummary":
        """Summarize ``certificate``."""
        return cls(certificate.fingerprint, certificate.not_before, certificate.not_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationSummary:
    """A rotation as lists show it. Its fields mean what those of `Rotation` mean."""

    id: str
    connection: str
    cause: Cause
    actor: str
    reason: str
    state: State
    version: int
    attempt: int
    tries: int
    created_at: datetime
    updated_at: datetime
    available_at: datetime
    previous: CertificateSummary | None
    candidate: CertificateSummary | None
    saved_at: datetime | None
    skew_from: datetime | None
    doubt_since: datetime | None
    in_flight_until: datetime | None
    waiting_for: str
    awaits_person: bool
    by_hand: bool
    failure: Failure | None
    restoring_since: datetime | None
    closed_at: datetime | None
    ending: Ending | None
    broken: str

    @classmethod
    def of(cls, rotation: Rotation) -> "RotationSummary":
        """Summarize ``rotation``."""
        candidate, saved = rotation.proofs.candidate, rotation.proofs.saved
        return cls(
            id=rotation.id,
            connection=rotation.connection,
            cause=rotation.cause,
            actor=rotation.actor,
            reason=rotation.reason,
            state=rotation.state,
            version=rotation.version,
            attempt=rotation.attempt,
            tries=rotation.tries,
            created_at=rotation.created_at,
            updated_at=rotation.updated_at,
            available_at=rotation.available_at,
            previous=CertificateSummary.of(rotation.previous) if rotation.previous else None,
            candidate=CertificateSummary.of(candidate.certificate) if candidate else None,
            saved_at=saved.at if saved else None,
            skew_from=rotation.skew_from,
            doubt_since=rotation.doubt.since,
            in_flight_until=rotation.doubt.in_flight_until,
            waiting_for=rotation.waiting_for,
            awaits_person=rotation.awaits_person,
            by_hand=rotation.circumstances.by_hand,
            failure=rotation.failure,
            restoring_since=rotation.restoring_since,
            closed_at=rotation.closed_at,
            ending=rotation.ending,
            broken=rotation.circumstances.broken,
        )

    @property
    def position(self) -> State:
        """How far the rotation got: its state, or the state it failed from."""
        return self.failure.failed_from if self.failure else self.state

    @property
    def is_open(self) -> bool:
        """Whether it still holds its connection: under way or parked."""
        return self.closed_at is None

    def skew(self, now: datetime) -> timedelta | None:
        """How long OpenAir lagged behind NetSuite, as `Rotation.skew`."""
        if self.skew_from is None:
            return None
        return (self.saved_at or self.closed_at or now) - self.skew_from


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSummary:
    """A connection as lists show it. Its fields mean what those of `Connection` mean."""

    name: str
    netsuite: NetSuiteSettings
    openair: OpenAirSettings
    options: Options
    policy: Policy
    bundles: Mapping[str, str]
    version: int
    current: CertificateSummary | None
    due_at: datetime | None
    is_automatic: bool
