"""When a certificate is due for rotation."""

from datetime import datetime
from enum import StrEnum

from states.certificate import Certificate
from states.timing import ROTATE_EARLIEST, ROTATE_LATEST, TRY_AGAIN_AFTER


class Need(StrEnum):
    """How much a connection needs a new certificate."""

    NOT_DUE = "not due"
    DUE = "due"
    OVERDUE = "overdue"
    """Less than seven days are left: the automatic rotation should long be over."""
    EXPIRED = "expired"
    """An outage: OpenAir refuses real-time imports."""
    MISSING = "missing"
    """There is no certificate, or only the placeholder: the initial set-up is due now."""


def draw_due_at(certificate: Certificate, fraction: float) -> datetime:
    """The moment of the next automatic rotation (UTC): between 14 and 7 days before expiry.

    ``fraction`` (0 inclusive to 1 exclusive) is drawn once for each connection and certificate, and the result stored:
    drawing again at every look would pull the moment towards the beginning of the window.
    """
    try:
        return certificate.not_after - ROTATE_EARLIEST + fraction * (ROTATE_EARLIEST - ROTATE_LATEST)
    except OverflowError:  # a certificate of the year 1, in which no window has room: it expired long ago
        return certificate.not_after


def retry_at(certificate: Certificate, now: datetime) -> datetime:
    """The moment of the next try (UTC) after OpenAir did not take a new certificate and ``certificate`` was restored.

    A day later, but not past the end of the window in which automatic rotations begin; after that, not past the
    expiry. Every try may refuse imports for a while, so it is not repeated sooner.
    """
    latest = certificate.not_after - ROTATE_LATEST
    return min(now + TRY_AGAIN_AFTER, latest if latest > now else certificate.not_after)


def postponed_until(certificate: Certificate | None, quiet_until: datetime | None, now: datetime) -> datetime | None:
    """The moment (UTC) until which a quiet time that lasts until ``quiet_until`` postpones a rotation that is due.

    None where it begins now: outside a quiet time, and at the end of the window in which automatic rotations begin,
    since expiry goes first. Nor does the initial set-up wait: without a certificate there are no imports that it could
    interrupt.
    """
    if certificate is None or quiet_until is None:
        return None
    until = min(quiet_until, certificate.not_after - ROTATE_LATEST)
    return until if until > now else None


def need(certificate: Certificate | None, due_at: datetime | None, now: datetime) -> Need:
    """Judge ``certificate`` at ``now``; ``due_at`` is the drawn moment, or None to judge by the window's beginning."""
    if certificate is None:
        return Need.MISSING
    if now > certificate.not_after:
        return Need.EXPIRED
    if now > certificate.not_after - ROTATE_LATEST:
        return Need.OVERDUE
    if now >= (due_at or certificate.not_after - ROTATE_EARLIEST):
        return Need.DUE
    return Need.NOT_DUE
