"""The routes that change something. Each can be rehearsed with `dry_run`, which makes only the reads.

An action names the version that its program saw; the operation refuses another one, in the store's transaction.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import FastAPI, Header, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from orchestrator.api import tags
from orchestrator.api.access import PREFIX
from orchestrator.api.bodies import Abandon, Action, Adopt, Begin, Confirm, DryRun, Restore, Resume
from orchestrator.api.context import Api
from orchestrator.api.examples import ASKED, NOT_APPROVED, OBJECT, PAGE, ROTATION, answer, refusal
from orchestrator.api.reads import ConnectionName, RotationId
from orchestrator.api.router import add, caller
from orchestrator.api.tags import IfMatch
from orchestrator.operations.starts import Start
from orchestrator.operations.verbs import REMOTE, VERBS, Asked
from orchestrator.views.rehearsal import rehearsal_json
from orchestrator.views.rotation import rotation_json
from orchestrator.views.token import token_json
from orchestrator.views.values import Json, iso
from states.approval import APPROVABLE
from states.connection import OnRefusal
from states.next_action import Verb
from states.rotation import Rotation

_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=100,
        pattern="^[!-~]+$",
        description="Of your own choice, the same for each repetition of this request: then it starts one rotation.",
    ),
]
_TokenName = Annotated[str, Path(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
_DONE: Final = answer("The rotation as it was stored; with `dry_run` what would be done.", OBJECT, ROTATION)
_APPROVED: Final[dict[int | str, dict[str, Any]]] = {
    **refusal(HTTPStatus.CONFLICT, NOT_APPROVED),
    202: answer("The rotation as it was stored, with the request where another person has to approve.", OBJECT, ASKED),
}
"""How the verbs answer that two people may have to agree on."""


_BODIES: Final[Mapping[Verb, type[Action]]] = {
    Verb.RESUME: Resume,
    Verb.CONFIRM: Confirm,
    Verb.RESTORE: Restore,
    Verb.ADOPT: Adopt,
    Verb.ABANDON: Abandon,
}
"""The bodies of verbs that have options."""


def add_all(app: FastAPI, api: Api) -> None:
    """Add the routes."""
    for verb in VERBS:
        _add_verb(app, api, verb)
    _add_start(app, api)
    _add_trigger(app, api)
    _add_tokens(app, api)


def _add_verb(app: FastAPI, api: Api, verb: Verb) -> None:
    # What goes on after the answer.
    status = HTTPStatus.ACCEPTED if verb in (Verb.CARRY, *REMOTE) else HTTPStatus.OK

    def do(
        request: Request, rotation: RotationId, body: Action, if_match: IfMatch = None, *, dry_run: DryRun = False
    ) -> Response:
        if dry_run:
            return JSONResponse(rehearsal_json(api.verbs.rehearse(verb, api.rotation(rotation).id, body.options)))
        asked = Asked(actor=caller(request).actor, reason=body.reason, version=tags.version(if_match))
        after = api.verbs.begin(verb, api.rotation(rotation).id, body.options, asked)
        record = rotation_json(after, api.keyturn.rotations.now())
        return JSONResponse(record, status, headers=_place(after))

    do.__annotations__["body"] = _BODIES.get(verb, Action)
    responses = {200: _DONE, status.value: _DONE, **(_APPROVED if verb in APPROVABLE else {})}
    add(app, "POST", f"/rotations/{{rotation}}/{verb.value}", do, responses=responses, name=verb.value)


def _place(rotation: Rotation) -> dict[str, str]:
    """Where the rotation can be read, and its version."""
    return {"location": f"{PREFIX}/rotations/{rotation.id}", "etag": tags.tag(rotation)}


def _add_start(app: FastAPI, api: Api) -> None:
    keyturn = api.keyturn

    def start(
        request: Request,
        name: ConnectionName,
        body: Begin,
        idempotency_key: _Key = None,
        if_match: IfMatch = None,
        *,
        dry_run: DryRun = False,
    ) -> Response:
        if dry_run:
            return JSONResponse(rehearsal_json(keyturn.rehearsals.rotate(name)))
        if idempotency_key is None:
            raise HTTPException(HTTPStatus.PRECONDITION_REQUIRED, "Give the request an Idempotency-Key.")
        seen = tags.seen(if_match)
        rotation, is_new = keyturn.starts.start(
            Start(
                connection=name,
                actor=caller(request).actor,
                reason=body.reason,
                key=idempotency_key,
                version=seen.version,
                follows=seen.newest,
                on_refusal=OnRefusal(body.on_refusal),
            )
        )
        status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
        return JSONResponse(rotation_json(rotation, keyturn.rotations.now()), status, headers=_place(rotation))

    responses = {
        201: answer("The rotation that was started. A worker carries it.", OBJECT, ROTATION),
        200: answer("The rotation that the same request started before; with `dry_run` what would be done."),
    }
    add(app, "POST", "/connections/{name}/rotations", start, responses=responses, name="start")


def _add_trigger(app: FastAPI, api: Api) -> None:
    keyturn = api.keyturn

    def trigger(request: Request, *, dry_run: DryRun = False) -> Json:
        if dry_run:
            return {"dry_run": True, "due": keyturn.schedule.all_due()}
        done = keyturn.schedule.start_all_due(actor=caller(request).actor)
        return {
            "started": [{"rotation": each.id, "connection": each.connection} for each in done.started],
            "failed": [
                {"connection": name, "code": error.code, "detail": error.message} for name, error in done.failed
            ],
            "quiet": [{"connection": name, "until": iso(until)} for name, until in done.postponed],
        }

    responses = {
        200: answer(
            "The rotations that were started, and the connections where that failed or a quiet time postpones it."
        )
    }
    add(app, "POST", "/trigger", trigger, responses=responses)


def _add_tokens(app: FastAPI, api: Api) -> None:
    keyturn = api.keyturn

    def tokens() -> Json:
        return {"items": [token_json(each) for each in keyturn.tokens.all()], "next": None}

    def revoke(request: Request, token: _TokenName) -> Response:
        keyturn.tokens.revoke(token, actor=caller(request).actor)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    add(app, "GET", "/tokens", tokens, responses={200: answer("Every token, without its secret.", PAGE)})
    gone = {204: {"description": "The token is refused from now on."}}
    add(app, "DELETE", "/tokens/{token}", revoke, responses=gone, status_code=HTTPStatus.NO_CONTENT)
