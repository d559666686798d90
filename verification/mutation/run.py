"""Changes one small thing at a time and checks that a test fails.

Run ``python verification/mutation/run.py [--jobs N] [--slice N --seed S] [MODULE …]``.

Prints the counts of each module. Exits with 1 if a mutant survives that explained.toml does not explain, or if an
explanation has no surviving mutant.
"""

import argparse
import multiprocessing
import sys
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Final

from forks import die_with_parent
from mutants import Mutant, mutants
from trials import ROOT, Trial, Verdict

DRAWN: Final = "tests/unit/test_generate.py::test_the_repository_is_up_to_date"
"""The diagrams and the reference, with the text and the next action of every error."""
VALUES: Final = "tests/unit/test_values.py::test_values_are_frozen"
STATES: Final = (
    *sorted(str(file.relative_to(ROOT)) for file in (ROOT / "tests/unit/states").glob("test_*.py")),
    f"{VALUES}[states]",
)
ENGINE: Final = ("tests/integration/engine", "tests/unit/test_retry.py", f"{VALUES}[orchestrator]")
STORE: Final = (
    "tests/contract/test_journal.py",
    *(
        f"tests/contract/test_store_{what}.py"
        for what in (
            "claims",
            "claims_lost",
            "clock_repair",
            "connections",
            "constraints",
            "parked",
            "rotation_writes",
            "rotations",
        )
    ),
    f"{VALUES}[persistence]",
)
RANDOM_WALKS: Final = "tests/unit/states/test_steps_order.py"
"""They take half of the time, and test only the steps."""

TARGETS: Final[Mapping[str, Sequence[str]]] = {
    **{
        f"states.{file.stem}": [
            *(test for test in STATES if test != RANDOM_WALKS or file.stem == "steps"),
            *([DRAWN] if file.stem == "errors" else []),
        ]
        for file in sorted((ROOT / "states").glob("[!_]*.py"))
    },
    "states.drawing": ("tests/unit/states/test_drawing.py", DRAWN),
    "orchestrator.engine": ENGINE,
    "orchestrator.step_attempt": ENGINE,
    "orchestrator.retry": ENGINE,
    "orchestrator.adapters.netsuite_errors": (
        "tests/unit/adapters/test_netsuite_errors.py",
        "tests/unit/adapters/test_netsuite.py",
        f"{VALUES}[orchestrator]",
    ),
    "orchestrator.adapters.openair_errors": (
        "tests/unit/adapters/test_openair_errors.py",
        "tests/unit/adapters/test_openair_xml.py",
        "tests/unit/adapters/test_openair_xml_save.py",
        f"{VALUES}[orchestrator]",
    ),
    "persistence.store": (
        *(*STORE, "tests/contract/test_store_database.py"),
        *("tests/contract/test_store_schema.py", "tests/contract/test_store_schema_check.py"),
    ),
    "persistence.rotation_request": STORE,
    "persistence.rotations": STORE,
    "persistence.rotation_statements": STORE,
    "persistence.rotation_writes": STORE,
    "persistence.claims": STORE,
    "persistence.clock_repair": STORE,
    "persistence.authenticity": (
        "tests/contract/test_store_authenticity.py",
        "tests/contract/test_every_column.py",
        "tests/contract/test_store_tokens.py",
    ),
    "persistence.tokens": ("tests/contract/test_store_tokens.py",),
    "states.access": ("tests/unit/test_access.py", "tests/unit/states/test_messages.py", f"{VALUES}[states]"),
    "orchestrator.operations.tokens": ("tests/contract/test_token_verbs.py", f"{VALUES}[orchestrator]"),
    "orchestrator.operations.starts": ("tests/contract/test_starts.py", f"{VALUES}[orchestrator]"),
}
"""The modules to mutate, each with the tests that must notice."""

EXPLAINED: Final = Path(__file__).with_name("explained.toml")


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one module."""

    module: str
    verdicts: Sequence[Verdict]
    unexplained: Sequence[Mutant]
    stale: Sequence[tuple[str, str]]
    """Explanations without a surviving mutant: place and change."""

    @property
    def figures(self) -> str:
        """One line of figures for the terminal."""
        killed = sum(1 for verdict in self.verdicts if verdict.killer)
        explained = len(self.verdicts) - killed - len(self.unexplained)
        counts = (len(self.verdicts), killed, explained, len(self.unexplained))
        return f"{self.module:40}" + "".join(f"{count:12,}" for count in counts)


def explanations() -> dict[str, dict[str, str]]:
    """Return why mutants survive, by place and change."""
    return tomllib.loads(EXPLAINED.read_text())


def source_of(module: str) -> Path:
    """Return the module's file."""
    return ROOT / f"{module.replace('.', '/')}.py"


def mutants_of(module: str) -> list[tuple[Mutant, CodeType]]:
    """Return every mutant of a module with its code."""
    file = source_of(module)
    return list(mutants(module, file.read_text(), str(file)))


def try_mutants(module: str, step: int = 1, seed: int = 0) -> Result:
    """Try every ``step``-th mutant of a module. ``seed`` selects the first."""
    found = mutants_of(module)
    chosen = found[seed % step :: step]
    left_out = {mutant.key for mutant, _ in found} - {mutant.key for mutant, _ in chosen}
    verdicts = Trial(source_of(module), chosen, TARGETS[module]).run() if chosen else []
    survivors = {verdict.mutant.key: verdict.mutant for verdict in verdicts if not verdict.killer}
    explained = {
        (place, change)
        for place, changes in explanations().items()
        for change in changes
        if place.partition(":")[0] == module
    } - left_out
    unexplained = [mutant for key, mutant in survivors.items() if key not in explained]
    return Result(module, verdicts, unexplained, sorted(explained - set(survivors)))


def main() -> int:
    """Try the mutants of the modules, a few modules at a time, and print the results."""
    arguments = argparse.ArgumentParser(description="Mutation testing of Keyturn's core.")
    arguments.add_argument("modules", nargs="*", metavar="MODULE", help="such as states.steps; default: all")
    arguments.add_argument("--jobs", type=int, default=2, help="modules to run at the same time")
    arguments.add_argument("--slice", type=int, default=1, metavar="N", help="try every N-th mutant; default: all")
    arguments.add_argument("--seed", type=int, default=0, help="selects the first mutant of the slice")
    asked = arguments.parse_args()
    print(f"{'module':40}{'mutants':>12}{'killed':>12}{'explained':>12}{'unexplained':>12}")
    results = []
    # Spawned, not forked: the pool has threads, and a forked child would keep the locks that they hold forever.
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(asked.jobs, mp_context=spawning, initializer=die_with_parent) as pool:
        for finished in as_completed(
            [pool.submit(try_mutants, module, asked.slice, asked.seed) for module in asked.modules or TARGETS]
        ):
            result = finished.result()
            _print(result)
            results.append(result)
    together = Result(
        "together",
        [verdict for result in results for verdict in result.verdicts],
        [mutant for result in results for mutant in result.unexplained],
        [each for result in results for each in result.stale],
    )
    print(together.figures)
    return 1 if together.unexplained or together.stale else 0


def _print(result: Result) -> None:
    print(result.figures)
    for mutant in result.unexplained:
        print(f"    {mutant.place}, line {mutant.line}, survives with\n        {mutant.change}")
    for place, change in result.stale:
        print(f"    {place} is explained, but does not survive with\n        {change}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
