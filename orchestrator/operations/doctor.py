"""The doctor: checks everything that rotations depend on, one by one; each finding comes with its fix."""

import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.operations.status import Status
from orchestrator.operations.workers import Workers
from persistence.store import Store
from persistence.vault import Vault
from states.connection import Connection, missing_conditions
from states.errors import CannotSign, KeyturnError, NotFound, WrongBaseUrl
from states.health import DELETE_KEY_FILE, KEY_FILE_LEFT
from states.next_action import NextAction, Verb, by_hand
from states.ports import Clock, Connect, Ports
from states.summary import ConnectionSummary
from states.timing import CLOCK_ERROR


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    subject: str
    """What was checked, with the connection's name in front where it is one's."""
    ok: bool
    message: str
    fix: NextAction | None = None


class Doctor:
    """Checks files, store, vault, workers, clocks, both sign-ins and the permissions. Changes nothing."""

    def __init__(
        self,
        private: Sequence[Path],
        store: Store,
        vault: Vault,
        connect: Connect,
        clock: Clock,
        status: Status,
        workers: Workers,
    ) -> None:
        """``private`` are the files and folders that should be closed to other users of this machine."""
        self._private = private
        self._store = store
        self._vault = vault
        self._connect = connect
        self._clock = clock
        self._status = status
        self._workers = workers

    def waiting(self, connection: str | None = None) -> list[Finding]:
        """What the status shows of rotations, expired certificates and workers, the most harmful first.

        Empty where the database cannot be read, which ``examine`` reports. Raises NotFound.
        """
        try:
            concerns = self._status.report(connection).concerns
        except NotFound:
            raise
        except KeyturnError:
            return []
        return [
            Finding(
                f"{each.connection}: rotation" if each.connection else "worker", False, each.message, each.next_action
            )
            for each in concerns
        ]

    def examine(self, connection: str | None = None) -> Iterator[Finding]:
        """Every finding, as it comes; of one connection, or of all. Raises NotFound for an unknown one."""
        yield _files(self._private)
        database = _look("database", self._database)
        yield database
        if not database.ok:
            return
        yield _look("vault", self._open_vault)
        yield _look("workers", self._workers.summary)
        for each in [self._store.connections.get(connection)] if connection else self._store.connections.all():
            yield from self._connection(each)

    def _database(self) -> str:
        self._store.verify()
        return f"reachable and up to date; its clock says {self._store.now():%Y-%m-%d %H:%M:%S} UTC"

    def _open_vault(self) -> str:
        self._vault.check()
        return "opens with the key-encryption key"

    def _connection(self, connection: Connection | ConnectionSummary) -> Iterator[Finding]:
        name = connection.name
        try:
            ports = self._connect(connection.name)
        except KeyturnError as error:
            yield _failed(f"{name}: sign-in", error, name)
            return
        account = connection.netsuite.account
        yield _look(f"{name}: NetSuite sign-in and RESTlet", lambda: self._netsuite(ports, account), name)
        yield _look(f"{name}: NetSuite signing", lambda: _signing(ports), name)
        yield _look(f"{name}: OpenAir sign-in", lambda: _openair(ports), name)
        yield from _bundles(connection, ports)
        is_open = self._store.rotations.open_for(name) is not None
        yield _automatic(connection, self._clock.now(), is_open=is_open)

    def _netsuite(self, ports: Ports, account: str) -> str:
        report = ports.netsuite.report()
        off = abs(report.server_time - self._clock.now())
        if off > CLOCK_ERROR:
            raise KeyturnError(
                f"NetSuite's clock and this machine's disagree by {off.total_seconds():.0f} s.",
                next_action=by_hand("Synchronise this machine's clock (NTP): sign-in assertions carry the time."),
            )
        if report.account and _spelled(report.account) != _spelled(account):
            raise WrongBaseUrl(f"NetSuite account {report.account} answers, and not {account}.")
        if left := report.key_files:
            raise KeyturnError(KEY_FILE_LEFT.format(warnings=" ".join(left)), next_action=DELETE_KEY_FILE)
        record = report.record
        if record is None:
            return "answers; there is no certificate record yet"
        return f"answers; the record holds {record.file_name}" + (" (the placeholder)" if record.is_placeholder else "")


