"""`keyturn request verify`: why a real-time import fails."""

from typing import Annotated

from cyclopts import App, Parameter

from orchestrator.cli.arguments import ConnectionName
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.views.values import certificate_json

app = App(name="request", help="Explain a real-time import that fails.")

_MEANS = {
    "current": "It was signed with the current certificate. If OpenAir refuses it, the certificate is not the reason.",
    "candidate": "It was signed with the candidate of the open rotation: OpenAir accepts it once the certificate is "
    "saved there.",
    "previous": "It was signed with the previous certificate: it was sent before the rotation, or NetSuite was put "
    "back to the old key.",
    None: "It was signed with none of the certificates that Keyturn knows, or changed on its way: the certificate may "
    "have been replaced outside Keyturn.",
}


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
        held = keyturn.connections.show(connection).current
    means = _MEANS[signer]
    record = {"connection": connection, "signed_by": signer, "meaning": means, "current": certificate_json(held)}
    next_command = f"keyturn rotation list --connection {connection}" if signer == "candidate" else ""
    if signer in ("previous", None):
        next_command = f"keyturn health {connection}"
    rows = [("signed by", signer or "none"), ("meaning", means)]
    context.out.show(record, signer or "none", [*rows, ("next", next_command)] if next_command else rows)
    return Exit.FINE if signer == "current" else Exit.ATTENTION
