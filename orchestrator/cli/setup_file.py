"""The answers of `keyturn setup` in a TOML file: the fields of a connection, and where its secrets are."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, get_args

from orchestrator.cli.connection_options import read_secret
from orchestrator.operations.connection_fields import ConnectionFields
from orchestrator.secrets import SecretName
from states.connection import OnRefusal
from states.errors import InvalidInput
from states.next_action import by_hand

_SECRETS: Final = {name.name.lower(): name for name in SecretName}
_TYPES: Final[Mapping[str, Any]] = {
    each.name: each.type for each in fields(ConnectionFields) if each.name not in ("secrets", "bundles", "on_refusal")
}
_PLACE: Final = re.compile(r"\(at [^)]*\)$")


def read(file: Path) -> ConnectionFields:
    """The answers in ``file``.

    A secret is a table with the name of a file, relative to ``file``, or of an environment variable. Raises
    InvalidInput naming all that is wrong; no value is quoted, because it may be a secret in a wrong place.
    """
    values: dict[str, Any] = {}
    secrets: dict[SecretName, str] = {}
    wrong: list[str] = []
    for name, value in _table(file).items():
        try:
            if secret := _SECRETS.get(name):
                secrets[secret] = _secret(name, value, file.parent)
            else:
                values[name] = _value(name, value)
        except InvalidInput as error:
            wrong.append(error.message)
    if wrong:
        raise InvalidInput(f"{file}: {' '.join(wrong)}")
    return ConnectionFields(**values, secrets=secrets)


def require(missing: Sequence[str | SecretName]) -> None:
    """Raise InvalidInput naming all of the answers that are ``missing``, as the file has them."""
    names = ", ".join(name.name.lower() if isinstance(name, SecretName) else name for name in missing)
    if names:
        fix = by_hand("Add them to the TOML file of --from, or leave out --no-input to be asked at a terminal.")
        raise InvalidInput(f"The answers have no {names}.", next_action=fix)


def _table(file: Path) -> dict[str, Any]:
    text = read_secret(file)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        raise InvalidInput(f"{file} is not TOML{f' {place[0]}' if place else ''}.") from None  # may quote a secret
    except ValueError:
        raise InvalidInput(f"{file} is not TOML: a number has too many digits.") from None
    except RecursionError:
        raise InvalidInput(f"{file} is not TOML: it is nested too deeply.") from None


def _value(name: str, value: Any) -> Any:
    if name == "bundles":
        if isinstance(value, dict) and all(each.isdigit() and isinstance(it, str) for each, it in value.items()):
            return value
        raise InvalidInput('bundles must be a table of versions, such as 369630 = "4.02".')
    if name == "on_refusal":
        if value in tuple(OnRefusal):
            return OnRefusal(value)
        raise InvalidInput(f"on_refusal must be {' or '.join(OnRefusal)}.")
    if name not in _TYPES:
        near = difflib.get_close_matches(name, [*_TYPES, *_SECRETS, "bundles", "on_refusal"], 1)
        raise InvalidInput(f"{name} is not a field of a connection{f': perhaps {near[0]}' if near else ''}.")
    if type(value) not in get_args(_TYPES[name]):  # not isinstance: true is no number of days
        raise InvalidInput(f"{name} has the wrong type.")
    return value


def _secret(name: str, value: Any, folder: Path) -> str:
    match value:
        case {"file": str(path), **rest} if not rest:
            return read_secret(folder / path)
        case {"env": str(variable), **rest} if not rest:
            if text := os.environ.get(variable, "").strip():
                return text
            raise InvalidInput(f"The environment variable of {name} is not set.")
    raise InvalidInput(f'{name} must say where the secret is: {{ file = "…" }} or {{ env = "…" }}.')
