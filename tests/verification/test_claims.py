"""The figures of README's claims are those of the suites that prove them, and the model's guards are all tried."""

import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "verification/model"
README = " ".join((ROOT / "README.md").read_text("utf-8").split())


@pytest.fixture(scope="module")
def explorer() -> Iterator[ModuleType]:
    """verification/model/run.py, without spin."""
    spec = importlib.util.spec_from_file_location("explorer", MODEL / "run.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["explorer"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["explorer"]


def guards_of_the_model() -> set[str]:
    text = "".join(part.read_text("utf-8") for part in MODEL.glob("*.pml"))
    return set(re.findall(r"^#(?:ifdef |elif defined\()NO_(\w+)", text, re.MULTILINE))


def _least(*words: str) -> int:
    """How many cases the kill matrix has at least whose names end with one of these words."""
    lines = (ROOT / "tests/crash/matrix/minimum.txt").read_text("utf-8").splitlines()
    return sum(int(number) for name, number in (line.rsplit(maxsplit=1) for line in lines) if name.endswith(words))


def _constant(file: str, pattern: str) -> int:
    found = re.search(pattern, (ROOT / file).read_text("utf-8"))
    assert found, pattern
    return int(found[1])


FIGURES: dict[str, Callable[[ModuleType], int]] = {
    r"(\d+) points and pairs of points": lambda _: _least("points", "pairs of points"),
    r"(\d+) more while it restores": lambda _: _least("restore"),
    r"(\d+) power cuts": lambda _: _least("power cuts"),
    r"in ([\d,]+) random schedules": lambda _: _constant("tests/faults/test_schedules.py", r"\nSCHEDULES = (\d+)"),
    r"In (\d+) more schedules": lambda _: _constant("tests/faults/test_schedules.py", r"ATTACKED_SCHEDULES = (\d+)"),
    r"with ([\d,]+) answers": lambda _: _constant("Makefile", r"\$\(or \$\(LEAKS\),(\d+)\)"),
    r"(\d+) rules hold": lambda explorer: len(list(explorer.assertions())),
    r"each of the (\d+) guards": lambda _: len(guards_of_the_model()),
}


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_that_of_its_suite(explorer: ModuleType, figure: str) -> None:
    """What README says how many there are, the suite says too."""
    claimed = re.search(figure, README)
    assert claimed, "README does not say so any more: change this table with it"
    assert FIGURES[figure](explorer) == int(claimed[1].replace(",", ""))


def test_states_of_the_model_are_those_of_its_own_page() -> None:
    """README's states of the model, in millions and exactly, are in the table of the model's own page."""
    table = (MODEL / "README.md").read_text("utf-8")
    (safety,) = re.findall(r"\| quick, safety \| \d \| \d \| ([\d,]+) \|", table)
    (liveness,) = re.findall(r"\| quick, liveness \| \d \| \d \| ([\d,]+) \|", table)
    assert f"each of {int(safety.replace(',', '')) // 1_000_000} million states" in README
    assert f"({liveness} states)" in README


def test_every_guard_of_the_model_is_tried_and_explained(explorer: ModuleType) -> None:
    """Each guard is removed by `make model`, and the model's page says what fails then."""
    tried = {guard for guards, _ in explorer.MUTANTS for guard in guards}
    rows = re.findall(r"^\| (`[A-Z_` +]+`) \|", (MODEL / "README.md").read_text("utf-8"), re.MULTILINE)
    explained = {guard for row in rows for guard in re.findall(r"`(\w+)`", row)}
    assert guards_of_the_model() == tried == explained
