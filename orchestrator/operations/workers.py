"""The questions about the processes that carry rotations."""

from persistence.store import Role, Store, Worker

__all__ = ["Role", "Worker", "Workers"]


class Workers:
    """Which processes carry rotations, and when each was seen last."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self) -> list[Worker]:
        """Every worker that was seen within a week, the one that started last first. Raises TryLater."""
        return self._store.workers.all()
