"""Connections: what is accepted of settings, and when certificates are rotated unasked."""

from itertools import product
from typing import Any

import pytest
from factories import a_connection
from hypothesis import given
from hypothesis import strategies as st

from states.connection import (
    Algorithm,
    Connection,
    NetSuiteSettings,
    OpenAirKind,
    OpenAirSettings,
    Options,
    Policy,
    check_url,
    is_loopback,
)
from states.errors import InvalidInput

NOTHING = {"certificate_id": "kid", "client_id": "id"}


# --- NetSuite ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "host"),
    [
        ("1234567", "1234567"),
        ("1234567_SB1", "1234567-sb1"),
        ("1234567-sb1", "1234567-sb1"),
        ("TSTDRV123", "tstdrv123"),
        ("a", "a"),
    ],
)
def test_the_account_names_its_hosts(account: str, host: str) -> None:
    """Lower case, with a dash for the underscore: https://<account>.restlets.api.netsuite.com."""
    settings = NetSuiteSettings(account=account, **NOTHING)
    expected = (f"https://{host}.restlets.api.netsuite.com", f"https://{host}.suitetalk.api.netsuite.com")
    assert expected == (settings.restlet_url, settings.token_url)


ILLEGAL_ACCOUNTS = """
 _ 1234567_ _SB1 1234567__SB1 12_34_56 1234567/ 1234567.evil.example １２３４５６７ ä 1234567_SB1;x -1
"""  # noqa: RUF001 - those digits are none


@pytest.mark.parametrize("account", ["", "1234 567", "1234567\n", *ILLEGAL_ACCOUNTS.split()])
def test_an_illegal_account_is_rejected(account: str) -> None:
    """What is not an account id never becomes part of a host name."""
    with pytest.raises(InvalidInput, match="not a NetSuite account id"):
        NetSuiteSettings(account=account, **NOTHING)


@given(account=st.from_regex(r"[A-Za-z0-9]+([_-][A-Za-z0-9]+)?", fullmatch=True))
def test_every_legal_account_gives_legal_urls(account: str) -> None:
    """The host is the account's, directly below NetSuite's domain."""
    settings = NetSuiteSettings(account=account, **NOTHING)
    check_url(settings.restlet_url)
    assert settings.restlet_url == settings.restlet_url.lower()
    assert "_" not in settings.token_url


def test_urls_can_be_given() -> None:
    """Oracle says to discover the domains, so they are settings."""
    settings = NetSuiteSettings(
        account="1", restlet_url="https://restlets.example", token_url="https://tokens.example", **NOTHING
    )
    assert ("https://restlets.example", "https://tokens.example") == (settings.restlet_url, settings.token_url)


@pytest.mark.parametrize("field", ["restlet_url", "token_url"])
def test_a_url_that_is_given_is_checked(field: str) -> None:
    """Plain http would show tokens and keys to everybody on the way."""
    with pytest.raises(InvalidInput, match="not https"):
        NetSuiteSettings(account="1", **NOTHING, **{field: "http://netsuite.example"})


@pytest.mark.parametrize("algorithm", ["PS256", "PS384", "PS512", "ES256", "ES384", "ES512"])
def test_assertions_are_signed_as_netsuite_accepts(algorithm: str) -> None:
    """The six algorithms of Oracle's page."""
    assert algorithm == NetSuiteSettings(account="1", assertion_algorithm=algorithm, **NOTHING).assertion_algorithm


@pytest.mark.parametrize("algorithm", ["", "RS256", "HS256", "none", "ps256"])
def test_other_algorithms_are_rejected(algorithm: str) -> None:
    """At once, not by a refused sign-in later."""
    with pytest.raises(InvalidInput, match="does not accept assertions"):
        NetSuiteSettings(account="1", assertion_algorithm=algorithm, **NOTHING)


# --- OpenAir ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sign_in", [{"client_id": "id"}, {"company": "Acme", "user": "keyturn"}, {"client_id": "id", "company": "Acme"}]
)
def test_openair_needs_one_way_to_sign_in(sign_in: dict[str, Any]) -> None:
    """OAuth, or a company and a user."""
    assert OpenAirKind.XML is OpenAirSettings(url="https://acme.app.openair.com", **sign_in).kind


@pytest.mark.parametrize("sign_in", [{}, {"company": "Acme"}, {"user": "keyturn"}])
def test_openair_without_a_way_to_sign_in_is_rejected(sign_in: dict[str, Any]) -> None:
    """Half of a sign-in is none."""
    with pytest.raises(InvalidInput, match="needs an OAuth client id, or a company and a user"):
        OpenAirSettings(url="https://acme.app.openair.com", **sign_in)


def test_openair_is_reached_safely() -> None:
    """Its URL is checked like any other."""
    with pytest.raises(InvalidInput, match="not https"):
        OpenAirSettings(url="http://acme.app.openair.com", client_id="id")


def test_the_export_needs_nothing() -> None:
    """A person signs in there, not Keyturn."""
    assert "" == OpenAirSettings(kind=OpenAirKind.EXPORT).url


# --- URLs -------------------------------------------------------------------------------------------------------------


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
    """Encrypted anywhere; plain http to this machine alone."""
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
    ],
)
def test_an_illegal_url_is_rejected(url: str) -> None:
    """A sentence for the person, whatever is wrong with it; never another exception, never a secret in it accepted."""
    with pytest.raises(InvalidInput):
        check_url(url)


