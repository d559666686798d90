"""Real-time import requests: which certificate verifies one."""

from base64 import b64encode
from datetime import timedelta
from urllib.parse import quote, urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from support.factories import NOW, a_certificate, signed

from orchestrator.import_requests import signed_by
from states.certificate import Certificate
from states.errors import InvalidInput

BASE = "https://acme.app.openair.com/netsuite.pl"
FIELDS = {
    "action": "synchronize",
    "db_id": "acme",
    "record_type": "customer",
    "ns_id": "42",
    "netsuite_user_id": "7",
    "other_types": "contact,project & more/ü",
}
TEXT = (
    "action=synchronize&db_id=acme&record_type=customer&ns_id=42&netsuite_user_id=7"
    "&other_types=contact,project & more/ü"
)


def rsa_certificate() -> tuple[Certificate, rsa.RSAPrivateKey]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "keyturn test")])
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), NOW, NOW + timedelta(days=1))
    ).sign(key, hashes.SHA256())
    return Certificate.parse(built.public_bytes(Encoding.PEM).decode()), key


def trigger(by: Certificate | None = None, **changes: str) -> str:
    """Return the URL of an import signed with the key of ``by``, unless ``changes`` has a signature."""
    signature = {} if by is None else {"signature": signed(by, TEXT.encode())}
    return f"{BASE}?{urlencode({**FIELDS, **signature, **changes}, quote_via=quote)}"


def test_signed_by() -> None:
    """`signed_by` names the certificate whose key signed the request, with the parameters in any order."""
    certificates = {"previous": a_certificate(), "current": a_certificate()}
    url = trigger(certificates["current"])
    backwards = f"{BASE}?{'&'.join(reversed(url.partition('?')[2].split('&')))}"
    assert ["current", "current"] == [signed_by(url, certificates), signed_by(backwards, certificates)]


def test_signed_by_an_rsa_key() -> None:
    """An RSA signature is PKCS#1 v1.5 with SHA-256. That NetSuite signs so is an assumption."""
    certificate, key = rsa_certificate()
    raw = key.sign(TEXT.encode(), padding.PKCS1v15(), hashes.SHA256())
    url = trigger(signature=b64encode(raw).decode())
    assert signed_by(url, {"other": a_certificate(), "current": certificate}) == "current"


def test_signed_by_none() -> None:
    """If no certificate verifies the request, the result is None."""
    assert signed_by(trigger(a_certificate()), {"current": a_certificate()}) is None


@pytest.mark.parametrize("field", [name for name in FIELDS if name != "action"])
def test_every_field_is_signed(field: str) -> None:
    """A change of any field breaks the signature."""
    current = a_certificate()
    assert signed_by(trigger(current, **{field: FIELDS[field] + "x"}), {"current": current}) is None


def test_other_parameters_are_not_signed() -> None:
    """A parameter outside the signed text does not break the signature."""
    current = a_certificate()
    assert signed_by(trigger(current, cache="1"), {"current": current}) == "current"


def test_empty_fields_are_kept() -> None:
    """An empty field is part of the signed text."""
    current = a_certificate()
    text = TEXT.replace("contact,project & more/ü", "")
    url = trigger(current, other_types="", signature=signed(current, text.encode()))
    assert signed_by(url, {"current": current}) == "current"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "not the URL of a real-time import"),
        ("nonsense", "not the URL of a real-time import"),
        ("https://[", "cannot be read"),
        (f"{BASE}?a=%ff", "cannot be read"),
        (f"{BASE}?action=synchronize&db_id=acme", "lacks record_type, ns_id, netsuite_user_id, other_types, signature"),
        (trigger(a_certificate()).replace("netsuite.pl", "api.pl"), "netsuite.pl"),
        (trigger(a_certificate(), action="delete"), "action=synchronize"),
        (trigger(a_certificate()) + "&ns_id=43", "twice"),
        (trigger(a_certificate(), signature="a b"), "URL encoding"),
    ],
)
def test_malformed_requests_are_refused(url: str, expected: str) -> None:
    """A URL that is no import request is refused with the reason."""
    with pytest.raises(InvalidInput, match=expected):
        signed_by(url, {})


def test_malformed_signature_verifies_with_no_certificate() -> None:
    """If the signature is no Base64, the result is None."""
    current = a_certificate()
    assert signed_by(trigger(current, signature="!"), {"current": current}) is None
