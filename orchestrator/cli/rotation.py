"""`keyturn rotation …`: showing rotations, and recovering those that wait for a person."""

from datetime import datetime

from cyclopts import App

from orchestrator.cli import exit_codes, live, outages, outcome
from orchestrator.cli.arguments import RotationId
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import Rows, View
from orchestrator.views import formatting, next_actions, timeline
from orchestrator.views.journal import Folded, entry_json, folded, legs
from orchestrator.views.rotation import rotation_json
from persistence.journal import Entry
from states.outage import outage_of
from states.preconditions import advise
from states.rotation import Rotation
from states.summary import RotationSummary

app = App(name="rotation", help="Show rotations, and recover parked ones.")

app.command("orchestrator.cli.rotation_list:list_", name="list")
for _verb in ("explain", "park", "carry", "resume", "begin", "confirm"):
    app.command(f"orchestrator.cli.recovery:{_verb}", name=_verb)
for _verb in ("restore", "adopt", "abandon", "withdraw"):
    app.command(f"orchestrator.cli.closing:{_verb}", name=_verb)
app.command("orchestrator.cli.evidence:evidence", name="evidence")
"""Each module is imported when one of its commands, or its help, is asked for."""


@app.command
def show(rotation: RotationId, /, *, context: Given) -> int:
    """Show one rotation.

    ```
    keyturn rotation show acme
    keyturn rotation show 01M8556X -o json
    ```
    """
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
        lost = "The answer to a request was lost" if rotation.doubt.in_flight_until else "A request was refused"
        begun = f"{lost}, begun {formatting.moment(rotation.doubt.since)}"
        rows.append(("in doubt", f"{begun}\n{_in_flight(rotation, now)}".strip()))
    if rotation.failure:
        failure = rotation.failure
        rows += [
            ("parked", f"in {failure.failed_from} [{failure.code}]: {failure.message}"),
            ("kept", exit_codes.kept_by(rotation)),
        ]
        if request := rotation.circumstances.approval:
            until = formatting.moment(request.expires_at)
            rows.append(("asked", f"{request.sentence}\nrequest {request.number}, until {until}"))
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
        return "Nothing of it can take effect later; what NetSuite holds is read back first."
    if until <= now:
        return "It cannot take effect any more; what it did is read back first."
    return f"It may take effect until {formatting.moment(until)}."


@app.command
def journal(rotation: RotationId, /, *, context: Given) -> int:
    """Show everything that happened to a rotation, in order. In JSON with the evidence and the hash chain.

    ```
    keyturn rotation journal acme
    ```
    """
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
    """Follow a rotation until it is completed or parked. In JSON: an object for each change.

    ```
    keyturn rotation watch acme
    ```
    """
    with context.keyturn() as keyturn:
        shown = keyturn.rotations.show(rotation)
        with live.showing(context.out, keyturn) as display:
            for now in keyturn.rotations.watch(shown.id):
                display.moved(now)
                shown = now
        if context.out.is_for_people:
            return outcome.tell(context, keyturn, shown)
        return exit_codes.of_rotation(shown)
