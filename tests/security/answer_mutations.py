"""Answers that repeat a part of the request: each place of an HTTP answer, with each part, in each disguise."""

import base64
import binascii
import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from simulator.server import Delivery, Reply, Request

CRLF = b"\r\n"


def _in_lines(text: str) -> str:
    return "\r\n ".join(text[at : at + 30] for at in range(0, len(text), 30))


DISGUISES: Mapping[str, Callable[[str], str]] = {
    "as it came": str,
    "in Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "in Base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "as a URL": lambda text: quote(text, safe=""),
    "as a URL twice": lambda text: quote(quote(text, safe=""), safe=""),
    "in pieces": lambda text: " ".join(text[at : at + 30] for at in range(0, len(text), 30)),
    "in lines": _in_lines,
    "without its beginning": lambda text: text[len(text) // 2 :],
    "its first line alone": lambda text: text.strip().partition("\n")[0],
    "on one line": lambda text: "".join(text.split()),
    "escaped": lambda text: json.dumps(text)[1:-1],
    "escaped again": lambda text: json.dumps(json.dumps(text)),
}
"""How a system might write what it repeats."""


def parts_of(request: Request) -> Iterator[str]:
    """Yield the parts of a request that a system might repeat, a key also without its markers."""
    sent = request.headers.get("authorization", "").partition(" ")[2]
    yield sent
    with suppress(binascii.Error, UnicodeDecodeError):
        yield base64.b64decode(sent, validate=True).decode().partition(":")[2]
    yield request.body.decode()
    yield from request.form().values()
    with suppress(ValueError):
        key = str(json.loads(request.body).get("pem", "")).partition("-----BEGIN PRIVATE KEY-----")[2]
        bare = key.partition("-----END")[0]
        yield bare
        yield bare[len(bare) // 2 :]


@dataclass(frozen=True)
class Answer:
    """What is answered: a status line, header lines and a body, all of which may be broken."""

    status: int
    body: bytes
    content_type: str = "application/json"
    reason: bytes = b"Odd"
    lines: tuple[bytes, ...] = ()
    """Header lines, as they are."""
    is_chunked: bool = False
    chunk_extension: bytes = b""
    trailer: bytes = b""

    def raw(self) -> bytes:
        """The bytes on the wire."""
        head = [
            b"HTTP/1.1 %d %s" % (self.status, self.reason),
            b"Content-Type: " + self.content_type.encode(),
            *self.lines,
        ]
        if not self.is_chunked:
            head.append(b"Content-Length: %d" % len(self.body))
            return CRLF.join([*head, b"", self.body])
        chunk = b"%x%s" % (len(self.body), self.chunk_extension)
        return CRLF.join([*head, b"Transfer-Encoding: chunked", b"", chunk, self.body, b"0", self.trailer, b""])


def _flat(text: bytes) -> bytes:
    return b" ".join(text.split())


def _header(name: bytes) -> Callable[[Answer, bytes], Answer]:
    return lambda answer, text: _with(answer, name + b": " + _flat(text))


def _with(answer: Answer, *lines: bytes, **changes: object) -> Answer:
    return Answer(**{**vars(answer), "lines": (*answer.lines, *lines), **changes})  # type: ignore[arg-type]


PLACES: Mapping[str, Callable[[Answer, bytes], Answer]] = {
    "the error's text": lambda answer, _text: answer,
    "the whole body": lambda answer, text: _with(answer, body=text, content_type="text/plain"),
    "a body of an unknown encoding": lambda answer, text: _with(
        answer, body=text, content_type="text/xml; charset=" + _flat(text)[:40].decode("latin-1")
    ),
    "a header line without a colon": lambda answer, text: _with(answer, b"rejected " + _flat(text)),
    "several lines in the head": lambda answer, text: _with(answer, b"rejected " + text),
    "a header's name": lambda answer, text: _with(answer, _flat(text).replace(b" ", b"-") + b": 1"),
    "a folded header": lambda answer, text: _with(answer, b"X-Rejected: request\r\n " + _flat(text)),
    "a header": _header(b"X-Rejected"),
    "a cookie": _header(b"Set-Cookie"),
    "a redirect": lambda answer, text: _with(
        answer, b"Location: https://elsewhere.example/?" + _flat(text), status=302
    ),
    "a redirect's host": lambda answer, text: _with(answer, b"Location: https://" + _flat(text), status=307),
    "the type of the content": lambda answer, text: _with(
        answer, content_type="text/" + _flat(text).decode("latin-1").replace(" ", "")
    ),
    "a challenge": _header(b"WWW-Authenticate: Bearer error_description"),
    "when to try again": _header(b"Retry-After"),
    "the date": _header(b"Date"),
    "the compression": _header(b"Content-Encoding"),
    "the transfer": _header(b"Transfer-Encoding"),
    "the length": _header(b"Content-Length"),
    "the connection": _header(b"Connection"),
    "the reason phrase": lambda answer, text: _with(answer, reason=_flat(text)),
    "a chunk's extension": lambda answer, text: _with(answer, is_chunked=True, chunk_extension=b";x=" + _flat(text)),
    "a chunk's length": lambda answer, text: _with(answer, is_chunked=True, chunk_extension=_flat(text)),
    "a trailer": lambda answer, text: _with(answer, is_chunked=True, trailer=_flat(text) + CRLF),
}
"""Where an answer has the text."""


def _no_http(text: bytes) -> bytes:
    return _flat(text) + CRLF + CRLF


def _first_informed(text: bytes) -> bytes:
    return b"HTTP/1.1 103 " + _flat(text) + CRLF + b"Link: " + _flat(text) + CRLF + CRLF + Answer(503, b"{}").raw()


def _cut_off(text: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + text


RAW: Mapping[str, Callable[[bytes], bytes]] = {
    "instead of HTTP": _no_http,
    "a first, informational answer": _first_informed,
    "an answer that is cut off": _cut_off,
    "the status": lambda text: b"HTTP/1.1 " + _flat(text) + b" Odd\r\nContent-Length: 0\r\n\r\n",
    "the version": lambda text: b"HTTP/" + _flat(text) + b" 200 OK\r\nContent-Length: 0\r\n\r\n",
}
"""Answers that are none, or are more than one."""


def mutated(path: str, request: Request, chance: random.Random) -> tuple[str, Delivery]:
    """Return an answer that repeats a part of the request, and in words which."""
    parts = [part for part in parts_of(request) if part]
    disguise = chance.choice(list(DISGUISES))
    text = DISGUISES[disguise](chance.choice(parts))
    place = chance.choice([*PLACES, *RAW, *["the error's text"] * 5])
    wire = text.encode("utf-8", "replace")
    raw = RAW[place](wire) if place in RAW else PLACES[place](_error(path, text, chance), wire).raw()
    return f"{place}, {disguise}", Delivery(Reply(0), raw=raw)


def _error(path: str, text: str, chance: random.Random) -> Answer:
    """An error of the system that repeats ``text``; sometimes an answer that looks like a success."""
    status = chance.choice((200, 400, 401, 403, 404, 409, 429, 500, 503))
    if path.endswith("/token"):
        shapes: list[dict[str, object]] = [
            {"error": "invalid_grant", "error_description": text},
            {"error": text},
            {"access_token": [text], "token_type": text, "expires_in": text},
            {text: text},
        ]
        return Answer(status, json.dumps(chance.choice(shapes)).encode())
    if path.endswith("restlet.nl"):
        inner = json.dumps({"type": "error.SuiteScriptError", "name": text[:99], "message": text, "stack": [text]})
        content: list[dict[str, object]] = [
            {"error": {"code": text[:99], "message": chance.choice((text, inner))}},
            {
                "record": {"fileName": text, "name": text, "certificate": text},
                "warnings": [{"about": "KEY_FILE", "message": text}],
                "environment": text,
            },
            {"signature": text, "code": text, "message": text},
            {text: {text: text}},
        ]
        return Answer(status, json.dumps(chance.choice(content)).encode())
    auth, read = chance.choice((0, 1, text)), quoteattr(text)
    body = f"<response><Auth status={quoteattr(str(auth))}/><Read status={read}>{escape(text)}</Read></response>"
    broken = chance.choice((body, f"<{text}/>", f"<!DOCTYPE x [<!ENTITY e {read}>]><x>&e;</x>", body[: len(body) // 2]))
    return Answer(chance.choice((200, 200, status)), broken.encode("utf-8", "replace"), "text/xml")
