"""Builds the adapters of a connection. With bootstrap.py it is the composition root."""

from dataclasses import replace
from urllib.parse import unquote, urlsplit

from orchestrator.adapters.http import Http
from orchestrator.adapters.keys import SIGN_IN_ALGORITHM, VaultKeys, throwaway_certificate
from orchestrator.adapters.mail import WITHIN as MAIL_WITHIN
from orchestrator.adapters.mail import Mail, MailServer, read_password
from orchestrator.adapters.netsuite import NetSuiteAdapter
from orchestrator.adapters.netsuite_certificates import NetSuiteCertificates
from orchestrator.adapters.netsuite_token import REST_SERVICES, NetSuiteTokens
from orchestrator.adapters.openair_auth import OAuthSignIn, PasswordSignIn
from orchestrator.adapters.openair_consent import OpenAirConsent
from orchestrator.adapters.openair_export import OpenAirExport
from orchestrator.adapters.openair_xml import OpenAirXml, SignIn
from orchestrator.adapters.openid import WITHIN, Provider
from orchestrator.adapters.openid_client import client_of
from orchestrator.adapters.transport import Proxy
from orchestrator.adapters.webhook import WITHIN as WEBHOOK_WITHIN
from orchestrator.adapters.webhook import Webhook, read_secret
from orchestrator.alert_settings import RouteSettings
from orchestrator.operations.alerts import Receiver, Route
from orchestrator.secrets import Exports, SecretName, Secrets
from orchestrator.settings import Settings
from persistence.store import Store
from persistence.vault import Vault
from states.base_url import is_loopback
from states.connection import Connection, NetSuiteSettings, OpenAirKind, OpenAirSettings
from states.ports import Clock, NetSuite, OpenAir, Ports, Random, Rehearsal, SignInCertificates
from states.rotation import PrivateKey
from states.timing import READ_BACK_DELAY


