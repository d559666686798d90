"""The fields that a person gives of a connection: what is needed, and what a change leaves alone."""

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.factories import NOW, a_connection

from orchestrator.adapters.keys import new_sign_in_key, sign_in_certificate
from orchestrator.operations.connection_fields import ConnectionFields, assertion_algorithm_for
from orchestrator.secrets import SecretName
from states.certificate import Certificate
from states.connection import Algorithm, OpenAirKind
from states.errors import InvalidInput


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


KEY = pem(ec.generate_private_key(ec.SECP384R1()))
NETSUITE = ConnectionFields(
    account="1234567", client_id="client", certificate_id="kid", secrets={SecretName.NETSUITE_KEY: KEY}
)


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        (
            ConnectionFields(openair_export=True),
            ["account", "client_id", "certificate_id", SecretName.NETSUITE_KEY],
        ),
        (replace(NETSUITE, openair_export=True), []),
        (
            NETSUITE,
            [
                "openair_url",
                SecretName.OPENAIR_API_KEY,
                "openair_client_id",
                SecretName.OPENAIR_CLIENT_SECRET,
            ],
        ),
        (
            replace(NETSUITE, openair_user="keyturn"),
            ["openair_url", SecretName.OPENAIR_API_KEY, "openair_company", SecretName.OPENAIR_PASSWORD],
        ),
    ],
    ids=["nothing", "export", "oauth", "password"],
)
def test_what_a_new_connection_needs(fields: ConnectionFields, missing: list[str | SecretName]) -> None:
    """NetSuite's sign-in always; of OpenAir OAuth or a user, unless a person saves the certificate there."""
    assert missing == fields.missing()


def test_a_new_connection_has_defaults_for_the_rest() -> None:
    """The assertion algorithm suits the key; an empty bundle version means no bundle."""
    fields = replace(NETSUITE, openair_export=True, days=90, bundles={"369630": "4.02", "369637": ""})
    made = fields.new("acme")
    assert ("ES384", OpenAirKind.EXPORT) == (made.netsuite.assertion_algorithm, made.openair.kind)
    assert (90, Algorithm.RSA_3072, {"369630": "4.02"}) == (made.policy.days, made.policy.algorithm, made.bundles)


def test_a_connection_is_not_made_of_too_little() -> None:
    """The error names each missing field."""
    with pytest.raises(InvalidInput, match="account, client_id, certificate_id, netsuite_key"):
        ConnectionFields(openair_export=True).new("acme")


def test_a_change_leaves_the_rest_alone() -> None:
    """Only what is given changes; a bundle with an empty version is removed."""
    before = a_connection()
    changed = ConnectionFields(keep_key=False, bundles={"369637": ""}).changed(before)
    assert replace(before, policy=replace(before.policy, keep_key=False), bundles={"369630": "4.02"}) == changed


SIGN_IN_CERTIFICATE = sign_in_certificate(KEY.encode(), "acme", NOW)


def test_what_is_kept_of_the_sign_in_certificate() -> None:
    """Its end and its fingerprint, with a new connection and with a change."""
    made = Certificate.parse(SIGN_IN_CERTIFICATE)
    fields = replace(NETSUITE, certificate_pem=SIGN_IN_CERTIFICATE, openair_export=True)
    for netsuite in (fields.new("acme").netsuite, fields.changed(a_connection()).netsuite):
        assert (made.not_after, made.fingerprint) == (netsuite.sign_in_ends, netsuite.certificate_fingerprint)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"certificate_pem": sign_in_certificate(new_sign_in_key(), "acme", NOW)}, "is not one of the key"),
        ({"certificate_pem": KEY}, "not a PEM certificate"),
        ({"certificate_pem": SIGN_IN_CERTIFICATE, "certificate_until": "2028-11-26"}, "the certificate says it"),
        ({"certificate_until": "in two years"}, "not a day such as"),
    ],
    ids=["of another key", "a key", "with a day", "no day"],
)
def test_a_sign_in_certificate_that_is_refused(given: dict[str, str], reason: str) -> None:
    """One of another key, what is no certificate, and an end that is no day; the error quotes no key."""
    with pytest.raises(InvalidInput) as refused:
        replace(NETSUITE, **given).changed(a_connection())
    assert reason in str(refused.value)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "until"),
    [
        ({"certificate_id": "another"}, ""),
        ({"account": "7654321"}, ""),
        ({"certificate_id": "another", "certificate_until": "2030-01-02"}, "2030-01-02T00:00:00+00:00"),
        ({"certificate_until": ""}, ""),
        ({"certificate_id": "kid", "days": 90}, "2028-11-26T00:00:00+00:00"),
    ],
    ids=["another id", "another account", "another id and its end", "removed", "the same id"],
)
def test_another_certificate_has_another_end(changes: dict[str, Any], until: str) -> None:
    """The end is that of one certificate: with another id or account it is not known, unless it is given."""
    before = ConnectionFields(certificate_until="2028-11-26").changed(a_connection())
    assert until == ConnectionFields(**changes).changed(before).netsuite.certificate_until


