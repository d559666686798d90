"""What every route works with."""

from typing import Protocol

from orchestrator.bootstrap import Keyturn
from orchestrator.operations.verbs import Verbs
from orchestrator.site import Site
from states.errors import NotFound
from states.rotation import Rotation


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

    def __init__(self, keyturn: Keyturn, site: Site, watch: Watch, verbs: Verbs) -> None:
        self.keyturn = keyturn
        self.site = site
        self.watch = watch
        self.verbs = verbs
        self.streams = 0
        """How many are open."""

    def rotation(self, rotation_id: str) -> Rotation:
        """The rotation with this very id; a connection's name, or the beginning of an id, is none. Raises NotFound."""
        found = self.keyturn.rotations.show(rotation_id)
        if found.id != rotation_id:
            raise NotFound(f"There is no rotation {rotation_id}.")
        return found
