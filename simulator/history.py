"""The ordered history of what both simulated systems were asked and did.

One sequence covers both systems and is the judge of order: `seq` is given out at the moment a system acts (the effect
happens, or the answer is decided), not when the request arrives. So an effect with a lower `seq` truly came first,
also when a request was held back or lands late. Tokens, passwords and keys never enter it.
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
    """One request, or one act of somebody else, as the systems saw it.

    seq       position in the one sequence, from 1 without gaps
    at        when the system acted (UTC); received: when the request arrived (UTC)
    system    "netsuite" or "openair"; account: the NetSuite account id of the pair, for both systems
    endpoint  as in `faults.ENDPOINTS`, or "outside" for an act that no request of the client caused
    action    the RESTlet's action, the XML commands joined by "+", the grant type, the outside act; else None
    status    the HTTP status sent or decided, None where no answer was sent
    code      the system's own error code, None where there was none
    ended     "answered", "reset", "truncated", "dripped", "html", "applied late" or "in progress"
    fault     the injected kinds joined by "+", or None
    effect    what changed or was proved: "installed", "signed" and "saved" carry the SHA-256 fingerprint (hex) of the
              certificate, "removed" that of the one taken away; "leaked" names a private key where none may go
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
        """The entry with times as ISO 8601 text."""
        return asdict(self) | {"at": self.at.isoformat(), "received": self.received.isoformat()}


class Call:
    """A request on its way through a system; joins the history when the system first acts on it."""

    def __init__(self, history: "History", system: str, account: str, endpoint: str, action: str | None) -> None:
        self._history = history
        now = history.now()
        self._entry = Entry(0, now, now, system, account, endpoint, action, None, None, IN_PROGRESS, None, {})
        self.fault: str | None = None

    @property
    def listed(self) -> bool:
        """Whether it has joined the history."""
        return self._entry.seq > 0

    @property
    def changed(self) -> bool:
        """Whether it changed what a system holds."""
        return not self._entry.effect.keys().isdisjoint(("installed", "saved"))

    def effect(self, **effects: str) -> None:
        """Note what the request changed or proved, at the moment it happens."""
        self._change(effect={**self._entry.effect, **effects})

    def end(self, status: int | None, ended: str, code: str | None = None) -> None:
        """Note how the request ended; done before the answer leaves, so whoever has the answer also finds this."""
        self._change(status=status, ended=ended, code=code)

    def _change(self, **changes: Any) -> None:
        self._entry = self._history.put(replace(self._entry, fault=self.fault, **changes))


class History:
    """All entries in order. Safe to use from many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._entries: list[Entry] = []
        self._forgotten = 0

    def now(self) -> datetime:
        """The systems' time."""
        return self._clock.now()

    def begin(self, system: str, account: str, endpoint: str, action: str | None = None) -> Call:
        """Start following a request."""
        return Call(self, system, account, endpoint, action)

    def put(self, entry: Entry) -> Entry:
        """Append `entry` where it has no `seq` yet, else replace the one of that `seq`; returns it with its `seq`."""
        with self._changed:
            if not entry.seq:
                entry = replace(entry, seq=self._forgotten + len(self._entries) + 1, at=self._clock.now())
                self._entries.append(entry)
            elif entry.seq > self._forgotten:
                self._entries[entry.seq - 1 - self._forgotten] = entry
            self._changed.notify_all()
            return entry

    def forget(self, upto: int) -> None:
        """Drop the entries up to that `seq`, so that a long run stays small. The numbers go on as before."""
        with self._changed:
            del self._entries[: max(upto - self._forgotten, 0)]
            self._forgotten = max(upto, self._forgotten)

    def wait_for(self, wanted: Callable[[Entry], bool], *, after: int = 0, seconds: float = 10.0) -> Entry:
        """The first entry with `seq` above `after` that `wanted` accepts, waiting for it where need be.

        Raises TimeoutError after `seconds`. An entry is judged again whenever it changes.
        """

        def found() -> Entry | None:
            return next((entry for entry in self._after(after) if wanted(entry)), None)

        with self._changed:
            entry = self._changed.wait_for(found, timeout=seconds)
        if entry is None:
            raise TimeoutError(f"no such entry in the history after {seconds} seconds")
        return entry

    def entries(self, after: int = 0, *, account: str | None = None, endpoint: str | None = None) -> list[Entry]:
        """The entries with `seq` above `after`, of one account or endpoint where given, in order."""
        with self._changed:
            found = self._after(after)
        return [entry for entry in found if account in (None, entry.account) and endpoint in (None, entry.endpoint)]

    def effects(self, name: str, *, account: str | None = None) -> list[Entry]:
        """The entries that have an effect called `name` ("installed", "signed", "saved", …), in order."""
        return [entry for entry in self.entries(account=account) if name in entry.effect]

    def _after(self, seq: int) -> list[Entry]:
        return self._entries[max(seq - self._forgotten, 0) :]
