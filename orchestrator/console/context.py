"""What every page works with."""

import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from fastapi import Request
from starlette.responses import HTMLResponse

from orchestrator.bootstrap import Keyturn
from orchestrator.console import assets
from orchestrator.console.demo_page import Faults
from orchestrator.console.live import LISTEN_FOR, REST, Streams, Watcher
from orchestrator.console.rendering import Renderer, Shown, Values
from orchestrator.console.sessions import Sessions, session_of
from orchestrator.operations.carriers import Carriers
from orchestrator.operations.status import Overview
from orchestrator.operations.verbs import Verbs
from orchestrator.site import Site
from orchestrator.stop_request import StopRequest

_FRESH: Final = 1.0
"""Seconds for which an overview is used again while nothing changes: times go on."""


class Overviews:
    """The overview of all connections, made once for everyone who asks while nothing changes; safe to share."""

    def __init__(self, keyturn: Keyturn) -> None:
        self._keyturn = keyturn
        self._changes = keyturn.store.changes()
        self._lock = threading.Lock()
        self._kept: tuple[int, float, Overview] | None = None

    def get(self) -> Overview:
        """Return the overview as it is now. Its times may be a second old. Raises TryLater."""
        with self._lock:
            # Looked at before the store is read: what is committed in between is read again by the next one who asks.
            number = self._changes.look()
            if self._kept and self._kept[0] == number and time.monotonic() - self._kept[1] < _FRESH:
                return self._kept[2]
            made = self._keyturn.status.overview()
            self._kept = number, time.monotonic(), made
            return made

    def close(self) -> None:
        """Give back what looking needed. Safe to repeat."""
        with self._lock:
            self._changes.close()


class Console:
    """One console: the application, and what it has for its pages."""

    def __init__(self, keyturn: Keyturn, site: Site, stop: StopRequest, faults: Faults | None = None) -> None:
        """``faults`` are the demo's, which alone has any."""
        self.faults = faults
        self.keyturn = keyturn
        self.site = site
        self.stop = stop
        self.sessions = Sessions(keyturn.clock.now, keyturn.sign_in, keyturn.openid)
        is_local = keyturn.settings.store_url.startswith("sqlite:")
        self.watcher = Watcher(
            keyturn.store.changes(), keyturn.clock.now(), rest=REST, every=0.0 if is_local else LISTEN_FOR
        )
        self.streams = Streams(self.watcher)
        self.carriers = Carriers(keyturn.carry, keyturn.clock, stop, self.watcher.wake)
        self.verbs = Verbs(keyturn.rotations, keyturn.recovery, keyturn.rehearsals, self.carriers, stop)
        self.overviews = Overviews(keyturn)
        self.renderer = Renderer(assets.load()[1], has_demo=faults is not None)

    def page(
        self,
        request: Request | None,
        shown: Shown,
        status: HTTPStatus = HTTPStatus.OK,
        *,
        live: Values | None = None,
        path: str | None = None,
    ) -> HTMLResponse:
        """The whole page for whom ``request`` signed in; ``path`` is where it is in the navigation, if elsewhere.

        ``live`` has the version and the stream's address of a page that follows the store.
        """
        here = path if path is not None else request.url.path if request else ""
        session = session_of(request) if request else None
        return HTMLResponse(self.renderer.page(shown, session=session, live=live, path=here), status)


@dataclass(frozen=True, slots=True)
class Posting:
    """What a request is about, by its address: for the page of an error."""

    rotation: str | None
    connection: str | None
    back: str
    """Where the person can look again."""

    @classmethod
    def of(cls, request: Request) -> "Posting":
        """Look at the address of ``request``."""
        rotation = request.path_params.get("rotation")
        connection = request.path_params.get("name")
        if rotation:
            return cls(rotation, None, f"/rotations/{quote(rotation, safe='')}")
        return cls(None, connection, f"/connections/{quote(connection, safe='')}" if connection else "/")
