"""Prints what a verb would do."""

from orchestrator.cli.context import Context
from orchestrator.cli.exit_codes import Exit
from orchestrator.operations.rehearsal import Rehearsal
from orchestrator.views.rehearsal import rehearsal_json, skew_text
from orchestrator.views.values import Json

_NOTHING = [("", "nothing, to either system")]


def show(context: Context, done: Rehearsal, more: Json | None = None) -> int:
    """Print the reads' answers and what would be sent where; return the exit code.

    ``more`` is what this verb's JSON has in addition.
    """
    sends = [(system, what) for system, what in done.sends] or _NOTHING
    subject = f"rotation {done.rotation}" if done.rotation else done.connection
    rows = [(f"would {done.verb}", subject)]
    rows += [("sees" if not place else "", f"{system} {what}") for place, (system, what) in enumerate(done.seen)]
    rows += [
        ("would send" if not place else "", f"{system + ': ' if system else ''}{what}")
        for place, (system, what) in enumerate(sends)
    ]
    if done.skew:
        rows.append(("refused", f"imports, for {skew_text(done.skew)}"))
    rows.append(("then", done.ends))
    context.out.show({**rehearsal_json(done), **(more or {})}, done.rotation or done.connection, rows)
    context.note_unchanged()
    return Exit.FINE
