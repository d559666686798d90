"""`keyturn rotation explain|park|resume|begin|confirm`: recovering a rotation that waits."""

from datetime import datetime
from typing import Annotated

from cyclopts import Parameter

from orchestrator.cli import health, outages, outcome, rehearsal
from orchestrator.cli.arguments import Detach, DryRun, Reason, RotationId, flag
from orchestrator.cli.context import Context, Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.operations.rotations import Explanation
from orchestrator.views import formatting, next_actions, timeline
from orchestrator.views.health import health_json
from orchestrator.views.journal import folded
from orchestrator.views.rotation import explanation_json, rotation_json
from states.health import Health
from states.outage import outage_of


def explain(
    rotation: RotationId,
    /,
    *,
    live: Annotated[bool, flag("Also read both systems now.")] = False,
    context: Given,
) -> int:
    """Tell what happened, what is possible now, and the one next safe command.

    ```
    keyturn rotation explain acme
    keyturn rotation explain 01M8556X --live
    ```
    """
    with context.keyturn() as keyturn:
        explanation = keyturn.rotations.explain(rotation)
        now = keyturn.rotations.now()
        found = keyturn.health.health(explanation.rotation.connection) if live else None
    record = explanation_json(explanation, now)
    if found:
        record["health"] = health_json(explanation.rotation.connection, found, now)
    context.out.show(record, explanation.rotation.id, [])
    if context.out.is_for_people:
        _print(context, explanation, found, now)
    return Exit.FINE


def _print(context: Context, explanation: Explanation, found: Health | None, now: datetime) -> None:
    out, rotation = context.out, explanation.rotation
    outage = outage_of(rotation)
    outages.announce(out, [outage] if outage else [], now, names=False)
    out.text(f"Rotation {rotation.id} of {rotation.connection}: {timeline.summary(rotation, now)}.")
    out.text("\nWhat happened")
    for each in folded(explanation.journal):
        text = timeline.describe(each.entry, each.before) + timeline.times(each)
        out.text(text, label=f"  {formatting.instant(each.entry.at)}  {each.entry.target:18}  ")
    if found:
        out.text("\nWhat is true now")
        for line in health.lines(found, now):
            out.text(f"  {line}")
    out.text("\nWhat is possible now")
    for action, why_not in explanation.verbs:
        out.text(f"no: {why_not}" if why_not else next_actions.command(action), label=f"  {action.verb:8} ")
    out.text("\nNext")
    for line in next_actions.render(explanation.next_action).splitlines():
        out.text(f"  {line}")
    if command := next_actions.command(explanation.next_action):
        out.text(f"  → {command}")


def park(
    rotation: RotationId,
    /,
    *,
    reason: Reason = "",
    wait: Annotated[bool, flag("Wait until the worker that holds the rotation has released it.")] = False,
    dry_run: DryRun = False,
    context: Given,
) -> int:
    """Stop a rotation that waits, until a person decides.

    No worker claims it then; what is possible with any parked rotation is possible with it. Neither system is asked or
    changed. It is refused while a worker carries the rotation, unless you --wait.

    ```
    keyturn rotation park acme --reason 'OpenAir takes no changes until Monday'
    ```
    """
    with context.keyturn() as keyturn:
        if dry_run:
            return rehearsal.show(context, keyturn.rehearsals.park(rotation))
        after = keyturn.rotations.park(rotation, actor=actor(), reason=reason, wait=wait)
        context.out.show(rotation_json(after, keyturn.rotations.now()), after.id, [("parked", after.id)])
        context.out.note(f"What is possible now: `keyturn rotation explain {after.id}`.")
    return Exit.FINE


def carry(rotation: RotationId, /, *, dry_run: DryRun = False, context: Given) -> int:
    """Carry a postponed rotation on now, in this process.

    It need not wait until its next try is due. A worker that holds it goes on; this command shows that, and carries it
    once it is released. Exits as `keyturn rotate` does.

    ```
    keyturn rotation carry acme
    ```
    """
    with context.keyturn() as keyturn:
        if dry_run:
            return rehearsal.show(context, keyturn.rehearsals.carry(rotation))
        keyturn.installation.check()
        return outcome.carry(context, keyturn, keyturn.rotations.show(rotation), at_once=True)


def resume(
    rotation: RotationId,
    /,
    *,
    reason: Reason = "",
    create_record: Annotated[bool, flag("Create the certificate record where it is missing.")] = False,
    overwrite: Annotated[bool, flag("Replace the foreign certificate in NetSuite.")] = False,
    detach: Detach = False,
    dry_run: DryRun = False,
    context: Given,
) -> int:
    """Take a parked rotation back to the state it failed from, and carry it on.

    The rotation keeps its id; its attempt counts one more.

    ```
    keyturn rotation resume acme --dry-run
    keyturn rotation resume 01M8556X --create-record
    ```
    """
    with context.keyturn() as keyturn:
        if dry_run:
            done = keyturn.rehearsals.resume(rotation, create_record=create_record, overwrite=overwrite)
            return rehearsal.show(context, done)
        before = keyturn.rotations.show(rotation)
        if overwrite:
            context.confirm(f"Replace the foreign certificate in NetSuite ({before.connection})?")
        if not detach:
            keyturn.installation.check()
        after = keyturn.rotations.resume(
            before.id, actor=actor(), reason=reason, create_record=create_record, overwrite=overwrite
        )
        if detach:
            context.out.show(rotation_json(after, keyturn.rotations.now()), after.id, [("resumed", after.id)])
            context.out.note(f"A worker carries it: `keyturn worker`. Follow it: `keyturn rotation watch {after.id}`.")
            return Exit.FINE
        return outcome.carry(context, keyturn, after)


def begin(rotation: RotationId, /, *, detach: Detach = False, context: Given) -> int:
    """Say that you are signed in to OpenAir and ready to save the certificate there, and begin the upload to NetSuite.

    For a connection with --openair-export. From the upload on, imports are refused until you have saved the file that
    this command names. It is written the moment NetSuite has confirmed the certificate. If the upload takes longer than
    a quarter of an hour, the rotation waits for you again.

    ```
    keyturn rotation begin acme
    ```
    """
    with context.keyturn() as keyturn:
        before = keyturn.rotations.show(rotation)
        context.confirm(f"Begin rotation {before.id}? Imports are refused until you save its file in OpenAir.")
        if not detach:
            keyturn.installation.check()
        after = keyturn.rotations.begin(before.id, actor=actor(), version=before.version)
        if detach:
            context.out.show(rotation_json(after, keyturn.rotations.now()), after.id, [("begun", after.id)])
            return Exit.FINE
        return outcome.carry(context, keyturn, after)


def confirm(
    rotation: RotationId,
    /,
    *,
    fingerprint: Annotated[str, Parameter(help="The SHA-256 that OpenAir shows; colons and case do not matter.")],
    detach: Detach = False,
    dry_run: DryRun = False,
    context: Given,
) -> int:
    """Confirm that OpenAir holds the exported certificate, and carry the rotation on.

    ```
    keyturn rotation confirm acme --fingerprint AB:CD:…
    ```
    """
    with context.keyturn() as keyturn:
        if dry_run:
            return rehearsal.show(context, keyturn.rehearsals.confirm(rotation, fingerprint))
        if not detach:
            keyturn.installation.check()
        after = keyturn.rotations.confirm(rotation, fingerprint, actor=actor())
        if detach:
            context.out.show(rotation_json(after, keyturn.rotations.now()), after.id, [("confirmed", after.id)])
            return Exit.FINE
        return outcome.carry(context, keyturn, after)
