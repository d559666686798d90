"""The doctor: checks everything that rotations depend on, one by one; each finding comes with its fix."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from orchestrator.operations.installation import open_to_others
from orchestrator.operations.status import Status
from orchestrator.operations.workers import Workers
from persistence.store import Store
from persistence.vault import Vault
from states.connection import ALL_TICKED, NEEDED_BUNDLES, Connection, OpenAirKind, missing_conditions
from states.errors import CannotSign, KeyturnError, NotFound, WrongBaseUrl
from states.health import DELETE_KEY_FILE, KEY_FILE_LEFT
from states.next_action import NextAction, Value, Verb, by_hand
from states.ports import Clock, Connect, Ports, Rehearsal
from states.summary import ConnectionSummary
from states.timing import CLOCK_ERROR

SIGN_IN: Final = "sign-in"
"""Fails where a secret that is needed to sign in is missing or cannot be opened."""
NETSUITE_SIGN_IN: Final = "NetSuite sign-in and RESTlet"
NETSUITE_SIGNING: Final = "NetSuite signing"
OPENAIR_SIGN_IN: Final = "OpenAir sign-in"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    subject: str
    """What was checked, with the connection's name in front where it is one's."""
    ok: bool
    message: str
    fix: NextAction | None = None
    is_set_up: bool = True
    """False where there is nothing to check, which is no failure: there is none, or it is not set up."""


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
        *,
        rehearse: Callable[[Connection], Rehearsal | None],
    ) -> None:
        """``private`` are the files and folders that should be closed to other users of this machine.

        ``rehearse`` saves a throw-away certificate in OpenAir and removes it; None where a person saves.
        """
        self._private = private
        self._store = store
        self._vault = vault
        self._connect = connect
        self._clock = clock
        self._status = status
        self._workers = workers
        self._rehearse = rehearse

    def waiting(self, connection: str | None = None) -> list[Finding]:
        """What the status shows of rotations, expired certificates and workers, the most harmful first.

        A fix leaves out running the doctor, which follows. Empty where the database cannot be read, which ``examine``
        reports. Raises NotFound.
        """
        try:
            concerns = self._status.report(connection).concerns
        except NotFound:
            raise
        except KeyturnError:
            return []
        return [
            Finding(
                f"{each.connection}: rotation" if each.connection else "worker",
                False,
                each.message,
                each.next_action.without(Verb.DOCTOR),
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
        yield self._carriers()
        for each in [self._store.connections.get(connection)] if connection else self._store.connections.all():
            yield from self._connection(each)

    def check(self, connection: str) -> Iterator[Finding]:
        """The findings on one connection alone, as they come. Raises NotFound."""
        yield from self._connection(self._store.connections.get(connection))

    def rehearse(self, connection: str | None = None) -> Iterator[Finding]:
        """Rehearse the save to OpenAir, of one connection or of all: what was done, and what OpenAir made of it.

        A throw-away Preference is written and removed; the certificate's own is not touched. Raises NotFound.
        """
        for each in [self._store.connections.get(connection)] if connection else list(self._store.connections.all()):
            subject = f"{each.name}: OpenAir rehearsal"
            try:
                done = self._rehearse(self._store.connections.authentic(each.name))
            except KeyturnError as error:
                yield _failed(subject, error, each.name)
                continue
            yield _rehearsed(subject, done, each.name)

    def _carriers(self) -> Finding:
        """The workers; that there is none is no failure where nothing waits for one, which ``waiting`` reports."""
        found = _look("workers", self._workers.summary)
        return replace(found, is_set_up=bool(self._workers.alive())) if found.ok else found

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
            yield _failed(f"{name}: {SIGN_IN}", error, name)
            return
        account = connection.netsuite.account
        yield _look(f"{name}: {NETSUITE_SIGN_IN}", lambda: self._netsuite(ports, account), name)
        yield _look(f"{name}: {NETSUITE_SIGNING}", lambda: _signing(ports), name)
        if connection.openair.kind is OpenAirKind.EXPORT:
            yield _exported(connection, ports)
        else:
            yield _look(f"{name}: {OPENAIR_SIGN_IN}", lambda: _openair(ports), name)
        reported = _reported(ports)
        yield from _bundles(connection, reported)
        is_open = self._store.rotations.open_for(name) is not None
        yield _automatic(connection, reported, self._clock.now(), is_open=is_open)

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


def _exported(connection: Connection | ConnectionSummary, ports: Ports) -> Finding:
    """That there is no sign-in to OpenAir: a person saves the certificate there, or the set-up has not come so far."""

    def look() -> str:
        held = ports.openair.read()
        last = f"The last one is {held.fingerprint[:16]}…" if held else "No one has confirmed one yet"
        return f"none: a person saves the certificate in OpenAir and confirms it. {last}."

    found = _look(f"{connection.name}: {OPENAIR_SIGN_IN}", look, connection.name)
    return replace(found, is_set_up=False) if found.ok else found


def _rehearsed(subject: str, done: Rehearsal | None, connection: str) -> Finding:
    if done is None:
        return Finding(subject, True, "none: a person saves the certificate in OpenAir", is_set_up=False)
    removed = f"The throw-away Preference {done.preference} was removed again."
    if done.left:
        removed = f"The throw-away Preference {done.preference} may be left in OpenAir: {done.left}"
    if done.error:
        action = done.error.next_action.outside_rotation().about(connection=connection)
        message = f"OpenAir did not take a certificate of {done.characters} characters: {done.error.message} {removed}"
        return Finding(subject, False, message, action)
    fix = by_hand(f"Delete the Preference {done.preference} in OpenAir; the next rehearsal tries that, too.", None)
    message = f"OpenAir kept a certificate of {done.characters} characters whole. {removed}"
    return Finding(subject, not done.left, message, fix if done.left else None)


def _automatic(
    connection: Connection | ConnectionSummary, reported: Mapping[str, str], now: datetime, *, is_open: bool
) -> Finding:
    """Whether rotations begin by themselves; if not, each condition that fails, and what sets it."""
    subject = f"{connection.name}: automatic rotation"
    if connection.is_automatic:
        when = f"begins {connection.due_at:%Y-%m-%d %H:%M} UTC" if connection.due_at else "never begins"
        if connection.due_at and connection.due_at <= now:
            when = "is due now"
        if is_open:
            when = "waits until the open rotation has ended"
        return Finding(subject, True, f"on; the next {when}")
    missing = missing_conditions(connection.options, connection.bundles)
    if not missing:
        fix = NextAction(
            Verb.EDIT_CONNECTION,
            {"connection": connection.name, "starts_by_hand": True},
            because="The schedule can start them; they wait for that person before they change NetSuite.",
        )
        message = "off: a person saves the certificate in OpenAir, and begins each rotation."
        return Finding(subject, True, message, fix)
    message = f"off: rotations are begun by hand only. {' '.join(missing)}"
    return Finding(subject, True, message, _setting(connection, reported))


def _setting(connection: Connection | ConnectionSummary, reported: Mapping[str, str]) -> NextAction:
    """What makes rotation automatic; ``reported`` are the bundles' versions in NetSuite."""
    options: dict[str, Value] = {"connection": connection.name}
    boxes = connection.options
    if not boxes.oauth2:
        options["oauth2"] = True
    if not (boxes.single_sign_on or boxes.real_time_integration):
        options["real_time_integration"] = True
    because = "Where OpenAir's NetSuite Connector form has the boxes ticked, record that." if len(options) > 1 else ""
    old = missing_conditions(ALL_TICKED, {**connection.bundles, **reported})
    unknown = [bundle for bundle in NEEDED_BUNDLES if bundle not in connection.bundles and bundle not in reported]
    if differing := _differing(connection, reported):
        options["bundle"] = tuple(f"{bundle}={version}" for bundle, version in differing.items())
    elif unknown:
        because += f" NetSuite does not report the version of bundle {' and '.join(unknown)}: look it up there."
        options["bundle"] = None
    if old and not unknown:
        return by_hand(f"{because} Upgrade the bundles in NetSuite: {' '.join(old)}".strip(), None)
    return NextAction(Verb.EDIT_CONNECTION, options, because=because.strip())


