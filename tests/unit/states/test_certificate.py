"""Certificates, challenges, and the confirmation that only a verifying signature makes."""

import base64
import copy
import pickle
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


def test_a_certificate_is_known_by_its_sha256(pair: Pair) -> None:
    """The fingerprint is the SHA-256 of the DER encoding in lower-case hex: what `openssl x509 -fingerprint` shows."""
    der = base64.b64decode("".join(pair.certificate.pem.splitlines()[1:-1]))
    assert sha256(der).hexdigest() == pair.fingerprint


def test_a_certificate_tells_its_validity_in_utc() -> None:
    """Both ends are aware, in UTC, and as in the certificate."""
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
    """Both ends belong to the validity period, to the microsecond."""
    certificate = a_pair(not_before=NOW, not_after=NOW + timedelta(days=30)).certificate
    assert expected == certificate.is_valid_at(NOW + offset)


def test_what_follows_the_certificate_is_dropped(pair: Pair) -> None:
    """A file of certificate and key is read without keeping a trace of the key."""
    key = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    both = pair.certificate.pem + key
    references = sys.getrefcount(both)
    assert pair.certificate == Certificate.parse(both)
    assert references == sys.getrefcount(both), "something, such as a cache, keeps the text with the key in it"


def test_a_certificate_does_not_fill_the_log(pair: Pair) -> None:
    """Its repr names it by fingerprint, without the PEM."""
    assert pair.fingerprint in repr(pair.certificate)
    assert "BEGIN" not in repr(pair.certificate)


@pytest.mark.parametrize(
    "text",
    ["", "certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\ud800", "\0"],
)
def test_what_is_no_certificate_is_rejected(text: str) -> None:
    """Anything that cannot be read as PEM is invalid input, never another exception."""
    with pytest.raises(InvalidInput, match=r"not a PEM certificate") as caught:
        Certificate.parse(text)
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("text", [pytest.param(text, id=wrong) for wrong, text in unreadable().items()])
def test_a_certificate_that_nobody_can_read_is_none(text: str) -> None:
    """Well-formed as it is: of an unheard-of version, with a key on an unknown curve, or on none."""
    with pytest.raises(InvalidInput, match=r"not a PEM certificate"):
        Certificate.parse(text)
    stored = replace(STRANGER.certificate, pem=text)
    assert not stored.verifies(STRANGER.sign(b"text"), b"text")


# --- signatures -------------------------------------------------------------------------------------------------------


@EACH_ALGORITHM
def test_a_signature_verifies_with_its_own_certificate_only(pair: Pair) -> None:
    """The right key over the right bytes, for RSA and EC alike; another certificate does not verify it."""
    signature = pair.sign(b"text")
    found = [pair.certificate.verifies(signature, b"text"), STRANGER.certificate.verifies(signature, b"text")]
    assert [True, False] == found


@EACH_ALGORITHM
@given(text=st.text())
def test_garbage_never_verifies(pair: Pair, text: str) -> None:
    """Whatever comes in place of a signature is false, not an exception."""
    assert not pair.certificate.verifies(text, b"text")


@EACH_ALGORITHM
@given(raw=st.binary(max_size=300))
def test_well_formed_base64_of_garbage_never_verifies(pair: Pair, raw: bytes) -> None:
    """Nor does garbage that is written as Base64 should be."""
    assert not pair.certificate.verifies(base64.b64encode(raw).decode(), b"text")


@EACH_ALGORITHM
@pytest.mark.parametrize("spoiled", ["{}\n", "!{}", "{}*", " {}"])
def test_base64_is_read_strictly(pair: Pair, spoiled: str) -> None:
    """A signature with anything beside standard Base64 in it does not verify."""
    assert not pair.certificate.verifies(spoiled.format(pair.sign(b"text")), b"text")


def test_other_kinds_of_keys_never_verify() -> None:
    """Ed25519 is none of the algorithms that NetSuite signs with."""
    pair = a_pair(key=ed25519.Ed25519PrivateKey.generate())
    signature = base64.b64encode(pair.key.sign(b"text")).decode()  # type: ignore[call-arg, union-attr]
    assert not pair.certificate.verifies(signature, b"text")


# --- challenges -------------------------------------------------------------------------------------------------------


