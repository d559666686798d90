"""The options of `keyturn connection add` and `edit`."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Group, Parameter

from orchestrator.cli.arguments import WHOLE
from orchestrator.operations.connection_fields import ConnectionFields
from orchestrator.secrets import SecretName
from states.connection import Algorithm, OnRefusal
from states.errors import InvalidInput, Tampered
from states.next_action import by_hand
from states.shortage import shortage

_NETSUITE: Final = Group("NetSuite", sort_key=1)
_OPENAIR: Final = Group("OpenAir", sort_key=2)
_FORM: Final = Group("Connector form and bundles", sort_key=3)
_POLICY: Final = Group("Policy", sort_key=4)
_NETWORK: Final = Group("Network", sort_key=5)
_ALGORITHMS: Final = tuple(algorithm.value for algorithm in Algorithm)
_STDIN: Final = Path("-")


def _option(group: Group, text: str, **more: Any) -> Parameter:
    return Parameter(group=group, help=text, show_default=False, **more)


def _opaque(group: Group, text: str) -> Parameter:
    """An option whose value may begin with a hyphen: an id that another system made, or - for standard input."""
    return _option(group, text, allow_leading_hyphen=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """The options; None for what was not given."""

    account: Annotated[str | None, _option(_NETSUITE, "Account id, such as 1234567 or 1234567_SB1.")] = None
    client_id: Annotated[str | None, _opaque(_NETSUITE, "Client id of the integration record.")] = None
    certificate_id: Annotated[str | None, _opaque(_NETSUITE, "Id of the certificate Keyturn signs in with.")] = None
    netsuite_key_file: Annotated[Path | None, _opaque(_NETSUITE, "That certificate's private key (PEM).")] = None
    certificate_file: Annotated[
        Path | None, _opaque(_NETSUITE, "That certificate (PEM). Keyturn keeps when it ends, and its fingerprint.")
    ] = None
    certificate_until: Annotated[
        str | None, _option(_NETSUITE, "Until when it is valid, without the file, such as 2028-11-26.")
    ] = None
    assertion_algorithm: Annotated[str | None, _option(_NETSUITE, "PS256 to ES512. Default: by the key's type.")] = None
    restlet_url: Annotated[str | None, _option(_NETSUITE, "Base URL of RESTlets. Default: the account's.")] = None
    token_url: Annotated[str | None, _option(_NETSUITE, "Base URL of tokens. Default: the account's.")] = None
    script: Annotated[str | None, _option(_NETSUITE, "Script id of the RESTlet.")] = None
    deployment: Annotated[str | None, _option(_NETSUITE, "Deployment id of the RESTlet.")] = None

    openair_url: Annotated[str | None, _option(_OPENAIR, "Base URL, such as https://example.app.openair.com.")] = None
    openair_api_key_file: Annotated[Path | None, _opaque(_OPENAIR, "File with the key of the XML API.")] = None
    openair_namespace: Annotated[str | None, _option(_OPENAIR, "Namespace of that key.")] = None
    openair_client_id: Annotated[str | None, _opaque(_OPENAIR, "OAuth client id, instead of company and user.")] = None
    openair_redirect_uri: Annotated[
        str | None, _option(_OPENAIR, "Redirect URI of the consent, if OpenAir asks for it at each refresh.")
    ] = None
    openair_client_secret_file: Annotated[Path | None, _opaque(_OPENAIR, "File with the OAuth client secret.")] = None
    openair_refresh_token_file: Annotated[Path | None, _opaque(_OPENAIR, "File with the first refresh token.")] = None
    openair_company: Annotated[str | None, _option(_OPENAIR, "Company to sign in to, instead of OAuth.")] = None
    openair_user: Annotated[str | None, _option(_OPENAIR, "User to sign in as.")] = None
    openair_password_file: Annotated[Path | None, _opaque(_OPENAIR, "File with that user's password.")] = None
    openair_preference: Annotated[str | None, _option(_OPENAIR, "The preference that holds the certificate.")] = None
    openair_export: Annotated[
        bool | None,
        _option(
            _OPENAIR,
            "A person begins each rotation, and saves the exported certificate in OpenAir.",
            negative="--openair-xml",
        ),
    ] = None

    proxy_credentials_file: Annotated[
        Path | None, _opaque(_NETWORK, "File with user:password for the proxy of the setting http.proxy.")
    ] = None

    single_sign_on: Annotated[bool | None, _option(_FORM, "Enable NetSuite single sign-on.")] = None
    real_time_integration: Annotated[bool | None, _option(_FORM, "Enable NetSuite real-time integration.")] = None
    oauth2: Annotated[bool | None, _option(_FORM, "Use OAuth 2.0 for both.")] = None
    bundle: Annotated[
        list[str] | None, _option(_FORM, "An installed bundle, such as 369630=4.02. Repeatable.", negative=())
    ] = None

    algorithm: Annotated[str | None, _option(_POLICY, "Algorithm of new keys.", choices=_ALGORITHMS)] = None
    days: Annotated[int | None, WHOLE, _option(_POLICY, "How long a new certificate is valid.")] = None
    keep_key: Annotated[bool | None, _option(_POLICY, "Keep the current private key, sealed, to restore it.")] = None

    on_refusal: Annotated[
        OnRefusal | None,
        _option(
            _POLICY,
            "If OpenAir does not take the certificate of a scheduled rotation: restore the previous one, or park.",
        ),
    ] = None

    starts_by_hand: Annotated[
        bool | None,
        _option(_POLICY, "With --openair-export: let the schedule start rotations, which wait for a person."),
    ] = None

    def given(self) -> ConnectionFields:
        """What was given, with the secrets read from their files.

        Raises InvalidInput for a file that cannot be read, a value that makes no sense.
        """
        values = {each.name: getattr(self, each.name) for each in fields(ConnectionFields) if hasattr(self, each.name)}
        certificate = None if self.certificate_file is None else read_secret(self.certificate_file)
        return ConnectionFields(
            **values,
            certificate_pem=certificate,
            bundles=_bundles(self.bundle or ()),
            secrets=self._secrets(),
        )

    def _secrets(self) -> dict[SecretName, str]:
        files = {name: getattr(self, _field(name)) for name in SecretName}
        given = {name: file for name, file in files.items() if file is not None}
        if [*given.values(), self.certificate_file].count(_STDIN) > 1:
            raise InvalidInput("Only one file can come from standard input.")
        return {name: read_secret(file) for name, file in given.items()}


def require(given: ConnectionFields, *, changed: str = "") -> None:
    """Raise InvalidInput naming the options that a new connection needs and that were not given.

    Raises Tampered instead for the connection ``changed``, which was changed outside Keyturn and is given again.
    """
    options = ", ".join(f"--{name.replace('_', '-')}" for name in map(_named, given.missing()))
    if not options:
        return
    fix = by_hand("Add the options that are missing; --help describes them.")
    if changed:
        raise Tampered(
            f"Connection {changed} was changed outside Keyturn. To give all of it again needs {options}.",
            next_action=fix,
        )
    raise InvalidInput(f"A connection needs {options}.", next_action=fix)


def _named(missing: str | SecretName) -> str:
    return _field(missing) if isinstance(missing, SecretName) else missing


def _field(secret: SecretName) -> str:
    return f"{secret.name.lower()}_file"


def _bundles(pairs: Iterable[str]) -> dict[str, str]:
    """The versions of bundles by their ids. Raises InvalidInput."""
    bundles = {}
    for pair in pairs:
        number, equals, version = pair.partition("=")
        if not (number.isdigit() and equals):
            raise InvalidInput(f"{pair!r} is not a bundle with its version, such as 369630=4.02.")
        bundles[number] = version
    return bundles


def read_secret(file: Path) -> str:
    """The text of a file, or of standard input (-), without white space around it. Raises InvalidInput."""
    where = "standard input" if file == _STDIN else str(file)
    try:
        content = sys.stdin.buffer.read() if file == _STDIN else file.read_bytes()
        text = content.decode("utf-8-sig").strip()  # UTF-8 in any locale; Windows' editors write a byte order mark
    except OSError as error:
        if lacking := shortage(error):
            raise lacking from error
        raise InvalidInput(f"{where} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise InvalidInput(f"{where} is not text.") from None
    if not text:
        raise InvalidInput(f"{where} is empty.")
    return text
