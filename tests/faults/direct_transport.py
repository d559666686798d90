"""Carries our adapters' requests to the simulated systems without a socket, in virtual time."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from orchestrator.adapters import transport
from simulator import Simulator
from simulator.netsuite import NetSuite
from simulator.openair import OpenAir
from simulator.server import App, Delivery, Reply, Request
from tests.faults.virtual_time import VirtualTime

Pause = Callable[[str], None]
"""Pause at a place until the caller may go on."""


class DirectAdapter(BaseAdapter):
    """Replaces the network of a session. The caller pauses before each request and before each answer."""

    def __init__(
        self, simulator: Simulator, virtual_time: VirtualTime, within: float, pause: Pause, elsewhere: list[str]
    ) -> None:
        """``within``: the seconds after which the client leaves. ``elsewhere`` gets the URLs of other systems."""
        super().__init__()
        self._systems: dict[str, App] = {
            urlsplit(simulator.netsuite_url).netloc: NetSuite(simulator._netsuite_accounts),
            urlsplit(simulator.openair_url).netloc: OpenAir(simulator._openair_companies),
        }
        self._virtual_time = virtual_time
        self._within = timedelta(seconds=within)
        self._pause = pause
        self._elsewhere = elsewhere

    def send(self, request: requests.PreparedRequest, *_args: object, **_options: object) -> requests.Response:
        url = urlsplit(str(request.url))
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.body or b""
        assert isinstance(body, bytes)
        self._pause("send")
        if url.netloc not in self._systems:
            self._elsewhere.append(str(request.url))
            raise requests.ConnectionError("no such host")
        began = self._virtual_time.time
        asked = Request(str(request.method), url.path, url.query, headers, body)
        delivery = self._systems[url.netloc](asked)
        self._pause("answer")
        if delivery.reply is None:
            raise requests.ConnectionError("reset")
        self._virtual_time.go_on(delivery.pause * len(delivery.reply.body))
        if self._virtual_time.time - began > self._within:
            raise requests.ReadTimeout
        return HTTPAdapter().build_response(request, _answer(delivery, delivery.reply))

    def close(self) -> None:
        """There is nothing to close."""


def _answer(delivery: Delivery, reply: Reply) -> HTTPResponse:
    sent = reply.body[: len(reply.body) // 2] if delivery.truncated else reply.body
    headers = {**dict(reply.headers), "Content-Type": reply.content_type, "Content-Length": str(len(reply.body))}
    return HTTPResponse(
        io.BytesIO(sent), headers, reply.status, preload_content=False, decode_content=False, request_method="POST"
    )


def session(simulator: Simulator, virtual_time: VirtualTime, pause: Pause, elsewhere: list[str]) -> Callable[..., Any]:
    """What makes our adapters' sessions (orchestrator.adapters.transport.session), which reach the systems directly.

    ``elsewhere`` gets the URL of each request to another system.
    """

    def make(ca_bundle: str | None, within: float, proxy: transport.Proxy | None = None) -> requests.Session:
        made = transport.session(ca_bundle, within, proxy)
        for scheme in ("http://", "https://"):
            made.mount(scheme, DirectAdapter(simulator, virtual_time, within, pause, elsewhere))
        return made

    return make
