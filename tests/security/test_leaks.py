"""The search finds planted secrets in every encoding, and no others."""

import base64
import json
import secrets
from collections.abc import Callable
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from security.secret_search import Secrets

SECRET = 'Ünhörd/of+"quoted"&<tagged>\nsecret\'%'


def _cut(text: str) -> list[str]:
    return [text[at : at + 11] for at in range(0, len(text), 11)]


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON in Unicode": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in JSON": lambda text: json.dumps({"message": text}).replace("/", "\\/"),
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
    "URL": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "XML": escape,
    "hexadecimal": lambda text: text.encode().hex(),
    "HEXADECIMAL": lambda text: "0" + text.encode().hex().upper(),
    "a piece": lambda text: text[5:21],
    **{
        f"Base64 after {before} bytes": (
            lambda text, before=before: base64.b64encode(b"x" * before + text.encode()).decode()  # type: ignore[misc]
        )
        for before in range(3)
    },
    "Base64 in lines": lambda text: base64.encodebytes(text.encode() * 3).decode(),
    "Base64 in JSON": lambda text: json.dumps("\n" + base64.b64encode(text.encode()).decode()),
    "Base64 in short lines": lambda text: "\r\n ".join(_cut(base64.b64encode(text.encode()).decode())),
    "Base64 in a list": lambda text: repr(_cut(base64.b64encode(text.encode()).decode())),
    "Base64 in a URL": lambda text: quote(base64.b64encode((text + "?" * 9).encode()).decode(), safe=""),
    "URL in a URL": lambda text: quote(quote(text, safe=""), safe=""),
    "short lines": lambda text: "\n".join(_cut(text)),
    "Base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_planted_secrets_are_found(encode: Callable[[str], str]) -> None:
    """A secret is found in every encoding, in the middle of other data."""
    known = Secrets()
    known.add("planted", SECRET)
    data = b"\x00\xffbefore " + encode(SECRET).encode() + b" after" + secrets.token_bytes(99)
    assert {"planted"} == known.found_in(data)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)],
    ids=["EC", "RSA"],
)
def test_planted_keys_are_found(key: rsa.RSAPrivateKey, form: PrivateFormat, encoding: Encoding) -> None:
    """A private key is found in PEM and DER of either format, in Base64, hexadecimal, and without its PEM header."""
    known = Secrets()
    known.add_key("planted", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    planted = key.private_bytes(encoding, form, NoEncryption())
    writings = [planted, base64.b64encode(planted), planted.hex().encode(), json.dumps(repr(planted)).encode()]
    if encoding is Encoding.PEM:
        writings.append(b"".join(line for line in planted.splitlines() if b"-----" not in line))
    for data in writings:
        assert known.found_in(b"before " + data + b" after")


def test_other_keys_are_not_found() -> None:
    """A public key and random data are not reported; any private key in PEM is."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    known = Secrets()
    known.add("planted", SECRET)
    known.add_key("key", pem)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert set() == known.found_in(public + secrets.token_bytes(10_000) + secrets.token_hex(10_000).encode())
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert {"some private key"} == known.found_in(other)


def test_short_secrets_are_refused() -> None:
    """A secret that is so short that it could appear by chance is refused."""
    with pytest.raises(ValueError, match="too short"):
        Secrets().add("pin", "1234")
