"""Certificates, challenges, and the confirmation, which needs a verified signature."""

import base64
import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from support.pairs import NOW, Pair, a_pair
from unit.states.rotations import ID, a_challenge, a_confirmation, unreadable

from states import certificate as certificates
from states.certificate import Certificate, Challenge
from states.errors import InvalidInput, NotConfirmed
from states.rotation import Candidate, Confirmation, PrivateKey

TRIGGER = (
    b"action=synchronize&db_id=1&record_type=project&ns_id=42&netsuite_user_id=7&other_types=customer"  # FACTS: raw
)
STRANGER = a_pair()
PAIRS = {
    "rsa-2048": a_pair(key=rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "ec-p256": a_pair(),
    "ec-p384": a_pair(key=ec.generate_private_key(ec.SECP384R1())),
}
EACH_ALGORITHM = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)


# --- certificates -----------------------------------------------------------------------------------------------------


def test_a_fingerprint_is_read_as_tools_print_it() -> None:
    """Colons, upper case and space around a fingerprint do not matter; anything else does."""
    assert "ab0f9c" == certificates.plain(" AB:0F:9C\n")
    assert "a b-c" == certificates.plain("A b-C")


def test_a_certificate_is_known_by_its_sha256(pair: Pair) -> None:
    """The fingerprint is the SHA-256 of the DER encoding in lower-case hex: what `openssl x509 -fingerprint` shows."""
    der = base64.b64decode("".join(pair.certificate.pem.splitlines()[1:-1]))
    assert sha256(der).hexdigest() == pair.fingerprint


def test_a_certificate_tells_its_validity_in_utc() -> None:
    """The validity period has the certificate's times, in UTC."""
    start, end = NOW - timedelta(days=3), NOW + timedelta(days=30)
    certificate = a_pair(not_before=start, not_after=end).certificate
    assert (start, end) == (certificate.not_before, certificate.not_after)
    assert timedelta(0) == certificate.not_after.utcoffset()


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (timedelta(microseconds=-1), False),
        (timedelta(0), True),
        (timedelta(days=30), True),
        (timedelta(days=30, microseconds=1), False),
    ],
)
def test_a_certificate_is_valid_from_the_first_moment_to_the_last(offset: timedelta, expected: bool) -> None:  # noqa: FBT001
    """The validity period includes its first and last moment, to the microsecond."""
    certificate = a_pair(not_before=NOW, not_after=NOW + timedelta(days=30)).certificate
    assert expected == certificate.is_valid_at(NOW + offset)


def test_what_follows_the_certificate_is_dropped(pair: Pair) -> None:
    """Parsing a text with certificate and key keeps no reference to the text."""
    key = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    both = pair.certificate.pem + key
    references = sys.getrefcount(both)
    assert pair.certificate == Certificate.parse(both)
    assert references == sys.getrefcount(both), "something, such as a cache, keeps the text with the key in it"


def test_a_certificate_does_not_fill_the_log(pair: Pair) -> None:
    """The repr of a certificate has its fingerprint and not its PEM."""
    assert pair.fingerprint in repr(pair.certificate)
    assert "BEGIN" not in repr(pair.certificate)


@pytest.mark.parametrize(
    "text",
    ["", "certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\ud800", "\0"],
)
def test_what_is_no_certificate_is_rejected(text: str) -> None:
    """A text that is no PEM certificate raises InvalidInput, and no other exception."""
    with pytest.raises(InvalidInput, match=r"not a PEM certificate") as caught:
        Certificate.parse(text)
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("text", [pytest.param(text, id=wrong) for wrong, text in unreadable().items()])
def test_an_unreadable_certificate_is_refused(text: str) -> None:
    """A well-formed certificate of an unknown version or curve raises InvalidInput."""
    with pytest.raises(InvalidInput, match=r"not a PEM certificate"):
        Certificate.parse(text)
    stored = replace(STRANGER.certificate, pem=text)
    assert not stored.verifies(STRANGER.sign(b"text"), b"text")


