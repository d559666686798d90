"""The accepted settings for reaching NetSuite and OpenAir."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states.base_url import check_url
from states.connection import NetSuiteSettings, OpenAirKind, OpenAirSettings
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
    """A base URL has the account id in lower case, with a hyphen instead of the underscore."""
    settings = NetSuiteSettings(account=account, **NOTHING)
    expected = (f"https://{host}.restlets.api.netsuite.com", f"https://{host}.suitetalk.api.netsuite.com")
    assert expected == (settings.restlet_url, settings.token_url)


ILLEGAL_ACCOUNTS = """
 _ 1234567_ _SB1 1234567__SB1 12_34_56 1234567/ 1234567.evil.example １２３４５６７ ä 1234567_SB1;x -1
"""  # noqa: RUF001 - those digits are none


@pytest.mark.parametrize("account", ["", "1234 567", "1234567\n", 64 * "1", *ILLEGAL_ACCOUNTS.split()])
def test_an_illegal_account_is_rejected(account: str) -> None:
    """A text that is no account id is refused, and never becomes part of a host name."""
    with pytest.raises(InvalidInput, match="not a NetSuite account id"):
        NetSuiteSettings(account=account, **NOTHING)


@given(account=st.from_regex(r"[A-Za-z0-9]{1,31}([_-][A-Za-z0-9]{1,31})?", fullmatch=True))
def test_every_legal_account_gives_legal_urls(account: str) -> None:
    """The derived host is directly below NetSuite's domain."""
    settings = NetSuiteSettings(account=account, **NOTHING)
    check_url(settings.restlet_url)
    assert settings.restlet_url == settings.restlet_url.lower()
    assert "_" not in settings.token_url


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", None),
        ("2028-11-26", datetime(2028, 11, 26, tzinfo=UTC)),
        ("2028-11-26T01:30:00+02:00", datetime(2028, 11, 25, 23, 30, tzinfo=UTC)),
    ],
)
def test_the_end_of_the_sign_in_certificate(given: str, kept: datetime | None) -> None:
    """A day means its first moment, in UTC; without one, the end is not known."""
    settings = NetSuiteSettings(account="1", certificate_until=given, **NOTHING)
    assert (kept, settings) == (settings.sign_in_ends, NetSuiteSettings(**settings.values()))


def test_what_is_not_known_is_not_stored() -> None:
    """So the codes of connections that earlier versions stored are valid still."""
    settings = NetSuiteSettings(account="1", **NOTHING)
    assert {"certificate_until", "certificate_fingerprint"}.isdisjoint(settings.values())


@pytest.mark.parametrize("given", ["soon", "2028-13-01", "0001-01-01T00:00:00+14:00", 10_000 * "9"])
def test_an_end_that_is_no_moment(given: str) -> None:
    """It is refused in a short sentence."""
    with pytest.raises(InvalidInput, match="not a day such as") as refused:
        NetSuiteSettings(account="1", certificate_until=given, **NOTHING)
    assert len(str(refused.value)) < 200


def test_urls_can_be_given() -> None:
    """The base URLs can be set, because Oracle's documentation says to discover them."""
    settings = NetSuiteSettings(
        account="1", restlet_url="https://restlets.example", token_url="https://tokens.example", **NOTHING
    )
    assert ("https://restlets.example", "https://tokens.example") == (settings.restlet_url, settings.token_url)


@pytest.mark.parametrize("field", ["restlet_url", "token_url"])
def test_a_url_that_is_given_is_checked(field: str) -> None:
    """A base URL that is not https is refused."""
    with pytest.raises(InvalidInput, match="not https"):
        NetSuiteSettings(account="1", **NOTHING, **{field: "http://netsuite.example"})


@pytest.mark.parametrize("algorithm", ["PS256", "PS384", "PS512", "ES256", "ES384", "ES512"])
def test_assertions_are_signed_as_netsuite_accepts(algorithm: str) -> None:
    """The six algorithms that Oracle documents for the assertion are accepted."""
    assert algorithm == NetSuiteSettings(account="1", assertion_algorithm=algorithm, **NOTHING).assertion_algorithm


@pytest.mark.parametrize("algorithm", ["", "RS256", "HS256", "none", "ps256"])
def test_other_algorithms_are_rejected(algorithm: str) -> None:
    """Another algorithm is refused at once."""
    with pytest.raises(InvalidInput, match="does not accept assertions"):
        NetSuiteSettings(account="1", assertion_algorithm=algorithm, **NOTHING)


# --- OpenAir ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sign_in", [{"client_id": "id"}, {"company": "Acme", "user": "keyturn"}, {"client_id": "id", "company": "Acme"}]
)
def test_openair_needs_one_way_to_sign_in(sign_in: dict[str, Any]) -> None:
    """OpenAir needs an OAuth client, or a company and a user."""
    assert OpenAirKind.XML is OpenAirSettings(url="https://acme.app.openair.com", **sign_in).kind


@pytest.mark.parametrize("sign_in", [{}, {"company": "Acme"}, {"user": "keyturn"}])
def test_openair_without_a_way_to_sign_in_is_rejected(sign_in: dict[str, Any]) -> None:
    """An incomplete sign-in is refused."""
    with pytest.raises(InvalidInput, match="needs an OAuth client id, or a company and a user"):
        OpenAirSettings(url="https://acme.app.openair.com", **sign_in)


def test_openair_is_reached_safely() -> None:
    """OpenAir's URL must be https too."""
    with pytest.raises(InvalidInput, match="not https"):
        OpenAirSettings(url="http://acme.app.openair.com", client_id="id")


def test_the_export_needs_nothing() -> None:
    """The export kind needs no sign-in."""
    assert "" == OpenAirSettings(kind=OpenAirKind.EXPORT).url


# --- defaults ---------------------------------------------------------------------------------------------------------


def test_the_usual_settings() -> None:
    """The defaults are the ids in suitescript/, PS256, and the preference oa_realtime_certificate."""
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
