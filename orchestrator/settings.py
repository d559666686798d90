"""Settings come from a TOML file and are overridden by environment variables; every value has a default that works.

KEYTURN_CONFIG         the settings file; else /etc/keyturn/keyturn.toml for root and services, or the user's own
KEYTURN_DATA           the data folder; else /var/lib/keyturn, or the user's own
KEYTURN_STORE__URL     one value of one table; likewise for all the others
CONFIGURATION_DIRECTORY, STATE_DIRECTORY   where systemd tells a service to look
"""

import inspect
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from states.errors import InvalidSettings
from states.next_action import NextAction, Verb
from states.timing import DEFAULT_CALL, DEFAULT_LEASE, LONGEST_CALL, LONGEST_LEASE, SHORTEST_LEASE

FILE_NAME: Final = "keyturn.toml"
_PREFIX: Final = "KEYTURN_"
_PLACES: Final = frozenset({"KEYTURN_CONFIG", "KEYTURN_DATA", "KEYTURN_KEK"})


class Table(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class StoreSettings(Table):
    """Where rotations are remembered."""

    url: str = ""
    """An SQLAlchemy URL; empty means SQLite in the data folder."""


class VaultSettings(Table):
    """Where the key-encryption key comes from."""

    source: Literal["file", "environment", "credential", "keyring"] = "file"
    """`file`; `environment` (KEYTURN_KEK); `credential` (systemd's keyturn-kek); `keyring` (the desktop's)."""
    file: Path | None = None
    """The key file; by default `kek` beside the settings file, so that a backup of the data holds no key to it."""


class WorkerSettings(Table):
    """How the worker works."""

    threads: int = Field(default=2, ge=1, le=64)
    """How many rotations are carried along at once."""
    lease: float = Field(default=DEFAULT_LEASE.total_seconds(), ge=SHORTEST_LEASE.seconds, le=LONGEST_LEASE.seconds)
    """Seconds after which a silent worker is taken for dead."""
    poll: float = Field(default=1.0, ge=0.05, le=60)
    """Seconds between two looks for work."""


class HttpSettings(Table):
    """How the other systems are called."""

    timeout: float = Field(default=DEFAULT_CALL, gt=0, le=LONGEST_CALL.seconds)
    """Seconds for a whole call, from connecting to the reply's last byte."""
    ca_bundle: Path | None = None
    """A file of certification authorities instead of the usual ones."""


class LogSettings(Table):
    """What is logged; always to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less grave than this is left out."""
    format: Literal["auto", "json", "text"] = "auto"
    """auto: text on a terminal, JSON elsewhere."""


class ExportSettings(Table):
    """Where certificates are handed over to a person."""

    folder: Path | None = None
    """By default `export` in the data folder."""


class Settings(Table):
    """Everything that can be set."""

    store: StoreSettings = StoreSettings()
    vault: VaultSettings = VaultSettings()
    worker: WorkerSettings = WorkerSettings()
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()
    export: ExportSettings = ExportSettings()

    config_file: Path
    data: Path
    """Where the settings were read from, and where data live."""

    @property
    def store_url(self) -> str:
        """The store's URL, filled in."""
        return self.store.url or f"sqlite:///{self.data / 'keyturn.db'}"

    @property
    def private(self) -> list[Path]:
        """The folders and files that are nobody else's business on this machine. Not all of them need be there."""
        found = [self.config_file.parent, self.config_file, self.data]
        scheme, _, path = self.store_url.partition(":///")
        if scheme == "sqlite":
            found += [Path(path).parent, *(Path(path + suffix) for suffix in ("", "-wal", "-shm"))]
        return list(dict.fromkeys(found))

    @property
    def kek_file(self) -> Path:
        """The key-encryption key's file."""
        return self.vault.file or self.config_file.parent / "kek"

    @property
    def export_folder(self) -> Path:
        """Where certificates are exported to."""
        return self.export.folder or self.data / "export"


def load(config: Path | None = None, *, new: bool = False) -> Settings:
    """Read the settings. Raises InvalidSettings naming the file and value, or the variable, that is wrong.

    A file that is named, by ``config`` or KEYTURN_CONFIG, must exist, unless it is ``new`` and about to be made; a
    default file that is missing means defaults.
    """
    env = os.environ
    named = config or (Path(env["KEYTURN_CONFIG"]) if env.get("KEYTURN_CONFIG") else None)
    file = named or _config_folder(env) / FILE_NAME
    if named and not named.is_file() and not new:
        make = NextAction(Verb.INIT, {"config": str(named)})
        raise InvalidSettings(f"There is no settings file {named}.", next_action=make)
    values = _overridden(_read(file), env)
    try:
        return Settings(**values, config_file=file, data=_data_folder(env))
    except ValidationError as error:
        raise InvalidSettings(_told(error, file, env)) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{file} is not valid TOML: {error}") from None
    except OSError as error:
        raise InvalidSettings(f"{file} cannot be read: {error.strerror}.") from error
    for reserved in ("config_file", "data"):
        if reserved in values:
            raise InvalidSettings(f"{file}: there is no setting {reserved}.")
    return values


def _overridden(values: dict[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    """The file's values with those of the environment in their place. A misspelt variable is not passed over."""
    for variable in env:
        if not variable.startswith(_PREFIX) or variable in _PLACES:
            continue
        table, _, value = variable.removeprefix(_PREFIX).lower().partition("__")
        model = tables().get(table)
        if model is None or value not in model.model_fields:
            nearest = _nearest(variable, {each: each for each in (*map(_variable, _names()), *_PLACES)})
            raise InvalidSettings(f"There is no setting for the environment variable {variable}.{nearest}")
        found = values.get(table, {})
        if isinstance(found, dict):  # anything else is refused when the whole is read
            values = values | {table: found | {value: env[variable]}}
    return values


def tables() -> dict[str, type[Table]]:
    """The tables of the file, by name."""
    fields = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: kind for name, kind in fields.items() if inspect.isclass(kind) and issubclass(kind, Table)}


def _names() -> list[str]:
    """Every setting, as ``table.value``."""
    return [f"{table}.{value}" for table, kind in tables().items() for value in kind.model_fields]


def _variable(name: str) -> str:
    """The environment variable of the setting ``table.value``."""
    return _PREFIX + name.upper().replace(".", "__")


def _told(error: ValidationError, file: Path, env: Mapping[str, str]) -> str:
    """The first thing that is wrong, as a sentence. The value is not repeated."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = ".".join(str(part) for part in first["loc"][:2])
    if first["type"] == "extra_forbidden":
        return f"{file}: there is no setting {name}.{_nearest_setting(name)}"
    told = _variable(name) if _variable(name) in env else f"{file}: {name}"
    return f"{told} should be {_wanted(name)}."


def _wanted(name: str) -> str:
    """What the table or ``table.value`` of this name holds, in words."""
    table, _, value = name.partition(".")
    if not value:
        return f"a table: [{table}]"
    field = tables()[table].model_fields[value]
    if get_origin(field.annotation) is Literal:
        return f"one of {', '.join(get_args(field.annotation))}"
    if field.annotation not in (int, float):
        return "a text" if field.annotation is str else "a path"
    bounds = {key: getattr(bound, key) for bound in field.metadata for key in ("gt", "ge", "le") if hasattr(bound, key)}
    kind = "a whole number" if field.annotation is int else "a number"
    least = f"above {bounds['gt']}, at most" if "gt" in bounds else f"from {bounds['ge']} to"
    return f"{kind} {least} {bounds['le']}"


def _nearest_setting(name: str) -> str:
    """Which setting, or table, was meant: the table may be missing, or another one's."""
    known = {each: each for each in (*_names(), *tables())} | {each.partition(".")[2]: each for each in _names()}
    return _nearest(name, known) or _nearest(name.rpartition(".")[2], known)


def _nearest(name: str, known: Mapping[str, str]) -> str:
    """A question for the nearest of what is ``known``, by how it may be written; empty where nothing is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for what is wrong

    found = get_close_matches(name, known, n=1, cutoff=0.75)
    return f" Did you mean {known[found[0]]}?" if found else ""


def _is_service(env: Mapping[str, str]) -> bool:
    return "INVOCATION_ID" in env or os.geteuid() == 0


def _config_folder(env: Mapping[str, str]) -> Path:
    if told := env.get("CONFIGURATION_DIRECTORY"):
        return Path(told.partition(":")[0])
    return Path("/etc/keyturn") if _is_service(env) else Path(platformdirs.user_config_dir("keyturn"))


def _data_folder(env: Mapping[str, str]) -> Path:
    if told := env.get("KEYTURN_DATA"):
        return Path(told)
    if told := env.get("STATE_DIRECTORY"):
        return Path(told.partition(":")[0])
    return Path("/var/lib/keyturn") if _is_service(env) else Path(platformdirs.user_data_dir("keyturn"))
