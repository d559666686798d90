"""A connection's secrets: sealed in the store, opened only for the adapter that needs one."""

from enum import StrEnum

from persistence.store import Store
from persistence.vault import Vault
from states.errors import SignInRefused


class SecretName(StrEnum):
    """What a connection keeps secret."""

    NETSUITE_KEY = "netsuite-key"
    """The private key (PEM) with which Keyturn signs in to NetSuite; not the key that is rotated."""
    OPENAIR_CLIENT_SECRET = "openair-client-secret"  # noqa: S105 - a name
    OPENAIR_REFRESH_TOKEN = "openair-refresh-token"  # noqa: S105 - a name
    OPENAIR_PASSWORD = "openair-password"  # noqa: S105 - a name
    OPENAIR_API_KEY = "openair-api-key"


class Secrets:
    """The secrets of one connection."""

    def __init__(self, store: Store, vault: Vault, connection: str) -> None:
        self._store = store
        self._vault = vault
        self._connection = connection

    def get(self, name: str) -> tuple[str, int] | None:
        """The secret and its version, or None. Raises VaultLocked, SealBroken."""
        found = self._store.secret(self._connection, name)
        if found is None:
            return None
        sealed, version = found
        return self._vault.open(sealed, owner=self._connection, column=name).decode(), version

    def need(self, name: SecretName) -> str:
        """The secret. Raises SignInRefused when it was never given."""
        found = self.get(name)
        if found is None:
            raise SignInRefused(
                f"The connection has no {name.value}.",
                next_action=f"Give it: `keyturn connection edit {self._connection} --{name.value}-file FILE`.",
            )
        return found[0]

    def seal(self, name: str, value: str) -> bytes:
        """Seal ``value`` for this connection, without storing it. Raises VaultLocked."""
        return self._vault.seal(value.encode(), owner=self._connection, column=name)

    def put(self, name: str, value: str) -> None:
        """Store ``value``, whatever was there before."""
        self._store.put_secret(self._connection, name, self.seal(name, value), version=None)

    def replace(self, name: str, value: str, version: int) -> int:
        """Replace the secret that was read at ``version``; return the new version.

        Raises Stale when another worker replaced it first.
        """
        return self._store.put_secret(self._connection, name, self.seal(name, value), version=version)
