"""The page that repairs a certificate record that NetSuite does not find: the vendor's steps, checked when it opens."""

from fastapi import FastAPI, Request
from starlette.responses import Response

from orchestrator.console.context import Console
from orchestrator.console.rendering import Shown
from states.outage import outage_of


def add(app: FastAPI, console: Console) -> None:
    """Add the page."""

    # Not a page that follows the store: each time that it is made, NetSuite is asked.
    @app.get("/repair/{name}")
    def repair(request: Request, name: str) -> Response:
        found = console.keyturn.repairs.look(name)
        values = {
            "name": name,
            "repair": found,
            "outage": outage_of(found.rotation) if found.rotation else None,
        }
        shown = Shown("repair.html", f"Repair the certificate record · {name}", values)
        return console.page(request, shown)
