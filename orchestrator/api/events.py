"""A rotation's journal as server-sent events, resumable without gaps: an event's id is its entry's number.

A journal counts from 1 without gaps, and a closed rotation gets no more entries. So what follows the last number that a
program has is all that it has missed, however long it was away, and whichever process it asks.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import FastAPI, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from orchestrator.api.context import Api
from orchestrator.api.guard import secret_of
from orchestrator.api.reads import ID
from orchestrator.api.router import add
from orchestrator.views.journal import entry_json
from orchestrator.views.values import Json
from states.errors import KeyturnError

MOST_STREAMS: Final = 100
PING_EVERY: Final = 10.0
"""Seconds after which a stream proves that it is alive, and asks whether its token is still accepted."""
_PING: Final = b": alive\n\n"
_TYPE: Final = "text/event-stream"
_SEEN: Final = re.compile(r"\d{1,9}", re.ASCII)
_Found = tuple[list[Json], bool]
"""Entries, and whether there can be none after them."""


def add_all(app: FastAPI, api: Api) -> None:
    """Add the route."""

    async def events(
        request: Request,
        rotation: Annotated[str, Query(pattern=ID, description="The rotation's whole id.")],
        last_event_id: Annotated[
            str | None, Header(alias="Last-Event-ID", description="The number of the last entry that you have.")
        ] = None,
    ) -> Response:
        last = _seen(last_event_id)
        entries, is_over = await run_in_threadpool(_read, api, rotation, last)
        if is_over and not entries:  # a browser does not ask again after this answer
            return Response(status_code=HTTPStatus.NO_CONTENT)
        if api.streams >= MOST_STREAMS:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "Too many streams are open.")
        secret = secret_of(request.headers)

        async def is_allowed() -> bool:
            return await run_in_threadpool(api.keyturn.tokens.accepted, secret) is not None

        return StreamingResponse(_stream(api, rotation, last, is_allowed), media_type=_TYPE)

    streamed = {"description": "Events `journal`, each with an entry; `id` is its number."}
    content = {_TYPE: {"schema": {"type": "string"}, "example": 'id: 1\nevent: journal\ndata: {"seq": 1}\n\n'}}
    gone = {"description": "The rotation has ended, and you have all of its journal."}
    add(app, "GET", "/events", events, responses={200: {**streamed, "content": content}, 204: gone})


def _seen(last_event_id: str | None) -> int:
    """The number of the last entry that a program has; 0 for none, and for what is no number."""
    found = _SEEN.fullmatch((last_event_id or "").strip())
    return int(found[0]) if found else 0


def _read(api: Api, rotation_id: str, last: int) -> _Found:
    # The rotation is read first: one that is closed by then has all of its entries.
    is_over = not api.rotation(rotation_id).is_open
    entries = api.keyturn.rotations.journal(rotation_id)
    return [entry_json(each) for each in entries if each.seq > last], is_over


async def _stream(
    api: Api, rotation_id: str, last: int, is_allowed: Callable[[], Awaitable[bool]]
) -> AsyncIterator[bytes]:
    """Yield every entry after ``last``, and each new one, until the rotation has ended or the token has."""
    api.streams += 1
    try:
        yield _PING
        while not api.watch.is_stopped:
            version = api.watch.version  # looked at before the store is read: what is written meanwhile is read again
            try:
                if not await is_allowed():
                    return
                entries, is_over = await run_in_threadpool(_read, api, rotation_id, last)
            except KeyturnError:  # nothing is lost: the next look finds what came meanwhile
                await asyncio.sleep(PING_EVERY)
                continue
            for entry in entries:
                last = entry["seq"]
                yield f"id: {last}\nevent: journal\ndata: {json.dumps(entry)}\n\n".encode()
            if is_over:
                return
            if not await api.watch.wait(version, PING_EVERY):
                yield _PING
    finally:
        api.streams -= 1
