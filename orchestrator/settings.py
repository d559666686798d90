"""Reads the settings from a TOML file and from environment variables, which take precedence. Every value has a default.

The file is UTF-8 in any locale.

KEYTURN_CONFIG         the settings file; default: /etc/keyturn/keyturn.toml for root and services, or the user's own
KEYTURN_DATA           the data folder; default: /var/lib/keyturn, or the user's own
KEYTURN_STORE__URL     one value of one table; the other values have similar names
CONFIGURATION_DIRECTORY, STATE_DIRECTORY   the folders that systemd gives to a service; either makes this one a service
KEYTURN_SERVICE_HOST, KEYTURN_PORT=tcp://…   what Kubernetes sets for a Service named keyturn; ignored
"""

import inspect
import ipaddress
import json
import os
import re
import textwrap
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from states.base_url import check_url, origin_of
from states.errors import InvalidInput, InvalidSettings
from states.next_action import NextAction, Verb
from states.quiet import QuietTimes
from states.shortage import shortage
from states.timing import DEFAULT_CALL, DEFAULT_LEASE, LONGEST_CALL, LONGEST_LEASE, SHORTEST_LEASE, STOP_WITHIN

FILE_NAME: Final = "keyturn.toml"
_PREFIX: Final = "KEYTURN_"
_PLACES: Final = frozenset({"KEYTURN_CONFIG", "KEYTURN_DATA", "KEYTURN_KEK"})
_SERVICE_LINK: Final = re.compile(
    r"KEYTURN_(\w+_)?(SERVICE_HOST=[\w.:]+|SERVICE_PORT(_\w+)?=\d+"
    r"|PORT(_\d+_[A-Z]+)?=\w+://\S+|PORT_\d+_[A-Z]+_(PROTO|PORT|ADDR)=\S+)"
)
"""What Kubernetes gives to every pod for a Service whose name begins with keyturn.
https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables"""


_FORMS: Final = {
    "schedule.quiet": "periods of days such as -2..3, 12-20..01-05 or 2026-12-20..2027-01-05, of at most 60 days in a "
    "row",
    "schedule.time_zone": "a time zone that this computer knows, such as Europe/Berlin",
    "http.proxy": "a URL such as http://proxy.example.com:3128, without user and password",
    "console.address": "a URL such as https://keyturn.example.com:8742, without a path",
    "console.trusted_proxy": "an IP address such as 192.0.2.7",
    "openid.issuer": "a URL such as https://login.example.com/realms/staff, as the provider itself writes it",
    "openid.scope": "words that include openid, such as: openid email profile groups",
}
"""What a string must be that is checked further."""
_KINDS: Final[Mapping[object, str]] = {
    str: "a string",
    tuple[str, ...]: 'a list of strings such as ["keyturn-operators"]',
}


