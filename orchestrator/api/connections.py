"""The routes that add, change and remove connections: for administrators only."""

from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from orchestrator.api import tags
from orchestrator.api.access import PREFIX
from orchestrator.api.connection_bodies import Change, New
from orchestrator.api.context import Api
from orchestrator.api.examples import answer
from orchestrator.api.reads import ConnectionName
from orchestrator.api.router import add, caller
from orchestrator.api.tags import IfMatch
from orchestrator.operations import connection_fields
from orchestrator.views.connection import connection_json
from states.connection import Connection
from states.errors import Stale

_SHOWN: Final = "The connection as it was stored: of its secrets only whether each is set. "


def add_all(app: FastAPI, api: Api) -> None:
    """Add the routes."""
    keyturn = api.keyturn

    def new(request: Request, body: New) -> Response:
        fields = body.fields
        added = keyturn.connections.add(fields.new(body.name), fields.secrets, actor=caller(request).actor)
        return _shown(api, added, HTTPStatus.CREATED)

    def change(request: Request, name: ConnectionName, body: Change, if_match: IfMatch = None) -> Response:
        version = _seen(api, name, if_match).version
        changed = connection_fields.change(
            keyturn.connections, name, body.fields, version=version, actor=caller(request).actor
        )
        return _shown(api, changed, HTTPStatus.OK)

    def remove(request: Request, name: ConnectionName, if_match: IfMatch = None) -> Response:
        keyturn.connections.remove(_seen(api, name, if_match), actor=caller(request).actor)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    added = {201: answer(_SHOWN + "A rotation is due at once where it is automatic.")}
    add(app, "POST", "/connections", new, responses=added, status_code=HTTPStatus.CREATED, name="add")
    add(app, "PATCH", "/connections/{name}", change, responses={200: answer(_SHOWN)}, name="edit")
    gone = {204: {"description": "Its settings, secrets and private keys are destroyed; its rotations are kept."}}
    add(
        *(app, "DELETE", "/connections/{name}", remove),
        responses=gone,
        status_code=HTTPStatus.NO_CONTENT,
        name="remove",
    )


def _seen(api: Api, name: str, if_match: str | None) -> Connection:
    """The connection, if it is as a program saw it. Raises NotFound, Stale, HTTPException."""
    seen, newest = tags.seen(if_match), api.keyturn.lists.newest(name)
    found = api.keyturn.connections.show(name)
    if (found.version, newest.id if newest else "") != (seen.version, seen.newest):
        raise Stale(f"Connection {name} was changed or rotated meanwhile; nothing was stored.")
    return found


def _shown(api: Api, connection: Connection, status: HTTPStatus) -> Response:
    keyturn, name = api.keyturn, connection.name
    newest = keyturn.lists.newest(name)
    record = connection_json(
        connection,
        keyturn.connections.secrets_of(name),
        rotation=keyturn.rotations.open_for(name),
        now=keyturn.rotations.now(),
    )
    place = {"location": f"{PREFIX}/connections/{name}", "etag": tags.connection_tag(connection, newest)}
    return JSONResponse(record, status, headers=place)
