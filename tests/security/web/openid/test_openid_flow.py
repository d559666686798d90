"""The way of a browser to the OpenID provider and back: what it is sent with, and which answers are taken."""

import re
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support.clock import OffsetClock
from support.console import RunningConsole
from support.openid import (
    CLIENT,
    KID,
    Provider,
    at_provider,
    begin,
    come_back,
    ec_key,
    jwk,
    rsa_key,
    sessions,
    sign_in,
    signed,
)
from support.openid_lies import claims, moments, published

from orchestrator.bootstrap import Keyturn
from states.access import OF_ADDRESS

P384 = ec_key(ec.SECP384R1)


def test_what_the_browser_is_sent_with(console: RunningConsole, provider: Provider) -> None:
    """The address asks for a code, with PKCE and a nonce; the cookie is for this host alone, not for scripts."""
    answer = console.get("/sign-in/openid", Sec_Fetch_Site="same-origin")
    base, _, query = answer.headers["location"].partition("?")
    asked = dict(parse_qsl(query))
    assert (f"{provider.url}/authorize", f"{console.url}/sign-in/openid/callback") == (base, asked["redirect_uri"])
    assert ("code", "S256", "openid email profile") == (
        *(asked["response_type"], asked["code_challenge_method"], asked["scope"]),
    )
    assert 4 == len({asked[name] for name in ("state", "nonce", "code_challenge", "client_id")})
    cookie, *attributes = re.split("; ", answer.headers["set-cookie"])
    name, _, value = cookie.partition("=")
    assert f"__Host-keyturn-{console.port}-openid" == name
    assert {"httponly", "secure", "samesite=lax", "path=/", "max-age=600"} <= {each.lower() for each in attributes}
    assert value not in query


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
@pytest.mark.parametrize("kid", [KID, None])
def test_honest_signatures(console: RunningConsole, provider: Provider, algorithm: str, kid: str | None) -> None:
    """Each of the three algorithms is accepted, with or without the key's name, among keys for other things."""
    key = ec_key() if algorithm == "ES256" else rsa_key()
    provider.sign = lambda honest: signed(honest, key, algorithm, kid)
    others = [{"kty": "none"}, jwk(rsa_key(3), use="enc"), jwk(P384, kid="key-3"), jwk(rsa_key(4), kid="key-4")]
    provider.keys = lambda _: {"keys": [*others, jwk(key)]}
    assert HTTPStatus.SEE_OTHER == sign_in(console).status_code


def test_clocks_that_differ(console: RunningConsole, provider: Provider) -> None:
    """A provider's clock may be nearly a minute from this one."""
    for offset in (-50, 50):
        moments(iat=offset, nbf=offset, exp=offset)(provider)
        assert HTTPStatus.SEE_OTHER == sign_in(console).status_code


def test_honest_audiences(console: RunningConsole, provider: Provider) -> None:
    """A token for several clients is accepted where it says that this one asked for it."""
    for audience in ([CLIENT], ["another", CLIENT]):
        claims(aud=audience, azp=CLIENT)(provider)
        assert HTTPStatus.SEE_OTHER == sign_in(console).status_code


def test_a_key_that_was_replaced(console: RunningConsole, provider: Provider) -> None:
    """The provider's keys are those of the moment: a new one is known at once, and one that it withdrew is not."""
    assert HTTPStatus.SEE_OTHER == sign_in(console).status_code
    provider.keys = lambda _: {"keys": [jwk(rsa_key(2), kid="key-2")]}
    assert HTTPStatus.FORBIDDEN == sign_in(console.another()).status_code
    provider.sign = lambda honest: signed(honest, rsa_key(2), kid="key-2")
    assert HTTPStatus.SEE_OTHER == sign_in(console.another()).status_code


def test_a_secret_in_the_form(console: RunningConsole, provider: Provider) -> None:
    """A provider that takes the client's secret in the form only gets it there."""
    published(
        token_endpoint_auth_methods_supported=["client_secret_post"],
        authorization_endpoint=f"{provider.url}/authorize?a=b",
    )(provider)
    assert "/authorize?a=b&response_type=code" in begin(console)
    assert HTTPStatus.SEE_OTHER == sign_in(console).status_code


