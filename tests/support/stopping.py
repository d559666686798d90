"""Requests to stop that come at a known moment."""

from orchestrator.stop_request import StopRequest
from states.rotation import Rotation
from states.state import State


class StopAt(StopRequest):
    """Comes when a rotation got to ``state``."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state

    def releases(self, rotation: Rotation) -> bool:
        return rotation.state is self._state
