"""The secrets of a connection: sealed in the store, and opened only for the adapter that needs one.

A secret is bound to the hosts that it may be sent to: who changes a URL in the database has no secret to send there.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from persistence.store import Store
from persistence.vault import Vault
from states.base_url import origin_of
from states.certificate import Certificate
from states.connection import Connection
from states.errors import DataKeyRetired, SealBroken, SignInRefused
from states.next_action import REPEAT, NextAction, Verb, by_hand


class SecretName(StrEnum):
    """The secrets of a connection, by their names in the store."""

    NETSUITE_KEY = "netsuite_key"
    """The private key (PEM) with which Keyturn signs in to NetSuite; not the rotated key."""
    OPENAIR_API_KEY = "openair_api_key"
    OPENAIR_CLIENT_SECRET = "openair_client_secret"  # noqa: S105 - a name
    OPENAIR_REFRESH_TOKEN = "openair_oauth"  # noqa: S105 - a name, the one that openair_auth keeps its grant under
    OPENAIR_PASSWORD = "openair_password"  # noqa: S105 - a name
    PROXY_CREDENTIALS = "proxy_credentials"
    """``user:password`` for the proxy of the setting http.proxy."""

    def stored(self, given: str) -> bytes:
        """Return the bytes to store for a secret that a person has given."""
        if self is SecretName.OPENAIR_REFRESH_TOKEN:
            from orchestrator.adapters.openair_auth import Grant  # noqa: PLC0415 - brings HTTP along, seldom needed

            return Grant(refresh_token=given).to_bytes()
        return given.encode()


SIGN_IN_DRAFT: Final = "netsuite_sign_in_draft"
"""The name of what Keyturn itself keeps while it renews the sign-in (sign_in_draft.py); no person gives it."""


def _column(name: SecretName, connection: Connection) -> str:
    """What a secret is sealed as: its name, and where Keyturn sends it or what it signs with it. The settings file
    names the proxy, which the database cannot change.
    """
    netsuite = connection.netsuite
    match name:
        case SecretName.PROXY_CREDENTIALS:
            urls = []
        case SecretName.NETSUITE_KEY:
            urls = [netsuite.token_url, netsuite.restlet_url]
        case _:
            urls = [connection.openair.url] if connection.openair.url else []
    hosts = " and ".join(f"{origin.scheme}://{origin}" for origin in map(origin_of, urls))
    return f"{name.value} for {hosts}" if hosts else name.value


def resealed(vault: Vault, connection: Connection, sealed: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Seal the secrets of an earlier Keyturn, which bound them to the connection alone, for the connection's hosts.

    Raises SealBroken, also without the key that every connection signs in to NetSuite with.
    """
    if SecretName.NETSUITE_KEY.value not in sealed:
        raise SealBroken(f"Connection {connection.name} has no {SecretName.NETSUITE_KEY.name.lower()}.")
    plain = {name: vault.open(blob, owner=connection.name, column=name) for name, blob in sealed.items()}
    return {
        name: vault.seal_at_once(value, owner=connection.name, column=_column(SecretName(name), connection))
        for name, value in plain.items()
    }


class Secrets:
    """The secrets of one connection."""

    def __init__(self, store: Store, vault: Vault, connection: Connection) -> None:
        self._store = store
        self._vault = vault
        self._connection = connection.name
        self._columns = {name.value: _column(name, connection) for name in SecretName}
        key = SecretName.NETSUITE_KEY
        self._columns[SIGN_IN_DRAFT] = self._columns[key].replace(key, SIGN_IN_DRAFT)  # the same hosts

    def get(self, name: str) -> tuple[bytes, int] | None:
        """Return the secret and its version, or None. Raises VaultLocked, SealBroken."""
        found = self._store.secrets.get(self._connection, name)
        if found is None:
            return None
        sealed, version = found
        return self.open(name, sealed), version

    def open(self, name: str, sealed: bytes) -> bytes:
        """Open a secret that was sealed for this connection and its hosts. Raises VaultLocked, SealBroken."""
        try:
            return self._vault.open(sealed, owner=self._connection, column=self._columns[name])
        except SealBroken as error:
            # The secret belongs to the connection, so abandoning a rotation would not repair it.
            error.next_action = by_hand("Restore the database from a backup.", alternatives=(self._give(name),))
            raise

    def need(self, name: SecretName) -> bytes:
        """Return the secret. Raises SignInRefused if it was never given."""
        found = self.get(name)
        if found is None:
            secret = name.name.lower().replace("_", " ")
            raise SignInRefused(f"The connection {self._connection} has no {secret}.", next_action=self._give(name))
        return found[0]

    def _give(self, name: str) -> NextAction:
        """A person gives the secret again, or consents in OpenAir again."""
        if name == SecretName.OPENAIR_REFRESH_TOKEN:
            return NextAction(Verb.AUTHORIZE, {"connection": self._connection}, then=REPEAT)
        if name == SIGN_IN_DRAFT:
            return NextAction(Verb.SETUP, {"connection": self._connection, "new_certificate": True})
        options = {"connection": self._connection, "secret": SecretName(name).name.lower()}
        return NextAction(Verb.EDIT_CONNECTION, options, then=REPEAT)

    def seal(self, name: str, value: bytes) -> bytes:
        """Seal ``value`` for this connection, without storing it. Raises VaultLocked."""
        return self._vault.seal(value, owner=self._connection, column=self._columns[name])

    def replace(self, name: str, value: bytes, version: int) -> int:
        """Replace the secret that was read at ``version`` (0: there was none), durably, and return the new version.

        Raises Stale if another worker replaced it first.
        """
        try:
            return self._store.secrets.put(self._connection, name, self.seal(name, value), version=version)
        except DataKeyRetired:  # between the two calls: OpenAir's next refresh token must not be lost to that
            return self._store.secrets.put(self._connection, name, self.seal(name, value), version=version)


class Exports:
    """The certificates that a person has confirmed for one connection's OpenAir."""

    def __init__(self, store: Store, connection: str) -> None:
        self._store = store
        self._connection = connection

    def confirmed(self) -> Certificate | None:
        """Return the certificate that was confirmed last, or None."""
        return self._store.connections.confirmed_export(self._connection)
