"""Keyturn's own sign-in to NetSuite, renewed by Keyturn: through refusals, lost answers and kills at every point."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from orchestrator.events import Event, SignInNotRenewed, SignInNotRevoked, SignInRenewed, SignInRevoked
from orchestrator.operations.sign_in_renewal import SignInRenewals
from orchestrator.secrets import SIGN_IN_DRAFT, Secrets
from simulator import Fault, Simulator
from simulator.sign_in_certificates import PERMISSION
from states.errors import HeldOff, InvalidInput, KeyturnError, NotPermitted, SignInRefused, Stale

ENDPOINT = "netsuite.certificates"


class Ahead:
    """A clock that is moved, and on which no one waits."""

    by = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.by

    def sleep(self, seconds: float) -> None:
        pass


@pytest.fixture
def clock(app: Keyturn) -> Ahead:
    """The clock of the renewal alone: NetSuite judges sign-ins by its own."""
    clock = Ahead()
    app.renewals._clock = app.sign_in_schedule._clock = clock
    return clock


@pytest.fixture
def permitted(app: Keyturn, simulator: Simulator, clock: Ahead) -> Simulator:
    """A NetSuite that lets Keyturn manage its certificates."""
    assert clock is app.renewals._clock
    simulator.netsuite.record.permissions.add(PERMISSION)
    return simulator


@pytest.fixture
def heard(app: Keyturn) -> list[Event]:
    """What the renewal reports."""
    found: list[Event] = []
    app.renewals._listener = app.sign_in_schedule._listener = found.append
    return found


def in_use(app: Keyturn) -> str:
    return app.connections.show(NAME).netsuite.certificate_id


def sign_in_ends(app: Keyturn, days: int) -> None:
    shown = app.connections.show(NAME)
    until = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    app.connections.edit(replace(shown, netsuite=replace(shown.netsuite, certificate_until=until)), {}, actor="ada")


def signs_in(app: Keyturn) -> bool:
    return app.connect(NAME).netsuite.report().account != "nowhere"


def test_renewed_then_revoked(app: Keyturn, permitted: Simulator, clock: Ahead, heard: list[Event]) -> None:
    """The new one is proved and used with its end; the former one signs in for a day more, and is then revoked."""
    former = in_use(app)
    renewed = app.renewals.renew(NAME, actor="ada")
    live = set(permitted.netsuite.sign_ins.live())
    assert {former, renewed.netsuite.certificate_id} == live
    assert signs_in(app)
    made = permitted.netsuite.sign_ins.live()[in_use(app)].certificate
    assert made.not_valid_after_utc == renewed.netsuite.sign_in_ends
    clock.by = timedelta(hours=23)
    app.renewals.revoke_former(NAME, actor="ada")
    assert live == set(permitted.netsuite.sign_ins.live())
    clock.by = timedelta(hours=25)
    for _ in range(2):
        app.renewals.revoke_former(NAME, actor="ada")
        assert {in_use(app)} == set(permitted.netsuite.sign_ins.live())
    assert [SignInRenewed, SignInRevoked] == [type(each) for each in heard]


def test_nothing_is_made_without_the_permission(app: Keyturn, simulator: Simulator) -> None:
    """Where NetSuite does not permit it, nothing is stored, and nothing was changed."""
    before = in_use(app)
    with pytest.raises(SignInRefused):
        app.renewals.renew(NAME, actor="ada")
    simulator.netsuite.record.permissions.add(PERMISSION)
    simulator.faults.add(Fault(ENDPOINT, "403"))
    with pytest.raises(NotPermitted):
        app.renewals.renew(NAME, actor="ada")
    assert (before, None) == (in_use(app), app.store.secrets.get(NAME, SIGN_IN_DRAFT))


def test_without_a_sign_in(app: Keyturn) -> None:
    """A connection that is set up in part has nothing to renew."""
    shown = app.connections.show(NAME)
    app.connections.edit(replace(shown, netsuite=replace(shown.netsuite, certificate_id="")), {}, actor="ada")
    with pytest.raises(InvalidInput):
        app.renewals.renew(NAME, actor="ada")


@pytest.mark.parametrize("action", ["list", "upload"])
@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(ENDPOINT, kind) for kind in ("throttle", "error", "500", "503", "401", "302", "reset", "html")),
        *(Fault(ENDPOINT, kind, when="after") for kind in ("500", "reset", "html")),
        Fault(ENDPOINT, "truncate"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.moment}",
)
def test_a_fault_costs_a_repetition(
    app: Keyturn, permitted: Simulator, clock: Ahead, fault: Fault, action: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The renewal completes at once or when it is repeated, with one certificate in NetSuite, and no key in a log."""
    caplog.set_level(logging.DEBUG)
    former = in_use(app)
    permitted.faults.add(replace(fault, action=action))
    codes = []
    for minutes in (0, 11, 22):
        clock.by = timedelta(minutes=minutes)
        if in_use(app) == former:
            try:
                app.renewals.renew(NAME, actor="ada")
            except KeyturnError as error:
                codes.append(error.code)
    assert ("INTERNAL_ERROR" not in codes, len(codes) <= 1) == (True, True), codes
    assert {former, in_use(app)} == set(permitted.netsuite.sign_ins.live())
    assert former != in_use(app)
    assert signs_in(app)
    assert "PRIVATE KEY" not in caplog.text


