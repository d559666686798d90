"""What a request gives of a connection: the shape in which the API shows one, and the secrets, which it never shows."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from orchestrator.operations.connection_fields import ConnectionFields
from orchestrator.secrets import SecretName
from states.connection import Algorithm, OnRefusal, OpenAirKind

NAME = "^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"
_Text = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]
_Secret = Annotated[SecretStr, Field(min_length=1, max_length=10_000)]


def _literal(kind: type[StrEnum]) -> Any:
    """The values of ``kind`` as JSON has them: a strict model takes no text for a member."""
    return Literal[tuple(each.value for each in kind)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NetSuite(_Part):
    """Where NetSuite is, and how Keyturn signs in to it."""

    account: _Text | None = None
    client_id: _Text | None = None
    certificate_id: _Text | None = None
    certificate_pem: Annotated[str, Field(max_length=10_000, pattern=r"^[^\x00]*$")] | None = Field(
        default=None, description="The sign-in certificate. Its end and its fingerprint are kept."
    )
    certificate_until: _Text | None = Field(
        default=None, description="Until when that certificate is valid, where it is not given itself."
    )
    assertion_algorithm: _Text | None = None
    restlet_url: _Text | None = None
    token_url: _Text | None = None
    script: _Text | None = None
    deployment: _Text | None = None


class OpenAir(_Part):
    """Where OpenAir is, and how Keyturn signs in to it."""

    kind: _literal(OpenAirKind) | None = None  # type: ignore[valid-type]
    url: _Text | None = None
    namespace: _Text | None = None
    client_id: _Text | None = None
    redirect_uri: _Text | None = None
    company: _Text | None = None
    user: _Text | None = None
    preference: _Text | None = None


class FormOptions(_Part):
    """The boxes of OpenAir's connector form."""

    single_sign_on: bool | None = None
    real_time_integration: bool | None = None
    oauth2: bool | None = None


class Rules(_Part):
    """What new certificates are like, and what happens where one is refused."""

    algorithm: _literal(Algorithm) | None = None  # type: ignore[valid-type]
    days: int | None = Field(default=None, ge=0, le=100_000)
    keep_key: bool | None = None
    on_refusal: _literal(OnRefusal) | None = None  # type: ignore[valid-type]
    starts_by_hand: bool | None = None


class Secrets(_Part):
    """The secrets. They are sealed, and no answer has them."""

    netsuite_key: _Secret | None = Field(default=None, description="The private key (PEM) that signs in to NetSuite.")
    openair_api_key: _Secret | None = None
    openair_client_secret: _Secret | None = None
    openair_refresh_token: _Secret | None = None
    openair_password: _Secret | None = None
    proxy_credentials: _Secret | None = None

    def given(self) -> dict[SecretName, str]:
        """The secrets that were given, without blanks around them, as in a file that they were copied from."""
        found = {name: getattr(self, name.name.lower()) for name in SecretName}
        return {name: secret.get_secret_value().strip() for name, secret in found.items() if secret is not None}


class Change(_Part):
    """What is changed of a connection. What is not given stays as it is."""

    netsuite: NetSuite = NetSuite()
    openair: OpenAir = OpenAir()
    options: FormOptions = FormOptions()
    policy: Rules = Rules()
    bundles: dict[Annotated[str, Field(pattern="^[0-9]{1,20}$")], _Text] = Field(
        default={}, max_length=100, description="Bundle id to version; an empty version removes the bundle."
    )
    secrets: Secrets = Secrets()

    @property
    def fields(self) -> ConnectionFields:
        """What was given, as the operations take it."""
        openair = self.openair.model_dump(exclude={"kind"})
        kind, policy = self.openair.kind, self.policy.model_dump()
        on_refusal = policy.pop("on_refusal")
        return ConnectionFields(
            **self.netsuite.model_dump(),
            **{f"openair_{name}": value for name, value in openair.items()},
            openair_export=None if kind is None else kind == OpenAirKind.EXPORT,
            **self.options.model_dump(),
            bundles=dict(self.bundles),
            **policy,
            on_refusal=None if on_refusal is None else OnRefusal(on_refusal),
            secrets=self.secrets.given(),
        )


class New(Change):
    """A new connection."""

    name: Annotated[str, Field(pattern=NAME)]
