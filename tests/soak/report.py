"""The result of a soak: figures and violations."""

from collections import Counter
from dataclasses import dataclass, field
from statistics import linear_regression, median, quantiles
from typing import Final

MEBIBYTE: Final = 1024
"""In KiB, the unit of the memory figures."""
WARM: Final = 300.0
"""Seconds after which a worker has everything that it needs."""
GROWTH: Final = MEBIBYTE
"""How much a warm worker's memory may differ from one quarter of its time to the last."""


@dataclass
class Report:
    """The figures of a soak. It succeeded if ``violations`` is empty."""

    minutes: float
    seed: int
    connections: int
    workers: int
    kills: int = 0
    calls: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    parked: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    doubts: int = 0
    journal: int = 0
    skews: list[float] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report, line by line."""
        rotations = sum(self.endings.values())
        return [
            f"minutes      {self.minutes:g}, seed {self.seed}, {self.connections} connections, "
            f"{self.workers} workers of which one is never killed",
            f"kills        {self.kills}",
            f"calls        {self.calls}",
            f"faults       {sum(self.faults.values())}: {_counts(self.faults)}",
            f"rotations    {rotations}: {_counts(self.endings)}",
            f"in doubt     {self.doubts} rotations had a write whose answer was lost",
            f"parked       {sum(self.parked.values())} times: {_counts(self.parked)}",
            f"next action  {_counts(self.taken)}",
            f"journal      {self.journal} entries, as they were written" if self.journal else "journal      broken",
            f"skew         {self._skew()}",
            f"memory       {self._memory()}",
            *(f"VIOLATION    {each}" for each in self.violations),
            "well" if not self.violations else f"{len(self.violations)} violations; again with SEED={self.seed}",
        ]

    def judge_memory(self) -> None:
        """A warm worker's memory must stay where it is."""
        warm = [kib for second, kib in self.memory if second > WARM]
        quarter = len(warm) // 4
        if not quarter:
            return
        before, after = median(warm[quarter : 2 * quarter]), median(warm[-quarter:])
        if after - before > GROWTH:
            self.violations.append(f"the steady worker's memory grew from {before:.0f} to {after:.0f} KiB")

    def _skew(self) -> str:
        if len(self.skews) < 2:
            return "none"
        cuts = quantiles(self.skews, n=100, method="inclusive")
        named = {"min": min(self.skews), "median": cuts[49], "p90": cuts[89], "p99": cuts[98], "max": max(self.skews)}
        return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in named.items()) + f" ({len(self.skews)})"

    def _memory(self) -> str:
        if len(self.memory) < 2:
            return "not sampled"
        half = self.memory[len(self.memory) // 2 :]
        slope = linear_regression(*zip(*half, strict=True)).slope * 60 if len(half) > 1 else 0.0
        first, last, most = self.memory[0][1], self.memory[-1][1], max(kib for _, kib in self.memory)
        at_half = half[0][1]
        return (
            f"first {first} KiB, at half time {at_half} KiB, last {last} KiB, most {most} KiB; "
            f"in the second half {slope:+.1f} KiB a minute ({len(self.memory)} samples)"
        )


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counter.most_common()) or "none"
