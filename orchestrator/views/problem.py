"""An error as HTTP answers tell it: its status, and its JSON (RFC 9457)."""

import inspect
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from orchestrator.views.values import Json
from states.errors import (
    InternalError,
    InvalidInput,
    KeyturnError,
    NotFound,
    Refused,
    Rejected,
    Stale,
    TooManyAttempts,
    TryLater,
    Unknown,
)
from states.next_action import NextAction

MEDIA_TYPE: Final = "application/problem+json"
_STATUS: Final[tuple[tuple[type[KeyturnError], HTTPStatus], ...]] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Stale, HTTPStatus.PRECONDITION_FAILED),
    (Rejected, HTTPStatus.CONFLICT),
    (TooManyAttempts, HTTPStatus.TOO_MANY_REQUESTS),
    (TryLater, HTTPStatus.SERVICE_UNAVAILABLE),
    (InternalError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (Unknown, HTTPStatus.BAD_GATEWAY),
    (Refused, HTTPStatus.BAD_GATEWAY),
)
"""The first kind that fits counts."""


def status_of(error: KeyturnError) -> HTTPStatus:
    """The status of the answer that tells ``error``."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), HTTPStatus.CONFLICT)


def problem_json(error: KeyturnError, action: NextAction, kept: Json | None) -> Json:
    """``type`` (a URN that ends with the code), ``title`` (of the code), ``status``, ``detail``, ``code``,
    ``next_action``, and ``kept`` where the error is that of a request that changes something: see the API's
    ``kept``.
    """
    title = (inspect.getdoc(type(error)) or error.code).partition("\n")[0]
    more = {"next_action": action.to_data(), **({"kept": kept} if kept is not None else {})}
    return {**refusal_json(status_of(error), error.code, error.message, more), "title": title}


def refusal_json(status: HTTPStatus, code: str, detail: str, more: Mapping[str, object] | None = None) -> Json:
    """``type``, ``title``, ``status``, ``detail``, ``code`` of a request that no operation saw."""
    return {
        "type": f"urn:keyturn:problem:{code}",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        **(more or {}),
    }
