"""The fields that a person gives of a connection: what is needed, and what a change leaves alone."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.factories import a_connection

from orchestrator.operations.connection_fields import ConnectionFields, assertion_algorithm_for
from orchestrator.secrets import SecretName
from states.connection import Algorithm, OpenAirKind
from states.errors import InvalidInput


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
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
                SecretName.OPENAIR_REFRESH_TOKEN,
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
        (pem(rsa.generate_private_key(65537, 2048)), "PS256"),
    ],
    ids=["p256", "p521", "rsa"],
)
def test_the_algorithm_for_a_key(key: str, algorithm: str) -> None:
    """PS256 for RSA, and for each curve its own."""
    assert algorithm == assertion_algorithm_for(key)


@pytest.mark.parametrize("key", ["no key", pem(ec.generate_private_key(ec.SECP256K1()))], ids=["text", "curve"])
def test_a_key_that_netsuite_does_not_take(key: str) -> None:
    """The error does not quote the key."""
    with pytest.raises(InvalidInput) as refused:
        assertion_algorithm_for(key)
    assert key not in str(refused.value)
