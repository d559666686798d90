"""`keyturn health`, `keyturn needs-rotation` and `keyturn doctor`: questions, and answers that scripts can act on."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Annotated, Final

from cyclopts import Parameter

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import outages
from orchestrator.cli.arguments import AnyConnection, ConnectionName, Within
from orchestrator.cli.context import Context, Given
from orchestrator.cli.exit_codes import Exit, NeedsRotation
from orchestrator.cli.output import View
from orchestrator.cli.progress import progress
from orchestrator.operations.doctor import Finding
from orchestrator.views import formatting, next_actions
from orchestrator.views.connection import PREFERENCE_UNPROVED
from orchestrator.views.health import finding_json, health_json, need_json
from states.connection import Connection, OpenAirKind
from states.due import Need
from states.health import Health
from states.summary import ConnectionSummary

_FEW: Final = 5


def health(name: AnyConnection = None, /, *, within: Within = None, context: Given) -> int:
    """Check the certificate in both systems.

    Asks NetSuite and OpenAir, of one connection or all, as the health check of OpenAir's connector form does. Exits
    with 0 when all is well, 3 otherwise; with --within also when a certificate expires that soon.

    ```
    keyturn health
    keyturn health acme --within 30d
    ```
    """
    span = formatting.to_span(within) if within is not None else None
    with context.keyturn() as keyturn:
        if name is None:
            return _fleet(context, keyturn, span)
        connection = keyturn.connections.show(name)
        name = connection.name
        found = keyturn.health.report(name, within=span)
        _print(context, name, found, keyturn.rotations.now())
        if not context.out.is_for_people:
            context.out.show(health_json(name, found, keyturn.rotations.now()), name)
        _note_preference(context, [connection])
        _note_sign_in(context, [connection])
    return Exit.FINE if _is_healthy(found) else Exit.ATTENTION


def _fleet(context: Context, keyturn: Keyturn, within: timedelta | None) -> int:
    """Report on every connection, each as soon as it and those before it have answered."""
    connections = list(keyturn.connections.all())
    names = [each.name for each in connections]
    unhealthy = 0

    def reports() -> Iterator[tuple[str, Health]]:
        nonlocal unhealthy
        for each, found in keyturn.health.reports(names, within=within):
            unhealthy += not _is_healthy(found)
            yield each, found

    with progress(context.out, "Asking both systems", len(names)) as step:
        if context.out.is_for_people:
            for each, found in reports():
                _print(context, each, found, keyturn.rotations.now())
                step()
        else:
            context.out.list(
                reports(),
                View[tuple[str, Health]](
                    name=lambda report: report[0],
                    record=lambda report: health_json(*report, keyturn.rotations.now()),
                    columns={},
                    flexible=(),
                ),
                empty="",
            )
    _note_preference(context, connections)
    _note_sign_in(context, connections)
    if not names:
        context.out.note("There are no connections. Add one: `keyturn setup NAME`.")
    return Exit.ATTENTION if unhealthy else Exit.FINE


def _note_preference(context: Context, connections: Iterable[Connection | ConnectionSummary]) -> None:
    """Say what a healthy certificate in OpenAir does not show, where one of ``connections`` saves it by the API."""
    if any(each.openair.kind is OpenAirKind.XML for each in connections):
        context.out.note(f"{PREFERENCE_UNPROVED} Only an import that succeeds shows that OpenAir uses it.")


def _note_sign_in(context: Context, connections: Sequence[Connection | ConnectionSummary]) -> None:
    """Say of which ``connections`` it is not known when Keyturn's own certificate for NetSuite ends."""
    names = [each.name for each in connections if each.netsuite.certificate_id and not each.netsuite.certificate_until]
    if names:
        some = ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")
        context.out.note(
            f"When Keyturn's own sign-in certificate for NetSuite ends is not known ({some}): `keyturn credentials` "
            "says how to give it."
        )


def _is_healthy(health: Health) -> bool:
    return health.valid_until is not None and not health.problems


