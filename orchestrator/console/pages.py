"""Pages that are read: each has a view, which is shown whole at its address, and again in a stream when it changes."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from orchestrator.console.context import Console
from orchestrator.console.forms import Form, Query
from orchestrator.console.guard import session_token
from orchestrator.console.live import MOST_STREAMS
from orchestrator.console.rendering import Shown
from orchestrator.console.sessions import session_of
from orchestrator.operations.saved_views import LISTS, address_of
from states.access import Role

View = Callable[[Console, str, Form], Shown]
"""Makes a page: of the console, the subject that its address names (empty without one), and its fields."""
PACE: Final = 1.0
"""Seconds between two fragments of a page about many."""
QUICK: Final = 0.1
"""Seconds between two fragments of a page about one rotation."""
_KNOWN: Final = 2.0
"""Seconds for which a stream does not look again whether its person is signed in, and with which role."""
_ONCE: Final = "ask"
"""The field that has both systems asked: a page that is made again because of a change does not ask them again."""


class Pages:
    """Adds pages to the application."""

    def __init__(self, app: FastAPI, console: Console) -> None:
        self._app = app
        self._console = console

    def add(self, path: str, view: View, *, subject: str = "", pace: float = PACE) -> None:
        """Add the page that ``view`` makes at ``path``, whose parameter ``subject`` names what it is about."""
        console = self._console

        @self._app.get(path)
        def page(request: Request, query: Query) -> Response:
            version = console.watcher.version  # read before the store is: the page is as new, or newer
            shown = _with_saved(console, request, query, view(console, _subject(request, subject), query))
            kept = "&".join(f"{quote(name)}={quote(each)}" for name, each in query.fields.items() if name != _ONCE)
            live = {"version": version, "url": f"/live{request.url.path}?{kept}{'&' if kept else ''}since={version}"}
            return console.page(request, shown, live=live)

        @self._app.get(f"/live{path}")
        async def stream(request: Request, query: Query) -> Response:
            if console.streams.count >= MOST_STREAMS:
                raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "Too many pages are open.")
            fields = {name: each for name, each in query.fields.items() if name not in (_ONCE, "since")}
            of = _subject(request, subject)

            def render(role: Role) -> str:
                return console.renderer.fragment(view(console, of, Form(fields)), role)

            await run_in_threadpool(view, console, of, Form(fields))  # what is not there has no stream
            token = session_token(request.headers, console.site.cookie)
            url = f"{request.url.path}?{sorted(fields.items())}"
            return StreamingResponse(
                self._stream(url, render, _since(request, query), pace, token), media_type="text/event-stream"
            )

    def _stream(
        self, url: str, render: Callable[[Role], str], since: int, pace: float, token: str
    ) -> AsyncIterator[bytes]:
        sessions = self._console.sessions
        known: list[tuple[float, Role | None]] = []

        async def role_now() -> Role | None:
            if not known or time.monotonic() - known[0][0] >= _KNOWN:
                found = await run_in_threadpool(sessions.find, token)
                known[:] = [(time.monotonic(), found.role if found else None)]
            return known[0][1]

        return self._console.streams.stream(url, render, since=since, pace=pace, role_now=role_now)


def _with_saved(console: Console, request: Request, query: Form, shown: Shown) -> Shown:
    """The page of a list with its reader's saved views, which no stream sends: they are one person's."""
    path, session = request.url.path, session_of(request)
    if path not in LISTS or session is None:
        return shown
    saved = [each for each in console.keyturn.saved_views.of(session.actor) if each.path == path]
    here = address_of(path, {name: each for name, each in query.fields.items() if name != _ONCE})
    return replace(shown, values={**shown.values, "saved": saved, "here": here, "path_here": path})


def _subject(request: Request, name: str) -> str:
    return str(request.path_params[name]) if name else ""


def _since(request: Request, query: Form) -> int:
    """The version that the page shows: the last that it was sent, or the one that it was made with."""
    given = request.headers.get("last-event-id") or query.fields.get("since", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < len("1" + "0" * 16) else 0
