"""What a next action says, as the command line renders it."""

from orchestrator.views import next_actions
from states.next_action import NextAction

ROTATION = "ID"
CONNECTION = "NAME"
"""The id and the name in commands of an action that names none."""


def commands(action: NextAction) -> list[str]:
    """Every command line in ``action``, in the order in which it is rendered, without the program's name."""
    named = action.about(rotation=ROTATION, connection=CONNECTION)
    lines = [next_actions.line(each) for each in named.walk()]
    return [line.removeprefix("keyturn ") for line in lines if line]


def text(action: NextAction) -> str:
    """The sentences for ``action``."""
    return next_actions.render(action.about(rotation=ROTATION, connection=CONNECTION))
