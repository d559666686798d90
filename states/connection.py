"""A connection: one NetSuite account paired with one OpenAir company."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from states.base_url import MOST_CHARACTERS, check_url
from states.certificate import Certificate
from states.errors import InvalidInput

_ACCOUNT: Final = re.compile(r"(?=.{1,63}\Z)[A-Za-z0-9]+([_-][A-Za-z0-9]+)?")
"""At most as long as a label of a host name, which it becomes."""
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+")
"""An absolute URI without a fragment (RFC 6749 section 3.1.2)."""
_VERSION: Final = re.compile(r"\d+(\.\d+)*")

REAL_TIME_BUNDLE: Final = "369630"
"""Real-time Add-on. From 3.0 on it uses the certificate record; it needs CONNECTOR_BUNDLE from 4.0 on.
https://docs.oracle.com/en/cloud/saas/netsuite-suiteprojects-pro/online-help/article_162852081557.html"""
CONNECTOR_BUNDLE: Final = "369637"

VALID_DAYS: Final = range(15, 3651)
"""A shorter life would be due for rotation from its first day on."""


class Algorithm(StrEnum):
    """What a candidate's key may be. RSA-3072 is an assumption: Oracle does not publish its own choice."""

    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"


class OpenAirKind(StrEnum):
    """How the certificate reaches OpenAir."""

    XML = "xml"
    """The XML API's Preference object, saved and read back by Keyturn."""
    EXPORT = "export"
    """An administrator saves the exported certificate and confirms it."""


