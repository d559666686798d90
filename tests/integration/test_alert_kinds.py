"""Which alert each trouble raises, which route gets it, and in what order; through a receiver in this process."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from integration.fixture_types import Carry, Rotate
from support.clock import OffsetClock
from support.environment import NAME

from orchestrator.adapters.openair_errors import NOT_ACCEPTED
from orchestrator.bootstrap import Keyturn
from orchestrator.operations.alerts import Route
from simulator import Fault, Simulator
from states.alert import Finding, Kind, Message, Phase, Severity
from states.connection import OnRefusal
from states.errors import AlertRefused, KeyturnError, TryLater
from states.next_action import by_hand
from states.rotation import Ending

NOT_TAKEN = Fault("openair.api", "error", code=next(iter(NOT_ACCEPTED)), action="Modify", times=None)


class Killed(BaseException):
    """The process is killed: no handler runs."""


@dataclass
class Taker:
    """A receiver that keeps what it gets, and then raises ``error``."""

    error: BaseException | None = None
    got: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        """Take ``message``."""
        self.got.append(message)
        if self.error:
            raise self.error

    def reported(self) -> list[tuple[Kind, Phase]]:
        """The kind and phase of each message."""
        return [(each.finding.kind, each.phase) for each in self.got]


def routed(app: Keyturn, *connections: str, least: Severity = Severity.WARNING, name: str = "ops") -> Taker:
    """Add a route to ``app``; return its receiver."""
    taker = Taker()
    route = Route(name=name, receiver=taker, connections=connections, least=least)
    app.alerts._routes = [*app.alerts.routes, route]
    return taker


def found(app: Keyturn, kind: Kind, connection: str | None) -> None:
    """Report something that lasts."""
    finding = Finding(
        kind=kind,
        connection=connection,
        rotation=None,
        code=None,
        message="It is so.",
        since=app.clock.now(),
        next_action=by_hand("Look at it."),
    )
    subject = f"connection {connection}" if connection else f"installation {kind}"
    assert app.store.alerts.settle(subject, finding, f"{kind}-{connection}", app.clock.now())


def test_a_restore_by_itself_is_reported_once(app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry) -> None:
    """OpenAir refused a certificate that may be undone: one message, with the reason; nothing lasts."""
    taker = routed(app)
    rotate()
    simulator.faults.add(NOT_TAKEN)
    _, claim = app.rotations.request_and_claim(NAME, actor="tester", on_refusal=OnRefusal.RESTORE)
    assert claim
    with app.engine() as engine:
        parked = engine.run(claim)
    assert not parked.awaits_person
    restored = carry(parked)
    assert Ending.RESTORED is restored.ending
    app.alerts.look()
    assert not app.alerts.send()
    assert [(Kind.RESTORED, Phase.HAPPENED)] == taker.reported()
    finding = taker.got[0].finding
    assert parked.failure
    assert (NAME, restored.id, parked.failure.code) == (finding.connection, finding.rotation, finding.code)
    assert parked.failure.message in finding.message
    assert [] == app.alerts.lasting()


def test_a_foreign_certificate_is_named_by_its_code(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """A person replaced the certificate in NetSuite: the rotation is parked, and the alert says why and what next."""
    taker = routed(app)
    rotate()
    simulator.netsuite.record.reset("foreign")
    parked = rotate()
    assert not app.alerts.send()
    (message,) = taker.got
    assert (Kind.PARKED, "FOREIGN_ROTATION", parked.id) == (
        message.finding.kind,
        message.finding.code,
        message.finding.rotation,
    )


def test_a_drift_is_named_by_its_code(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """Another party replaced the certificate in OpenAir before the last check: imports fail, and the alert says why."""
    taker = routed(app)
    # Three reads come before: ahead of the upload, ahead of the save, and after it.
    simulator.faults.add(Fault("openair.api", "foreign", action="Read", when="before", skip=3))
    parked = rotate()
    assert not app.alerts.send()
    (message,) = taker.got
    assert (Kind.OUTAGE, "DRIFT", parked.id) == (message.finding.kind, message.finding.code, message.finding.rotation)


@pytest.mark.parametrize(
    ("connections", "least", "kinds"),
    [
        ((), Severity.WARNING, [Kind.DUE, Kind.OVERDUE, Kind.OUTAGE, Kind.NO_WORKER]),
        ((), Severity.ERROR, [Kind.OVERDUE, Kind.OUTAGE, Kind.NO_WORKER]),
        ((), Severity.CRITICAL, [Kind.OUTAGE]),
        (("acme-*",), Severity.WARNING, [Kind.DUE, Kind.OVERDUE]),
        (("acme-*",), Severity.ERROR, [Kind.OVERDUE]),
        (("other", "acme-eu"), Severity.WARNING, [Kind.DUE, Kind.OUTAGE]),
        (("ACME-*", "acme"), Severity.WARNING, []),
    ],
)
def test_a_route_gets_what_it_asks_for(
    app: Keyturn, connections: tuple[str, ...], least: Severity, kinds: list[Kind]
) -> None:
    """By whole names or patterns, in which case counts, and by severity; a route of connections gets nothing else."""
    taker = routed(app, *connections, least=least)
    found(app, Kind.DUE, "acme-eu")
    found(app, Kind.OVERDUE, "acme-us")
    found(app, Kind.OUTAGE, "other")
    found(app, Kind.NO_WORKER, None)
    assert not app.alerts.send()
    assert kinds == [each.finding.kind for each in taker.got]
    assert [True] * 4 == [each.done_at is not None for each in app.alerts.newest(9)]


def test_the_alert_of_a_removed_connection_ends(app: Keyturn, rotate: Rotate) -> None:
    """Nothing needs a person for a connection that is gone: its all-clear is sent, and no reminder."""
    app.clock = clock = OffsetClock()
    taker = routed(app, NAME)
    done = rotate()
    assert done.proofs.candidate
    clock.ahead = done.proofs.candidate.certificate.not_after - clock.now() - timedelta(days=3)
    app.alerts.look()
    app.connections.remove(app.store.connections.get(NAME), actor="ada")
    clock.ahead += timedelta(days=2)
    app.alerts.look()
    assert not app.alerts.send()
    assert [(Kind.OVERDUE, Phase.BEGAN), (Kind.OVERDUE, Phase.ENDED)] == taker.reported()
    assert 1 == len({each.alert for each in taker.got})


@pytest.mark.parametrize("error", [TryLater("Away."), AlertRefused("No.")], ids=["away", "refused"])
def test_a_receiver_that_fails_delays_no_other(app: Keyturn, error: KeyturnError) -> None:
    """The other one has all at once; when the first is back, it gets all in order, and the other nothing again."""
    app.clock = clock = OffsetClock()
    failing, other = routed(app), routed(app, name="other")
    failing.error = error
    found(app, Kind.OVERDUE, NAME)
    app.store.alerts.settle(f"connection {NAME}", None, "x", clock.now())
    assert app.alerts.send()
    assert [Phase.BEGAN] == [each.phase for each in failing.got]
    failing.error = None
    clock.ahead = timedelta(minutes=1)
    assert not app.alerts.send()
    assert [Phase.BEGAN, Phase.BEGAN, Phase.ENDED] == [each.phase for each in failing.got]
    assert [Phase.BEGAN, Phase.ENDED] == [each.phase for each in other.got]


def test_a_message_whose_sending_was_cut_off_keeps_its_id(app: Keyturn) -> None:
    """The receiver has it, and the process dies before that is noted: it is sent again, with the id it had."""
    taker = routed(app)
    taker.error = Killed()
    found(app, Kind.OVERDUE, NAME)
    with pytest.raises(Killed):
        app.alerts.send()
    taker.error = None
    assert not app.alerts.send()
    first, second = taker.got
    assert first == second
    assert [["ops"]] == [list(each.delivered) for each in app.alerts.newest(9)]
