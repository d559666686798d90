"""What several views are made of: JSON, times, certificates."""

from datetime import UTC, datetime
from typing import Any

from states.certificate import Certificate
from states.summary import CertificateSummary

Json = dict[str, Any]


def iso(at: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds and a Z; None for None."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def certificate_json(held: Certificate | CertificateSummary | None) -> Json | None:
    """``fingerprint``, ``not_before``, ``not_after``; null where there is none."""
    if held is None:
        return None
    return {"fingerprint": held.fingerprint, "not_before": iso(held.not_before), "not_after": iso(held.not_after)}
