"""What the description of the API says of answers: the schema of a problem, and examples."""

from http import HTTPStatus
from typing import Any, Final

from orchestrator.views.problem import MEDIA_TYPE
from states.access import Role

_ID: Final = "01KA2B3C4D5E6F7G8H9JKMNPQR"
ROTATION: Final[dict[str, Any]] = {
    "id": _ID,
    "connection": "acme",
    "state": "Failed",
    "cause": "manual",
    "actor": "token:nightly",
    "reason": "the key was seen by a contractor",
    "attempt": 1,
    "failure": {
        "failed_from": "UploadedToNetSuite",
        "code": "REFUSED",
        "message": "OpenAir refused the certificate.",
        "next_action": {"verb": "resume", "options": {"rotation": _ID}},
        "at": "2026-11-23T20:15:03.123Z",
    },
}
"""A part of a rotation's fields."""
ASKED: Final[dict[str, Any]] = {
    **ROTATION,
    "approval": {
        "number": 6,
        "verb": "restore",
        "overwrite": False,
        "fingerprint": None,
        "actor": "token:nightly",
        "reason": "OpenAir takes no changes until Monday",
        "at": "2026-11-23T20:20:00.000Z",
        "expires_at": "2026-11-24T20:20:00.000Z",
    },
}
"""A rotation that someone asked to close, where two people have to."""
NOT_APPROVED: Final[dict[str, Any]] = {
    "type": "urn:keyturn:problem:SAME_PERSON",
    "title": "Another person than the one who asked has to approve it.",
    "status": 409,
    "detail": "token:nightly asked for it, so that someone else has to approve it.",
    "code": "SAME_PERSON",
    "next_action": {"verb": "withdraw", "options": {"rotation": _ID}},
    "kept": {"rotation": ASKED, "changed": False},
}
PROBLEM: Final[dict[str, Any]] = {
    "type": "urn:keyturn:problem:STALE",
    "title": "The rotation was taken over or changed elsewhere; this worker's result was not stored.",
    "status": 412,
    "detail": f"Rotation {_ID} is at version 8, not 7.",
    "code": "STALE",
    "next_action": {"verb": "explain", "options": {"rotation": _ID}},
    "kept": {"rotation": ROTATION, "changed": True},
}
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Stable: programs may compare it."},
        "next_action": {"type": "object", "description": "The next safe action: verb, options, because, then."},
        "kept": {
            "type": "object",
            "description": "Of a request that changes something, looked up after the error: the rotation as it is "
            "stored now, and whether it is at another version than If-Match named (null: not known).",
        },
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
OBJECT: Final[dict[str, Any]] = {"type": "object"}
PAGE: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["items", "next"],
    "properties": {
        "items": {"type": "array", "items": OBJECT},
        "next": {"type": ["string", "null"], "description": "The cursor of the next page: give it as `after`."},
    },
}


def answer(description: str, schema: dict[str, Any] = OBJECT, example: Any = None) -> dict[str, Any]:
    """How an answer in JSON is described."""
    content: dict[str, Any] = {"schema": schema, **({"example": example} if example is not None else {})}
    return {"description": description, "content": {"application/json": content}}


def refusals(method: str, role: Role | None) -> dict[int | str, dict[str, Any]]:
    """How the refusals of a route are described, by their statuses."""
    statuses = [HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.MISDIRECTED_REQUEST]
    statuses += [HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE]
    if role:
        statuses += [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT]
        statuses += [HTTPStatus.BAD_GATEWAY]
    if method != "GET":
        statuses += [HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED]
        statuses += [HTTPStatus.UNSUPPORTED_MEDIA_TYPE]
    return {status: described for each in sorted(statuses) for status, described in refusal(each).items()}


def refusal(status: HTTPStatus, example: Any = None) -> dict[int | str, dict[str, Any]]:
    """How one refusal is described, by its status."""
    content = {MEDIA_TYPE: {"schema": _SCHEMA, **({"example": example} if example is not None else {})}}
    return {status.value: {"description": f"{status.phrase}: a problem (RFC 9457).", "content": content}}
