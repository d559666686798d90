"""The pages on tokens, with which programs sign in to the API: the list, a new one, shown once, and its end."""

from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response

from orchestrator.console.context import Console
from orchestrator.console.forms import Form, Posted
from orchestrator.console.rendering import Shown
from orchestrator.console.sessions import SESSION
from orchestrator.operations.tokens import DAYS, NewToken
from states.access import LONGEST_LIFE, Role
from states.errors import InvalidInput, NotFound

_TITLE: Final = "Tokens · Keyturn"
_LONGEST_NAME: Final = 64
_LONGEST_NUMBER: Final = 4


def add(app: FastAPI, console: Console) -> None:
    """Add the pages."""

    @app.get("/settings/tokens")
    def ask(request: Request) -> Response:
        return console.page(request, _shown(console))

    @app.post("/settings/tokens")
    def make(request: Request, form: Posted) -> Response:
        name = form.text("name", _LONGEST_NAME)
        made = console.keyturn.tokens.add(name, role_of(form), days=_days(form), actor=request.scope[SESSION].actor)
        # Not a redirect: the secret is nowhere else. Posted again, the name is taken.
        return console.page(request, _shown(console, made), HTTPStatus.CREATED)

    @app.get("/settings/tokens/{token}/revoke")
    def ask_revoke(request: Request, token: str) -> Response:
        listed = next((each for each in console.keyturn.tokens.all() if each.token.name == token), None)
        if listed is None:
            raise NotFound(f"There is no token {token}.")
        return console.page(request, Shown("token.html", f"Revoke {token} · Keyturn", {"listed": listed}))

    @app.post("/settings/tokens/{token}/revoke")
    def revoke(request: Request, token: str) -> Response:
        console.keyturn.tokens.revoke(token, actor=request.scope[SESSION].actor)
        return RedirectResponse("/settings/tokens", HTTPStatus.SEE_OTHER)


def role_of(form: Form) -> Role:
    """The role that a person chose. Raises InvalidInput without one."""
    given = form.fields.get("role", "")
    if given not in tuple(Role):
        raise InvalidInput(f"Choose a role: {', '.join(Role)}.")
    return Role(given)


def _days(form: Form) -> int:
    given = form.text("days", _LONGEST_NUMBER)
    if not (given.isascii() and given.isdigit()):
        raise InvalidInput(f"A token expires after 1 to {LONGEST_LIFE.days} days.")
    return int(given)


def _shown(console: Console, made: NewToken | None = None) -> Shown:
    values = {
        "tokens": console.keyturn.tokens.all(),
        "made": made,
        "roles": tuple(Role),
        "days": DAYS,
        "longest": LONGEST_LIFE.days,
    }
    return Shown("tokens.html", _TITLE, values)
