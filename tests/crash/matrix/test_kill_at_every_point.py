"""The kill matrix: a worker dies before and after every commit, send and receive of a rotation; another completes it.

The points are found by tracing a clean rotation from outside. A selection of them is tried: those around the install
and the save, one at which OpenAir's tokens are lost, and every k-th of the others from a seed that is printed.

KEYTURN_CRASH=all            try them all
KEYTURN_CRASH='sendto 12'    try those whose name contains this: how a failure is repeated
KEYTURN_CRASH_SEED=7         the selection of seed 7
"""

import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

import pytest
from crash.matrix.conftest import Admit
from crash.matrix.patient import Patient, outlive_lease
from crash.matrix.tracing import Call, Point, points, refreshing, spent

pytestmark = pytest.mark.timeout(7200)  # the whole matrix takes many minutes

ABREAST = 12
"""Patients at once: half of one's time is waiting."""
TRIES = 4
"""How often a point is aimed at: now and then an answer comes in two pieces, and the calls count differently."""
SELECTED = 6
SELECTED_TWICE = 4
"""How many a selection has, beside those around the install and the save."""
SEED = int(os.environ.get("KEYTURN_CRASH_SEED", "0")) or random.randrange(1, 100_000)  # noqa: S311 - a selection
WRITES = ("install", "Add", "Modify")
"""The requests that change NetSuite and OpenAir."""
MINIMUM = Path(__file__).with_name("minimum.txt")

SHRUNK = "the matrix has shrunk: find out why, or lower the number in minimum.txt"

Said = Callable[[str], None]
Kills = tuple[Point, ...]
Item = TypeVar("Item")
Result = TypeVar("Result")


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Said:
    def show(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}", flush=True)  # noqa: T201 - the number of points is what the run is for

    return show


def test_killed_at_every_point(admit: Admit, database: str, say: Said) -> None:
    """Wherever a worker is killed, the next one completes the rotation and every rule has held. A person is needed only
    where OpenAir had voided the refresh token and the next one died with the worker.
    """
    found = points(clean_run(admit))
    lost = spent(found)
    around = [point for point in found if point.call.what.removeprefix("answer to ") in WRITES]
    others = [point for point in found if point not in [*around, *refreshing(found)]]
    selection = [*around, *every(others, SELECTED), *(lost[:1] if database == "sqlite" else [])]
    chosen = choose([(point,) for point in found], [(point,) for point in selection])
    began = time.monotonic()
    needed = [kills[0] for kills, needed_consent in killed(admit, chosen) if needed_consent]
    say(f"{database}: killed at {told(chosen, found, began)}; {len(needed)} needed a new consent")
    tried = [kills[0] for kills in chosen]
    assert [] == [str(point) for point in needed if point not in refreshing(found)]
    assert [] == [str(point) for point in lost if point in tried and point not in needed]
    assert minimum(database) <= len(found), SHRUNK


def test_killed_again_during_recovery(admit: Admit, database: str, say: Said) -> None:
    """A worker that takes over from a killed one may be killed as well, wherever it is, and a third one completes."""
    firsts = [point for point in points(clean_run(admit)) if point.moment == "after" and point.call.what in WRITES]
    recoveries = side_by_side(lambda first: points(recovery(admit, first)), firsts)
    found = [(first, second) for first, seconds in recoveries for second in seconds]
    chosen = choose(found, every(found, SELECTED_TWICE))
    began = time.monotonic()
    needed = [named(kills) for kills, needed_consent in killed(admit, chosen) if needed_consent]
    say(f"{database}: killed twice at {told(chosen, found, began)}")
    assert [] == needed
    assert minimum(f"{database} twice") <= len(found), SHRUNK


# --- which points


def choose(found: Sequence[Kills], selection: Sequence[Kills]) -> Sequence[Kills]:
    """What is tried of all that was found."""
    wanted = os.environ.get("KEYTURN_CRASH", "")
    if wanted in ("", "all"):
        return found if wanted else selection
    chosen = [kills for kills in found if wanted in named(kills)]
    if not chosen:
        pytest.skip(f"no point of this test is called {wanted}")
    return chosen


def every(found: Sequence[Item], wanted: int) -> list[Item]:
    """Every k-th, beginning where the seed says."""
    step = max(1, len(found) // wanted)
    return list(found[SEED % step :: step][:wanted])


def minimum(name: str) -> int:
    return int(dict(line.rsplit(maxsplit=1) for line in MINIMUM.read_text().splitlines())[name])


def named(kills: Kills) -> str:
    return ", then ".join(map(str, kills))


def told(chosen: Sequence[Kills], found: Sequence[object], began: float) -> str:
    """How much was tried, and how to choose the same again."""
    how = f"KEYTURN_CRASH={wanted}" if (wanted := os.environ.get("KEYTURN_CRASH")) else f"KEYTURN_CRASH_SEED={SEED}"
    each = (time.monotonic() - began) / len(chosen)
    return f"{len(chosen)} of {len(found)} points ({how}), {each:.1f} s each"


# --- killing


def killed(admit: Admit, chosen: Sequence[Kills]) -> list[tuple[Kills, bool]]:
    """Kill at each of these, let the next worker finish, judge; tell for each whether a person had to consent."""

    def outcome(kills: Kills) -> bool:
        try:
            patient = hit(admit, kills)
            try:
                patient.finish()
                patient.assert_well()
            finally:
                patient.close()
        except BaseException as error:
            error.add_note(f"Repeat it: KEYTURN_CRASH='{named(kills)}' make crash")
            raise
        return patient.needed_consent

    return side_by_side(outcome, chosen)


def hit(admit: Admit, kills: Kills) -> Patient:
    """A patient whose workers died at these points, one after the other."""
    for _ in range(TRIES):
        patient = admit()
        if patient.struck(*kills):
            return patient
        patient.close()
    pytest.fail(f"not hit in {TRIES} tries")


def clean_run(admit: Admit) -> list[Call]:
    """The calls of a worker that nobody kills."""
    return recovery(admit)


def recovery(admit: Admit, *kills: Point) -> list[Call]:
    """The calls of the worker that completes what was killed at these points."""
    patient = hit(admit, kills)
    if kills:
        outlive_lease()
    traced = patient.carried(patient.log())
    patient.assert_well()
    patient.close()
    return traced


def side_by_side(work: Callable[[Item], Result], items: Sequence[Item]) -> list[tuple[Item, Result]]:
    """Do ``work`` for all items, several at a time; the first failure ends it."""
    with ThreadPoolExecutor(ABREAST) as pool:
        working = {pool.submit(work, item): item for item in items}
        try:
            return [(working[done], done.result()) for done in as_completed(working)]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
