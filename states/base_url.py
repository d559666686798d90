"""The base URL of another system: the one place that reads which host it names.

What checks a URL is what connects: the HTTP client asks this module for host and port. The grammar is one that every
parser reads alike, because `requests` rewrites a URL with a parser of its own first.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from states.errors import InvalidInput

MOST_CHARACTERS: Final = 300
"""Longest base URL."""
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_URL: Final = re.compile(
    rf"(?P<scheme>https?)://(?:(?P<name>{_LABEL}(?:\.{_LABEL})*)|\[(?P<ipv6>[0-9a-f:.]+)\])(?::(?P<port>[0-9]{{1,5}}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?",
    re.IGNORECASE | re.ASCII,  # without ASCII, the Kelvin sign is a K to this pattern and another letter to a resolver
)
"""A base URL in the characters of RFC 3986, without user, query and fragment; a host of labels as DNS has them."""
_LAST_PORT: Final = 65535
_LONGEST_NAME: Final = 253
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a URL leads: what a connection is opened to."""

    scheme: str
    """http or https."""
    host: str
    """In lower case; an IPv6 address without brackets."""
    port: int

    def __str__(self) -> str:
        """The host, with its port unless that is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@lru_cache(maxsize=1024)  # a worker reads the same connections again and again; an error is not cached
def origin_of(url: str) -> Origin:
    """Return where ``url`` leads.

    Raises:
        InvalidInput: It is no base URL, or two parsers may read another host from it: one with a backslash, a user, a
            control character or a letter outside ASCII. The message does not repeat it, as it may hold a password.
    """
    found = _URL.fullmatch(url)
    if not found:
        raise _no_base_url()
    scheme = found["scheme"].lower()
    port = int(found["port"] or _PORTS[scheme])
    if not 0 < port <= _LAST_PORT or len(found["name"] or "") > _LONGEST_NAME:
        raise _no_base_url()
    if found["ipv6"]:
        return Origin(scheme, _ipv6(found["ipv6"]), port)
    return Origin(scheme, found["name"].lower(), port)


def check_url(url: str) -> None:
    """Accept an https URL, or http to a loopback address; raise InvalidInput for anything else."""
    origin = origin_of(url)
    if len(url) > MOST_CHARACTERS:
        raise _no_base_url()
    if origin.scheme == "http" and not is_loopback(origin.host):
        raise InvalidInput(f"{url!r} is not https. Plain http is accepted for loopback addresses only.")


def is_loopback(host: str) -> bool:
    """Whether ``host`` names this very machine: localhost, 127.0.0.0/8 or ::1."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _ipv6(text: str) -> str:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        raise _no_base_url() from None
    return text.lower()


def _no_base_url() -> InvalidInput:
    return InvalidInput("This is not a base URL such as https://example.app.openair.com.")
