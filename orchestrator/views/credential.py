"""Keyturn's own credentials as JSON."""

from datetime import datetime

from orchestrator.views.values import Json, iso
from states.credential import Credential


def credential_json(shown: Credential, now: datetime) -> Json:
    """``credential`` (names it within its connection), ``kind``, ``connection`` (null for the installation's),
    ``name``, ``not_after`` (null where that is not known, or where it has no known end), ``known`` (false where it ends
    on a day that Keyturn does not know), ``ended``, ``used_at`` (when a token was last used, or a refresh token last
    renewed; null where that is not known), ``note``, ``next_action`` (what replaces it, or tells Keyturn its end).
    """
    return {
        "credential": shown.id,
        "kind": shown.kind.value,
        "connection": shown.connection,
        "name": shown.name,
        "not_after": iso(shown.not_after),
        "known": shown.is_known,
        "ended": shown.not_after is not None and shown.not_after <= now,
        "used_at": iso(shown.used_at),
        "note": shown.note,
        "next_action": shown.next_action.to_data(),
    }
