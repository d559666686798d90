"""An attacker with full write access to the database, and no key-encryption key: nothing is sent, and Keyturn says so.

The requests that the simulated systems received are counted: none may follow the attack.
"""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from support import database_writer as attacker
from support.database_writer import Attack, columns, write
from support.environment import NAME, connect, keyturn, secrets
from support.postgresql import server, temporary_database
from support.request_history import assert_openair_came_second, judged_simulator

from orchestrator.bootstrap import Keyturn
from persistence import models
from simulator import Fault, Simulator
from states.errors import IllegalMove, KeyturnError, SealBroken, Tampered
from states.next_action import Verb
from states.outage import outage_of
from states.rotation import Rotation
from states.state import State
from states.timing import HOLD_OFF

OTHER: Final = "other"
SQLITE: Final = "sqlite"
POSTGRESQL: Final = pytest.param("postgresql", marks=pytest.mark.postgresql)
LOST: Final = {
    State.KEY_GENERATED: Fault("netsuite.restlet", "503", times=None),
    State.UPLOADED_TO_NETSUITE: Fault("openair.api", "503", times=None, skip=1),
}
"""Where a rotation stops, by the fault that stops it."""
WAITS: Final = {"before the upload": State.KEY_GENERATED, "between both sides": State.UPLOADED_TO_NETSUITE}
ROTATION: Final = (
    *itertools.product(WAITS, attacker.ON_ROTATION),
    ("before the upload", "a confirmation, and that it was uploaded"),
    ("between both sides", "a signature of another key"),
    ("between both sides", "a new time"),
)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Path]:
    """One PostgreSQL server for all tests here."""
    with server() as folder:
        yield folder


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with judged_simulator(accounts=2) as running:
        yield running


@pytest.fixture
def app(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: Simulator
) -> Iterator[Keyturn]:
    """A Keyturn with two connections, on SQLite, or on the database that the test names."""
    on = getattr(request, "param", SQLITE)
    with ExitStack() as stack:
        settings = {}
        if on != SQLITE:
            server = request.getfixturevalue("postgresql")
            settings["KEYTURN_STORE__URL"] = stack.enter_context(temporary_database(server))
        running = stack.enter_context(keyturn(tmp_path, monkeypatch, **settings))
        for name, pair in zip((NAME, OTHER), simulator.pairs.values(), strict=True):
            connect(running, pair.credentials, name)
        yield running


on_both = pytest.mark.parametrize("app", [SQLITE, POSTGRESQL], indirect=True)


def sent(simulator: Simulator) -> int:
    """How many requests the systems received."""
    return len(simulator.history.entries())


def stopped_in(app: Keyturn, simulator: Simulator, state: State) -> Rotation:
    """A rotation that waits in ``state`` because a system is down, held by no worker."""
    if state in LOST:
        simulator.faults.add(LOST[state])
    rotation, claim = app.rotations.request_and_claim(NAME, actor="ada")
    assert claim
    with app.engine() as engine:
        rotation = engine.run(claim)
    simulator.faults.clear()
    assert state is rotation.state
    return rotation


def carried(app: Keyturn, rotation: Rotation) -> Rotation:
    """What a worker makes of the rotation."""
    claim = app.store.claims.claim("w2", lease=15, now=app.clock.now(), rotation_id=rotation.id)
    assert claim
    with app.engine() as engine:
        return engine.run(claim)


def _failure(rotation: Rotation) -> str | None:
    return rotation.failure.code if rotation.failure else None


def assert_parked(rotation: Rotation, code: str = Tampered.code) -> None:
    """The rotation is parked with this code."""
    assert rotation.failure
    assert (State.FAILED, code) == (rotation.state, rotation.failure.code), rotation.failure.message


@pytest.mark.parametrize("what", ROTATION, ids=", ".join)
def test_a_changed_rotation_sends_nothing(app: Keyturn, simulator: Simulator, what: tuple[str, str]) -> None:
    """It is parked as TAMPERED before anything is sent, and can be neither resumed nor restored nor adopted."""
    when, changed = what
    attack = {**attacker.ON_ROTATION, **attacker.ON_PROOFS}[changed]
    assert_nothing_is_sent(app, simulator, WAITS[when], attack)


