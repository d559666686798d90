"""`keyturn rotation …`: showing rotations, and recovering those that wait for a person."""

from datetime import datetime
from typing import Annotated, Final

from cyclopts import App, Parameter

from orchestrator.cli import exit_codes, formatting, live, next_actions, outages, outcome, timeline
from orchestrator.cli.arguments import RotationId
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import Rows, View
from orchestrator.views.journal import Folded, entry_json, folded, legs
from orchestrator.views.rotation import rotation_json
from persistence.journal import Entry
from states.errors import InvalidInput, JournalBroken
from states.outage import outage_of
from states.preconditions import advise
from states.rotation import Rotation
from states.state import State
from states.summary import RotationSummary

app = App(name="rotation", help="Show rotations, and recover parked ones.")

RECOVERY: Final = (
    ("explain", "Tell what happened, what is possible now, and the one next safe command."),
    ("park", "Stop a rotation that waits, until a person decides."),
    ("resume", "Take a parked rotation back to the state it failed from, and carry it on."),
    ("confirm", "Confirm that OpenAir holds the exported certificate, and carry the rotation on."),
    ("restore", "Put the previous certificate back into NetSuite, and close a parked rotation."),
    ("adopt", "Accept the foreign certificate in both systems, and close a parked rotation."),
    ("abandon", "Close a parked rotation whose certificate NetSuite does not hold."),
)
"""The commands of `orchestrator.cli.recovery`, which is imported when one of them is run."""
for _name, _help in RECOVERY:
    app.command(f"orchestrator.cli.recovery:{_name}", name=_name, help=_help)

_STATES: Final = tuple(state.value for state in State)


@app.command(name="list")
def list_(
    *,
    connection: Annotated[str | None, Parameter(help="Only rotations of this connection.")] = None,
    state: Annotated[
        list[str] | None, Parameter(choices=_STATES, negative=(), help="Only rotations in this state. Repeatable.")
    ] = None,
    limit: Annotated[int, Parameter(help="How many at most.")] = 50,
    context: Given,
) -> int:
    """List rotations, the newest first; parked ones with the reason."""
    if limit < 1:
        raise InvalidInput(f"A list has at least one line, not {limit}.")
    states = [State(name) for name in state or []]
    with context.keyturn() as keyturn:
        if connection is not None:
            keyturn.connections.show(connection)
        found = keyturn.rotations.recent(connection=connection, states=states, limit=limit)
        now = keyturn.rotations.now()
        outages.announce(context.out, keyturn.status.outages(connection), now)
    view = View[RotationSummary](
        name=lambda rotation: rotation.id,
        record=lambda rotation: rotation_json(rotation, now),
        columns={
            "ROTATION": lambda rotation: rotation.id,
            "CONNECTION": lambda rotation: rotation.connection,
            "STATE": timeline.state,
            "SKEW": lambda rotation: formatting.span(rotation.skew(now)),
            "AGE": lambda rotation: formatting.span(now - rotation.created_at),
            "WHO": lambda rotation: rotation.actor,
        },
        flexible=("CONNECTION", "WHO"),
        remark=_remark,
    )
    context.out.list(found, view, empty="There are no rotations. Begin one: `keyturn rotate NAME`.")
    return Exit.FINE


def _remark(rotation: RotationSummary) -> str:
    if rotation.broken and not rotation.failure:
        return f"[{JournalBroken.code}]: {rotation.broken}"
    if rotation.failure:
        what = rotation.ending.value if rotation.ending else f"parked in {rotation.position}"
        return f"{what} [{rotation.failure.code}]: {rotation.failure.message}"
    return f"waits: {rotation.waiting_for}" if rotation.waiting_for else ""


@app.command
def show(rotation: RotationId, /, *, context: Given) -> int:
    """Show one rotation."""
    with context.keyturn() as keyturn:
        shown, now = keyturn.rotations.show(rotation), keyturn.rotations.now()
        journal = keyturn.rotations.journal(shown.id)
    outage = outage_of(shown)
    outages.announce(context.out, [outage] if outage else [], now, names=False)
    context.out.show(rotation_json(shown, now), shown.id, _details(shown, journal, now))
    return Exit.FINE


