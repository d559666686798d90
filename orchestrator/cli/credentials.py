"""`keyturn credentials`: with what Keyturn signs in, and programs and browsers to it, and when that ends."""

from collections.abc import Sequence
from datetime import datetime

from orchestrator.cli.arguments import AnyConnection, Within
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import View
from orchestrator.views import formatting, next_actions
from orchestrator.views.credential import credential_json
from states.credential import Credential


def credentials(name: AnyConnection = None, /, *, within: Within = None, context: Given) -> int:
    """Show Keyturn's own credentials, and when they end.

    Of each connection, the certificate with which Keyturn signs in to NetSuite, and what it signs in to OpenAir with;
    of the installation, the API's tokens and the TLS files of the settings. The one that ends first comes first. Asks
    neither system. With --within, exits with 3 when one has ended or ends that soon.

    ```
    keyturn credentials
    keyturn credentials acme --within 30d
    ```
    """
    span = formatting.to_span(within) if within is not None else None
    with context.keyturn() as keyturn:
        found, now = keyturn.credentials.all(name), keyturn.rotations.now()
    context.out.list(found, _view(now), empty="There are no credentials.")
    for each in found:
        if not each.is_known:
            subject = f"{each.connection}: {each.label}" if each.connection else each.label
            note = each.note or f"{subject} {each.ends(now)}."
            context.out.note(f"{note} {next_actions.render(each.next_action)}")
    soon = [each for each in found if span is not None and each.not_after and each.not_after - now < span]
    return Exit.ATTENTION if _in_use(soon, now) else Exit.FINE


def _in_use(found: Sequence[Credential], now: datetime) -> bool:
    return any(not each.is_out_of_use(now) for each in found)


def _view(now: datetime) -> View[Credential]:
    def ends(each: Credential) -> str:
        if each.not_after:
            return formatting.moment(each.not_after)
        return "no known end" if each.is_known else "not known"

    def left(each: Credential) -> str:
        if each.not_after is None:
            return formatting.NOTHING
        return "ended" if each.not_after <= now else formatting.span(each.not_after - now)

    return View[Credential](
        name=lambda each: f"{each.connection}/{each.id}" if each.connection else each.id,
        record=lambda each: credential_json(each, now),
        columns={
            "CONNECTION": lambda each: each.connection or formatting.NOTHING,
            "CREDENTIAL": lambda each: each.id,
            "ENDS": ends,
            "LEFT": left,
            "LAST USED": lambda each: formatting.moment(each.used_at),
        },
        flexible=("CONNECTION", "CREDENTIAL"),
        wide={"NEXT": lambda each: next_actions.command(each.next_action) or formatting.NOTHING},
    )
