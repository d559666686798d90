"""`keyturn simulate`: what would happen to this fleet."""

from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from orchestrator.cli import new_file, outages
from orchestrator.cli.arguments import WHOLE
from orchestrator.cli.context import Context, Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import Output, View
from orchestrator.operations.forecasts import DAYS, Forecast, Week
from orchestrator.views import forecast_plot, formatting
from orchestrator.views.forecast import ASSUMED, forecast_json, refused_for, week_json

_NAMED: Final = 10
"""So many certificates that expire are named, the first first; the others are counted."""

_WEEKS: Final = View[Week](
    name=lambda week: formatting.day(week.begins),
    record=week_json,
    columns={
        "WEEK FROM": lambda week: formatting.day(week.begins),
        "BEGUN": lambda week: _number(week.begun),
        "COMPLETED": lambda week: _number(week.completed),
        "MOST AT ONCE": lambda week: _number(week.most_at_once),
        "POSTPONED": lambda week: _number(week.postponed),
        "LEFT TO A PERSON": lambda week: _number(week.left),
        "EXPIRED": lambda week: _number(week.expired),
        "LEAST MARGIN": lambda week: formatting.span(week.margin),
    },
    flexible=(),
)


def simulate(
    *,
    days: Annotated[int, WHOLE, Parameter(help=f"How many days, {DAYS.start} to {DAYS.stop - 1}.")] = 365,
    outage: Annotated[
        str | None, Parameter(help="For how long NetSuite and OpenAir refuse every request, such as 6h.")
    ] = None,
    outage_at: Annotated[
        str | None,
        Parameter(
            help="When that begins, such as 2027-01-31T22:00 (UTC). Default: when it meets the most rotations, the "
            "first of them between both systems."
        ),
    ] = None,
    plot: Annotated[Path | None, Parameter(help="An SVG file to make: the same by week, as a plot.")] = None,
    context: Given,
) -> int:
    """Forecast what would happen to this installation's connections, from now on.

    The schedule is played forward on a fake clock, with the rules that workers follow: the drawn moments, quiet times,
    retries, parking and restoring. It reads the stored connections, changes nothing, and asks no system. The moments of
    certificates that do not exist yet are drawn from the connection's name, so that the answer repeats.

    Assumed: a rotation takes a minute, a worker always runs, new certificates are valid as long as the policy says, no
    person acts, and apart from --outage every request succeeds. Exits with 3 when a certificate would expire in use.

    ```
    keyturn simulate
    keyturn simulate --days 1095 --plot three-years.svg
    keyturn simulate --days 90 --outage 6h --outage-at 2027-01-31T22:00
    ```
    """
    with context.keyturn() as keyturn:
        forecast = keyturn.forecasts.make(
            days,
            outage=formatting.to_span(outage) if outage is not None else None,
            at=formatting.to_moment(outage_at, keyturn.rotations.now()) if outage_at is not None else None,
        )
    if plot:
        new_file.make(plot, forecast_plot.svg(forecast), option="--plot")
    context.out.show(forecast_json(forecast), "\n".join(each.connection for each in forecast.expired))
    if context.out.is_for_people:
        _print(context, forecast)
        if plot:
            context.out.rows([("written", str(plot))])
    return Exit.ATTENTION if forecast.expired else Exit.FINE


def _print(context: Context, forecast: Forecast) -> None:
    out = context.out
    _print_expired(out, forecast)
    _print_outage(out, forecast)
    begun = sum(week.begun for week in forecast.weeks)
    most = max(week.most_at_once for week in forecast.weeks)
    out.text(
        f"From {formatting.day(forecast.begins)} to {formatting.day(forecast.ends)}, "
        f"{formatting.count(forecast.connections, 'connection')}, {forecast.automatic} of them automatic: "
        f"{formatting.count(begun, 'rotation')}, at most {most} at once."
    )
    if forecast.nearest:
        name, at = forecast.nearest.connection, formatting.day(forecast.nearest.carried.at)
        out.text(f"The nearest to an expiry: {name} on {at}, {formatting.span(forecast.nearest.margin)} before.")
    weeks = [week for week in forecast.weeks if week.is_eventful]
    out.list(weeks, _WEEKS, empty="Nothing happens in this time.")
    out.note(f"Assumed: {' '.join(ASSUMED)}")


def _print_expired(out: Output, forecast: Forecast) -> None:
    if not forecast.expired:
        out.text("No certificate would expire in use.", style="green")
        return
    number = formatting.count(len(forecast.expired), "certificate")
    out.text(f"{number} would expire in use: imports are refused from then on.", style=outages.STYLE)
    for each in forecast.expired[:_NAMED]:
        renewed = f" It is replaced on {formatting.moment(each.until)}." if each.until else ""
        out.text(f"{formatting.moment(each.at)}. {each.because}{renewed}", label=f"    {each.connection}: ")
    if len(forecast.expired) > _NAMED:
        out.text(f"    {len(forecast.expired) - _NAMED} more: -o json has all of them.")


def _print_outage(out: Output, forecast: Forecast) -> None:
    downtime = forecast.downtime
    if not downtime:
        return
    out.text(
        f"Outage of both systems from {formatting.moment(downtime.begins)} to {formatting.moment(downtime.ends)}: "
        f"{formatting.count(len(forecast.postponed), 'rotation')} would be postponed, {forecast.restored} undone and "
        "tried again."
    )
    if late := max(forecast.postponed, key=lambda each: each.carried.at - each.from_, default=None):
        out.text(f"The latest, of {late.connection}, would take {formatting.span(late.carried.at - late.from_)}.")
    for each in [*forecast.left, *forecast.postponed][:_NAMED]:
        if length := refused_for(each):
            out.text(f"Imports would be refused for {formatting.span(length)}.", label=f"    {each.connection}: ")


def _number(number: int) -> str:
    return str(number) if number else formatting.NOTHING
