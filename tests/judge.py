"""What the simulator's own request history says of a rotation. The systems are the judges, not Keyturn's database."""

from collections.abc import Iterable

from simulator import Entry


def assert_openair_came_second(history: Iterable[Entry]) -> None:
    """OpenAir was never written before NetSuite had signed with that very certificate (rule 1)."""
    proved: set[tuple[str, str]] = set()
    for entry in history:
        if entry.endpoint == "outside":
            continue
        if fingerprint := entry.effect.get("signed"):
            proved.add((entry.account, fingerprint))
        if fingerprint := entry.effect.get("saved"):
            assert (entry.account, fingerprint) in proved, f"entry {entry.seq} saved {fingerprint} before it was proved"
        assert "leaked" not in entry.effect, f"entry {entry.seq} carried a private key"


def installed(history: Iterable[Entry]) -> list[str]:
    """The fingerprints that Keyturn installed in NetSuite, in order; one for each upload that took effect."""
    return _ours(history, "installed")


def saved(history: Iterable[Entry]) -> list[str]:
    """The fingerprints that Keyturn saved in OpenAir, in order."""
    return _ours(history, "saved")


def _ours(history: Iterable[Entry], effect: str) -> list[str]:
    """The effects of requests, without the acts of others."""
    return [entry.effect[effect] for entry in history if effect in entry.effect and entry.endpoint != "outside"]
