"""The pages of the verbs: a GET rehearses, which makes only the reads; a POST does it, if nothing has changed since.

A form carries the version that its person saw. The operation refuses another one, so no one acts on what is over.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from orchestrator.bootstrap import Keyturn
from orchestrator.console import actions
from orchestrator.console.context import Console
from orchestrator.console.forms import Form, Posted, Query
from orchestrator.console.rendering import Shown
from orchestrator.console.sessions import SESSION
from orchestrator.operations.approvals import By
from orchestrator.operations.rehearsal import Rehearsal
from orchestrator.operations.verbs import VERBS, Asked, Options
from states.approval import APPROVABLE, Wanted
from states.connection import OnRefusal
from states.errors import IllegalMove, InvalidInput, KeyturnError, Refused, TryLater, Unknown
from states.next_action import NextAction, Verb
from states.outage import outage_of
from states.preconditions import why_not
from states.rotation import Rotation

_INCOMPLETE: Final = "The form is not complete. Open the page again."
_ON_REFUSAL: Final = {OnRefusal.RESTORE.value: OnRefusal.RESTORE, OnRefusal.PARK.value: OnRefusal.PARK}


_DESTROYED: Final = "The rotation is closed, and its certificate's private key is destroyed."
_IRREVERSIBLE: Final[Mapping[Verb, str]] = {
    Verb.RESUME: "What is sent to NetSuite replaces the certificate that its record holds.",
    Verb.BEGIN: "From the upload on, imports are refused until you have saved the certificate in OpenAir.",
    Verb.RESTORE: _DESTROYED,
    Verb.ADOPT: "The rotation is closed, and Keyturn's private keys of this connection are destroyed.",
    Verb.ABANDON: _DESTROYED,
}
"""What cannot be undone of the other verbs: nothing."""
_UNREASONED: Final = (Verb.CARRY, Verb.BEGIN, Verb.CONFIRM)
"""The verbs that need no reason."""


def add(app: FastAPI, console: Console) -> None:
    """Add the pages."""

    @app.get("/rotations/{rotation}/{verb}")
    def rehearse(request: Request, rotation: str, verb: str, query: Query) -> Response:
        shown = _rehearsed(console, rotation, _known(verb), query, request.scope[SESSION].actor)
        return console.page(request, shown)

    @app.post("/rotations/{rotation}/{verb}")
    def do(request: Request, rotation: str, verb: str, form: Posted) -> Response:
        wanted = _known(verb)
        reason = "" if wanted in _UNREASONED else form.reason
        asked = Asked(actor=request.scope[SESSION].actor, reason=reason, version=form.version)
        after = console.verbs.do(wanted, rotation, _options(form), asked)
        return RedirectResponse(f"/rotations/{after.id}", HTTPStatus.SEE_OTHER)

    @app.get("/connections/{name}/rotate")
    def rehearse_rotation(request: Request, name: str) -> Response:
        return console.page(request, _new(console.keyturn, name))

    @app.post("/connections/{name}/rotate")
    def rotate(request: Request, name: str, form: Posted) -> Response:
        _check_tips(console.keyturn, name)
        if "follows" not in form.fields:
            raise InvalidInput(_INCOMPLETE)
        rotation = console.keyturn.rotations.request(
            name,
            actor=request.scope[SESSION].actor,
            reason=form.reason,
            follows=form.fields["follows"],
            on_refusal=on_refusal(form),
        )
        return RedirectResponse(f"/rotations/{rotation.id}", HTTPStatus.SEE_OTHER)


def on_refusal(form: Form) -> OnRefusal:
    """What a person wants where OpenAir does not take a certificate. Raises InvalidInput where they did not say."""
    if found := _ON_REFUSAL.get(form.fields.get("on_refusal", "")):
        return found
    raise InvalidInput(_INCOMPLETE)


def _known(verb: str) -> Verb:
    found = next((each for each in VERBS if each.value == verb), None)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return found


def _options(form: Form) -> Options:
    return Options(
        create_record=form.is_ticked("create_record"),
        overwrite=form.is_ticked("overwrite"),
        fingerprint=form.fingerprint,
        approves=form.approves,
    )


def _rehearsed(console: Console, rotation_id: str, verb: Verb, query: Form, actor: str) -> Shown:
    """The page of a verb: what would be done, and the form that does it where ``actor`` can do it, or ask for it."""
    rotations = console.keyturn.rotations
    rotation, now = rotations.show(rotation_id), rotations.now()
    by_hand, how, refused = rotation.circumstances.by_hand, _options(query), why_not(verb, rotation, now)
    wants_fingerprint = verb is Verb.CONFIRM or (by_hand and verb in (Verb.RESTORE, Verb.ADOPT))
    is_ready = not refused and not (wants_fingerprint and not query.fingerprint)
    wanted, is_asked = how.wanted(verb), False
    if verb in APPROVABLE and is_ready:
        by = By(actor=actor, reason="to be given", approves=how.approves)
        refused = _unapprovable(console, rotation, wanted, by)
        is_ready, is_asked = not refused, console.keyturn.approvals.must_ask(rotation, wanted, how.approves)
    done, error = _tried(lambda: console.verbs.rehearse(verb, rotation.id, how)) if is_ready else (None, None)
    options = {name: "1" for name in ("overwrite", "create_record") if query.is_ticked(name)}
    options |= {"approves": str(how.approves)} if how.approves else {}
    given = {**options, **({"fingerprint": query.fingerprint} if query.fingerprint else {})}
    values = {
        "verb": verb,
        "label": _label(verb, how, is_asked=is_asked),
        "request": rotation.circumstances.approval,
        "is_asked": is_asked,
        "rotation": rotation,
        "outage": outage_of(rotation),
        "refused": refused,
        "rehearsal": done,
        "error": error,
        "is_offered": _is_offered(verb, done, error),
        "irreversible": _IRREVERSIBLE.get(verb, ""),
        "asks_reason": verb not in _UNREASONED,
        "wants_fingerprint": wants_fingerprint,
        "options": options,
        "given": given,
        "command": NextAction(verb, {"rotation": rotation.id, **_as_options(given)}),
        "now": now,
    }
    return Shown("verb.html", f"{values['label']} · {rotation.connection}", values)


def _unapprovable(console: Console, rotation: Rotation, wanted: Wanted, by: By) -> str:
    """Why a request waits that is approved or withdrawn before another one, or why a person cannot approve it."""
    request, approvals = rotation.circumstances.approval, console.keyturn.approvals
    if by.approves is None:
        is_waiting = request is not None and request.is_valid(console.keyturn.rotations.now())
        return request.sentence if request and is_waiting and approvals.must_ask(rotation, wanted, None) else ""
    try:
        approvals.approve(rotation, wanted, by)
    except KeyturnError as error:
        return error.message
    return ""


def _label(verb: Verb, how: Options, *, is_asked: bool) -> str:
    if is_asked:
        return f"Ask for approval: {actions.OF_ROTATION[verb]}"
    return f"{actions.APPROVE} {actions.OF_ROTATION[verb]}" if how.approves else actions.OF_ROTATION[verb]


def _new(keyturn: Keyturn, name: str) -> Shown:
    """The page that begins a rotation."""
    connection = keyturn.connections.show(name)
    hidden = connection.options.hides_certificate
    newest = keyturn.lists.newest(name)
    open_rotation = newest if newest and newest.is_open else None
    done, error = _tried(lambda: keyturn.rehearsals.rotate(name)) if not (hidden or open_rotation) else (None, None)
    values = {
        "connection": connection,
        "hidden": hidden,
        "rotation": open_rotation,
        "follows": newest.id if newest else "",
        "rehearsal": done,
        "error": error,
        "is_offered": _is_offered(Verb.ROTATE, done, error),
        "workers": keyturn.workers.alive(),
        "command": NextAction(Verb.ROTATE, {"connection": name}),
    }
    return Shown("rotate.html", f"Generate a certificate · {name}", values)


def _tried(rehearse: Callable[[], Rehearsal]) -> tuple[Rehearsal | None, KeyturnError | None]:
    """What the rehearsal said, or the error that the verb would raise."""
    try:
        return rehearse(), None
    except KeyturnError as error:
        return None, error


def _is_offered(verb: Verb, done: Rehearsal | None, error: KeyturnError | None) -> bool:
    """Whether the form is shown: the rehearsal went well, or what it met would only park or postpone the rotation."""
    if done is not None:
        return True
    return verb in (Verb.RESUME, Verb.ROTATE) and isinstance(error, (TryLater, Refused, Unknown))


def _as_options(given: Mapping[str, str]) -> dict[str, str | bool]:
    return {name: value if name in ("fingerprint", "approves") else True for name, value in given.items()}


def _check_tips(keyturn: Keyturn, name: str) -> None:
    """Raise IllegalMove where OpenAir's form would not show the entry."""
    if hidden := keyturn.connections.show(name).options.hides_certificate:
        raise IllegalMove(f"OpenAir's form does not show this entry. {' '.join(hidden)}")
