"""Looks for secrets in everything that a program left behind: as they are, in pieces, and in every usual encoding."""

import base64
import binascii
import html
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

PIECE = 12
"""Bytes that give a secret away. What is shorter as a whole is looked for as a whole."""
STEP = 4
"""Bytes between the beginnings of two pieces: a leak of 15 in a row holds one of them."""

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}")
_HEX = re.compile(rb"[0-9A-Fa-f]{24,}")
_ESCAPED = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_STANDARD = bytes.maketrans(b"-_", b"+/")
_MARK = b"PRIVATE KEY-----"
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


class Secrets:
    """What must be found nowhere, each by a name."""

    def __init__(self) -> None:
        self._pieces: dict[bytes, str] = {_MARK: "some private key"}

    def add(self, name: str, value: str | bytes) -> None:
        """A secret. Raises ValueError for one that is too short to distinguish from chance."""
        raw = value.encode() if isinstance(value, str) else value
        if len(raw) < PIECE:
            raise ValueError(f"{name} is too short to be looked for")
        last = len(raw) - PIECE
        for at in {*range(0, last, STEP), last}:
            self._pieces[raw[at : at + PIECE]] = name

    def add_key(self, name: str, pem: str | bytes) -> None:
        """A private key, by the numbers that make it one: the rest of its encoding is public, or always the same."""
        key = load_pem_private_key(pem.encode() if isinstance(pem, str) else pem, password=None)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            numbers = [key.private_numbers().private_value]
        else:
            assert isinstance(key, rsa.RSAPrivateKey)
            private = key.private_numbers()
            numbers = [private.d, private.p, private.q]
        for number in numbers:
            self.add(name, number.to_bytes((number.bit_length() + 7) // 8, "big"))

    def found_in(self, data: bytes) -> set[str]:
        """The names of the secrets that ``data`` holds, openly or in disguise."""
        views = set(_views(data))
        return {name for view in views for piece, name in self._pieces.items() if piece in view}


def _views(data: bytes) -> Iterator[bytes]:
    """``data`` as it is, and as it reads without JSON's, XML's, a URL's, hexadecimal or Base64 writing."""
    yield data
    once = _ESCAPED.sub(_unescaped, data)
    yield once
    yield _ESCAPED.sub(_unescaped, once)
    if b"&" in data:
        yield html.unescape(data.decode("latin-1")).encode("latin-1", "replace")
    if b"%" in data:
        yield unquote_to_bytes(data)
        yield unquote_to_bytes(data.replace(b"+", b" "))
    yield b"\n".join(_unhexed(run[0][at:]) for run in _HEX.finditer(data) for at in range(2))
    yield b"\n".join(_decoded(run[0][at:]) for run in _BASE64.finditer(data) for at in range(4))


def _unescaped(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return chr(int(match[1], 16)).encode(errors="replace")
    if match[2]:
        return bytes.fromhex(match[2].decode())
    return _LETTERS.get(match[3], match[3])


def _unhexed(run: bytes) -> bytes:
    return binascii.unhexlify(run[: len(run) // 2 * 2])


def _decoded(run: bytes) -> bytes:
    return base64.b64decode(run[: len(run) // 4 * 4].translate(_STANDARD))
