"""Stores as the tests open them: each with the same key-encryption key."""

from typing import Final

from persistence import upgrade
from persistence.kek import KeyEncryptionKey
from persistence.store import Store

KEK: Final = KeyEncryptionKey(b"k" * 32)


def open_store(url: str) -> Store:
    """The store of this database."""
    return Store(url, lambda: KEK)


def authenticate(store: Store) -> None:
    """Authenticate what a test wrote into the database itself, as if Keyturn had written it."""
    store.vault.unlock()
    with store._database.writing() as tx:
        upgrade.authenticate(tx, store.vault)
