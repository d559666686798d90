"""The verbs on connections."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from orchestrator.events import ConnectionRemoved, ConnectionRenamed, ConnectionSaved, Listener, ignore
from orchestrator.secrets import SIGN_IN_DRAFT, SecretName, Secrets
from persistence.store import Store
from persistence.vault import Vault
from states.connection import Connection
from states.connection_changes import check_closed, check_removal
from states.errors import Tampered
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
        return self._saved(self._store.connections.add(new, self._sealed(connection, secrets)), actor)

    def is_authentic(self, name: str) -> bool:
        """Whether the connection is as Keyturn wrote it. Raises NotFound, VaultLocked, SealBroken."""
        try:
            self._store.connections.authentic(name)
        except Tampered:
            return False
        return True

    def sign_in_key(self, name: str) -> bytes:
        """Return the private key (PEM) with which the connection signs in to NetSuite.

        Raises NotFound, SignInRefused without one, Tampered, VaultLocked, SealBroken.
        """
        return Secrets(self._store, self._vault, self._store.connections.authentic(name)).need(SecretName.NETSUITE_KEY)

    def edit(
        self,
        connection: Connection,
        secrets: Mapping[SecretName, str],
        *,
        actor: str,
        is_given_again: bool = False,
        sign_in_draft: bytes | None = None,
    ) -> Connection:
        """Store a changed connection and the secrets that are given, in one transaction.

        The other secrets are sealed again where they may be sent to another host now. ``is_given_again``: a person gave
        all settings and secrets, because the connection was changed outside Keyturn. ``sign_in_draft``: what is
        stored with them of the renewal of the sign-in.

        ``connection.version`` is the version that was read. Raises NotFound, Stale when the stored connection is at
        another version by now, AlreadyExists where another connection has that
        NetSuite account or that place in OpenAir, RotationOpen where an open rotation does not allow it to go
        elsewhere, Tampered where the connection was changed outside Keyturn, TryLater while another process renews its
        tokens and a URL changes, VaultLocked, SealBroken.
        """
        sealed = self._sealed(connection, secrets)
        if sign_in_draft is not None:
            keeper = Secrets(self._store, self._vault, connection)
            sealed[SIGN_IN_DRAFT] = keeper.seal(SIGN_IN_DRAFT, sign_in_draft)
        resealed = {} if is_given_again else self._resealed(connection, sealed)
        saved = self._store.connections.save(connection, sealed, resealed, is_given_again=is_given_again)
        return self._saved(saved, actor)

    def _resealed(self, connection: Connection, given: Mapping[str, bytes]) -> dict[str, tuple[bytes, int]]:
        """The secrets that are not ``given``, sealed for the hosts that ``connection`` names now, with their versions.

        Raises Tampered before a secret is opened, where the stored hosts were changed outside Keyturn.
        """
        stored = self._store.connections.authentic(connection.name)
        if _hosts(stored) == _hosts(connection):
            return {}
        before, after = (Secrets(self._store, self._vault, each) for each in (stored, connection))
        kept = self._store.secrets.all_of(connection.name)
        opened = {name: before.open(name, blob) for name, (blob, _) in kept.items() if name not in given}
        self._ensure_settled(opened)
        return {name: (after.seal(name, value), kept[name][1]) for name, value in opened.items()}

    def _ensure_settled(self, secrets: Mapping[str, bytes]) -> None:
        """Raise TryLater while another process renews OpenAir's tokens: it could not store them any more, and OpenAir
        has voided those that are stored.
        """
        from orchestrator.adapters.openair_auth import Grant  # noqa: PLC0415 - brings HTTP along, seldom needed

        if grant := secrets.get(SecretName.OPENAIR_REFRESH_TOKEN):
            Grant.from_bytes(grant).ensure_settled(self._clock.now())

    def check_removable(self, connection: Connection) -> None:
        """Raise as ``remove`` would now: RotationOpen, or HeldOff. Changes nothing."""
        if rotation := self._store.rotations.open_for(connection.name):
            check_closed(rotation)
        for newest in self._store.rotations.newest(connection=connection.name, limit=1):
            check_removal(connection, newest.id, newest.doubt.in_flight_until, self._clock.now())

    def remove(self, connection: Connection, *, actor: str) -> None:
        """Destroy a connection's settings and secrets, and the private keys of its certificates.

        Its rotations and journals are kept, and NetSuite and OpenAir keep what they hold. ``connection.version`` is the
        version that was read. Raises NotFound; Stale when the stored connection is at another version by now;
        RotationOpen while it has an open rotation; HeldOff while a lost request may still take effect.
        """
        self._store.connections.remove(connection, self._clock.now())
        self._listener(ConnectionRemoved(connection.name, connection.version, actor))

    def rename(self, connection: Connection, name: str, *, actor: str) -> Connection:
        """Give a connection another name, and return it. Its secrets are sealed again for that name.

        Rotations and journals go with it. ``connection.version`` is the version that was read. Raises NotFound; Stale
        when the connection or one of its secrets was changed by now; RotationOpen while it has an open rotation;
        AlreadyExists where the name has a connection, or had one whose rotations are kept; InvalidInput for a name that
        is none; TryLater while another process renews its tokens, which that one can store under the old name only;
        VaultLocked, SealBroken.
        """
        replace(connection, name=name)  # a connection knows which names are valid
        stored = self._store.connections.authentic(connection.name)
        before, after = (Secrets(self._store, self._vault, each) for each in (stored, replace(stored, name=name)))
        sealed = self._store.secrets.all_of(connection.name)
        opened = {secret: before.open(secret, blob) for secret, (blob, _) in sealed.items()}
        self._ensure_settled(opened)
        resealed = {secret: after.seal(secret, value) for secret, value in opened.items()}
        renamed = self._store.connections.rename(connection, name, sealed, resealed)
        self._listener(ConnectionRenamed(renamed.name, connection.name, renamed.version, actor))
        return renamed

    def _saved(self, connection: Connection, actor: str) -> Connection:
        self._listener(ConnectionSaved(connection.name, connection.version, actor))
        return connection

    def _sealed(self, connection: Connection, secrets: Mapping[SecretName, str]) -> dict[str, bytes]:
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


def _hosts(connection: Connection) -> tuple[str, ...]:
    """The URLs that a connection's secrets are sealed for."""
    return connection.netsuite.token_url, connection.netsuite.restlet_url, connection.openair.url
