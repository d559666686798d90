"""Finds the certificate that verifies a real-time import trigger, to explain a failing import."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from states.certificate import Certificate
from states.errors import InvalidInput

PATH: Final = "/netsuite.pl"
SIGNED: Final = ("action", "db_id", "record_type", "ns_id", "netsuite_user_id", "other_types")
"""The signed parameters, in order. NetSuite signs their raw values, without a timestamp or nonce. Source: public code
of the connector; Oracle does not document it."""


def signed_by(url: str, certificates: Mapping[str, Certificate]) -> str | None:
    """Return the name of the first of ``certificates`` that verifies the trigger ``url``, or None.

    Sends nothing. Ignores extra parameters, which are not signed. Raises InvalidInput if the URL is not a trigger.
    """
    text, signature = _signed(url)
    return next((name for name, certificate in certificates.items() if certificate.verifies(signature, text)), None)


def _signed(url: str) -> tuple[bytes, str]:
    """Return the signed bytes, and the signature (standard Base64)."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError as error:
        raise InvalidInput("This is not the URL of a real-time import: its query cannot be read.") from error
    values = dict(pairs)
    missing = [name for name in (*SIGNED, "signature") if name not in values]
    if not parts.path.endswith(PATH) or values.get("action") != "synchronize" or missing:
        lacks = f" It lacks {', '.join(missing)}." if missing else ""
        raise InvalidInput(f"This is not the URL of a real-time import: …{PATH}?action=synchronize&….{lacks}")
    if len(pairs) != len(values):
        raise InvalidInput("This URL names a parameter twice; which one counts is not known.")
    if " " in values["signature"]:
        raise InvalidInput("The signature has lost its URL encoding on the way: copy the URL as it was sent.")
    return "&".join(f"{name}={values[name]}" for name in SIGNED).encode(), values["signature"]
