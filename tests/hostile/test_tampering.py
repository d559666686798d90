"""One rotation that was changed in the database is parked, loudly; it does not stop the others."""

import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, closing

import pytest
from acceptance.installed_keyturn import command
from hostile.hostile_worker import Worker
from support.polling import until

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.state import State

Start = Callable[..., AbstractContextManager[Worker]]


@pytest.mark.parametrize("changed", ["signature = 'Zm9yZ2Vk'", "policy = '{}'", "skew_from = 'nonsense'"])
def test_one_forged_rotation_does_not_stop_the_others(
    several: Keyturn, simulator: Simulator, worker: Start, changed: str
) -> None:
    """It comes first, in UploadedToNetSuite, is parked as TAMPERED, and everybody else's is completed."""
    rotation = several.rotations.request("acme", actor="tester")
    simulator.faults.add(Fault("openair.api", "503", times=None, retry_after=900, account="TSTDRV1", skip=1))
    with several.engine() as engine:
        claim = several.store.claims.claim("tester", lease=15, now=several.clock.now(), rotation_id=rotation.id)
        assert claim
        assert State.UPLOADED_TO_NETSUITE is engine.run(claim).state
    simulator.faults.clear()
    others = [several.rotations.request(name, actor="tester") for name in ("bravo", "charlie")]
    with closing(sqlite3.connect(several.settings.data / "keyturn.db")) as database, database:
        change = f"UPDATE rotations SET {changed}, available_at = created_at WHERE id = ?"  # noqa: S608 - as above
        database.execute(change, (rotation.id,))
    with worker() as running:
        parked = running.wait_to_say("rotation parked", rotation=rotation.id)
        assert "TAMPERED" == parked["code"]
        until(lambda: all(several.rotations.show(each.id).state is State.COMPLETED for each in others))
        assert 3 == running.stop()  # imports are refused still, which is not its to end
    shown = several.rotations.show(rotation.id)
    assert shown.failure
    assert (State.FAILED, State.UPLOADED_TO_NETSUITE, "TAMPERED") == (
        shown.state,
        shown.position,
        shown.failure.code,
    )
    assert [] == simulator.history.effects("saved", account="TSTDRV1")
    for look in ("show", "explain", "journal"):
        subprocess.run(command("rotation", look, rotation.id), capture_output=True, check=True)
    listed = subprocess.run(command("rotation", "list", "-o", "json"), capture_output=True, text=True, check=True)
    assert {"acme": "Failed", "bravo": "Completed", "charlie": "Completed"} == {
        each["connection"]: each["state"] for each in json.loads(listed.stdout)
    }
