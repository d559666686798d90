"""Renders the dashboard for Grafana from a table of its panels.

Several consoles show the same figures, because all read one database: every query takes the largest, not the sum.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_COLUMNS: Final = 24
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_OF: Final = '{connection=~"$connection"}'
_CREDENTIALS: Final = 'keyturn_credential_not_after_timestamp_seconds{connection=~"$connection|"}'
_NONE: Final = "0 * max(keyturn_build_info)"
"""Zero where nothing is wrong, and no data where Prometheus has no figures."""
_NUMBERS: Final = {"id": "byType", "options": "number"}
_NO_TIME: Final = {"id": "organize", "options": {"excludeByName": {"Time": True}}}
"""Grafana adds a column with the time of the query, the same in each row."""
_RED: Final = ((None, "green"), (1, "red"))
_ORANGE: Final = ((None, "green"), (1, "orange"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel: what it asks Prometheus, and how it shows the answer."""

    title: str
    about: str
    kind: str
    """Grafana's type of panel: stat, table, timeseries or bargauge."""
    asks: Sequence[tuple[str, str]]
    """Expressions, each with its legend."""
    width: int
    """Of 24 columns."""
    unit: str = "none"
    steps: Sequence[tuple[float | None, str]] = ((None, "green"),)
    """From which value on it has which colour."""
    options: Sequence[tuple[str, Any]] = ()
    stacked: bool = False


def _stat(title: str, about: str, ask: str, **more: Any) -> Panel:
    return Panel(title=title, about=about, kind="stat", asks=[(ask, "")], width=3, **more)


def _by_day(metric: str, others: str, label: str) -> list[tuple[str, str]]:
    """What each value of a counter's label grew by within a day."""
    return [(f"sum by ({label}) (max by ({others}{label}) (increase({metric}[1d])))", f"{{{{{label}}}}}")]


def _quantile(of: float, metric: str, by: str) -> str:
    return f"histogram_quantile({of}, max by ({by}le) (increase({metric}_bucket[30d])))"


PANELS: Final = (
    _stat(
        "Outages",
        "Connections whose imports are refused, or may be.",
        f"count(max by (connection) (keyturn_outage_seconds)) or {_NONE}",
        steps=_RED,
    ),
    _stat(
        "Needs a person",
        "`keyturn status` says what to do next.",
        f"count(max by (connection, harm) (keyturn_needs_person)) or {_NONE}",
        steps=_ORANGE,
    ),
    _stat("Parked", "Rotations that wait for a decision.", "max(keyturn_rotations_parked)", steps=_ORANGE),
    _stat(
        "Unsent alerts",
        "Messages that not every receiver has; `keyturn alert messages` says why.",
        "max(keyturn_alert_messages_unsent)",
        steps=_ORANGE,
    ),
    _stat("Connections", "All connections.", "max(keyturn_connections)"),
    _stat(
        "Next rotation",
        "When the next automatic rotation begins.",
        "1000 * min(keyturn_next_rotation_timestamp_seconds)",
        unit="dateTimeFromNow",
    ),
    _stat(
        "Schedule",
        "When everything that was due was last started.",
        "1000 * max(keyturn_scheduler_last_success_timestamp_seconds)",
        unit="dateTimeFromNow",
    ),
    Panel(
        title="Version",
        about="Of the processes that show figures.",
        kind="stat",
        asks=[("max by (version) (keyturn_build_info)", "{{version}}")],
        width=3,
        options=[("textMode", "name")],
    ),
    Panel(
        title="Certificates by days left",
        about="The certificate that ends first comes first. Automatic rotation begins 14 to 7 days before.",
        kind="table",
        asks=[
            (f"sort((min by (connection) (keyturn_certificate_not_after_timestamp_seconds{_OF}) - time()) / 86400)", "")
        ],
        width=12,
        unit="d",
        steps=((None, "red"), (6.5, "orange"), (14, "green")),
    ),
    Panel(
        title="Outages now",
        about='How long they have lasted; with certain="false" imports may be refused.',
        kind="table",
        asks=[(f"sort_desc(max by (connection, certain) (keyturn_outage_seconds{_OF}))", "")],
        width=12,
        unit="s",
        steps=((None, "red"),),
    ),
    Panel(
        title="What needs a person",
        about="Without a connection where it is about all of Keyturn.",
        kind="table",
        asks=[('max by (connection, harm) (keyturn_needs_person{connection=~"$connection|"})', "")],
        width=12,
        steps=((None, "orange"),),
    ),
    Panel(
        title="Open rotations by state",
        about="Failed ones are parked.",
        kind="timeseries",
        asks=[(f"count by (state) (max by (connection, state) (keyturn_rotation_state{_OF}))", "{{state}}")],
        width=12,
        stacked=True,
    ),
    Panel(
        title="Skew, last 30 days",
        about="For how long OpenAir lagged behind NetSuite.",
        kind="timeseries",
        asks=[
            (_quantile(0.5, "keyturn_skew_seconds", ""), "p50"),
            (_quantile(0.99, "keyturn_skew_seconds", ""), "p99"),
        ],
        width=12,
        unit="s",
    ),
    Panel(
        title="Rotations by skew",
        about="How many in the range of time that is shown, by the upper bound of their skew in seconds.",
        kind="bargauge",
        asks=[("max by (le) (increase(keyturn_skew_seconds_bucket[$__range]))", "{{le}}")],
        width=12,
        options=[("orientation", "horizontal"), ("displayMode", "basic")],
    ),
    Panel(
        title="Attempts at steps by outcome, per day",
        about="An attempt with an unknown outcome ends in another one.",
        kind="timeseries",
        asks=_by_day("keyturn_step_attempts_total", "step, ", "outcome"),
        width=8,
        stacked=True,
    ),
    Panel(
        title="Rotations that ended, per day",
        about="By how they ended.",
        kind="timeseries",
        asks=_by_day("keyturn_rotations_total", "", "ending"),
        width=8,
        stacked=True,
    ),
    Panel(
        title="Duration of steps, p99 of the last 30 days",
        about="With their retries.",
        kind="timeseries",
        asks=[(_quantile(0.99, "keyturn_step_duration_seconds", "step, "), "{{step}}")],
        width=8,
        unit="s",
    ),
    Panel(
        title="Workers by when they were last seen",
        about="A worker says every few seconds that it is alive.",
        kind="table",
        asks=[("sort_desc(time() - max by (worker, role) (keyturn_worker_last_seen_timestamp_seconds))", "")],
        width=12,
        unit="s",
        steps=((None, "green"), (120, "red")),
    ),
    Panel(
        title="Keyturn's own credentials by days left",
        about="`keyturn credentials` says what replaces each. Without a connection where it is the installation's.",
        kind="table",
        asks=[(f"sort((min by (connection, credential) ({_CREDENTIALS}) - time()) / 86400)", "")],
        width=12,
        unit="d",
        steps=((None, "red"), (14, "orange"), (30, "green")),
    ),
)