def _reported(ports: Ports) -> Mapping[str, str]:
    """The versions of the bundles in NetSuite, as far as it reports them, empty for one that is not installed.

    None where it cannot be asked.
    """
    try:
        report = ports.netsuite.report()
    except KeyturnError:
        return {}  # the finding on NetSuite's sign-in says why
    versions = {bundle: version for bundle, version in report.bundles.items() if version}
    return {**versions, **dict.fromkeys(report.missing_bundles, "")}


def _differing(connection: Connection | ConnectionSummary, reported: Mapping[str, str]) -> Mapping[str, str]:
    return {bundle: version for bundle, version in reported.items() if connection.bundles.get(bundle, "") != version}


def _bundles(connection: Connection | ConnectionSummary, reported: Mapping[str, str]) -> Iterator[Finding]:
    """Compare the recorded versions of the bundles with NetSuite's; nothing where NetSuite reports none."""
    wrong = _differing(connection, reported)
    if not wrong:
        return
    named = [
        f"bundle {each} is {it or 'not installed'}, recorded as {connection.bundles.get(each, 'none')}"
        for each, it in wrong.items()
    ]
    options: dict[str, Value] = {
        "connection": connection.name,
        "bundle": tuple(f"{bundle}={version}" for bundle, version in wrong.items()),
    }
    fix = NextAction(Verb.EDIT_CONNECTION, options)
    message = f"NetSuite reports others: {'; '.join(named)}"
    if connection.is_automatic and missing_conditions(ALL_TICKED, {**connection.bundles, **reported}):
        message += ". The next rotation that the schedule begins is parked before its upload."
        fix = replace(fix, because="Upgrade the bundles in NetSuite, or record what it reports.")
        yield Finding(f"{connection.name}: bundles", False, message, fix)
        return
    yield Finding(f"{connection.name}: bundles", True, message, fix)


def _look(subject: str, look: Callable[[], str], connection: str | None = None) -> Finding:
    try:
        return Finding(subject, True, look())
    except KeyturnError as error:
        return _failed(subject, error, connection)


def _failed(subject: str, error: KeyturnError, connection: str | None) -> Finding:
    fix = error.next_action.outside_rotation().about(connection=connection)
    return Finding(subject, False, error.message, fix)
