"""`keyturn journal`: what happened to all rotations, and that no entry was changed."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import outages
from orchestrator.cli.arguments import AnyRotation, OnlyConnection
from orchestrator.cli.context import Context, Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import Output, View
from orchestrator.views import formatting, timeline
from orchestrator.views.journal import checkpoint_json, entry_json, folded
from orchestrator.views.values import Json
from persistence.journal import Entry
from states.state import State
from states.table import OUTAGE

app = App(name="journal", help="Show what happened to all rotations, in order.")
_Named = tuple[str, Entry]
"""An entry with its connection's name."""


@app.default
def show(
    *,
    since: Annotated[str, Parameter(help="From when on, such as 2d or 2026-11-23T20:15.")] = "1d",
    connection: OnlyConnection = None,
    follow: Annotated[
        bool, Parameter(name=["--follow", "-f"], help="Show new entries as they come, until Ctrl-C.", negative=())
    ] = False,
    context: Given,
) -> int:
    """Show what happened to all rotations, in order.

    In JSON with the evidence and the hash chain; with --follow an object a line.

    ```
    keyturn journal --since 2h
    keyturn journal --connection acme -f
    keyturn journal --since 2026-11-23 -o json
    ```
    """
    with context.keyturn() as keyturn:
        now = keyturn.rotations.now()
        moment = formatting.to_moment(since, now)
        outages.announce(context.out, keyturn.status.outages(connection), now)
        if follow:
            return _follow(context, keyturn, moment, connection)
        entries = keyturn.lists.journal(since=moment, connection=connection)
    if context.out.is_for_people:
        _print(context.out, entries)
        if not entries:
            context.out.note(f"Nothing happened since {formatting.moment(moment)}. Look further back with --since.")
        return Exit.FINE
    view = View[_Named](
        name=lambda named: f"{named[1].rotation_id} {named[1].seq}", record=_json, columns={}, flexible=()
    )
    context.out.list(entries, view, empty="")
    return Exit.FINE


def _follow(context: Context, keyturn: Keyturn, since: datetime, connection: str | None) -> int:
    latest: dict[str, Entry] = {}
    for named in keyturn.feed.follow(since=since, connection=connection):
        if context.out.is_for_people:
            _print(context.out, [named], latest)
        else:
            context.out.event(_json(named), f"{named[1].rotation_id} {named[1].seq}")
    return Exit.FINE


def _print(out: Output, entries: list[_Named], latest: dict[str, Entry] | None = None) -> None:
    """Print a line for each entry, repetitions folded; ``latest`` has each rotation's entry that was printed last."""
    known = {} if latest is None else latest
    names = {entry.rotation_id: name for name, entry in entries}
    for each in folded([entry for _, entry in entries]):
        entry = each.entry
        style = outages.STYLE if entry.target is State.FAILED and entry.source is OUTAGE else ""
        line = timeline.line(entry, known.get(entry.rotation_id), names[entry.rotation_id])
        out.text(f"{line}{timeline.times(each)}", style=style)
        known[entry.rotation_id] = entry


def _json(named: _Named) -> Json:
    """An entry's fields, and the ``connection``."""
    name, entry = named
    return {"connection": name, **entry_json(entry)}


@app.command
def verify(
    rotation: AnyRotation = None,
    /,
    *,
    against: Annotated[
        Path | None, Parameter(help="A file with checkpoints: what `journal checkpoint` printed, or a log.")
    ] = None,
    context: Given,
) -> int:
    """Check that no entry of one rotation's journal, or of all, was changed. Exits with 1 when one was.

    With --against it also shows whether whole histories were removed, or the database was set back, since a checkpoint
    of the file.

    ```
    keyturn journal verify
    keyturn journal verify acme
    keyturn journal verify --against checkpoints.txt
    ```
    """
    with context.keyturn() as keyturn:
        checked = keyturn.journal.verify(rotation, against)
    texts = [f"{_entries(checked.entries)} checked: none was changed."]
    if checked.copies:
        newest = checked.copies[-1]
        of_them = formatting.count(len(checked.copies), "checkpoint")
        moment = formatting.moment(newest.at)
        texts.append(f"{of_them} compared: no history was removed that began before {moment}, the time of the newest.")
    record: Json = {
        "entries": checked.entries,
        "intact": True,
        "checkpoints": [checkpoint_json(each) for each in checked.copies],
    }
    context.out.show(record, str(checked.entries), [("", text) for text in texts])
    if rotation is None and not checked.copies:
        context.out.note("Only a copy of a checkpoint shows that histories were removed: see --against.")
    return Exit.FINE


@app.command
def checkpoint(*, context: Given) -> int:
    """Print what the whole journal comes to now, to be kept elsewhere.

    Keep the output where who can write the database cannot change it. A worker makes a checkpoint every day and logs
    it. `journal verify --against` finds checkpoints in any text.

    ```
    keyturn journal checkpoint >>/mnt/elsewhere/checkpoints.txt
    keyturn journal checkpoint -o json
    ```
    """
    with context.keyturn() as keyturn:
        made = keyturn.journal.checkpoint()
    counts = f"{_entries(made.entries)} of {formatting.count(made.rotations, 'rotation')}."
    context.out.show(checkpoint_json(made), made.line, [("", f"{made}: {counts}"), ("", made.line)])
    return Exit.FINE


def _entries(count: int) -> str:
    return formatting.count(count, "entry" if count == 1 else "entrie")
