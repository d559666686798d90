"""`keyturn diagram`: the states, drawn from the transition table; of a rotation with the path that it took."""

from datetime import datetime
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from orchestrator import terminal
from orchestrator.cli import outages
from orchestrator.cli.arguments import AnyRotation
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.live import mark
from orchestrator.cli.output import Output
from orchestrator.views import formatting
from orchestrator.views.journal import PATH, legs
from persistence.journal import Entry
from states import drawing
from states.outage import outage_of
from states.rotation import Rotation
from states.state import State
from states.table import FAIL, NEXT, PARKED, RESUME

_WIDTH: Final = max(len(state) for state in State)


def diagram(
    rotation: AnyRotation = None,
    /,
    *,
    format_: Annotated[
        Literal["text", "mermaid", "markdown", "svg"] | None,
        Parameter(
            name="--format",
            help="Markdown is the table of moves. Default: text at a terminal, mermaid elsewhere.",
        ),
    ] = None,
    context: Given,
) -> int:
    """Draw the states and every legal move.

    With a rotation, as text, the path that it took, with times, and the state that it failed from; in the other formats
    its current state is highlighted.

    ```
    keyturn diagram
    keyturn diagram acme --format text
    keyturn diagram --format svg > states.svg
    ```
    """
    chosen = format_ or ("text" if terminal.is_terminal() else "mermaid")
    shown, entries, now = None, [], None
    if rotation:
        with context.keyturn() as keyturn:
            shown = keyturn.rotations.show(rotation)
            entries, now = keyturn.rotations.journal(shown.id), keyturn.rotations.now()
    if chosen == "text":
        if shown and now:
            draw_path(context.out, shown, entries, now)
        else:
            draw_moves(context.out)
        return Exit.FINE
    drawn = {"mermaid": drawing.mermaid, "svg": drawing.svg, "markdown": lambda _lit: drawing.markdown()}
    context.out.text(drawn[chosen](shown.state if shown else None))
    return Exit.FINE


def draw_moves(out: Output) -> None:
    """Draw every legal move."""
    for state in PATH:
        edge = NEXT.get(state)
        ways = f"  ── {FAIL} ──▶ ✗ {State.FAILED} ── {RESUME} ──▶ back" if edge else ""
        out.text(f"○ {state:{_WIDTH}}{ways}".rstrip())
        if edge:
            out.text(f"▼  {edge.trigger}")
    triggers = ", ".join(edge.trigger for edge in PARKED if edge.ending)
    out.text(f"✗ {State.FAILED:{_WIDTH}}  ── {triggers} ──▶ closed")


def draw_path(out: Output, rotation: Rotation, journal: list[Entry], now: datetime) -> None:
    """Draw the path that ``rotation`` took up to ``now`` (UTC), and where it failed."""
    outage = outage_of(rotation)
    outages.announce(out, [outage] if outage else [], now, names=False)
    out.text(f"{rotation.id} of {rotation.connection}")
    for leg in legs(journal):
        glyph, style = mark(leg, rotation)
        entered = formatting.instant(leg.entered) if leg.entered else ""
        spent = formatting.span(leg.spent(now)) if leg.spent(now) is not None else ""
        out.text(f"{glyph} {leg.state:{_WIDTH}}  {entered}  {spent}".rstrip(), style=style)
        if rotation.failure and leg.state is rotation.position:
            _draw_failure(out, rotation)
        if edge := NEXT.get(leg.state):
            out.text(f"▼  {edge.trigger}", style="green" if leg.left else "dim")


def _draw_failure(out: Output, rotation: Rotation) -> None:
    failure = rotation.failure
    assert failure
    at = formatting.instant(failure.at)
    out.text(f"╰─ {FAIL} ──▶ ✗ {State.FAILED}  {at}  [{failure.code}]", style="bold red")
    if rotation.ending and rotation.closed_at:
        out.text(f"          {rotation.ending}  {formatting.instant(rotation.closed_at)}", style="dim")
