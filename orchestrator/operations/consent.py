"""OpenAir's consent: asking a person for it, and storing the refresh token that OpenAir grants."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from orchestrator.operations.connections import Connections
from orchestrator.secrets import SecretName
from persistence.store import Store
from states.connection import Connection
from states.errors import InvalidInput, Stale
from states.next_action import NextAction, Verb
from states.ports import Random

REDIRECT_URI: Final = "http://127.0.0.1:8489/openair"
"""Where the browser comes back to, unless the connection says otherwise; OpenAir's OAuth application names it too."""
_STATE_BYTES: Final = 32
_STORE_TRIES: Final = 5
"""How often the token is stored while others change the connection: it exists nowhere else."""


class Endpoint(Protocol):
    """OpenAir's side of the consent (adapters/openair_consent.py)."""

    def address(self, redirect_uri: str, state: str) -> str:
        """Return the address to open in a browser."""
        ...

    def redeem(self, came_back: str, state: str, redirect_uri: str) -> str:
        """Exchange the code in the address that the browser was sent to for a refresh token."""
        ...


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent that a person was asked for."""

    connection: Connection
    redirect_uri: str
    address: str = field(repr=False)
    """What to open in a browser."""
    state: str = field(repr=False)
    """What the answer must bring back."""


class Consents:
    """Asks for consents and stores what they grant."""

    def __init__(
        self, store: Store, connections: Connections, endpoint: Callable[[Connection], Endpoint], random: Random
    ) -> None:
        """``endpoint`` builds OpenAir's side of a connection."""
        self._store = store
        self._connections = connections
        self._endpoint = endpoint
        self._random = random

    def ask(self, name: str, redirect_uri: str = "") -> Consent:
        """Return the consent to ask a person for. Changes nothing and sends nothing; safe to repeat.

        ``redirect_uri``: where OpenAir sends the browser afterwards; empty means the connection's, or REDIRECT_URI.

        Raises NotFound; InvalidInput where the connection does not sign in to OpenAir with OAuth, or the redirect URI
        is none; SignInRefused without a client secret; Tampered, VaultLocked, SealBroken.
        """
        connection = self._store.connections.authentic(name)
        openair = connection.openair
        if not openair.by_oauth:
            raise InvalidInput(
                f"Connection {name} does not sign in to OpenAir with OAuth: there is no consent to give.",
                next_action=NextAction(Verb.SHOW_CONNECTION, {"connection": name}),
            )
        target = redirect_uri or openair.redirect_uri or REDIRECT_URI
        replace(openair, redirect_uri=target)  # the settings know which ones are valid
        state = urlsafe_b64encode(self._random.bytes(_STATE_BYTES)).decode().rstrip("=")
        address = self._endpoint(connection).address(target, state)
        return Consent(connection, target, address, state)

    def complete(self, consent: Consent, came_back: str, *, actor: str) -> Connection:
        """Store the refresh token that OpenAir grants, and return the connection as it is stored.

        ``came_back``: the whole address that OpenAir sent the browser to. The redirect URI is stored too: some
        companies need it at each refresh (an assumption).

        Raises InvalidInput where the address does not answer this consent, or the connection signs in elsewhere by
        now; SignInRefused where OpenAir or the person refused; TryLater where OpenAir cannot answer; Stale where the
        connection is changed again and again; Tampered. The former refresh token is kept then: ask again.
        """
        self._unchanged(consent)  # before the code is spent
        token = self._endpoint(consent.connection).redeem(came_back, consent.state, consent.redirect_uri)
        # Another process may change the connection meanwhile, and the token exists nowhere else.
        again = retry_if_exception_type(Stale)
        return Retrying(retry=again, stop=stop_after_attempt(_STORE_TRIES), reraise=True)(
            self._store_token, consent, token, actor
        )

    def _store_token(self, consent: Consent, token: str, actor: str) -> Connection:
        connection = self._unchanged(consent)
        openair = replace(connection.openair, redirect_uri=consent.redirect_uri)
        changed = replace(connection, openair=openair)
        return self._connections.edit(changed, {SecretName.OPENAIR_REFRESH_TOKEN: token}, actor=actor)

    def _unchanged(self, consent: Consent) -> Connection:
        """Return the connection as it is stored now. Raises InvalidInput where it signs in to OpenAir elsewhere."""
        connection = self._store.connections.authentic(consent.connection.name)
        asked, now = consent.connection.openair, connection.openair
        if (asked.kind, asked.url, asked.client_id) != (now.kind, now.url, now.client_id):
            raise InvalidInput(
                f"Connection {connection.name} was changed meanwhile: the consent is for another OpenAir.",
                next_action=NextAction(Verb.AUTHORIZE, {"connection": connection.name}),
            )
        return connection
