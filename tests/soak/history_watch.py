"""Watches the systems' request history while it grows, and has what was judged forgotten."""

from collections import Counter

from support.request_history import Order

from simulator import Entry
from simulator.history import IN_PROGRESS, History


class Watch:
    """What both systems saw, judged entry by entry."""

    def __init__(self, history: History) -> None:
        self.calls = 0
        self.faults: Counter[str] = Counter()
        """How often each kind of fault has struck."""
        self.violations: list[str] = []
        self.effects: dict[str, set[str]] = {"signed": set(), "installed": set(), "saved": set()}
        """The fingerprints that Keyturn's requests had each effect with."""
        self._history = history
        self._order = Order()
        self._seen = 0

    def look(self) -> None:
        """Judge what is new, up to the first request that is still under way: its effects may not be complete."""
        for entry in self._history.entries(self._seen):
            if entry.ended == IN_PROGRESS and entry.endpoint != "outside":
                break
            self._judge(entry)
            self._seen = entry.seq
        self._history.forget(self._seen)

    def _judge(self, entry: Entry) -> None:
        if broken := self._order.broken_by(entry):
            self.violations.append(broken)
        if entry.endpoint == "outside":
            return
        self.calls += 1
        self.faults.update(entry.fault.split("+") if entry.fault else ())
        for effect, seen in self.effects.items():
            if effect in entry.effect:
                seen.add(entry.effect[effect])
