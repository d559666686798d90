"""`keyturn connection remove|rename`."""

from typing import Annotated

from cyclopts import Parameter

from orchestrator.cli.arguments import ConnectionName, DryRun
from orchestrator.cli.context import Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.secrets import SecretName
from orchestrator.views import formatting
from orchestrator.views.connection import connection_json
from states.connection import Connection


def remove(name: ConnectionName, /, *, dry_run: DryRun = False, context: Given) -> int:
    """Remove a connection, and destroy its secrets and private keys.

    No schedule and no worker rotates its certificate any more. NetSuite and OpenAir keep what they hold. Its rotations
    and their journals are kept, and can still be shown; a connection that is added under the same name continues them.
    It is refused while a rotation is open.

    ```
    keyturn connection remove acme --dry-run
    keyturn connection remove acme
    ```
    """
    with context.keyturn() as keyturn:
        shown = keyturn.connections.show(name)
        keyturn.connections.check_removable(shown)
        known = keyturn.connections.secrets_of(name)
        if dry_run:
            record = {"name": name, "dry_run": True, "secrets": [secret.name.lower() for secret in known]}
            context.out.show(record, name, [("would remove", name), ("", _loss(shown, known))])
            context.note_unchanged()
            return Exit.FINE
        context.confirm(f"{_loss(shown, known)} Remove {name}?")
        keyturn.connections.remove(shown, actor=actor())
    context.out.show({"name": name, "removed": True}, name, [("removed", name)])
    context.out.note(f"Its rotations are kept: `keyturn rotation list --connection {name}`.")
    return Exit.FINE


def _loss(shown: Connection, known: list[SecretName]) -> str:
    """What removing the connection destroys, and what it ends."""
    secrets = f", its secrets ({', '.join(map(_label, known))})" if known else ""
    account = f"NetSuite account {shown.netsuite.account}"
    held = shown.current
    left = (
        f"{account} keeps the certificate {held.fingerprint}, which ends at {formatting.moment(held.not_after)}: "
        "Keyturn will neither rotate nor restore it."
        if held
        else f"Keyturn will not rotate the certificate of {account} any more."
    )
    return (
        f"Removing connection {shown.name} destroys its settings{secrets} and the private keys of its certificates. "
        f"They cannot be recovered. {left}"
    )


def _label(secret: SecretName) -> str:
    return secret.name.lower().replace("_", " ")


def rename(
    name: ConnectionName,
    new_name: Annotated[str, Parameter(help="The new name.")],
    /,
    *,
    context: Given,
) -> int:
    """Give a connection another name. Its rotations, journals and secrets go with it.

    It is refused while a rotation is open. Change schedules and scripts that name the connection.

    ```
    keyturn connection rename acme acme-production
    ```
    """
    with context.keyturn() as keyturn:
        renamed = keyturn.connections.rename(keyturn.connections.show(name), new_name, actor=actor())
        known = keyturn.connections.secrets_of(new_name)
        record = connection_json(renamed, known, rotation=None, now=keyturn.rotations.now())
    context.out.show(record, new_name, [("renamed", f"{name} is {new_name} now")])
    return Exit.FINE
