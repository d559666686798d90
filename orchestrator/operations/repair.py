"""The repair of a certificate record that NetSuite does not find: the vendor's steps, each checked against NetSuite.

https://docs.oracle.com/en/cloud/saas/netsuite-suiteprojects-pro/ (certificate generation troubleshooting)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from persistence.store import Store
from states import preconditions
from states.errors import CertificateRecordMissing, KeyturnError
from states.next_action import NextAction, Verb
from states.ports import Clock, Connect, Record, Report
from states.rotation import Rotation

_BUNDLE: Final = "369630"
_NAME: Final = "OpenAir real-time"
_GENERATE: Final = "Generate the certificate again: resume the rotation that was parked, or begin one."


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairStep:
    """One step, and what NetSuite's answer says of it."""

    title: str
    text: str
    """What a person does; lines."""
    is_done: bool | None
    """None where the answer does not show it."""
    answer: str
    """What the answer shows, as a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """The steps as they are now, and what to do next."""

    at: datetime
    """When NetSuite was asked (UTC)."""
    steps: Sequence[RepairStep]
    error: KeyturnError | None
    """Why NetSuite could not be asked."""
    has_record: bool | None
    rotation: Rotation | None
    """The connection's open rotation."""
    offer: NextAction | None
    """What lets Keyturn go on, and where the record is missing create it; None where nothing does now."""


class Repairs:
    """What a person asks who repairs a connection's certificate record. Nothing here changes anything."""

    def __init__(self, store: Store, connect: Connect, clock: Clock) -> None:
        """``connect`` gives a connection's ports by name."""
        self._store = store
        self._connect = connect
        self._clock = clock

    def look(self, name: str) -> Repair:
        """Ask NetSuite once, and check each step. That NetSuite cannot be asked is an error in the answer.

        Raises NotFound, VaultLocked, SealBroken.
        """
        self._store.connections.get(name)
        rotation = self._store.rotations.open_for(name)
        report: Report | None = None
        error: KeyturnError | None = None
        try:
            report = self._connect(name).netsuite.report()
        except KeyturnError as raised:
            error = raised
        now = self._clock.now()
        return Repair(
            at=now,
            steps=(_file(report), _record(report), _certificate(report)),
            error=error,
            has_record=report.record is not None if report else None,
            rotation=rotation,
            offer=_offer(name, report, rotation, now) if report else None,
        )


def _file(report: Report | None) -> RepairStep:
    version = report.bundles.get(_BUNDLE, "") if report else ""
    if report is None:
        is_done, answer = None, "NetSuite was not asked."
    elif _BUNDLE in report.missing_bundles:
        is_done, answer = False, f"Bundle {_BUNDLE} is not installed: install it first."
    elif version == "":
        is_done, answer = None, "NetSuite does not say which bundles are installed."
    else:
        is_done = None
        answer = f"Bundle {_BUNDLE} {version or 'of an unknown version'} is installed."
        answer += " From 4.02 on it ships no such file: let Keyturn create the record instead."
    return RepairStep(
        title="Find the certificate's file",
        text="\n".join(CertificateRecordMissing.find_file),
        is_done=is_done,
        answer=answer,
    )


def _record(report: Report | None) -> RepairStep:
    record = report.record if report else None
    if report is None:
        is_done, answer = None, "NetSuite was not asked."
    elif record is None:
        is_done, answer = False, CertificateRecordMissing().message
    else:
        is_done, answer = True, f"NetSuite has the record, with the name {record.name}."
        if record.name != _NAME:
            answer += f" The vendor's name is {_NAME}; Keyturn finds the record by its ID."
    return RepairStep(
        title="Recreate the certificate record",
        text="\n".join(CertificateRecordMissing.create_record),
        is_done=is_done,
        answer=answer,
    )


def _certificate(report: Report | None) -> RepairStep:
    record = report.record if report else None
    return RepairStep(
        title="Generate the certificate",
        text=_GENERATE,
        is_done=None if report is None else record is not None and not record.is_placeholder,
        answer=_held(record) if report else "NetSuite was not asked.",
    )


def _held(record: Record | None) -> str:
    if record is None:
        return "There is no record that could hold a certificate."
    if record.is_placeholder:
        return f"The record holds the placeholder {record.file_name}, which is not valid."
    return f"The record holds {record.file_name}. Whether OpenAir trusts it, the health check shows."


def _offer(name: str, report: Report, rotation: Rotation | None, now: datetime) -> NextAction | None:
    record = report.record
    if rotation is None:
        if record is None:
            because = "The rotation is parked before its upload; then you can let Keyturn create the record."
            return NextAction(Verb.ROTATE, {"connection": name}, because=because)
        return NextAction(Verb.ROTATE, {"connection": name}) if record.is_placeholder else None
    if rotation.failure is None or rotation.failure.code != CertificateRecordMissing.code:
        return None
    if record is not None:
        is_possible = not preconditions.why_not(Verb.RESUME, rotation, now)
        return NextAction(Verb.RESUME, {"rotation": rotation.id}) if is_possible else None
    # Only what the rotation's own advice has: it is not created where that would not help.
    choices = preconditions.advise(rotation, now).choices
    return next((each for each in choices if each.verb is Verb.RESUME and each.options.get("create_record")), None)
