"""Which events are hints to a dispatcher."""

from support.factories import a_connection, a_rotation, add, an_id

from orchestrator.dispatch.dispatcher import wake_on_events
from orchestrator.events import Closed, Requested, WorkerDied
from persistence.store import Store
from states.rotation import Ending


def test_events_wake_the_dispatcher(store: Store) -> None:
    """What a person or the schedule made claimable is a hint; of a worker that died, all that it held, urgently."""
    hints: list[tuple[str, bool]] = []

    class Recorder:
        def wake(self, rotation_id: str, *, urgent: bool) -> None:
            hints.append((rotation_id, urgent))

    store.connections.add(a_connection(name="other"))
    rotation = add(store, a_rotation(id=an_id(1), connection="other"))
    receive = wake_on_events(Recorder())
    receive(Requested(rotation, "ada", rotation.cause))
    receive(Closed(rotation, Ending.ABANDONED))
    receive(WorkerDied("w", (an_id(2),)))
    assert [(rotation.id, False), (an_id(2), True)] == hints
