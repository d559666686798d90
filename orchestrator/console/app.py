"""The application: every route, behind the guard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from orchestrator import http_guard
from orchestrator.console import (
    assets,
    bulk_page,
    connection_pages,
    demo_page,
    download,
    home_page,
    journal_page,
    openid_page,
    people_pages,
    problems,
    repair_page,
    request_page,
    rotation_pages,
    sign_in_page,
    token_pages,
    verb_pages,
    view_pages,
    workers_page,
)
from orchestrator.console.access import GuardedRoute
from orchestrator.console.context import Console, Posting
from orchestrator.console.guard import Guard
from orchestrator.console.pages import Pages
from orchestrator.views.problem import status_of
from states.errors import KeyturnError

__all__ = ["Console", "build"]

_NO_SUCH: Final = "There is no such page."


def build(console: Console) -> ASGIApp:
    """Build the application."""

    @asynccontextmanager
    async def watching(_app: FastAPI) -> AsyncIterator[None]:
        console.watcher.start()
        yield
        console.watcher.stop()
        console.watcher.join()

    app = FastAPI(lifespan=watching, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.router.route_class = GuardedRoute
    pages = Pages(app, console)
    for module in (home_page, connection_pages, rotation_pages, journal_page, workers_page):
        module.add(pages)
    download.add(app, console)  # before the verbs, whose pages have addresses of the same form
    verb_pages.add(app, console)
    request_page.add(app, console)
    repair_page.add(app, console)
    bulk_page.add(app, console)
    token_pages.add(app, console)
    view_pages.add(app, console)
    if console.faults:
        demo_page.add(app, console, console.faults)
    _add_assets(app)
    sign_in_page.add(app, console)
    openid_page.add(app, console)
    people_pages.add(app, console)
    _add_errors(app, console)
    return Guard(
        app,
        site=console.site,
        sessions=console.sessions,
        refuse=lambda status, sentence: console.page(None, problems.refusal(status, sentence), status),
    )


def _add_assets(app: FastAPI) -> None:
    files, _ = assets.load()

    @app.get("/assets/{name}")
    def asset(name: str) -> Response:
        found = files.get(name)
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(found.content, media_type=found.media_type, headers={"cache-control": assets.FOREVER})


def _add_errors(app: FastAPI, console: Console) -> None:
    def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, KeyturnError)
        about = Posting.of(request)
        shown = problems.problem(error, rotation=about.rotation, connection=about.connection, back=about.back)
        return console.page(request, shown, status_of(error))

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)
        sentence = _NO_SUCH if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED) else error.detail
        return console.page(request, problems.refusal(status, sentence), status)

    def invalid(request: Request, _error: Exception) -> Response:
        shown = problems.refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "This request cannot be read.")
        return console.page(request, shown, HTTPStatus.UNPROCESSABLE_ENTITY)

    def unforeseen(request: Request, error: Exception) -> Response:
        return known(request, http_guard.unforeseen(error))

    app.add_exception_handler(KeyturnError, known)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unforeseen)
