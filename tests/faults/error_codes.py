"""The errors that each system documents and our adapters tell apart: what the fault `error` may answer."""

from collections.abc import Mapping

from orchestrator.adapters.netsuite_errors import NOT_DEPLOYED, PERMISSIONS, THROTTLES
from orchestrator.adapters.openair_errors import (
    LIMIT_EXCEEDED,
    NOT_ACCEPTED,
    NOT_PRIVILEGED,
    SIGN_IN,
    TEMPORARY,
    WRONG_ADDRESS,
)

INVALID_CERTIFICATE = "INVALID_CERTIFICATE"
UNLISTED = "999"
"""A code of OpenAir's that no adapter knows."""

_RESTLET = (*PERMISSIONS, *NOT_DEPLOYED, *THROTTLES, "INVALID_REQUEST")
_API = (UNLISTED, *TEMPORARY, *SIGN_IN, *WRONG_ADDRESS, *NOT_ACCEPTED, NOT_PRIVILEGED, LIMIT_EXCEEDED)
CODES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("netsuite.restlet", "install"): (INVALID_CERTIFICATE, "DEADLINE_PASSED", "CERTIFICATE_NOT_FOUND", *_RESTLET),
    ("netsuite.restlet", "sign"): ("SIGNING_FAILED", "CERTIFICATE_NOT_FOUND", *_RESTLET),
    ("netsuite.restlet", "report"): _RESTLET,
    ("openair.api", "Read"): _API,
    ("openair.api", "Add"): _API,
    ("openair.api", "Modify"): _API,
    ("openair.token", "refresh_token"): ("invalid_grant", "invalid_client", "temporarily_unavailable"),
}
"""By endpoint and action; the one that is most that call's own comes first."""


def codes(endpoint: str, action: str | None) -> tuple[str, ...]:
    """The codes with which such a call may be refused before it is carried out; none for one that has no action."""
    return CODES.get((endpoint, action or ""), ())
