"""A lost answer is stored with its evidence before anything else is sent, and holds the next rotation off."""

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


def test_a_lost_install_is_told_with_its_evidence(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """What was sent, which certificate, why its outcome is unknown, until when it may land; and how it was settled."""
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="after"))
    done = rotate()
    told = {entry.event: entry for entry in app.rotations.journal(done.id)}
    lost = told[UNKNOWN]
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
    assert "NetSuite signed with the candidate." in _looks(told["upload_to_netsuite"])
    assert "looks" not in told["save_to_openair"].detail
    app.installation.verify_journal()


def test_a_lost_save_is_told_with_its_evidence(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """It did not land at all: two looks say so, it is sent again, and the move tells what was seen then."""
    simulator.faults.add(Fault("openair.api", "reset", action="Add", when="before"))
    done = rotate()
    told = {entry.event: entry for entry in app.rotations.journal(done.id)}
    assert ("save", State.UPLOADED_TO_NETSUITE) == (told[UNKNOWN].detail["write"], told[UNKNOWN].target)
    looks = _looks(told["save_to_openair"])
    assert (["OpenAir holds no certificate."] * 2, "OpenAir holds the candidate.") == (looks[:2], looks[-1])
    assert (State.COMPLETED, None) == (done.state, done.doubt.since)


def test_an_add_that_lands_late_lands_beside_another(
    app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry
) -> None:
    """The first Add lands after the second: OpenAir has two Preferences then, and both are kept up."""
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


def test_nothing_is_in_flight_where_all_was_answered(app: Keyturn, rotate: Rotate) -> None:
    """A rotation that goes well leaves no doubt, no evidence of one, and its successor begins at once."""
    done = rotate()
    assert (None, None) == (done.doubt.since, done.doubt.in_flight_until)
    assert UNKNOWN not in [entry.event for entry in app.rotations.journal(done.id)]
    assert app.rotations.request_for("test", NAME, actor="tester", lease=15)[1]


def test_the_next_rotation_is_held_off(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """After a lost answer it is asked for, but does not begin before what is in flight can no longer land."""
    simulator.faults.add(Fault("openair.api", "reset", action="Add", when="after"))
    done = rotate()
    asked, claim = app.rotations.request_for("test", NAME, actor="tester", lease=15)
    assert claim is None
    assert done.doubt.in_flight_until == asked.available_at
    assert app.store.claims.claim("test", lease=15, now=app.clock.now()) is None
    assert done.id in asked.waiting_for


def test_who_was_taken_over_writes_no_more(app: Keyturn, simulator: Simulator) -> None:
    """A worker that stood still while another took its rotation over sends nothing once it wakes."""
    asked, claim = app.rotations.request_for("slow", NAME, actor="tester", lease=15)
    assert claim
    ports = app.connect(NAME)
    read = ports.openair.read

    class Slow:
        """OpenAir, before whose first answer the other worker takes over."""

        def read(self) -> object:
            app.store.claims.renew(claim, lease=-1)
            assert app.store.claims.claim("other", lease=15, now=app.clock.now(), rotation_id=asked.id)
            return read()

        def save(self, confirmation: Confirmation, check: Callable[[], None]) -> None:
            ports.openair.save(confirmation, check)

    with LeaseRenewer(app.store, lease=15) as leases:
        engine = Engine(app.store, lambda _: replace(ports, openair=Slow()), leases, app.clock)  # type: ignore[arg-type]
        with pytest.raises(Stale):
            engine.run(claim)
    assert ([], []) == (installed(simulator.history.entries()), saved(simulator.history.entries()))


def test_who_was_taken_over_while_openair_was_read_saves_no_more(
    app: Keyturn, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked of OpenAir before a save may take minutes: the rotation is asked for after it, not before."""
    asked, claim = app.rotations.request_for("slow", NAME, actor="tester", lease=15)
    assert claim
    openair = app.connect(NAME).openair
    assert isinstance(openair, OpenAirXml)
    find = openair._find

    def slowly() -> list[Element]:
        found = find()
        if app.store.rotations.get(asked.id).state is State.UPLOADED_TO_NETSUITE:
            app.store.claims.renew(claim, lease=-1)
            assert app.store.claims.claim("other", lease=15, now=app.clock.now(), rotation_id=asked.id)
        return found

    monkeypatch.setattr(openair, "_find", slowly)
    with app.engine() as engine, pytest.raises(Stale):
        engine.run(claim)
    assert [] == saved(simulator.history.entries())


def test_a_loss_that_cannot_be_stored_ends_the_turn(
    app: Keyturn, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away when an answer is lost: the rotation is let go as it is, and the next worker is in doubt."""
    asked, claim = app.rotations.request_for("first", NAME, actor="tester", lease=15)
    assert claim
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="after"))
    lose_evidence(monkeypatch, app.store)
    with app.engine() as engine:
        with pytest.raises(Stale, match="The database is away"):
            engine.run(claim)
        app.store.claims.renew(claim, lease=-1)
        taken = app.store.claims.claim("second", lease=15, now=app.clock.now(), rotation_id=asked.id)
        assert taken
        assert taken.rotation.doubt.since
        done = engine.run(taken)
    assert done.proofs.candidate
    assert (State.COMPLETED, [done.proofs.candidate.fingerprint]) == (
        done.state,
        installed(simulator.history.entries()),
    )


def test_a_step_that_broke_leaves_its_writes_in_flight(app: Keyturn, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in mid-step: nobody knows what was sent by then, so it is parked in doubt, and holds its successor off."""
    _, claim = app.rotations.request_for("test", NAME, actor="tester", lease=15)
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


def _looks(entry: Entry) -> list[str]:
    looks = entry.detail["looks"]
    assert isinstance(looks, list)
    return looks
