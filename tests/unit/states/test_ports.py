"""The outside world as the steps see it, before anybody holds the rotation."""

from typing import Any

import pytest
from unit.states.fake_world import World

from states.errors import Stale, TryLater
from states.ports import PLACEHOLDER_FILE, NoTurn, Ports, Record, Write


def test_whoever_holds_no_rotation_writes_nothing(world: World) -> None:
    """Ports that no engine gave a turn allow no write, and forget what was seen."""
    nobody: Any = Ports(world.netsuite, world.openair, world.keys, world.clock, world.ports.random).turn
    assert isinstance(nobody, NoTurn)
    for attempt in (lambda: nobody.began, nobody.check, lambda: nobody.lost(Write.SAVE, TryLater())):
        with pytest.raises(Stale):
            attempt()
    assert nobody.saw("NetSuite signed.") is None


@pytest.mark.parametrize(("file_name", "expected"), [("openair-certificate.pem", True), ("keyturn.pem", False)])
def test_the_placeholder_is_known_by_its_file(file_name: str, expected: bool) -> None:  # noqa: FBT001
    """The vendor's bundle ships this one; any other is somebody's."""
    record = Record(name="OpenAir real-time", file_name=file_name, valid_from=None, valid_to=None)
    assert (expected, "openair-certificate.pem") == (record.is_placeholder, PLACEHOLDER_FILE)