@on_both
@pytest.mark.parametrize("moved", [False, True])
def test_a_forged_confirmation_sends_nothing(app: Keyturn, simulator: Simulator, moved: bool) -> None:  # noqa: FBT001
    """The attacker's certificate, with a true signature by its key, is never saved to OpenAir."""
    assert_nothing_is_sent(app, simulator, State.KEY_GENERATED, attacker.forged_confirmation(is_moved=moved))


def assert_nothing_is_sent(app: Keyturn, simulator: Simulator, state: State, attack: Attack) -> None:
    """The attack on a rotation in this state is noticed before anything is sent, by workers and by verbs."""
    waiting = stopped_in(app, simulator, state)
    write(app, attack)
    before = sent(simulator)
    assert_parked(carried(app, waiting))
    for verb in (app.rotations.resume, app.recovery.restore, app.recovery.adopt):
        with pytest.raises(KeyturnError, match="outside Keyturn"):
            verb(waiting.id, actor="ada")
    assert before == sent(simulator)
    assert [] == simulator.history.effects("saved")


@on_both
@pytest.mark.parametrize("state", [State.KEY_GENERATED, State.UPLOADED_TO_NETSUITE])
def test_an_old_row_sends_nothing(app: Keyturn, simulator: Simulator, state: State) -> None:
    """A rotation that was completed and is put back to where it was is not carried on."""
    waiting = stopped_in(app, simulator, state)
    old = attacker.rows_of(app, models.rotations)
    write(app, lambda _tx, _name: None)
    assert State.COMPLETED is carried(app, waiting).state
    write(app, attacker.put_back(models.rotations, old, "id"))
    before = sent(simulator)
    assert_parked(carried(app, waiting))
    assert before == sent(simulator)


@on_both
def test_an_old_connection_sends_nothing(app: Keyturn, simulator: Simulator) -> None:
    """A connection that is put back to before its last rotation is not rotated; given again, it is."""
    old = attacker.rows_of(app, models.connections)
    stopped_in(app, simulator, State.COMPLETED)
    write(app, attacker.put_back(models.connections, old, "name"))
    assert_no_request(app, simulator)
    shown = app.connections.show(NAME)
    app.connections.edit(shown, secrets(simulator.credentials), actor="ada", is_given_again=True)
    begun = app.rotations.request(NAME, actor="ada")
    assert ("FOREIGN_ROTATION", None) == (_failure(carried(app, begun)), app.connections.show(NAME).current)


@pytest.mark.parametrize("what", attacker.ON_CONNECTION)
def test_a_changed_connection_sends_nothing(app: Keyturn, simulator: Simulator, what: str) -> None:
    """Neither a rotation nor a check of the connection sends a request, and no rotation begins."""
    stopped_in(app, simulator, State.COMPLETED)
    write(app, attacker.ON_CONNECTION[what])
    assert_no_request(app, simulator)


@on_both
@pytest.mark.parametrize("what", ["OpenAir's URL", "all of its history"])
def test_a_changed_connection_sends_nothing_on_either(app: Keyturn, simulator: Simulator, what: str) -> None:
    """The same on both databases."""
    stopped_in(app, simulator, State.COMPLETED)
    write(app, attacker.ON_CONNECTION[what])
    assert_no_request(app, simulator)


def assert_no_request(app: Keyturn, simulator: Simulator) -> None:
    """The changed connection is named, and nothing is sent on its behalf."""
    before, known = sent(simulator), len(app.store.rotations.newest(connection=NAME))
    for verb in (
        lambda: app.rotations.request(NAME, actor="ada"),
        lambda: app.rotations.request_and_claim(NAME, actor="ada"),
        lambda: app.health.health(NAME),
        lambda: app.connections.rename(app.connections.show(NAME), "bolt", actor="ada"),
        lambda: app.connections.edit(app.connections.show(NAME), {}, actor="ada"),
    ):
        with pytest.raises(Tampered, match=f"Connection {NAME} was changed outside Keyturn"):
            verb()
    assert f"Connection {NAME} was changed outside Keyturn" in " ".join(
        each.message for each in app.doctor.examine(NAME) if not each.ok
    )
    assert (before, known) == (sent(simulator), len(app.store.rotations.newest(connection=NAME)))


