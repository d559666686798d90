"""Reads the settings from a TOML file and from environment variables.

Environment variables take precedence over the file, which is UTF-8 in any locale. Every value has a default.

KEYTURN_CONFIG         the settings file; default: /etc/keyturn/keyturn.toml for root and services, or the user's own
KEYTURN_DATA           the data folder; default: /var/lib/keyturn, or the user's own
KEYTURN_STORE__URL     one value of one table; the other values have similar names
CONFIGURATION_DIRECTORY, STATE_DIRECTORY   the folders that systemd gives to a service; either makes this one a service
KEYTURN_SERVICE_HOST, KEYTURN_PORT=tcp://…   what Kubernetes sets for a Service named keyturn; ignored
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import platformdirs
from pydantic import ValidationError

from orchestrator.settings import Settings, tables
from states.errors import InvalidSettings
from states.next_action import NextAction, Verb
from states.shortage import shortage

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
    "alerts.routes": "tables such as [alerts.routes.operators], each with a webhook and a secret_file, or with a "
    "mail_server, a sender and a list of recipients, and perhaps a list of connections, and least",
    "alerts.expiring": "a list of days from 1 to 1000 such as [30, 7]",
    "openid.issuer": "a URL such as https://login.example.com/realms/staff, as the provider itself writes it",
    "openid.scope": "words that include openid, such as: openid email profile groups",
}
"""What a string must be that is checked further."""
_KINDS: Final[Mapping[object, str]] = {
    str: "a string",
    tuple[str, ...]: 'a list of strings such as ["keyturn-operators"]',
}


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
    except ValueError:
        raise InvalidSettings(f"{file} is not valid TOML: a number has too many digits.") from None
    except RecursionError:
        raise InvalidSettings(f"{file} is not valid TOML: it is nested too deeply.") from None
    except OSError as error:
        if lacking := shortage(error):
            raise lacking from error
        raise InvalidSettings(f"{file} cannot be read: {error.strerror}.") from error
    _refuse_nul(values, file)
    for reserved in ("config_file", "data"):
        if reserved in values:
            raise InvalidSettings(f"{file}: there is no setting {reserved}.")
    return values


def _refuse_nul(value: object, file: Path, name: str = "") -> None:
    """Refuse a string with a NUL, at which the system would end a path or a URL."""
    if isinstance(value, str) and "\0" in value:
        raise InvalidSettings(f"{file}: {name} holds a NUL character.")
    if isinstance(value, dict):
        for key, each in value.items():
            _refuse_nul(each, file, f"{name}.{key}".lstrip("."))
    if isinstance(value, list):
        for each in value:
            _refuse_nul(each, file, name)


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


def _names() -> list[str]:
    """Return every setting, as ``table.value``."""
    return [f"{table}.{value}" for table, kind in tables().items() for value in kind.model_fields]


def _variable(name: str) -> str:
    """Return the environment variable of the setting ``table.value``."""
    return _PREFIX + name.upper().replace(".", "__")


def _describe(error: ValidationError, file: Path, env: Mapping[str, str]) -> str:
    """Describe the first wrong setting in a sentence that does not repeat the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = ".".join(str(part) for part in first["loc"][: None if first["type"] == "extra_forbidden" else 2])
    if first["type"] == "extra_forbidden":
        return f"{file}: there is no setting {name}.{_nearest_setting(name)}"
    source = _variable(name) if _variable(name) in env else f"{file}: {name}"
    if first["type"] == "value_error" and (within := first["loc"][2:]):  # of a table in a table, with our own sentence
        return f"{'.'.join([source, *map(str, within)])}: {first['msg'].removeprefix('Value error, ')}"
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
