"""What a verb would do, as JSON."""

from orchestrator.operations.rehearsal import Rehearsal
from orchestrator.views.values import Json


def rehearsal_json(shown: Rehearsal) -> Json:
    """``dry_run`` (true), ``verb``, ``connection``, ``rotation`` (null where a new one would begin), ``seen`` and
    ``sends`` (``system``, ``what``; in order), ``ends`` (what would be so afterwards).
    """
    return {
        "dry_run": True,
        "verb": shown.verb.value,
        "connection": shown.connection,
        "rotation": shown.rotation,
        "seen": [{"system": system, "what": what} for system, what in shown.seen],
        "sends": [{"system": system, "what": what} for system, what in shown.sends],
        "ends": shown.ends,
    }
