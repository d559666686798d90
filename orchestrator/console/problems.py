"""Errors as pages: what is wrong, what was kept, what to do next."""

from http import HTTPStatus

from orchestrator.console.rendering import Shown
from states.errors import KeyturnError


def refusal(status: HTTPStatus, sentence: str) -> Shown:
    """The page that refuses a request before any route sees it, or where there is no such route."""
    values: dict[str, object] = {
        "code": status.phrase,
        "message": sentence,
        "action": None,
        "back": "/",
        "label": "Look again",
    }
    if status is HTTPStatus.UNAUTHORIZED:
        values |= {"back": "/sign-in", "label": "Sign in"}
    return Shown("problem.html", status.phrase, values)


def problem(error: KeyturnError, *, rotation: str | None, connection: str | None, back: str) -> Shown:
    """The page that shows ``error``, raised about this rotation or connection; ``back`` is where to look again."""
    action = error.next_action if rotation else error.next_action.outside_rotation()
    values = {
        "code": error.code,
        "message": error.message,
        "action": action.about(rotation=rotation, connection=connection),
        "back": back,
        "label": "Look again",
    }
    return Shown("problem.html", "Not done", values)
