"""The signed trigger of a real-time record import: how NetSuite writes it and how OpenAir reads it.

Source: public code of the connector. The signed text is the raw query without the signature. Its parameters come in
exactly this order, their values are not URL-encoded, and there is no timestamp or nonce. The signature is standard
Base64, then URL-encoded.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, quote

from cryptography import x509

from simulator.certificates import verifies

PARAMETERS = ("action", "db_id", "record_type", "ns_id", "netsuite_user_id", "other_types")
PATH = "/netsuite.pl"
RECORD_TYPES = frozenset(
    {"user", "project", "customer", "project_task", "category", "product", "item", "customerpo", "credit", "payment"}
    | {"vendorbill", "purchaseorder", "vendor", "supportcase"}
)
"""The record types that OpenAir can import in real time, by OpenAir's names."""


@dataclass(frozen=True)
class Trigger:
    """One import trigger: NetSuite user `netsuite_user_id` saved record `ns_id` of type `record_type`."""

    db_id: str
    record_type: str
    ns_id: str
    netsuite_user_id: str = "17"
    other_types: str = ""

    def pairs(self) -> list[tuple[str, str]]:
        """Return the parameters in the order in which NetSuite signs them."""
        return [("action", "synchronize"), *((name, getattr(self, name)) for name in PARAMETERS[1:])]

    def text(self) -> bytes:
        """Return the text that NetSuite signs."""
        return "&".join(f"{name}={value}" for name, value in self.pairs()).encode()

    def query(self, signature: bytes) -> str:
        """Return the query string of the request, with every value URL-encoded."""
        pairs = [*self.pairs(), ("signature", base64.b64encode(signature).decode())]
        return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)


def answer_trigger(raw_query: str, db_id: str, certificate: x509.Certificate | None, now: datetime) -> str:
    """Return OpenAir's answer to a trigger: `Error: …`, `<type>=T` (imported) or `<type>=F` (not allowed).

    Args:
        raw_query: the query string as sent.
        db_id: the database id of this company.
        certificate: the certificate that OpenAir verifies with.
        now: OpenAir's time in UTC.
    """
    pairs = parse_qsl(raw_query, keep_blank_values=True)
    if tuple(name for name, _ in pairs) != (*PARAMETERS, "signature"):
        return "Error: missing, unknown or misplaced parameters"
    values = dict(pairs)
    if values["action"] != "synchronize" or values["db_id"] != db_id:
        return "Error: unknown action or company"
    if certificate is None or not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return "Error: No valid certificate available for real-time import"
    try:
        signature = base64.b64decode(values["signature"], validate=True)
    except binascii.Error:
        return "Error: the signature is not Base64"
    text = Trigger(*(values[name] for name in PARAMETERS[1:])).text()
    if not verifies(certificate, signature, text):
        return "Error: the signature does not match the certificate"
    return f"{values['record_type']}={'T' if values['record_type'] in RECORD_TYPES else 'F'}"
