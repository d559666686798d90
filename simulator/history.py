"""The ordered history of requests to both simulated systems, and of their effects.

One sequence covers both systems, so tests can decide which effect came first. A system assigns `seq` when it acts (the
effect happens, or the answer is decided), not when the request arrives. So the lower `seq` came first even if a request
was delayed or applied late. The history holds no tokens, passwords or keys.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from simulator.clock import Clock

IN_PROGRESS = "in progress"


@dataclass(frozen=True, slots=True)
class Entry:
    """One request, or one change made by another party.

    seq       position in the sequence, from 1 without gaps
    at        when the system acted (UTC); received: when the request arrived (UTC)
    system    "netsuite" or "openair"; account: the NetSuite account id of the pair, for both systems
    endpoint  one of `faults.ENDPOINTS`, or "outside" for a change that no request of the client caused
    action    the RESTlet's action, the XML commands joined by "+", the grant type, the outside change; else None
    status    the HTTP status sent or decided; None if no answer was sent
    code      the system's own error code; None if there was none
    ended     "answered", "reset", "truncated", "dripped", "html", "applied late" or "in progress"
    fault     the injected kinds joined by "+", or None
    effect    what changed or was proved: "installed", "signed" and "saved" hold the SHA-256 fingerprint (hex) of the
              certificate, "removed" that of the removed certificate; "leaked" reports a private key sent where none
              is allowed; "mapped" holds the fingerprint of a sign-in certificate, "revoked" the id of one
    """

    seq: int
    at: datetime
    received: datetime
    system: str
    account: str
    endpoint: str
    action: str | None
    status: int | None
    code: str | None
    ended: str
    fault: str | None
    effect: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return the entry with times as ISO 8601 text."""
        return asdict(self) | {"at": self.at.isoformat(), "received": self.received.isoformat()}


class Call:
    """A request while a system handles it. It enters the history when the system first acts on it."""

    def __init__(self, history: "History", system: str, account: str, endpoint: str, action: str | None) -> None:
        self._history = history
        now = history.now()
        self._entry = Entry(0, now, now, system, account, endpoint, action, None, None, IN_PROGRESS, None, {})
        self.fault: str | None = None

    @property
    def listed(self) -> bool:
        """Whether the request has entered the history."""
        return self._entry.seq > 0

    @property
    def changed(self) -> bool:
        """Whether the request changed what a system holds."""
        return not self._entry.effect.keys().isdisjoint(("installed", "saved"))

    def effect(self, **effects: str) -> None:
        """Record what the request changed or proved. Call it at the moment of the change."""
        self._change(effect={**self._entry.effect, **effects})

    def end(self, status: int | None, ended: str, code: str | None = None) -> None:
        """Record how the request ended. Call it before you send the answer, so that its receiver finds it here."""
        self._change(status=status, ended=ended, code=code)

    def _change(self, **changes: Any) -> None:
        self._entry = self._history.put(replace(self._entry, fault=self.fault, **changes))


class History:
    """All entries, in order. Safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._entries: list[Entry] = []
        self._forgotten = 0

    def now(self) -> datetime:
        """Return the systems' time in UTC."""
        return self._clock.now()

    def begin(self, system: str, account: str, endpoint: str, action: str | None = None) -> Call:
        """Start to track a request."""
        return Call(self, system, account, endpoint, action)

    def put(self, entry: Entry) -> Entry:
        """Append `entry` if it has no `seq` yet, else replace the entry with its `seq`. Returns it with its `seq`."""
        with self._changed:
            if not entry.seq:
                entry = replace(entry, seq=self._forgotten + len(self._entries) + 1, at=self._clock.now())
                self._entries.append(entry)
            elif entry.seq > self._forgotten:
                self._entries[entry.seq - 1 - self._forgotten] = entry
            self._changed.notify_all()
            return entry

    def forget(self, upto: int) -> None:
        """Drop the entries up to `upto`, so that a long run does not fill memory. Numbering continues."""
        with self._changed:
            del self._entries[: max(upto - self._forgotten, 0)]
            self._forgotten = max(upto, self._forgotten)

    def wait_for(self, wanted: Callable[[Entry], bool], *, after: int = 0, seconds: float = 10.0) -> Entry:
        """Wait for the first entry with `seq` above `after` that `wanted` accepts, and return it.

        Tests an entry again each time it changes.

        Raises:
            TimeoutError: there is no such entry after `seconds`.
        """

        def found() -> Entry | None:
            return next((entry for entry in self._after(after) if wanted(entry)), None)

        with self._changed:
            entry = self._changed.wait_for(found, timeout=seconds)
        if entry is None:
            raise TimeoutError(f"no such entry in the history after {seconds} seconds")
        return entry

    def entries(self, after: int = 0, *, account: str | None = None, endpoint: str | None = None) -> list[Entry]:
        """Return the entries with `seq` above `after`, in order, optionally of one account or endpoint."""
        with self._changed:
            found = self._after(after)
        return [entry for entry in found if account in (None, entry.account) and endpoint in (None, entry.endpoint)]

    def effects(self, name: str, *, account: str | None = None) -> list[Entry]:
        """Return the entries with the effect `name` ("installed", "signed", "saved", …), in order."""
        return [entry for entry in self.entries(account=account) if name in entry.effect]

    def _after(self, seq: int) -> list[Entry]:
        return self._entries[max(seq - self._forgotten, 0) :]
