"""`keyturn health`, `keyturn needs-rotation` and `keyturn doctor`: questions, and answers that scripts can act on."""

from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import Final

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import formatting, next_actions, records
from orchestrator.cli.arguments import AnyConnection, ConnectionName, Within
from orchestrator.cli.context import Context, Given
from orchestrator.cli.exit_codes import NEEDS_ROTATION_ERROR, Exit
from orchestrator.cli.output import Json
from orchestrator.operations.doctor import Finding
from states.connection import Connection
from states.due import Need
from states.errors import KeyturnError
from states.health import Health, Problem
from states.next_action import NextAction, Verb

DUE: Final = 0
NOT_DUE: Final = 1
MISSING: Final = 2
"""What needs-rotation answers by its exit code."""

NOT_KNOWN: Final = "Not known: the systems could not be asked."
_EXPIRY: Final = (Need.OVERDUE.name, Need.EXPIRED.name)
"""The problems that tell of an expiry already."""


def health(name: AnyConnection = None, /, *, within: Within = None, context: Given) -> int:
    """Ask both systems whether the certificate for real-time import is well, of one connection or all.

    Exits with 0 when all is well, 3 otherwise; with --within also when a certificate expires so soon.
    """
    span = formatting.to_span(within) if within is not None else None
    found: dict[str, Health] = {}
    with context.keyturn() as keyturn:
        for each in [keyturn.connections.show(name)] if name else keyturn.connections.all():
            found[each.name] = _ask(keyturn, each.name, span)
            _tell(context, each.name, found[each.name])
    told = [records.health(each, health) for each, health in found.items()]
    if not context.out.is_for_people:
        context.out.show(told[0] if name else told, "\n".join(found))
    elif not found:
        context.out.note("There are no connections. Add one: `keyturn connection add NAME …`.")
    return Exit.FINE if all(_is_well(health) for health in found.values()) else Exit.ATTENTION


def _ask(keyturn: Keyturn, name: str, within: timedelta | None) -> Health:
    """The connection's health. One that cannot even be asked must not hide the others'."""
    try:
        health = keyturn.health.health(name)
    except KeyturnError as error:
        problem = Problem(error.code, error.message, error.next_action.outside_rotation().about(connection=name))
        return Health(shows=True, sentence=NOT_KNOWN, valid_until=None, problems=(problem,))
    left = health.valid_until - keyturn.rotations.now() if health.valid_until else None
    if within is None or left is None or left >= within or any(each.code in _EXPIRY for each in health.problems):
        return health
    rotate = NextAction(Verb.ROTATE, {"connection": name})
    soon = Problem("EXPIRES_SOON", f"The certificate expires in {formatting.span(left)}.", rotate)
    return replace(health, problems=(*health.problems, soon))


def _is_well(health: Health) -> bool:
    return health.valid_until is not None and not health.problems


def lines(health: Health) -> list[str]:
    """A connection's health for people: the vendor's sentence, then each problem with what to do about it."""
    told = [health.sentence]
    if not health.shows:
        told.append("(OpenAir's own health check does not show this line: the connector form's boxes are not ticked.)")
    for problem in health.problems:
        told.append(f"  {problem.message} [{problem.code}]")
        told += [f"    {line}" for line in next_actions.render(problem.next_action).splitlines()]
    return told


def _tell(context: Context, name: str, health: Health) -> None:
    if context.out.is_for_people:
        first, *more = lines(health)
        context.out.text(f"{name}: {first}", style="green" if _is_well(health) else "bold red")
        context.out.text("\n".join(f"  {line}" for line in more))


def needs_rotation(name: ConnectionName, /, *, within: Within = None, context: Given) -> int:
    """Whether a new certificate is due, by what is stored; neither system is asked.

    Judged by the moment that was drawn between 14 and 7 days before expiry, or with --within by that time before it.
    Exits with 0 when it is due, 1 when it is not, 2 when there is no certificate yet, 255 on an error.
    """
    try:
        span = formatting.to_span(within) if within is not None else None
        with context.keyturn() as keyturn:
            need, connection = keyturn.health.needs_rotation(name, within=span), keyturn.connections.show(name)
    except KeyturnError as error:
        return context.fail(error, exit_code=NEEDS_ROTATION_ERROR)
    exit_code = {Need.NOT_DUE: NOT_DUE, Need.MISSING: MISSING}.get(need, DUE)
    current = connection.current
    record = {"connection": name, "need": need.value, "due": exit_code != NOT_DUE, **_moments(connection)}
    until = f" (valid until {formatting.moment(current.not_after)})" if current else ""
    context.out.show(record, name, [(f"{name}:", f"{need.value}{until}")])
    return exit_code


def _moments(connection: Connection) -> Json:
    current = connection.current
    return {
        "not_after": formatting.iso(current.not_after) if current else None,
        "due_at": formatting.iso(connection.due_at) if connection.is_automatic else None,
    }


def doctor(name: AnyConnection = None, /, *, context: Given) -> int:
    """Look at settings, files, database, vault, clocks, sign-ins and permissions, of one connection or all.

    Each finding comes with its fix. Changes nothing. Exits with 0 when all is well, 3 otherwise.
    """
    found: list[Finding] = []
    with context.keyturn() as keyturn:
        settings = Finding("settings", True, _settings(keyturn))
        for finding in chain([settings], keyturn.doctor.examine(name)):
            found.append(finding)
            if context.out.is_for_people:
                mark = "✓ " if finding.ok else "✗ "
                context.out.text(f"{finding.subject}: {finding.message}", label=mark, style=_style(finding))
                context.out.text(next_actions.render(finding.fix) if finding.fix else "", label="    ")
    ill = [finding for finding in found if not finding.ok]
    if context.out.is_for_people:
        context.out.note(f"{formatting.count(len(found), 'finding')}, {len(ill) or 'none'} to mend.")
    else:
        context.out.show([records.finding(each) for each in found], "\n".join(each.subject for each in ill))
    return Exit.ATTENTION if ill else Exit.FINE


def _settings(keyturn: Keyturn) -> str:
    file = keyturn.settings.config_file
    return f"read from {file}" if file.is_file() else f"all by default; there is no file {file}"


def _style(finding: Finding) -> str:
    if not finding.ok:
        return "bold red"
    return "yellow" if finding.fix else ""
