"""A connection's health, whether it needs a rotation, and the doctor's findings, as JSON."""

from datetime import datetime

from orchestrator.operations.doctor import Finding
from orchestrator.views.outage import outage_json
from orchestrator.views.values import Json, iso
from states.connection import Connection
from states.due import Need
from states.health import Health


def health_json(name: str, found: Health, now: datetime) -> Json:
    """``connection``, ``outage`` (null unless imports are or may be refused because of its open rotation), ``shows``
    (whether OpenAir's form shows the line; null where that is not known), ``sentence`` (the vendor's, or that it is not
    known), ``valid_until`` (null where no certificate is valid, or that is not known), ``sign_in_until`` (until when
    Keyturn's own certificate for NetSuite is valid; null where that is not known), ``problems`` (``code``, ``message``,
    ``next_action``).
    """
    return {
        "connection": name,
        "outage": outage_json(found.outage, now),
        "shows": found.shows,
        "sentence": found.sentence,
        "valid_until": iso(found.valid_until),
        "sign_in_until": iso(found.sign_in_until),
        "problems": [
            {"code": problem.code, "message": problem.message, "next_action": problem.next_action.to_data()}
            for problem in found.problems
        ],
    }


def finding_json(found: Finding) -> Json:
    """What the doctor found: ``subject``, ``ok``, ``set_up`` (false where there was nothing to check, which is no
    failure), ``message``, ``fix`` (null where nothing is to be fixed).
    """
    return {
        "subject": found.subject,
        "ok": found.ok,
        "set_up": found.is_set_up,
        "message": found.message,
        "fix": found.fix and found.fix.to_data(),
    }


def need_json(connection: Connection, need: Need) -> Json:
    """Whether a rotation is due: ``connection``, ``need``, ``due``, ``not_after``, ``due_at`` (null when by hand)."""
    current = connection.current
    return {
        "connection": connection.name,
        "need": need.value,
        "due": need is not Need.NOT_DUE,
        "not_after": iso(current.not_after) if current else None,
        "due_at": iso(connection.due_at) if connection.is_automatic else None,
    }
