"""A certificate authority for tests, and servers with its certificates."""

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import trustme
from pytest_httpserver import HTTPServer


class Tls:
    """A certificate authority, and a TLS context with a server certificate by it."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        authority = trustme.CA()
        self.ca_bundle = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_bundle)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(self.server)


@contextlib.contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[HTTPServer]:
    with HTTPServer(ssl_context=context) as server:
        server.expect_request("/path").respond_with_json({})
        yield server
