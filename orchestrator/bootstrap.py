"""The composition root: with adapters/factory.py the only place that builds anything.

It imports and builds each part when it is first needed: a command that only reads needs neither engine nor vault.
"""

# ruff: noqa: PLC0415 - see above

import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator import event_log, log
from orchestrator.adapters.system import SystemClock, SystemRandom
from orchestrator.events import Bus, Event, Listener, ignore
from orchestrator.operations.rotations import Rotations
from orchestrator.settings import Settings
from orchestrator.settings_file import load
from orchestrator.stop_request import StopRequest
from persistence.store import Role, Store, Worker
from states.connection import Connection
from states.ports import Ports, SignInCertificates

if TYPE_CHECKING:
    from orchestrator.adapters.factory import AdapterFactory
    from orchestrator.dispatch.claim_runner import ClaimRunner
    from orchestrator.dispatch.dispatcher import Dispatcher
    from orchestrator.engine import Engine
    from orchestrator.operations.accounts import Accounts
    from orchestrator.operations.alerts import Alerts, Route
    from orchestrator.operations.approvals import Approvals
    from orchestrator.operations.backup import Backups
    from orchestrator.operations.bulk import Bulk
    from orchestrator.operations.carry import Carry
    from orchestrator.operations.connections import Connections
    from orchestrator.operations.consent import Consents
    from orchestrator.operations.credentials import Credentials
    from orchestrator.operations.database_copy import DatabaseCopies
    from orchestrator.operations.doctor import Doctor
    from orchestrator.operations.effects import Effects
    from orchestrator.operations.evidence import Evidences
    from orchestrator.operations.feed import Feed
    from orchestrator.operations.forecasts import Forecasts
    from orchestrator.operations.health import HealthChecks
    from orchestrator.operations.installation import Installation
    from orchestrator.operations.journal import JournalChecks
    from orchestrator.operations.lists import Lists
    from orchestrator.operations.metrics import Metrics
    from orchestrator.operations.openid import OpenIdSignIn
    from orchestrator.operations.recovery import Recovery
    from orchestrator.operations.rehearsal import Rehearsals
    from orchestrator.operations.rekey import Rekey
    from orchestrator.operations.repair import Repairs
    from orchestrator.operations.saved_views import SavedViews
    from orchestrator.operations.setup import Setup
    from orchestrator.operations.sign_in import SignIn
    from orchestrator.operations.sign_in_renewal import SignInRenewals
    from orchestrator.operations.sign_in_schedule import SignInSchedule
    from orchestrator.operations.silences import Silences
    from orchestrator.operations.starts import Starts
    from orchestrator.operations.status import Status
    from orchestrator.operations.tokens import Tokens
    from orchestrator.operations.workers import Workers
    from orchestrator.passwords import Passwords
    from orchestrator.presence import PresenceKeeper
    from orchestrator.schedule import Schedule
    from persistence.kek import KeyEncryptionKey
    from persistence.vault import Vault


_PORTS_KEPT: Final = 64
"""Of how many connections the ports are kept. Most connections are rotated once in months."""


def start(config: Path | None = None, *, level: str | None = None, new: bool = False) -> "Keyturn":
    """Read the settings and set up logging. ``level`` overrides the settings' own. Raises InvalidSettings.

    ``new`` lets the settings file be missing, because it is about to be made.
    """
    settings = load(config, new=new)
    log.set_up(level or settings.log.level, settings.log.format)
    return Keyturn(settings)


