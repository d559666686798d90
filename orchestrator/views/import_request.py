"""With which certificate a real-time import request was signed, as JSON and in words."""

from collections.abc import Mapping
from typing import Final

from orchestrator.views.values import Json, certificate_json
from states.connection import Connection

MEANINGS: Final[Mapping[str | None, str]] = {
    "current": "It was signed with the current certificate. If OpenAir refuses it, the certificate is not the reason.",
    "candidate": "It was signed with the candidate of the open rotation: OpenAir accepts it once the certificate is "
    "saved there.",
    "previous": "It was signed with the previous certificate: it was sent before the rotation, or NetSuite was put "
    "back to the old key.",
    None: "It was signed with none of the certificates that Keyturn knows, or changed on its way: the certificate may "
    "have been replaced outside Keyturn.",
}
"""What it means for imports, by the certificate."""


def request_json(connection: Connection, signer: str | None) -> Json:
    """``connection``, ``signed_by`` (``current``, ``candidate``, ``previous``; null for none of them), ``meaning``,
    ``current`` (the certificate; null without one).
    """
    return {
        "connection": connection.name,
        "signed_by": signer,
        "meaning": MEANINGS[signer],
        "current": certificate_json(connection.current),
    }
