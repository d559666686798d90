"""Explores the model with spin: `python verification/model/run.py [--quick] [--mutants | --write]`.

Prints which properties hold. Needs spin 6.5 and gcc. Exits with 1 at the first violation and prints the events that
lead to it. Every figure comes from spin. `--mutants` removes each guard in turn: then a property must fail, or the
guard is not needed. `--write` does so too, and writes the events that lead to each failure to `violations.txt`, which
the tests replay with the real code.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MODEL: Final = Path(__file__).with_name("rotation.pml")
VIOLATIONS: Final = MODEL.with_name("violations.txt")
"""What `--write` writes: how each property fails without each guard, and the digest of the model for which it is so."""
FINALLY: Final = "finally"
"""The liveness property; the others are assertions."""
CYCLE: Final = "<<<<<START OF CYCLE"
"""What spin prints where a run begins to repeat itself forever."""
LINES_OF_TRAIL: Final = 60
DEEPEST: Final = 1_000_000
"""Most steps of one run of the model; spin reports if this is not enough."""
EVENTS_WRITTEN: Final = 200
"""Of an endless run the beginning is enough: the real code does not follow it for so long."""
MEMORY: Final = 12_000
"""Most megabytes that one exploration can use."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What to explore: everything that can happen to a number of rotations with a number of misfortunes."""

    rotations: int
    misfortunes: int
    liveness: bool = False
    ada: bool = True
    """Whether Ada restores, adopts, and abandons in doubt: endings.pml."""
    itself: bool = False
    """Whether a worker restores by itself too, at the same time as Ada."""
    without: tuple[str, ...] = ()
    """The guards to remove."""
    only: str = ""
    """The only safety property to check; empty checks all of them."""

    @property
    def defines(self) -> list[str]:
        """The macros to define for spin."""
        guards = [f"-DNO_{guard}" for guard in self.without]
        looked_at = "0" if self.liveness else self.only  # no property has the number 0
        only = [f"-DONLY={looked_at}"] if looked_at else []
        endings = [] if self.ada else ["-DWITHOUT_ADA"]
        endings += ["-DITSELF"] if self.itself else []
        return [f"-DROTATIONS={self.rotations}", f"-DMISFORTUNES={self.misfortunes}", *endings, *guards, *only]


@dataclass(frozen=True, slots=True)
class Found:
    """The result for one scope."""

    states: int
    depth: int
    seconds: float
    violated: str
    """The property that fails, or empty."""
    trail: tuple[str, ...]
    """The events that lead to the violation, one per line."""

    @property
    def end_of_trail(self) -> str:
        """The last lines of the trail, where the violation is."""
        return "\n".join(self.trail[-LINES_OF_TRAIL:])


QUICK: Final = (Scope(2, 2), Scope(1, 2, itself=True), Scope(2, 1, liveness=True))
FULL: Final = (
    Scope(2, 3, ada=False),
    Scope(1, 3),
    Scope(2, 2),
    Scope(1, 2, itself=True),
    Scope(2, 2, liveness=True),
)

MUTANTS: Final = (
    (("PROOF",), "openair_second"),
    (("ONE_OPEN",), "one_open"),
    (("PARKED_IS_OPEN",), "one_open"),
    (("VERSION",), "compare_and_set"),
    (("VERSION",), "only_forward"),
    (("FENCE",), "compare_and_set"),
    (("VERSION", "FENCE"), "one_candidate"),
    (("COMMITTED_CANDIDATE",), "one_candidate"),
    (("LEASE",), FINALLY),
    (("LEASE_END",), "none_lost"),
    (("LEASE_END",), FINALLY),
    (("RETRY_END",), FINALLY),
    (("DOUBT_AFTER_LOSS",), "look_before"),
    (("DOUBT_AFTER_LEASE",), "look_before"),
    (("SECOND_LOOK",), "look_before"),
    (("RECORDED_FIRST",), "recorded_first"),
    (("OPENAIR_FIRST",), "openair_ready"),
    (("FOREIGN_CHECK",), "none_overwritten"),
    (("EXPECTED_ONCE",), "none_overwritten"),
    (("MUTE_IS_OURS",), "none_overwritten"),
    (("FRESH_PROOF",), "none_unnoticed"),
    (("READ_BACK",), "saved_is_seen"),
    (("VERIFY",), "both_agree"),
    (("ABANDON_UNSENT",), "abandoned_unsent"),
    (("ABANDON_WAITS",), "abandoned_gone"),
    (("ABANDON_UNPROVED",), "abandoned_gone"),
    (("ABANDON_ASKS",), "abandoned_gone"),
    (("ABANDON_MUTE",), "abandoned_gone"),
    (("HOLD_OFF",), "none_overtaken"),
    (("DEADLINE",), "none_overtaken"),
    (("CHECK",), "none_overtaken"),
    (("DEADLINE",), "none_undone"),
    (("RESTORE_WAITS",), "none_undone"),
    (("RESTORE_NOTED",), "none_undone"),
    (("RESTORE_HELPS",), "restore_helps"),
    (("RESUME_WAITS",), "none_undone"),
    (("ADOPT_WAITS",), "none_undone"),
    (("KEEPS_FOREIGN",), "none_overwritten"),
    (("AGREEMENT",), "both_agree"),
)
"""Guards to remove, and a property that fails without them. Each guard and each property occurs here."""

