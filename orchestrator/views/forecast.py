"""A forecast as JSON, and what it assumes."""

from datetime import timedelta
from typing import Final

from orchestrator.forecast.rotation_course import STEP_TAKES
from orchestrator.operations.forecasts import Expired, Forecast, Outcome, Rotated, Week
from orchestrator.views.values import Json, iso
from states.table import FORWARD
from states.timing import OUTAGE_REPORTED_AFTER

ASSUMED: Final = (
    f"A step takes {STEP_TAKES.seconds} seconds, and a rotation {STEP_TAKES.seconds * len(FORWARD)}. A worker always "
    "runs, and begins a rotation at the moment that is stored or drawn for it.",
    "A new certificate is valid for the days that its connection's policy says.",
    "No person acts: what is parked or waits for a person remains so. No connection is added, changed or removed.",
    "Apart from the outage, every request succeeds. Within a step, the waits between tries are the average ones.",
)
"""What a forecast assumes, in sentences."""


def refused_for(played: Rotated) -> timedelta | None:
    """For how long imports are refused because of the outage; None where only while a rotation runs."""
    return played.carried.skew if played.carried.postponed and played.carried.skew > OUTAGE_REPORTED_AFTER else None


def forecast_json(forecast: Forecast) -> Json:
    """Return the fields of a forecast.

    ``from`` and ``until``; ``connections`` and ``automatic`` (numbers); ``outage`` (``from``, ``until``; null without
    one); ``expired`` (certificates that expire in use, the first first: ``connection``, ``at``, ``until``, null where
    none replaces it, ``because``); ``left_to_person`` and ``postponed`` (rotations: ``connection``, ``begins``, null
    for one that is open already, ``ends``, null for one that is left, ``outcome``, and ``refused_for``, in seconds,
    null where imports are refused only while a rotation runs); ``restored`` (a number); ``nearest`` (the
    completed rotation that was the nearest to an expiry: ``connection``, ``at``, ``margin`` in seconds; null without
    one); ``weeks`` (``from``, ``begun``, ``completed``, ``most_at_once``, ``postponed``, ``left_to_person``,
    ``expired``, ``margin``); ``assumed`` (sentences).
    """
    nearest, downtime = forecast.nearest, forecast.downtime
    return {
        "from": iso(forecast.begins),
        "until": iso(forecast.ends),
        "connections": forecast.connections,
        "automatic": forecast.automatic,
        "outage": {"from": iso(downtime.begins), "until": iso(downtime.ends)} if downtime else None,
        "expired": [_expired(each) for each in forecast.expired],
        "left_to_person": [_rotated(each) for each in forecast.left],
        "postponed": [_rotated(each) for each in forecast.postponed],
        "restored": forecast.restored,
        "nearest": {
            "connection": nearest.connection,
            "at": iso(nearest.carried.at),
            "margin": _seconds(nearest.margin),
        }
        if nearest
        else None,
        "weeks": [week_json(each) for each in forecast.weeks],
        "assumed": list(ASSUMED),
    }


def _expired(expired: Expired) -> Json:
    return {
        "connection": expired.connection,
        "at": iso(expired.at),
        "until": iso(expired.until),
        "because": expired.because,
    }


def _rotated(played: Rotated) -> Json:
    carried = played.carried
    return {
        "connection": played.connection,
        "begins": iso(played.begins),
        "ends": None if carried.outcome is Outcome.LEFT else iso(carried.at),
        "outcome": carried.outcome.value,
        "refused_for": _seconds(refused_for(played)),
    }


def week_json(week: Week) -> Json:
    """Return the fields of one week, as ``forecast_json`` names them."""
    return {
        "from": iso(week.begins),
        "begun": week.begun,
        "completed": week.completed,
        "most_at_once": week.most_at_once,
        "postponed": week.postponed,
        "left_to_person": week.left,
        "expired": week.expired,
        "margin": _seconds(week.margin),
    }


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else round(span.total_seconds(), 3)
