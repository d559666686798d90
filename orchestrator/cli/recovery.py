"""`keyturn rotation explain|park|resume|confirm|restore|adopt|abandon`: what people do about a rotation that waits."""

from typing import Annotated

from cyclopts import Parameter

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import formatting, health, next_actions, records, timeline
from orchestrator.cli.arguments import Detach, DryRun, Reason, RotationId, flag
from orchestrator.cli.context import Context, Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.outcome import carry
from orchestrator.operations.rotations import Explanation
from states.errors import IllegalMove
from states.health import Health
from states.next_action import Verb
from states.rotation import Rotation

Seen = Annotated[
    str, Parameter(help="With --openair-export: the SHA-256 that OpenAir shows now, where only a person can look.")
]


def explain(
    rotation: RotationId,
    /,
    *,
    live: Annotated[bool, flag("Also ask both systems what is true there now.")] = False,
    context: Given,
) -> int:
    """Tell what happened to a rotation, what is possible now, and the one next safe command."""
    with context.keyturn() as keyturn:
        told = keyturn.rotations.explain(rotation)
        now = keyturn.rotations.now()
        found = keyturn.health.health(told.rotation.connection) if live else None
    record = records.explanation(told, now)
    if found:
        record["health"] = records.health(told.rotation.connection, found)
    context.out.show(record, told.rotation.id, [])
    if context.out.is_for_people:
        _tell(context, told, found, timeline.summary(told.rotation, now))
    return Exit.FINE


def _tell(context: Context, told: Explanation, found: Health | None, summary: str) -> None:
    out, rotation = context.out, told.rotation
    out.text(f"Rotation {rotation.id} of {rotation.connection}: {summary}.")
    out.text("\nWhat happened")
    for before, entry in zip([None, *told.journal], told.journal, strict=False):
        out.text(f"  {formatting.instant(entry.at)}  {entry.target:18}  {timeline.told(entry, before)}")
    if found:
        out.text("\nWhat is true now")
        for line in health.lines(found):
            out.text(f"  {line}")
    out.text("\nWhat is possible now")
    for action, why_not in told.verbs:
        out.text(f"no: {why_not}" if why_not else next_actions.command(action), label=f"  {action.verb:8} ")
    out.text("\nNext")
    for line in next_actions.render(told.next_action).splitlines():
        out.text(f"  {line}")
    if command := next_actions.command(told.next_action):
        out.text(f"  → {command}")


def park(rotation: RotationId, /, *, reason: Reason = "", context: Given) -> int:
    """Stop a rotation that waits: no worker takes it up until a person decides how it goes on.

    What may be done then is what may be done with any parked rotation: resume it, or end it otherwise. Neither system
    is asked or changed. While a worker has a step in hand it is refused: repeat it then.
    """
    with context.keyturn() as keyturn:
        after = keyturn.rotations.park(rotation, actor=actor(), reason=reason)
        context.out.show(records.rotation(after, keyturn.rotations.now()), after.id, [("parked", after.id)])
        context.out.note(f"What is possible now: `keyturn rotation explain {after.id}`.")
    return Exit.FINE


def resume(
    rotation: RotationId,
    /,
    *,
    reason: Reason = "",
    create_record: Annotated[bool, flag("Create the certificate record where it is missing.")] = False,
    overwrite: Annotated[bool, flag("Replace a certificate that somebody else put in NetSuite.")] = False,
    detach: Detach = False,
    dry_run: DryRun = False,
    context: Given,
) -> int:
    """Take a parked rotation back to the state it failed from, and carry it on: same id, one attempt more."""
    with context.keyturn() as keyturn:
        told = keyturn.rotations.explain(rotation)
        before = told.rotation
        if dry_run:
            return _would(context, told)
        if overwrite:
            context.confirm(f"Replace the certificate that somebody else put in NetSuite ({before.connection})?")
        if not detach:
            keyturn.installation.check()
        after = keyturn.rotations.resume(
            before.id, actor=actor(), reason=reason, create_record=create_record, overwrite=overwrite
        )
        if detach:
            context.out.show(records.rotation(after, keyturn.rotations.now()), after.id, [("resumed", after.id)])
            context.out.note(f"A worker carries it: `keyturn worker`. Follow it: `keyturn rotation watch {after.id}`.")
            return Exit.FINE
        return carry(context, keyturn, after)


