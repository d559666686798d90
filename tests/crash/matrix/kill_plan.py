"""Which kills are tried, how they are brought about, and how to repeat a failure.

By default a selection is tried: those that matter most, and every k-th of the others from a seed that is printed.

CRASH=all            try all of them
CRASH='sendto 12'    try those whose name contains this text: it repeats a failure
SLICE=10 SEED=7      try every tenth, beginning at the seventh
SEED=7               try the selection of seed 7
"""

import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

import pytest
from crash.matrix.kill_environment import KillEnvironment, outlive_lease
from crash.matrix.tracing import Call, Point, points

ABREAST = 8
"""Environments at once: half of one's time is waiting."""
TRIES = 30
"""How often a point is aimed at, each time by what the last worker did: now and then an answer comes in two pieces, or
the thread that renews the lease has the connection, and the calls count differently."""
SEED = int(os.environ.get("SEED", "0")) or random.randrange(1, 100_000)  # noqa: S311 - a selection
WANTED = os.environ.get("CRASH", "")
SLICE = int(os.environ.get("SLICE", "0"))
MINIMUM = Path(__file__).with_name("minimum.txt")
"""How many there were at the least; on SQLite a few less, for the pages of a commit depend on the lengths of ids."""

Admit = Callable[..., KillEnvironment]
Say = Callable[[str], None]
Item = TypeVar("Item")
Result = TypeVar("Result")


def outcomes(
    name: str, found: Sequence[Item], selection: Sequence[Item], try_it: Callable[[Item], Result], say: Say
) -> list[tuple[Item, Result]]:
    """What came of trying what is chosen. The first failure ends it, and tells how it is repeated."""

    def report(item: Item) -> Result:
        try:
            return try_it(item)
        except BaseException as error:
            error.add_note(f"Repeat it: CRASH='{item}' make crash")
            raise

    least = dict(line.rsplit(maxsplit=1) for line in MINIMUM.read_text().splitlines())
    assert int(least[name]) <= len(found), "the matrix has shrunk: find out why, or lower the number in minimum.txt"
    chosen = _choose(found, selection)
    began = time.monotonic()
    done = side_by_side(report, chosen)
    how = f"SLICE={SLICE} SEED={SEED}" if SLICE else f"CRASH={WANTED}" if WANTED else f"SEED={SEED}"
    say(f"{name}: {len(chosen)} of {len(found)} ({how}), {(time.monotonic() - began) / len(chosen):.1f} s each")
    return done


def every(found: Sequence[Item], wanted: int) -> list[Item]:
    """Every k-th, beginning where the seed says."""
    step = max(1, len(found) // wanted)
    return list(found[SEED % step :: step][:wanted])


def _choose(found: Sequence[Item], selection: Sequence[Item]) -> Sequence[Item]:
    if SLICE:
        return found[SEED % min(SLICE, len(found)) :: SLICE]
    if WANTED in ("", "all"):
        return found if WANTED else selection
    chosen = [each for each in found if WANTED in str(each)]
    if not chosen:
        pytest.skip(f"nothing in this test is called {WANTED}")
    return chosen


def side_by_side(work: Callable[[Item], Result], items: Sequence[Item]) -> list[tuple[Item, Result]]:
    """Do ``work`` for all items, several at a time; the first failure ends it."""
    with ThreadPoolExecutor(ABREAST) as pool:
        working = [(item, pool.submit(work, item)) for item in items]
        try:
            for done in as_completed([future for _, future in working]):
                done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return [(item, future.result()) for item, future in working]


def hit(admit: Admit, *kills: Point) -> KillEnvironment:
    """An environment whose workers died at these points, one after the other."""
    aims, died = list(kills), []
    for _ in range(TRIES):
        environment = admit()
        missed = environment.miss(*aims)
        if missed is None:
            return environment
        environment.close()
        place, made = missed
        aims[place] = aims[place].aimed_by(made)
        died.append(str(made[-1:]))
    pytest.fail(f"not hit in {TRIES} tries; died at {died}")


def carried(admit: Admit, *kills: Point) -> tuple[KillEnvironment, list[Call]]:
    """An environment whose rotation was completed after these kills, and the calls of the worker that did so.

    They are calls that two workers made alike: no other worker could be killed at one that happened once.
    """
    seen: list[list[Point]] = []
    for _ in range(TRIES):
        environment, traced = _carried(admit, *kills)
        found = points(traced)
        if found in seen:
            return environment, traced
        seen.append(found)
    pytest.fail(f"no two of {TRIES} workers made the same calls")


def _carried(admit: Admit, *kills: Point) -> tuple[KillEnvironment, list[Call]]:
    environment = hit(admit, *kills)
    if kills:
        outlive_lease()
    traced = environment.carried()
    environment.assert_well()
    environment.close()
    return environment, traced


def completed(environment: KillEnvironment) -> bool:
    """Let the next worker finish, judge; tell whether a person had to consent."""
    environment.finish()
    environment.assert_well()
    environment.close()
    return bool(environment.parked)
