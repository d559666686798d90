"""Errors as problem details (RFC 9457), with what is stored now of what the request was about."""

from http import HTTPStatus
from itertools import takewhile
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from orchestrator import http_guard
from orchestrator.api.context import Api
from orchestrator.api.tags import seen_version
from orchestrator.views.problem import MEDIA_TYPE, problem_json, refusal_json, status_of
from orchestrator.views.rotation import rotation_json
from orchestrator.views.values import Json
from states.errors import KeyturnError, Unknown

_READS: Final = ("GET", "HEAD")


def refusal(status: HTTPStatus, detail: str, *, headers: dict[str, str] | None = None, **more: object) -> Response:
    """The answer to a request that is refused before any operation sees it; its code is the status's name."""
    content = refusal_json(status, status.name, detail, more)
    return JSONResponse(content, status, headers, MEDIA_TYPE)


def add(app: FastAPI, api: Api) -> None:
    """Add the answers to errors."""

    def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, KeyturnError)
        rotation, connection = request.path_params.get("rotation"), request.path_params.get("name")
        action = error.next_action if rotation else error.next_action.outside_rotation()
        kept = None if request.method in _READS else _kept(api, request, is_unknown=isinstance(error, Unknown))
        content = problem_json(error, action.about(rotation=rotation, connection=connection), kept)
        return JSONResponse(content, status_of(error), media_type=MEDIA_TYPE)

    def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)
        return refusal(status, error.detail, headers=dict(error.headers or {}))

    def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # Not what was given: it may be a secret at the wrong place, also as the name of a field.
        known = _names(request.scope.get("route"))
        places = [list(takewhile(known.__contains__, map(str, each["loc"]))) for each in error.errors()]
        errors = [
            {"at": ".".join(place), "message": each["msg"]} for place, each in zip(places, error.errors(), strict=True)
        ]
        return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "This request cannot be read.", errors=errors)

    def unforeseen(request: Request, error: Exception) -> Response:
        return known(request, http_guard.unforeseen(error))

    app.add_exception_handler(KeyturnError, known)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unforeseen)


def _names(route: object) -> frozenset[str]:
    """The names that a route's requests may have in them."""
    if not isinstance(route, APIRoute):
        return frozenset()
    taken = route.dependant
    names = {"body", "query", "path", "header"}
    names |= {each.alias for each in (*taken.query_params, *taken.path_params, *taken.header_params)}
    model = route.body_field.field_info.annotation if route.body_field else None
    if isinstance(model, type) and issubclass(model, BaseModel):
        schema = model.model_json_schema()
        for each in (schema, *schema.get("$defs", {}).values()):
            names |= each.get("properties", {}).keys()
    return frozenset(names)


def _kept(api: Api, request: Request, *, is_unknown: bool) -> Json:
    """What the store has now, looked up after the error: ``rotation`` (null without one, or where it cannot be read),
    ``changed`` (whether it is at another version than the request named; null where that is not known).
    """
    keyturn = api.keyturn
    try:
        if wanted := request.path_params.get("rotation"):
            rotation = api.rotation(wanted)
            seen = seen_version(request)
            is_changed = None if seen is None else rotation.version != seen
            if is_unknown and not is_changed:  # a commit whose answer was lost may still be on its way
                is_changed = None
            return {"rotation": rotation_json(rotation, keyturn.rotations.now()), "changed": is_changed}
        if name := request.path_params.get("name"):
            newest = keyturn.lists.newest(name)
            shown = rotation_json(newest, keyturn.rotations.now()) if newest else None
            return {"rotation": shown, "changed": None}
    except KeyturnError:
        pass
    return {"rotation": None, "changed": None}
