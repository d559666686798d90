"""`keyturn alert`: what is reported to people."""

from typing import Annotated

from cyclopts import App, Parameter

from orchestrator.cli.arguments import WHOLE
from orchestrator.cli.context import Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import View
from orchestrator.operations.alerts import Stored
from orchestrator.views import formatting
from orchestrator.views.alert import alert_json, stored_json, title
from orchestrator.views.silence import sentence
from states.alert import Alert
from states.errors import InvalidInput
from states.silence import Silence, covering

app = App(name="alert", help="Show what is reported to people, send it, and try whether it arrives.")
_MOST = 1000
_NO_ROUTE = "No route is set, so no one is notified: set one in alerts.routes of the settings."


@app.command(name="list")
def list_(*, context: Given) -> int:
    """List the alerts that last, the oldest first. One that is silenced says until when, by whom and why.

    Where no route is set, none of them is reported to anyone, and the list says so.

    ```
    keyturn alert list
    keyturn alert list -o json
    ```
    """
    silences: list[Silence] = []
    has_routes = False

    def silence_of(alert: Alert) -> Silence | None:
        return covering(silences, alert.finding.kind, alert.finding.connection)

    view = View[Alert](
        name=lambda each: each.id,
        record=lambda each: alert_json(each, silence_of(each)),
        columns={
            "SINCE": lambda each: formatting.moment(each.finding.since),
            "SEVERITY": lambda each: each.finding.severity.name.lower(),
            "KIND": lambda each: each.finding.kind.value,
            "CONNECTION": lambda each: each.finding.connection or "",
            "REPORTED": lambda each: formatting.moment(each.reported_at) if has_routes else "to no one",
        },
        flexible=("CONNECTION",),
        wide={"ID": lambda each: each.id, "MESSAGE": lambda each: each.finding.message},
        remark=lambda each: sentence(silence) if (silence := silence_of(each)) else "",
    )
    with context.keyturn() as keyturn:
        silences += keyturn.silences.active()
        has_routes = bool(keyturn.settings.alerts.routes)
        context.out.list(keyturn.alerts.lasting(), view, empty="No alert lasts.")
    if not has_routes:
        context.out.note(_NO_ROUTE)
    return Exit.FINE


@app.command
def messages(
    *,
    limit: Annotated[int, WHOLE, Parameter(help="How many at most.")] = 50,
    context: Given,
) -> int:
    """List the messages that were written about alerts, the newest first, and whether each was sent.

    ```
    keyturn alert messages --limit 10
    ```
    """
    if not 1 <= limit <= _MOST:
        raise InvalidInput(f"A list has 1 to {_MOST} messages, not {limit}.")
    view = View[Stored](
        name=lambda each: each.message.id,
        record=stored_json,
        columns={
            "AT": lambda each: formatting.moment(each.message.at),
            "SEVERITY": lambda each: each.message.severity.name.lower(),
            "TITLE": lambda each: title(each.message),
            "SENT": _sent,
        },
        flexible=("TITLE", "SENT"),
        wide={"ID": lambda each: each.message.id},
    )
    with context.keyturn() as keyturn:
        context.out.list(keyturn.alerts.newest(limit), view, empty="There is no message.")
    return Exit.FINE


@app.command
def send(*, context: Given) -> int:
    """Look for what needs a person, and send what is still to be sent, once.

    A worker does so by itself, and so does `run-due`. From a timer on another machine, this tells you when no worker is
    left. Exits with 7 when a message is left to be sent.

    ```
    keyturn alert send
    ```
    """
    with context.keyturn() as keyturn:
        keyturn.alerts.look()
        is_left = keyturn.alerts.send()
        errors = [each for each in keyturn.alerts.newest(_MOST) if each.done_at is None and each.error]
    said = "A message is left to be sent." if is_left else "All is sent."
    if not keyturn.settings.alerts.routes:
        said = _NO_ROUTE
    context.out.show({"left": is_left}, "", [("", said)])
    for each in errors:
        context.out.warn(f"{each.message.id} was not sent: {each.error}")
    return Exit.REMOTE_DOWN if is_left else Exit.FINE


@app.command(name="test")
def try_(
    route: Annotated[str | None, Parameter(help="The route's name in the settings; all of them without one.")] = None,
    /,
    *,
    context: Given,
) -> int:
    """Send a test message now, and tell whether each receiver took it.

    ```
    keyturn alert test
    keyturn alert test operators
    ```
    """
    with context.keyturn() as keyturn:
        results = keyturn.alerts.test(route, actor())
    taken = [name for name, error in results if error is None]
    record = {"sent": taken, "failed": [name for name, error in results if error]}
    context.out.show(record, "\n".join(taken), [(name, "took it") for name in taken])
    return max(
        [context.fail(error, kept=f"The route {name} took no test.") for name, error in results if error],
        default=Exit.FINE,
    )


def _sent(each: Stored) -> str:
    if each.silence:
        return "silenced"
    if each.error:
        return f"not sent: {each.error}" if each.done_at else f"waits: {each.error}"
    if each.done_at is None:
        return "waits"
    return ", ".join(each.delivered) or "no route wants it"
