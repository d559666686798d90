"""The application: every route, behind the guard."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from orchestrator.api import actions, connections, events, problems, reads
from orchestrator.api.context import Api
from orchestrator.api.examples import answer
from orchestrator.api.guard import Guard
from orchestrator.api.router import StrictRoute, add
from orchestrator.api.streams import Watch
from orchestrator.bootstrap import Keyturn
from orchestrator.operations.verbs import Verbs
from orchestrator.site import Site

_ABOUT: Final = (
    "Keyturn's connections and rotations. Every answer that is an error is a problem (RFC 9457) with a stable `code`. "
    "An action names in If-Match the ETag of what its program read, and has a reason, which the journal keeps."
)


def build(keyturn: Keyturn, site: Site, watch: Watch, verbs: Verbs) -> ASGIApp:
    """Build the API that answers under this ``site``."""
    api = Api(keyturn, site, watch, verbs)
    return Guard(routes(api), api)


def routes(api: Api) -> FastAPI:
    """The application without its guard."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.router.route_class = StrictRoute
    reads.add_all(app, api)
    actions.add_all(app, api)
    connections.add_all(app, api)
    events.add_all(app, api)
    problems.add(app, api)

    def openapi() -> Response:
        return JSONResponse(description(app))

    add(app, "GET", "/openapi.json", openapi, responses={200: answer("This description.")})
    return app


def description(app: FastAPI) -> dict[str, Any]:
    """The description of the API, as OpenAPI 3.1."""
    found = get_openapi(title="Keyturn", version="1", summary="", description=_ABOUT, routes=app.routes)
    found.pop("summary", None)
    schemes = {"token": {"type": "http", "scheme": "bearer", "description": "Made by `keyturn token add`."}}
    found.setdefault("components", {})["securitySchemes"] = schemes
    return found
