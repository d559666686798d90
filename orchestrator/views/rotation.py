"""A rotation, and its explanation, as JSON."""

from datetime import datetime

from orchestrator.operations.rotations import Explanation
from orchestrator.views.journal import entry_json
from orchestrator.views.outage import outage_json
from orchestrator.views.values import Json, certificate_json, iso
from states.approval import ApprovalRequest
from states.outage import outage_of
from states.rotation import Rotation
from states.summary import RotationSummary


def rotation_json(rotation: Rotation | RotationSummary, now: datetime) -> Json:
    """``id``, ``connection``, ``state``, ``cause``, ``actor``, ``reason``, ``attempt``, ``tries``, ``created_at``,
    ``updated_at``, ``available_at``, ``closed_at``, ``skew_seconds`` (up to now where it still grows; null before the
    upload), ``in_doubt`` (whether a write's answer was lost), ``in_flight_until`` (until when such a write may still
    take effect; null where there was none), ``restoring_since`` (null unless a restore was begun and not finished),
    ``ending`` (how a Failed rotation was closed: ``abandoned``, ``restored``, ``adopted``; null for any other),
    ``candidate`` and ``previous`` (certificates), ``broken`` (what shows that it was changed outside Keyturn; null
    for nearly all), ``waiting_for`` (null when nothing is waited for), ``awaits_person``, ``approval`` (not in lists:
    the request that waits for a second person, see ``approval_json``; null without one), ``outage`` (null unless
    imports are or may be refused because of it: see `views.outage`), ``failure`` (``failed_from``, ``code``,
    ``message``, ``next_action``, ``at``; null unless Failed).
    """
    shown = RotationSummary.of(rotation) if isinstance(rotation, Rotation) else rotation
    asked = {"approval": approval_json(rotation.circumstances.approval)} if isinstance(rotation, Rotation) else {}
    skew, failure = shown.skew(now), shown.failure
    return {
        "id": shown.id,
        "connection": shown.connection,
        "state": shown.state.value,
        "cause": shown.cause.value,
        "actor": shown.actor,
        "reason": shown.reason,
        "attempt": shown.attempt,
        "tries": shown.tries,
        "created_at": iso(shown.created_at),
        "updated_at": iso(shown.updated_at),
        "available_at": iso(shown.available_at),
        "closed_at": iso(shown.closed_at),
        "skew_seconds": round(skew.total_seconds(), 3) if skew is not None else None,
        "in_doubt": shown.doubt_since is not None,
        "in_flight_until": iso(shown.in_flight_until),
        "restoring_since": iso(shown.restoring_since),
        "ending": shown.ending.value if shown.ending else None,
        "candidate": certificate_json(shown.candidate),
        "previous": certificate_json(shown.previous),
        "broken": shown.broken or None,
        "waiting_for": shown.waiting_for or None,
        "awaits_person": shown.awaits_person,
        **asked,
        "outage": outage_json(outage_of(shown), now),
        "failure": {
            "failed_from": failure.failed_from.value,
            "code": failure.code,
            "message": failure.message,
            "next_action": failure.next_action.about(rotation=shown.id, connection=shown.connection).to_data(),
            "at": iso(failure.at),
        }
        if failure
        else None,
    }


def approval_json(request: ApprovalRequest | None) -> Json | None:
    """``number`` (an approval names it), ``verb``, ``overwrite``, ``fingerprint`` (that a person read in OpenAir;
    null where Keyturn reads it), ``actor``, ``reason``, ``at``, ``expires_at``.
    """
    if request is None:
        return None
    return {
        "number": request.number,
        "verb": request.wanted.verb.value,
        "overwrite": request.wanted.overwrite,
        "fingerprint": request.wanted.fingerprint or None,
        "actor": request.actor,
        "reason": request.reason,
        "at": iso(request.at),
        "expires_at": iso(request.expires_at),
    }


def explanation_json(shown: Explanation, now: datetime) -> Json:
    """``rotation``, ``journal``, ``verbs`` (``name``, ``action``, ``possible``, ``why_not``), ``next_action``.

    An action has ``verb``, ``options``, ``because``, ``then``, ``alternatives``.
    """
    return {
        "rotation": rotation_json(shown.rotation, now),
        "journal": [entry_json(each) for each in shown.journal],
        "verbs": [
            {
                "name": action.verb.value,
                "action": action.to_data(),
                "possible": not why_not,
                "why_not": why_not or None,
            }
            for action, why_not in shown.verbs
        ],
        "next_action": shown.next_action.to_data(),
    }
