"""The verbs on connections."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from orchestrator.events import ConnectionSaved, Listener, ignore
from orchestrator.secrets import SecretName, Secrets
from persistence.store import Store
from persistence.vault import Vault
from states.connection import Connection
from states.ports import Clock
from states.summary import ConnectionSummary


class Connections:
    """What administrators do with connections."""

    def __init__(self, store: Store, vault: Vault, clock: Clock, listener: Listener = ignore) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._listener = listener

    def add(self, connection: Connection, secrets: Mapping[SecretName, str], *, actor: str) -> Connection:
        """Store a new connection with its secrets, sealed, in one transaction.

        It has no certificate yet, so its initial set-up is due at once where rotation is automatic. Raises
        AlreadyExists where there is one of that name, for that NetSuite account, or for that place in OpenAir;
        VaultLocked.
        """
        new = replace(connection, due_at=self._clock.now())
        return self._saved(self._store.connections.add(new, self._sealed(connection.name, secrets)), actor)

    def edit(self, connection: Connection, secrets: Mapping[SecretName, str], *, actor: str) -> Connection:
        """Store a changed connection and the secrets that are given, in one transaction.

        ``connection.version`` is the version that was read. Raises NotFound, Stale when the stored connection is at
        another version by now, AlreadyExists where another connection has that
        NetSuite account or that place in OpenAir, RotationOpen where an open rotation does not allow it to go
        elsewhere, VaultLocked.
        """
        return self._saved(self._store.connections.save(connection, self._sealed(connection.name, secrets)), actor)

    def _saved(self, connection: Connection, actor: str) -> Connection:
        self._listener(ConnectionSaved(connection.name, connection.version, actor))
        return connection

    def _sealed(self, connection: str, secrets: Mapping[SecretName, str]) -> dict[str, bytes]:
        keeper = Secrets(self._store, self._vault, connection)
        return {name.value: keeper.seal(name.value, name.stored(given)) for name, given in secrets.items()}

    def show(self, name: str) -> Connection:
        """The connection of this name. Raises NotFound."""
        return self._store.connections.get(name)

    def secrets_of(self, name: str) -> list[SecretName]:
        """Which secrets the connection has; never what they are."""
        return [secret for secret in SecretName if self._store.secrets.get(name, secret.value)]

    def all(self) -> Iterator[ConnectionSummary]:
        """Every connection, by name."""
        return self._store.connections.all()
