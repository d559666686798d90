"""Base URLs: what is accepted, and that the HTTP library connects where the check said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests import PreparedRequest, Request

from orchestrator.adapters.transport import session
from states.base_url import Origin, check_url, is_loopback, origin_of
from states.errors import InvalidInput

URLS = st.from_regex(
    r"[Hh]ttps?://([A-Za-z0-9_.-]{1,20}|\[[0-9A-Fa-f:.]{2,39}\]|127\.0\.0\.1)(:[0-9]{1,5})?(/[a-z0-9._~!@%:;=+/-]{0,9})?",
    fullmatch=True,
)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Acme.app.OpenAir.com/base", Origin("https", "acme.app.openair.com", 443)),
        ("http://[::1]:8080", Origin("http", "::1", 8080)),
        ("HTTP://127.0.0.1", Origin("http", "127.0.0.1", 80)),
    ],
)
def test_origin(url: str, expected: Origin) -> None:
    """The origin is the scheme, the host in lower case without brackets, and the port, by default the scheme's own."""
    assert expected == origin_of(url)


@pytest.mark.parametrize(
    ("url", "expected"), [("https://a.example:443", "a.example"), ("http://[::1]:3128/", "[::1]:3128")]
)
def test_origin_in_words(url: str, expected: str) -> None:
    """An origin is written with its port unless that is the scheme's own."""
    assert expected == str(origin_of(url))


@given(url=URLS | st.text())
def test_what_checks_is_what_connects(url: str) -> None:
    """The HTTP library prepares and connects to the very host and port that were checked, for every URL."""
    try:
        expected = origin_of(url)
    except InvalidInput:
        return
    prepared: PreparedRequest = Request("POST", url.rstrip("/") + "/path", params={"a": "b"}).prepare()
    adapter = session(None, 1.0).get_adapter(prepared.url or "")
    pool = adapter.get_connection_with_tls_context(prepared, verify=True)  # type: ignore[attr-defined]
    assert expected == Origin(pool.scheme, pool.host, pool.port)
    assert expected == origin_of((prepared.url or "").partition("?")[0])


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.app.openair.com",
        "https://acme.app.openair.com:8443",
        "https://acme.app.openair.com/",
        "HTTPS://ACME.APP.OPENAIR.COM",
        "https://XYZ.app.openair.com",
        "http://localhost:8080",
        "http://127.0.0.1:8080",
        "http://127.1.2.3",
        "http://[::1]:8080",
        "https://[2001:db8::1]",
    ],
)
def test_a_legal_url_is_accepted(url: str) -> None:
    """A URL is https, or http to a loopback address."""
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "acme.app.openair.com",
        "https://",
        "https:///api.pl",
        "ftp://acme.app.openair.com",
        "ftp://localhost",
        "http://acme.app.openair.com",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "javascript:alert(1)",
        "https://user@acme.app.openair.com",
        "https://user:secret@acme.app.openair.com",
        "https://:secret@acme.app.openair.com",
        "https://acme.app.openair.com?x=1",
        "https://acme.app.openair.com#x",
        "https://[::1",
        "https://acme.app.openair.com:99999",
        "https://acme.app.openair.com:port",
        "https://acme app.openair.com",
        "https://acme.app.openair.com\r\nHost: evil.example",
        "https://acme.app.openair.com\n",
        "https://acme.app.openair.com:0",
        "https://acme.app.openair.com\x00",
        "https://acme.app.openair.com\\.evil.example",
        "https://acme..openair.com",
        "https://.openair.com",
        "https://-acme.openair.com",
        f"https://{'a' * 64}.openair.com",
        f"https://{'a.' * 130}openair.com",
        "https://acme%2eevil.example",
        "https://\N{KELVIN SIGN}eyturn.example",
        "http\N{LATIN SMALL LETTER LONG S}://acme.example",
        "https://acme\N{FULLWIDTH FULL STOP}evil.example",
        "https://acme\N{IDEOGRAPHIC FULL STOP}evil.example",
        "https://b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example",
        "https://acme\N{RIGHT-TO-LEFT OVERRIDE}.example",
        "https://[1.2.3.4]",
        "https://[:::1]",
        "https://[::1%25lo]",
        "http://[::ffff:127.0.0.1]",
        "http://[::127.0.0.1]",
        "http://127.1",
        "http://2130706433",
        "http://0x7f.0.0.1",
        "http://evil.example\\[::1]",
        "http://evil.example\\@127.0.0.1/",
        "http://127.0.0.1\\@evil.example/",
        "http://127.0.0.1@evil.example",
        "http://[::1]@evil.example",
        "http://127.0.0.1;evil.example",
        "http://127.0.0.1,evil.example",
        "http:\\\\127.0.0.1",
        "http:/127.0.0.1",
        "//127.0.0.1",
        "https://acme.example/" + "a" * 300,
    ],
)
def test_an_illegal_url_is_rejected(url: str) -> None:
    """A malformed URL, or one with a secret, raises InvalidInput with a sentence, and no other exception."""
    with pytest.raises(InvalidInput):
        check_url(url)


@given(url=st.text())
def test_any_text_is_judged(url: str) -> None:
    """Any text is either accepted or raises InvalidInput."""
    try:
        check_url(url)
    except InvalidInput as error:
        assert error.message.endswith(".")  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("8.8.8.8", False), ("", False), ("localhost.", False)],
)
def test_loopback_is_this_computer(host: str, expected: bool) -> None:  # noqa: FBT001
    """Only localhost and loopback addresses in their usual form name this computer."""
    assert expected is is_loopback(host)
