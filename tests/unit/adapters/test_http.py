"""The pure parts of the HTTP client: Retry-After, base URLs, and quoting other systems' texts."""

import pytest

from orchestrator.adapters.http import Answer, Http, redirect_target, retry_after
from orchestrator.adapters.quoting import quote
from states.errors import InvalidInput
from states.timing import LONGEST_RETRY_AFTER

SENT = "Mon, 23 Nov 2026 20:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "86400"}, LONGEST_RETRY_AFTER),
        ({"retry-after": "9" * 400}, LONGEST_RETRY_AFTER),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 20:00:30 GMT", "date": SENT}, 30.0),
        ({"retry-after": "Mon, 23 Nov 2026 20:00:30 -0000", "date": SENT}, 30.0),
        ({"retry-after": "Mon, 23 Nov 2026 19:59:00 GMT", "date": SENT}, 0.0),
        ({"retry-after": "Tue, 24 Nov 2026 20:00:00 GMT", "date": SENT}, LONGEST_RETRY_AFTER),
        ({"retry-after": "Mon, 23 Nov 2026 20:00:30 GMT"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 20:00:30 GMT", "date": "today"}, None),
        ({"retry-after": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "date": SENT}, None),
        ({"retry-after": SENT, "date": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], expected: float | None) -> None:
    """Retry-After may be seconds or a date; a date is compared with the answer's own Date; the result is capped."""
    assert expected == retry_after(Answer(503, headers, b""))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "ftp://example.com",
        "example.com",
        "https://u:p@example.com",
        "http://evil.example\\[::1]",
        "http://evil.example[::1]/",
        "http://evil.example\\@127.0.0.1/",
        "http://127.0.0.1\\@evil.example/",
        "https://example.com\\a",
        "https://example.com/" + "a" * 300,
    ],
)
def test_base_url_must_be_https(url: str) -> None:
    """A base URL that is neither https nor loopback, or that two parsers may read differently, is refused."""
    with pytest.raises(InvalidInput):
        Http("NetSuite", url)


@pytest.mark.parametrize(
    "url", ["https://example.com/a", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"]
)
def test_base_url_may_be_loopback(url: str) -> None:
    """A loopback address may use http."""
    Http("NetSuite", url).close()


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://other.example/path?token=x", "https://other.example"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("https://user:secret@other.example/", ""),
        ("/elsewhere", ""),
        ("https://other.example\x1b[2J", ""),
        ("https://a-Secretive-token-of-the-request", ""),
        ("https://secretive-token.other.example", ""),
        (f"https://{'a' * 40}.example", ""),
    ],
)
def test_a_redirect_shows_its_host_only(location: str, expected: str) -> None:
    """Of where a redirect points, scheme and host are shown, unless they quote a secret: the rest may hold one."""
    assert expected == redirect_target(Answer(302, {"location": location}, b""), ["a-Secretive-token-of-the-request"])


def test_answer_hides_its_body() -> None:
    """The repr of an answer leaves out its body, which may hold a token."""
    assert "secret" not in repr(Answer(200, {}, b"secret"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two\n lines", '"two lines"'),
        ("word " * 100, f'"{("word " * 100)[:200]}"'),
        ("-----BEGIN PRIVATE KEY-----", "(withheld: it may quote a secret)"),
        ("token " + "Ab1_" * 10, "(withheld: it may quote a secret)"),
        (
            'Certificate "custcertificate_oa_realtime" not found',
            '"Certificate "custcertificate_oa_realtime" not found"',
        ),
    ],
)
def test_quote(text: str, expected: str) -> None:
    """A text is shortened to 200 characters, and withheld if it may quote a secret."""
    assert expected == quote(text)


SECRET = "hunter2+Tr0ub4dor/3=="


@pytest.mark.parametrize(
    "text",
    [
        f"bad secret {SECRET}",
        "bad secret hunter2%2BTr0ub4dor%2F3%3D%3D",
        r"bad secret hunter2\u002bTr0ub4dor\/3",
        "bad secret …Tr0ub4do",
        "x" * 185 + " Tr0ub4dor",
    ],
)
def test_quote_withholds_the_secrets_of_the_request(text: str) -> None:
    """A text that repeats a secret of the request is withheld, even if the secret is escaped or cut."""
    assert "(withheld: it may quote a secret)" == quote(text, ["", SECRET])
    assert '"bad secret"' == quote("bad secret", ["", SECRET])
