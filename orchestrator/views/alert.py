"""Alerts and the messages about them: as JSON, and in words."""

import json
from typing import Final

from orchestrator.operations.alerts import Stored
from orchestrator.views import formatting, next_actions
from orchestrator.views.silence import silence_json
from orchestrator.views.values import Json, iso
from states.alert import Alert, Finding, Kind, Message, Phase
from states.silence import Silence

_IN_WORDS: Final = {
    Kind.OUTAGE: "Imports are refused, or may be",
    Kind.TAMPERED: "Changed outside Keyturn",
    Kind.PARKED: "A rotation is parked",
    Kind.AWAITING_PERSON: "A rotation waits for a person",
    Kind.OVERDUE: "A certificate is overdue",
    Kind.EXPIRING: "A certificate expires",
    Kind.CREDENTIAL_EXPIRING: "One of Keyturn's own credentials expires",
    Kind.NO_WORKER: "No worker",
    Kind.LEFT_ALONE: "Work is left alone",
    Kind.DUE: "A certificate is due that no schedule rotates",
    Kind.SILENT_WORKER: "A worker is silent",
    Kind.OTHER_VERSION: "A worker runs another version",
    Kind.RESTORED: "The previous certificate was restored",
    Kind.TEST: "A test",
}
_PHASES: Final = {Phase.LASTS: "Still: ", Phase.ENDED: "Over: "}


def message_json(message: Message) -> Json:
    """``id`` (the same when the message is sent again), ``alert`` and ``seq`` (the alert that it is about, and its
    number among the messages about it), ``phase`` (``began``, ``changed``, ``lasts``, ``ended``, ``happened``),
    ``title``, ``at``, and what ``alert_json`` has of the finding.
    """
    return {
        "id": message.id,
        "alert": message.alert,
        "seq": message.seq,
        "phase": message.phase.value,
        "title": title(message),
        "at": iso(message.at),
        **_finding_json(message.finding),
    }


def alert_json(alert: Alert, silence: Silence | None) -> Json:
    """``id``, ``began_at``, ``reported`` (how many messages there were), ``reported_at``, ``kind`` and ``severity``
    (stable codes), ``connection``, ``rotation``, ``code`` (of the error, or null), ``days`` (the last step
    before expiry that is reached, or null), ``message``, ``since``, ``next_action``, ``command`` (null where nothing is
    left but what a person does elsewhere), ``silence`` (what keeps it from being sent, or null).
    """
    return {
        "id": alert.id,
        "began_at": iso(alert.began_at),
        "reported": alert.reported,
        "reported_at": iso(alert.reported_at),
        **_finding_json(alert.finding),
        "silence": silence_json(silence) if silence else None,
    }


def stored_json(stored: Stored) -> Json:
    """What ``message_json`` has, and ``delivered`` (the routes whose receiver has it), ``error`` (why another one's has
    not; null where nothing failed), ``done_at`` (null while it is still to be sent), ``silence`` (the id of the silence
    that kept it from being sent, or null).
    """
    return {
        **message_json(stored.message),
        "delivered": list(stored.delivered),
        "error": stored.error or None,
        "done_at": iso(stored.done_at),
        "silence": stored.silence,
    }


def title(message: Message) -> str:
    """One line, such as the subject of a mail."""
    about = f"{message.finding.connection}: " if message.finding.connection else ""
    return f"{_PHASES.get(message.phase, '')}{about}{_IN_WORDS[message.finding.kind]}"


def body(message: Message) -> bytes:
    """The message as JSON, as a webhook gets it: always the same bytes."""
    return json.dumps(message_json(message), ensure_ascii=False, sort_keys=True).encode()


def text(message: Message) -> str:
    """What a person reads: the most harmful first, then what to do, then what it is about."""
    finding = message.finding
    about = {
        "connection": finding.connection,
        "rotation": finding.rotation,
        "code": finding.code,
        "severity": finding.severity.name.lower(),
        "since": formatting.moment(finding.since),
        "message": message.id,
    }
    lines = [f"{name:<12}{value}" for name, value in about.items() if value]
    return "\n".join([finding.message, "", next_actions.render(finding.next_action), "", *lines, ""])


def _finding_json(finding: Finding) -> Json:
    return {
        "kind": finding.kind.value,
        "severity": finding.severity.name.lower(),
        "connection": finding.connection,
        "rotation": finding.rotation,
        "code": finding.code,
        "days": finding.days,
        "message": finding.message,
        "since": iso(finding.since),
        "next_action": finding.next_action.to_data(),
        "command": next_actions.command(finding.next_action),
    }
