"""The tables of the settings file: every setting with its meaning, its bounds and its default."""

import inspect
import ipaddress
import json
import textwrap
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic.fields import FieldInfo

from orchestrator.alert_settings import AlertSettings
from orchestrator.settings_table import SafeUrl, Table, from_json
from states.base_url import origin_of
from states.errors import InvalidInput
from states.quiet import QuietTimes
from states.timing import DEFAULT_CALL, DEFAULT_LEASE, LONGEST_CALL, LONGEST_LEASE, SHORTEST_LEASE, STOP_WITHIN


class StoreSettings(Table):
    """Where rotations are stored."""

    url: str = Field(default="", description="An SQLAlchemy URL; empty means SQLite in the data folder.")


class VaultSettings(Table):
    """Where the key-encryption key comes from."""

    source: Literal["file", "environment", "credential", "keyring"] = Field(
        default="file",
        description="`file`; `environment` (KEYTURN_KEK); `credential` (systemd's keyturn-kek); "
        "`keyring` (the desktop's).",
    )
    file: Path | None = Field(
        default=None,
        description="The key file. Default: `kek` next to the settings file, so that a backup of the data "
        "does not contain its key.",
    )


class WorkerSettings(Table):
    """How the worker works."""

    threads: int = Field(default=2, ge=1, le=64, description="How many rotations run at the same time.")
    lease: float = Field(
        default=DEFAULT_LEASE.total_seconds(),
        ge=SHORTEST_LEASE.seconds,
        le=LONGEST_LEASE.seconds,
        description="Seconds after which another worker takes over from one that is stopped or cut off. One that died "
        "is noticed at once, unless the database's sessions are pooled.",
    )
    poll: float = Field(default=1.0, ge=0.05, le=60, description="Seconds between two checks for work.")
    dispatcher: Literal["auto", "embedded", "procrastinate"] = Field(
        default="auto",
        description="What brings rotations to the worker's threads. `embedded`: each process looks by itself. "
        "`procrastinate`: a queue in PostgreSQL wakes an idle worker on any machine at once. `auto`: the queue on "
        "PostgreSQL, where it can be used. Workers of both kinds may share a database.",
    )
    stop_within: float = Field(
        default=STOP_WITHIN.total_seconds(),
        ge=0,
        le=3600,
        description="Seconds for which a process that is asked to stop goes on with a rotation that is between both "
        "sides, so that it leaves no outage. Give a service or a container some seconds more before it is killed.",
    )


class ScheduleSettings(Table):
    """When automatic rotations begin."""

    quiet: str = Field(
        default="",
        description="Days on which no automatic rotation begins, separated by commas: `-2..3` (from each month's last "
        "day but one to the third of the next), `12-20..01-05` (each year), `2026-12-20..2027-01-05`. A certificate's "
        "last week goes first.",
    )
    time_zone: str = Field(default="UTC", description="The time zone of these days, such as Europe/Berlin.")

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        """Return ``name``; raise ValueError if this computer knows no such time zone."""
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - for those who set it

        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, OSError) as error:
            raise ValueError(name) from error
        return name

    @field_validator("quiet")
    @classmethod
    def _has_form(cls, text: str) -> str:
        """Return ``text``; raise ValueError if it is no list of periods."""
        try:
            QuietTimes.parse(text)
        except InvalidInput as error:
            raise ValueError(error.message) from error
        return text

    @property
    def quiet_times(self) -> QuietTimes:
        """The days on which no automatic rotation begins."""
        if not self.quiet:
            return QuietTimes()
        from zoneinfo import ZoneInfo  # noqa: PLC0415 - likewise

        return QuietTimes.parse(self.quiet, ZoneInfo(self.time_zone))


class HttpSettings(Table):
    """How Keyturn calls the other systems."""

    timeout: float = Field(
        default=DEFAULT_CALL,
        gt=0,
        le=LONGEST_CALL.seconds,
        description="Seconds for a whole call, from connecting to the last byte of the answer.",
    )
    ca_bundle: Path | None = Field(
        default=None, description="A PEM file of certificate authorities. Default: certifi's."
    )
    proxy: str = Field(
        default="",
        description="A proxy that leads out of this network: a URL such as http://proxy.example.com:3128. Its user and "
        "password are secrets of a connection. Keyturn ignores HTTPS_PROXY.",
    )

    @field_validator("proxy")
    @classmethod
    def _is_origin(cls, url: str) -> str:
        """Return ``url``; raise ValueError if it is no base URL, or has a path."""
        try:
            has_path = url and origin_of(url) and url.rstrip("/").count("/") > len("//")
        except InvalidInput as error:
            raise ValueError(error.message) from error
        if has_path:
            raise ValueError("A proxy's URL has no path.")
        return url


class ConsoleSettings(Table):
    """How other computers reach the console and the API. On loopback none of it is needed."""

    address: str = Field(
        default="",
        description="The URL under which people open the console: https, a name, and the port unless that is 443.",
    )
    tls_certificate: Path | None = Field(
        default=None, description="A PEM file of the certificate for that name, with its chain. Read at start."
    )
    tls_key: Path | None = Field(default=None, description="A PEM file of the certificate's key, unencrypted.")
    trusted_proxy: str = Field(
        default="",
        description="The IP address of a proxy that ends TLS instead. Only it may connect, and the last address of its "
        "X-Forwarded-For is taken as where a request comes from.",
    )

    @field_validator("address")
    @classmethod
    def _is_https(cls, url: str) -> str:
        """Return ``url``; raise ValueError if it is no https URL, or has a path."""
        try:
            is_good = not url or (origin_of(url).scheme == "https" and url.rstrip("/").count("/") == len("//"))
        except InvalidInput as error:
            raise ValueError(error.message) from error
        if not is_good:
            raise ValueError("An address begins with https and has no path.")
        return url

    @field_validator("trusted_proxy")
    @classmethod
    def _is_address(cls, address: str) -> str:
        """Return ``address``; raise ValueError if it is no IP address."""
        return str(ipaddress.ip_address(address)) if address else ""


