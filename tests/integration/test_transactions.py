"""No request is sent to NetSuite or OpenAir while a transaction of the database is open (rule 2)."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from integration.fixture_types import Rotate
from integration.recovery.environment import NO_SAVE
from support.clock import OffsetClock
from support.environment import NAME

from orchestrator.adapters.http import Http
from orchestrator.bootstrap import Keyturn
from persistence.database import Database
from simulator import Fault, Simulator
from states.rotation import Ending
from states.state import State
from states.timing import HOLD_OFF

Open = Callable[[Database], AbstractContextManager[Any]]


@pytest.fixture
def clock(app: Keyturn) -> OffsetClock:
    """The application's clock, which a test can set ahead."""
    app.clock = clock = OffsetClock()
    return clock


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For each request that is sent, how many transactions its thread has open."""
    found: list[int] = []
    here = threading.local()
    call = Http._call

    def counted(opening: Open) -> Open:
        @contextmanager
        def opened(database: Database) -> Iterator[Any]:
            with opening(database) as tx:
                here.depth = getattr(here, "depth", 0) + 1
                try:
                    yield tx
                finally:
                    here.depth -= 1

        return opened

    def watched(http: Http, *arguments: Any, **options: Any) -> Any:
        found.append(getattr(here, "depth", 0))
        return call(http, *arguments, **options)

    for name in ("reading", "glancing", "writing"):
        monkeypatch.setattr(Database, name, counted(getattr(Database, name)))
    monkeypatch.setattr(Http, "_call", watched)  # of `post` and `get`
    return found


def test_no_request_is_sent_within_a_transaction(
    app: Keyturn, clock: OffsetClock, simulator: Simulator, rotate: Rotate, calls: list[int]
) -> None:
    """Neither by rotations, with a lost answer too, nor by a restore, nor by what looks at both systems."""
    assert State.COMPLETED is rotate().state
    simulator.faults.add(NO_SAVE)
    assert Ending.RESTORED is app.recovery.restore(rotate().id, actor="ada").ending
    simulator.faults.clear()
    clock.ahead = HOLD_OFF
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="after"))
    assert State.COMPLETED is rotate().state
    app.health.health(NAME)
    assert list(app.doctor.rehearse(NAME))
    assert {0} == set(calls)
    with app.store._database.reading():
        app.health.health(NAME)
    assert calls[-1] == 1, "a transaction is not noticed"
