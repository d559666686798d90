"""Every verb on a rotation takes the version that a person was shown, and is refused when that is out of date."""

from collections.abc import Callable

import pytest
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from states.errors import IllegalMove, Stale
from states.rotation import Rotation
from states.state import State

Do = Callable[[Keyturn, str, int], Rotation]
VERBS: dict[str, Do] = {
    "resume": lambda app, rotation, version: app.rotations.resume(rotation, actor="ada", version=version),
    "abandon": lambda app, rotation, version: app.recovery.abandon(rotation, actor="ada", version=version),
    "restore": lambda app, rotation, version: app.recovery.restore(rotation, actor="ada", version=version),
    "adopt": lambda app, rotation, version: app.recovery.adopt(rotation, actor="ada", version=version),
    "confirm": lambda app, rotation, version: app.rotations.confirm(rotation, "00" * 32, actor="ada", version=version),
}


@pytest.mark.parametrize("verb", VERBS)
def test_an_outdated_version_is_refused(app: Keyturn, verb: str) -> None:
    """The rotation was parked after it was shown, so nothing is changed."""
    shown = app.rotations.request(NAME, actor="ada")
    parked = app.rotations.park(shown.id, actor="bob", version=shown.version)
    with pytest.raises(Stale, match=f"is at version {parked.version}, not {shown.version}"):
        VERBS[verb](app, shown.id, shown.version)
    assert parked == app.rotations.show(shown.id)


def test_parking_an_outdated_version_is_refused(app: Keyturn) -> None:
    """So is parking; with the current version it is judged as without one."""
    shown = app.rotations.request(NAME, actor="ada")
    parked = app.rotations.park(shown.id, actor="bob", version=shown.version)
    with pytest.raises(Stale):
        app.rotations.park(shown.id, actor="ada", version=shown.version)
    with pytest.raises(IllegalMove):
        app.rotations.park(shown.id, actor="ada", version=parked.version)
    assert State.REQUESTED is app.rotations.resume(shown.id, actor="ada", version=parked.version).state