class OpenIdSettings(Table):
    """How people sign in to the console by OpenID Connect. Without an issuer, no one does."""

    issuer: SafeUrl = Field(
        default="",
        description="The provider's issuer, an https URL, exactly as its discovery document has it. The redirect URI "
        "to register there is the console's address and /sign-in/openid/callback.",
    )
    client_id: str = Field(default="", description="The id under which Keyturn is registered at the provider.")
    client_secret_file: Path | None = Field(
        default=None, description="A file that has nothing but the client's secret. Read at start."
    )
    scope: str = Field(
        default="openid email profile",
        description="What is asked for. Some providers tell groups only to those who ask, mostly for `groups`.",
    )
    role_claim: str = Field(
        default="groups", description="The claim that says who may do what: a string, or a list of them."
    )
    administrators: tuple[str, ...] = Field(
        default=(), description="The values of that claim that make an administrator."
    )
    operators: tuple[str, ...] = Field(default=(), description="Those that make an operator.")
    viewers: tuple[str, ...] = Field(
        default=(), description="Those that make a viewer. Who has none of all is refused."
    )
    label: str = Field(default="", description="What the sign-in page calls the provider. Default: the issuer's host.")

    @field_validator("administrators", "operators", "viewers", mode="before")
    @classmethod
    def _as_list(cls, given: object) -> object:
        """Return what an environment variable means as a list: JSON such as ["a", "b"], or one string."""
        if not isinstance(given, str):
            return given
        return from_json(given) if given.startswith("[") else (given,) if given else ()

    @field_validator("scope")
    @classmethod
    def _asks_for_openid(cls, scope: str) -> str:
        """Return ``scope``; raise ValueError if the provider would not issue an ID token for it."""
        if "openid" not in scope.split():
            raise ValueError("The scope has no openid.")
        return scope


class RecoverySettings(Table):
    """How parked rotations are closed."""

    second_approval: bool = Field(
        default=False,
        description="Whether another person has to approve each restore, adopt and abandon that a person asks for. "
        "Set it alike on all machines. What Keyturn restores by itself needs no approval: no outage waits.",
    )


class LogSettings(Table):
    """What Keyturn logs, always to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The lowest level to log.")
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="auto: text on a terminal, JSON elsewhere."
    )


class ExportSettings(Table):
    """Where Keyturn exports certificates for a person."""

    folder: Path | None = Field(default=None, description="The folder. Default: `export` in the data folder.")


class Settings(Table):
    """All settings."""

    store: StoreSettings = StoreSettings()
    vault: VaultSettings = VaultSettings()
    worker: WorkerSettings = WorkerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    http: HttpSettings = HttpSettings()
    console: ConsoleSettings = ConsoleSettings()
    openid: OpenIdSettings = OpenIdSettings()
    recovery: RecoverySettings = RecoverySettings()
    alerts: AlertSettings = AlertSettings()
    log: LogSettings = LogSettings()
    export: ExportSettings = ExportSettings()

    config_file: Path
    data: Path
    """The file that the settings were read from, and the folder of the data."""

    @property
    def store_url(self) -> str:
        """The store's URL, with its default."""
        return self.store.url or f"sqlite:///{self.data / 'keyturn.db'}"

    @property
    def private(self) -> list[Path]:
        """The folders and files that other users of this computer must not read. Some may not exist."""
        found = [self.config_file.parent, self.config_file, self.data]
        if self.console.tls_key:
            found.append(self.console.tls_key)
        if self.openid.client_secret_file:
            found.append(self.openid.client_secret_file)
        found += [route.secret_file for route in self.alerts.routes.values() if route.secret_file]
        scheme, _, path = self.store_url.partition(":///")
        if scheme == "sqlite":
            found += [Path(path).parent, *(Path(path + suffix) for suffix in ("", "-wal", "-shm"))]
        return list(dict.fromkeys(found))

    @property
    def kek_file(self) -> Path:
        """The file of the key-encryption key."""
        return self.vault.file or self.config_file.parent / "kek"

    @property
    def export_folder(self) -> Path:
        """The folder for exported certificates."""
        return self.export.folder or self.data / "export"


def tables() -> dict[str, type[Table]]:
    """Return the tables of the file, by name."""
    fields = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: kind for name, kind in fields.items() if inspect.isclass(kind) and issubclass(kind, Table)}


def _shown(field: FieldInfo) -> object:
    """The default of a setting, as the template shows it."""
    default = field.get_default(call_default_factory=True)
    return "" if default is None else default


def template() -> str:
    """Return a new settings file: every setting with its meaning and default, commented out."""
    lines = [
        "# Keyturn's settings. Every value has a default; what is commented out shows it.",
        "# Each can be overridden by an environment variable, such as KEYTURN_STORE__URL.",
    ]
    for table, kind in tables().items():
        lines += ["", f"[{table}]"]
        for name, field in kind.model_fields.items():
            lines += textwrap.wrap(field.description or "", 100, initial_indent="# ", subsequent_indent="# ")
            lines.append(f"# {name} = {json.dumps(_shown(field))}")
    return "\n".join(lines) + "\n"
