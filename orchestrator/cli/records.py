"""The shapes of JSON output. They are stable: fields may be added, none is renamed or dropped.

Moments are ISO 8601 in UTC (``2026-11-23T20:15:03.123Z``), spans are seconds, fingerprints 64 lower-case hex digits
(SHA-256 of the DER encoding). Nothing secret is ever in one.
"""

from datetime import datetime

from orchestrator.cli.formatting import iso
from orchestrator.cli.output import Json
from orchestrator.operations.doctor import Finding
from orchestrator.operations.rotations import Explanation
from orchestrator.secrets import SecretName
from persistence.journal import Entry
from states.certificate import Certificate
from states.connection import Connection
from states.health import Health
from states.rotation import Rotation
from states.summary import CertificateSummary, ConnectionSummary, RotationSummary


def certificate(held: Certificate | CertificateSummary | None) -> Json | None:
    """``fingerprint``, ``not_before``, ``not_after``; null where there is none."""
    if held is None:
        return None
    return {"fingerprint": held.fingerprint, "not_before": iso(held.not_before), "not_after": iso(held.not_after)}


def connection(shown: Connection | ConnectionSummary, secrets: list[SecretName] | None = None) -> Json:
    """``name``, ``netsuite``, ``openair``, ``options``, ``policy``, ``bundles``, ``automatic``, ``certificate``,
    ``due_at``, ``version``; and ``secrets``, by name whether each is set, where one connection is shown.
    """
    netsuite, openair, policy, options = shown.netsuite, shown.openair, shown.policy, shown.options
    record: Json = {
        "name": shown.name,
        "netsuite": {
            "account": netsuite.account,
            "client_id": netsuite.client_id,
            "certificate_id": netsuite.certificate_id,
            "restlet_url": netsuite.restlet_url,
            "token_url": netsuite.token_url,
            "assertion_algorithm": netsuite.assertion_algorithm,
            "script": netsuite.script,
            "deployment": netsuite.deployment,
        },
        "openair": {
            "kind": openair.kind.value,
            "url": openair.url,
            "company": openair.company,
            "user": openair.user,
            "client_id": openair.client_id,
            "namespace": openair.namespace,
            "preference": openair.preference,
        },
        "options": {
            "single_sign_on": options.single_sign_on,
            "real_time_integration": options.real_time_integration,
            "oauth2": options.oauth2,
        },
        "policy": {"algorithm": policy.algorithm.value, "days": policy.days, "keep_key": policy.keep_key},
        "bundles": dict(shown.bundles),
        "automatic": shown.is_automatic,
        "certificate": certificate(shown.current),
        "due_at": iso(shown.due_at) if shown.is_automatic else None,
        "version": shown.version,
    }
    if secrets is not None:
        record["secrets"] = {secret.name.lower(): secret in secrets for secret in SecretName}
    return record


def rotation(rotation: Rotation | RotationSummary, now: datetime) -> Json:
    """``id``, ``connection``, ``state``, ``cause``, ``actor``, ``reason``, ``attempt``, ``tries``, ``created_at``,
    ``updated_at``, ``available_at``, ``closed_at``, ``skew_seconds`` (up to now where it still grows; null before the
    upload), ``in_doubt`` (whether a write's answer was lost), ``in_flight_until`` (until when such a write may still
    take effect; null where there was none), ``restoring_since`` (null unless a restore was begun and not finished),
    ``ending`` (how a Failed rotation was closed: ``abandoned``, ``restored``, ``adopted``; null for any other),
    ``candidate`` and ``previous`` (certificates), ``broken`` (what shows that it was changed outside Keyturn; null
    for nearly all), ``waiting_for`` (null when nothing is waited for), ``failure`` (``failed_from``, ``code``,
    ``message``, ``next_action``, ``at``; null unless Failed).
    """
    shown = RotationSummary.of(rotation) if isinstance(rotation, Rotation) else rotation
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
        "candidate": certificate(shown.candidate),
        "previous": certificate(shown.previous),
        "broken": shown.broken or None,
        "waiting_for": shown.waiting_for or None,
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


def entry(written: Entry) -> Json:
    """One journal entry: ``rotation``, ``seq``, ``at``, ``actor``, ``event``, ``from`` (null for the first), ``to``,
    ``attempt``, ``detail`` (evidence), ``previous_hash``, ``hash``.
    """
    return {
        "rotation": written.rotation_id,
        "seq": written.seq,
        "at": iso(written.at),
        "actor": written.actor,
        "event": written.event,
        "from": written.source.value if written.source else None,
        "to": written.target.value,
        "attempt": written.attempt,
        "detail": dict(written.detail),
        "previous_hash": written.previous_hash,
        "hash": written.hash,
    }


def explanation(told: Explanation, now: datetime) -> Json:
    """``rotation``, ``journal``, ``verbs`` (``name``, ``action``, ``possible``, ``why_not``), ``next_action``.

    An action has ``verb``, ``options``, ``because``, ``then``, ``alternatives``.
    """
    return {
        "rotation": rotation(told.rotation, now),
        "journal": [entry(each) for each in told.journal],
        "verbs": [
            {
                "name": action.verb.value,
                "action": action.to_data(),
                "possible": not why_not,
                "why_not": why_not or None,
            }
            for action, why_not in told.verbs
        ],
        "next_action": told.next_action.to_data(),
    }


def health(name: str, found: Health) -> Json:
    """``connection``, ``shows`` (whether OpenAir's form shows the line), ``sentence`` (the vendor's), ``valid_until``
    (null where no certificate is valid), ``problems`` (``code``, ``message``, ``next_action``).
    """
    return {
        "connection": name,
        "shows": found.shows,
        "sentence": found.sentence,
        "valid_until": iso(found.valid_until),
        "problems": [
            {"code": problem.code, "message": problem.message, "next_action": problem.next_action.to_data()}
            for problem in found.problems
        ],
    }


def finding(found: Finding) -> Json:
    """What the doctor found: ``subject``, ``ok``, ``message``, ``fix`` (null where nothing is to be fixed)."""
    return {
        "subject": found.subject,
        "ok": found.ok,
        "message": found.message,
        "fix": found.fix and found.fix.to_data(),
    }
