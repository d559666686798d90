"""The routes that read."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from fastapi import FastAPI, Path, Query
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response

from orchestrator.api import tags
from orchestrator.api.connection_bodies import NAME
from orchestrator.api.context import Api
from orchestrator.api.examples import PAGE, ROTATION, answer
from orchestrator.api.router import add
from orchestrator.operations.lists import JournalFilter, Only, RotationFilter
from orchestrator.views.connection import connection_json
from orchestrator.views.credential import credential_json
from orchestrator.views.evidence import attached
from orchestrator.views.evidence import text as text_of_evidence
from orchestrator.views.health import health_json
from orchestrator.views.journal import entry_json
from orchestrator.views.metrics import CONTENT_TYPE, families, text
from orchestrator.views.rotation import explanation_json, rotation_json
from orchestrator.views.status import status_json
from orchestrator.views.values import Json
from orchestrator.views.work import work_json
from states import drawing
from states.errors import KeyturnError
from states.state import State

ID: Final = "^[0-9A-HJKMNP-TV-Z]{26}$"
RotationId = Annotated[str, Path(pattern=ID, description="The rotation's whole id.")]
ConnectionName = Annotated[str, Path(pattern=NAME)]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
_Name = Annotated[str | None, Query(pattern=NAME, alias="connection")]
_Text = Annotated[str, Query(max_length=200, pattern="^[^\\x00]*$", description="A part of what a list shows.")]
_Cursor = Annotated[str | None, Query(max_length=100, pattern="^[^\\x00]*$", description="`next` of the page before.")]
_Seq = Annotated[int, Query(ge=0, le=999_999_999, description="The `seq` of the last entry that you have.")]
_Format = Annotated[Literal["svg", "mermaid"], Query(alias="format")]
_Days = Annotated[
    int | None, Query(ge=0, le=3650, description="List only certificates that expire within so many days.")
]
_FIGURES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Figures for a monitoring system, in the text format of Prometheus.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}
_DRAWN: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The drawing.",
        "content": {"image/svg+xml": {"schema": {"type": "string"}}, "text/plain": {"schema": {"type": "string"}}},
    }
}


def add_all(app: FastAPI, api: Api) -> None:
    """Add the routes."""
    _add_process(app, api)
    _add_connections(app, api)
    _add_rotations(app, api)
    _add_journal(app, api)


def _add_process(app: FastAPI, api: Api) -> None:
    keyturn = api.keyturn

    def health() -> Json:
        return {"alive": True}

    def ready() -> Json:
        try:
            keyturn.installation.check_database()
        except KeyturnError as error:
            # Not the error's own words: this route needs no token.
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer as it should.") from error
        return {"ready": True}

    def status() -> Json:
        return status_json(keyturn.status.overview().report)

    def diagram(shape: _Format = "svg") -> Response:
        return _drawn(shape, None)

    def metrics(within: _Days = None) -> Response:
        until = keyturn.rotations.now() + timedelta(days=within) if within is not None else None
        figures = families(keyturn.metrics.read(until=until))
        return PlainTextResponse(text(figures), media_type=CONTENT_TYPE)

    add(app, "GET", "/health", health, responses={200: answer("This process answers.")})
    add(app, "GET", "/ready", ready, responses={200: answer("The database answers, too.")})
    add(app, "GET", "/status", status, responses={200: answer("What needs a person, the most harmful first.")})
    add(app, "GET", "/diagram", diagram, responses=_DRAWN)
    add(app, "GET", "/metrics", metrics, responses=_FIGURES)


def _add_connections(app: FastAPI, api: Api) -> None:
    keyturn = api.keyturn

    def connections(q: _Text = "", after: _Cursor = None, limit: Limit = 50) -> Json:
        page, now = keyturn.lists.connection_page(text=q, after=after, limit=limit), keyturn.rotations.now()
        changed = keyturn.status.tampered([each.name for each in page.items])
        items = [
            connection_json(each, rotation=keyturn.rotations.open_for(each.name), now=now, changed=changed)
            for each in page.items
        ]
        return {"items": items, "next": page.following}

    def connection(name: ConnectionName) -> Response:
        # The newest rotation is read first: a tag that is older than what it comes with refuses an action, at worst.
        newest, found = keyturn.lists.newest(name), keyturn.connections.show(name)
        rotation, now = keyturn.rotations.open_for(name), keyturn.rotations.now()
        changed, known = keyturn.status.tampered([name]), keyturn.connections.secrets_of(name)
        record = connection_json(found, known, rotation=rotation, now=now, changed=changed)
        return JSONResponse(record, headers={"etag": tags.connection_tag(found, newest)})

    def connection_health(name: ConnectionName) -> Json:
        keyturn.connections.show(name)
        return health_json(name, keyturn.health.report(name), keyturn.rotations.now())

    def credentials(name: ConnectionName) -> Json:
        found, now = keyturn.credentials.all(name), keyturn.rotations.now()
        return {"items": [credential_json(each, now) for each in found]}

    page = {200: answer("A page of connections, by name.", PAGE)}
    add(app, "GET", "/connections", connections, responses=page)
    one = {200: answer("The connection. Its ETag is for If-Match when you start a rotation.")}
    add(app, "GET", "/connections/{name}", connection, responses=one)
    asked = {200: answer("The health check: both systems are asked now, which can take a minute.")}
    add(app, "GET", "/connections/{name}/health", connection_health, responses=asked)
    own = {200: answer("With what Keyturn signs in, without what is secret; the one that ends first comes first.")}
    add(app, "GET", "/connections/{name}/credentials", credentials, responses=own)


def _add_rotations(app: FastAPI, api: Api) -> None:
    keyturn = api.keyturn

    def rotations(
        connection: _Name = None,
        state: Annotated[list[State] | None, Query(max_length=1)] = None,
        only: Only | None = None,
        since: datetime | None = None,
        q: _Text = "",
        after: _Cursor = None,
        limit: Limit = 50,
    ) -> Json:
        wanted = RotationFilter(connection=connection, states=state or (), only=only, since=_utc(since), text=q)
        page, now = keyturn.lists.rotation_page(wanted, after=after, limit=limit), keyturn.rotations.now()
        return {"items": [rotation_json(each, now) for each in page.items], "next": page.following}

    def rotation(rotation: RotationId) -> Response:
        explanation = keyturn.rotations.explain(api.rotation(rotation).id)
        work = api.verbs.carriers.work_on(explanation.rotation.id)
        record = {
            **explanation_json(explanation, keyturn.rotations.now()),
            "work": work_json(work) if work else None,
        }
        return JSONResponse(record, headers={"etag": tags.tag(explanation.rotation)})

    def diagram(rotation: RotationId, shape: _Format = "svg") -> Response:
        return _drawn(shape, api.rotation(rotation).state)

    def evidence(rotation: RotationId) -> Response:
        made = keyturn.evidence.of(api.rotation(rotation).id)
        return Response(text_of_evidence(made), media_type="application/json", headers=attached(made))

    page = {200: answer("A page of rotations, the newest first.", PAGE, {"items": [ROTATION], "next": None})}
    add(app, "GET", "/rotations", rotations, responses=page)
    one = {
        200: answer(
            "The rotation, its journal, every verb with the reason against it, the next safe action, and `work`: the "
            "verb that this process does with it, or did last (null for none)."
        )
    }
    add(app, "GET", "/rotations/{rotation}", rotation, responses=one)
    add(app, "GET", "/rotations/{rotation}/diagram", diagram, responses=_DRAWN)
    file = {200: answer("The rotation's evidence file, for `keyturn evidence verify`. The key checks all of it first.")}
    add(app, "GET", "/rotations/{rotation}/evidence", evidence, responses=file)


def _add_journal(app: FastAPI, api: Api) -> None:
    keyturn = api.keyturn

    def of_rotation(rotation: RotationId, after: _Seq = 0, limit: Limit = 50) -> Json:
        entries = keyturn.rotations.journal(api.rotation(rotation).id)[after : after + limit + 1]
        following = str(entries[limit - 1].seq) if len(entries) > limit else None
        return {"items": [entry_json(each) for each in entries[:limit]], "next": following}

    def journal(
        connection: _Name = None,
        rotation: Annotated[str | None, Query(pattern=ID)] = None,
        actor: _Text = "",
        since: datetime | None = None,
        after: _Cursor = None,
        limit: Limit = 50,
    ) -> Json:
        wanted = JournalFilter(connection=connection, rotation=rotation, actor=actor, since=_utc(since))
        page = keyturn.lists.journal_page(wanted, after=after, limit=limit)
        items = [
            {"connection": each.connection, **entry_json(each.entry), "finding": each.finding} for each in page.items
        ]
        return {"items": items, "next": page.following}

    page = {200: answer("A page of the rotation's journal, the oldest entry first.", PAGE)}
    add(app, "GET", "/rotations/{rotation}/journal", of_rotation, responses=page)
    page = {
        200: answer(
            "A page of the journal of all rotations, the newest entry first. `finding` says what is wrong with an "
            "entry: empty where it is as it was written, null where that cannot be checked.",
            PAGE,
        )
    }
    add(app, "GET", "/journal", journal, responses=page)


def _drawn(shape: str, lit: State | None) -> Response:
    if shape == "svg":
        return Response(drawing.svg(lit), media_type="image/svg+xml")
    return PlainTextResponse(drawing.mermaid(lit))


def _utc(at: datetime | None) -> datetime | None:
    """A moment without an offset is UTC. One whose offset leads out of the calendar is its own end."""
    if at is None or at.tzinfo is None:
        return at and at.replace(tzinfo=UTC)
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return at.replace(tzinfo=UTC)
