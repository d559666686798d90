"""Changes the vault's data key: what the old one sealed is sealed with a new one, and the old one is destroyed.

Workers go on meanwhile. Each step is a transaction of its own, so a change that was interrupted is continued by the
next one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from orchestrator.adapters.keys import COLUMN
from orchestrator.secrets import Secrets
from persistence.secrets import Sealed
from persistence.store import Store
from states.ports import Clock

_PART: Final = 500
"""So many records are read at a time: a store has some for each of its connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekeyed:
    """What a change of the data key did."""

    data_key: int
    """The id of the key that seals from now on."""
    records: int
    """How many records were sealed with it."""
    is_overwritten: bool
    """Whether the old key and what it sealed are overwritten in the database's files. Never on PostgreSQL, which keeps
    old row versions until it vacuums, and its log until it is recycled."""


class Rekey:
    """The change of the data key."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def count(self) -> int:
        """Return how many records ``change`` would seal again. Raises VaultLocked, SealBroken."""
        self._store.vault.check()
        return self._store.secrets.count()

    def change(self) -> Rekeyed:
        """Make a new data key, seal every record with it, and retire the older ones.

        Safe to repeat and to interrupt. Raises VaultLocked, SealBroken naming a record that does not open, Stale when
        the key-encryption key was changed meanwhile, TryLater.
        """
        vault = self._store.vault
        newest, records = vault.renew(), 0
        while True:
            records += self._seal_again(newest)
            # False where a worker stored a record that it had sealed before it saw the new key.
            if vault.retire(newest, self._clock.now()):
                return Rekeyed(data_key=newest, records=records, is_overwritten=self._store.overwrite_erased())

    def _seal_again(self, newest: int) -> int:
        stored, vault, records = self._store.secrets, self._store.vault, 0
        for each in _all(lambda: stored.older_secrets(newest, _PART)):
            secrets = Secrets(self._store, vault, self._store.connections.get(each.owner))
            stored.reseal_secret(each, secrets.seal(each.name, secrets.open(each.name, each.sealed)))
            records += 1
        for each in _all(lambda: stored.older_private_keys(newest, _PART)):
            plain = vault.open(each.sealed, owner=each.owner, column=COLUMN)
            stored.reseal_private_key(each, vault.seal(plain, owner=each.owner, column=COLUMN))
            records += 1
        return records


def _all(part: Callable[[], list[Sealed]]) -> Iterator[Sealed]:
    """Yield what ``part`` returns until it returns nothing: what was sealed again is not returned again."""
    while found := part():
        yield from found