def test_it_is_not_sent_twice_while_it_may_arrive(app: Keyturn, permitted: Simulator, clock: Ahead) -> None:
    """After a lost request, NetSuite is sent the certificate again ten minutes later, and not before."""
    permitted.faults.add(Fault(ENDPOINT, "reset", action="upload"))
    for _ in range(2):
        with pytest.raises((KeyturnError,)) as caught:
            app.renewals.renew(NAME, actor="ada")
    assert HeldOff.code == caught.value.code
    clock.by = timedelta(minutes=11)
    assert signs_in(app)
    app.renewals.renew(NAME, actor="ada")
    uploads = [each for each in permitted.history.entries(endpoint=ENDPOINT) if each.action == "upload"]
    assert (2, 1) == (len(uploads), len(permitted.history.effects("mapped")))


class Killed(BaseException):
    """The process ends here."""


def killing(at: int, calls: list[str], name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Let ``call`` kill the process right before it or right after it, where its turn is ``at``."""

    def killed(*args: Any, **options: Any) -> Any:
        calls.append(f"before {name}")
        if len(calls) == at:
            raise Killed
        result = call(*args, **options)
        calls.append(f"after {name}")
        if len(calls) == at:
            raise Killed
        return result

    return killed


def kill_at(app: Keyturn, at: int, patch: pytest.MonkeyPatch) -> list[str]:
    """Kill the renewal at its point ``at``, from 1; return the points that it came to."""
    calls: list[str] = []
    build = app.renewals._certificates

    def certificates(connection: Any) -> Any:
        port = build(connection)
        for name in ("held", "upload", "revoke", "proves"):
            setattr(port, name, killing(at, calls, name, getattr(port, name)))
        return port

    patch.setattr(app.renewals, "_certificates", certificates)
    patch.setattr(app.store.secrets, "put", killing(at, calls, "put", app.store.secrets.put))
    patch.setattr(app.connections, "edit", killing(at, calls, "edit", app.connections.edit))
    return calls


@pytest.mark.parametrize("at", range(1, 30))
def test_killed_at_any_point(app: Keyturn, permitted: Simulator, clock: Ahead, at: int) -> None:
    """After each of them, another run completes: one new certificate, the sign-in works, the former one is revoked."""
    former = in_use(app)
    with pytest.MonkeyPatch.context() as patch:
        calls = kill_at(app, at, patch)
        try:
            app.renewals.renew(NAME, actor="ada")
            clock.by = timedelta(hours=25)
            app.renewals.revoke_former(NAME, actor="ada")
        except Killed:
            assert at == len(calls)
    clock.by += timedelta(minutes=11)
    assert signs_in(app), "at every moment, what is stored signs in"
    if in_use(app) == former:
        app.renewals.renew(NAME, actor="ada")
    clock.by += timedelta(hours=25)
    app.renewals.revoke_former(NAME, actor="ada")
    assert {in_use(app)} == set(permitted.netsuite.sign_ins.live())
    assert (True, 1) == (signs_in(app), len(permitted.history.effects("mapped")))


def test_two_workers(app: Keyturn, permitted: Simulator) -> None:
    """A worker that is overtaken stores nothing and sends nothing."""
    other = SignInRenewals(app.store, app.vault, app.connections, app._factory.sign_in_certificates, Ahead())
    build = app.renewals._certificates

    def overtaken(connection: Any) -> Any:
        port = build(connection)
        port_held = port.held

        def held() -> Any:
            found = port_held()
            other.renew(NAME, actor="bob")
            return found

        port.held = held  # type: ignore[method-assign]
        return port

    app.renewals._certificates = overtaken
    with pytest.raises(Stale):
        app.renewals.renew(NAME, actor="ada")
    assert (1, True) == (len(permitted.history.effects("mapped")), signs_in(app))


def test_the_one_in_use_is_never_revoked(app: Keyturn, permitted: Simulator, clock: Ahead) -> None:
    """A person who goes back to the former certificate within the day keeps it."""
    former = app.connections.show(NAME)
    key = app.connections.sign_in_key(NAME).decode()
    app.renewals.renew(NAME, actor="ada")
    again = replace(app.connections.show(NAME), netsuite=former.netsuite)
    app.connections.edit(again, {next(iter(app.connections.secrets_of(NAME))): key}, actor="ada")
    clock.by = timedelta(days=2)
    app.renewals.revoke_former(NAME, actor="ada")
    assert former.netsuite.certificate_id in permitted.netsuite.sign_ins.live()
    assert signs_in(app)


def test_a_revocation_that_fails(app: Keyturn, permitted: Simulator, clock: Ahead, heard: list[Event]) -> None:
    """It is tried on five days, then reported."""
    app.renewals.renew(NAME, actor="ada")
    permitted.faults.add(Fault(ENDPOINT, "500", action="revoke", times=None))
    for day in range(1, 9):
        clock.by = timedelta(days=day, hours=day)
        app.renewals.revoke_former(NAME, actor="ada")
    tries = [each for each in permitted.history.entries(endpoint=ENDPOINT) if each.action == "revoke"]
    assert (5, [SignInRenewed, SignInNotRevoked]) == (len(tries), [type(each) for each in heard])


def test_the_schedule_renews_what_ends(app: Keyturn, permitted: Simulator, clock: Ahead, heard: list[Event]) -> None:
    """A sign-in with more than 100 days is left alone; then it is renewed once, and the former one is revoked."""
    former = in_use(app)
    sign_in_ends(app, 101)
    for hours in (0, 2, 25, 27, 60):
        clock.by = timedelta(hours=hours)
        app.sign_in_schedule.renew_due(actor="worker")
        assert (hours < 25) == (in_use(app) == former), hours
    assert {in_use(app)} == set(permitted.netsuite.sign_ins.live())
    assert [SignInRenewed, SignInRevoked] == [type(each) for each in heard]


def test_the_schedule_where_netsuite_refuses(
    app: Keyturn, simulator: Simulator, clock: Ahead, heard: list[Event]
) -> None:
    """It is tried once a day, reported each time, and changes nothing."""
    sign_in_ends(app, 40)
    before = in_use(app)
    for hours in range(0, 48, 2):
        clock.by = timedelta(hours=hours)
        app.sign_in_schedule.renew_due(actor="worker")
    assert [SignInNotRenewed] * 2 == [type(each) for each in heard]
    assert (before, True) == (in_use(app), signs_in(app))
    assert [before] == list(simulator.netsuite.sign_ins.live())


def test_the_draft_is_sealed(app: Keyturn, permitted: Simulator) -> None:
    """The next private key is stored as the one in use is: sealed."""
    permitted.faults.add(Fault(ENDPOINT, "500", action="upload"))
    with pytest.raises(KeyturnError):
        app.renewals.renew(NAME, actor="ada")
    stored = app.store.secrets.get(NAME, SIGN_IN_DRAFT)
    assert stored
    opened = Secrets(app.store, app.vault, app.connections.show(NAME)).get(SIGN_IN_DRAFT)
    assert opened
    assert (False, True) == (b"PRIVATE" in stored[0], b"PRIVATE" in opened[0])
