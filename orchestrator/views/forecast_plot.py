"""A forecast as a plot by week: an SVG, without scripts, readable on a light and on a dark background.

From above: each week's rotations; what is left to a person in it, or expires; and how long the certificates that were
replaced were still valid, the least of each week, with the line below which a certificate is in its last week.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final
from xml.sax.saxutils import escape

from orchestrator.operations.forecasts import Forecast, Week
from orchestrator.views.formatting import count, day
from states.timing import ROTATE_EARLIEST, ROTATE_LATEST

_WIDTH: Final = 960
_LEFT, _RIGHT = 56, 944
_BEGUN: Final = (92, 272)
_WRONG: Final = (320, 380)
_MARGINS: Final = (428, 548)
"""Where each part begins and ends, from above."""
_HEIGHT: Final = 592
_FEWEST: Final = 4
"""The upper axis reaches this far at least."""
_NARROWEST, _WIDEST = 0.6, 28
_LABELS: Final = 12
"""So many weeks are named below, at most."""
_DAY: Final = timedelta(days=1)

_STYLE: Final = """\
.page{fill:#fff}.ink{fill:#1c2733}.dim{fill:#5a6875}.line{stroke:#c9d2da}.bar{fill:#2b6cb0}.late{fill:#b7791f}
.bad{fill:#c53030}.limit{stroke:#c53030}.dot{fill:#2f855a}
@media (prefers-color-scheme:dark){.page{fill:#10161c}.ink{fill:#e6edf3}.dim{fill:#9aa7b3}.line{stroke:#33404c}
.bar{fill:#63a4e8}.late{fill:#e0a84a}.bad{fill:#ff7b72}.limit{stroke:#ff7b72}.dot{fill:#5fd28f}}"""


def svg(forecast: Forecast) -> str:
    """Draw ``forecast``."""
    title = f"Rotations by week, {day(forecast.begins)} to {day(forecast.ends)}"
    begun, expired = sum(week.begun for week in forecast.weeks), len(forecast.expired)
    said = (
        f"{count(begun, 'rotation')} of {count(forecast.connections, 'connection')}; "
        f"{count(expired, 'certificate')} would expire in use."
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(said)}</desc>",
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{_HEIGHT}"/>',
        _text(_LEFT, 26, title, size=16),
        _text(_LEFT, 46, said, style="bad" if forecast.expired else "dim"),
        *_begun(forecast.weeks),
        *_wrong(forecast.weeks),
        *_margins(forecast.weeks),
        *_dates(forecast.weeks),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _begun(weeks: Sequence[Week]) -> Iterator[str]:
    bars = [("bar", [week.begun for week in weeks]), ("late", [min(week.postponed, week.begun) for week in weeks])]
    yield from _bars(weeks, _BEGUN, bars)
    yield _text(_LEFT, _BEGUN[0] - 12, "rotations begun", style="dim")
    yield _key(_LEFT + 120, _BEGUN[0] - 12, "late", "of these postponed, because both systems are down")


def _wrong(weeks: Sequence[Week]) -> Iterator[str]:
    bars = [("late", [week.left + week.expired for week in weeks]), ("bad", [week.expired for week in weeks])]
    yield from _bars(weeks, _WRONG, bars)
    yield _key(_LEFT, _WRONG[0] - 12, "late", "rotations left to a person")
    yield _key(_LEFT + 190, _WRONG[0] - 12, "bad", "certificates that expire in use")


def _bars(weeks: Sequence[Week], part: tuple[int, int], bars: Sequence[tuple[str, Sequence[int]]]) -> Iterator[str]:
    """A part with bars, the later ones in front of the others."""
    top, bottom = part
    most = _ceiling(max(_FEWEST, *(number for _, numbers in bars for number in numbers)))

    def height(number: int) -> float:
        return (bottom - top) * number / most

    for number in (0, most // 2, most):
        yield _grid(bottom - height(number), str(number))
    step = (_RIGHT - _LEFT) / len(weeks)
    wide = min(max(step * 0.8, _NARROWEST), _WIDEST)
    for style, numbers in bars:
        for place, number in enumerate(numbers):
            if number:
                x = _LEFT + place * step + (step - wide) / 2
                yield _bar(style, x, bottom - height(number), wide, height(number), _said(weeks[place]))


def _margins(weeks: Sequence[Week]) -> Iterator[str]:
    """The lower part: the least margin of each week, in days."""
    top, bottom = _MARGINS
    days = ROTATE_EARLIEST / _DAY

    def y(span: timedelta) -> float:
        return bottom - (bottom - top) * min(max(span / _DAY, 0), days) / days

    for span in (timedelta(), ROTATE_LATEST, ROTATE_EARLIEST):
        yield _grid(y(span), f"{span.days} d")
    last_week = f'y1="{y(ROTATE_LATEST):.1f}" y2="{y(ROTATE_LATEST):.1f}"'
    yield f'<line class="limit" x1="{_LEFT}" x2="{_RIGHT}" {last_week} stroke-dasharray="4 4"/>'
    yield _text(_LEFT, top - 12, "least time that a replaced certificate was still valid", style="dim")
    step = (_RIGHT - _LEFT) / len(weeks)
    for place, week in enumerate(weeks):
        if week.margin is not None:
            style = "dot" if week.margin > timedelta() else "bad"
            yield (
                f'<circle class="{style}" cx="{_LEFT + (place + 0.5) * step:.1f}" cy="{y(week.margin):.1f}" '
                f'r="{min(3, max(1.2, step / 3)):.1f}"><title>{_said(week)}</title></circle>'
            )


def _dates(weeks: Sequence[Week]) -> Iterator[str]:
    step = (_RIGHT - _LEFT) / len(weeks)
    every = -(-len(weeks) // _LABELS)
    for place in range(0, len(weeks) - every // 2, every):  # the last one would be cut
        yield _text(_LEFT + place * step, _HEIGHT - 18, day(weeks[place].begins), style="dim")


def _said(week: Week) -> str:
    """What a pointer at the week shows."""
    margin = "" if week.margin is None else f", least margin {week.margin / _DAY:.1f} d"
    return (
        f"week from {day(week.begins)}: {week.begun} begun, {week.completed} completed, {week.postponed} postponed, "
        f"{week.left} left to a person, {week.expired} expired, at most {week.most_at_once} at once{margin}"
    )


def _ceiling(number: int) -> int:
    """The next even number of one significant digit, or of two below 30, so that half of it is whole."""
    unit = 2
    while number > unit * 15:
        unit *= 10
    return -(-number // unit) * unit


def _grid(y: float, label: str) -> str:
    line = f'<line class="line" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(_LEFT - 8, y + 4, label, style="dim", anchor="end")


def _bar(style: str, x: float, y: float, width: float, height: float, said: str) -> str:
    return (
        f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}">'
        f"<title>{said}</title></rect>"
    )


def _key(x: float, y: float, style: str, text: str) -> str:
    """What a colour means."""
    return f'<rect class="{style}" x="{x}" y="{y - 10}" width="10" height="10"/>' + _text(x + 15, y, text, style="dim")


def _text(x: float, y: float, text: str, *, style: str = "ink", size: int = 12, anchor: str = "start") -> str:
    return (
        f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'
    )