def test_an_answer_is_used_once(console: RunningConsole, app: Keyturn) -> None:
    """The same answer begins no second session, also where the provider would take the code again."""
    path = at_provider(begin(console))
    cookie = console.http.headers["Cookie"]
    assert HTTPStatus.SEE_OTHER == come_back(console, path).status_code
    console.http.headers["Cookie"] = cookie
    again = come_back(console, path)
    assert (HTTPStatus.FORBIDDEN, 1) == (again.status_code, sessions(app))
    assert "was used already" in again.text


def test_another_browser(console: RunningConsole, app: Keyturn, provider: Provider) -> None:
    """An answer that another browser brings, with or without a cookie of its own, is refused before the code is sent;
    the browser that it belongs to still signs in.
    """
    path = at_provider(begin(console))
    other = console.another()
    for _ in range(2):
        answer = come_back(other, path)
        assert HTTPStatus.FORBIDDEN == answer.status_code
        assert "was not begun in this browser" in answer.text
        begin(other)
    assert ([], 0) == ([each for each in provider.asked if "token" in each], sessions(app))
    assert HTTPStatus.SEE_OTHER == come_back(console, path).status_code


@pytest.mark.parametrize("path", ["", "?state=", "?code=x&state=" + "x" * 43, "?state=" + "x" * 5000])
def test_an_answer_that_no_one_waits_for(console: RunningConsole, provider: Provider, path: str) -> None:
    """An answer whose state is not under way is refused without asking the provider; what it says is not shown."""
    begin(console)
    before = len(provider.asked)
    said = f"{'&' if path else '?'}error=x&error_description=call+0800"
    answer = come_back(console, f"/sign-in/openid/callback{path}{said}")
    assert (HTTPStatus.FORBIDDEN, before) == (answer.status_code, len(provider.asked))
    assert "0800" not in answer.text


def test_ten_minutes(console: RunningConsole, app: Keyturn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes back after more than ten minutes signs in again."""
    path = at_provider(begin(console))
    monkeypatch.setattr(app.openid, "_clock", OffsetClock(timedelta(minutes=10)))
    answer = come_back(console, path)
    assert HTTPStatus.FORBIDDEN == answer.status_code
    assert "older than 10 minutes" in answer.text


def test_where_it_begins(console: RunningConsole, provider: Provider) -> None:
    """Another site does not begin a sign-in, nor another name of this host, whose cookie would not come back: both lead
    to the page with the button.
    """
    for headers in (
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
        {"Host": f"localhost:{console.port}"},
    ):
        answer = console.get("/sign-in/openid", **headers)
        assert (HTTPStatus.SEE_OTHER, f"{console.url}/sign-in") == (answer.status_code, answer.headers["location"])
        assert "set-cookie" not in answer.headers
    assert [] == provider.asked


def test_attempts_are_bounded(console: RunningConsole) -> None:
    """Those that succeed are not counted; after 20 that did not come back, the next one waits."""
    for _ in range(OF_ADDRESS.size + 1):
        assert HTTPStatus.SEE_OTHER == sign_in(console).status_code
    for _ in range(OF_ADDRESS.size):
        begin(console)
    answer = console.get("/sign-in/openid", Sec_Fetch_Site="same-origin")
    assert HTTPStatus.TOO_MANY_REQUESTS == answer.status_code
    assert 0 < int(answer.headers["retry-after"])


def test_a_provider_that_hangs(console: RunningConsole, app: Keyturn) -> None:
    """So many conversations at once are held; the next person is asked to wait, and takes no thread."""
    assert app.openid
    held = app.openid._provider._conversations
    for _ in range(8):
        assert held.acquire(blocking=False)
    try:
        assert HTTPStatus.SERVICE_UNAVAILABLE == console.get("/sign-in/openid").status_code
    finally:
        held.release(8)
    assert HTTPStatus.SEE_OTHER == sign_in(console).status_code
