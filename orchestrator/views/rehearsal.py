"""What a verb would do, as JSON."""

from orchestrator.operations.rehearsal import ExpectedSkew, Rehearsal
from orchestrator.views import formatting
from orchestrator.views.values import Json


def skew_text(expected: ExpectedSkew) -> str:
    """How long imports may be refused: ``0.12 s usually and 0.31 s at most, by the last 5 rotations``."""
    if expected.rotations == 1:
        return f"{formatting.span(expected.usual)}, by the last rotation"
    usual, longest = formatting.span(expected.usual), formatting.span(expected.longest)
    return f"{usual} usually and {longest} at most, by the last {expected.rotations} rotations"


def rehearsal_json(shown: Rehearsal) -> Json:
    """``dry_run`` (true), ``verb``, ``connection``, ``rotation`` (null where a new one would begin), ``seen`` and
    ``sends`` (``system``, ``what``; in order), ``ends`` (what would be so afterwards), ``expected_skew`` (how long
    imports may be refused: ``median_seconds``, ``longest_seconds``, ``rotations``; null where none would be, or no
    completed rotation says).
    """
    expected = shown.skew
    return {
        "dry_run": True,
        "verb": shown.verb.value,
        "connection": shown.connection,
        "rotation": shown.rotation,
        "seen": [{"system": system, "what": what} for system, what in shown.seen],
        "sends": [{"system": system, "what": what} for system, what in shown.sends],
        "ends": shown.ends,
        "expected_skew": {
            "median_seconds": round(expected.usual.total_seconds(), 3),
            "longest_seconds": round(expected.longest.total_seconds(), 3),
            "rotations": expected.rotations,
        }
        if expected
        else None,
    }
