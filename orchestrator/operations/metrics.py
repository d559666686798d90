"""What a monitoring system asks: the state of everything that needs watching, and counters. Neither system is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from orchestrator.operations.counters import Counters
from orchestrator.operations.credentials import Credentials
from orchestrator.operations.status import Report, Status
from orchestrator.operations.workers import Seen, Workers
from persistence.store import Store
from states.credential import Credential
from states.rotation import Rotation

_ALWAYS: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything that is shown, as of one moment."""

    version: str
    report: Report
    rotations: Sequence[Rotation]
    """The open ones."""
    expiries: Sequence[tuple[datetime, str]]
    """When each current certificate expires (UTC), and of which connection."""
    credentials: Sequence[Credential]
    """Keyturn's own whose end is known, the one that ends first first."""
    workers: Seen
    last_pass: datetime | None
    """When everything that was due was last started (UTC)."""
    unsent_alerts: int
    """Messages that not every receiver has."""
    counts: Mapping[str, float]
    """By name, as `counters` has them."""


class Metrics:
    """The figures, read from the store at each call."""

    def __init__(self, store: Store, status: Status, workers: Workers, credentials: Credentials) -> None:
        self._store = store
        self._credentials = credentials
        self._status = status
        self._workers = workers
        self._counters = Counters(store)

    def read(self, *, until: datetime | None = None) -> Figures:
        """Read all figures; only certificates that expire before ``until`` (UTC) where it is given. Raises TryLater.

        Safe to repeat. It counts what the journal has got since the last call, and writes that and nothing else.
        """
        overview = self._status.overview()
        return Figures(
            version=self._workers.version,
            report=overview.report,
            rotations=list(overview.rotations.values()),
            expiries=self._store.deadlines.expiries(until or _ALWAYS),
            credentials=self._credentials.ending(),
            workers=self._workers.seen(),
            last_pass=self._store.monitoring.last_pass(),
            unsent_alerts=self._store.alerts.number_unsent(),
            counts=self._counters.read(),
        )
