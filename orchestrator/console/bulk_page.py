"""The page that rotates all connections that match: a GET says which, a POST requests them, with a result for each."""

from typing import Any, Final
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from starlette.responses import Response

from orchestrator.console.connection_filter import ConnectionQuery
from orchestrator.console.context import Console
from orchestrator.console.forms import Form, Posted, Query
from orchestrator.console.rendering import Shown
from orchestrator.console.sessions import SESSION
from orchestrator.console.verb_pages import on_refusal
from orchestrator.operations.bulk import MOST

_SEEN: Final = 100
_PLACE: Final = "/connections/"
"""Where it is in the navigation."""


def add(app: FastAPI, console: Console) -> None:
    """Add the page."""

    @app.get("/rotate")
    def rehearse(request: Request, query: Query) -> Response:
        return console.page(request, _shown(console, query), path=_PLACE)

    @app.post("/rotate")
    def rotate(request: Request, form: Posted) -> Response:
        asked = ConnectionQuery.of(form)
        actor = request.scope[SESSION].actor
        outcomes = list(
            console.keyturn.bulk.rotate(
                form.text("seen", _SEEN),
                asked.text,
                asked.names(console),
                actor=actor,
                reason=form.reason,
                on_refusal=on_refusal(form),
            )
        )
        values = {
            **_common(console, asked),
            "outcomes": outcomes,
            "number": sum(each.rotation is not None for each in outcomes),
        }
        # Not a redirect: the results are nowhere else. To post it again is refused, as each has another rotation.
        return console.page(request, Shown("rotate_many.html", "Rotations requested · Keyturn", values), path=_PLACE)


def _shown(console: Console, query: Form) -> Shown:
    asked = ConnectionQuery.of(query)
    selection = console.keyturn.bulk.select(asked.text, asked.names(console))
    values = {**_common(console, asked), "outcomes": None, "selection": selection, "most": MOST}
    return Shown("rotate_many.html", "Rotate all that match · Keyturn", values)


def _common(console: Console, asked: ConnectionQuery) -> dict[str, Any]:
    return {
        "fields": asked.fields,
        "sentence": asked.sentence,
        "address": f"/connections?{urlencode(asked.fields)}",
        "workers": console.keyturn.workers.alive(),
    }
