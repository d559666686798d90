"""What every route works with."""

import logging
from typing import Protocol

from orchestrator.bootstrap import Keyturn
from orchestrator.operations.carriers import Carriers
from orchestrator.stop_request import StopRequest
from states.errors import NotFound
from states.rotation import Rotation

_log = logging.getLogger("keyturn.api")


class Watch(Protocol):
    """Wakes streams when the store was written to."""

    @property
    def version(self) -> int:
        """Grows with each change."""
        ...

    @property
    def is_stopped(self) -> bool:
        """Whether this process is asked to stop."""
        ...

    async def wait(self, seen: int, seconds: float) -> bool:
        """Wait until the version is above ``seen``, at most so many ``seconds``; return whether it is."""
        ...


class Api:
    """One API: the application, and what it has for its routes."""

    def __init__(self, keyturn: Keyturn, port: int, stop: StopRequest, watch: Watch, carriers: Carriers) -> None:
        self.keyturn = keyturn
        self.port = port
        self.stop = stop
        self.watch = watch
        self.carriers = carriers
        self.streams = 0
        """How many are open."""

    def rotation(self, rotation_id: str) -> Rotation:
        """The rotation with this very id; a connection's name, or the beginning of an id, is none. Raises NotFound."""
        found = self.keyturn.rotations.show(rotation_id)
        if found.id != rotation_id:
            raise NotFound(f"There is no rotation {rotation_id}.")
        return found

    def log_carry(self, rotation: Rotation, actor: str, reason: str) -> None:
        """Log who had ``rotation`` carried at once, and why: it changes nothing by itself, so no entry says so."""
        _log.info("carry asked for", extra={"rotation": rotation.id, "actor": actor, "reason": reason})