def test_derived_urls_follow_the_account() -> None:
    """A URL that was given stays; one that was derived from the account changes with it."""
    before = a_connection()
    own = replace(before, netsuite=replace(before.netsuite, token_url="https://tokens.example"))
    changed = ConnectionFields(account="7654321").changed(own).netsuite
    assert ("https://7654321.restlets.api.netsuite.com", "https://tokens.example") == (
        changed.restlet_url,
        changed.token_url,
    )


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (pem(ec.generate_private_key(ec.SECP256R1())), "ES256"),
        (pem(ec.generate_private_key(ec.SECP521R1())), "ES512"),
        (pem(rsa.generate_private_key(65537, 3072)), "PS256"),
    ],
    ids=["p256", "p521", "rsa"],
)
def test_the_algorithm_for_a_key(key: str, algorithm: str) -> None:
    """PS256 for RSA, and for each curve its own."""
    assert algorithm == assertion_algorithm_for(key)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("no key", "not an unencrypted private key in PEM"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "and it is EC secp256k1."),
        (pem(rsa.generate_private_key(65537, 2048)), "and it is RSA with 2048 bits."),
        (pem(ed25519.Ed25519PrivateKey.generate()), "and it is of another kind."),
    ],
    ids=["text", "curve", "short rsa", "ed25519"],
)
def test_a_key_that_netsuite_does_not_take(key: str, reason: str) -> None:
    """The error says which keys are accepted, and does not quote the key."""
    with pytest.raises(InvalidInput) as refused:
        ConnectionFields(secrets={SecretName.NETSUITE_KEY: key}).changed(a_connection())
    assert reason in str(refused.value)
    assert key not in str(refused.value)


@pytest.mark.parametrize("algorithm", ["PS256", "ES256"])
def test_an_algorithm_that_the_key_cannot_use(algorithm: str) -> None:
    """Given together, the key and the algorithm have to fit each other."""
    with pytest.raises(InvalidInput, match=f"cannot sign assertions with {algorithm}: it is a key for ES384"):
        replace(NETSUITE, assertion_algorithm=algorithm).changed(a_connection())


def test_a_longer_hash_for_an_rsa_key() -> None:
    """An RSA key signs with each of PS256, PS384 and PS512."""
    key = {SecretName.NETSUITE_KEY: pem(rsa.generate_private_key(65537, 3072))}
    changed = ConnectionFields(assertion_algorithm="PS512", secrets=key).changed(a_connection())
    assert "PS512" == changed.netsuite.assertion_algorithm


def test_a_redirect_uri() -> None:
    """It is kept until an empty one removes it; what is no absolute URI is refused."""
    changed = ConnectionFields(openair_redirect_uri="https://localhost/done?a=b").changed(a_connection())
    assert "https://localhost/done?a=b" == changed.openair.redirect_uri
    assert "" == ConnectionFields(openair_redirect_uri="").changed(changed).openair.redirect_uri
    for wrong in ("localhost/done", "https://localhost/a b", "https://localhost/#x", "https://localhost/" + "x" * 300):
        with pytest.raises(InvalidInput, match="redirect URI"):
            ConnectionFields(openair_redirect_uri=wrong).changed(a_connection())