@given(raw=st.binary(min_size=32, max_size=32))
def test_a_challenge_carries_its_32_bytes(raw: bytes) -> None:
    """43 characters of base64url, from which the very bytes come back."""
    challenge = Challenge.of(raw)
    assert raw == base64.urlsafe_b64decode(challenge.nonce + "=")
    assert 43 == len(challenge.nonce)


@given(raw=st.binary(min_size=32, max_size=32))
def test_the_signed_text_begins_with_the_prefix(raw: bytes) -> None:
    """What is signed is the prefix and the nonce, and nothing else."""
    challenge = Challenge.of(raw)
    assert b"keyturn-challenge-v1:" + challenge.nonce.encode() == challenge.text


@given(raw=st.binary(max_size=64).filter(lambda raw: len(raw) != 32))
def test_a_challenge_is_32_bytes(raw: bytes) -> None:
    """No more, no fewer."""
    with pytest.raises(InvalidInput):
        Challenge.of(raw)


@pytest.mark.parametrize("end", ["", "AA", "=", "+", "/", "\n", "A\n", "ä"])
def test_a_nonce_is_base64url(end: str) -> None:
    """What is sent to NetSuite is exactly of the form that its script accepts."""
    with pytest.raises(InvalidInput):
        Challenge("A" * 42 + end)


@EACH_ALGORITHM
def test_a_challenge_signature_is_never_a_trigger_signature(pair: Pair) -> None:
    """One key signs both, so their texts can never be the same: no challenge begins like a trigger."""
    challenge = a_challenge()
    assert not TRIGGER.startswith(certificates.CHALLENGE_PREFIX.encode())
    assert not pair.certificate.verifies(pair.sign(challenge.text), TRIGGER)
    assert not pair.certificate.verifies(pair.sign(TRIGGER), challenge.text)


# --- confirmations ----------------------------------------------------------------------------------------------------


@EACH_ALGORITHM
def test_a_verifying_signature_makes_a_confirmation(pair: Pair) -> None:
    """It proves the very certificate that it carries."""
    assert pair.fingerprint == a_confirmation(pair).fingerprint


@EACH_ALGORITHM
def test_a_signature_of_another_challenge_confirms_nothing(pair: Pair) -> None:
    """A signature that was heard before cannot be played again."""
    signature = pair.sign(a_challenge(1).text)
    with pytest.raises(NotConfirmed):
        _confirmation(pair, a_challenge(2), signature)


@EACH_ALGORITHM
def test_a_signature_by_another_key_confirms_nothing(pair: Pair) -> None:
    """Such as the certificate of another rotation, which NetSuite still holds."""
    with pytest.raises(NotConfirmed):
        _confirmation(pair, a_challenge(), STRANGER.sign(a_challenge().text))


@EACH_ALGORITHM
def test_a_signature_of_the_bare_nonce_confirms_nothing(pair: Pair) -> None:
    """The prefix belongs to what is signed."""
    with pytest.raises(NotConfirmed):
        _confirmation(pair, a_challenge(), pair.sign(a_challenge().nonce.encode()))


@pytest.mark.parametrize("signature", ["", "garbage", "====", "ü", "AAAA"])
def test_garbage_confirms_nothing(pair: Pair, signature: str) -> None:
    """An answer that is no signature is as good as none."""
    with pytest.raises(NotConfirmed):
        _confirmation(pair, a_challenge(), signature)


def test_a_confirmation_cannot_be_turned_into_another(pair: Pair) -> None:
    """`dataclasses.replace` verifies again, so a true confirmation lends nothing to another certificate."""
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
    """Neither repr nor str nor a format gives it away."""
    key = PrivateKey(b"secret")
    assert ["PrivateKey(…)"] * 3 == [repr(key), str(key), f"{key}"]


@pytest.mark.parametrize("spread", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_private_key_is_not_spread(spread: Callable[[PrivateKey], object]) -> None:
    """It can be neither pickled nor copied by accident."""
    with pytest.raises(TypeError, match="never pickled"):
        spread(PrivateKey(b"secret"))


def test_a_candidate_does_not_show_its_sealed_key(pair: Pair) -> None:
    """Not even what is sealed gets into a log."""
    assert "sealed" not in repr(Candidate(pair.certificate, b"sealed"))
