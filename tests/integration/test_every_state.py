"""In every state: `explain` lists exactly the verbs that are accepted, and its next action is one of them."""

from collections.abc import Callable
from typing import Final

from integration.reachable_states import ID, LATER, LEAST, SPACE, Point, ReachableStates, is_confirmed
from sqlalchemy.exc import IntegrityError

from states.errors import (
    ForeignRotation,
    IllegalMove,
)
from states.state import State

# --- the safe verbs, computed from a point alone ----------------------------------------------------------------------


def _parked(point: Point) -> bool:
    return isinstance(point.standing, type)


def _in_flight(point: Point) -> bool:
    return point.doubt[1] == LATER


def _sent(point: Point) -> bool:
    """Return whether NetSuite may hold the candidate: it confirmed it, or an answer was lost."""
    return is_confirmed(point) or (point.position is State.KEY_GENERATED and point.doubt[0])


SAFE: Final[dict[str, Callable[[Point], bool]]] = {
    "watch": lambda point: _parked(point) or (point.standing == "under way" and point.position is not State.COMPLETED),
    "park": lambda point: point.standing == "under way" and point.position is not State.COMPLETED,
    "resume": lambda point: _parked(point) and not (point.restoring and _in_flight(point)),
    "begin": lambda point: point.awaits_person and point.position is State.KEY_GENERATED,
    "confirm": lambda point: point.awaits_person and is_confirmed(point),
    "restore": lambda point: (
        _parked(point) and _sent(point) and point.previous == "kept" and (point.restoring or not _in_flight(point))
    ),
    "adopt": lambda point: point.standing is ForeignRotation and not _in_flight(point),
    "abandon": lambda point: _parked(point) and not is_confirmed(point) and not (_sent(point) and _in_flight(point)),
}


def test_exactly_the_safe_verbs_are_listed_and_accepted(reachable: ReachableStates) -> None:
    """In each state that the store can hold, `explain` lists the safe verbs, and all others are refused."""
    differences, states = [], 0
    for point in SPACE:
        try:
            reachable.put(point)
        except IntegrityError:
            continue  # the store's constraints exclude this state
        states += 1
        explained = reachable.rotations.explain(ID)
        listed = {action.verb.value: not why_not for action, why_not in explained.verbs}
        offered = {each.verb.value for each in explained.next_action.walk()}
        for name, do in reachable.verbs().items():
            accepted = True
            try:
                do()
                reachable.put(point)
            except IllegalMove:
                accepted = explained.rotation != reachable.rotations.show(ID)
            if not SAFE[name](point) == listed[name] == accepted:
                differences.append((name, point))
            if name in offered and not listed[name]:
                differences.append((f"next: {name}", point))
    assert [] == differences
    assert states > LEAST, "the store holds fewer states than it did"