class AdapterFactory:
    """Builds the ports of any connection from the settings, the store and the vault. Keeps no connection open."""

    def __init__(self, settings: Settings, store: Store, vault: Vault, clock: Clock, random: Random) -> None:
        self._settings = settings
        self._store = store
        self._vault = vault
        self._clock = clock
        self._random = random

    def ports(self, connection: Connection) -> Ports:
        """Build the ports of ``connection``. Sends nothing; safe to repeat.

        Raises:
            SignInRefused: A secret of the connection is missing.
            VaultLocked: The vault has no key that opens the secrets.
            SealBroken: A secret cannot be opened.
        """
        secrets = Secrets(self._store, self._vault, connection)
        return Ports(
            netsuite=self._netsuite(connection.netsuite, secrets),
            openair=self._openair(connection, secrets),
            keys=VaultKeys(self._vault),
            clock=self._clock,
            random=self._random,
        )

    def _netsuite(self, settings: NetSuiteSettings, secrets: Secrets) -> NetSuite:
        key = PrivateKey(secrets.need(SecretName.NETSUITE_KEY))
        tokens = NetSuiteTokens(settings, key, self._http("NetSuite", settings.token_url, secrets), self._clock)
        return NetSuiteAdapter(settings, tokens, self._http("NetSuite", settings.restlet_url, secrets), self._clock)

    def sign_in_certificates(self, connection: Connection) -> SignInCertificates:
        """Build NetSuite's side of a new sign-in certificate. Raises as ``ports``."""
        settings, secrets = connection.netsuite, Secrets(self._store, self._vault, connection)
        token_http = self._http("NetSuite", settings.token_url, secrets)
        http = self._http("NetSuite", settings.restlet_url, secrets)

        def sign_in(key: PrivateKey, certificate_id: str) -> NetSuite:
            changed = replace(settings, certificate_id=certificate_id, assertion_algorithm=SIGN_IN_ALGORITHM)
            return NetSuiteAdapter(changed, NetSuiteTokens(changed, key, token_http, self._clock), http, self._clock)

        key = PrivateKey(secrets.need(SecretName.NETSUITE_KEY))
        tokens = NetSuiteTokens(settings, key, token_http, self._clock, scope=REST_SERVICES)
        return NetSuiteCertificates(settings.client_id, tokens, http, sign_in)

    def rehearse(self, connection: Connection) -> Rehearsal | None:
        """Save a throw-away certificate of the policy's size in OpenAir, and remove it; None where a person saves.

        Raises as ``ports``.
        """
        if connection.openair.kind is OpenAirKind.EXPORT:
            return None
        certificate = throwaway_certificate(connection.name, connection.policy, self._clock.now())
        openair = self._openair_xml(connection.openair, Secrets(self._store, self._vault, connection))
        return openair.rehearse(certificate, lambda: self._clock.sleep(READ_BACK_DELAY))

    def consent(self, connection: Connection) -> OpenAirConsent:
        """Build OpenAir's side of a consent. Raises as ``ports``."""
        secrets = Secrets(self._store, self._vault, connection)
        client_secret = secrets.need(SecretName.OPENAIR_CLIENT_SECRET).decode()
        http = self._http("OpenAir", connection.openair.url, secrets)
        return OpenAirConsent(connection.openair, client_secret, http, self._clock)

    def openid(self) -> Provider:
        """Build the OpenID provider of the settings, which name an issuer. Sends nothing; raises InvalidSettings."""
        settings = self._settings.http
        proxy = Proxy(settings.proxy) if settings.proxy else None  # its credentials are a connection's

        def http(url: str) -> Http:
            return Http(
                "OpenID provider",
                url,
                ca_bundle=self._ca_bundle,
                proxy=proxy,
                answer_within=min(WITHIN, settings.timeout),
            )

        return Provider(client_of(self._settings.openid), http, self._clock)

    def alert_routes(self) -> list[Route]:
        """Build the routes of the settings by which alerts are sent. Sends nothing; raises InvalidSettings."""
        return [self._route(name, route) for name, route in self._settings.alerts.routes.items()]

    def _route(self, name: str, route: RouteSettings) -> Route:
        receiver = self._webhook(name, route) if route.webhook else self._mail(name, route)
        return Route(name=name, receiver=receiver, connections=route.connections, least=route.least)

    def _webhook(self, name: str, route: RouteSettings) -> Receiver:
        assert route.secret_file
        settings = self._settings.http
        proxy = Proxy(settings.proxy) if settings.proxy else None
        within = min(WEBHOOK_WITHIN, settings.timeout)
        http = Http(f"receiver {name}", route.webhook, ca_bundle=self._ca_bundle, proxy=proxy, answer_within=within)
        return Webhook(http, read_secret(name, route.secret_file), self._clock)

    def _mail(self, name: str, route: RouteSettings) -> Receiver:
        parts = urlsplit(route.mail_server)
        assert parts.hostname
        server = MailServer(
            host=parts.hostname,
            port=parts.port or (465 if parts.scheme == "smtps" else 587),
            is_tls=parts.scheme == "smtps",
            is_local=is_loopback(parts.hostname),
            user=unquote(parts.username or ""),
            password=read_password(name, route.secret_file) if route.secret_file else "",
            ca_bundle=self._ca_bundle,
            answer_within=min(MAIL_WITHIN, self._settings.http.timeout),
        )
        return Mail(server, route.sender, route.recipients)

    @property
    def _ca_bundle(self) -> str | None:
        return str(self._settings.http.ca_bundle) if self._settings.http.ca_bundle else None

    def _openair(self, connection: Connection, secrets: Secrets) -> OpenAir:
        if connection.openair.kind is OpenAirKind.EXPORT:
            return OpenAirExport(connection.name, self._settings.export_folder, Exports(self._store, connection.name))
        return self._openair_xml(connection.openair, secrets)

    def _openair_xml(self, settings: OpenAirSettings, secrets: Secrets) -> OpenAirXml:
        http = self._http("OpenAir", settings.url, secrets)
        sign_in: SignIn
        if settings.by_oauth:
            client_secret = secrets.need(SecretName.OPENAIR_CLIENT_SECRET).decode()
            sign_in = OAuthSignIn(settings, client_secret, http, secrets, self._clock)
        else:
            sign_in = PasswordSignIn(settings, secrets.need(SecretName.OPENAIR_PASSWORD).decode())
        return OpenAirXml(settings, sign_in, http, api_key=secrets.need(SecretName.OPENAIR_API_KEY).decode())

    def _http(self, system: str, url: str, secrets: Secrets) -> Http:
        settings = self._settings.http
        return Http(system, url, ca_bundle=self._ca_bundle, proxy=self._proxy(secrets), answer_within=settings.timeout)

    def _proxy(self, secrets: Secrets) -> Proxy | None:
        if not self._settings.http.proxy:
            return None
        found = secrets.get(SecretName.PROXY_CREDENTIALS)
        return Proxy(self._settings.http.proxy, found[0].decode() if found else None)
