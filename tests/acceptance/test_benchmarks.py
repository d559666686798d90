"""Every benchmark runs: with small counts, whose figures mean nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.polling import WAIT_LIMIT

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FEW = {
    "rotations": ("--rounds=1", "--rotations=2", "--key-size=1024"),
    "scale": ("--listed=5", "--finished=5", "--connections=50", "--repeats=1", "--key-size=1024"),
    "takeover": ("--count=1",),
    "stop": ("--count=1",),
    "fleet": ("--connections=6", "--rotations=3", "--threads=2", "--descriptors=64"),
    "console": ("--connections=5", "--rotations=9", "--repeats=1", "--streams=2", "--events=2", "--rest=0.1"),
    "dispatch": ("--count=1", "--rest=1"),
    "start": ("--repeats=1", "--rest=1"),
}


@pytest.mark.parametrize("name", [file.stem for file in BENCHMARKS.glob("*.py") if "__main__" in file.read_text()])
def test_a_benchmark_runs(name: str) -> None:
    """It names the machine and the versions, and prints each figure next to its floor."""
    printed = subprocess.check_output(
        [sys.executable, BENCHMARKS / f"{name}.py", *FEW[name]], text=True, timeout=WAIT_LIMIT
    )
    assert f"Python {sys.version.split()[0]}" in printed
    assert "(floor)" in printed
