"""When it needs a person that the certificate in use ends: by steps of days, where nothing renews it in time."""

from collections.abc import Collection
from datetime import datetime, timedelta

from states.certificate import Certificate
from states.concern import Concern, Harm, minute
from states.connection import Connection, missing_conditions
from states.next_action import NextAction, Verb
from states.preconditions import advise
from states.rotation import Rotation
from states.summary import CertificateSummary, ConnectionSummary
from states.timing import ROTATE_LATEST, UNATTENDED_AFTER


def step_of(certificate: Certificate | CertificateSummary, steps: Collection[int], now: datetime) -> int | None:
    """Return the last of ``steps`` (days before expiry) that is reached ``now`` (UTC); None before the first.

    A step that is as long as the certificate's validity does not count: each new certificate would reach it at once.
    """
    validity = (certificate.not_after - certificate.not_before).days
    reached = [days for days in steps if days < validity and now + timedelta(days=days) > certificate.not_after]
    return min(reached, default=None)


def is_left_to_schedule(certificate: Certificate | CertificateSummary, due_at: datetime | None, now: datetime) -> bool:
    """Whether the automatic rotation that begins at ``due_at`` may still renew ``certificate`` without a person.

    It has a day, and no more than a day after the window in which automatic rotations begin: a quiet time postpones
    them up to that end, and so does a try that was undone.
    """
    a_day_ago = now - UNATTENDED_AFTER
    return a_day_ago <= (due_at or certificate.not_after) and a_day_ago + ROTATE_LATEST <= certificate.not_after


def of_connection(
    connection: Connection | ConnectionSummary, rotation: Rotation | None, steps: Collection[int], now: datetime
) -> Concern | None:
    """What needs a person ``now`` (UTC) because the certificate in use ends; ``rotation`` is the open one."""
    current = connection.current
    days = step_of(current, steps, now) if current else None
    if current is None or days is None:
        return None
    if connection.is_automatic and is_left_to_schedule(current, connection.due_at, now):
        return None
    if rotation:
        why = f"rotation {rotation.id} has not replaced it."
    elif connection.is_automatic:
        why = "no automatic rotation has replaced it."
    else:
        why = " ".join(("no schedule rotates it.", *missing_conditions(connection.options, connection.bundles)))
    return Concern(
        harm=Harm.EXPIRING,
        connection=connection.name,
        rotation=None,
        message=f"The certificate in use expires on {minute(current.not_after)}, and {why}",
        since=current.not_after - timedelta(days=days),
        next_action=advise(rotation, now) if rotation else NextAction(Verb.ROTATE, {"connection": connection.name}),
    )
