"""Searches data for secrets: as they are, in pieces, and in every usual encoding."""

import base64
import binascii
import html
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

PIECE = 12
"""How many bytes in a row reveal a secret."""
STEP = 4
"""Bytes between the beginnings of two pieces: 15 leaked bytes in a row hold a whole piece."""

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}")
_HEX = re.compile(rb"[0-9A-Fa-f]{24,}")
_ESCAPED = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_BLANK = re.compile(rb"[\s,'\"]+")
"""What may come between two pieces of a text that was split."""
_STANDARD = bytes.maketrans(b"-_", b"+/")
_MARK = b"PRIVATE KEY-----"
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


class Secrets:
    """The secrets to search for, each with a name."""

    def __init__(self) -> None:
        self._pieces: dict[bytes, str] = {}

    def add(self, name: str, value: str | bytes) -> None:
        """Add a secret. Raises ValueError if it is so short that it could appear by chance."""
        raw = value.encode() if isinstance(value, str) else value
        if len(raw) < PIECE:
            raise ValueError(f"{name} is too short to search for")
        last = len(raw) - PIECE
        for at in {*range(0, last, STEP), last}:
            self._pieces[raw[at : at + PIECE]] = name

    def add_key(self, name: str, pem: str | bytes) -> None:
        """Add a private key by its private numbers: the rest of its encoding is public or constant."""
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
        """Return the names of the secrets that ``data`` holds, plain or encoded."""
        return {name for view in set(_views(data)) for name in self._found_plain(view)}

    def _found_plain(self, view: bytes) -> Iterator[str]:
        if _MARK in view:
            yield "some private key"
        if len(view) < len(self._pieces):  # whichever is less to look up
            windows = (view[at : at + PIECE] for at in range(len(view) - PIECE + 1))
            yield from (self._pieces[each] for each in windows if each in self._pieces)
        else:
            yield from (name for piece, name in self._pieces.items() if piece in view)


def _views(data: bytes) -> Iterator[bytes]:
    """Yield ``data`` as it is, and decoded from JSON, XML, URLs, hexadecimal and Base64, also split over lines."""
    texts = {data: None}  # in order, each once
    texts[once := _ESCAPED.sub(_unescape, data)] = None
    texts[_ESCAPED.sub(_unescape, once)] = None
    if b"&" in data:
        texts[html.unescape(data.decode("latin-1")).encode("latin-1", "replace")] = None
    if b"%" in data:
        texts[unquote_to_bytes(data.replace(b"+", b" "))] = None
        texts[unquoted := unquote_to_bytes(data)] = None
        texts[unquote_to_bytes(unquoted)] = None
    for text in list(texts):
        texts[_BLANK.sub(b"", text)] = None
    for text in texts:
        yield text
        yield b"\n".join(_decode_hex(run[0][at:]) for run in _HEX.finditer(text) for at in range(2))
        yield b"\n".join(_decode_base64(run[0][at:]) for run in _BASE64.finditer(text) for at in range(4))


def _unescape(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return chr(int(match[1], 16)).encode(errors="replace")
    if match[2]:
        return bytes.fromhex(match[2].decode())
    return _LETTERS.get(match[3], match[3])


def _decode_hex(run: bytes) -> bytes:
    return binascii.unhexlify(run[: len(run) // 2 * 2])


def _decode_base64(run: bytes) -> bytes:
    return base64.b64decode(run[: len(run) // 4 * 4].translate(_STANDARD))
