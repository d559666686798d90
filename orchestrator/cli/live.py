"""Shows rotations while they move: drawn live on a terminal, one line for each state elsewhere."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from orchestrator import terminal
from orchestrator.bootstrap import Keyturn
from orchestrator.cli.output import Output
from orchestrator.cli.streams import OutputLost
from orchestrator.events import Changed, Event, Listener, Retrying
from orchestrator.views import formatting, timeline
from orchestrator.views.journal import Leg, legs
from orchestrator.views.rotation import rotation_json
from persistence.journal import Entry
from states.rotation import Rotation
from states.state import State
from states.table import NEXT, OUTAGE

if TYPE_CHECKING:
    from rich.console import RenderableType

_FRAMES: Final = 8
"""Frames a second."""


class Show(Protocol):
    """Something that shows rotations."""

    def moved(self, rotation: Rotation) -> None:
        """Show the rotation as it is now."""
        ...

    def retrying(self, text: str) -> None:
        """Show that a try failed and will be repeated."""
        ...


class Silent:
    """Shows nothing: a script asked for the result alone."""

    def moved(self, rotation: Rotation) -> None:
        """Do nothing."""

    def retrying(self, text: str) -> None:
        """Do nothing."""


class Lines:
    """One line for each new journal entry of each rotation; in the other forms a JSON object or an id a change."""

    def __init__(self, out: Output, keyturn: Keyturn) -> None:
        self._out = out
        self._keyturn = keyturn
        self._seen: dict[str, int] = {}

    def moved(self, rotation: Rotation) -> None:
        """Print the new entries. A lost output must not stop a rotation; the outcome that is printed last tells it."""
        with suppress(OutputLost):
            if self._out.is_for_people:
                self._print_entries(rotation)
            else:
                self._out.event(rotation_json(rotation, self._keyturn.rotations.now()), rotation.id)

    def retrying(self, text: str) -> None:
        """Say it on stderr."""
        with suppress(OutputLost):
            self._out.note(text)

    def _print_entries(self, rotation: Rotation) -> None:
        journal = self._keyturn.rotations.journal(rotation.id)
        seen = self._seen.get(rotation.id, 0)
        self._seen[rotation.id] = len(journal)
        for before, entry in zip([None, *journal], journal, strict=False):
            if entry.seq > seen:
                self._out.say(timeline.line(entry, before, rotation.connection))


class Panel:
    """One rotation, drawn several times a second, so that durations and skew count up."""

    def __init__(self, keyturn: Keyturn) -> None:
        self._keyturn = keyturn
        self._shown: tuple[Rotation, list[Entry]] | None = None
        self._remark = ""

    def moved(self, rotation: Rotation) -> None:
        """Take over the rotation's new state."""
        self._shown = (rotation, self._keyturn.rotations.journal(rotation.id))
        self._remark = ""

    def retrying(self, text: str) -> None:
        """Show it until the next move."""
        self._remark = text

    def draw(self) -> "RenderableType":
        """The picture of this moment."""
        return drawn(*self._shown, self._keyturn.rotations.now(), self._remark) if self._shown else ""


def drawn(rotation: Rotation, journal: list[Entry], now: datetime, remark: str = "") -> "RenderableType":
    """A rotation's states with times, durations and skew; below them what is waited for, or ``remark``."""
    from rich.console import Group  # noqa: PLC0415 - only at a terminal
    from rich.table import Table  # noqa: PLC0415

    head = terminal.rich_text(rotation.connection, "bold").append("  ").append(terminal.rich_text(rotation.id, "dim"))
    grid = Table.grid(padding=(0, 2, 0, 0))
    for leg in legs(journal):
        glyph, style = mark(leg, rotation)
        entered = formatting.clock(leg.entered) if leg.entered else ""
        spent = formatting.span(leg.spent(now)) if leg.spent(now) is not None else ""
        cells = (glyph, leg.state.value, entered, spent, _detail(leg.state, rotation, now))
        grid.add_row(*(terminal.rich_text(cell, style) for cell in cells))
    waits = "" if rotation.failure or rotation.state is State.COMPLETED else remark or _waits(rotation, now)
    return Group(head, grid, terminal.rich_text(waits, "yellow")) if waits else Group(head, grid)


def mark(leg: Leg, rotation: Rotation) -> tuple[str, str]:
    """Return the glyph for a leg of the rotation's path, and its style."""
    if rotation.failure and leg.state is rotation.position:
        return "✗", "bold red"
    if leg.state is rotation.state is not State.COMPLETED:
        return "●", "bold red" if leg.state is OUTAGE else "yellow"
    return ("✓", "green") if leg.entered else ("○", "dim")


def _detail(state: State, rotation: Rotation, now: datetime) -> str:
    """What is shown next to a state: the current step, the failure's code, the skew."""
    if rotation.failure and state is rotation.position:
        return rotation.failure.code
    skew = rotation.skew(now)
    if state is OUTAGE and skew is not None:
        return f"skew {formatting.span(skew)}"
    return f"{timeline.STEPS[NEXT[state].trigger]} …" if state is rotation.state and state in NEXT else ""


def _waits(rotation: Rotation, now: datetime) -> str:
    if not rotation.waiting_for:
        return (
            "The answer to a request was lost: both systems are read before anything is sent again."
            if rotation.doubt.since
            else ""
        )
    again = rotation.available_at - now
    when = f" Again in {formatting.span(again)}." if again.total_seconds() > 0 else ""
    if not rotation.awaits_person:
        return rotation.waiting_for + when
    # The command to confirm is longer than most lines, and a drawing is cut at its lines: this one fits.
    return f"{rotation.waiting_for}{when} What to do:\n`keyturn rotation explain {rotation.id}`"


def listener(show: Show) -> Listener:
    """The listener that has ``show`` show each change and each failed try."""

    def receive(event: Event) -> None:
        if isinstance(event, Changed):
            show.moved(event.rotation)
        elif isinstance(event, Retrying):
            failed = f"{timeline.STEPS[event.step]}: try {event.number} failed ({event.code})"
            show.retrying(f"{failed}; again in {event.wait_seconds:.1f} s.")

    return receive


@contextmanager
def showing(out: Output, keyturn: Keyturn, *, result_only: bool = False) -> Iterator[Show]:
    """Show one rotation while the block runs: live on a terminal, lines elsewhere.

    ``result_only``: in JSON and names, show nothing while it moves.
    """
    with ExitStack() as stack:
        show: Show
        if out.is_live:
            panel = Panel(keyturn)
            stack.enter_context(_drawing(panel))
            show = panel
        elif result_only and not out.is_for_people:
            show = Silent()
        else:
            show = Lines(out, keyturn)
        stack.enter_context(keyturn.events.listening(listener(show)))
        yield show


@contextmanager
def _drawing(panel: Panel) -> Iterator[None]:
    from rich.live import Live  # noqa: PLC0415 - only at a terminal

    console = terminal.console()
    # What is written meanwhile passes `terminal`, not streams that Rich puts in place of the standard ones: those would
    # escape the colours that Rich itself writes.
    with (
        terminal.drawing(console),
        Live(
            console=console,
            get_renderable=panel.draw,
            refresh_per_second=_FRAMES,
            redirect_stdout=False,
            redirect_stderr=False,
        ),
    ):
        yield
