"""The options of `keyturn connection add` and `edit`: what is given, and a connection made or changed of it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cyclopts import Group, Parameter

from orchestrator.secrets import SecretName
from states.connection import Algorithm, Connection, NetSuiteSettings, OpenAirKind, OpenAirSettings, Options, Policy
from states.errors import InvalidInput
from states.next_action import by_hand

_NETSUITE: Final = Group("NetSuite", sort_key=1)
_OPENAIR: Final = Group("OpenAir", sort_key=2)
_FORM: Final = Group("Connector form and bundles", sort_key=3)
_POLICY: Final = Group("Policy", sort_key=4)
_ALGORITHMS: Final = tuple(algorithm.value for algorithm in Algorithm)
_STDIN: Final = Path("-")
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def _option(group: Group, text: str, **more: Any) -> Parameter:
    return Parameter(group=group, help=text, show_default=False, **more)


def _opaque(group: Group, text: str) -> Parameter:
    """An option whose value may begin with a hyphen: an id that somebody else made, or - for standard input."""
    return _option(group, text, allow_leading_hyphen=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What was given on the command line; None for what was not."""

    account: Annotated[str | None, _option(_NETSUITE, "Account id, such as 1234567 or 1234567_SB1.")] = None
    client_id: Annotated[str | None, _opaque(_NETSUITE, "Client id of the integration record.")] = None
    certificate_id: Annotated[str | None, _opaque(_NETSUITE, "Id of the certificate Keyturn signs in with.")] = None
    netsuite_key_file: Annotated[Path | None, _opaque(_NETSUITE, "That certificate's private key (PEM).")] = None
    assertion_algorithm: Annotated[str | None, _option(_NETSUITE, "PS256 to ES512; by default what suits the key.")] = (
        None
    )
    restlet_url: Annotated[str | None, _option(_NETSUITE, "Base URL of RESTlets, where it is not the usual one.")] = (
        None
    )
    token_url: Annotated[str | None, _option(_NETSUITE, "Base URL of the token endpoint, likewise.")] = None
    script: Annotated[str | None, _option(_NETSUITE, "Script id of the RESTlet.")] = None
    deployment: Annotated[str | None, _option(_NETSUITE, "Its deployment id.")] = None

    openair_url: Annotated[str | None, _option(_OPENAIR, "Base URL, such as https://example.app.openair.com.")] = None
    openair_api_key_file: Annotated[Path | None, _opaque(_OPENAIR, "The XML API's key.")] = None
    openair_namespace: Annotated[str | None, _option(_OPENAIR, "The namespace of that key.")] = None
    openair_client_id: Annotated[str | None, _opaque(_OPENAIR, "OAuth client id; instead of company and user.")] = None
    openair_client_secret_file: Annotated[Path | None, _opaque(_OPENAIR, "OAuth client secret.")] = None
    openair_refresh_token_file: Annotated[Path | None, _opaque(_OPENAIR, "The first refresh token.")] = None
    openair_company: Annotated[str | None, _option(_OPENAIR, "Company to sign in to; instead of OAuth.")] = None
    openair_user: Annotated[str | None, _option(_OPENAIR, "User to sign in as.")] = None
    openair_password_file: Annotated[Path | None, _opaque(_OPENAIR, "That user's password.")] = None
    openair_preference: Annotated[str | None, _option(_OPENAIR, "The preference that carries the certificate.")] = None
    openair_export: Annotated[
        bool | None,
        _option(
            _OPENAIR,
            "A person saves the certificate in OpenAir; Keyturn exports it and waits.",
            negative="--openair-xml",
        ),
    ] = None

    single_sign_on: Annotated[bool | None, _option(_FORM, "Enable NetSuite single sign-on.")] = None
    real_time_integration: Annotated[bool | None, _option(_FORM, "Enable NetSuite real-time integration.")] = None
    oauth2: Annotated[bool | None, _option(_FORM, "Use OAuth 2.0 for both.")] = None
    bundle: Annotated[
        list[str] | None, _option(_FORM, "An installed bundle, such as 369630=4.02; several times.", negative=())
    ] = None

    algorithm: Annotated[str | None, _option(_POLICY, "Of new keys.", choices=_ALGORITHMS)] = None
    days: Annotated[int | None, _option(_POLICY, "How long a new certificate is valid.")] = None
    keep_key: Annotated[bool | None, _option(_POLICY, "Keep the current private key, sealed, to restore it.")] = None

    def secrets(self) -> dict[SecretName, str]:
        """Read the secrets that were given. Raises InvalidInput for a file that cannot be read or makes no sense."""
        files = {
            SecretName.NETSUITE_KEY: self.netsuite_key_file,
            SecretName.OPENAIR_API_KEY: self.openair_api_key_file,
            SecretName.OPENAIR_CLIENT_SECRET: self.openair_client_secret_file,
            SecretName.OPENAIR_REFRESH_TOKEN: self.openair_refresh_token_file,
            SecretName.OPENAIR_PASSWORD: self.openair_password_file,
        }
        given = {name: file for name, file in files.items() if file is not None}
        if list(given.values()).count(_STDIN) > 1:
            raise InvalidInput("Only one secret can come from standard input.")
        return {name: _read(file) for name, file in given.items()}

    def new(self, name: str, secrets: Mapping[SecretName, str]) -> Connection:
        """A connection of what was given. Raises InvalidInput when something needed is missing or wrong."""
        missing = [*self._missing_in_netsuite(), *self._missing_in_openair()]
        if missing:
            raise InvalidInput(
                f"A connection needs {', '.join(missing)}.",
                next_action=by_hand("Add the options that are missing; --help describes them."),
            )
        return Connection(
            name=name,
            netsuite=NetSuiteSettings(**self._netsuite(secrets)),
            openair=OpenAirSettings(**self._openair()),
            options=Options(**self._options()),
            policy=Policy(**self._policy()),
            bundles=self._bundles({}),
        )

    def changed(self, connection: Connection, secrets: Mapping[SecretName, str]) -> Connection:
        """``connection`` with what was given in place of what it had. Raises InvalidInput when that is wrong."""
        netsuite = {**_own_urls(connection.netsuite), **self._netsuite(secrets)}
        return replace(
            connection,
            netsuite=replace(connection.netsuite, **netsuite),
            openair=replace(connection.openair, **self._openair()),
            options=replace(connection.options, **self._options()),
            policy=replace(connection.policy, **self._policy()),
            bundles=self._bundles(connection.bundles),
        )

    def _missing_in_netsuite(self) -> list[str]:
        needed = {
            "--account": self.account,
            "--client-id": self.client_id,
            "--certificate-id": self.certificate_id,
            "--netsuite-key-file": self.netsuite_key_file,
        }
        return [option for option, given in needed.items() if given is None]

    def _missing_in_openair(self) -> list[str]:
        if self.openair_export:
            return []
        needed = {"--openair-url": self.openair_url, "--openair-api-key-file": self.openair_api_key_file}
        by_password = self.openair_company is not None or self.openair_user is not None
        if by_password and self.openair_client_id is None:
            needed |= {
                "--openair-company": self.openair_company,
                "--openair-user": self.openair_user,
                "--openair-password-file": self.openair_password_file,
            }
        else:
            needed |= {
                "--openair-client-id": self.openair_client_id,
                "--openair-client-secret-file": self.openair_client_secret_file,
                "--openair-refresh-token-file": self.openair_refresh_token_file,
            }
        return [option for option, given in needed.items() if given is None]

    def _netsuite(self, secrets: Mapping[SecretName, str]) -> dict[str, Any]:
        key = secrets.get(SecretName.NETSUITE_KEY)
        suits = _algorithm_for(key) if key is not None else None
        return _given(
            account=self.account,
            client_id=self.client_id,
            certificate_id=self.certificate_id,
            restlet_url=self.restlet_url,
            token_url=self.token_url,
            assertion_algorithm=self.assertion_algorithm or suits,
            script=self.script,
            deployment=self.deployment,
        )

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
        )

    def _options(self) -> dict[str, Any]:
        return _given(
            single_sign_on=self.single_sign_on,
            real_time_integration=self.real_time_integration,
            oauth2=self.oauth2,
        )

    def _policy(self) -> dict[str, Any]:
        algorithm = Algorithm(self.algorithm) if self.algorithm else None
        return _given(algorithm=algorithm, days=self.days, keep_key=self.keep_key)

    def _bundles(self, before: Mapping[str, str]) -> dict[str, str]:
        """The bundles there were, with those given in their place; one without a version is taken out."""
        bundles = dict(before)
        for pair in self.bundle or []:
            number, equals, version = pair.partition("=")
            if not (number.isdigit() and equals):
                raise InvalidInput(f"{pair!r} is not a bundle with its version, such as 369630=4.02.")
            bundles[number] = version
        return {number: version for number, version in bundles.items() if version}


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _own_urls(netsuite: NetSuiteSettings) -> dict[str, str]:
    """The URLs that are derived from the account, emptied: they follow it where it changes."""
    own = NetSuiteSettings(account=netsuite.account, client_id="", certificate_id="")
    return {name: "" for name in ("restlet_url", "token_url") if getattr(netsuite, name) == getattr(own, name)}


def _read(file: Path) -> str:
    where = "standard input" if file == _STDIN else str(file)
    try:
        text = (sys.stdin.read() if file == _STDIN else file.read_text()).strip()
    except OSError as error:
        raise InvalidInput(f"{where} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise InvalidInput(f"{where} is not text.") from None
    if not text:
        raise InvalidInput(f"{where} is empty.")
    return text


def _algorithm_for(pem: str) -> str:
    """The assertion algorithm that suits a sign-in key: NetSuite takes PS256 and up for RSA, ES256 and up for EC.

    https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_162790605110.html
    """
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        # Not chained: a parser's message may quote what it could not read.
        raise InvalidInput("NetSuite's sign-in key is not an unencrypted private key in PEM.") from None
    if isinstance(key, rsa.RSAPrivateKey):
        return "PS256"
    if isinstance(key, ec.EllipticCurvePrivateKey) and (name := _CURVES.get(key.curve.name)):
        return name
    raise InvalidInput("NetSuite's sign-in key must be RSA, or EC P-256, P-384 or P-521.")
