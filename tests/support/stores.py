"""Stores as the tests open them: each with the same key-encryption key."""

from typing import Final

from persistence.kek import KeyEncryptionKey
from persistence.store import Store

KEK: Final = KeyEncryptionKey(b"k" * 32)


def open_store(url: str) -> Store:
    """The store of this database."""
    return Store(url, lambda: KEK)