def render() -> str:
    """Return the dashboard as Grafana imports it."""
    dashboard = {
        "uid": "keyturn",
        "title": "Keyturn",
        "description": "Generated from docs/dashboard.py by `make generate`.",
        "tags": ["keyturn"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-30d", "to": "now"},
        "timezone": "",
        "templating": {"list": [_datasource(), _connection()]},
        "panels": _placed(),
    }
    return json.dumps(dashboard, indent=2) + "\n"


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _connection() -> dict[str, Any]:
    query = "label_values(keyturn_certificate_not_after_timestamp_seconds, connection)"
    return {
        "name": "connection",
        "label": "Connection",
        "type": "query",
        "datasource": _SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "connection"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _placed() -> list[dict[str, Any]]:
    """The panels from left to right, in rows of 24 columns."""
    placed, x, y, height = [], 0, 0, 0
    for number, panel in enumerate(PANELS, start=1):
        if x + panel.width > _COLUMNS:
            x, y = 0, y + height
        height = 4 if panel.kind == "stat" else 8
        placed.append(_panel(number, panel) | {"gridPos": {"x": x, "y": y, "w": panel.width, "h": height}})
        x += panel.width
    return placed


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    is_table, is_drawn = panel.kind == "table", panel.kind == "timeseries"
    stacked = {"fillOpacity": 20, "stacking": {"mode": "normal"}} if panel.stacked else {}
    coloured = {"id": "custom.cellOptions", "value": {"type": "color-text"}}
    steps = [{"value": value, "color": colour} for value, colour in panel.steps]
    return {
        "id": number,
        "title": panel.title,
        "description": panel.about,
        "type": panel.kind,
        "datasource": _SOURCE,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}, "custom": stacked},
            "overrides": [{"matcher": _NUMBERS, "properties": [coloured]}] if is_table else [],
        },
        "options": dict(panel.options),
        "transformations": [_NO_TIME] if is_table else [],
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _SOURCE,
                "expr": ask,
                "legendFormat": legend,
                "instant": not is_drawn,
                "range": is_drawn,
                "format": "table" if is_table else "heatmap" if panel.kind == "bargauge" else "time_series",
            }
            for place, (ask, legend) in enumerate(panel.asks)
        ],
    }
