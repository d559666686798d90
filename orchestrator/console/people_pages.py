"""The pages on people: who signs in with a password, and as what; and each person's own password."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from orchestrator.console.context import Console
from orchestrator.console.forms import Form, Posted
from orchestrator.console.rendering import Shown
from orchestrator.console.sessions import SESSION
from orchestrator.console.sign_in_page import name_of, signed_out
from orchestrator.console.token_pages import role_of
from orchestrator.http_guard import address_of
from orchestrator.passwords import LONGEST, SHORTEST
from states.access import Role
from states.errors import IllegalMove, InvalidInput, NotFound
from states.next_action import by_hand

_LIST: Final = "/settings/people"
_LONGEST_NAME: Final = 64
_LONGEST_ACTOR: Final = 200
_BOUNDS: Final = {"shortest": SHORTEST, "longest": LONGEST}


def add(app: FastAPI, console: Console) -> None:
    """Add the pages."""
    _add_people(app, console)
    _add_sessions(app, console)
    _add_password(app, console)


def _add_people(app: FastAPI, console: Console) -> None:
    @app.get(_LIST)
    def people(request: Request) -> Response:
        openid = console.keyturn.openid
        values = {
            "people": console.keyturn.accounts.all(),
            "roles": tuple(Role),
            "provider": name_of(openid) if openid else "",
            "sessions": openid.people() if openid else [],
            **_BOUNDS,
        }
        return console.page(request, Shown("people.html", "People · Keyturn", values))

    @app.post(_LIST)
    def add_person(request: Request, form: Posted) -> Response:
        name, actor = form.text("name", _LONGEST_NAME), request.scope[SESSION].actor
        console.keyturn.accounts.add(name, role_of(form), _new_password(form), actor=actor)
        return _back()

    @app.get(f"{_LIST}/{{account}}")
    def person(request: Request, account: str) -> Response:
        listed = next((each for each in console.keyturn.accounts.all() if each.account.name == account), None)
        if listed is None:
            raise NotFound(f"There is no account {account}.", next_action=by_hand("See the list of people.", None))
        values: dict[str, Any] = {"listed": listed, "roles": tuple(Role)}
        return console.page(request, Shown("person.html", f"{account} · Keyturn", values))

    @app.post(f"{_LIST}/{{account}}/role")
    def set_role(request: Request, account: str, form: Posted) -> Response:
        console.keyturn.accounts.set_role(account, role_of(form), actor=request.scope[SESSION].actor)
        return _back()

    @app.post(f"{_LIST}/{{account}}/remove")
    def remove(request: Request, account: str) -> Response:
        console.keyturn.accounts.remove(account, actor=request.scope[SESSION].actor)
        return _back()


def _add_sessions(app: FastAPI, console: Console) -> None:
    @app.post("/settings/sessions/end")
    def sign_out(request: Request, form: Posted) -> Response:
        if console.keyturn.openid is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        console.keyturn.openid.sign_out(form.text("name", _LONGEST_ACTOR), actor=request.scope[SESSION].actor)
        return _back()


def _add_password(app: FastAPI, console: Console) -> None:
    def shown(error: str = "") -> Shown:
        return Shown("password.html", "Your password · Keyturn", {"error": error, **_BOUNDS})

    @app.get("/settings/password")
    def ask(request: Request) -> Response:
        return console.page(request, shown())

    @app.post("/settings/password")
    def change(request: Request, form: Posted) -> Response:
        session = request.scope[SESSION]
        if not session.has_password:
            raise IllegalMove(
                "You signed in without a password: there is none to change.",
                next_action=by_hand("Sign in with a password to change it.", None),
            )
        new = _new_password(form)
        if not console.keyturn.sign_in.confirm(
            session.actor, form.fields.get("current", ""), address_of(console.site, request.scope)
        ):
            return console.page(request, shown("The current password is wrong."), HTTPStatus.UNPROCESSABLE_ENTITY)
        console.keyturn.accounts.set_password(session.actor, new, actor=session.actor)
        return signed_out(console.site.cookie)


def _new_password(form: Form) -> str:
    """The new password, as it was typed twice. Raises InvalidInput."""
    given = form.fields.get("password", "")
    if given != form.fields.get("again", ""):
        raise InvalidInput("The two passwords differ.", next_action=by_hand("Type the same password twice."))
    return given


def _back() -> Response:
    return RedirectResponse(_LIST, HTTPStatus.SEE_OTHER)
