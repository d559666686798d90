"""What the simulated systems themselves saw: the proof does not rest on Keyturn's word."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.views import formatting
from orchestrator.views.values import Json, iso
from simulator import Entry, Simulator

_SYSTEMS = {"netsuite": "NetSuite", "openair": "OpenAir"}
_EFFECTS = {"installed": "took the certificate {}", "signed": "signed with {}", "saved": "was given {}"}


@dataclass(frozen=True, slots=True)
class Sight:
    """One thing that a system did with a certificate."""

    seq: int
    """Its place in the one sequence of both systems."""
    at: datetime
    system: str
    effect: str
    """installed, signed or saved."""
    fingerprint: str

    def line(self) -> str:
        """As a line of text."""
        what = _EFFECTS[self.effect].format(f"{self.fingerprint[:16]}…")
        return f"{self.seq:>4}  {formatting.clock(self.at)}  {_SYSTEMS[self.system]:8}  {what}"

    def record(self) -> Json:
        """As JSON: ``seq``, ``at``, ``system``, ``effect``, ``fingerprint``."""
        return {
            "seq": self.seq,
            "at": iso(self.at),
            "system": self.system,
            "effect": self.effect,
            "fingerprint": self.fingerprint,
        }


def order(simulator: Simulator) -> list[Sight]:
    """What both systems did with certificates, in order; a system that signs on with the same one is named once."""
    sights: list[Sight] = []
    for entry in simulator.history.entries():
        for sight in _sights(entry):
            last = sights[-1] if sights else None
            if last is None or (last.effect, last.fingerprint) != (sight.effect, sight.fingerprint):
                sights.append(sight)
    return sights


def _sights(entry: Entry) -> list[Sight]:
    return [
        Sight(entry.seq, entry.at, entry.system, effect, entry.effect[effect])
        for effect in _EFFECTS
        if effect in entry.effect
    ]


def netsuite_came_first(sights: Sequence[Sight]) -> bool:
    """Whether OpenAir was given a certificate at all, and none before NetSuite had signed with that very one."""
    signed: set[str] = set()
    saved = 0
    for sight in sights:
        if sight.effect == "signed":
            signed.add(sight.fingerprint)
        if sight.effect == "saved":
            saved += 1
            if sight.fingerprint not in signed:
                return False
    return saved > 0


def installs(sights: Sequence[Sight], fingerprint: str) -> int:
    """How often NetSuite took this certificate."""
    return sum(sight.effect == "installed" and sight.fingerprint == fingerprint for sight in sights)


@dataclass(frozen=True, slots=True)
class Imports:
    """Real-time imports that were accepted and refused."""

    accepted: int
    refused: int

    @classmethod
    def so_far(cls, simulator: Simulator) -> "Imports":
        """All that were sent until now."""
        counts = simulator.import_requests.counts()
        return cls(counts.accepted, counts.refused + counts.failed)

    def since(self, before: "Imports") -> "Imports":
        """Those that came after ``before``."""
        return Imports(self.accepted - before.accepted, self.refused - before.refused)

    def __str__(self) -> str:
        return f"{self.accepted} accepted, {self.refused} refused"

    def record(self) -> Json:
        """As JSON: ``accepted``, ``refused``."""
        return {"accepted": self.accepted, "refused": self.refused}
