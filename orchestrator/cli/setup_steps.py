"""What `keyturn setup` says and asks at each step. The words are those of docs/how-to/connect.md, in short."""

import getpass
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from orchestrator import terminal
from orchestrator.operations.connection_fields import ConnectionFields
from orchestrator.operations.consent import REDIRECT_URI
from orchestrator.operations.setup import Step
from orchestrator.secrets import SecretName
from states.connection import Connection, OpenAirKind

INSTRUCTIONS: Final[Mapping[Step, str]] = {
    Step.ACCOUNT: """NetSuite: deploy the RESTlet, and create the integration.
  1. Setup > Company > Enable Features > SuiteCloud: Client SuiteScript, Server SuiteScript, OAuth 2.0.
  2. Write the project with `keyturn suitescript export keyturn-suitescript`, and deploy it as its README.md says.
  3. Create a user for Keyturn only, with only the role Keyturn, which the project has.
  4. Setup > Integration > Manage Integrations > New: Client Credentials (Machine to Machine) Grant, scope RESTlets.
     Copy the client id, which is shown once.""",
    Step.SIGN_IN: """NetSuite: let Keyturn sign in.
  Setup > Integration > Manage Authentication > OAuth 2.0 Client Credentials (M2M) Setup > Create New:
  the user, the role and the application Keyturn, and the certificate {file}.
  Copy the certificate id. The certificate is valid for two years at most. Keyturn keeps when it ends.""",
    Step.OPENAIR: """OpenAir: say where it is, and how the certificate gets into it.
  No public endpoint saves the certificate where OpenAir's own connector does. By hand, a person saves it at each
  rotation. By the XML API, Keyturn saves it in a Preference: choose that only if you know that your OpenAir reads it.
  For the XML API you need its namespace and key from your account manager, and an OAuth application:
  Administration > Global Settings > Account > API Integration Applications > Add New App, with the scope xml and the
  redirect URI {redirect_uri}.""",
    Step.CONSENT: """OpenAir: consent, as the user with whom Keyturn works.""",
    Step.AUTOMATION: """Automatic rotation: record the bundles' versions.
  With them, the schedule begins rotations by itself, the first one at once. Without them, you begin each one.""",
}
REDIRECT: Final = REDIRECT_URI
_ADDRESS: Final = "OpenAir's address, as your browser shows it, such as https://acme.app.netsuitesuiteprojectspro.com"
_CLIENT: Final = "OAuth client id (-: sign in with a company, a user and a password)"


