"""A lost answer is stored with its evidence before anything else is sent, and delays the next rotation."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from xml.etree.ElementTree import Element

import pytest
from integration.database_outage import lose_evidence
from integration.fixture_types import Carry, Rotate
from support.environment import NAME
from support.request_history import installed, saved

from orchestrator.adapters.openair_xml import OpenAirXml
from orchestrator.bootstrap import Keyturn
from orchestrator.engine import Engine
from orchestrator.leases import LeaseRenewer
from persistence.journal import UNKNOWN, Entry
from simulator import Fault, Simulator
from states.errors import Stale
from states.rotation import Confirmation
from states.state import State
from states.timing import HOLD_OFF


def test_a_lost_install_is_recorded_with_its_evidence(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """The journal has the lost request, its certificate, reason and latest effect, and how the doubt was settled."""
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="after"))
    done = rotate()
    entries = {entry.event: entry for entry in app.rotations.journal(done.id)}
    lost = entries[UNKNOWN]
    assert done.proofs.candidate
    assert done.doubt.in_flight_until
    assert (
        "install",
        done.proofs.candidate.fingerprint,
        "UNKNOWN_OUTCOME",
        done.doubt.in_flight_until.isoformat(),
    ) == tuple(lost.detail[name] for name in ("write", "fingerprint", "code", "until"))
    assert (done.doubt.in_flight_until - HOLD_OFF, State.KEY_GENERATED) == (lost.at, lost.target)
    assert datetime.fromisoformat(str(lost.detail["began"])) <= lost.at
    assert "NetSuite signed with the candidate." in _readings(entries["upload_to_netsuite"])
    assert "looks" not in entries["save_to_openair"].detail
    app.journal.verify()


def test_a_lost_save_is_recorded_with_its_evidence(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """A save that took no effect is found missing twice and sent again; the move has what was read."""
    simulator.faults.add(Fault("openair.api", "reset", action="Add", when="before"))
    done = rotate()
    entries = {entry.event: entry for entry in app.rotations.journal(done.id)}
    assert ("save", State.UPLOADED_TO_NETSUITE) == (entries[UNKNOWN].detail["write"], entries[UNKNOWN].target)
    looks = _readings(entries["save_to_openair"])
    assert (["OpenAir holds no certificate."] * 2, "OpenAir holds the candidate.") == (looks[:2], looks[-1])
    assert (State.COMPLETED, None) == (done.state, done.doubt.since)


def test_a_late_add_leaves_two_preferences(app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry) -> None:
    """If a lost Add takes effect after the second one, OpenAir has two Preferences, and each rotation updates both."""
    late: list[Callable[[], None]] = []
    simulator.clock.later = lambda _seconds, act: late.append(act)  # type: ignore[method-assign]
    simulator.faults.add(Fault("openair.api", "late", action="Add", seconds=30))
    done = rotate()
    late.pop()()
    following = carry(app.rotations.request(NAME, actor="tester"))
    assert [State.COMPLETED] * 2 == [done.state, following.state]
    assert ((), 2) == (app.health.health(NAME).problems, len(simulator.openair.settings.preferences()))
    assert following.proofs.candidate
    held = {preference.setting for preference in simulator.openair.settings.preferences()}
    assert {following.proofs.candidate.certificate.pem} == held


def test_nothing_is_in_flight_after_complete_answers(app: Keyturn, rotate: Rotate) -> None:
    """A rotation without lost answers leaves no doubt and no evidence, and the next one begins at once."""
    done = rotate()
    assert (None, None) == (done.doubt.since, done.doubt.in_flight_until)
    assert UNKNOWN not in [entry.event for entry in app.rotations.journal(done.id)]
    assert app.rotations.request_and_claim(NAME, actor="tester")[1]


def test_the_next_rotation_is_held_off(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """After a lost answer the next rotation can be requested, but begins only when the request can take no effect."""
    simulator.faults.add(Fault("openair.api", "reset", action="Add", when="after"))
    done = rotate()
    requested, claim = app.rotations.request_and_claim(NAME, actor="tester")
    assert claim is None
    assert done.doubt.in_flight_until == requested.available_at
    assert app.store.claims.claim("test", lease=15, now=app.clock.now()) is None
    assert done.id in requested.waiting_for


def test_a_worker_that_was_taken_over_sends_nothing(app: Keyturn, simulator: Simulator) -> None:
    """A worker that paused while another took its rotation over sends nothing when it continues."""
    requested, claim = app.rotations.request_and_claim(NAME, actor="tester")
    assert claim
    ports = app.connect(NAME)
    read = ports.openair.read

    class Slow:
        """OpenAir; another worker takes the rotation over before its first answer."""

        def read(self) -> object:
            app.store.claims.renew(claim, lease=-1)
            assert app.store.claims.claim("other", lease=15, now=app.clock.now(), rotation_id=requested.id)
            return read()

        def save(self, confirmation: Confirmation, check: Callable[[], None]) -> None:
            ports.openair.save(confirmation, check)

    with LeaseRenewer(app.store, lease=15) as leases:
        engine = Engine(app.store, lambda _: replace(ports, openair=Slow()), leases, app.clock)  # type: ignore[arg-type]
        with pytest.raises(Stale):
            engine.run(claim)
    assert ([], []) == (installed(simulator.history.entries()), saved(simulator.history.entries()))


def test_a_worker_that_was_taken_over_during_the_read_saves_nothing(
    app: Keyturn, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim is checked after the Read that precedes a save, which may take minutes, and not before it."""
    requested, claim = app.rotations.request_and_claim(NAME, actor="tester")
    assert claim
    openair = app.connect(NAME).openair
    assert isinstance(openair, OpenAirXml)
    find_preferences = openair._find_preferences

    def slowly(wanted: str) -> list[Element]:
        found = find_preferences(wanted)
        if app.store.rotations.get(requested.id).state is State.UPLOADED_TO_NETSUITE:
            app.store.claims.renew(claim, lease=-1)
            assert app.store.claims.claim("other", lease=15, now=app.clock.now(), rotation_id=requested.id)
        return found

    monkeypatch.setattr(openair, "_find_preferences", slowly)
    with app.engine() as engine, pytest.raises(Stale):
        engine.run(claim)
    assert [] == saved(simulator.history.entries())


