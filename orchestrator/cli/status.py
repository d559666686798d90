"""`keyturn status`: what needs a person now."""

from orchestrator.cli import outages
from orchestrator.cli.arguments import AnyConnection
from orchestrator.cli.context import Context, Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.operations.status import Report
from orchestrator.views import formatting, next_actions
from orchestrator.views.silence import sentence
from orchestrator.views.status import status_json
from states.concern import Concern
from states.silence import Silence


def status(name: AnyConnection = None, /, *, context: Given) -> int:
    """Show what needs a person now, the most harmful first.

    Looks at what is stored, of one connection or all; neither system is asked. Exits with 0 when all is well, 3 when
    something needs a person. With -o name: the connections that need one.

    ```
    keyturn status
    keyturn status acme -o json
    ```
    """
    with context.keyturn() as keyturn:
        report = keyturn.status.report(name)
    context.out.show(status_json(report), "\n".join(each.connection for each in report.concerns if each.connection))
    if context.out.is_for_people:
        if not report.is_checked:
            context.out.note(outages.NOT_CHECKED)
        for each in report.concerns:
            _print(context, each, report.silence_of(each))
        if not report.concerns:
            context.out.text(_well(report), style="green")
    return Exit.ATTENTION if report.concerns else Exit.FINE


def _print(context: Context, concern: Concern, silence: Silence | None) -> None:
    style = outages.STYLE if concern.outage else "bold yellow"
    context.out.text(
        f"{concern.message} [{concern.harm.name}]", label=f"{concern.connection or 'workers'}: ", style=style
    )
    if silence:
        context.out.text(sentence(silence), label="    ")
    for line in next_actions.render(concern.next_action).splitlines():
        context.out.text(line, label="    ")
    if command := next_actions.command(concern.next_action):
        context.out.text(command, label="    → ")


def _well(report: Report) -> str:
    """That nothing stored needs a person, and what comes next."""
    if not report.connections:
        return "There are no connections yet. Set up the first one: `keyturn setup NAME`."
    going = f"{formatting.count(report.under_way, 'rotation')} under way" if report.under_way else "no rotation waits"
    coming = "no rotation begins by itself"
    if report.next_due:
        at, name = report.next_due
        when = "is due now" if at <= report.at else f"begins on {formatting.moment(at)}"
        coming = f"the next one, of {name}, {when}"
    connections = formatting.count(report.connections, "connection")
    return (
        f"Nothing that Keyturn has stored needs a person: {connections}, {going}, {coming}.\n"
        "NetSuite and OpenAir were not asked: `keyturn health` asks them."
    )
