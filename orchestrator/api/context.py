"""What every route works with."""

from orchestrator.api.streams import Streams, Watch
from orchestrator.bootstrap import Keyturn
from orchestrator.operations.verbs import Verbs
from orchestrator.site import Site
from states.errors import NotFound
from states.rotation import Rotation


class Api:
    """One API: the application, and what it has for its routes."""

    def __init__(self, keyturn: Keyturn, site: Site, watch: Watch, verbs: Verbs) -> None:
        self.keyturn = keyturn
        self.site = site
        self.verbs = verbs
        self.streams = Streams(watch, lambda secret: keyturn.tokens.accepted(secret) is not None)

    def rotation(self, rotation_id: str) -> Rotation:
        """The rotation with this very id; a connection's name, or the beginning of an id, is none. Raises NotFound."""
        found = self.keyturn.rotations.show(rotation_id)
        if found.id != rotation_id:
            raise NotFound(f"There is no rotation {rotation_id}.")
        return found
