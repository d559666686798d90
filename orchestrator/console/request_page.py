"""The page that explains a real-time import that fails: with which certificate it was signed."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from starlette.responses import Response

from orchestrator.console.context import Console
from orchestrator.console.forms import Form, Posted, Query
from orchestrator.console.rendering import Shown
from orchestrator.views.import_request import request_json
from states.errors import InvalidInput, NotFound

_LONGEST_URL = 8000
_LONGEST_NAME = 200


def add(app: FastAPI, console: Console) -> None:
    """Add the page."""

    @app.get("/request")
    def ask(request: Request, query: Query) -> Response:
        return console.page(request, _shown(query.text("connection", _LONGEST_NAME)))

    # A POST, though nothing is changed: an address is kept in the browser's history, and this one is a signed request.
    @app.post("/request")
    def explain(request: Request, form: Posted) -> Response:
        name = form.text("connection", _LONGEST_NAME)
        try:
            return console.page(request, _explained(console, name, form))
        except (InvalidInput, NotFound) as error:
            return console.page(request, _shown(name, error=error.message), HTTPStatus.UNPROCESSABLE_ENTITY)


def _explained(console: Console, name: str, form: Form) -> Shown:
    keyturn = console.keyturn
    signer = keyturn.health.signed_by(form.text("url", _LONGEST_URL), name)
    rotation = keyturn.rotations.open_for(name) if signer == "candidate" else None
    found = {**request_json(keyturn.connections.show(name), signer), "rotation": rotation and rotation.id}
    return _shown(name, found=found)


def _shown(name: str, *, found: dict[str, object] | None = None, error: str = "") -> Shown:
    return Shown("request.html", "Explain an import · Keyturn", {"name": name, "found": found, "error": error})
