"""Real-time import triggers: which certificate verifies one."""

from base64 import b64encode
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from orchestrator.adapters.keys import VaultKeys
from orchestrator.imports import signed_by
from states.certificate import Certificate
from states.connection import Algorithm, Policy
from states.errors import InvalidInput
from states.rotation import Candidate

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
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


class OpenVault:
    """Seals nothing: the keys of these tests are nobody's."""

    def seal(self, plain: bytes, *, owner: str, column: str) -> bytes:
        return plain

    def open(self, sealed: bytes, *, owner: str, column: str) -> bytes:
        return sealed


def candidate(algorithm: Algorithm = Algorithm.EC_P256) -> Candidate:
    return VaultKeys(OpenVault()).generate("R", "acme", Policy(algorithm=algorithm), NOW)


def signature(by: Candidate, text: str = TEXT) -> str:
    key = load_pem_private_key(by.sealed_key, password=None)
    if isinstance(key, rsa.RSAPrivateKey):
        return b64encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return b64encode(key.sign(text.encode(), ec.ECDSA(hashes.SHA256()))).decode()


def trigger(by: Candidate, **changes: str) -> str:
    return f"{BASE}?{urlencode({**FIELDS, 'signature': signature(by), **changes}, quote_via=quote)}"


def named(**candidates: Candidate) -> dict[str, Certificate]:
    return {name: it.certificate for name, it in candidates.items()}


@pytest.mark.parametrize("algorithm", [Algorithm.RSA_2048, Algorithm.EC_P256])
def test_signed_by(algorithm: Algorithm) -> None:
    """The certificate whose key signed the trigger is named, in whatever order the parameters came."""
    current, previous = candidate(algorithm), candidate()
    certificates = named(previous=previous, current=current)
    url = trigger(current)
    backwards = f"{BASE}?{'&'.join(reversed(url.partition('?')[2].split('&')))}"
    assert ["current", "current"] == [signed_by(url, certificates), signed_by(backwards, certificates)]


def test_signed_by_none() -> None:
    """A trigger that none of the certificates verifies is nobody's."""
    assert signed_by(trigger(candidate()), named(current=candidate())) is None


@pytest.mark.parametrize("field", [name for name in FIELDS if name != "action"])
def test_every_field_is_signed(field: str) -> None:
    """A change of any one field breaks the signature."""
    current = candidate()
    assert signed_by(trigger(current, **{field: FIELDS[field] + "x"}), named(current=current)) is None


def test_other_parameters_are_not_signed() -> None:
    """What is no part of the signed text does not count."""
    current = candidate()
    assert signed_by(trigger(current, cache="1"), named(current=current)) == "current"


def test_empty_fields_are_kept() -> None:
    """A field without a value is signed without a value."""
    current = candidate()
    text = TEXT.replace("contact,project & more/ü", "")
    url = trigger(current, other_types="", signature=signature(current, text))
    assert signed_by(url, named(current=current)) == "current"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "not the URL of a real-time import"),
        ("nonsense", "not the URL of a real-time import"),
        ("https://[", "cannot be read"),
        (f"{BASE}?a=%ff", "cannot be read"),
        (f"{BASE}?action=synchronize&db_id=acme", "lacks record_type, ns_id, netsuite_user_id, other_types, signature"),
        (trigger(candidate()).replace("netsuite.pl", "api.pl"), "netsuite.pl"),
        (trigger(candidate(), action="delete"), "action=synchronize"),
        (trigger(candidate()) + "&ns_id=43", "twice"),
        (trigger(candidate(), signature="a b"), "URL encoding"),
    ],
)
def test_no_trigger(url: str, told: str) -> None:
    """What is no trigger is rejected in a sentence that says why."""
    with pytest.raises(InvalidInput, match=told):
        signed_by(url, {})


def test_broken_signature_is_nobodys() -> None:
    """A signature that is no Base64 verifies with nothing."""
    current = candidate()
    assert signed_by(trigger(current, signature="!"), named(current=current)) is None
