"""Real-time imports: NetSuite sends a trigger to OpenAir when a user saves a record. Counts their results."""

import http.client
import itertools
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from simulator.certificate_record import CertificateRecord
from simulator.clock import Clock
from simulator.errors import SuiteScriptError
from simulator.import_triggers import PATH, Trigger

TIMEOUT = 5.0
"""Seconds that NetSuite waits for OpenAir."""


@dataclass(frozen=True)
class Counts:
    """The results of one account's imports. Times are UTC.

    `refused` counts answers that begin with `Error:`, and imports that NetSuite could not sign because the record is
    missing. `failed` counts imports without a valid answer.
    """

    sent: int = 0
    accepted: int = 0
    refused: int = 0
    failed: int = 0
    first_refusal: datetime | None = None
    last_refusal: datetime | None = None
    last_answer: str | None = None
    last_url: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the counts with times as ISO 8601 text."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(self).items()
        }


@dataclass(frozen=True)
class Route:
    """The record that signs an account's imports, and the company that receives them."""

    record: CertificateRecord
    openair_url: str
    db_id: str


class ImportRequests:
    """Sends triggers for any account, one at a time or continuously. Safe to use from several threads.

    In every method, `account` None means the first account.
    """

    def __init__(self, routes: Mapping[str, Route], clock: Clock) -> None:
        self._routes = routes
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, Counts] = {}
        self._senders: dict[str, tuple[threading.Thread, threading.Event]] = {}
        self._numbers = itertools.count(1)

    def counts(self, account: str | None = None) -> Counts:
        """Return the results so far."""
        with self._lock:
            return self._counts.get(self._named(account), Counts())

    def send(self, account: str | None = None) -> str | None:
        """Send one trigger, signed with the record's key. Returns OpenAir's answer, or None if there was none."""
        account = self._named(account)
        route = self._routes[account]
        trigger = Trigger(route.db_id, "project", str(next(self._numbers)))
        try:
            url = f"{route.openair_url}{PATH}?{trigger.query(route.record.sign(None, trigger.text()))}"
        except SuiteScriptError as error:
            answer: str | None = f"Error: {error.message}"
            self._count(account, None, answer)
            return answer
        answer = _get(url)
        self._count(account, url, answer)
        return answer

    def start(self, rate: float, account: str | None = None) -> None:
        """Send `rate` triggers a second until `stop`.

        Raises:
            ValueError: the account is already sending, or the rate is not above 0.
        """
        account = self._named(account)
        if rate <= 0:
            raise ValueError("the rate must be above 0 a second")
        stopping = threading.Event()
        thread = threading.Thread(
            target=self._send_on, args=(account, 1 / rate, stopping), name="simulator-imports", daemon=True
        )
        with self._lock:
            if account in self._senders:
                raise ValueError(f"account {account} is already sending imports")
            self._senders[account] = (thread, stopping)
        thread.start()

    def stop(self, account: str | None = None) -> None:
        """Stop sending and wait for the current request. Safe to repeat."""
        with self._lock:
            sender = self._senders.pop(self._named(account), None)
        if sender is not None:
            sender[1].set()
            sender[0].join()

    def stop_all(self) -> None:
        """Stop the imports of every account."""
        for account in self._routes:
            self.stop(account)

    def _named(self, account: str | None) -> str:
        account = account or next(iter(self._routes))
        if account not in self._routes:
            raise ValueError(f"unknown account {account!r}")
        return account

    def _send_on(self, account: str, interval: float, stopping: threading.Event) -> None:
        due = time.monotonic()
        while not stopping.wait(max(0.0, due - time.monotonic())):
            self.send(account)
            due = max(due + interval, time.monotonic())

    def _count(self, account: str, url: str | None, answer: str | None) -> None:
        now = self._clock.now()
        with self._lock:
            counts = self._counts.get(account, Counts())
            counts = replace(counts, sent=counts.sent + 1, last_answer=answer, last_url=url or counts.last_url)
            if answer is None:
                counts = replace(counts, failed=counts.failed + 1)
            elif answer.startswith("Error:"):
                counts = replace(
                    counts,
                    refused=counts.refused + 1,
                    first_refusal=counts.first_refusal or now,
                    last_refusal=now,
                )
            else:
                counts = replace(counts, accepted=counts.accepted + 1)
            self._counts[account] = counts


def _get(url: str) -> str | None:
    """Return the text of OpenAir's answer, or None."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return text if response.status == HTTPStatus.OK else None
