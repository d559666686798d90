"""The Keys port, for every algorithm, verified by parsing and by OpenSSL's command line."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtensionOID, NameOID

from orchestrator.adapters.keys import COLUMN, VaultKeys
from states.certificate import Challenge
from states.connection import VALID_DAYS, Algorithm, Policy
from states.errors import KeyMismatch, SealBroken
from states.rotation import Candidate
from states.timing import CERTIFICATE_BACKDATED

NOW = datetime(2026, 11, 23, 20, 15, 30, 123456, tzinfo=UTC)
LONGEST_NAME = "c" * 63
TEXT = Challenge.of(bytes(32)).text

SIZES = {
    Algorithm.RSA_2048: 2048,
    Algorithm.RSA_3072: 3072,
    Algorithm.RSA_4096: 4096,
    Algorithm.EC_P256: 256,
    Algorithm.EC_P384: 384,
}


class LabelledVault:
    """Seals a secret with a label of owner and column, and opens it only for the same ones."""

    def seal(self, plain: bytes, *, owner: str, column: str) -> bytes:
        return f"{owner}/{column}:".encode() + plain[::-1]

    def open(self, sealed: bytes, *, owner: str, column: str) -> bytes:
        label = f"{owner}/{column}:".encode()
        if not sealed.startswith(label):
            raise SealBroken
        return sealed.removeprefix(label)[::-1]


def generate(algorithm: Algorithm = Algorithm.EC_P256, days: int = 365, connection: str = "acme") -> Candidate:
    return VaultKeys(LabelledVault()).generate("R1", connection, Policy(algorithm=algorithm, days=days), NOW)


def private_pem(candidate: Candidate) -> bytes:
    return VaultKeys(LabelledVault()).open("R1", candidate).reveal()


def parsed(candidate: Candidate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(candidate.certificate.pem.encode())


@pytest.fixture(scope="module")
def candidate() -> Callable[[Algorithm], Candidate]:
    """Returns one candidate of each algorithm; it is kept, because RSA keys are slow to generate."""
    candidates: dict[Algorithm, Candidate] = {}

    def get(algorithm: Algorithm) -> Candidate:
        if algorithm not in candidates:
            candidates[algorithm] = generate(algorithm)
        return candidates[algorithm]

    return get


@pytest.fixture
def openssl(tmp_path: Path) -> Callable[..., str]:
    """Runs OpenSSL's command line in a folder of its own and returns its output."""

    def run(*arguments: str, **files: bytes) -> str:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        done = subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True, timeout=30)
        return done.stdout.decode()

    return run


@pytest.mark.parametrize("algorithm", Algorithm)
def test_key_follows_the_policy(algorithm: Algorithm, candidate: Callable[[Algorithm], Candidate]) -> None:
    """The key has the kind and size that the policy names."""
    key = parsed(candidate(algorithm)).public_key()
    assert isinstance(key, rsa.RSAPublicKey if algorithm.startswith("rsa") else ec.EllipticCurvePublicKey)
    assert SIZES[algorithm] == key.key_size


@pytest.mark.parametrize("algorithm", Algorithm)
def test_openssl_agrees(
    algorithm: Algorithm, candidate: Callable[[Algorithm], Candidate], openssl: Callable[..., str]
) -> None:
    """OpenSSL reads certificate and key from one file, finds that they match, and accepts both."""
    made = candidate(algorithm)
    both = made.certificate.pem.encode() + private_pem(made)
    of_certificate = openssl("x509", "-in", "both", "-noout", "-pubkey", both=both)
    assert of_certificate == openssl("pkey", "-in", "both", "-pubout")
    assert "Key is valid" in openssl("pkey", "-in", "both", "-noout", "-check")
    # -partial_chain: the certificate is its own trust anchor although it is no authority
    assert "both: OK" in openssl(
        "verify", "-x509_strict", "-partial_chain", "-no_check_time", "-CAfile", "both", "both"
    )
    fingerprint = openssl("x509", "-in", "both", "-noout", "-fingerprint", "-sha256").strip().partition("=")[2]
    assert made.fingerprint == fingerprint.replace(":", "").lower()


@pytest.mark.parametrize("algorithm", Algorithm)
def test_openssl_verifies_signatures(
    algorithm: Algorithm, candidate: Callable[[Algorithm], Candidate], openssl: Callable[..., str]
) -> None:
    """OpenSSL verifies a signature of the candidate's key with its certificate."""
    made = candidate(algorithm)
    key = load_pem_private_key(private_pem(made), password=None)
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(TEXT, padding.PKCS1v15(), hashes.SHA256())
    else:
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        signature = key.sign(TEXT, ec.ECDSA(hashes.SHA256()))
    public_key = openssl("x509", "-in", "pem", "-noout", "-pubkey", pem=made.certificate.pem.encode()).encode()
    printed = openssl(
        "dgst", "-sha256", "-verify", "key", "-signature", "signature", "text",
        key=public_key, signature=signature, text=TEXT,
    )  # fmt: skip
    assert printed.strip() == "Verified OK"