@pytest.mark.parametrize("state", [State.KEY_GENERATED, State.UPLOADED_TO_NETSUITE])
@pytest.mark.parametrize("what", ["NetSuite's URL", "the URL of NetSuite's tokens", "OpenAir's URL", "the preference"])
def test_a_changed_destination_parks_its_rotation(app: Keyturn, simulator: Simulator, what: str, state: State) -> None:
    """In the middle of a rotation, neither the private key nor a sign-in is sent to where the database says."""
    waiting = stopped_in(app, simulator, state)
    write(app, attacker.ON_CONNECTION[what])
    before = sent(simulator)
    assert_parked(carried(app, waiting))
    assert before == sent(simulator)


@on_both
@pytest.mark.parametrize("what", attacker.ON_SECRETS)
def test_a_swapped_secret_is_not_sent(app: Keyturn, simulator: Simulator, what: str) -> None:
    """A secret that was sealed as another one, or for another connection, does not open."""
    write(app, attacker.ON_SECRETS[what])
    before = sent(simulator)
    rotation, claim = app.rotations.request_and_claim(NAME, actor="ada")
    assert claim
    with app.engine() as engine:
        assert_parked(engine.run(claim), SealBroken.code)
    assert before == sent(simulator), rotation


def test_the_way_out_of_an_outage_without_a_backup(app: Keyturn, simulator: Simulator) -> None:
    """A changed rotation whose certificate NetSuite holds is given up once another certificate is in the record; the
    next one waits until nothing is in flight, replaces it, and ends the outage. OpenAir is written after NetSuite.
    """
    stopped_in(app, simulator, State.COMPLETED)
    waiting = stopped_in(app, simulator, State.UPLOADED_TO_NETSUITE)
    write(app, columns(models.rotations, may_overwrite=True, in_flight_until=None, doubt_since=None))
    assert_parked(carried(app, waiting))
    with pytest.raises(IllegalMove, match="imports are refused") as refused:
        app.recovery.abandon(waiting.id, actor="ada")
    assert [Verb.BY_HAND, Verb.ABANDON, Verb.ROTATE] == [each.verb for each in refused.value.next_action.walk()]
    assert outage_of(app.rotations.show(waiting.id))
    simulator.netsuite.record.reset("placeholder")
    closed = app.recovery.abandon(waiting.id, actor="ada")
    begun, claim = app.rotations.request_and_claim(NAME, actor="ada")
    assert (None, closed.updated_at + HOLD_OFF) == (claim, begun.available_at)
    app.clock.ahead += HOLD_OFF + timedelta(seconds=1)  # type: ignore[attr-defined]
    assert State.COMPLETED is carried(app, begun).state
    assert simulator.netsuite.record.fingerprint == simulator.openair.settings.fingerprint
    assert_openair_came_second(simulator.history.entries())


def test_what_was_changed_while_it_was_parked_is_said_before_a_verb(app: Keyturn, simulator: Simulator) -> None:
    """Every verb judges a parked rotation as it is stored by its code, before anything is sent; `explain` says so."""
    waiting = stopped_in(app, simulator, State.UPLOADED_TO_NETSUITE)
    app.rotations.park(waiting.id, actor="ada")
    write(app, columns(models.rotations, may_overwrite=True))
    before = sent(simulator)
    for verb in (app.rotations.resume, app.recovery.restore, app.recovery.adopt):
        with pytest.raises(IllegalMove, match="changed outside Keyturn, so that it can only be abandoned"):
            verb(waiting.id, actor="ada")
    possible = [action.verb for action, refused in app.rotations.explain(waiting.id).verbs if not refused]
    assert ([Verb.WATCH, Verb.ABANDON], before) == (possible, sent(simulator))
