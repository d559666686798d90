"""The arguments and options that several commands have in common."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final

from cyclopts import Parameter, Token

from orchestrator.cli import completion

NewName = Annotated[str, Parameter(help="The connection's name.")]
ConnectionName = Annotated[str, Parameter(help="The connection's name.", completer=completion.connections)]
AnyConnection = Annotated[
    str | None,
    Parameter(help="The connection's name. Default: all connections.", completer=completion.connections),
]
OnlyConnection = Annotated[
    str | None, Parameter(help="Only rotations of this connection.", completer=completion.connections)
]
_ROTATION: Final = (
    "The rotation's id or its first six characters or more, or its connection's name for its open or newest rotation."
)
RotationId = Annotated[str, Parameter(help=_ROTATION, completer=completion.rotations)]
AnyRotation = Annotated[str | None, Parameter(help=_ROTATION, completer=completion.rotations)]

_WHOLE: Final = re.compile("[+-]?[0-9]+")
_LONGEST_REASON: Final = 500
"""Characters, as in the API: every list and every alert shows a reason."""


def _to_whole(_kind: Any, given: Sequence[Token]) -> int:
    """Read a whole number as it is written. Cyclopts rounds 1.5 to 2, and reads digits of every script."""
    text = given[-1].value
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a whole number.")
    return int(text)


def _to_reason(_kind: Any, given: Sequence[Token]) -> str:
    # A converter, not a validator: with a validator, the message would repeat all of it.
    reason = given[-1].value
    if len(reason) > _LONGEST_REASON:
        raise ValueError(f"A reason has at most {_LONGEST_REASON} characters, not {len(reason)}.")
    return reason


WHOLE: Final = Parameter(converter=_to_whole)
"""Of each option that is a whole number."""
Reason = Annotated[str, Parameter(help="The reason, for the journal.", show_default=False, converter=_to_reason)]
Within = Annotated[str | None, Parameter(help="A time before expiry, such as 14d.")]


def flag(text: str) -> Parameter:
    """An option that is either given or not."""
    return Parameter(help=text, negative=(), show_default=False)


DryRun = Annotated[bool, flag("Make only the reads, say what would be done, and change nothing.")]
Detach = Annotated[bool, flag("Leave the rotation to a worker.")]
