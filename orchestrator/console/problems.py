"""Errors as pages: what is wrong, what was kept, what to do next; each kind with its status."""

from http import HTTPStatus
from typing import Final

from orchestrator.console.rendering import Shown
from states.errors import (
    InternalError,
    InvalidInput,
    KeyturnError,
    NotFound,
    Refused,
    Rejected,
    Stale,
    TryLater,
    Unknown,
)

_STATUS: Final[tuple[tuple[type[KeyturnError], HTTPStatus], ...]] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Stale, HTTPStatus.PRECONDITION_FAILED),
    (Rejected, HTTPStatus.CONFLICT),
    (TryLater, HTTPStatus.SERVICE_UNAVAILABLE),
    (InternalError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (Unknown, HTTPStatus.BAD_GATEWAY),
    (Refused, HTTPStatus.BAD_GATEWAY),
)
"""The first kind that fits counts."""


def status_of(error: KeyturnError) -> HTTPStatus:
    """The status of the answer that shows ``error``."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), HTTPStatus.CONFLICT)


def refusal(status: HTTPStatus, sentence: str) -> Shown:
    """The page that refuses a request before any route sees it, or where there is no such route."""
    values = {"code": status.phrase, "message": sentence, "action": None, "back": "/"}
    return Shown("problem.html", status.phrase, values)


def problem(error: KeyturnError, *, rotation: str | None, connection: str | None, back: str) -> Shown:
    """The page that shows ``error``, raised about this rotation or connection; ``back`` is where to look again."""
    action = error.next_action if rotation else error.next_action.outside_rotation()
    values = {
        "code": error.code,
        "message": error.message,
        "action": action.about(rotation=rotation, connection=connection),
        "back": back,
    }
    return Shown("problem.html", "Not done", values)