def open_to_others(private: Sequence[Path]) -> list[Path]:
    """Return those of the files and folders that exist and that other users of this machine can read or change."""
    found = []
    for path in private:
        with suppress(OSError):  # it does not exist, or this user cannot look at it
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                found.append(path)
    return found


def _files(private: Sequence[Path]) -> Finding:
    found = tuple(map(str, open_to_others(private)))
    if not found:
        return Finding("files", True, "closed to other users of this machine")
    message = f"{', '.join(found)} {'is' if len(found) == 1 else 'are'} open to other users."
    return Finding("files", False, message, NextAction(Verb.CLOSE_FILES, {"paths": found}))


def _spelled(account: str) -> str:
    """A NetSuite account's id in one spelling: domains have it in lower case, with a hyphen."""
    return account.upper().replace("-", "_")


def _signing(ports: Ports) -> str:
    try:
        ports.netsuite.sign(ports.challenge())
    except CannotSign as error:
        return f"permitted, but the record cannot sign so far: {error.message}"
    return "permitted; NetSuite signs a challenge"


def _openair(ports: Ports) -> str:
    held = ports.openair.read()
    if held is None:
        return "answers; OpenAir holds no certificate yet"
    return f"answers; OpenAir holds {held.fingerprint[:16]}…, valid until {held.not_after:%Y-%m-%d}"


def _automatic(connection: Connection | ConnectionSummary, now: datetime, *, is_open: bool) -> Finding:
    subject = f"{connection.name}: automatic rotation"
    if connection.is_automatic:
        when = f"begins {connection.due_at:%Y-%m-%d %H:%M} UTC" if connection.due_at else "never begins"
        if connection.due_at and connection.due_at <= now:
            when = "is due now"
        if is_open:
            when = "waits until the open rotation has ended"
        return Finding(subject, True, f"on; the next {when}")
    missing = " ".join(missing_conditions(connection.options, connection.bundles))
    because = "Record the boxes of the NetSuite Connector form and the bundles' versions as they are."
    fix = NextAction(Verb.EDIT_CONNECTION, {"connection": connection.name}, because=because)
    return Finding(subject, True, f"off: rotations are begun by hand only. {missing}", fix)


def _bundles(connection: Connection | ConnectionSummary, ports: Ports) -> Iterator[Finding]:
    """Compare the recorded versions of the bundles with NetSuite's; nothing where NetSuite reports none."""
    try:
        reported = ports.netsuite.report().bundles
    except KeyturnError:
        return  # the finding on NetSuite's sign-in says why
    wrong = {bundle: it for bundle, it in reported.items() if it and connection.bundles.get(bundle) != it}
    if not wrong:
        return
    named = [f"bundle {each} is {it}, recorded as {connection.bundles.get(each, 'none')}" for each, it in wrong.items()]
    because = f"Record the version of bundle {' and '.join(f'{each} as {it}' for each, it in wrong.items())}."
    fix = NextAction(Verb.EDIT_CONNECTION, {"connection": connection.name}, because=because)
    yield Finding(f"{connection.name}: bundles", True, f"NetSuite reports others: {'; '.join(named)}", fix)


def _look(subject: str, look: Callable[[], str], connection: str | None = None) -> Finding:
    try:
        return Finding(subject, True, look())
    except KeyturnError as error:
        return _failed(subject, error, connection)


def _failed(subject: str, error: KeyturnError, connection: str | None) -> Finding:
    fix = error.next_action.outside_rotation().about(connection=connection)
    return Finding(subject, False, error.message, fix)