@given(url=st.text())
def test_any_text_is_judged(url: str) -> None:
    """Accepted or invalid input: nothing else comes of a text."""
    try:
        check_url(url)
    except InvalidInput as error:
        assert error.message.endswith(".")  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("8.8.8.8", False), ("", False), ("localhost.", False)],
)
def test_loopback_is_this_machine(host: str, expected: bool) -> None:  # noqa: FBT001
    """By name or by number; nothing that merely looks like it."""
    assert expected is is_loopback(host)


# --- policy and name --------------------------------------------------------------------------------------------------


def test_the_usual_policy() -> None:
    """RSA-3072 for 365 days, and the current key is kept for a restore."""
    policy = Policy()
    assert (Algorithm.RSA_3072, 365, True) == (policy.algorithm, policy.days, policy.keep_key)


@pytest.mark.parametrize("days", [15, 365, 3650])
def test_a_life_that_outlasts_the_window(days: int) -> None:
    """From 15 days, so that no certificate is due on its first day, to ten years."""
    assert days == Policy(days=days).days


@pytest.mark.parametrize("days", [-1, 0, 1, 14, 3651])
def test_a_life_that_is_too_short_or_too_long(days: int) -> None:
    """The sentence names the limits and what was given."""
    with pytest.raises(InvalidInput, match=f"valid for 15 to 3650 days, not {days}"):
        Policy(days=days)


@pytest.mark.parametrize("name", ["acme", "a", "acme-sandbox.eu_1", "0", "a" * 63])
def test_a_legal_name(name: str) -> None:
    """Fit for a file name, a URL and a command line."""
    assert name == a_connection(name=name).name


@pytest.mark.parametrize("name", ["", "Acme", "-acme", "acme-", "a b", "../etc", "acme/x", "a" * 64, "acme\n", "ä"])
def test_an_illegal_name(name: str) -> None:
    """It can neither leave a folder nor be taken for an option."""
    with pytest.raises(InvalidInput, match="not a connection name"):
        a_connection(name=name)


# --- boxes and bundles ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("single_sign_on", "real_time", "oauth2"), list(product([False, True], repeat=3)))
def test_the_line_shows_by_the_vendors_boxes(single_sign_on: bool, real_time: bool, oauth2: bool) -> None:  # noqa: FBT001
    """(Single sign-on or real-time integration) and OAuth 2.0: three of the eight ways to tick the boxes."""
    options = Options(single_sign_on=single_sign_on, real_time_integration=real_time, oauth2=oauth2)
    shown = {(False, True, True), (True, False, True), (True, True, True)}
    assert ((single_sign_on, real_time, oauth2) in shown) is options.shows_certificate


@pytest.mark.parametrize(
    ("add_on", "connector", "expected"),
    [
        ("3.0", "4.0", True),
        ("3.00", "4.00", True),
        ("4.02", "5.02", True),
        ("10.0", "11.1", True),
        ("3", "4", True),
        ("3.0.1", "4.0", True),
        ("2.9", "4.0", False),
        ("2.99.9", "4.0", False),
        ("3.0", "3.9", False),
        ("3.0", None, False),
        (None, "4.0", False),
        (None, None, False),
    ],
)
def test_the_upgraded_feature_rotates_unasked(add_on: str | None, connector: str | None, expected: bool) -> None:  # noqa: FBT001
    """Bundle 369630 from 3.0 on, with 369637 from 4.0 on; versions are compared as numbers."""
    versions = {"369630": add_on, "369637": connector}
    bundles = {bundle: version for bundle, version in versions.items() if version}
    assert expected is a_connection(bundles=bundles).is_automatic


def test_without_the_boxes_nothing_is_automatic() -> None:
    """However new the bundles are."""
    bundles = {"369630": "4.02", "369637": "5.02"}
    assert not a_connection(bundles=bundles, options=Options(oauth2=False)).is_automatic


@pytest.mark.parametrize("version", ["", "v3", "3.", ".3", "3..0", "3.0b", "3,0", " 3.0"])
def test_a_version_is_numbers_and_dots(version: str) -> None:
    """What cannot be compared is rejected, with the bundle's id."""
    with pytest.raises(InvalidInput, match="369630"):
        a_connection(bundles={"369630": version})


# --- what nobody said -------------------------------------------------------------------------------------------------


def test_the_usual_settings() -> None:
    """What suitescript/ deploys, how Keyturn signs in to it, and where OpenAir's certificate is kept."""
    netsuite = NetSuiteSettings(account="1", **NOTHING)
    assert ("PS256", "customscript_keyturn_restlet", "customdeploy_keyturn_restlet") == (
        netsuite.assertion_algorithm,
        netsuite.script,
        netsuite.deployment,
    )
    openair = OpenAirSettings(url="https://acme.app.openair.com", client_id="id")
    assert ("default", "oa_realtime_certificate", "", "") == (
        openair.namespace,
        openair.preference,
        openair.company,
        openair.user,
    )
    assert "" == OpenAirSettings(url="https://acme.app.openair.com", company="Acme", user="keyturn").client_id


def test_a_new_connection() -> None:
    """Real-time integration with OAuth 2.0, no bundle that is known, no certificate, never due by itself."""
    netsuite, openair = NetSuiteSettings(account="1", **NOTHING), OpenAirSettings(kind=OpenAirKind.EXPORT)
    new = Connection(name="acme", netsuite=netsuite, openair=openair)
    assert (Options(single_sign_on=False, real_time_integration=True, oauth2=True), Policy(), {}) == (
        new.options,
        new.policy,
        new.bundles,
    )
    assert (0, None, None) == (new.version, new.current, new.due_at)
