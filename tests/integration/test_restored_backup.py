"""A backup that is put in place after both systems went on without it: nothing newer is replaced, and someone knows."""

from collections.abc import Callable
from pathlib import Path

import pytest
from integration.fixture_types import Carry, Rotate
from support.environment import NAME, consent
from support.request_history import installed, saved
from support.stopping import StopAt

from orchestrator.bootstrap import Keyturn
from orchestrator.operations.workers import Role
from orchestrator.secrets import SecretName
from simulator import Simulator
from states.next_action import Verb
from states.rotation import Ending, Rotation
from states.state import State
from states.table import ACTIVE

Restore = Callable[..., None]
CarryTo = Callable[[Rotation, State], None]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of the backup."""
    return tmp_path / "backup.db"


@pytest.fixture
def restore(app: Keyturn, simulator: Simulator, file: Path) -> Restore:
    """Puts the backup in place, as docs/how-to/backup.md has it, and consents in OpenAir again."""

    def run(*, consented: bool = True) -> None:
        app.close()
        app._ports.clear()  # the worker that starts then has no access tokens
        database = app.settings.data / "keyturn.db"
        for suffix in ("-wal", "-shm"):
            Path(f"{database}{suffix}").unlink(missing_ok=True)
        database.write_bytes(file.read_bytes())
        app.journal.verify()
        if not consented:
            return
        token = {SecretName.OPENAIR_REFRESH_TOKEN: consent(simulator.credentials)}
        app.connections.edit(app.connections.show(NAME), token, actor="ada")

    return run


@pytest.fixture
def carry_to(app: Keyturn) -> CarryTo:
    """Carries a rotation up to a state."""

    def run(rotation: Rotation, state: State) -> None:
        claim = app.store.claims.claim("test", lease=15, now=rotation.available_at, rotation_id=rotation.id)
        assert claim
        with app.engine(StopAt(state)) as engine:
            assert state is engine.run(claim).state

    return run


def begun(app: Keyturn, state: State) -> Rotation:
    """A rotation that a worker released in ``state``."""
    _, claim = app.rotations.request_and_claim(NAME, actor="tester")
    assert claim
    with app.engine(StopAt(state)) as engine:
        left = engine.run(claim)
    assert state is left.state
    return left


def worked(app: Keyturn, rotation: Rotation) -> Rotation:
    """The rotation after a worker did what it could."""
    with app.worker(app.stop_request(), Role.RUN_DUE) as work:
        work.drain()
    return app.rotations.show(rotation.id)


def written(simulator: Simulator) -> tuple[list[str], list[str]]:
    """What was installed and saved so far."""
    history = simulator.history.entries()
    return installed(history), saved(history)


@pytest.mark.parametrize("state", ACTIVE)
def test_the_rotation_was_completed_since(
    app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry, restore: Restore, file: Path, state: State
) -> None:
    """It finds its certificate in both systems, and completes without installing any. Where the backup has no key of it
    yet, it is parked, changes nothing, and adopting it ends it.
    """
    rotate()
    rotation = begun(app, state)
    app.backups.make(file)
    assert State.COMPLETED is carry(rotation).state
    before, _ = written(simulator)
    restore()
    after = worked(app, rotation)
    assert before == written(simulator)[0]
    if state is State.REQUESTED:
        assert after.failure
        assert "FOREIGN_ROTATION" == after.failure.code
        assert Ending.ADOPTED is app.recovery.adopt(rotation.id, actor="ada").ending
    else:
        assert State.COMPLETED is after.state


@pytest.mark.parametrize("state", ACTIVE)
def test_other_rotations_were_completed_since(
    app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry, restore: Restore, file: Path, state: State
) -> None:
    """It replaces nothing: it is parked as FOREIGN_ROTATION, and adopting the newer certificate ends it."""
    rotate()
    rotation = begun(app, state)
    app.backups.make(file)
    carry(rotation)
    newest = rotate().proofs.candidate
    assert newest
    before = written(simulator)
    restore()
    after = worked(app, rotation)
    assert before == written(simulator)
    assert after.failure
    assert "FOREIGN_ROTATION" == after.failure.code
    assert [rotation.id] == [each.rotation for each in app.status.report().concerns]
    app.recovery.adopt(rotation.id, actor="ada")
    current = app.connections.show(NAME).current
    assert current
    assert newest.fingerprint == current.fingerprint
    assert State.COMPLETED is rotate().state


@pytest.mark.parametrize("state", [State.KEY_GENERATED, State.UPLOADED_TO_NETSUITE])
def test_the_previous_certificate_was_put_back_since(
    app: Keyturn, simulator: Simulator, rotate: Rotate, carry_to: CarryTo, restore: Restore, file: Path, state: State
) -> None:
    """That is not undone where NetSuite had proved the candidate: the rotation is parked, and sends nothing.

    A backup from before the upload does not know of it: its rotation goes on as any other whose predecessor NetSuite
    holds, and completes.
    """
    rotate()
    rotation = begun(app, state)
    app.backups.make(file)
    carry_to(rotation, State.UPLOADED_TO_NETSUITE)
    app.rotations.park(rotation.id, actor="ada")
    app.recovery.restore(rotation.id, actor="ada")
    before = written(simulator)
    restore()
    after = worked(app, rotation)
    if state is State.KEY_GENERATED:
        assert State.COMPLETED is after.state
    else:
        assert before == written(simulator)
        assert after.failure
        assert "FOREIGN_ROTATION" == after.failure.code


def test_nothing_was_open_when_it_was_made(
    app: Keyturn, simulator: Simulator, rotate: Rotate, restore: Restore, file: Path
) -> None:
    """The health check says that another party rotated. The next rotation replaces nothing, and adopting ends it."""
    rotate()
    app.backups.make(file)
    newest = rotate().proofs.candidate
    assert newest
    before = written(simulator)
    restore()
    assert ["FOREIGN_ROTATION"] == [problem.code for problem in app.health.health(NAME).problems]
    parked = rotate()
    assert before == written(simulator)
    assert parked.failure
    assert "FOREIGN_ROTATION" == parked.failure.code
    app.recovery.adopt(parked.id, actor="ada")
    assert [] == [problem.code for problem in app.health.health(NAME).problems]
    assert State.COMPLETED is rotate().state


def test_without_consent_in_openair(
    app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry, restore: Restore, file: Path
) -> None:
    """OpenAir's refresh token of the backup is void: the rotation is parked, and says that a person consents again."""
    rotate()
    rotation = begun(app, State.UPLOADED_TO_NETSUITE)
    app.backups.make(file)
    simulator.openair.revoke_tokens()  # as if they had expired: signing in uses the refresh token up
    carry(rotation)
    before = written(simulator)
    restore(consented=False)
    after = worked(app, rotation)
    assert before == written(simulator)
    assert after.failure
    assert after.failure.next_action.leads_to(Verb.AUTHORIZE)