# --- signatures -------------------------------------------------------------------------------------------------------


@EACH_ALGORITHM
def test_a_strange_serial_number_prints_nothing(pair: Pair) -> None:
    """Another party's certificate with a negative serial number is read, and no library's warning reaches stderr."""
    der = base64.b64decode("".join(pair.certificate.pem.splitlines()[1:-1]))
    at = der.index(bytes.fromhex("a003020102")) + 7  # the first byte of the serial number
    changed = base64.encodebytes(der[:at] + b"\x80" + der[at + 1 :]).decode()
    pem = f"-----BEGIN CERTIFICATE-----\n{changed}-----END CERTIFICATE-----\n"
    read = (
        "import sys; from states.certificate import Certificate; print(Certificate.parse(sys.stdin.read()).not_after)"
    )
    done = subprocess.run([sys.executable, "-c", read], input=pem, capture_output=True, text=True, check=False)
    assert (f"{pair.certificate.not_after}\n", "") == (done.stdout, done.stderr)


def test_a_signature_verifies_with_its_own_certificate_only(pair: Pair) -> None:
    """A signature by RSA or EC verifies with its own certificate, and with no other."""
    signature = pair.sign(b"text")
    found = [pair.certificate.verifies(signature, b"text"), STRANGER.certificate.verifies(signature, b"text")]
    assert [True, False] == found


@EACH_ALGORITHM
@given(text=st.text())
def test_garbage_never_verifies(pair: Pair, text: str) -> None:
    """A value that is no signature does not verify, and raises no exception."""
    assert not pair.certificate.verifies(text, b"text")


@EACH_ALGORITHM
@given(raw=st.binary(max_size=300))
def test_well_formed_base64_of_garbage_never_verifies(pair: Pair, raw: bytes) -> None:
    """Random bytes in valid Base64 do not verify."""
    assert not pair.certificate.verifies(base64.b64encode(raw).decode(), b"text")


@EACH_ALGORITHM
@pytest.mark.parametrize("spoiled", ["{}\n", "!{}", "{}*", " {}"])
def test_base64_is_read_strictly(pair: Pair, spoiled: str) -> None:
    """A signature with characters outside standard Base64 does not verify."""
    assert not pair.certificate.verifies(spoiled.format(pair.sign(b"text")), b"text")


def test_other_kinds_of_keys_never_verify() -> None:
    """An Ed25519 key is refused, because NetSuite does not sign with it."""
    pair = a_pair(key=ed25519.Ed25519PrivateKey.generate())
    signature = base64.b64encode(pair.key.sign(b"text")).decode()  # type: ignore[call-arg, union-attr]
    assert not pair.certificate.verifies(signature, b"text")


# --- challenges -------------------------------------------------------------------------------------------------------


@given(raw=st.binary(min_size=32, max_size=32))
def test_a_challenge_carries_its_32_bytes(raw: bytes) -> None:
    """A nonce is 43 characters of base64url, which decode to the original bytes."""
    challenge = Challenge.of(raw)
    assert raw == base64.urlsafe_b64decode(challenge.nonce + "=")
    assert 43 == len(challenge.nonce)


@given(raw=st.binary(min_size=32, max_size=32))
def test_the_signed_text_begins_with_the_prefix(raw: bytes) -> None:
    """The signed text is the prefix and the nonce."""
    challenge = Challenge.of(raw)
    assert b"keyturn-challenge-v1:" + challenge.nonce.encode() == challenge.text


@given(raw=st.binary(max_size=64).filter(lambda raw: len(raw) != 32))
def test_a_challenge_is_32_bytes(raw: bytes) -> None:
    """A challenge has exactly 32 bytes."""
    with pytest.raises(InvalidInput):
        Challenge.of(raw)