class Answers:
    """What was given in a file, and what a person answers."""

    def __init__(self, given: ConnectionFields, *, asks: bool) -> None:
        """``asks``: whether a person can be asked for what was not given."""
        self.given = given
        self._asks = asks

    def to(self, step: Step, connection: Connection | None, reported: Mapping[str, str]) -> ConnectionFields | None:
        """The answers to ``step``; None where one is missing, and an empty answer is none.

        ``connection`` has the present ones, which a person keeps with an empty answer. ``reported`` are the versions
        of the bundles in NetSuite.
        """
        try:
            match step:
                case Step.ACCOUNT:
                    return self._account()
                case Step.SIGN_IN:
                    return self._sign_in(connection)
                case Step.OPENAIR:
                    return self._openair(connection)
                case Step.CONSENT:
                    return self.given
                case Step.AUTOMATION:
                    return self._automation(reported)
        except (EOFError, _NotAnswered):
            return None

    def to_renewal(self, former: str) -> ConnectionFields | None:
        """The id of a new sign-in certificate; None where it is missing, or is the ``former`` one's."""
        try:
            given = self._text("certificate_id", "New certificate id")
        except (EOFError, _NotAnswered):
            return None
        return None if given == former else replace(self.given, certificate_id=given)

    def _account(self) -> ConnectionFields:
        account = self._text("account", "NetSuite account id, such as 1234567 or 1234567_SB1")
        return replace(self.given, account=account, client_id=self._text("client_id", "Client id of the integration"))

    def _sign_in(self, connection: Connection | None) -> ConnectionFields:
        known = connection.netsuite if connection else None
        given = self.given
        if known and known.certificate_id:  # the step was not proved with it: the client id may be wrong, too
            given = replace(given, client_id=self._text("client_id", "Client id of the integration", known.client_id))
        present = known.certificate_id if known else ""
        return replace(given, certificate_id=self._text("certificate_id", "Certificate id", present))

    def _openair(self, connection: Connection | None) -> ConnectionFields:
        present = _present(connection)
        given = replace(self.given, openair_url=self._text("openair_url", _ADDRESS, present.openair_url or ""))
        given = replace(given, openair_export=self._by_hand(given, present))
        if given.openair_export:
            return given
        namespace = self._text("openair_namespace", "API namespace", present.openair_namespace or "default")
        given = replace(given, openair_namespace=namespace)
        given = self._secret(given, SecretName.OPENAIR_API_KEY, "API key", present)
        client = self._optional("openair_client_id", _CLIENT, present.openair_client_id or "")
        if client and not given.openair_company:
            given = replace(given, openair_client_id=client, openair_company="", openair_user="")
            return self._secret(given, SecretName.OPENAIR_CLIENT_SECRET, "OAuth client secret", present)
        company = self._text("openair_company", "Company", present.openair_company or "")
        user = self._text("openair_user", "User", present.openair_user or "")
        given = replace(given, openair_client_id="", openair_company=company, openair_user=user)
        return self._secret(given, SecretName.OPENAIR_PASSWORD, "Password", present)

    def _by_hand(self, given: ConnectionFields, present: ConnectionFields) -> bool:
        if given.openair_export is not None:
            return given.openair_export
        if _names_sign_in(given) or not self._asks:
            return bool(present.openair_export) and not _names_sign_in(given)
        return not _yes("Save the certificate by the XML API, and not by hand?")

    def _automation(self, reported: Mapping[str, str]) -> ConnectionFields:
        if self.given.bundles:
            return self.given
        if not (self._asks and reported):
            raise _NotAnswered
        versions = ", ".join(f"{bundle} {version or 'not installed'}" for bundle, version in reported.items())
        if not _yes(f"Record what NetSuite reports ({versions})?"):
            raise _NotAnswered
        return ConnectionFields(bundles=reported)

    def _text(self, field: str, label: str, present: str = "") -> str:
        if (given := getattr(self.given, field)) is not None:
            return str(given)
        answer = (_line(label, present) if self._asks else "") or present
        if not answer:
            raise _NotAnswered
        return answer

    def _optional(self, field: str, label: str, present: str) -> str:
        """An answer that may be empty; a hyphen is an empty one where there is a present one."""
        if (given := getattr(self.given, field)) is not None:
            return str(given)
        if self.given.openair_company or not self._asks:
            return present
        answer = _line(label, present) or present
        return "" if answer == "-" else answer

    def _secret(
        self, given: ConnectionFields, name: SecretName, label: str, present: ConnectionFields
    ) -> ConnectionFields:
        """The secret; an empty answer keeps the stored one, where the step was taken before."""
        if name in given.secrets or not self._asks:
            return given
        kept = ", empty keeps the stored one" if present.openair_url else ""
        if answer := getpass.getpass(f"{label} (not shown{kept}): ").strip():
            return replace(given, secrets={**given.secrets, name: answer})
        if not kept:
            raise _NotAnswered
        return given


def _present(connection: Connection | None) -> ConnectionFields:
    """What the connection has of OpenAir; nothing before it was given."""
    if connection is None or not connection.openair.url:
        return ConnectionFields()
    openair = connection.openair
    return ConnectionFields(
        openair_url=openair.url,
        openair_export=openair.kind is OpenAirKind.EXPORT,
        openair_namespace=openair.namespace,
        openair_client_id=openair.client_id,
        openair_company=openair.company,
        openair_user=openair.user,
    )


class _NotAnswered(Exception):
    """A question has no answer."""


def _names_sign_in(given: ConnectionFields) -> bool:
    """Whether the answers in the file are those of the XML API."""
    names: tuple[Any, ...] = (given.openair_client_id, given.openair_company, given.openair_user)
    return any(names) or SecretName.OPENAIR_API_KEY in given.secrets


def _line(label: str, present: str = "") -> str:
    terminal.write(f"{label}{f' [{present}]' if present else ''}: ", error=True, end="")
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()


def _yes(question: str) -> bool:
    return _line(f"{question} [y/N]").lower() in ("y", "yes")
