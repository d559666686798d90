"""`keyturn rotation …`: showing rotations, and recovering those that wait for a person."""

from typing import Annotated, Final

from cyclopts import App, Parameter

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import exit_codes, formatting, live, next_actions, outcome, timeline
from orchestrator.cli.arguments import RotationId
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import Rows, View
from orchestrator.views.journal import entry_json, legs
from orchestrator.views.rotation import rotation_json
from persistence.journal import Entry
from states.errors import InvalidInput, JournalBroken
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
    view = View[RotationSummary](
        name=lambda rotation: rotation.id,
        record=lambda rotation: rotation_json(rotation, now),
        columns={
            "ROTATION": lambda rotation: rotation.id,
            "CONNECTION": lambda rotation: rotation.connection,
            "STATE": lambda rotation: rotation.state.value,
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
    context.out.show(rotation_json(shown, now), shown.id, _details(shown, journal, keyturn))
    return Exit.FINE


def _details(rotation: Rotation, journal: list[Entry], keyturn: Keyturn) -> Rows:
    now = keyturn.rotations.now()
    rows = [
        ("rotation", rotation.id),
        ("connection", rotation.connection),
        ("state", rotation.state.value),
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
        rows.append(("waits", f"{rotation.waiting_for}\nTried again at {formatting.moment(rotation.available_at)}"))
    if rotation.doubt.since:
        until = f"\nIt may take effect until {formatting.moment(rotation.doubt.in_flight_until)}"
        rows.append(
            ("in doubt", f"The answer to a request was lost, begun {formatting.moment(rotation.doubt.since)}{until}")
        )
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


@app.command
def journal(rotation: RotationId, /, *, context: Given) -> int:
    """Show everything that happened to a rotation, in order. In JSON with the evidence and the hash chain."""
    with context.keyturn() as keyturn:
        entries = keyturn.rotations.journal(rotation)
    view = View[Entry](
        name=lambda entry: str(entry.seq),
        record=entry_json,
        columns={
            "SEQ": lambda entry: str(entry.seq),
            "AT (UTC)": lambda entry: formatting.instant(entry.at),
            "EVENT": lambda entry: entry.event,
            "STATE": lambda entry: entry.target.value,
            "WHO": lambda entry: entry.actor,
        },
        flexible=("WHO",),
        remark=timeline.remark,
    )
    context.out.list(entries, view, empty="The journal is empty.")
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
