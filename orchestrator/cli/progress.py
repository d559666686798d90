"""A bar on a terminal that shows how much of a long command is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator import terminal
from orchestrator.cli.output import Output


@contextmanager
def progress(out: Output, what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show ``what`` is done and how much of ``total`` while the block runs; yield what to call after each part.

    Nothing is shown but to a person at a terminal, and nothing is left there at the end.
    """
    if total <= 1 or not out.is_live:
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = terminal.console()
    bar = Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
    with terminal.drawing(console), bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