class Table(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


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

    issuer: str = Field(
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

    @field_validator("issuer")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        """Return ``url``; raise ValueError if it is neither https nor on loopback."""
        try:
            if url:
                check_url(url)
        except InvalidInput as error:
            raise ValueError(error.message) from error
        return url

    @field_validator("administrators", "operators", "viewers", mode="before")
    @classmethod
    def _as_list(cls, given: object) -> object:
        """Return what an environment variable means as a list: JSON such as ["a", "b"], or one string."""
        if not isinstance(given, str):
            return given
        try:
            return json.loads(given) if given.startswith("[") else (given,) if given else ()
        except RecursionError:
            raise ValueError("It is nested too deeply.") from None

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


def load(config: Path | None = None, *, new: bool = False) -> Settings:
    """Read the settings.

    A file given by ``config`` or KEYTURN_CONFIG must exist, unless ``new`` says that it is about to be created. If the
    default file is missing, the defaults apply.

    Raises:
        InvalidSettings: a value is wrong. The message names the file and the setting, or the environment variable.
    """
    env = os.environ
    named = config or (Path(env["KEYTURN_CONFIG"]) if env.get("KEYTURN_CONFIG") else None)
    file = named or _config_folder(env) / FILE_NAME
    if named and not new and not _is_file(named):
        make = NextAction(Verb.INIT, {"config": str(named)})
        raise InvalidSettings(f"There is no settings file {named}.", next_action=make)
    values = _overridden(_read(file), env)
    try:
        return Settings(**values, config_file=file, data=_data_folder(env))
    except ValidationError as error:
        raise InvalidSettings(_describe(error, file, env)) from None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise InvalidSettings(f"{path} cannot be read: {error.strerror}.") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8-sig"))  # Windows' editors write a byte order mark
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{file} is not valid TOML: {error}") from None
    except RecursionError:
        raise InvalidSettings(f"{file} is not valid TOML: it is nested too deeply.") from None
    except OSError as error:
        if lacking := shortage(error):
            raise lacking from error
        raise InvalidSettings(f"{file} cannot be read: {error.strerror}.") from error
    for reserved in ("config_file", "data"):
        if reserved in values:
            raise InvalidSettings(f"{file}: there is no setting {reserved}.")
    return values


def _overridden(values: dict[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    """Return the file's values, overridden by environment variables. Refuses an unknown variable KEYTURN_…."""
    for variable in env:
        if not variable.startswith(_PREFIX) or variable in _PLACES:
            continue
        if _SERVICE_LINK.fullmatch(f"{variable}={env[variable]}"):  # KEYTURN_PORT=8080 is a person's mistake
            continue
        table, _, value = variable.removeprefix(_PREFIX).lower().partition("__")
        model = tables().get(table)
        if model is None or value not in model.model_fields:
            nearest = _nearest(variable, {each: each for each in (*map(_variable, _names()), *_PLACES)})
            raise InvalidSettings(f"There is no setting for the environment variable {variable}.{nearest}")
        found = values.get(table, {})
        if isinstance(found, dict):  # other values are refused by the validation that follows
            values = values | {table: found | {value: env[variable]}}
    return values


def tables() -> dict[str, type[Table]]:
    """Return the tables of the file, by name."""
    fields = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: kind for name, kind in fields.items() if inspect.isclass(kind) and issubclass(kind, Table)}


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
            lines.append(f"# {name} = {json.dumps('' if field.default is None else field.default)}")
    return "\n".join(lines) + "\n"


def _names() -> list[str]:
    """Return every setting, as ``table.value``."""
    return [f"{table}.{value}" for table, kind in tables().items() for value in kind.model_fields]


def _variable(name: str) -> str:
    """Return the environment variable of the setting ``table.value``."""
    return _PREFIX + name.upper().replace(".", "__")


def _describe(error: ValidationError, file: Path, env: Mapping[str, str]) -> str:
    """Describe the first wrong setting in a sentence that does not repeat the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = ".".join(str(part) for part in first["loc"][:2])
    if first["type"] == "extra_forbidden":
        return f"{file}: there is no setting {name}.{_nearest_setting(name)}"
    source = _variable(name) if _variable(name) in env else f"{file}: {name}"
    return f"{source} must be {_wanted(name)}."


def _wanted(name: str) -> str:
    """Describe the valid values of a table or of ``table.value``."""
    table, _, value = name.partition(".")
    if not value:
        return f"a table: [{table}]"
    field = tables()[table].model_fields[value]
    if get_origin(field.annotation) is Literal:
        return f"one of {', '.join(get_args(field.annotation))}"
    if name in _FORMS:
        return _FORMS[name]
    if field.annotation is bool:
        return "true or false"
    if field.annotation not in (int, float):
        return _KINDS.get(field.annotation, "a path")
    bounds = {key: getattr(bound, key) for bound in field.metadata for key in ("gt", "ge", "le") if hasattr(bound, key)}
    kind = "a whole number" if field.annotation is int else "a number"
    least = f"above {bounds['gt']}, at most" if "gt" in bounds else f"from {bounds['ge']} to"
    return f"{kind} {least} {bounds['le']}"


def _nearest_setting(name: str) -> str:
    """Suggest the setting or table that was probably meant: its table may be missing or wrong."""
    known = {each: each for each in (*_names(), *tables())} | {each.partition(".")[2]: each for each in _names()}
    return _nearest(name, known) or _nearest(name.rpartition(".")[2], known)


def _nearest(name: str, known: Mapping[str, str]) -> str:
    """Ask whether the nearest of the ``known`` spellings was meant; empty if none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for errors

    found = get_close_matches(name, known, n=1, cutoff=0.75)
    return f" Did you mean {known[found[0]]}?" if found else ""


def _is_service(env: Mapping[str, str]) -> bool:
    # Not INVOCATION_ID: the shells of desktop terminals and CI runners inherit it from the service that started them.
    return os.geteuid() == 0 or "CONFIGURATION_DIRECTORY" in env or "STATE_DIRECTORY" in env


def _config_folder(env: Mapping[str, str]) -> Path:
    if folders := env.get("CONFIGURATION_DIRECTORY"):
        return Path(folders.partition(":")[0])
    return Path("/etc/keyturn") if _is_service(env) else Path(platformdirs.user_config_dir("keyturn"))


def _data_folder(env: Mapping[str, str]) -> Path:
    if folder := env.get("KEYTURN_DATA"):
        return Path(folder)
    if folders := env.get("STATE_DIRECTORY"):
        return Path(folders.partition(":")[0])
    return Path("/var/lib/keyturn") if _is_service(env) else Path(platformdirs.user_data_dir("keyturn"))
