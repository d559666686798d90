"""What `make mutants` changes, and that its explanations are of mutants that there are."""

import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "verification" / "mutation"


@pytest.fixture(scope="module")
def mutation() -> Iterator[ModuleType]:
    """verification/mutation/run.py, whose modules stand in a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield importlib.import_module("run")
        for name in ("run", "forks", "mutants", "operators", "trials"):
            del sys.modules[name]


def changes(mutation: ModuleType, source: str) -> list[str]:
    return [mutant.change for mutant, _ in mutation.mutants("m", source, "m.py")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", ["a < b → a <= b", "a < b → a >= b"]),
        ("a and not b", ["a and (not b) → a or not b", "a and (not b) → not b", "a and (not b) → a", "not b → b"]),
        ("a + 1", ["a + 1 → a - 1", "1 → 2"]),
        ("x = 'word'", ["'word' → 'wordX'"]),
        ("f(a, b=c)", ["f(a, b=c) → pass", "f(a, b=c) → f(None, b=c)", "f(a, b=c) → f(a)"]),
        ("s.where(a, b)", ["s.where(a, b) → s.where(b)", "s.where(a, b) → s.where(a)"]),
        ("x = [a, b]", ["[a, b] → [b]", "[a, b] → [a]"]),
        ("x = {a: b}", ["{a: b} → {}"]),
        ("x = a if b else c", ["a if b else c → a", "a if b else c → c"]),
        ("def f():\n  return a", ["return a → return None"]),
        ("def f():\n  raise a from b", ["raise a from b → pass", "raise a from b → raise a"]),
        ("while a:\n  break", ["a → not a", "break → continue"]),
        ("try:\n  x = 1\nexcept E:\n  f()", ["except E: f() → except E: raise", "f() → pass"]),
        ("x = lambda: a", ["lambda: a → lambda: None"]),
        ("x = a.b", ["x = a.b → x = None"]),
        ("x.y = f()", ["x.y = f() → pass"]),
    ],
)
def test_what_is_changed(source: str, expected: list[str], mutation: ModuleType) -> None:
    """Each small thing is changed into each other one, and described as it reads."""
    assert set(expected) <= set(changes(mutation, source))


@pytest.mark.parametrize(
    "source",
    [
        "import a",
        "def f(a: int = b) -> 'T':\n  '''Words.'''\n  assert a",
        "x = 'Several words.'",
        "x = f'{a + 1}'",
        "__all__ = ['a']",
        "raise_ = None",
    ],
)
def test_what_is_left_alone(source: str, mutation: ModuleType) -> None:
    """Types, prose and asserts are not changed."""
    assert [] == changes(mutation, source)


def test_a_mutant_is_named_by_what_is_changed(mutation: ModuleType) -> None:
    """Its name has the function and the change, not the line; the same change made twice is counted."""
    source = "class C:\n  def f(self):\n    g()\n    g()\n"
    names = [mutant.key for mutant, _ in mutation.mutants("m", source, "m.py")]
    moved = [mutant.key for mutant, _ in mutation.mutants("m", f"\n\n{source}", "m.py")]
    assert [("m:C.f", "g() → pass"), ("m:C.f", "g() → pass (2)")] == names == moved


def test_a_long_change_is_shortened(mutation: ModuleType) -> None:
    """Of a long expression, the description has only the surroundings of the change."""
    source = f"f({', '.join(f'a{number}' for number in range(40))})"
    reported = changes(mutation, source)
    assert len(set(reported)) == len(reported)
    assert max(map(len, reported)) < 300


def test_the_changed_module_is_what_is_run(mutation: ModuleType) -> None:
    """A mutant's code differs from the module's by its change alone."""
    found = {}
    for mutant, code in mutation.mutants("m", "x = 1 + 2", "m.py"):
        names: dict[str, int] = {}
        exec(code, names)  # noqa: S102
        found[mutant.change] = names["x"]
    assert {"1 + 2 → 1 - 2": -1, "1 → 2": 4, "2 → 3": 4} == found


def test_every_explanation_is_of_a_mutant(mutation: ModuleType) -> None:
    """explained.toml names mutants that there are, in modules that are mutated, each with a sentence."""
    explained = tomllib.loads((FOLDER / "explained.toml").read_text())
    modules = {place.partition(":")[0] for place in explained}
    assert set() == modules - set(mutation.TARGETS)
    there = {mutant.key for module in modules for mutant, _ in mutation.mutants_of(module)}
    named = {(place, change) for place, changes in explained.items() for change in changes}
    assert set() == named - there
    assert [] == [why for changes in explained.values() for why in changes.values() if not why.endswith(".")]


def test_the_runner_judges_a_module_and_ends() -> None:
    """It prints a module's figures and exits with 0 where every mutant that was tried is killed or explained."""
    command = [sys.executable, str(FOLDER / "run.py"), "--jobs", "1", "--slice", "5", "states.state"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    assert ["module", "states.state", "together"] == [line.split()[0] for line in done.stdout.splitlines()]
