"""`keyturn metrics`: figures for a monitoring system."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from orchestrator import terminal
from orchestrator.cli.arguments import Within
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.views import formatting
from orchestrator.views import metrics as views
from states.errors import InvalidInput
from states.next_action import by_hand


def metrics(
    *,
    within: Within = None,
    textfile: Annotated[
        Path | None, Parameter(help="Write them to this file, at once and readable for all users, instead of printing.")
    ] = None,
    context: Given,
) -> int:
    """Show figures for a monitoring system, in the text format of Prometheus.

    Looks at what is stored; neither system is asked. With --within only certificates that expire that soon are listed,
    for an installation with very many. With --textfile for the textfile collector of Prometheus's node exporter.

    ```
    keyturn metrics
    keyturn metrics --textfile /var/lib/prometheus/node-exporter/keyturn.prom
    ```
    """
    span = formatting.to_span(within) if within is not None else None
    with context.keyturn() as keyturn:
        figures = keyturn.metrics.read(until=keyturn.rotations.now() + span if span is not None else None)
    families = views.families(figures)
    if textfile:
        try:
            views.write(families, textfile)
        except OSError as error:
            raise InvalidInput(
                f"The metrics cannot be written to {textfile}: {error.strerror}.",
                next_action=by_hand("Name a file in a folder that this user may write to."),
            ) from error
        context.out.show({"file": str(textfile)}, str(textfile), [("written", str(textfile))])
    elif context.out.is_for_people:
        terminal.write(views.text(families), end="")
    else:
        context.out.show(views.metrics_json(families), "\n".join(each.name for each in families))
    return Exit.FINE
