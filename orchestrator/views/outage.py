"""An outage as JSON."""

from datetime import datetime

from orchestrator.views.values import Json, iso
from states.outage import Outage


def outage_json(found: Outage | None, now: datetime) -> Json | None:
    """``connection``, ``rotation`` (null where the certificate expired), ``since``, ``seconds`` (up to now),
    ``certain`` (false while an answer is lost, or a person may have saved already), ``reason``, ``sentence``; null
    without an outage.
    """
    if found is None:
        return None
    return {
        "connection": found.connection,
        "rotation": found.rotation,
        "since": iso(found.since),
        "seconds": round((now - found.since).total_seconds(), 3),
        "certain": found.is_certain,
        "reason": found.reason,
        "sentence": found.sentence(now),
    }