class OnRefusal(StrEnum):
    """What happens when OpenAir does not take a certificate that NetSuite holds already."""

    RESTORE = "restore"
    """Keyturn restores the previous certificate in NetSuite by itself, and tries again a day later."""
    PARK = "park"
    """The rotation is parked, and imports may be refused until a person decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How this connection's certificates are made and kept."""

    algorithm: Algorithm = Algorithm.RSA_3072
    days: int = 365
    """How long a new certificate is valid, in days. An assumption: Oracle's own choice is not published."""
    keep_key: bool = True
    """Whether the current certificate's private key stays sealed in the vault, so that it can be restored."""
    on_refusal: OnRefusal = OnRefusal.RESTORE
    """What happens when OpenAir does not take the certificate. A connection has it for rotations that the schedule
    starts."""
    starts_by_hand: bool = False
    """Whether the schedule starts rotations although a person saves the certificate in OpenAir. Such a rotation waits
    for that person before it changes NetSuite."""

    def __post_init__(self) -> None:
        if self.days not in VALID_DAYS:
            raise InvalidInput(
                f"A certificate must be valid for {VALID_DAYS.start} to {VALID_DAYS.stop - 1} days, not {self.days}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The boxes of OpenAir's NetSuite Connector administration form that matter here."""

    single_sign_on: bool = False
    real_time_integration: bool = True
    oauth2: bool = True

    @property
    def shows_certificate(self) -> bool:
        """Whether the Tips entry and the health-check line show: (single sign-on or real-time) and OAuth 2.0.

        https://docs.oracle.com/en/cloud/saas/netsuite-suiteprojects-pro/ (certificate rotation, the note).
        """
        return not self.hides_certificate

    @property
    def hides_certificate(self) -> tuple[str, ...]:
        """Why the Tips entry and the health-check line do not show: each condition that fails, as a sentence."""
        failing = []
        if not (self.single_sign_on or self.real_time_integration):
            failing.append("Neither single sign-on nor real-time integration is ticked.")
        if not self.oauth2:
            failing.append("OAuth 2.0 is not ticked.")
        return tuple(failing)


ALL_TICKED: Final = Options(single_sign_on=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetSuiteSettings:
    """Where NetSuite is and as whom Keyturn signs in. The private key of the sign-in is in the vault."""

    account: str
    client_id: str
    certificate_id: str
    """The id NetSuite gave the sign-in's own certificate (`kid` of the assertion)."""
    certificate_until: str = ""
    """Until when that certificate is valid (ISO 8601, in UTC); empty where Keyturn was not given it."""
    certificate_fingerprint: str = ""
    """That certificate's SHA-256; empty where Keyturn was not given the certificate."""
    restlet_url: str = ""
    """Base of the RESTlet domain; empty means the account's own."""
    token_url: str = ""
    """Base of the SuiteTalk domain, where tokens are issued; empty means the account's own."""
    assertion_algorithm: str = "PS256"
    script: str = "customscript_keyturn_restlet"
    deployment: str = "customdeploy_keyturn_restlet"

    def __post_init__(self) -> None:
        if not _ACCOUNT.fullmatch(self.account):
            raise InvalidInput(f"{self.account!r} is not a NetSuite account id, such as 1234567 or 1234567_SB1.")
        if self.assertion_algorithm not in ("PS256", "PS384", "PS512", "ES256", "ES384", "ES512"):
            raise InvalidInput(f"NetSuite does not accept assertions signed with {self.assertion_algorithm!r}.")
        host = self.account.lower().replace("_", "-")
        object.__setattr__(self, "restlet_url", self.restlet_url or f"https://{host}.restlets.api.netsuite.com")
        object.__setattr__(self, "token_url", self.token_url or f"https://{host}.suitetalk.api.netsuite.com")
        check_url(self.restlet_url)
        check_url(self.token_url)
        object.__setattr__(self, "certificate_until", _moment(self.certificate_until))

    @property
    def sign_in_ends(self) -> datetime | None:
        """Until when the sign-in certificate is valid (UTC); None where Keyturn was not given it."""
        return datetime.fromisoformat(self.certificate_until) if self.certificate_until else None

    def values(self) -> dict[str, str]:
        """Return the values by name, as they are stored and authenticated.

        What is not known of the sign-in certificate is left out: earlier versions stored and authenticated no more.
        """
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        unknown = [name for name in ("certificate_until", "certificate_fingerprint") if not values[name]]
        return {name: value for name, value in values.items() if name not in unknown}


def _moment(text: str) -> str:
    """A day or a moment in the one form that is stored, ordered as text: to the second, in UTC. Raises InvalidInput.

    A day means its first moment.
    """
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).replace(microsecond=0).isoformat()
    except (ValueError, OverflowError):
        raise InvalidInput(f"{text[:40]!r} is not a day such as 2028-11-26, or a moment of ISO 8601.") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAirSettings:
    """Where OpenAir is and how Keyturn signs in: by OAuth where there is a client id, else by password."""

    kind: OpenAirKind = OpenAirKind.XML
    url: str = ""
    company: str = ""
    user: str = ""
    client_id: str = ""
    redirect_uri: str = ""
    """Where OpenAir's consent led to: sent when the tokens are refreshed, unless empty. RFC 6749 does not ask for it
    there; public clients send it: an assumption that some companies need it."""
    namespace: str = "default"
    preference: str = "oa_realtime_certificate"
    """The Preference that holds the certificate. An assumption: OpenAir documents no place of its own for it."""

    def __post_init__(self) -> None:
        if self.kind is OpenAirKind.XML:
            check_url(self.url)
            if not (self.client_id or (self.company and self.user)):
                raise InvalidInput("OpenAir needs an OAuth client id, or a company and a user.")
            if self.redirect_uri and (
                len(self.redirect_uri) > MOST_CHARACTERS or not _URI.fullmatch(self.redirect_uri)
            ):
                raise InvalidInput("The redirect URI must be that of the consent, such as https://localhost/done.")

    @property
    def by_oauth(self) -> bool:
        """Whether Keyturn signs in with OAuth, to which a person consents."""
        return self.kind is OpenAirKind.XML and bool(self.client_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One NetSuite account paired with one OpenAir company, with its options and policy."""

    name: str
    """The connection's id: lower-case letters, digits, dots, dashes and underscores."""
    netsuite: NetSuiteSettings
    openair: OpenAirSettings
    options: Options = field(default_factory=Options)
    policy: Policy = field(default_factory=Policy)
    bundles: Mapping[str, str] = field(default_factory=dict)
    """Bundle id to version, as an administrator or the RESTlet's report read it in NetSuite."""
    version: int = 0
    current: Certificate | None = None
    """The certificate that the last completed rotation put in place, or None before the first."""
    due_at: datetime | None = None
    """When the next automatic rotation begins (UTC): drawn once for each certificate. None means never by itself."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidInput(
                f"{self.name!r} is not a connection name: use lower-case letters, digits, dots, dashes, underscores."
            )
        for bundle, version in self.bundles.items():
            if not _VERSION.fullmatch(version):
                raise InvalidInput(f"{version!r} is not a version of bundle {bundle}, such as 4.02.")

    @property
    def is_automatic(self) -> bool:
        """Whether certificates are rotated unasked: the boxes are ticked and the upgraded feature is set up.

        Bundle 369630 from 3.0 on with bundle 369637 from 4.0 on, per Oracle's help (see REAL_TIME_BUNDLE). Where a
        person saves the certificate in OpenAir, the policy decides: no one may be there.
        """
        is_attended = self.openair.kind is not OpenAirKind.EXPORT or self.policy.starts_by_hand
        return is_attended and not missing_conditions(self.options, self.bundles)


NEEDED_BUNDLES: Final = {REAL_TIME_BUNDLE: 3, CONNECTOR_BUNDLE: 4}
"""Bundle id to the first major version with which certificates are rotated automatically."""


def outdated(reported: Mapping[str, str | None], missing: Sequence[str]) -> tuple[str, ...]:
    """Return each bundle that NetSuite reports to be too old for automatic rotation, or missing, as a sentence.

    ``reported`` has the versions by bundle id, None where NetSuite does not tell it; ``missing`` are not installed.
    """
    found = []
    for bundle, major in NEEDED_BUNDLES.items():
        version = reported.get(bundle)
        if bundle in missing:
            found.append(f"NetSuite reports that bundle {bundle} is not installed; {major}.0 or later is needed.")
        elif version and _is_older(version, major):
            found.append(f"NetSuite reports bundle {bundle} as {version}; {major}.0 or later is needed.")
    return tuple(found)


def _is_older(version: str, major: int) -> bool:
    """Whether ``version`` is one before ``major``.0. A version of another form, which only NetSuite knows, is not."""
    number = version.partition(".")[0]
    return number.isdecimal() and int(number) < major


def missing_conditions(options: Options, bundles: Mapping[str, str]) -> tuple[str, ...]:
    """Return each condition of automatic rotation that does not hold, as a sentence; none where all hold.

    ``bundles`` has the versions by bundle id. Conditions and versions per Oracle's help (see REAL_TIME_BUNDLE).
    """
    missing = [*options.hides_certificate]
    for bundle, major in NEEDED_BUNDLES.items():
        version = bundles.get(bundle)
        if not version:
            missing.append(f"Bundle {bundle} is not recorded; {major}.0 or later is needed.")
        elif _is_older(version, major):
            missing.append(f"Bundle {bundle} is recorded as {version}; {major}.0 or later is needed.")
    return tuple(missing)