@pytest.mark.parametrize("end", ["", "AA", "=", "+", "/", "\n", "A\n", "ä"])
def test_a_nonce_is_base64url(end: str) -> None:
    """A challenge has exactly the form that NetSuite's script accepts."""
    with pytest.raises(InvalidInput):
        Challenge("A" * 42 + end)


@EACH_ALGORITHM
def test_a_challenge_signature_is_never_a_trigger_signature(pair: Pair) -> None:
    """The same key signs challenges and import requests, and no challenge begins like an import request."""
    challenge = a_challenge()
    assert not TRIGGER.startswith(certificates.CHALLENGE_PREFIX.encode())
    assert not pair.certificate.verifies(pair.sign(challenge.text), TRIGGER)
    assert not pair.certificate.verifies(pair.sign(TRIGGER), challenge.text)


# --- confirmations ----------------------------------------------------------------------------------------------------


@EACH_ALGORITHM
def test_a_verifying_signature_makes_a_confirmation(pair: Pair) -> None:
    """A confirmation proves the certificate that it holds."""
    assert pair.fingerprint == a_confirmation(pair).fingerprint


@EACH_ALGORITHM
def test_a_signature_of_another_challenge_confirms_nothing(pair: Pair) -> None:
    """A signature over an earlier challenge makes no confirmation."""
    signature = pair.sign(a_challenge(1).text)
    with pytest.raises(NotConfirmed):
        _confirmation(pair, a_challenge(2), signature)


@EACH_ALGORITHM
def test_a_signature_by_another_key_confirms_nothing(pair: Pair) -> None:
    """A signature by another certificate's key makes no confirmation."""
    with pytest.raises(NotConfirmed):
        _confirmation(pair, a_challenge(), STRANGER.sign(a_challenge().text))


@EACH_ALGORITHM
def test_a_signature_of_the_bare_nonce_confirms_nothing(pair: Pair) -> None:
    """A signature over the nonce without the prefix makes no confirmation."""
    with pytest.raises(NotConfirmed):
        _confirmation(pair, a_challenge(), pair.sign(a_challenge().nonce.encode()))


@pytest.mark.parametrize("signature", ["", "garbage", "====", "ü", "AAAA"])
def test_garbage_confirms_nothing(pair: Pair, signature: str) -> None:
    """An answer that is no signature makes no confirmation."""
    with pytest.raises(NotConfirmed):
        _confirmation(pair, a_challenge(), signature)


def test_a_confirmation_cannot_be_turned_into_another(pair: Pair) -> None:
    """`dataclasses.replace` verifies again, so a confirmation cannot be transferred to another certificate."""
    confirmation = a_confirmation(pair)
    with pytest.raises(NotConfirmed):
        replace(confirmation, certificate=STRANGER.certificate)
    with pytest.raises(NotConfirmed):
        replace(confirmation, challenge=a_challenge(2))
    with pytest.raises(NotConfirmed):
        replace(confirmation, signature=STRANGER.sign(confirmation.challenge.text))


def _confirmation(pair: Pair, challenge: Challenge, signature: str) -> Confirmation:
    return Confirmation(
        rotation_id=ID, certificate=pair.certificate, challenge=challenge, signature=signature, asked_at=NOW
    )


# --- private keys -----------------------------------------------------------------------------------------------------


def test_a_private_key_shows_nothing_of_itself() -> None:
    """Neither repr nor str nor format shows a private key."""
    key = PrivateKey(b"secret")
    assert ["PrivateKey(…)"] * 3 == [repr(key), str(key), f"{key}"]


@pytest.mark.parametrize("spread", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_private_key_is_not_spread(spread: Callable[[PrivateKey], object]) -> None:
    """A private key can be neither pickled nor copied."""
    with pytest.raises(TypeError, match="never pickled"):
        spread(PrivateKey(b"secret"))


def test_a_candidate_does_not_show_its_sealed_key(pair: Pair) -> None:
    """The repr of a candidate does not show its sealed key."""
    assert "sealed" not in repr(Candidate(pair.certificate, b"sealed"))
