"""The journal as server-sent events, resumable without gaps: of one rotation, or of all.

The id of an event is its place. A rotation's journal counts from 1 without gaps, and a closed rotation gets no more
entries. The journal of all rotations is read in the order of commits (persistence/journal_feed.py). So what follows the
place that a program has is all that it has missed, however long it was away, and whichever process it asks.
"""

import json
import re
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import FastAPI, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from orchestrator.api.context import Api
from orchestrator.api.examples import refusal
from orchestrator.api.guard import secret_of
from orchestrator.api.reads import ID
from orchestrator.api.router import add
from orchestrator.api.streams import MOST_STREAMS, Batch, Source
from orchestrator.operations.feed import Place
from orchestrator.views.journal import entry_json
from orchestrator.views.values import Json
from orchestrator.views.work import work_json

_TYPE: Final = "text/event-stream"
_SEEN: Final = re.compile(r"\d{1,9}", re.ASCII)
_PAGE: Final = 200
"""How many entries are read and sent at once."""
_Last = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        max_length=100,
        description="The `id` of the last event that you have; 0 for everything. Without it, the events of one "
        "rotation come from its first on, those of all rotations from now on.",
    ),
]
_Rotation = Annotated[str | None, Query(pattern=ID, description="One rotation's whole id; else all rotations.")]
_Follow = Annotated[bool, Query(description="Wait for further events; else the answer ends with those of now.")]


def add_all(app: FastAPI, api: Api) -> None:
    """Add the route."""

    async def events(
        request: Request, rotation: _Rotation = None, last_event_id: _Last = None, *, follow: _Follow = True
    ) -> Response:
        if rotation is None:
            source, place = _all(api), await run_in_threadpool(_place, api, last_event_id)
        else:
            source, place = _one(api, rotation), str(_seen(last_event_id))
            batch = await run_in_threadpool(source.read, place)
            if batch.is_over and not batch.message:  # a browser does not ask again after this answer
                return Response(status_code=HTTPStatus.NO_CONTENT)
        if api.streams.count >= MOST_STREAMS:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "Too many streams are open.")
        stream = api.streams.stream(source, place, secret_of(request.headers), follow=follow)
        return StreamingResponse(stream, media_type=_TYPE)

    streamed = {
        "description": "Events `journal`, each with an entry; `id` is its place. Of all rotations, with its connection."
    }
    content = {_TYPE: {"schema": {"type": "string"}, "example": 'id: 1\nevent: journal\ndata: {"seq": 1}\n\n'}}
    gone = {"description": "The rotation has ended, and you have all of its journal."}
    responses = {200: {**streamed, "content": content}, 204: gone, **refusal(HTTPStatus.PRECONDITION_FAILED)}
    add(app, "GET", "/events", events, responses=responses)


def _all(api: Api) -> Source:
    """The journal of all rotations."""

    def read(place: str) -> Batch:
        found = api.keyturn.feed.after(Place.parse(place), _PAGE)
        entries = [(str(each.place), {"connection": each.connection, **entry_json(each.entry)}) for each in found]
        return Batch(_encoded(entries), entries[-1][0] if entries else place, len(found) == _PAGE)

    return Source("", read, partial(_ends, api, ""))


def _place(api: Api, last_event_id: str | None) -> str:
    """Where a stream of all rotations begins. Raises InvalidInput, Stale."""
    feed = api.keyturn.feed
    return str(feed.end() if last_event_id is None else feed.resume(last_event_id))


def _one(api: Api, rotation_id: str) -> Source:
    """The journal of one rotation."""

    def read(place: str) -> Batch:
        # The rotation is read first: one that is closed by then has all of its entries.
        is_over = not api.rotation(rotation_id).is_open
        found = [each for each in api.keyturn.rotations.journal(rotation_id) if each.seq > int(place)]
        entries = [(str(each.seq), entry_json(each)) for each in found]
        return Batch(_encoded(entries), entries[-1][0] if entries else place, is_full=False, is_over=is_over)

    return Source(rotation_id, read, partial(_ends, api, rotation_id))


def _ends(api: Api, rotation_id: str, after: int) -> tuple[int, bytes]:
    """The verbs on the rotation, or on any where it is empty, that ended after this one; after -1 none."""
    carriers = api.verbs.carriers
    if after in (-1, carriers.ends):
        return carriers.ends, b""
    works = carriers.ended_after(after)
    wanted = [work_json(each) for each in works if rotation_id in ("", each.rotation.id)]
    events = "".join(f"event: verb\ndata: {json.dumps(each)}\n\n" for each in wanted)
    return (works[-1].number if works else after), events.encode()


def _seen(last_event_id: str | None) -> int:
    """The number of the last entry that a program has; 0 for none, and for what is no number."""
    found = _SEEN.fullmatch((last_event_id or "").strip())
    return int(found[0]) if found else 0


def _encoded(entries: Sequence[tuple[str, Json]]) -> bytes:
    return "".join(f"id: {place}\nevent: journal\ndata: {json.dumps(each)}\n\n" for place, each in entries).encode()
