"""Who may do what: one table of every route and the role that it needs, for the router, the guard, the pages and the
tests.
"""

import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from orchestrator.console.sessions import session_of
from states.access import Role

Route = tuple[str, str]
"""A method and a path."""
_LIVE: Final = (
    *("/", "/connections", "/connections/{name}", "/rotations", "/rotations/{rotation}", "/journal", "/workers"),
)
"""Pages that follow the store: each has a stream."""

ROUTES: Final[Mapping[Route, Role | None]] = {
    ("GET", "/assets/{name}"): None,
    ("GET", "/sign-in"): None,
    ("POST", "/sign-in"): None,
    ("GET", "/sign-in/openid"): None,
    ("GET", "/sign-in/openid/callback"): None,
    ("POST", "/sign-out"): Role.VIEWER,
    **{("GET", path): Role.VIEWER for path in _LIVE},
    **{("GET", f"/live{path}"): Role.VIEWER for path in _LIVE},
    ("GET", "/rotations/{rotation}/json"): Role.VIEWER,
    ("GET", "/rotations/{rotation}/evidence"): Role.VIEWER,
    ("GET", "/repair/{name}"): Role.VIEWER,
    ("GET", "/request"): Role.VIEWER,
    ("POST", "/request"): Role.VIEWER,
    # To rehearse a verb asks other systems for those who can do it. Who cannot is refused before the form.
    ("GET", "/rotations/{rotation}/{verb}"): Role.OPERATOR,
    ("POST", "/rotations/{rotation}/{verb}"): Role.OPERATOR,
    ("GET", "/connections/{name}/rotate"): Role.OPERATOR,
    ("POST", "/connections/{name}/rotate"): Role.OPERATOR,
    ("GET", "/rotate"): Role.OPERATOR,
    ("POST", "/rotate"): Role.OPERATOR,
    ("GET", "/demo"): Role.OPERATOR,
    ("POST", "/demo"): Role.OPERATOR,
    ("POST", "/views"): Role.VIEWER,
    ("POST", "/views/remove"): Role.VIEWER,
    ("GET", "/settings/password"): Role.VIEWER,
    ("POST", "/settings/password"): Role.VIEWER,
    ("GET", "/settings/people"): Role.ADMINISTRATOR,
    ("POST", "/settings/people"): Role.ADMINISTRATOR,
    ("GET", "/settings/people/{account}"): Role.ADMINISTRATOR,
    ("POST", "/settings/people/{account}/role"): Role.ADMINISTRATOR,
    ("POST", "/settings/people/{account}/remove"): Role.ADMINISTRATOR,
    ("POST", "/settings/sessions/end"): Role.ADMINISTRATOR,
    ("GET", "/settings/tokens"): Role.ADMINISTRATOR,
    ("POST", "/settings/tokens"): Role.ADMINISTRATOR,
    ("GET", "/settings/tokens/{token}/revoke"): Role.ADMINISTRATOR,
    ("POST", "/settings/tokens/{token}/revoke"): Role.ADMINISTRATOR,
}
"""The role that each route needs; None for those that need no session."""
_PATHS: Final = {route: re.compile(re.sub(r"\{\w+\}", "[^/]+", route[1])) for route in ROUTES}
_OPEN: Final = tuple(path.partition("{")[0] for (_, path), role in ROUTES.items() if role is None)


def is_open(path: str) -> bool:
    """Whether this path needs no session."""
    return path.startswith(_OPEN)


def role_for(method: str, address: str) -> Role | None:
    """Return the role that a link or a form to ``address`` needs; None where that needs no session.

    Raises LookupError where the table has no such route.
    """
    path = urlsplit(address).path
    for route, role in ROUTES.items():  # in the table's order, in which the routes are added, too
        if route[0] == method and _PATHS[route].fullmatch(path):
            return role
    raise LookupError(f"No route answers {method} {path}.")


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a reader of pages may do. A page asks this before it offers something."""

    role: Role | None
    """None for someone who is not signed in."""

    def can(self, method: str, address: str) -> bool:
        """Whether the table lets them follow a link (GET) or send a form (POST) to ``address``. Raises LookupError."""
        needed = role_for(method, address)
        return needed is None or (self.role is not None and self.role.includes(needed))


class GuardedRoute(APIRoute):
    """A route that checks the role before anything is read. One that the table does not have cannot be added."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle = super().get_route_handler()
        (method,) = self.methods or {""}
        role = ROUTES[method, self.path]

        async def checked(request: Request) -> Response:
            if role is not None:
                _check(request, role)
            return await handle(request)

        return checked


def _check(request: Request, role: Role) -> None:
    session = session_of(request)
    if session is None:
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "You are not signed in.")
    if not session.role.includes(role):
        raise HTTPException(
            HTTPStatus.FORBIDDEN,
            f"Nothing was done: this needs the role {role}, and {session.actor} is signed in with the role "
            f"{session.role}. An administrator can change that.",
        )
