"""What a person gives of a connection, and the connection that it makes or changes: the rules, for every face."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from orchestrator.operations.connections import Connections
from orchestrator.secrets import SecretName
from states.certificate import Certificate
from states.connection import (
    Algorithm,
    Connection,
    NetSuiteSettings,
    OnRefusal,
    OpenAirKind,
    OpenAirSettings,
    Options,
    Policy,
)
from states.errors import InvalidInput, Stale, Tampered

_RSA_BITS: Final = (3072, 4096)
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFields:
    """The fields that were given; None for those that were not, which keep what they have or get their default."""

    account: str | None = None
    client_id: str | None = None
    certificate_id: str | None = None
    certificate_pem: str | None = None
    """The sign-in certificate; its end and its fingerprint are kept."""
    certificate_until: str | None = None
    """Until when that certificate is valid, where it is not given itself: a day, or a moment of ISO 8601."""
    assertion_algorithm: str | None = None
    """PS256 to ES512; by default what suits the sign-in key."""
    restlet_url: str | None = None
    token_url: str | None = None
    script: str | None = None
    deployment: str | None = None

    openair_url: str | None = None
    openair_namespace: str | None = None
    openair_client_id: str | None = None
    openair_redirect_uri: str | None = None
    """An empty one removes it."""
    openair_company: str | None = None
    openair_user: str | None = None
    openair_preference: str | None = None
    openair_export: bool | None = None
    """Whether a person saves the certificate in OpenAir."""

    single_sign_on: bool | None = None
    real_time_integration: bool | None = None
    oauth2: bool | None = None
    bundles: Mapping[str, str] = field(default_factory=dict)
    """Bundle id to version; an empty version removes the bundle."""

    algorithm: str | None = None
    days: int | None = None
    keep_key: bool | None = None
    on_refusal: OnRefusal | None = None
    starts_by_hand: bool | None = None

    secrets: Mapping[SecretName, str] = field(default_factory=dict)

    def missing(self) -> list[str | SecretName]:
        """The names of the fields and secrets that a new connection needs and that were not given."""
        return [*self._missing_in_netsuite(), *self._missing_in_openair()]

    def new(self, name: str) -> Connection:
        """A new connection. Raises InvalidInput when something needed is missing or a value is wrong."""
        if missing := self.missing():
            raise InvalidInput(f"A connection needs {', '.join(missing)}.")
        return Connection(
            name=name,
            netsuite=NetSuiteSettings(**self._netsuite()),
            openair=OpenAirSettings(**self._openair()),
            options=Options(**self._options()),
            policy=Policy(**self._policy()),
            bundles=self._bundles({}),
        )

    def changed(self, connection: Connection) -> Connection:
        """``connection`` with the given fields in place of its own. Raises InvalidInput when a value is wrong."""
        netsuite = {**_derived_urls(connection.netsuite), **self._forgotten(connection.netsuite), **self._netsuite()}
        return replace(
            connection,
            netsuite=replace(connection.netsuite, **netsuite),
            openair=replace(connection.openair, **self._openair()),
            options=replace(connection.options, **self._options()),
            policy=replace(connection.policy, **self._policy()),
            bundles=self._bundles(connection.bundles),
        )

    def _missing_in_netsuite(self) -> list[str | SecretName]:
        needed = ("account", "client_id", "certificate_id", SecretName.NETSUITE_KEY)
        return self._not_given(needed)

    def _missing_in_openair(self) -> list[str | SecretName]:
        if self.openair_export:
            return []
        needed: tuple[str | SecretName, ...] = ("openair_url", SecretName.OPENAIR_API_KEY)
        by_password = self.openair_company is not None or self.openair_user is not None
        if by_password and self.openair_client_id is None:
            needed += ("openair_company", "openair_user", SecretName.OPENAIR_PASSWORD)
        else:
            # The refresh token may come later, by OpenAir's consent (operations/consent.py).
            needed += ("openair_client_id", SecretName.OPENAIR_CLIENT_SECRET)
        return self._not_given(needed)

    def _not_given(self, needed: tuple[str | SecretName, ...]) -> list[str | SecretName]:
        return [
            name
            for name in needed
            if (name not in self.secrets if isinstance(name, SecretName) else getattr(self, name) is None)
        ]

    def _netsuite(self) -> dict[str, Any]:
        key = self.secrets.get(SecretName.NETSUITE_KEY)
        suitable = assertion_algorithm_for(key) if key is not None else None
        chosen = self.assertion_algorithm
        if suitable and chosen and chosen != suitable and not suitable[:2] == chosen[:2] == "PS":
            raise InvalidInput(f"The sign-in key cannot sign assertions with {chosen}: it is a key for {suitable}.")
        return _given(
            account=self.account,
            client_id=self.client_id,
            certificate_id=self.certificate_id,
            **self._certificate(),
            restlet_url=self.restlet_url,
            token_url=self.token_url,
            assertion_algorithm=self.assertion_algorithm or suitable,
            script=self.script,
            deployment=self.deployment,
        )

    def _certificate(self) -> dict[str, str]:
        """What is kept of the sign-in certificate. Raises InvalidInput where it is not one of the given key."""
        if self.certificate_pem is None:
            return {} if self.certificate_until is None else _kept(self.certificate_until)
        if self.certificate_until is not None:
            raise InvalidInput("Give the sign-in certificate, or until when it is valid: the certificate says it.")
        certificate = Certificate.parse(self.certificate_pem)
        if key := self.secrets.get(SecretName.NETSUITE_KEY):
            ensure_certificate_of(key.encode(), certificate.pem)
        return _kept(certificate.not_after.isoformat(), certificate.fingerprint)

    def _forgotten(self, before: NetSuiteSettings) -> dict[str, str]:
        """What was kept of the sign-in certificate, emptied where another certificate takes its place."""
        pairs = ((self.account, before.account), (self.certificate_id, before.certificate_id))
        return _kept("") if any(given not in (None, present) for given, present in pairs) else {}

    def _openair(self) -> dict[str, Any]:
        kind = {None: None, True: OpenAirKind.EXPORT, False: OpenAirKind.XML}[self.openair_export]
        return _given(
            kind=kind,
            url=self.openair_url,
            company=self.openair_company,
            user=self.openair_user,
            client_id=self.openair_client_id,
            namespace=self.openair_namespace,
            preference=self.openair_preference,
            redirect_uri=self.openair_redirect_uri,
        )

    def _options(self) -> dict[str, Any]:
        return _given(
            single_sign_on=self.single_sign_on,
            real_time_integration=self.real_time_integration,
            oauth2=self.oauth2,
        )

    def _policy(self) -> dict[str, Any]:
        algorithm = Algorithm(self.algorithm) if self.algorithm else None
        return _given(
            algorithm=algorithm,
            days=self.days,
            keep_key=self.keep_key,
            on_refusal=self.on_refusal,
            starts_by_hand=self.starts_by_hand,
        )

    def _bundles(self, before: Mapping[str, str]) -> dict[str, str]:
        bundles = {**before, **self.bundles}
        return {number: version for number, version in bundles.items() if version}


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _kept(until: str, fingerprint: str = "") -> dict[str, str]:
    return {"certificate_until": until, "certificate_fingerprint": fingerprint}


def ensure_certificate_of(key: bytes, certificate: str) -> None:
    """Raise InvalidInput unless ``certificate`` (PEM) is one of the sign-in ``key`` (PEM). Raises KeyMismatch."""
    from orchestrator.adapters.keys import is_certificate_of  # noqa: PLC0415 - seldom needed

    if not is_certificate_of(key, certificate):
        raise InvalidInput("The sign-in certificate is not one of the key with which Keyturn signs in to NetSuite.")


def _derived_urls(netsuite: NetSuiteSettings) -> dict[str, str]:
    """The URLs that are derived from the account, emptied, so that they follow the account where it changes."""
    own = NetSuiteSettings(account=netsuite.account, client_id="", certificate_id="")
    return {name: "" for name in ("restlet_url", "token_url") if getattr(netsuite, name) == getattr(own, name)}


def change(
    connections: Connections, name: str, fields: ConnectionFields, *, actor: str, version: int | None = None
) -> Connection:
    """Change the given fields and secrets of the connection ``name``; return it as it was stored.

    One that was changed outside Keyturn keeps nothing: all of it has to be given. Raises what `Connections.edit` does,
    Stale also where the connection is not at ``version`` (None: any) any more, InvalidInput for a value that is wrong.
    """
    shown, is_authentic = connections.show(name), connections.is_authentic(name)
    if version not in (None, shown.version):
        raise Stale(f"Connection {name} was changed meanwhile; nothing was stored.")
    if not is_authentic and (missing := fields.missing()):
        raise Tampered(
            f"Connection {name} was changed outside Keyturn. To give all of it again needs {', '.join(missing)}."
        )
    changed = fields.changed(shown) if is_authentic else replace(fields.new(name), version=shown.version)
    if fields.certificate_pem is not None and SecretName.NETSUITE_KEY not in fields.secrets:
        ensure_certificate_of(connections.sign_in_key(name), fields.certificate_pem)
    return connections.edit(changed, fields.secrets, actor=actor, is_given_again=not is_authentic)


def assertion_algorithm_for(pem: str) -> str:
    """The assertion algorithm for a sign-in key: NetSuite takes PS256 and up for RSA, ES256 and up for EC.

    Raises InvalidInput for a key that NetSuite does not take.
    https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_162790605110.html
    """
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        # Not chained: the parser's message may quote parts of the key.
        raise InvalidInput("NetSuite's sign-in key is not an unencrypted private key in PEM.") from None
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size in _RSA_BITS:
            return "PS256"
        given = f"RSA with {key.key_size} bits"
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        if name := _CURVES.get(key.curve.name):
            return name
        given = f"EC {key.curve.name}"
    else:
        given = "of another kind"
    raise InvalidInput(
        "NetSuite does not accept this sign-in key: it must be RSA with 3072 or 4096 bits, or EC P-256, P-384 or "
        f"P-521, and it is {given}."
    )
