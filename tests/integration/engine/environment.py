"""An engine over the real store and both systems in memory, and what it tells."""

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.factories import begin, pair_of
from support.fake_systems import REMOTE_CALL, FakeSystems

from orchestrator import event_log, retry
from orchestrator.engine import Engine
from orchestrator.events import Changed, Event
from orchestrator.leases import LeaseRenewer
from orchestrator.log import OUTAGE
from orchestrator.retry import TABLE
from persistence.journal import Entry
from persistence.store import Claim, Store
from states.ports import Ports
from states.rotation import Rotation
from states.state import State
from states.steps import Step

LEASE = 60.0
CALL = timedelta(seconds=REMOTE_CALL)


class EngineEnvironment:
    """An engine over the store and the systems, and what it tells."""

    def __init__(self, store: Store, systems: FakeSystems) -> None:
        self.store = store
        self.systems = systems
        self.heard: list[Rotation] = []
        self.stops_after: int | None = None
        """How often the engine may ask whether to stop before the answer is yes."""
        self.refusal: Exception | None = None
        """Why the connection cannot be opened."""
        leases = LeaseRenewer(store, lease=LEASE)  # it never beats: no lease runs out by itself here
        self.engine = Engine(
            store,
            self.connect,
            leases,
            systems.clock,
            stopping=self._stopping,
            listener=self._receive,
        )

    def begin(self, state: State = State.REQUESTED, **over: Any) -> Claim:
        """A new rotation of the certificate in NetSuite, which got to ``state`` already, as both systems did."""
        assert self.systems.netsuite.holds
        claim = begin(self.store, state, previous=self.systems.netsuite.holds.certificate, **over)
        proofs = claim.rotation.proofs
        if proofs.confirmation:
            self.systems.netsuite.hold(pair_of(proofs.confirmation.certificate))
        if proofs.saved and proofs.confirmation:
            self.systems.openair.held = proofs.confirmation.certificate
        return claim

    def run(self, state: State = State.REQUESTED) -> Rotation:
        """Carry such a rotation, as far as it goes."""
        return self.engine.run(self.begin(state))

    def go_on(self, waiting: Rotation) -> Rotation:
        """Carry a rotation that waits on, once its moment has come."""
        claim = self.store.claims.claim("w2", lease=LEASE, now=waiting.available_at)
        assert claim
        self.systems.clock.moment = waiting.available_at
        return self.engine.run(claim)

    def entries(self, rotation: Rotation) -> list[Entry]:
        return self.store.journal.of(rotation.id)

    def last(self, rotation: Rotation) -> Entry:
        return self.entries(rotation)[-1]

    def is_held(self, rotation: Rotation) -> bool:
        """Whether a worker holds it, whenever it may be available."""
        later = rotation.available_at + timedelta(days=1)
        return self.store.claims.claim("another", lease=1, now=later, rotation_id=rotation.id) is None

    def _receive(self, event: Event) -> None:
        event_log.write(event)
        if isinstance(event, Changed):
            self.heard.append(event.rotation)

    def connect(self, name: str) -> Ports:
        """Both systems, as the engine reaches them."""
        assert "acme" == name
        if self.refusal:
            raise self.refusal
        return self.systems.as_ports(fraction=0.25)

    def _stopping(self, _rotation: Rotation) -> bool:
        if self.stops_after is None:
            return False
        self.stops_after -= 1
        return self.stops_after < 0


def allow_one_try(monkeypatch: pytest.MonkeyPatch, step: Step) -> None:
    """Let ``step`` have one attempt and no postponement."""
    impatient = replace(TABLE[step], attempts=1, most_postponements=0)
    monkeypatch.setitem(retry.TABLE, step, impatient)


def about(rotation: Rotation) -> dict[str, object]:
    return {"rotation": rotation.id, "connection": rotation.connection, "state": rotation.state.value}


_PLAIN = set(logging.makeLogRecord({}).__dict__) | {"message"}


def extra(record: logging.LogRecord) -> dict[str, object]:
    """The fields of a log record besides its text, and the outage's sentence: the computer's clock is in that."""
    return {name: value for name, value in record.__dict__.items() if name not in _PLAIN and name != OUTAGE}
