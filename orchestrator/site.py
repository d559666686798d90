"""Where people and programs reach the console and the API: on loopback, or under an address of their own with TLS."""

import ssl
from dataclasses import dataclass
from typing import Final

from orchestrator.settings import ConsoleSettings
from states.base_url import origin_of
from states.errors import InvalidSettings, TlsRequired
from states.next_action import by_hand

LOOPBACK: Final = "127.0.0.1"
_LOCAL: Final = (LOOPBACK, "localhost")
_HTTPS: Final = 443


@dataclass(frozen=True, slots=True)
class Site:
    """Under which names a process answers, and how its answers are protected on their way."""

    origin: str
    """What the address of a page begins with."""
    hosts: frozenset[str]
    """The values of Host that are answered. Another site may point other names here."""
    cookie: str
    """The name of a session's cookie."""
    proxy: str = ""
    """The only address that may connect: it ends TLS, and says where a request comes from. Empty without one."""

    @property
    def openid_cookie(self) -> str:
        """The name of the cookie that a browser has while it signs in by OpenID Connect."""
        return f"{self.cookie}-openid"

    @property
    def is_secure(self) -> bool:
        """Whether requests come over TLS."""
        return self.origin.startswith("https:")

    def is_own(self, origin: str | None, host: str | None) -> bool:
        """Whether a page with this ``Origin`` is of the ``Host`` that it posts to."""
        return origin == f"{self.origin.partition(':')[0]}://{host}"


def site_of(settings: ConsoleSettings, host: str, port: int) -> Site:
    """Return the site of a process that listens on ``host`` and ``port``.

    Raises TlsRequired off loopback without TLS or a proxy that is trusted to have it; InvalidSettings where the
    settings do not fit each other.
    """
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise InvalidSettings("The settings console.tls_certificate and console.tls_key belong together.")
    if settings.tls_certificate and settings.trusted_proxy:
        raise InvalidSettings("Either the console or the proxy console.trusted_proxy ends TLS, not both.")
    if not (settings.tls_certificate or settings.trusted_proxy):
        if host not in _LOCAL:
            raise _unprotected(host, port)
        # A browser sends cookies to every port of a host: the name tells them apart.
        return Site(f"http://{LOOPBACK}:{port}", _local(port), f"__Host-keyturn-{port}")
    if not settings.address:
        raise InvalidSettings(
            "The setting console.address is missing: the URL under which people open the console.",
            next_action=by_hand("Set console.address, such as https://keyturn.example.com."),
        )
    origin = origin_of(settings.address)
    names = (
        {str(origin), f"{str(origin).removesuffix(f':{_HTTPS}')}:{_HTTPS}"} if origin.port == _HTTPS else {str(origin)}
    )
    return Site(f"https://{origin}", frozenset(names), "__Host-keyturn", settings.trusted_proxy)


def check_files(settings: ConsoleSettings) -> None:
    """Raise InvalidSettings where the certificate or its key cannot be used."""
    if not (settings.tls_certificate and settings.tls_key):
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            settings.tls_certificate,
            settings.tls_key,
            password=lambda: "",  # otherwise OpenSSL asks for it on the terminal
        )
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        said = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise InvalidSettings(
            f"The console cannot use {settings.tls_certificate} with {settings.tls_key}: {said}.",
            next_action=by_hand("Give a PEM file of the certificate and its chain, and one of its key, unencrypted."),
        ) from error


def _local(port: int) -> frozenset[str]:
    return frozenset(f"{name}:{port}" for name in _LOCAL)


def _unprotected(host: str, port: int) -> TlsRequired:
    return TlsRequired(
        f"The console does not listen on {host} without TLS: the network could read passwords and sessions.",
        next_action=by_hand(
            "Set console.tls_certificate and console.tls_key, or console.trusted_proxy. Or stay on loopback, and "
            f"forward the same port of your own computer with `ssh -L {port}:{LOOPBACK}:{port}`.",
            None,
        ),
    )
