"""A connection as JSON."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from orchestrator.secrets import SecretName
from orchestrator.views.outage import outage_json
from orchestrator.views.values import Json, certificate_json, iso
from states.connection import Connection
from states.errors import Tampered
from states.outage import outage_on
from states.rotation import Rotation
from states.summary import ConnectionSummary

PREFERENCE_UNPROVED: Final = (
    "OpenAir's own connector is not known to read the Preference in which Keyturn saves the certificate."
)
"""True of each connection that saves by the XML API: no public endpoint saves the certificate as the connector does."""


def connection_json(
    shown: Connection | ConnectionSummary,
    secrets: list[SecretName] | None = None,
    *,
    rotation: Rotation | None,
    now: datetime,
    changed: Mapping[str, Tampered] | None = None,
) -> Json:
    """``name``, ``netsuite``, ``openair``, ``options``, ``policy``, ``bundles``, ``automatic``, ``certificate``,
    ``due_at`` (null while no rotation will begin by itself: by hand, or because one is open), ``open_rotation``
    (``id``, ``state``, ``parked``, ``awaits_person``; null without one), ``outage`` (null unless imports are or may be
    refused: see `views.outage`), ``version``, ``checked`` (whether changes made outside Keyturn would show: not without
    the key-encryption key), ``broken`` (null unless it was changed so); and, where one connection is shown,
    ``secrets``, by name whether each is set.

    ``rotation`` is the connection's open one; ``changed`` has the errors for connections that were changed, by name;
    None where that was not checked.
    """
    netsuite, openair, policy, options = shown.netsuite, shown.openair, shown.policy, shown.options
    record: Json = {
        "name": shown.name,
        "netsuite": {
            "account": netsuite.account,
            "client_id": netsuite.client_id,
            "certificate_id": netsuite.certificate_id,
            "certificate_until": iso(netsuite.sign_in_ends),
            "certificate_fingerprint": netsuite.certificate_fingerprint or None,
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
            "redirect_uri": openair.redirect_uri,
            "namespace": openair.namespace,
            "preference": openair.preference,
        },
        "options": {
            "single_sign_on": options.single_sign_on,
            "real_time_integration": options.real_time_integration,
            "oauth2": options.oauth2,
        },
        "policy": {
            "algorithm": policy.algorithm.value,
            "days": policy.days,
            "keep_key": policy.keep_key,
            "on_refusal": policy.on_refusal.value,
            "starts_by_hand": policy.starts_by_hand,
        },
        "bundles": dict(shown.bundles),
        "automatic": shown.is_automatic,
        "certificate": certificate_json(shown.current),
        "due_at": iso(shown.due_at) if shown.is_automatic and rotation is None else None,
        "open_rotation": {
            "id": rotation.id,
            "state": rotation.state.value,
            "parked": rotation.failure is not None,
            "awaits_person": rotation.awaits_person,
        }
        if rotation
        else None,
        "outage": outage_json(outage_on(shown, rotation, now), now),
        "version": shown.version,
        "checked": changed is not None,
        "broken": changed[shown.name].message if changed and shown.name in changed else None,
    }
    if secrets is not None:
        record["secrets"] = {secret.name.lower(): secret in secrets for secret in SecretName}
    return record
