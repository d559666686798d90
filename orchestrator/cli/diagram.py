"""`keyturn diagram`: the states, drawn from the transition table."""

from typing import Annotated, Literal

from cyclopts import Parameter

from orchestrator.cli.arguments import AnyRotation
from orchestrator.cli.exits import Exit
from orchestrator.cli.session import Given
from states import drawing


def diagram(
    rotation: AnyRotation = None,
    /,
    *,
    format_: Annotated[
        Literal["mermaid", "markdown", "svg"], Parameter(name="--format", help="How; Markdown is the table of moves.")
    ] = "mermaid",
    session: Given,
) -> int:
    """Draw the states and every legal move; with a rotation, its current state lit."""
    lit = None
    if rotation:
        with session.keyturn() as app:
            lit = app.rotations.show(rotation).state
    drawn = {"mermaid": drawing.mermaid, "svg": drawing.svg, "markdown": lambda _lit: drawing.markdown()}
    session.out.text(drawn[format_](lit))
    return Exit.FINE
