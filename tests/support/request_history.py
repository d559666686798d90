"""What the simulator's own request history says of a rotation. The systems are the judges, not Keyturn's database."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from simulator import Entry, Simulator


class Order:
    """Rule 1, watched as the history grows."""

    def __init__(self) -> None:
        self._proved: set[tuple[str, str]] = set()

    def broken_by(self, entry: Entry) -> str:
        """What is wrong with the history's next entry, or an empty string."""
        if entry.endpoint == "outside":
            return ""
        if "leaked" in entry.effect:
            return f"entry {entry.seq} carried a private key"
        if fingerprint := entry.effect.get("signed"):
            self._proved.add((entry.account, fingerprint))
        fingerprint = entry.effect.get("saved")
        if fingerprint and (entry.account, fingerprint) not in self._proved:
            return f"entry {entry.seq} saved {fingerprint} before it was proved"
        return ""


@contextmanager
def judged_simulator(**options: Any) -> Iterator[Simulator]:
    """Both systems. Their own history must show at the end that rule 1 held."""
    with Simulator(**options) as running:
        yield running
        assert_openair_came_second(running.history.entries())


def assert_openair_came_second(history: Iterable[Entry]) -> None:
    """OpenAir was never written before NetSuite had signed with that very certificate (rule 1)."""
    order = Order()
    assert [] == [broken for entry in history if (broken := order.broken_by(entry))]


def installed(history: Iterable[Entry]) -> list[str]:
    """The fingerprints that Keyturn installed in NetSuite, in order; one for each upload that took effect."""
    return _ours(history, "installed")


def saved(history: Iterable[Entry]) -> list[str]:
    """The fingerprints that Keyturn saved in OpenAir, in order."""
    return _ours(history, "saved")


def _ours(history: Iterable[Entry], effect: str) -> list[str]:
    """The effects of requests, without the acts of others."""
    return [entry.effect[effect] for entry in history if effect in entry.effect and entry.endpoint != "outside"]
