"""Where the console answers: on loopback as it is, elsewhere only under one name with TLS."""

from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from orchestrator.settings import ConsoleSettings
from orchestrator.site import Site, check_files, site_of
from states.errors import InvalidSettings, TlsRequired

ADDRESS = "https://keyturn.example.com"
PROXY: dict[str, Any] = {"address": ADDRESS, "trusted_proxy": "192.0.2.7"}
FILES: dict[str, Any] = {"tls_certificate": Path("cert.pem"), "tls_key": Path("key.pem")}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::1", "192.0.2.1", "example.com", ""])  # noqa: S104 - it is refused
def test_off_loopback_without_tls(host: str) -> None:
    """Nothing but loopback is listened on without TLS, also where an address is set."""
    for settings in (ConsoleSettings(), ConsoleSettings(address=ADDRESS)):
        with pytest.raises(TlsRequired, match="without TLS") as refused:
            site_of(settings, host, 8742)
        assert "TLS_REQUIRED" == refused.value.code


def test_loopback() -> None:
    """On loopback both of its names are answered, and the cookie has the port in its name."""
    expected = Site("http://127.0.0.1:1", frozenset({"127.0.0.1:1", "localhost:1"}), "__Host-keyturn-1")
    assert {expected} == {site_of(ConsoleSettings(), host, 1) for host in ("127.0.0.1", "localhost")}
    assert not expected.is_secure


@pytest.mark.parametrize(
    ("address", "hosts"),
    [
        (ADDRESS, {"keyturn.example.com", "keyturn.example.com:443"}),
        ("https://Keyturn.example.com:443/", {"keyturn.example.com", "keyturn.example.com:443"}),
        ("https://keyturn.example.com:8742", {"keyturn.example.com:8742"}),
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - with TLS
def test_one_name_with_tls(address: str, hosts: set[str], host: str) -> None:
    """With TLS only the name of the address is answered, also where it listens on loopback."""
    site = site_of(ConsoleSettings(**{**FILES, "address": address}), host, 8742)
    assert (hosts, "__Host-keyturn", "", True) == (set(site.hosts), site.cookie, site.proxy, site.is_secure)
    name = min(hosts, key=len)
    assert [True, False, False, False] == [
        site.is_own(origin, name) for origin in (f"https://{name}", f"http://{name}", "null", None)
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tls_certificate": Path("x")}, "belong together"),
        ({"tls_key": Path("x"), "address": ADDRESS}, "belong together"),
        ({**FILES, **PROXY}, "not both"),
        (FILES, "console.address is missing"),
        ({"trusted_proxy": "192.0.2.7"}, "console.address is missing"),
    ],
)
def test_settings_that_do_not_fit(given: dict[str, Any], said: str) -> None:
    """Settings that leave open what protects whom are refused, on loopback, too."""
    with pytest.raises(InvalidSettings, match=said):
        site_of(ConsoleSettings(**given), "127.0.0.1", 8742)


@pytest.mark.parametrize(
    "given",
    [
        *({"address": wrong} for wrong in ("http://keyturn.example.com", "https://a/b", "keyturn", "https://u@a")),
        *({"trusted_proxy": wrong} for wrong in ("proxy.example.com", "10.0.0.0/8", "10.0.0.1, 10.0.0.2", "*")),
    ],
)
def test_values_that_are_none(given: dict[str, Any]) -> None:
    """An address is an https URL without a path, a proxy one IP address."""
    with pytest.raises(ValidationError):
        ConsoleSettings(**given)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """A missing file, one that is no certificate, and another certificate's key are said before anything listens."""
    authority = trustme.CA()
    first, second = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    certificate, key, other, text = (tmp_path / name for name in ("cert", "key", "other", "text"))
    first.cert_chain_pems[0].write_to_path(certificate)
    first.private_key_pem.write_to_path(key)
    second.private_key_pem.write_to_path(other)
    text.write_text("no key")
    check_files(ConsoleSettings())
    check_files(ConsoleSettings(tls_certificate=certificate, tls_key=key))
    for wrong in ((certificate, other), (certificate, tmp_path / "missing"), (text, key), (certificate, text)):
        with pytest.raises(InvalidSettings, match="The console cannot use"):
            check_files(ConsoleSettings(tls_certificate=wrong[0], tls_key=wrong[1]))
