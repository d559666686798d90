"""What the forms of saved views do: keep a list under a name, and forget it."""

from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response

from orchestrator.console.context import Console
from orchestrator.console.forms import Posted
from orchestrator.console.sessions import SESSION
from orchestrator.operations.saved_views import LISTS, LONGEST_ADDRESS, LONGEST_NAME

_HOME: Final = "/"


def add(app: FastAPI, console: Console) -> None:
    """Add the forms."""

    @app.post("/views")
    def keep(request: Request, form: Posted) -> Response:
        name, address = form.text("name", LONGEST_NAME), form.text("address", LONGEST_ADDRESS)
        console.keyturn.saved_views.add(request.scope[SESSION].actor, name, address)
        return RedirectResponse(address, HTTPStatus.SEE_OTHER)

    @app.post("/views/remove")
    def forget(request: Request, form: Posted) -> Response:
        console.keyturn.saved_views.remove(request.scope[SESSION].actor, form.text("name", LONGEST_NAME))
        back = form.text("path", LONGEST_NAME)
        return RedirectResponse(back if back in LISTS else _HOME, HTTPStatus.SEE_OTHER)
