"""The kill matrix: a worker dies before and after every commit, send and receive of a rotation; another completes it.

The points are found by tracing a clean rotation from outside. Of these a selection is tried: those around the install
and the save, and some of the others (campaign.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pytest
from crash.matrix.kill_plan import Admit, Say, carried, completed, every, hit, outcomes, side_by_side
from crash.matrix.restore_environment import RestoreEnvironment
from crash.matrix.tracing import Point, points, refreshing, spent

pytestmark = pytest.mark.timeout(7200)  # the whole matrix takes many minutes

SELECTED = 3
SELECTED_TWICE = 2
"""Size of a selection, in addition to the points around the install and the save."""
WRITES = ("install", "Add", "Modify")
"""The requests that change NetSuite and OpenAir."""


@dataclass(frozen=True)
class Deaths:
    """Where one worker after the other is killed."""

    points: tuple[Point, ...]

    def __str__(self) -> str:
        return ", then ".join(map(str, self.points))


def test_killed_at_every_point(admit: Admit, database: str, say: Say) -> None:
    """At every point of a kill, the next worker completes the rotation and every rule has held. A person is needed only
    where OpenAir had voided the refresh token and the next one died with the worker.
    """
    _, traced = carried(admit)
    found = points(traced)
    around = [point for point in found if point.call.what.removeprefix("answer to ") in WRITES]
    others = [point for point in found if point not in [*around, *refreshing(found)]]
    lost = spent(found)
    selection = [*around, *every(others, SELECTED)]
    done = outcomes(f"{database}, points", alone(found), alone(selection), survived(admit), say)
    needed = [deaths.points[0] for deaths, needed_consent in done if needed_consent]
    tried = [deaths.points[0] for deaths, _ in done]
    assert [] == [str(point) for point in needed if point not in refreshing(found)]
    assert [] == [str(point) for point in lost if point in tried and point not in needed]


def test_killed_again_during_recovery(admit: Admit, database: str, say: Say) -> None:
    """A worker that takes over from a killed one can be killed too, at every point, and a third one completes."""
    _, traced = carried(admit)
    firsts = [point for point in points(traced) if point.moment == "after" and point.call.what in WRITES]
    recoveries = side_by_side(lambda first: points(carried(admit, first)[1]), firsts)
    found = [Deaths((first, second)) for first, seconds in recoveries for second in seconds]
    done = outcomes(f"{database}, pairs of points", found, every(found, SELECTED_TWICE), survived(admit), say)
    assert [] == [str(deaths) for deaths, needed_consent in done if needed_consent]


def test_killed_while_it_restores(admit: Admit, database: str, say: Say) -> None:
    """A worker that restores the previous certificate by itself can be killed at every point: another one finishes."""
    admit = partial(admit, RestoreEnvironment)
    _, traced = carried(admit)
    found = points(traced)
    around = [point for point in found if point.call.what.removeprefix("answer to ") in WRITES]
    selection = [*around, *every([point for point in found if point not in around], SELECTED)]
    done = outcomes(f"{database}, points of a restore", alone(found), alone(selection), survived(admit), say)
    assert [] == [str(deaths) for deaths, needed_consent in done if needed_consent]


def alone(found: Sequence[Point]) -> list[Deaths]:
    return [Deaths((point,)) for point in found]


def survived(admit: Admit) -> Callable[[Deaths], bool]:
    """Kill, let the next worker finish, judge; tell whether a person had to consent."""
    return lambda deaths: completed(hit(admit, *deaths.points))
