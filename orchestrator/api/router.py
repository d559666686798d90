"""Adds routes: each with the role that the table of access says, strict about what it is given."""

import json
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from orchestrator.api.access import PREFIX, ROUTES
from orchestrator.api.examples import refusals
from orchestrator.api.guard import SHOWN
from states.access import Role, Token

_JSON: Final = "application/json"
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def caller(request: Request) -> Token:
    """The token that the request showed. Only for routes that need one."""
    token = request.scope[SHOWN]
    assert isinstance(token, Token)
    return token


class StrictRequest(Request):
    """A request whose JSON names no field twice, and has no number that JSON does not have."""

    async def json(self) -> Any:
        """Read the body. Raises JSONDecodeError."""
        body = await self.body()
        try:
            return json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_number)
        except (UnicodeDecodeError, RecursionError) as error:
            raise json.JSONDecodeError("No JSON that can be read", "", 0) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise json.JSONDecodeError("A field is given twice", "", 0)
    return found


def _no_number(name: str) -> None:
    raise json.JSONDecodeError(f"{name} is no number of JSON", "", 0)


class StrictRoute(APIRoute):
    """A route that checks the role, the content type and the query's names before anything else."""

    def get_route_handler(self) -> _Handler:
        """Return what answers a request."""
        handle = super().get_route_handler()
        methods = sorted(self.methods or ())
        role = ROUTES[methods[0], self.path]
        fields = {each.alias for each in self.dependant.query_params}
        has_body = self.body_field is not None

        async def checked(request: Request) -> Response:
            _check_role(request, role)
            _check_query(request, fields)
            if has_body:
                _check_type(request)
            return await handle(StrictRequest(request.scope, request.receive))

        return checked


def _check_role(request: Request, role: Role | None) -> None:
    if role is not None and not caller(request).role.includes(role):
        raise HTTPException(HTTPStatus.FORBIDDEN, f"This needs the role {role}, and your token has another one.")


def _check_query(request: Request, known: set[str]) -> None:
    """A name that is not known may be a slip in one that matters, such as dry_run."""
    given = [name for name, _ in request.query_params.multi_items()]
    if wrong := sorted({name for name in given if name not in known or given.count(name) > 1}):
        message = f"The query has names that are not known, or given twice; known are: {', '.join(sorted(known))}."
        raise RequestValidationError([{"loc": ("query",), "msg": message, "type": "query", "input": len(wrong)}])


def _check_type(request: Request) -> None:
    given, _, parameter = request.headers.get("content-type", "").lower().partition(";")
    if given.strip() != _JSON or parameter.strip() not in ("", "charset=utf-8"):
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send {_JSON}.")


def add(app: FastAPI, method: str, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
    """Add the route, which the table of access must have. ``more`` is FastAPI's."""
    role = ROUTES[method, PREFIX + path]
    responses = {**refusals(method, role), **more.pop("responses", {})}
    app.add_api_route(
        PREFIX + path,
        endpoint,
        methods=[method],
        responses=responses,
        response_model=None,
        openapi_extra={"x-role": role.value, "security": [{"token": []}]} if role else {"security": []},
        **more,
    )