NOT_IN_THE_CODE: Final = (("LEASE_END",),)
"""Guards that hold regardless of the code: time passes."""
BY_ITSELF: Final = (("KEEPS_FOREIGN",),)
"""Guards of the restore that no person asks for, which only a scope with ``itself`` has."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Explore and print. Returns 0 if everything holds, 1 if not, and 2 if spin or gcc is missing."""
    parser = argparse.ArgumentParser(description="Explore the model of a rotation with spin.")
    parser.add_argument("--quick", action="store_true", help="fewer misfortunes: seconds instead of minutes")
    parser.add_argument("--mutants", action="store_true", help="also remove each guard in turn")
    parser.add_argument("--write", action="store_true", help=f"the same, and write {VIOLATIONS.name}")
    options = parser.parse_args(arguments)
    if missing := [program for program in ("spin", "gcc") if not shutil.which(program)]:
        print(f"The model needs {' and '.join(missing)} (Debian: apt-get install spin gcc).", file=sys.stderr)
        return 2
    holds = check_properties(QUICK if options.quick else FULL)
    if not holds or not (options.mutants or options.write):
        return 0 if holds else 1
    violations = check_mutants()
    if violations and options.write:
        write_violations(violations)
    return 0 if violations else 1


def check_properties(scopes: Sequence[Scope]) -> bool:
    """Explore each scope and print a row for each property. Stops at the first property that fails."""
    print(f"{'property':18}{'rotations':>10}{'misfortunes':>12}{'states':>12}{'depth':>8}{'seconds':>9}  verdict")
    for scope in scopes:
        found = explore(scope, "-O1")
        for name in (FINALLY,) if scope.liveness else assertions():
            verdict = "VIOLATED" if name == found.violated else "not decided" if found.violated else "holds"
            figures = f"{found.states:12,}{found.depth:8,}{found.seconds:9.1f}"
            print(f"{name:18}{scope.rotations:10}{scope.misfortunes:12}{figures}  {verdict}", flush=True)
        if found.violated:
            print(f"\n{found.violated} is violated:\n{found.end_of_trail}")
            return False
    return True


def check_mutants() -> list[Found]:
    """Remove each guard and print which property fails.

    Returns the violations in the order of MUTANTS. Stops at the first guard that makes no difference and returns none.
    """
    print(f"\n{'without the guard':24}{'states':>12}{'depth':>8}{'seconds':>9}  what fails")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        # They fail within moments, so optimizing the explorer would take longer than exploring.
        tries = pool.map(lambda mutant: explore(mutated(*mutant), "-O0"), MUTANTS)
        violations: list[Found] = []
        for (guards, expected), found in zip(MUTANTS, tries, strict=True):
            violations.append(found)
            figures = f"{found.states:12,}{found.depth:8,}{found.seconds:9.1f}"
            print(f"{' + '.join(guards):24}{figures}  {found.violated or 'NOTHING'}", flush=True)
            if found.violated != expected:
                print(f"\nWithout {' and '.join(guards)}, {expected} should fail.\n{found.end_of_trail}")
                return []
    return violations


def write_violations(violations: Sequence[Found]) -> None:
    """Write the events that lead to each violation; ``violations`` is in the order of MUTANTS."""
    parts = [digest()]
    for (guards, expected), found in zip(MUTANTS, violations, strict=True):
        parts.append("\n".join((f"without {' + '.join(guards)}: {expected}", *found.trail[:EVENTS_WRITTEN])))
    VIOLATIONS.write_text("\n\n".join(parts) + "\n")


