"""A vault without a database, for tests that need only its codes."""

from collections.abc import Sequence

from persistence.kek import KeyEncryptionKey
from persistence.vault import Vault, WrappedKey


class _DataKeys:
    """Data keys (persistence.vault.DataKeys) in memory."""

    def __init__(self) -> None:
        self._keys: list[WrappedKey] = []

    def data_keys(self) -> list[WrappedKey]:
        return list(self._keys)

    def add_data_key(self, key: WrappedKey) -> WrappedKey:
        self._keys.append(key)
        return key

    def rewrap(self, before: Sequence[WrappedKey], after: Sequence[WrappedKey]) -> None:
        assert list(before) == self._keys
        self._keys = list(after)


def a_vault() -> Vault:
    """A new vault with a data key of its own."""
    return Vault(_DataKeys(), lambda: KeyEncryptionKey(b"k" * 32))


VAULT = a_vault()