def _details(rotation: Rotation, journal: list[Entry], now: datetime) -> Rows:
    rows = [
        ("rotation", rotation.id),
        ("connection", rotation.connection),
        ("state", timeline.state(RotationSummary.of(rotation))),
        ("asked by", f"{rotation.actor}, {rotation.cause}" + (f": {rotation.reason}" if rotation.reason else "")),
        ("begun", formatting.moment(rotation.created_at)),
        ("attempt", str(rotation.attempt)),
        ("skew", formatting.span(rotation.skew(now))),
    ]
    rows += [("", f"{formatting.instant(leg.entered)}  {leg.state}") for leg in legs(journal) if leg.entered]
    if rotation.proofs.candidate:
        held = rotation.proofs.candidate.certificate
        rows.append(("fingerprint", f"{held.fingerprint}\nvalid until {formatting.moment(held.not_after)}"))
    if rotation.previous:
        rows.append(("replaces", rotation.previous.fingerprint))
    if broken := rotation.circumstances.broken:
        rows.append(("broken", broken))
    if rotation.waiting_for:
        rows.append(("waits", f"{rotation.waiting_for}\n{_again(rotation, now)}"))
    if rotation.doubt.since:
        begun = f"The answer to a request was lost, begun {formatting.moment(rotation.doubt.since)}"
        rows.append(("in doubt", f"{begun}\n{_in_flight(rotation, now)}".strip()))
    if rotation.failure:
        failure = rotation.failure
        rows += [
            ("parked", f"in {failure.failed_from} [{failure.code}]: {failure.message}"),
            ("kept", exit_codes.kept_by(rotation)),
        ]
        if rotation.ending:
            rows.append(("ended", f"{rotation.ending} at {formatting.moment(rotation.closed_at)}"))
        rows.append(("next", next_actions.render(advise(rotation, now))))
    return rows


def _again(rotation: Rotation, now: datetime) -> str:
    """When a postponed rotation goes on; a moment that is over is no promise."""
    if rotation.available_at <= now:
        return "A worker can try again now."
    return f"A worker tries again at {formatting.moment(rotation.available_at)}."


def _in_flight(rotation: Rotation, now: datetime) -> str:
    until = rotation.doubt.in_flight_until
    if until is None:
        return ""
    if until <= now:
        return "It cannot take effect any more; what it did is read back first."
    return f"It may take effect until {formatting.moment(until)}."


@app.command
def journal(rotation: RotationId, /, *, context: Given) -> int:
    """Show everything that happened to a rotation, in order. In JSON with the evidence and the hash chain."""
    with context.keyturn() as keyturn:
        entries = keyturn.rotations.journal(rotation)
    if not context.out.is_for_people:
        context.out.list(entries, View[Entry](lambda entry: str(entry.seq), entry_json, {}, ()), empty="")
        return Exit.FINE
    view = View[Folded](
        name=lambda each: str(each.entry.seq),
        record=lambda each: entry_json(each.entry),
        columns={
            "SEQ": lambda each: str(each.entry.seq),
            "AT (UTC)": lambda each: formatting.instant(each.entry.at),
            "EVENT": lambda each: each.entry.event,
            "STATE": lambda each: each.entry.target.value,
            "WHO": lambda each: each.entry.actor,
        },
        flexible=("WHO",),
        remark=lambda each: f"{timeline.remark(each.entry)}{timeline.times(each)}".strip(),
    )
    context.out.list(folded(entries), view, empty="The journal is empty.")
    return Exit.FINE


@app.command
def watch(rotation: RotationId, /, *, context: Given) -> int:
    """Follow a rotation until it is completed or parked. In JSON: an object for each change."""
    with context.keyturn() as keyturn:
        shown = keyturn.rotations.show(rotation)
        with live.showing(context.out, keyturn) as display:
            for now in keyturn.rotations.watch(shown.id):
                display.moved(now)
                shown = now
        if context.out.is_for_people:
            return outcome.tell(context, keyturn, shown)
        return exit_codes.of_rotation(shown)
