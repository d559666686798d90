"""The signed trigger of a real-time record import: how NetSuite writes it and how OpenAir reads it.

Seen in public code of the connector: the signed text is the raw query without the signature, its parameters in exactly
this order, values not URL-encoded, without a time stamp or nonce. The signature is standard Base64, URL-encoded.
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
"""OpenAir's names of the record types that can be imported in real time."""


@dataclass(frozen=True)
class Trigger:
    """One import: record `ns_id` of type `record_type`, saved in NetSuite by user `netsuite_user_id`."""

    db_id: str
    record_type: str
    ns_id: str
    netsuite_user_id: str = "17"
    other_types: str = ""

    def pairs(self) -> list[tuple[str, str]]:
        """The parameters in the order that is signed."""
        return [("action", "synchronize"), *((name, getattr(self, name)) for name in PARAMETERS[1:])]

    def text(self) -> bytes:
        """What is signed."""
        return "&".join(f"{name}={value}" for name, value in self.pairs()).encode()

    def query(self, signature: bytes) -> str:
        """The query of the request, every value URL-encoded."""
        pairs = [*self.pairs(), ("signature", base64.b64encode(signature).decode())]
        return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)


def answer_trigger(raw_query: str, db_id: str, certificate: x509.Certificate | None, now: datetime) -> str:
    """OpenAir's answer to a trigger: `Error: …`, `<type>=T` (imported) or `<type>=F` (not allowed).

    db_id: this company's; certificate: the one OpenAir verifies with; now: OpenAir's time in UTC.
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
