"""Tells people what needs them, while a worker runs; in a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Self

from orchestrator.operations.alerts import Alerts
from orchestrator.shortage import start
from states.errors import KeyturnError
from states.shortage import shortage

_log = logging.getLogger("keyturn.alerts")

SEND_EVERY: Final = 2.0
"""Seconds between two looks for messages to send. A look costs a walk of an index that is mostly empty."""
LOOK_EVERY: Final = 60.0
"""Seconds between two looks for what only time brings, such as a certificate that becomes overdue."""
_END_WITHIN: Final = 15.0
"""Seconds to wait for the thread at the end, which may be sending."""


class AlertSender:
    """Use it as a context manager, around everything that carries rotations."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keyturn-alerts", daemon=True)

    def __enter__(self) -> Self:
        """Begin. Raises Exhausted."""
        start(self._thread)
        return self

    def __exit__(self, *_: object) -> None:
        """Send what is left, and end."""
        self._stop.set()
        self._thread.join(_END_WITHIN)

    def _run(self) -> None:
        looks_at = time.monotonic() + SEND_EVERY
        while not self._stop.wait(SEND_EVERY):
            if time.monotonic() >= looks_at:
                _safely(self._alerts.look)
                looks_at = time.monotonic() + LOOK_EVERY
            _safely(self._alerts.send)
        _safely(self._alerts.send)


def tell(alerts: Alerts) -> None:
    """Look, and send what is to be sent, once. An error is logged."""
    _safely(alerts.look)
    _safely(alerts.send)


def _safely(work: Callable[[], object]) -> None:
    """Do ``work``. An error is logged: it must stop no rotation, and no later message."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - the next time may succeed
        known = error if isinstance(error, KeyturnError) else shortage(error)
        about = {"code": known.code, "reason": known.message} if known else {}
        _log.error("alerts not reported", extra=about, exc_info=not known)
