"""Figures in the text format of Prometheus, which other monitoring systems read as well.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from orchestrator.operations.counters import BUCKETS, ENDINGS, OUTCOMES
from orchestrator.operations.metrics import Figures
from orchestrator.operations.workers import Condition
from orchestrator.views.values import Json
from states.state import State
from states.table import NEXT

_READABLE: Final = 0o644
"""The monitoring system's collector is another user, and Keyturn makes files for its own user alone."""
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_Labelled = list[tuple[tuple[str, ...], float]]


def families(figures: Figures) -> Sequence[Metric]:
    """Return every metric with its samples."""
    return [*_state(figures), *_needs(figures), *_processes(figures), *_counters(figures.counts)]


def text(found: Sequence[Metric]) -> str:
    """Return metrics as a monitoring system reads them."""
    return generate_latest(_registry(found)).decode()


def write(found: Sequence[Metric], file: Path) -> None:
    """Write metrics to ``file``, for all users to read: at once, so that no reader sees a part. Raises OSError."""
    write_to_textfile(str(file), _registry(found))
    file.chmod(_READABLE)


def metrics_json(found: Sequence[Metric]) -> Sequence[Json]:
    """Metrics as data: ``name``, ``type``, ``help``, and ``samples`` with ``name``, ``labels`` and ``value``."""
    return [
        {
            "name": each.name,
            "type": each.type,
            "help": each.documentation,
            "samples": [{"name": one.name, "labels": dict(one.labels), "value": one.value} for one in each.samples],
        }
        for each in found
    ]


class _Found(Collector):
    """Metrics that were read already."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


def _registry(found: Sequence[Metric]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Found(found))
    return registry


def _state(figures: Figures) -> Iterator[Metric]:
    yield _gauge(
        "keyturn_certificate_not_after_timestamp_seconds",
        "When the certificate expires, in Unix time.",
        ("connection",),
        [((name,), at.timestamp()) for at, name in figures.expiries],
    )
    yield _gauge(
        "keyturn_credential_not_after_timestamp_seconds",
        "When one of Keyturn's own credentials ends, in Unix time; without a connection if it is the installation's.",
        ("connection", "credential"),
        [
            ((each.connection or "", each.id), each.not_after.timestamp())
            for each in figures.credentials
            if each.not_after
        ],
    )
    yield _gauge("keyturn_connections", "Connections.", (), [((), figures.report.connections)])
    yield _gauge(
        "keyturn_rotation_state",
        "1 for the state of the connection's open rotation.",
        ("connection", "state"),
        [((each.connection, each.state.value), 1) for each in figures.rotations],
    )
    parked = sum(each.state is State.FAILED for each in figures.rotations)
    yield _gauge("keyturn_rotations_parked", "Rotations that wait for a decision.", (), [((), parked)])
    due = figures.report.next_due
    yield _gauge(
        "keyturn_next_rotation_timestamp_seconds",
        "When the next automatic rotation begins, in Unix time.",
        (),
        [((), due[0].timestamp())] if due else [],
    )


def _needs(figures: Figures) -> Iterator[Metric]:
    now, concerns = figures.report.at, figures.report.concerns
    outages = [each.outage for each in concerns if each.outage]
    yield _gauge(
        "keyturn_outage_seconds",
        'For how long imports have been refused, or may have been (certain="false").',
        ("connection", "certain"),
        [
            ((each.connection, str(each.is_certain).lower()), max(0.0, (now - each.since).total_seconds()))
            for each in outages
        ],
    )
    yield _gauge(
        "keyturn_needs_person",
        "1 for each thing that needs a person; without a connection where it is about all of Keyturn.",
        ("connection", "harm"),
        [((name, harm), 1) for name, harm in sorted({(each.connection or "", each.harm.name) for each in concerns})],
    )
    yield _gauge(
        "keyturn_alert_messages_unsent",
        "Messages of alerts that not every receiver has.",
        (),
        [((), figures.unsent_alerts)],
    )


def _processes(figures: Figures) -> Iterator[Metric]:
    yield _gauge("keyturn_build_info", "1, with the version.", ("version",), [((figures.version,), 1)])
    yield _gauge(
        "keyturn_worker_last_seen_timestamp_seconds",
        "When each process that carries rotations was last known to be alive, in Unix time.",
        ("worker", "role"),
        [
            ((each.worker.name, each.worker.role.value), each.worker.seen_at.timestamp())
            for each in figures.workers.processes
            if each.worker.seen_at and each.condition is not Condition.ENDED
        ],
    )
    yield _gauge(
        "keyturn_scheduler_last_success_timestamp_seconds",
        "When everything that was due was last started, in Unix time.",
        (),
        [((), figures.last_pass.timestamp())] if figures.last_pass else [],
    )


def _counters(counts: Mapping[str, float]) -> Iterator[Metric]:
    steps = [edge.trigger for edge in NEXT.values()]
    ended = CounterMetricFamily("keyturn_rotations", "Rotations that ended, by how.", labels=("ending",))
    for ending in ENDINGS:
        ended.add_metric((ending,), counts.get(f"rotations/{ending}", 0))
    yield ended
    attempts = CounterMetricFamily(
        "keyturn_step_attempts", "Attempts at each step, by how they ended.", labels=("step", "outcome")
    )
    for step in steps:
        for outcome in OUTCOMES:
            attempts.add_metric((step, outcome), counts.get(f"attempts/{step}/{outcome}", 0))
    yield attempts
    durations = HistogramMetricFamily(
        "keyturn_step_duration_seconds", "How long each step took, with its retries.", labels=("step",)
    )
    for step in steps:
        durations.add_metric((step,), *_histogram(counts, f"duration/{step}"))
    yield durations
    skews = HistogramMetricFamily("keyturn_skew_seconds", "For how long OpenAir lagged behind NetSuite.")
    skews.add_metric((), *_histogram(counts, "skew"))
    yield skews


def _histogram(counts: Mapping[str, float], name: str) -> tuple[list[tuple[str, float]], float]:
    """The buckets of a histogram, each with what the smaller ones have, and its sum."""
    below, buckets = 0.0, []
    for bound in (*map(str, BUCKETS), "+Inf"):
        below += counts.get(f"{name}/{bound}", 0)
        buckets.append((bound, below))
    return buckets, counts.get(f"{name}/sum", 0)


def _gauge(name: str, meaning: str, labels: tuple[str, ...], samples: _Labelled) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family
