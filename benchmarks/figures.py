"""Prints the machine, the versions and each median; measures functions and whole processes."""

import os
import platform
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("keyturn", "sqlalchemy", "sqlmodel", "cryptography", "tenacity")


class ProcessTimes(NamedTuple):
    """What one process took, in milliseconds."""

    elapsed: float
    cpu: float
    """CPU time in user mode."""


def print_machine() -> None:
    """Name the machine, its load and the versions, so that figures of two runs can be compared."""
    processors = os.cpu_count()
    print(f"{_processor_name()}, {processors} cores, load {os.getloadavg()[0]:.1f}; {platform.platform(terse=True)}")
    versions = [f"{package} {version(package)}" for package in PACKAGES]
    print(", ".join([f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}", *versions]))


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")  # Linux; platform.processor() is empty there
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def print_figure(name: str, value: float, note: str = "", *, digits: int = 0) -> None:
    """Print one line; ``note`` says what is wanted, or what the figure is to be compared with."""
    print(f"  {name:<38}{value:>10,.{digits}f}{f'   ({note})' if note else ''}")


def median_ms(work: Callable[[], object], repeats: int) -> float:
    """The median of several runs, in milliseconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def median_process(command: Sequence[str], repeats: int, env: Mapping[str, str] | None = None) -> ProcessTimes:
    """The medians of several runs of a whole process, which must succeed."""
    runs = [_run(command, env) for _ in range(repeats)]
    return ProcessTimes(*(statistics.median(column) for column in zip(*runs, strict=True)))


def _run(command: Sequence[str], env: Mapping[str, str] | None) -> ProcessTimes:
    began = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)  # already reaped: Popen must not wait for it
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return ProcessTimes(elapsed * 1000, usage.ru_utime * 1000)
