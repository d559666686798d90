"""`keyturn diagram`: the states, drawn from the transition table."""

from typing import Annotated, Literal

from cyclopts import Parameter

from orchestrator.cli.arguments import AnyRotation
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from states import drawing


def diagram(
    rotation: AnyRotation = None,
    /,
    *,
    format_: Annotated[
        Literal["mermaid", "markdown", "svg"],
        Parameter(name="--format", help="Markdown is the table of moves."),
    ] = "mermaid",
    context: Given,
) -> int:
    """Draw the states and every legal move.

    With a rotation, its current state is highlighted.

    ```
    keyturn diagram acme
    keyturn diagram --format svg > states.svg
    ```
    """
    lit = None
    if rotation:
        with context.keyturn() as keyturn:
            lit = keyturn.rotations.show(rotation).state
    drawn = {"mermaid": drawing.mermaid, "svg": drawing.svg, "markdown": lambda _lit: drawing.markdown()}
    context.out.text(drawn[format_](lit))
    return Exit.FINE
