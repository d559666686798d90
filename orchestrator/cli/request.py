"""`keyturn request verify`: why a real-time import fails."""

from typing import Annotated

from cyclopts import App, Parameter

from orchestrator.cli.arguments import ConnectionName
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.views.import_request import request_json

app = App(name="request", help="Explain a real-time import that fails.")


@app.command
def verify(
    url: Annotated[str, Parameter(help="The request's whole URL, as NetSuite sent it.")],
    /,
    *,
    connection: ConnectionName,
    context: Given,
) -> int:
    """Tell which certificate a real-time import request was signed with: current, candidate, previous, or none.

    Nothing is sent. Exits with 0 for the current certificate, 3 otherwise.

    ```
    keyturn request verify 'https://acme.app.openair.com/netsuite.pl?action=…' --connection acme
    ```
    """
    with context.keyturn() as keyturn:
        signer = keyturn.health.signed_by(url, connection)
        record = request_json(keyturn.connections.show(connection), signer)
    next_command = f"keyturn rotation list --connection {connection}" if signer == "candidate" else ""
    if signer in ("previous", None):
        next_command = f"keyturn health {connection}"
    rows = [("signed by", signer or "none"), ("meaning", record["meaning"])]
    context.out.show(record, signer or "none", [*rows, ("next", next_command)] if next_command else rows)
    return Exit.FINE if signer == "current" else Exit.ATTENTION
