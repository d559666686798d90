"""The questions: is a connection healthy, is a certificate due, with which certificate was a request signed."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from orchestrator.import_requests import signed_by
from orchestrator.shortage import starting
from persistence.store import Store
from states import due, health, proof
from states.certificate import Certificate
from states.connection import Connection
from states.due import Need
from states.errors import CannotSign, CertificateRecordMissing, KeyturnError
from states.health import NOT_KNOWN, Facts, Health, Problem
from states.next_action import NextAction, Verb
from states.outage import outage_of
from states.ports import Connect, Ports, Record

AT_ONCE: Final = 8
"""How many connections a report on all of them asks at the same time."""
AHEAD: Final = 4 * AT_ONCE
"""How many connections are asked before the report on the first of them is taken: one that is slow holds up few."""
_EXPIRY: Final = (Need.OVERDUE.name, Need.EXPIRED.name)
"""The problems that report an expiry already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one system was seen to use."""

    certificate: Certificate | None
    """None where it is not known, or where there is none."""
    role: str
    """Which one it is to Keyturn: ``candidate``, ``current``, ``previous``; empty for any other."""
    error: KeyturnError | None = None
    """Why it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The two sides of the truth: whose key NetSuite signs with, and which certificate OpenAir trusts."""

    at: datetime
    """When both were asked (UTC)."""
    netsuite: Held
    openair: Held
    agree: bool | None
    """Whether NetSuite's signature verifies with OpenAir's certificate; None where one could not be asked."""


class HealthChecks:
    """What people and monitors ask about a connection. Nothing here changes anything."""

    def __init__(self, store: Store, connect: Connect) -> None:
        self._store = store
        self._connect = connect

    def health(self, name: str) -> Health:
        """Ask both sides and judge. A side that cannot be asked is a problem in the answer, not an error."""
        connection = self._store.connections.get(name)
        return health.check(_facts(connection, self._store, self._connect(connection.name)))

    def report(self, name: str, *, within: timedelta | None = None) -> Health:
        """Like ``health``, for a report on several connections: one that cannot be asked is a problem in the answer.

        A certificate that expires in less than ``within`` is a problem, too.
        """
        try:
            health = self.health(name)
        except KeyturnError as error:
            problem = Problem(error.code, error.message, error.next_action.outside_rotation().about(connection=name))
            rotation = self._store.rotations.open_for(name)
            outage = outage_of(rotation) if rotation else None
            return Health(
                shows=None,
                sentence=NOT_KNOWN.format(unasked="the systems"),
                valid_until=None,
                problems=(problem,),
                outage=outage,
            )
        until = health.valid_until
        if within is None or until is None or any(each.code in _EXPIRY for each in health.problems):
            return health
        if until - self._store.now() >= within:
            return health
        rotate = NextAction(Verb.ROTATE, {"connection": name})
        soon = Problem("EXPIRES_SOON", f"The certificate expires on {until:%Y-%m-%d %H:%M} UTC.", rotate)
        return replace(health, problems=(*health.problems, soon))

    def reports(self, names: Iterable[str], *, within: timedelta | None = None) -> Iterator[tuple[str, Health]]:
        """Yield a ``report`` on each of the connections, in their order, asking several at the same time.

        No account is asked twice at the same time: it has one connection, which one thread asks. Raises Exhausted where
        this machine has no thread to spare.
        """
        from orchestrator.adapters.idle_connections import IDLE  # noqa: PLC0415 - only a fleet needs it

        IDLE.serve(AT_ONCE)
        asked: deque[tuple[str, Future[Health]]] = deque()
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="keyturn-health")
        try:
            for name in names:
                with starting():
                    asked.append((name, pool.submit(self.report, name, within=within)))
                if len(asked) > AHEAD:
                    yield _answered(*asked.popleft())
            for each in asked:
                yield _answered(*each)
        finally:
            pool.shutdown(cancel_futures=True)

    def sides(self, name: str) -> Sides:
        """Ask NetSuite to sign and OpenAir what it holds, now. Changes nothing.

        A side that cannot be asked is an error in the answer. Raises NotFound, VaultLocked, SealBroken.
        """
        connection = self._store.connections.get(name)
        ports, known = self._connect(name), self._known(connection)
        at = ports.clock.now()
        try:
            openair = _held(ports.openair.read(), known)
        except KeyturnError as error:
            openair = Held(certificate=None, role="", error=error)
        try:
            signature = proof.sign(ports)
        except KeyturnError as error:
            lacks = isinstance(error, (CannotSign, CertificateRecordMissing))
            netsuite = Held(certificate=None, role="", error=error)
            return Sides(at=at, netsuite=netsuite, openair=openair, agree=False if lacks else None)
        agree = signature.is_by(openair.certificate) if openair.certificate else False
        candidates = [*known.values(), *([openair.certificate] if openair.certificate else [])]
        signer = next((each for each in candidates if signature.is_by(each)), None)
        return Sides(at=at, netsuite=_held(signer, known), openair=openair, agree=None if openair.error else agree)

    def needs_rotation(self, name: str, *, within: timedelta | None = None) -> Need:
        """Whether a new certificate is due, by what is stored; ``within`` replaces the drawn moment."""
        connection = self._store.connections.get(name)
        now = self._store.now()
        due_at = connection.due_at
        if within is not None and connection.current:
            due_at = connection.current.not_after - within
        return due.need(connection.current, due_at, now)

    def signed_by(self, url: str, name: str) -> str | None:
        """Which certificate a real-time import request was signed with: candidate, current, previous, or None.

        Raises InvalidInput when ``url`` is no such request.
        """
        return signed_by(url, self._known(self._store.connections.get(name)))

    def _known(self, connection: Connection) -> dict[str, Certificate]:
        """The certificates that Keyturn knows of a connection, the likeliest first."""
        known: dict[str, Certificate] = {}
        if connection.current:
            known["current"] = connection.current
        for rotation in self._store.rotations.newest(connection=connection.name, limit=2):
            if rotation.is_open and rotation.proofs.candidate:
                known["candidate"] = rotation.proofs.candidate.certificate
            elif rotation.previous:
                known.setdefault("previous", rotation.previous)
        return known


def _held(certificate: Certificate | None, known: Mapping[str, Certificate]) -> Held:
    roles = [role for role, each in known.items() if certificate and each.fingerprint == certificate.fingerprint]
    return Held(certificate=certificate, role=roles[0] if roles else "")


def _answered(name: str, report: Future[Health]) -> tuple[str, Health]:
    return name, report.result()


def _facts(connection: Connection, store: Store, ports: Ports) -> Facts:
    netsuite: Record | KeyturnError | None
    key_files: tuple[str, ...] = ()
    openair: Certificate | KeyturnError | None
    try:
        report = ports.netsuite.report()
        netsuite, key_files = report.record, report.key_files
    except KeyturnError as error:
        netsuite = error
    try:
        openair = ports.openair.read()
    except KeyturnError as error:
        openair = error
    agree = None
    if isinstance(netsuite, Record) and isinstance(openair, Certificate):
        try:
            agree = _agree(ports, openair)
        except KeyturnError as error:
            netsuite = error
    return Facts(
        connection=connection,
        now=ports.clock.now(),
        netsuite=netsuite,
        openair=openair,
        agree=agree,
        key_files=key_files,
        rotation=store.rotations.open_for(connection.name),
    )


def _agree(ports: Ports, certificate: Certificate) -> bool:
    """Whether NetSuite's signature verifies with ``certificate``. Raises where NetSuite could not be asked."""
    try:
        return proof.sign(ports).is_by(certificate)
    except (CannotSign, CertificateRecordMissing):
        return False