class Keyturn:
    """Everything that one process needs, built from its settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.random = SystemRandom()
        self.events = Bus(event_log.write, self._hint)
        self.worker_name = f"{socket.gethostname()}:{os.getpid()}:{self.random.bytes(3).hex()}"
        """Unique for each start of a process: a process id alone is used again."""
        self._ports: dict[str, tuple[int, Ports]] = {}
        self._lock = threading.Lock()

    @cached_property
    def _version(self) -> str:
        from importlib.metadata import version

        return version("keyturn")

    def close(self) -> None:
        """Close the store's connections. Safe to repeat."""
        self.store.close()

    # --- storage

    @cached_property
    def store(self) -> Store:
        """The store; opened when it is first asked."""
        return Store(self.settings.store_url, self._kek)

    @property
    def vault(self) -> "Vault":
        """The vault; its key-encryption key is read when it is first needed."""
        return self.store.vault

    def _kek(self) -> "KeyEncryptionKey":
        from persistence import kek

        readers: dict[str, Callable[[], KeyEncryptionKey]] = {
            "file": lambda: kek.read_kek_file(self.settings.kek_file),
            "environment": lambda: kek.read_kek_environment(os.environ),
            "credential": lambda: kek.read_kek_credential(os.environ),
            "keyring": kek.read_kek_keyring,
        }
        return readers[self.settings.vault.source]()

    # --- operations

    @cached_property
    def connections(self) -> "Connections":
        """The verbs on connections."""
        from orchestrator.operations.connections import Connections

        return Connections(self.store, self.vault, self.clock, self.events.publish)

    @cached_property
    def consents(self) -> "Consents":
        """Asking for OpenAir's consent."""
        from orchestrator.operations.consent import Consents

        return Consents(self.store, self.connections, self._factory.consent, self.random)

    @cached_property
    def renewals(self) -> "SignInRenewals":
        """The renewal of the sign-in to NetSuite."""
        from orchestrator.operations.sign_in_renewal import SignInRenewals

        def certificates(connection: Connection) -> SignInCertificates:
            return self._factory.sign_in_certificates(connection)  # an idle worker's pass loads no adapters

        return SignInRenewals(self.store, self.vault, self.connections, certificates, self.clock, self.events.publish)

    @cached_property
    def sign_in_schedule(self) -> "SignInSchedule":
        """Renewing the sign-ins that end soon."""
        from orchestrator.operations.sign_in_schedule import SignInSchedule

        return SignInSchedule(self.store, self.renewals, self.clock, self.events.publish)

    @cached_property
    def credentials(self) -> "Credentials":
        """The inventory of Keyturn's own credentials."""
        from orchestrator import tls_files
        from orchestrator.operations.credentials import Credentials

        return Credentials(self.store, self.vault, self.clock, tls_files.named(self.settings))

    @cached_property
    def rotations(self) -> Rotations:
        """The verbs on rotations."""
        return Rotations(
            self.store,
            self.clock,
            self.random,
            worker=self.worker_name,
            lease=self.settings.worker.lease,
            listener=self.events.publish,
            approvals=self.approvals,
        )

    @cached_property
    def saved_views(self) -> "SavedViews":
        """The lists of the console that people keep."""
        from orchestrator.operations.saved_views import SavedViews

        return SavedViews(self.store)

    @cached_property
    def starts(self) -> "Starts":
        """Starting a rotation once, however often a program asks for it."""
        from orchestrator.operations.starts import Starts

        return Starts(self.store, self.rotations)

    @cached_property
    def recovery(self) -> "Recovery":
        """The verbs that close a parked rotation."""
        from orchestrator.operations.recovery import Recovery

        lease = self.settings.worker.lease
        return Recovery(self.store, self.connect, self.clock, self.approvals, lease=lease, listener=self.events.publish)

    @cached_property
    def approvals(self) -> "Approvals":
        """A second person's approval of what closes a parked rotation."""
        from orchestrator.operations.approvals import Approvals

        return Approvals(
            self.store,
            self.clock,
            is_required=self.settings.recovery.second_approval,
            listener=self.events.publish,
        )

    @cached_property
    def rehearsals(self) -> "Rehearsals":
        """The verbs, without doing them."""
        from orchestrator.operations.rehearsal import Rehearsals

        return Rehearsals(self.store, self.connect, self.clock)

    @cached_property
    def carry(self) -> "Carry":
        """Carrying one rotation in this process."""
        from orchestrator.operations.carry import Carry

        return Carry(
            self.store, self._present_engine, self.clock, worker=self.worker_name, lease=self.settings.worker.lease
        )

    @cached_property
    def accounts(self) -> "Accounts":
        """The verbs on accounts. Raises ImportError without the extra ``console``, whose argon2 hashes passwords."""
        from orchestrator.operations.accounts import Accounts

        return Accounts(self.store, self.clock, self._passwords, self.events.publish)

    @cached_property
    def sign_in(self) -> "SignIn":
        """Signing in with a password, and the sessions. Raises ImportError as ``accounts`` does."""
        from orchestrator.operations.sign_in import SignIn

        return SignIn(self.store, self.clock, self._passwords)

    @cached_property
    def openid(self) -> "OpenIdSignIn | None":
        """Signing in by OpenID Connect; None where the settings name no issuer. Raises InvalidSettings."""
        if not self.settings.openid.issuer:
            return None
        from orchestrator.operations.openid import OpenIdSignIn

        return OpenIdSignIn(self.store, self.clock, self._factory.openid(), self.settings.openid, self.events.publish)

    @cached_property
    def _passwords(self) -> "Passwords":
        from orchestrator.passwords import Passwords

        return Passwords()

    @cached_property
    def tokens(self) -> "Tokens":
        """The verbs on tokens."""
        from orchestrator.operations.tokens import Tokens

        return Tokens(self.store, self.clock, self.events.publish)

    @cached_property
    def workers(self) -> "Workers":
        """The questions about the processes that carry rotations."""
        from orchestrator.operations.workers import Workers

        return Workers(self.store, self._version)

    @cached_property
    def health(self) -> "HealthChecks":
        """The questions about connections."""
        from orchestrator.operations.health import HealthChecks

        return HealthChecks(self.store, self.connect)

    @cached_property
    def feed(self) -> "Feed":
        """The journal of all rotations as it is written."""
        from orchestrator.operations.feed import Feed

        return Feed(self.store, self.clock)

    @cached_property
    def lists(self) -> "Lists":
        """What is read across rotations."""
        from orchestrator.operations.lists import Lists

        return Lists(self.store, self.clock)

    @cached_property
    def repairs(self) -> "Repairs":
        """The questions of a person who repairs a certificate record."""
        from orchestrator.operations.repair import Repairs

        return Repairs(self.store, self.connect, self.clock)

    @cached_property
    def bulk(self) -> "Bulk":
        """The verbs on many connections."""
        from orchestrator.operations.bulk import Bulk

        return Bulk(self.lists, self.rotations)

    @cached_property
    def status(self) -> "Status":
        """What needs a person now."""
        from orchestrator.operations.status import Status

        return Status(self.store, self.workers, self.clock, self.approvals, self.settings.alerts.expiring)

    @cached_property
    def alerts(self) -> "Alerts":
        """Telling people what needs them."""
        from orchestrator.operations.alert_causes import AlertCauses
        from orchestrator.operations.alerts import Alerts

        def routes() -> "Sequence[Route]":
            return self._factory.alert_routes() if self.settings.alerts.routes else []

        causes = AlertCauses(self.status, self.credentials, steps=self.settings.alerts.expiring)
        listener, holder = self.events.publish, self.worker_name
        return Alerts(self.store, causes, self.clock, self.random, routes, listener, holder=holder)

    @cached_property
    def silences(self) -> "Silences":
        """What people are not notified of for a while."""
        from orchestrator.operations.silences import Silences

        return Silences(self.store, self.clock, self.random, self.events.publish)

    @cached_property
    def metrics(self) -> "Metrics":
        """Figures for a monitoring system."""
        from orchestrator.operations.metrics import Metrics

        return Metrics(self.store, self.status, self.workers, self.credentials)

    @cached_property
    def doctor(self) -> "Doctor":
        """The checks of everything that rotations depend on."""
        from orchestrator.operations.doctor import Doctor

        return Doctor(
            self.settings.private,
            self.store,
            self.vault,
            self.connect,
            self.clock,
            self.status,
            self.workers,
            rehearse=self._factory.rehearse,
        )

    @cached_property
    def setup(self) -> "Setup":
        """Setting a connection up, step by step."""
        from orchestrator.operations.setup import Setup

        return Setup(self.store, self.vault, self.connections, self.doctor, self.clock)

    @cached_property
    def effects(self) -> "Effects":
        """What this process has changed so far."""
        from orchestrator.operations.effects import Effects

        return Effects(self.store, self.clock)

    @cached_property
    def schedule(self) -> "Schedule":
        """Starting the rotations that are due."""
        from orchestrator.schedule import Schedule

        return Schedule(self.store, self.rotations, self.clock, self.settings.schedule.quiet_times)

    @cached_property
    def forecasts(self) -> "Forecasts":
        """Playing the schedule forward."""
        from orchestrator.operations.forecasts import Forecasts

        return Forecasts(self.store, self.clock, self.settings.schedule.quiet_times)

    @cached_property
    def journal(self) -> "JournalChecks":
        """Checking the journal, and the checkpoints of it."""
        from orchestrator.operations.journal import JournalChecks

        return JournalChecks(self.store, self.events.publish)

    @cached_property
    def evidence(self) -> "Evidences":
        """The evidence files of rotations."""
        from orchestrator.operations.evidence import Evidences

        return Evidences(self.store, self.clock, self.installation.version)

    @cached_property
    def installation(self) -> "Installation":
        """Setting up, changing the key-encryption key."""
        from orchestrator.operations.installation import Installation

        return Installation(self.settings, self.store, self.vault)

    @cached_property
    def backups(self) -> "Backups":
        """Backing up the database."""
        from orchestrator.operations.backup import Backups

        return Backups(self.store, self._kek)

    @cached_property
    def database_copies(self) -> "DatabaseCopies":
        """Moving to PostgreSQL."""
        from orchestrator.operations.database_copy import DatabaseCopies

        return DatabaseCopies(self.store, self._kek)

    @cached_property
    def rekey(self) -> "Rekey":
        """Changing the vault's data key."""
        from orchestrator.operations.rekey import Rekey

        return Rekey(self.store, self.clock)

    # --- the other systems

    def connect(self, name: str) -> Ports:
        """The ports of a connection, kept until it changes, and with them tokens and open connections.

        Of many connections, the ports that were used last are kept.

        Nothing is sent yet. Raises NotFound, VaultLocked, SealBroken, SignInRefused when a secret is missing,
        Tampered when the connection was changed outside Keyturn.
        """
        connection = self.store.connections.authentic(name)
        with self._lock:
            version, ports = self._ports.pop(name, (None, None))
            if ports is None or version != connection.version:
                ports = self._factory.ports(connection)
            self._ports[name] = connection.version, ports
            while len(self._ports) > _PORTS_KEPT:  # who still uses them keeps them
                del self._ports[next(iter(self._ports))]
            return ports

    @cached_property
    def _factory(self) -> "AdapterFactory":
        # With requests and what it imports: eight megabytes that an idle worker does not need.
        from orchestrator.adapters.factory import AdapterFactory

        return AdapterFactory(self.settings, self.store, self.vault, self.clock, self.random)

    # --- workers

    def stop_request(self) -> StopRequest:
        """A new request to stop, bounded as the settings say."""
        return StopRequest(self.settings.worker.stop_within)

    @contextmanager
    def engine(self, stop: StopRequest | None = None) -> Iterator["Engine"]:
        """An engine whose leases are renewed while the block runs; it releases what ``stop`` says."""
        from orchestrator.engine import Engine
        from orchestrator.leases import LeaseRenewer

        listener, stop = self.events.publish, stop or self.stop_request()
        with (
            LeaseRenewer(self.store, lease=self.settings.worker.lease, listener=listener) as leases,
            self.events.listening(stop.receive),
        ):
            yield Engine(self.store, self.connect, leases, self.clock, stopping=stop.releases, listener=listener)

    def presence(self, role: Role, threads: int = 1) -> "PresenceKeeper":
        """Keeps this process present among the workers while the block runs: around all that claims."""
        from orchestrator.presence import PresenceKeeper

        host, name = socket.gethostname(), self.worker_name
        worker = Worker(name=name, role=role, host=host, version=self._version, threads=threads)
        return PresenceKeeper(self.store, worker, listener=self.events.publish)

    @contextmanager
    def _present_engine(self, stop: StopRequest) -> Iterator["Engine"]:
        """An engine for a command that carries one rotation."""
        with self.presence(Role.COMMAND), self.engine(stop) as engine:
            yield engine

    def _start_due(self) -> bool:
        """Start what is due; return whether more may be due. Makes the day's checkpoint of the journal when idle."""
        if self.schedule.start_due(actor=self.worker_name).is_full:
            return True
        self.sign_in_schedule.renew_due(actor=self.worker_name)
        self.journal.checkpoint_daily()
        return False

    @contextmanager
    def worker(self, stop: StopRequest, role: Role, threads: int = 1) -> Iterator["Dispatcher"]:
        """A dispatcher that ends once ``stop`` is set and what it carries may be released."""
        from orchestrator.adapters.idle_connections import IDLE
        from orchestrator.announcer import Announcer
        from orchestrator.dispatch.choice import uses_queue
        from orchestrator.dispatch.dispatcher import wake_on_events

        IDLE.serve(threads)
        setting = self.settings.worker.dispatcher
        is_queued = role is Role.WORKER and uses_queue(setting, self.store.hints, self.worker_name)
        with self.engine(stop) as engine:
            dispatcher = (self._queued if is_queued else self._embedded)(engine, stop)
            with (
                # Every process gives hints to the queue (`_hint`). Only the embedded dispatcher has others to wake.
                self.events.listening(ignore if is_queued else wake_on_events(dispatcher)),
                self.presence(role, threads),
                Announcer(self.store),
                self._alerting(role),
            ):
                yield dispatcher

    def _alerting(self, role: Role) -> "AbstractContextManager[object]":
        """Tells people while the block runs; run-due and commands tell at their end."""
        if role is not Role.WORKER:
            return nullcontext()
        from orchestrator.alert_sender import AlertSender

        return AlertSender(self.alerts)

    def _embedded(self, engine: "Engine", stop: StopRequest) -> "Dispatcher":
        from orchestrator.dispatch.embedded import Embedded

        poll, runner = self.settings.worker.poll, self._claim_runner(engine, stop)
        return Embedded(runner, poll=poll, start_due=self._start_due, stop=stop)

    def _queued(self, engine: "Engine", stop: StopRequest) -> "Dispatcher":
        from orchestrator.dispatch.procrastinate import Procrastinate

        poll, runner, hints = self.settings.worker.poll, self._claim_runner(engine, stop), self.store.hints
        return Procrastinate(runner, hints, self.clock, poll=poll, start_due=self._start_due, stop=stop)

    def _claim_runner(self, engine: "Engine", stop: StopRequest) -> "ClaimRunner":
        from orchestrator.dispatch.claim_runner import ClaimRunner

        lease = self.settings.worker.lease
        return ClaimRunner(self.store, engine, self.clock, name=self.worker_name, lease=lease, stop=stop)

    def _hint(self, event: Event) -> None:
        """Give a hint to the workers of the queue, on PostgreSQL: they are on any machine."""
        if self.store.hints.is_possible:
            self._wake_queue(event)

    @cached_property
    def _wake_queue(self) -> Listener:
        from orchestrator.dispatch.dispatcher import wake_on_events
        from orchestrator.dispatch.queue_hints import QueueHints

        return wake_on_events(QueueHints(self.store.hints))
