"""Real-time imports: what NetSuite sends to OpenAir whenever somebody saves a record, and how it fares."""

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

from simulator.clock import Clock
from simulator.errors import SuiteScriptError
from simulator.record import CertificateRecord
from simulator.triggers import PATH, Trigger

TIMEOUT = 5.0
"""Seconds NetSuite waits for OpenAir."""


@dataclass(frozen=True)
class Counts:
    """How one account's imports fared; times are UTC.

    `refused` counts answers that begin with `Error:`, and imports that could not be signed because the record is
    missing; `failed` counts those without a proper answer.
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
        """The counts with times as ISO 8601 text."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(self).items()
        }


@dataclass(frozen=True)
class Route:
    """From which record to which company an account's imports go."""

    record: CertificateRecord
    openair_url: str
    db_id: str


class ImportRequests:
    """Sends triggers for any account, one at a time or continuously. Safe to use from many threads.

    `account` None means the first account.
    """

    def __init__(self, routes: Mapping[str, Route], clock: Clock) -> None:
        self._routes = routes
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, Counts] = {}
        self._senders: dict[str, tuple[threading.Thread, threading.Event]] = {}
        self._numbers = itertools.count(1)

    def counts(self, account: str | None = None) -> Counts:
        """What has happened so far."""
        with self._lock:
            return self._counts.get(self._named(account), Counts())

    def send(self, account: str | None = None) -> str | None:
        """Send one trigger, signed with the record's key; returns OpenAir's answer, None where there was none."""
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
        """Send `rate` triggers a second until `stop`. Raises ValueError where the account sends already."""
        account = self._named(account)
        if rate <= 0:
            raise ValueError("the rate must be above 0 a second")
        stopping = threading.Event()
        thread = threading.Thread(
            target=self._send_on, args=(account, 1 / rate, stopping), name="simulator-imports", daemon=True
        )
        with self._lock:
            if account in self._senders:
                raise ValueError(f"imports of {account} are being sent already")
            self._senders[account] = (thread, stopping)
        thread.start()

    def stop(self, account: str | None = None) -> None:
        """Stop sending and wait for the one under way. Safe to repeat."""
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
    """The text OpenAir answers with, or None."""
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