def _would(context: Context, told: Explanation) -> int:
    """Say what resuming would do. Raises IllegalMove as resuming would."""
    rotation = told.rotation
    if refused := next(why_not for action, why_not in told.verbs if action.verb is Verb.RESUME):
        raise IllegalMove(f"Rotation {rotation.id} cannot be resumed: {refused}")
    rows = [
        ("would resume", rotation.id),
        ("back to", rotation.position.value),
        ("as attempt", str(rotation.attempt + 1)),
    ]
    record = {"dry_run": True, "rotation": rotation.id, "to": rotation.position.value, "attempt": rotation.attempt + 1}
    context.out.show(record, rotation.id, rows)
    context.out.note("Nothing was changed.")
    return Exit.FINE


def confirm(
    rotation: RotationId,
    /,
    *,
    fingerprint: Annotated[str, Parameter(help="The SHA-256 that OpenAir shows; colons and case do not matter.")],
    detach: Detach = False,
    context: Given,
) -> int:
    """Say that a person saved the exported certificate in OpenAir, and carry the rotation on."""
    with context.keyturn() as keyturn:
        if not detach:
            keyturn.installation.check()
        after = keyturn.rotations.confirm(rotation, fingerprint, actor=actor())
        if detach:
            context.out.show(records.rotation(after, keyturn.rotations.now()), after.id, [("confirmed", after.id)])
            return Exit.FINE
        return carry(context, keyturn, after)


def restore(
    rotation: RotationId,
    /,
    *,
    reason: Reason = "",
    overwrite: Annotated[
        bool, flag("Replace the certificate in NetSuite, even if somebody else put it there.")
    ] = False,
    fingerprint: Seen = "",
    context: Given,
) -> int:
    """Put the previous certificate back into NetSuite, and give a parked rotation up.

    It helps while OpenAir still holds that certificate: both sides then agree, and imports are accepted again. OpenAir
    is only read. The candidate and its key are destroyed. Where something goes wrong, run it again.
    """
    with context.keyturn() as keyturn:
        before = keyturn.rotations.show(rotation)
        context.confirm(f"Put the previous certificate back into NetSuite, and give rotation {before.id} up?")
        after = keyturn.recovery.restore(
            before.id, actor=actor(), reason=reason, overwrite=overwrite, seen=fingerprint, version=before.version
        )
        return _given_up(context, keyturn, after)


def adopt(rotation: RotationId, /, *, reason: Reason = "", fingerprint: Seen = "", context: Given) -> int:
    """Accept the certificate that somebody else put in both systems, and give a parked rotation up.

    Changes nothing in either system. The certificate becomes the connection's current one; the private keys that
    Keyturn has of this connection are destroyed.
    """
    with context.keyturn() as keyturn:
        before = keyturn.rotations.show(rotation)
        context.confirm(f"Accept the certificate that somebody else put there, and give rotation {before.id} up?")
        after = keyturn.recovery.adopt(
            before.id, actor=actor(), reason=reason, seen=fingerprint, version=before.version
        )
        return _given_up(context, keyturn, after)


def _given_up(context: Context, keyturn: Keyturn, rotation: Rotation) -> int:
    """Tell how a rotation was given up, and when the connection's next one begins."""
    now, connection = keyturn.rotations.now(), keyturn.connections.show(rotation.connection)
    current = connection.current
    rows = [
        (str(rotation.ending), rotation.id),
        ("both hold", f"{current.fingerprint}\nvalid until {formatting.moment(current.not_after)}" if current else ""),
        ("skew", formatting.span(rotation.skew(now))),
        ("next rotation", formatting.moment(connection.due_at) if connection.is_automatic else "by hand only"),
    ]
    context.out.show(records.rotation(rotation, now), rotation.id, rows)
    if connection.is_automatic and connection.due_at and connection.due_at <= now:
        context.out.note("The next rotation is due: a worker begins it by itself.")
    return Exit.FINE


def abandon(rotation: RotationId, /, *, reason: Reason = "", context: Given) -> int:
    """Give a parked rotation up whose certificate NetSuite does not hold, and free its connection.

    The candidate and its key are destroyed; both systems keep what they have. Where NetSuite may have been sent the
    certificate, it is asked, and nothing is given up that it may hold.
    """
    with context.keyturn() as keyturn:
        before = keyturn.rotations.show(rotation)
        context.confirm(f"Give rotation {before.id} up, and destroy the candidate it made?")
        after = keyturn.recovery.abandon(before.id, actor=actor(), reason=reason, version=before.version)
        context.out.show(records.rotation(after, keyturn.rotations.now()), after.id, [("abandoned", after.id)])
        context.out.note(f"Begin another: `keyturn rotate {after.connection}`.")
    return Exit.FINE
