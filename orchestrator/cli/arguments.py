"""The arguments and options that several commands have in common."""

from typing import Annotated, Final

from cyclopts import Parameter

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

Reason = Annotated[str, Parameter(help="The reason, for the journal.", show_default=False)]
Within = Annotated[str | None, Parameter(help="A time before expiry, such as 14d.")]


def flag(text: str) -> Parameter:
    """An option that is either given or not."""
    return Parameter(help=text, negative=(), show_default=False)


DryRun = Annotated[bool, flag("Make only the reads, say what would be done, and change nothing.")]
Detach = Annotated[bool, flag("Leave the rotation to a worker.")]
