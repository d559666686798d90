"""ETag and If-Match: a program acts on what it has read, and on nothing else (RFC 9110, 13.1.1)."""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Header, Request
from starlette.exceptions import HTTPException

from states.connection import Connection
from states.rotation import Rotation
from states.summary import RotationSummary

_VERSION: Final = re.compile(r'"(\d{1,9})"', re.ASCII)
_CONNECTION: Final = re.compile(r'"(\d{1,9})\.(0|[0-9A-Z]{26})"', re.ASCII)
_NONE: Final = "0"
"""Replaces the id of the newest rotation where there is none."""

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The ETag of what you read. Without it 428; where it is another one by now, 412.",
    ),
]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a program saw of a connection."""

    version: int
    newest: str
    """The id of its newest rotation; empty without one."""


def tag(rotation: Rotation) -> str:
    """The ETag of a rotation."""
    return f'"{rotation.version}"'


def connection_tag(connection: Connection, newest: RotationSummary | None) -> str:
    """The ETag of a connection: its version, and its newest rotation."""
    return f'"{connection.version}.{newest.id if newest else _NONE}"'


def version(if_match: str | None) -> int:
    """The version of a rotation that a program saw. Raises HTTPException: 428 without one, 412 for another's tag."""
    return int(_matched(_VERSION, if_match)[1])


def seen(if_match: str | None) -> Seen:
    """What a program saw of a connection. Raises HTTPException likewise."""
    found = _matched(_CONNECTION, if_match)
    return Seen(int(found[1]), "" if found[2] == _NONE else found[2])


def seen_version(request: Request) -> int | None:
    """The version of a rotation that ``request`` names; None where it names none."""
    found = _VERSION.fullmatch(request.headers.get("if-match", ""))
    return int(found[1]) if found else None


def _matched(pattern: re.Pattern[str], if_match: str | None) -> re.Match[str]:
    if if_match is None or if_match.strip() == "*":  # any version: what was not seen is not acted on
        raise HTTPException(HTTPStatus.PRECONDITION_REQUIRED, "Name the ETag of what you read in If-Match.")
    if found := pattern.fullmatch(if_match.strip()):
        return found
    raise HTTPException(HTTPStatus.PRECONDITION_FAILED, "If-Match does not name a version of this.")
