"""Exit codes, and what an error or a rotation leaves as it was."""

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from states.errors import (
    NOT_APPROVED,
    AlreadyExists,
    AwaitingPerson,
    Exhausted,
    GaveUp,
    HeldOff,
    IllegalMove,
    InternalError,
    InvalidInput,
    InvalidSettings,
    KeyturnError,
    NotFound,
    NotPermitted,
    NotSetUp,
    RotationOpen,
    SignInRefused,
    Stale,
    TryLater,
    Unknown,
)
from states.rotation import Rotation
from states.state import State
from states.table import NEXT, PARKED

if TYPE_CHECKING:
    from orchestrator.operations.effects import Found


class Exit(IntEnum):
    """The exit codes of every command but `needs-rotation`."""

    FINE = 0
    """fine"""
    FAILED = 1
    """failed"""
    USAGE = 2
    """the command line or the settings are wrong"""
    ATTENTION = 3
    """needs attention: due, expiring, parked, or waiting for a person"""
    SIGN_IN = 4
    """sign-in refused"""
    NOT_FOUND = 5
    """not found"""
    CONFLICT = 6
    """conflict: one is under way already, or it was changed elsewhere"""
    REMOTE_DOWN = 7
    """the other system is down"""
    INTERRUPTED = 130
    """interrupted"""


class NeedsRotation(IntEnum):
    """The exit codes of `needs-rotation`, which are answers, as `step certificate needs-renewal` has them
    (https://smallstep.com/docs/step-cli/reference/certificate/needs-renewal).
    """

    DUE = 0
    """due"""
    NOT_DUE = 1
    """not due"""
    MISSING = 2
    """there is no certificate yet"""
    ERROR = 255
    """error"""


_EXITS: Final[tuple[tuple[type[KeyturnError], Exit], ...]] = (
    (InvalidInput, Exit.USAGE),
    (InvalidSettings, Exit.USAGE),
    (AwaitingPerson, Exit.ATTENTION),
    (SignInRefused, Exit.SIGN_IN),
    (NotPermitted, Exit.SIGN_IN),
    (NotFound, Exit.NOT_FOUND),
    (RotationOpen, Exit.CONFLICT),
    (AlreadyExists, Exit.CONFLICT),
    (NotSetUp, Exit.CONFLICT),
    (Stale, Exit.CONFLICT),
    (IllegalMove, Exit.CONFLICT),
    *((each, Exit.CONFLICT) for each in NOT_APPROVED),
    (HeldOff, Exit.CONFLICT),
    (Exhausted, Exit.FAILED),
    (TryLater, Exit.REMOTE_DOWN),
    (Unknown, Exit.REMOTE_DOWN),
    (GaveUp, Exit.REMOTE_DOWN),
    (KeyturnError, Exit.FAILED),
)
"""The first class that fits decides."""

_NOTHING: Final = "Nothing was changed."
_PERHAPS: Final = "The request was sent and may have taken effect."
_STORED: Final = "What the command had stored by then is kept."
_NOT_READ: Final = "That is what this process knew last: the database cannot be read now."
_RESTORING: Final = "NetSuite may have the previous certificate again, or still the new one. OpenAir was only read."

_KEPT_ENDED: Final = {edge.ending: edge.kept for edge in PARKED if edge.ending}
_COMPLETED: Final = "Both sides held the new certificate when the rotation was completed."
_LOST: Final = " A request was sent and its answer lost."
_IN_DOUBT: Final = " A request was sent and its answer lost: a resumed rotation reads back first."


def of(error: KeyturnError) -> Exit:
    """The exit code of ``error``."""
    return _of_class(type(error))


def kept(error: KeyturnError, found: "Found | None") -> str:
    """What the command that ends with ``error`` kept, in sentences.

    ``found`` is what was looked up when it failed; None where it failed before it had a store.
    """
    perhaps = [_PERHAPS] if isinstance(error, Unknown) else []
    if found is None or not found.has_written:
        return " ".join(perhaps or [_NOTHING])
    if not found.rotations:
        return " ".join(perhaps or [_STORED])
    known = [] if found.is_read else [_NOT_READ]
    return " ".join([*perhaps, kept_by(found.rotations[0]), *known])


def of_rotation(rotation: Rotation, waits_because: str = "") -> Exit:
    """The exit code of a command that carried ``rotation``.

    ``waits_because`` is the code of the error for which it was postponed, where it is still under way.
    """
    if rotation.ending:
        return Exit.FAILED
    if rotation.failure:
        exit_code = _of_code(rotation.failure.code)
        parked = (Exit.SIGN_IN, Exit.REMOTE_DOWN)
        if exit_code in parked or rotation.failure.code == InternalError.code:
            return exit_code
        return Exit.ATTENTION
    if rotation.state is State.COMPLETED:
        return Exit.FINE
    return _of_code(waits_because) if waits_because else Exit.ATTENTION


def kept_by(rotation: Rotation) -> str:
    """What both sides have of a rotation, as a sentence."""
    if rotation.ending:
        return _KEPT_ENDED[rotation.ending]
    if rotation.restoring_since:
        return _RESTORING
    if rotation.state is State.COMPLETED:
        return _COMPLETED
    edge = NEXT.get(rotation.position)
    lost = _LOST if rotation.circumstances.broken else _IN_DOUBT
    return (edge.kept if edge else "") + (lost if rotation.doubt.since else "")


def _of_class(kind: type[KeyturnError]) -> Exit:
    return next(exit_code for each, exit_code in _EXITS if issubclass(kind, each))


def _of_code(code: str) -> Exit:
    return next((_of_class(kind) for kind in _kinds(KeyturnError) if kind.code == code), Exit.FAILED)


def _kinds(kind: type[KeyturnError]) -> list[type[KeyturnError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in _kinds(child))]