def test_a_lost_answer_that_cannot_be_stored_ends_the_attempt(
    app: Keyturn, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the database fails when an answer is lost, the worker gives up the rotation, and the next one is in doubt."""
    requested, claim = app.rotations.request_and_claim(NAME, actor="tester")
    assert claim
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="after"))
    lose_evidence(monkeypatch, app.store)
    with app.engine() as engine:
        with pytest.raises(Stale, match="The database is away"):
            engine.run(claim)
        app.store.claims.renew(claim, lease=-1)
        taken = app.store.claims.claim("second", lease=15, now=app.clock.now(), rotation_id=requested.id)
        assert taken
        assert taken.rotation.doubt.since
        done = engine.run(taken)
    assert done.proofs.candidate
    assert (State.COMPLETED, [done.proofs.candidate.fingerprint]) == (
        done.state,
        installed(simulator.history.entries()),
    )


def test_a_step_that_crashed_leaves_its_writes_in_flight(app: Keyturn, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in the middle of a step parks the rotation in doubt, because a request may have been sent."""
    _, claim = app.rotations.request_and_claim(NAME, actor="tester")
    assert claim
    ports = app.connect(NAME)
    monkeypatch.setattr(ports.netsuite, "install", lambda *_args, **_options: 1 / 0)
    with app.engine() as engine:
        parked = engine.run(claim)
    assert parked.failure
    assert "INTERNAL_ERROR" == parked.failure.code
    assert parked.doubt.since
    assert parked.doubt.in_flight_until
    assert timedelta(0) <= parked.doubt.in_flight_until - HOLD_OFF - parked.doubt.since


def _readings(entry: Entry) -> list[str]:
    looks = entry.detail["looks"]
    assert isinstance(looks, list)
    return looks
