"""`keyturn rotate`: a new certificate now."""

from typing import Annotated

from cyclopts import Parameter

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import rehearsal
from orchestrator.cli.arguments import ConnectionName, Detach, DryRun, Reason
from orchestrator.cli.context import Context, Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.outcome import carry
from orchestrator.views.rotation import rotation_json
from orchestrator.views.values import certificate_json
from states.connection import Connection, OnRefusal
from states.table import FORWARD


def rotate(
    name: ConnectionName,
    /,
    *,
    reason: Reason = "",
    on_refusal: Annotated[
        OnRefusal, Parameter(help="If OpenAir does not take the certificate: restore the previous one, or park.")
    ] = OnRefusal.PARK,
    detach: Detach = False,
    dry_run: DryRun = False,
    context: Given,
) -> int:
    """Give a connection a new certificate now.

    Shows the rotation while it is carried. Exits with 0 when it is completed, 3 when it is parked or waits for a
    person, 4 when a sign-in was refused, 6 when a rotation is under way already or a write of the previous one may
    still take effect, 7 when a system is down.

    ```
    keyturn rotate acme --dry-run
    keyturn rotate acme --reason 'the key was seen by a contractor'
    ```
    """
    with context.keyturn() as keyturn:
        connection = keyturn.connections.show(name)
        if dry_run:
            return _would(context, keyturn, connection)
        if detach:
            rotation = keyturn.rotations.request(name, actor=actor(), reason=reason, on_refusal=on_refusal)
            now = keyturn.rotations.now()
            context.out.show(rotation_json(rotation, now), rotation.id, [("requested", rotation.id)])
            context.out.note(
                f"A worker carries it: `keyturn worker`. Follow it: `keyturn rotation watch {rotation.id}`."
            )
            return Exit.FINE
        keyturn.installation.check()
        rotation, claim = keyturn.rotations.request_and_claim(name, actor=actor(), reason=reason, on_refusal=on_refusal)
        return carry(context, keyturn, rotation, claim)


def _would(context: Context, keyturn: Keyturn, connection: Connection) -> int:
    """Say what a rotation would do. Raises as the rotation would."""
    policy = connection.policy
    more = {
        "replaces": certificate_json(connection.current),
        "policy": {"algorithm": policy.algorithm.value, "days": policy.days},
        "steps": [edge.trigger for edge in FORWARD],
    }
    return rehearsal.show(context, keyturn.rehearsals.rotate(connection.name), more)
