"""Every parked rotation, in every state and for every reason, can be ended by an action that Keyturn advises."""

import inspect
from dataclasses import replace
from typing import Final

from integration.reachable_states import ID, LATER, LEAST, SPACE, ReachableStates, is_confirmed
from sqlalchemy.exc import IntegrityError

from orchestrator.adapters import netsuite_errors
from orchestrator.adapters.http import Answer
from states import errors
from states.errors import (
    CannotSign,
    KeyMismatch,
    NotValidNow,
    SealBroken,
)
from states.next_action import RECOVERY, Verb
from states.preconditions import PRECONDITIONS, advise
from states.rotation import Failure
from states.timing import HOLD_OFF

REFUSED_FOR_GOOD: Final = netsuite_errors.error_of(
    netsuite_errors.read(Answer(200, {}, b'{"error": {"code": "INVALID_CERTIFICATE"}}'), writes=True)
)
"""NetSuite refuses this certificate permanently."""
WAYS_IN: Final = (
    *(kind() for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.Refused)),
    REFUSED_FOR_GOOD,
    errors.JournalBroken(),
)
"""Every error that parks a rotation."""
OF_ITS_OWN: Final = (REFUSED_FOR_GOOD.message, KeyMismatch().message, SealBroken().message, NotValidNow().message)
"""The errors of the candidate itself: no change outside the rotation makes it installable."""
ENDS: Final = RECOVERY - {Verb.RESUME}


def test_no_state_is_a_dead_end(reachable: ReachableStates) -> None:
    """When nothing is in flight, each parked rotation has a possible verb that ends it, and the advice names one.

    Resuming cannot succeed if the candidate itself is unusable and NetSuite has not confirmed it. Then the advice has
    another verb. Every advised action is possible.
    """
    dead, states = [], 0
    for point in (point for point in SPACE if point.standing is CannotSign):
        try:
            reachable.put(point)
        except IntegrityError:
            continue  # the store's constraints exclude this state
        rotation, later = reachable.rotations.show(ID), reachable.clock.moment + LATER + HOLD_OFF
        assert rotation.failure
        for error in WAYS_IN:
            states += 1
            failure = Failure.of(error, rotation.position, rotation.failure.at)
            parked = replace(rotation, failure=failure)
            possible = {verb for verb, why_not in PRECONDITIONS.items() if not why_not(parked, later)}
            advised = {each.verb for each in advise(parked, later).walk()} & set(PRECONDITIONS)
            is_spoilt = error.message in OF_ITS_OWN and not is_confirmed(point)
            enough = ENDS if is_spoilt else RECOVERY
            ended = point.restoring or not is_spoilt or bool(advised & ENDS)
            if not (enough & possible and advised & RECOVERY and advised <= possible and ended):
                dead.append((error.code, point))
    assert [] == dead
    assert states > LEAST, "the store holds fewer states than it did"