def test_name() -> None:
    """The subject has the purpose and the connection's whole name, even the longest one."""
    certificate = parsed(generate(connection=LONGEST_NAME))
    assert certificate.subject == certificate.issuer
    expected = {NameOID.COMMON_NAME: "OpenAir real-time import", NameOID.ORGANIZATIONAL_UNIT_NAME: LONGEST_NAME}
    assert expected == {it.oid: it.value for it in certificate.subject}


def test_extensions() -> None:
    """The extensions allow signing data only, and the certificate is no authority."""
    extensions = parsed(generate()).extensions
    digest = x509.SubjectKeyIdentifier.from_public_key(parsed(generate()).public_key())
    assert {
        ExtensionOID.BASIC_CONSTRAINTS: True,
        ExtensionOID.KEY_USAGE: True,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER: False,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER: False,
    } == {it.oid: it.critical for it in extensions}
    constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (False, None) == (constraints.ca, constraints.path_length)
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    others = (
        usage.content_commitment, usage.key_encipherment, usage.data_encipherment, usage.key_agreement,
        usage.key_cert_sign, usage.crl_sign,
    )  # fmt: skip
    assert (True, (False,) * 6) == (usage.digital_signature, others)
    subject = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert subject.key_identifier == authority.key_identifier
    assert len(digest.digest) == len(subject.digest)


def test_key_identifier_is_the_keys() -> None:
    """The subject key identifier is computed from the certificate's key (RFC 5280 section 4.2.1.2)."""
    certificate = parsed(generate())
    expected = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
    assert expected == certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value


def test_version_and_signature() -> None:
    """The certificate is X.509 v3, signed by its own key with SHA-256."""
    certificate = parsed(generate())
    assert x509.Version.v3 is certificate.version
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)
    certificate.verify_directly_issued_by(certificate)


def test_serial_numbers() -> None:
    """Serial numbers are random, positive, and fit into 20 octets (RFC 5280 section 4.1.2.2)."""
    serials = {parsed(generate()).serial_number for _ in range(20)}
    assert len(serials) == 20
    assert all(0 < it < 2**159 for it in serials)
    assert max(serials) > 2**128


@pytest.mark.parametrize("days", [VALID_DAYS.start, 365, VALID_DAYS.stop - 1])
def test_validity(days: int) -> None:
    """The certificate is valid from a little before now, for slow clocks, until the policy's days after now."""
    certificate = generate(days=days).certificate
    now = NOW.replace(microsecond=0)
    assert (now - CERTIFICATE_BACKDATED, now + timedelta(days=days)) == (certificate.not_before, certificate.not_after)
    assert certificate.is_valid_at(NOW)


def test_every_candidate_has_another_key() -> None:
    """Two candidates have different keys."""
    assert generate().fingerprint != generate().fingerprint


def test_opened_key_is_unencrypted_pkcs8() -> None:
    """The opened key is unencrypted PKCS#8 PEM, the form that NetSuite's record takes after the certificate."""
    pem = private_pem(generate())
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert pem.endswith(b"-----END PRIVATE KEY-----\n")


def test_key_is_sealed_for_its_rotation() -> None:
    """The candidate holds only the sealed key, which opens for its own rotation and column alone."""
    made = generate()
    assert made.sealed_key.startswith(f"R1/{COLUMN}:".encode())
    assert b"PRIVATE KEY" not in made.sealed_key
    assert "PRIVATE KEY" not in made.certificate.pem
    with pytest.raises(SealBroken):
        VaultKeys(LabelledVault()).open("R2", made)


def test_key_of_another_certificate() -> None:
    """A key that does not match its certificate is refused when it is opened."""
    made = Candidate(certificate=generate().certificate, sealed_key=generate().sealed_key)
    with pytest.raises(KeyMismatch):
        private_pem(made)


@pytest.mark.parametrize(
    "plain", [b"", b"secret", b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"]
)
def test_sealed_text_that_is_no_key(plain: bytes) -> None:
    """A sealed text that is no key is refused, and the error does not quote it."""
    sealed = LabelledVault().seal(plain, owner="R1", column=COLUMN)
    with pytest.raises(KeyMismatch) as caught:
        private_pem(Candidate(certificate=generate().certificate, sealed_key=sealed))
    assert caught.value.__cause__ is None
