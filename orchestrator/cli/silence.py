"""`keyturn silence`: what people are not notified of for a while."""

from typing import Annotated

from cyclopts import App, Parameter

from orchestrator.cli import completion
from orchestrator.cli.arguments import flag
from orchestrator.cli.context import Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import View
from orchestrator.operations.silences import Listed, Preview
from orchestrator.views import formatting
from orchestrator.views.alert import alert_json
from orchestrator.views.silence import listed_json, silence_json
from states.alert import Alert, Kind

app = App(name="silence", help="Keep alerts from being sent for a while, with a reason and an end.")


@app.command
def add(
    name: Annotated[
        str | None,
        Parameter(help="The connection's name. Without it: what --kind names.", completer=completion.connections),
    ] = None,
    /,
    *,
    until: Annotated[str, Parameter(help="When it ends: a time (UTC) such as 2026-11-30T18:00, or after 4h or 2d.")],
    reason: Annotated[str, Parameter(help="Why, for those who wonder about it.")],
    kind: Annotated[Kind | None, Parameter(help="The kind of alert. Default: all but critical ones.")] = None,
    dry_run: Annotated[bool, flag("Show which alerts it would silence, and store nothing.")] = False,
    context: Given,
) -> int:
    """Silence the alerts of a connection, of a kind, or one kind for one connection.

    No message is sent about what it covers, except the all-clear of what was reported before. `status`, `alert list`
    and the console show it, with your name and the reason. What lasts when the silence ends is sent then. A silence
    ends after 90 days at most. OUTAGE and TAMPERED are silenced only where you name both the connection and the kind.

    ```
    keyturn silence add acme --until 2d --reason 'OpenAir is being moved' --dry-run
    keyturn silence add acme --until 2d --reason 'OpenAir is being moved'
    keyturn silence add --kind other-version --until 4h --reason 'upgrade of the workers'
    ```
    """
    with context.keyturn() as keyturn:
        at = formatting.to_end(until, keyturn.silences.now())
        preview = keyturn.silences.preview(name, kind, until=at, reason=reason, actor=actor())
        if not dry_run:
            keyturn.silences.add(preview)
    silence = preview.silence
    record = {
        **silence_json(silence),
        "silenced": [alert_json(each, silence) for each in preview.silenced],
        "not_silenced": [alert_json(each, None) for each in preview.not_silenced],
        "dry_run": dry_run,
    }
    context.out.show(record, silence.id, _rows(preview, is_stored=not dry_run))
    if dry_run:
        context.note_unchanged()
    return Exit.FINE


@app.command(name="list")
def list_(
    *,
    every: Annotated[bool, Parameter(name="--all", help="Those that are over, too.", negative=())] = False,
    context: Given,
) -> int:
    """List the silences that are active, the one that ends first first.

    ```
    keyturn silence list
    keyturn silence list --all -o json
    ```
    """
    view = View[Listed](
        name=lambda each: each.silence.id,
        record=listed_json,
        columns={
            "ID": lambda each: each.silence.id,
            "UNTIL": lambda each: formatting.moment(each.silence.until),
            "CONNECTION": lambda each: each.silence.connection or "all",
            "KIND": lambda each: each.silence.kind or "all but critical",
            "BY": lambda each: each.silence.created_by,
            "REASON": lambda each: each.silence.reason,
        },
        flexible=("REASON", "BY", "CONNECTION"),
        wide={"CREATED": lambda each: formatting.moment(each.silence.created_at), "STATUS": _status},
        remark=lambda each: "" if each.is_authentic else "It was changed outside Keyturn, and silences nothing.",
    )
    with context.keyturn() as keyturn:
        context.out.list(keyturn.silences.all(ended=every), view, empty="Nothing is silenced.")
    return Exit.FINE


@app.command
def end(
    silence: Annotated[str, Parameter(help="The silence's id, from `keyturn silence list`.")], /, *, context: Given
) -> int:
    """End a silence before its time: what lasts is sent within a minute.

    ```
    keyturn silence end 01KAX5Z5Q4V0T2N6M8R9S3W7YB
    ```
    """
    with context.keyturn() as keyturn:
        was_ours = keyturn.silences.end(silence, actor=actor())
    row = ("ended", silence) if was_ours else ("removed", f"{silence}, which was changed outside Keyturn")
    context.out.show({"ended" if was_ours else "removed": silence}, silence, [row])
    return Exit.FINE


def _rows(preview: Preview, *, is_stored: bool) -> list[tuple[str, str]]:
    silence = preview.silence
    return [
        *([("silence", silence.id)] if is_stored else []),
        ("connection", silence.connection or "all"),
        ("kind", silence.kind or "all but critical"),
        ("until", formatting.moment(silence.until)),
        *([("silences now", _about(each)) for each in preview.silenced] or [("silences now", "no alert that lasts")]),
        *[("still sent", _about(each)) for each in preview.not_silenced],
    ]


def _about(alert: Alert) -> str:
    return f"{alert.finding.kind} {alert.finding.connection or ''}".strip() + f": {alert.finding.message}"


def _status(each: Listed) -> str:
    if each.silence.ended_by:
        return f"ended by {each.silence.ended_by} on {formatting.moment(each.silence.ended_at)}"
    return "active" if each.is_active else "over"
