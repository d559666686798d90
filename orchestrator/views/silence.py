"""Silences: as JSON, and in words."""

from orchestrator.operations.silences import Listed
from orchestrator.views import formatting
from orchestrator.views.values import Json, iso
from states.silence import Silence


def silence_json(silence: Silence) -> Json:
    """``id``, ``connection`` (null for all), ``kind`` (a stable code; null for all but critical ones), ``reason``,
    ``created_at``, ``created_by``, ``until``, ``ended_at`` and ``ended_by`` (null unless a person ended it early).
    """
    return {
        "id": silence.id,
        "connection": silence.connection,
        "kind": silence.kind.value if silence.kind else None,
        "reason": silence.reason,
        "created_at": iso(silence.created_at),
        "created_by": silence.created_by,
        "until": iso(silence.until),
        "ended_at": iso(silence.ended_at),
        "ended_by": silence.ended_by,
    }


def listed_json(shown: Listed) -> Json:
    """What ``silence_json`` has, and ``active`` (whether it silences anything now), ``authentic`` (false where it was
    changed outside Keyturn).
    """
    return {**silence_json(shown.silence), "active": shown.is_active, "authentic": shown.is_authentic}


def sentence(silence: Silence) -> str:
    """What is said next to what it silences."""
    return f"Silenced until {formatting.moment(silence.until)}, by {silence.created_by}: {silence.reason}"
