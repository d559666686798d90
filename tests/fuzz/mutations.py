"""Answers that no system should give: the corpus's, with parts replaced by odd values, and bytes changed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from orchestrator.adapters.http import Answer

CORPUS: Final = Path(__file__).parent / "corpus"

_RAW: Final = {
    "@huge@": "9" * 5000,
    "@deep@": "[" * 100_000 + "]" * 100_000,
    "@nested@": "[" * 400 + "]" * 400,
    "@twice@": '{"code": "A", "code": null, "name": "B", "name": {}}',
    "@infinite@": "1e999",
    "@nan@": "NaN",
}
"""JSON that Python does not write, by the text that it replaces."""
_TEXTS: Final = (
    *("", "\0", "\ud800", "é" * 3, "9" * 5000, "x" * 70_000, "-----BEGIN PRIVATE KEY-----", "\x1b[2J", "\u202e"),
    *("0", "00", "٤٠١", "-1", "401", "999999", "9999999", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59-23:59"),
    *("0001-01-01T00:00:00+23:59", "2026-01-01", "1e999", "nan", "invalid_grant", "CERTIFICATE_NOT_FOUND"),
)
_ODD: Final = (None, True, False, 0, -1, 1.5, 2**70, [], {}, [None], {"a": []}, *_RAW, *_TEXTS)
_HEADERS: Final = {
    "retry-after": ("", "1", "-1", "9" * 5000, "²", "Mon, 01 Jan 0000 00:00:00 GMT", "Fri, 31 Dec 99999 23:59:59 GMT"),
    "date": ("", "Mon, 23 Nov 2026 20:00:00 +9959", "Mon, 23 Nov 2026 20:00:00 -0000", "0", "Mon, 99 Foo -1 99:99:99"),
    "www-authenticate": ("Bearer", 'Bearer error="invalid_token"', "Bearer " * 5000, 'Bearer error="', "\xff"),
    "location": ("https://[::1", "https://a\\@b/", "//", "x" * 70_000, "https://" + "a" * 300),
    "content-encoding": ("br", "gzip, gzip", "\0"),
}
_ENCODINGS: Final = ("utf-7", "no-such-encoding", "base64", "utf-16", "idna", "rot13", "IBM037", "")
_XML: Final = (
    *("0", "-0", "00", "٤٠١", "1", "401", "556", "999999", "9" * 5000, "", "&#0;", "&#xD800;", "&a;", "<![CDATA[x]]>"),
    *("<a>" * 50_000, "<a/>" * 50_000, "<!--", "<?xml?>", "-----BEGIN CERTIFICATE-----\\n-----END CERTIFICATE-----"),
)
_STATUSES: Final = (200, 200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 408, 426, 429, 500, 503, 999)


def _paths(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield from _paths(value, (*path, key))


def _replaced(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(content) if isinstance(content, dict) else list(content)
    copy[path[0]] = _replaced(copy[path[0]], path[1:], value)
    return copy


@st.composite
def _changed_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    """Cut, repeat or change a place of ``body``, or leave it."""
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, len(body)))
    return draw(
        st.one_of(
            st.just(body),
            st.just(body[:start]),
            st.just(body[:start] + body[start:end] * 3 + body[end:]),
            st.binary(max_size=20).map(lambda odd: body[:start] + odd + body[start + len(odd) :]),
            st.binary(max_size=200),
        )
    )


@st.composite
def _json_body(draw: st.DrawFn, folder: str) -> bytes:
    content = json.loads(draw(st.sampled_from(sorted((CORPUS / folder).glob("*.json")))).read_text())
    for _ in range(draw(st.integers(1, 3))):
        content = _replaced(content, draw(st.sampled_from(list(_paths(content)))), draw(st.sampled_from(_ODD)))
    text = json.dumps(content)
    for name, raw in _RAW.items():
        text = text.replace(f'"{name}"', raw)
    return draw(_changed_bytes(text.encode()))


@st.composite
def _xml_body(draw: st.DrawFn, certificate: str) -> bytes:
    text = draw(st.sampled_from(sorted((CORPUS / "openair").glob("*.xml")))).read_text()
    text = text.replace("@CERTIFICATE@", draw(st.sampled_from([certificate, *_XML])))
    text = text.replace("utf-8", draw(st.sampled_from(["utf-8", *_ENCODINGS])))
    places = [place for place, character in enumerate(text) if character in '"<>']
    for place in draw(st.lists(st.sampled_from(places), max_size=2)):
        text = text[: place + 1] + draw(st.sampled_from(_XML)) + text[place + 1 + draw(st.integers(0, 3)) :]
    return draw(_changed_bytes(text.encode("utf-8", "surrogatepass")))


@st.composite
def _answer(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> Answer:
    names = draw(st.lists(st.sampled_from(sorted(_HEADERS)), unique=True, max_size=3))
    headers = {name: draw(st.sampled_from(_HEADERS[name])) for name in names}
    return Answer(draw(st.sampled_from(_STATUSES)), headers, draw(bodies))


def json_answers(folder: str) -> st.SearchStrategy[Answer]:
    """Answers whose bodies derive from the corpus's JSON in ``folder``."""
    return _answer(_json_body(folder))


def xml_answers(certificate: str) -> st.SearchStrategy[Answer]:
    """Answers whose bodies derive from the corpus's XML; some hold ``certificate``."""
    return _answer(_xml_body(certificate))
