"""The page of the demo on which a visitor breaks the simulated systems, and repairs them. Only the demo has it."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response

from orchestrator.console.forms import Posted
from orchestrator.console.rendering import Shown
from states.errors import InvalidInput

if TYPE_CHECKING:
    from orchestrator.console.context import Console

_LONGEST = 200


class Faults(Protocol):
    """What a visitor can break."""

    @property
    def names(self) -> list[str]:
        """What can be broken."""
        ...

    @property
    def now(self) -> str:
        """What is broken; empty for nothing."""
        ...

    def set(self, name: str) -> None:
        """Break this, and nothing else; with an empty name, nothing. Raises KeyError for a name that is none."""
        ...


def add(app: FastAPI, console: "Console", faults: Faults) -> None:
    """Add the page."""

    @app.get("/demo")
    def demo(request: Request) -> Response:
        shown = Shown("demo.html", "Demo · Keyturn", {"names": faults.names, "now": faults.now})
        return console.page(request, shown)

    @app.post("/demo")
    def set_fault(form: Posted) -> Response:
        try:
            faults.set(form.text("fault", _LONGEST))
        except KeyError:
            raise InvalidInput("There is no such fault.") from None
        return RedirectResponse("/demo", HTTPStatus.SEE_OTHER)