def violations() -> dict[tuple[tuple[str, ...], str], tuple[str, ...]]:
    """Read what `--write` wrote: the events of each violation, by the removed guards and the property that fails.

    Raises ValueError if the model was changed since.
    """
    first, *parts = VIOLATIONS.read_text().rstrip().split("\n\n")
    if first != digest():
        raise ValueError("The model was changed: python verification/model/run.py --quick --write")
    by_guards: dict[tuple[tuple[str, ...], str], tuple[str, ...]] = {}
    for part in parts:
        head, *trail = part.splitlines()
        guards, expected = head.removeprefix("without ").split(": ")
        by_guards[tuple(guards.split(" + ")), expected] = tuple(trail)
    return by_guards


def digest() -> str:
    """The SHA-256 of the model's files, one after the other by name, in hexadecimal."""
    return hashlib.sha256(b"".join(part.read_bytes() for part in sorted(MODEL.parent.glob("*.pml")))).hexdigest()


def mutated(guards: tuple[str, ...], expected: str) -> Scope:
    """Return the smallest scope in which ``expected`` fails without ``guards``."""
    if expected == FINALLY:
        return Scope(1, 1, liveness=True, ada=False, without=guards)
    rotations = 2 if expected in ("one_open", "none_overtaken") else 1
    ada = expected in ("none_undone", "restore_helps", "both_agree", "abandoned_gone")
    itself = guards in BY_ITSELF
    return Scope(rotations, 2, ada=ada or itself, itself=itself, without=guards, only=expected)


def assertions() -> Iterator[str]:
    """Yield the names of the safety properties, as the model lists them."""
    listed = re.search(r"mtype:properties = \{(.*?)\};", MODEL.read_text(), re.DOTALL)
    assert listed
    return (found[1] for found in re.finditer(r"^ +(\w+),? +/\*", listed[1], re.MULTILINE))


def explore(scope: Scope, optimisation: str) -> Found:
    """Generate, compile and run the explorer of one scope, in its own folder."""
    with tempfile.TemporaryDirectory(prefix="keyturn-model-") as folder:
        for part in MODEL.parent.glob("*.pml"):
            shutil.copy(part, folder)
        _run(folder, "spin", *scope.defines, "-a", MODEL.name)
        # Liveness needs weak fairness: a process that can always continue does so eventually. Safety needs no claim.
        kind = ["-DNFAIR=4"] if scope.liveness else ["-DSAFETY", "-DNOCLAIM"]
        _run(folder, "gcc", optimisation, *kind, "-DCOLLAPSE", f"-DMEMLIM={MEMORY}", "-o", "pan", "pan.c")
        says = _run(folder, "./pan", f"-m{DEEPEST}", "-n", *(["-a", "-f"] if scope.liveness else []))
        incomplete = "errors: 0" in says and "Search not completed" in says
        if incomplete or "max search depth too small" in says:
            raise RuntimeError(f"spin did not finish:\n{says}")
        trail = "" if "errors: 0" in says else _run(folder, "spin", *scope.defines, "-t", MODEL.name)
        return Found(
            states=int(_figure(r"(\d+(?:\.\d+e\+\d+)?) states, stored", says)),
            depth=int(_figure(r"depth reached (\d+)", says)),
            seconds=_figure(r"elapsed time ([\d.e+-]+) seconds", says),
            violated=_violated(says, trail),
            trail=events(trail),
        )


def _run(folder: str, *command: str) -> str:
    """Run a command in ``folder`` and return its output. Raises CalledProcessError."""
    done = subprocess.run(command, cwd=folder, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout


def _figure(pattern: str, says: str) -> float:
    found = re.search(pattern, says)
    if not found:
        raise RuntimeError(f"spin did not print {pattern!r}:\n{says}")
    return float(found[1])


def _violated(says: str, trail: str) -> str:
    if "errors: 0" in says:
        return ""
    if named := re.search(r"@ violated (\w+)", trail):
        return named[1]
    return FINALLY if "acceptance cycle" in says else "no dead end"


def events(says: str) -> tuple[str, ...]:
    """Return the model's events from spin's output, which indents each by its process."""
    return tuple(line.strip() for line in says.splitlines() if line.lstrip().startswith(("@", CYCLE)))


if __name__ == "__main__":
    sys.exit(main())
