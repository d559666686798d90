"""The routes that change something. Each can be rehearsed with `dry_run`, which makes only the reads.

An action names the version that its program saw; the operation refuses another one, in the store's transaction.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import FastAPI, Header, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from orchestrator.api import tags
from orchestrator.api.access import ACTIONS, PREFIX
from orchestrator.api.bodies import Action, Adopt, Begin, Confirm, DryRun, Restore, Resume
from orchestrator.api.context import Api
from orchestrator.api.examples import OBJECT, PAGE, ROTATION, answer
from orchestrator.api.reads import ConnectionName, RotationId
from orchestrator.api.router import add, caller
from orchestrator.api.tags import IfMatch
from orchestrator.operations.rehearsal import Rehearsal
from orchestrator.operations.starts import Start
from orchestrator.views.rehearsal import rehearsal_json
from orchestrator.views.rotation import rotation_json
from orchestrator.views.token import token_json
from orchestrator.views.values import Json
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


@dataclass(frozen=True, slots=True)
class _Act:
    """How a verb on a rotation is rehearsed and done. The functions are given the request's body, of this class."""

    body: type[Action]
    rehearse: Callable[[Api, str, Any], Rehearsal]
    do: Callable[[Api, "_Asked", Any], Rotation]
    status: HTTPStatus = HTTPStatus.OK


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request for a verb."""

    before: Rotation
    actor: str
    version: int
    """That the program saw."""


def _carry(api: Api, asked: _Asked, body: Action) -> Rotation:
    seen = api.keyturn.rotations.show(asked.before.id, version=asked.version)
    carried = api.carriers.carry(seen)
    api.log_carry(carried, asked.actor, body.reason)
    return carried


def _resume(api: Api, asked: _Asked, body: Resume) -> Rotation:
    return api.keyturn.rotations.resume(
        asked.before.id,
        actor=asked.actor,
        reason=body.reason,
        create_record=body.create_record,
        overwrite=body.overwrite,
        version=asked.version,
    )


def _confirm(api: Api, asked: _Asked, body: Confirm) -> Rotation:
    return api.keyturn.rotations.confirm(
        asked.before.id, body.fingerprint, actor=asked.actor, reason=body.reason, version=asked.version
    )


def _restore(api: Api, asked: _Asked, body: Restore) -> Rotation:
    return api.keyturn.recovery.restore(
        asked.before.id,
        actor=asked.actor,
        reason=body.reason,
        overwrite=body.overwrite,
        seen=body.fingerprint,
        version=asked.version,
    )


def _adopt(api: Api, asked: _Asked, body: Adopt) -> Rotation:
    return api.keyturn.recovery.adopt(
        asked.before.id, actor=asked.actor, reason=body.reason, seen=body.fingerprint, version=asked.version
    )


_ACTS: Final[Mapping[Verb, _Act]] = {
    Verb.PARK: _Act(
        Action,
        lambda api, rotation, _: api.keyturn.rehearsals.park(rotation),
        lambda api, asked, body: api.keyturn.rotations.park(
            asked.before.id, actor=asked.actor, reason=body.reason, version=asked.version
        ),
    ),
    Verb.CARRY: _Act(
        Action, lambda api, rotation, _: api.keyturn.rehearsals.carry(rotation), _carry, HTTPStatus.ACCEPTED
    ),
    Verb.RESUME: _Act(
        Resume,
        lambda api, rotation, body: api.keyturn.rehearsals.resume(
            rotation, create_record=body.create_record, overwrite=body.overwrite
        ),
        _resume,
    ),
    Verb.BEGIN: _Act(
        Action,
        lambda api, rotation, _: api.keyturn.rehearsals.begin(rotation),
        lambda api, asked, body: api.keyturn.rotations.begin(
            asked.before.id, actor=asked.actor, reason=body.reason, version=asked.version
        ),
    ),
    Verb.CONFIRM: _Act(
        Confirm, lambda api, rotation, body: api.keyturn.rehearsals.confirm(rotation, body.fingerprint), _confirm
    ),
    Verb.RESTORE: _Act(
        Restore,
        lambda api, rotation, body: api.keyturn.rehearsals.restore(
            rotation, overwrite=body.overwrite, seen=body.fingerprint
        ),
        _restore,
    ),
    Verb.ADOPT: _Act(
        Adopt, lambda api, rotation, body: api.keyturn.rehearsals.adopt(rotation, seen=body.fingerprint), _adopt
    ),
    Verb.ABANDON: _Act(
        Action,
        lambda api, rotation, _: api.keyturn.rehearsals.abandon(rotation),
        lambda api, asked, body: api.keyturn.recovery.abandon(
            asked.before.id, actor=asked.actor, reason=body.reason, version=asked.version
        ),
    ),
}
"""Restore, adopt and abandon ask the other systems before they answer; the others only store a decision."""


def add_all(app: FastAPI, api: Api) -> None:
    """Add the routes."""
    for verb in ACTIONS:
        _add_verb(app, api, verb, _ACTS[verb])
    _add_start(app, api)
    _add_trigger(app, api)
    _add_tokens(app, api)


def _add_verb(app: FastAPI, api: Api, verb: Verb, act: _Act) -> None:
    def do(
        request: Request, rotation: RotationId, body: Action, if_match: IfMatch = None, *, dry_run: DryRun = False
    ) -> Response:
        if dry_run:
            return JSONResponse(rehearsal_json(act.rehearse(api, api.rotation(rotation).id, body)))
        version = tags.version(if_match)
        before = api.rotation(rotation)
        with api.stop.carrying(before):  # what is being sent is finished before this process ends
            after = act.do(api, _Asked(before, caller(request).actor, version), body)
        record = rotation_json(after, api.keyturn.rotations.now())
        return JSONResponse(record, act.status, headers={"etag": tags.tag(after)})

    do.__annotations__["body"] = act.body
    responses = {200: _DONE, act.status.value: _DONE}
    add(app, "POST", f"/rotations/{{rotation}}/{verb.value}", do, responses=responses, name=verb.value)


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
        place = {"location": f"{PREFIX}/rotations/{rotation.id}", "etag": tags.tag(rotation)}
        status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
        return JSONResponse(rotation_json(rotation, keyturn.rotations.now()), status, headers=place)

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
        }

    responses = {200: answer("The rotations that were started, and the connections where that failed.")}
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