def lines(health: Health, now: datetime) -> list[str]:
    """A connection's health ``now`` (UTC) for people: the outage, the vendor's sentence, each problem."""
    text = [f"{health.outage.sentence(now)}."] if health.outage else []
    text.append(health.sentence)
    if health.shows is False:
        text.append("(OpenAir's own health check does not show this line: the connector form's boxes are not ticked.)")
    if health.sign_in_until and health.sign_in_until > now:
        text.append(f"Keyturn's own sign-in to NetSuite is valid until {formatting.day(health.sign_in_until)}")
    for problem in health.problems:
        text.append(f"  {problem.message} [{problem.code}]")
        text += [f"    {line}" for line in next_actions.render(problem.next_action).splitlines()]
    return text


def _print(context: Context, name: str, health: Health, now: datetime) -> None:
    if context.out.is_for_people:
        first, *more = lines(health, now)
        style = outages.STYLE if health.outage else "green" if _is_healthy(health) else "bold red"
        context.out.text(f"{name}: {first}", style=style)
        context.out.text("\n".join(f"  {line}" for line in more))


def needs_rotation(name: ConnectionName, /, *, within: Within = None, context: Given) -> int:
    """Tell by exit code whether a new certificate is due.

    Looks at what is stored; neither system is asked. Due is the moment that was drawn between 14 and 7 days before
    expiry, or with --within that time before expiry. Exits with 0 when it is due, 1 when it is not, 2 when there is no
    certificate yet, 255 when it cannot tell: on any error, also of the command line or of standard output.

    ```
    keyturn needs-rotation acme && keyturn rotate acme
    ```
    """
    span = formatting.to_span(within) if within is not None else None
    with context.keyturn() as keyturn:
        need, connection = keyturn.health.needs_rotation(name, within=span), keyturn.connections.show(name)
    exit_code = {Need.NOT_DUE: NeedsRotation.NOT_DUE, Need.MISSING: NeedsRotation.MISSING}.get(need, NeedsRotation.DUE)
    current = connection.current
    record = need_json(connection, need)
    until = f" (valid until {formatting.moment(current.not_after)})" if current else ""
    context.out.show(record, name, [(f"{name}:", f"{need.value}{until}")])
    return exit_code


def doctor(
    name: AnyConnection = None,
    /,
    *,
    probe: Annotated[
        bool, Parameter(help="Rehearse the save to OpenAir with a throw-away Preference, and remove it.", negative=())
    ] = False,
    context: Given,
) -> int:
    """Check everything that rotations depend on; each finding comes with its fix.

    Outages and parked rotations come first. ○ marks what is not set up, which is no failure. Looks at settings, files,
    database, vault, workers, clocks, sign-ins and permissions, of one connection or all. Changes nothing, except with
    --probe: that adds the Preference keyturn_probe in OpenAir, with a certificate of the policy's size, reads it back
    and removes it. The connection's own Preference is not touched. Exits with 0 when all is well, 3 otherwise.

    ```
    keyturn doctor
    keyturn doctor acme --probe
    ```
    """
    found: list[Finding] = []
    with context.keyturn(any_database=True) as keyturn:
        settings = Finding("settings", True, _settings(keyturn))
        rehearsed = keyturn.doctor.rehearse(name) if probe else ()
        for finding in chain(keyturn.doctor.waiting(name), [settings], keyturn.doctor.examine(name), rehearsed):
            found.append(finding)
            if context.out.is_for_people:
                text = f"{finding.subject}: {finding.message}"
                context.out.text(text, label=f"{mark(finding)} ", style=_style(finding))
                context.out.text(next_actions.render(finding.fix) if finding.fix else "", label="    ")
    failed = [finding for finding in found if not finding.ok]
    if context.out.is_for_people:
        context.out.note(f"{formatting.count(len(found), 'finding')}, {len(failed) or 'none'} to fix.")
    else:
        context.out.show([finding_json(each) for each in found], "\n".join(each.subject for each in failed))
    return Exit.ATTENTION if failed else Exit.FINE


def mark(finding: Finding) -> str:
    """Return the mark of a finding: a tick only where something was checked and is well."""
    if not finding.ok:
        return "✗"
    return "✓" if finding.is_set_up else "○"


def _settings(keyturn: Keyturn) -> str:
    file = keyturn.settings.config_file
    return f"read from {file}" if file.is_file() else f"all by default; there is no file {file}"


def _style(finding: Finding) -> str:
    if not finding.ok:
        return "bold red"
    return "yellow" if finding.fix else ""
