"""The certificates with which programs sign in to NetSuite, and the endpoint that lists, maps and revokes them.

Sources: Oracle's help, article_92130837826 (the endpoint and its permission), article_0209112025 (the request that maps
a certificate) and section_162790605110 (which keys, and for how long). Assumptions: the form of the answers, the codes
of the refusals, and that a certificate is mapped once.
"""

import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, RSAKey

from simulator.certificates import PrivateKey, fingerprint, self_signed
from simulator.faults import Fault
from simulator.history import Call
from simulator.server import Reply, Request, json_reply

PATH = re.compile(r"/services/rest/auth/oauth2/v1/clients/([^/]+)/certificates(?:/([^/]+)/revoke)?")
PERMISSION = "MANAGE_OWN_CERTIFICATES"
ROLE, ENTITY = 1042, 7
"""The role and the user that every certificate is mapped to."""
LONGEST_LIFE = timedelta(days=731)
RSA_BITS = (3072, 4096)
CURVES = ("secp256r1", "secp384r1", "secp521r1")


@dataclass(frozen=True)
class Mapped:
    """One certificate, with the id that NetSuite gave it."""

    id: str
    certificate: x509.Certificate
    is_revoked: bool = False

    @property
    def public_key(self) -> ECKey | RSAKey:
        """The key that verifies assertions."""
        key = self.certificate.public_key()
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return (RSAKey if isinstance(key, rsa.RSAPublicKey) else ECKey).import_key(pem)

    def as_json(self) -> dict[str, Any]:
        """Return it as the endpoint lists it."""
        return {
            "certificateId": self.id,
            "role": ROLE,
            "entity": ENTITY,
            "validFrom": self.certificate.not_valid_before_utc.isoformat(),
            "validUntil": self.certificate.not_valid_after_utc.isoformat(),
            "revoked": self.is_revoked,
        }


class SignInCertificates:
    """The certificates of one integration. Safe to use from several threads."""

    def __init__(
        self,
        client_id: str,
        certificate_id: str,
        key: PrivateKey,
        now: Callable[[], datetime],
        permissions: Callable[[], AbstractSet[str]],
    ) -> None:
        """``permissions`` are those of the role; ``certificate_id`` and ``key`` are those of the first certificate."""
        self._client_id = client_id
        self._now = now
        self._permissions = permissions
        self._lock = threading.Lock()
        self._mapped: dict[str, Mapped] = {}
        first = self_signed(key, "keyturn", now() - timedelta(days=1), timedelta(days=730)).certificate
        self._mapped[certificate_id] = Mapped(certificate_id, first)

    @property
    def is_permitted(self) -> bool:
        """Whether the role may work with its certificates. The integration has the scope for it then, too."""
        return PERMISSION in self._permissions()

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that the integration record has."""
        return ("restlets", "rest_webservices") if self.is_permitted else ("restlets",)

    def live(self) -> Mapping[str, Mapped]:
        """Return the certificates that are neither revoked nor expired, by their ids."""
        with self._lock:
            found = dict(self._mapped)
        now = self._now()
        return {each.id: each for each in found.values() if not each.is_revoked and now < _end(each)}

    def all(self) -> list[Mapped]:
        """Return every certificate, revoked and expired ones too."""
        with self._lock:
            return list(self._mapped.values())

    def map(self, certificate_pem: str) -> str:
        """Map a certificate as a person does on NetSuite's page; return the id that it gets."""
        return self._map(x509.load_pem_x509_certificate(certificate_pem.encode()))

    def revoke(self, certificate_id: str) -> None:
        """Revoke a certificate. Raises KeyError."""
        with self._lock:
            self._mapped[certificate_id] = replace(self._mapped[certificate_id], is_revoked=True)

    def serve(self, client_id: str, certificate_id: str | None, request: Request, call: Call) -> Reply:
        """Answer a request that a valid token with the scope of REST web services carries."""
        if not self.is_permitted:
            return problem(403, "INSUFFICIENT_PERMISSION", "You do not have permission for this action.")
        if client_id != self._client_id:
            return problem(404, "NONEXISTENT_ID", "That integration record does not exist.")
        if certificate_id:
            return self._revoke(request, certificate_id, call)
        if request.method == "GET":
            return json_reply(200, [each.as_json() for each in self.all()])
        if request.method == "POST":
            return self._upload(request, call)
        return Reply(405, headers=(("Allow", "GET, POST"),))

    def _upload(self, request: Request, call: Call) -> Reply:
        try:
            body = json.loads(request.body)
            certificate = x509.load_pem_x509_certificate(body["fileContent"].encode())
            mapping = int(body["role"]), int(body["entity"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return problem(400, "INVALID_CONTENT", "fileContent, role and entity are required.")
        if mapping != (ROLE, ENTITY):
            return problem(403, "INSUFFICIENT_PERMISSION", "You can only set up your own certificates.")
        if reason := self._unacceptable(certificate):
            return problem(400, "INVALID_CERTIFICATE", reason)
        certificate_id = self._map(certificate)
        call.effect(mapped=fingerprint(certificate))
        return json_reply(200, {"certificateId": certificate_id})

    def _unacceptable(self, certificate: x509.Certificate) -> str:
        key = certificate.public_key()
        is_rsa = isinstance(key, rsa.RSAPublicKey) and key.key_size in RSA_BITS
        if not is_rsa and not (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES):
            return "The key must be RSA with 3072 or 4096 bits, or EC P-256, P-384 or P-521."
        if certificate.not_valid_after_utc - certificate.not_valid_before_utc > LONGEST_LIFE:
            return "The certificate is valid for more than two years."
        if certificate.not_valid_after_utc <= self._now():
            return "The certificate has expired."
        if any(each.certificate == certificate for each in self.all()):
            return "The certificate is set up already."
        return ""

    def _revoke(self, request: Request, certificate_id: str, call: Call) -> Reply:
        if request.method != "POST":
            return Reply(405, headers=(("Allow", "POST"),))
        try:
            self.revoke(certificate_id)
        except KeyError:
            return problem(404, "NONEXISTENT_ID", "That certificate does not exist.")
        call.effect(revoked=certificate_id)
        return Reply(204)

    def _map(self, certificate: x509.Certificate) -> str:
        made = Mapped(secrets.token_urlsafe(32), certificate)
        with self._lock:
            self._mapped[made.id] = made
        return made.id


def problem(status: int, code: str, detail: str) -> Reply:
    """Build an error response of NetSuite's REST services (RFC 9457)."""
    body = {"title": detail, "status": status, "o:errorDetails": [{"detail": detail, "o:errorCode": code}]}
    return json_reply(status, body, code=code)


def refuse(fault: Fault) -> Reply:
    """Build the error response that an injected fault demands."""
    status, code = {
        "throttle": (429, "REQUEST_LIMIT_EXCEEDED"),
        "401": (401, "INVALID_LOGIN"),
        "403": (403, "INSUFFICIENT_PERMISSION"),
    }.get(fault.kind, (400, fault.code or "UNEXPECTED_ERROR"))
    return replace(problem(status, code, "Injected."), headers=fault.headers())


def _end(mapped: Mapped) -> datetime:
    return mapped.certificate.not_valid_after_utc
