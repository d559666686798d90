"""`keyturn rotation restore|adopt|abandon|withdraw`: closing a parked rotation, with two people if asked for."""

from typing import Annotated

from cyclopts import Parameter

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import rehearsal, stopped
from orchestrator.cli.arguments import WHOLE, DryRun, Reason, RotationId, flag
from orchestrator.cli.context import Context, Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.views import formatting, next_actions
from orchestrator.views.rotation import rotation_json
from states.approval import ApprovalRequest
from states.rotation import Rotation

Seen = Annotated[str, Parameter(help="For a connection with --openair-export: the SHA-256 that OpenAir shows now.")]
Approves = Annotated[
    int | None,
    WHOLE,
    Parameter(help="The number of another person's request that you approve, where recovery.second_approval is set."),
]


def restore(
    rotation: RotationId,
    /,
    *,
    reason: Reason = "",
    overwrite: Annotated[bool, flag("Replace the certificate in NetSuite, even if it is foreign.")] = False,
    fingerprint: Seen = "",
    approves: Approves = None,
    dry_run: DryRun = False,
    context: Given,
) -> int:
    """Put the previous certificate back into NetSuite, and close a parked rotation.

    It helps while OpenAir still holds that certificate: both systems agree again, and imports are accepted. OpenAir is
    only read. The candidate and its key are destroyed. When something goes wrong, run it again.

    ```
    keyturn rotation restore acme --dry-run
    keyturn rotation restore acme
    ```
    """
    with context.keyturn() as keyturn:
        if dry_run:
            done = keyturn.rehearsals.restore(rotation, overwrite=overwrite, seen=fingerprint)
            return rehearsal.show(context, done)
        before = keyturn.rotations.show(rotation)
        if not _only_asks(keyturn, approves):
            context.confirm(f"Put the previous certificate back into NetSuite, and close rotation {before.id}?")
        with stopped.finishing(context, keyturn, before):
            after = keyturn.recovery.restore(
                before.id,
                actor=actor(),
                reason=reason,
                overwrite=overwrite,
                seen=fingerprint,
                version=before.version,
                approves=approves,
            )
        return _closed(context, keyturn, after)


def adopt(
    rotation: RotationId,
    /,
    *,
    reason: Reason = "",
    fingerprint: Seen = "",
    approves: Approves = None,
    dry_run: DryRun = False,
    context: Given,
) -> int:
    """Accept the foreign certificate in both systems, and close a parked rotation.

    Changes nothing in either system. The certificate becomes the connection's current one; Keyturn's private keys of
    this connection are destroyed.

    ```
    keyturn rotation adopt acme --reason 'rotated by the vendor'
    ```
    """
    with context.keyturn() as keyturn:
        if dry_run:
            return rehearsal.show(context, keyturn.rehearsals.adopt(rotation, seen=fingerprint))
        before = keyturn.rotations.show(rotation)
        if not _only_asks(keyturn, approves):
            context.confirm(f"Accept the foreign certificate in both systems, and close rotation {before.id}?")
        after = keyturn.recovery.adopt(
            before.id, actor=actor(), reason=reason, seen=fingerprint, version=before.version, approves=approves
        )
        return _closed(context, keyturn, after)


def _only_asks(keyturn: Keyturn, approves: int | None) -> bool:
    """Whether a person's verb changes nothing but the journal: another person approves it."""
    return keyturn.approvals.is_required and approves is None


def _asked(context: Context, keyturn: Keyturn, rotation: Rotation, request: ApprovalRequest) -> int:
    """Print who has to approve a request, until when, and how."""
    rows = [
        ("asked", f"{rotation.id}, request {request.number}"),
        ("approves", f"another person than {request.actor}, before {formatting.moment(request.expires_at)}"),
    ]
    context.out.show(rotation_json(rotation, keyturn.rotations.now()), rotation.id, rows)
    context.out.note(f"Nothing is done yet. Another person runs `{next_actions.line(request.action)}` with --reason.")
    return Exit.ATTENTION


def _closed(context: Context, keyturn: Keyturn, rotation: Rotation) -> int:
    """Print how a rotation was closed, and when the connection's next one begins; or what an approval is asked for."""
    if request := rotation.circumstances.approval:
        return _asked(context, keyturn, rotation, request)
    now, connection = keyturn.rotations.now(), keyturn.connections.show(rotation.connection)
    current = connection.current
    rows = [
        (str(rotation.ending), rotation.id),
        ("both hold", f"{current.fingerprint}\nvalid until {formatting.moment(current.not_after)}" if current else ""),
        ("skew", formatting.span(rotation.skew(now))),
        ("next rotation", formatting.upcoming(connection, now)),
    ]
    context.out.show(rotation_json(rotation, now), rotation.id, rows)
    if connection.is_automatic and connection.due_at and connection.due_at <= now:
        context.out.note("The next rotation is due: a worker begins it by itself.")
    return Exit.FINE


def abandon(
    rotation: RotationId,
    /,
    *,
    reason: Reason = "",
    approves: Approves = None,
    dry_run: DryRun = False,
    context: Given,
) -> int:
    """Close a parked rotation whose certificate NetSuite does not hold.

    Its connection is free for another rotation then. The candidate and its key are destroyed; both systems keep what
    they have. NetSuite is asked first where it may have been sent the certificate, and the rotation stays open where
    it may hold it.

    ```
    keyturn rotation abandon acme
    ```
    """
    with context.keyturn() as keyturn:
        if dry_run:
            return rehearsal.show(context, keyturn.rehearsals.abandon(rotation))
        before = keyturn.rotations.show(rotation)
        if not _only_asks(keyturn, approves):
            context.confirm(f"Close rotation {before.id}, and destroy its candidate?")
        after = keyturn.recovery.abandon(
            before.id, actor=actor(), reason=reason, version=before.version, approves=approves
        )
        if request := after.circumstances.approval:
            return _asked(context, keyturn, after, request)
        context.out.show(rotation_json(after, keyturn.rotations.now()), after.id, [("abandoned", after.id)])
        context.out.note(f"Begin another: `keyturn rotate {after.connection}`.")
    return Exit.FINE


def withdraw(rotation: RotationId, /, *, reason: Reason = "", context: Given) -> int:
    """Take back a request for another person's approval.

    Where recovery.second_approval is set, `restore`, `adopt` and `abandon` ask for one. A request ends by itself after
    24 hours, and with each other change of the rotation.

    ```
    keyturn rotation withdraw acme --reason 'OpenAir was corrected'
    ```
    """
    with context.keyturn() as keyturn:
        before = keyturn.rotations.show(rotation)
        after = keyturn.approvals.withdraw(before.id, actor=actor(), reason=reason, version=before.version)
        context.out.show(rotation_json(after, keyturn.rotations.now()), after.id, [("withdrawn", after.id)])
        context.out.note(f"What is possible now: `keyturn rotation explain {after.id}`.")
    return Exit.FINE
