"""The status as JSON."""

from orchestrator.operations.status import Report
from orchestrator.views.outage import outage_json
from orchestrator.views.silence import silence_json
from orchestrator.views.values import Json, iso


def status_json(report: Report) -> Json:
    """``at``, ``needs_person``, ``concerns`` (the most harmful first: ``code``, ``connection`` (null where it is about
    the workers), ``rotation`` (null without an open one), ``message``, ``since``, ``outage``, ``next_action``,
    ``silence`` (what keeps people from being notified of it, or null)), ``connections`` and ``under_way`` (numbers),
    ``next_due`` (``at``, ``connection``; null where no rotation begins by itself), ``workers`` (alive ones:
    ``name``, ``host``, ``version``, ``threads``, ``started_at``, ``seen_at``), ``checked`` (whether changes outside
    Keyturn would show: not without the key-encryption key).
    """
    return {
        "at": iso(report.at),
        "needs_person": bool(report.concerns),
        "concerns": [
            {
                "code": each.harm.name,
                "connection": each.connection,
                "rotation": each.rotation,
                "message": each.message,
                "since": iso(each.since),
                "outage": outage_json(each.outage, report.at),
                "next_action": each.next_action.to_data(),
                "silence": silence_json(silence) if (silence := report.silence_of(each)) else None,
            }
            for each in report.concerns
        ],
        "connections": report.connections,
        "under_way": report.under_way,
        "next_due": {"at": iso(report.next_due[0]), "connection": report.next_due[1]} if report.next_due else None,
        "workers": [
            {
                "name": each.name,
                "host": each.host,
                "version": each.version,
                "threads": each.threads,
                "started_at": iso(each.started_at),
                "seen_at": iso(each.seen_at),
            }
            for each in report.workers
        ],
        "checked": report.is_checked,
    }
