"""The verbs on rotations."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from orchestrator import events
from orchestrator.events import Listener, ignore
from orchestrator.operations import clock_repair
from orchestrator.operations.approvals import Approvals
from persistence.journal import CONFIRMED_BY_PERSON, Entry
from persistence.store import Claim, Store
from states import machine, preconditions
from states.approval import APPROVABLE
from states.certificate import plain
from states.connection import OnRefusal
from states.errors import IllegalMove, InvalidInput, NotSetUp, ParkedByPerson, SealBroken, Stale, VaultLocked
from states.ids import new_id
from states.next_action import NextAction, Verb, by_hand
from states.ports import Clock, Random
from states.request import Request
from states.rotation import Allowances, Cause, Rotation
from states.table import FAIL, RESUME

POLL: Final = 0.1
"""Seconds between two looks at a rotation that is watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What happened to a rotation, and what a person can do."""

    rotation: Rotation
    journal: list[Entry]
    next_action: NextAction
    verbs: list[tuple[NextAction, str]]
    """Every verb on a rotation, with the reason why it is not possible now, or an empty string."""


class Rotations:
    """What people and schedules do with rotations."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        random: Random,
        *,
        worker: str,
        lease: float,
        listener: Listener = ignore,
        approvals: Approvals | None = None,
    ) -> None:
        """``worker`` is this process's name, and ``lease`` (seconds) how long it holds what it claims. ``approvals``
        shows the requests that wait; they are shown by default to no one.
        """
        self._approvals = approvals
        self._store = store
        self._clock = clock
        self._random = random
        self._worker = worker
        self._lease = lease
        self._listener = listener

    def request(
        self,
        connection: str,
        *,
        actor: str,
        reason: str = "",
        scheduled: bool = False,
        due_by: datetime | None = None,
        follows: str | None = None,
        key: str = "",
        on_refusal: OnRefusal | None = None,
    ) -> Rotation:
        """Request a rotation; a worker carries it. ``due_by``, ``follows``, ``key`` and ``on_refusal`` as
        `states.request.Request`.

        Raises NotFound, NotSetUp where a person asks for one of a draft, RotationOpen while the connection has one
        under way or parked, and Stale when it is not due by ``due_by``, or does not follow ``follows``.
        """
        asked = self._asked(connection, actor, reason, on_refusal, scheduled=scheduled)
        rotation = self._store.rotations.request(replace(asked, due_by=due_by, follows=follows, key=key))
        self._listener(events.Requested(rotation, actor, rotation.cause))
        return rotation

    def request_and_claim(
        self, connection: str, *, actor: str, reason: str = "", on_refusal: OnRefusal | None = None
    ) -> tuple[Rotation, Claim | None]:
        """Like ``request``, and claims the new rotation for this process in the same transaction.

        There is no claim while a write of the rotation before may still take effect. Raises as ``request``.
        """
        asked = self._asked(connection, actor, reason, on_refusal)
        rotation, claim = self._store.rotations.request_for(self._worker, asked, lease=self._lease)
        self._listener(events.Requested(rotation, actor, rotation.cause))
        return rotation, claim

    def _asked(
        self, connection: str, actor: str, reason: str, on_refusal: OnRefusal | None, *, scheduled: bool = False
    ) -> Request:
        now = self._clock.now()
        if not scheduled and not self._store.connections.get(connection).netsuite.certificate_id:
            message = f"Connection {connection} is not set up yet: its certificate for NetSuite has no id."
            raise NotSetUp(message, next_action=NextAction(Verb.SETUP, {"connection": connection}))
        return Request(
            id=new_id(now, self._random),
            connection=connection,
            actor=actor,
            at=now,
            reason=reason,
            cause=Cause.SCHEDULED if scheduled else Cause.MANUAL,
            on_refusal=on_refusal,
        )

    def park(
        self, rotation_id: str, *, actor: str, reason: str = "", version: int | None = None, wait: bool = False
    ) -> Rotation:
        """Park a rotation that no worker holds, so that none claims it until a person decides.

        With ``wait``, it waits until the worker that holds the rotation has released it, however long that takes.

        Raises NotFound, IllegalMove for one that is parked or has ended, Stale while a worker holds it or when it is
        not at ``version`` (None: any) any more.
        """
        while True:
            try:
                return self._park(rotation_id, actor, reason, version)
            except Stale:
                if not wait or version is not None:
                    raise
                self._clock.sleep(POLL)

    def _park(self, rotation_id: str, actor: str, reason: str, version: int | None) -> Rotation:
        before = clock_repair.at_version(self._store.rotations.get(rotation_id), version)
        if refused := preconditions.why_not(Verb.PARK, before, self._clock.now()):
            raise IllegalMove(f"Rotation {before.id} cannot be parked: {refused}")
        error = ParkedByPerson(f"{actor} parked it: {reason.rstrip('.')}." if reason else f"{actor} parked it.")
        after = machine.fail(before, error, self._clock.now())
        assert after.failure
        detail = {"code": error.code, "message": error.message, "next": after.failure.next_action.to_data()}
        parked = self._store.rotations.write(before, after, event=FAIL, actor=actor, detail=detail)
        self._listener(events.Parked(parked, error.code, error.message))
        return parked

    def resume(
        self,
        rotation_id: str,
        *,
        actor: str,
        reason: str = "",
        create_record: bool = False,
        overwrite: bool = False,
        version: int | None = None,
    ) -> Rotation:
        """Take a parked rotation back to the state it failed from: same id, attempt + 1.

        ``create_record`` allows making the missing certificate record, ``overwrite`` replacing a foreign certificate;
        each holds for one step only. Raises NotFound, IllegalMove where it is not possible, Stale when it is changed
        meanwhile or not at ``version`` (None: any) any more.
        """
        now = self._clock.now()
        before = clock_repair.current(self._store, rotation_id, now, version)
        after = machine.resume(before, now, Allowances(create_record=create_record, overwrite=overwrite))
        detail = {"reason": reason, "create_record": create_record, "overwrite": overwrite}
        resumed = self._store.rotations.write(before, after, event=RESUME, actor=actor, detail=detail)
        self._listener(events.Resumed(resumed, actor))
        return resumed

    def begin(self, rotation_id: str, *, actor: str, reason: str = "", version: int | None = None) -> Rotation:
        """Note that a person is signed in to OpenAir and ready to save the certificate there, and wake the rotation.

        Its upload begins, and imports are refused until the person has saved the certificate. Raises NotFound,
        IllegalMove when no upload waits for a person, Stale when it was changed meanwhile or is not at ``version``
        (None: any) any more.
        """
        before, now = clock_repair.at_version(self._store.rotations.get(rotation_id), version), self._clock.now()
        if refused := preconditions.why_not(Verb.BEGIN, before, now):
            raise IllegalMove(f"Rotation {before.id} cannot begin: {refused}")
        after = replace(before, begun_at=now, available_at=now, updated_at=now, waiting_for="", awaits_person=False)
        detail = {"ready": True, **({"reason": reason} if reason else {})}
        begun = self._store.rotations.write(before, after, event=CONFIRMED_BY_PERSON, actor=actor, detail=detail)
        self._listener(events.Begun(begun, actor))
        return begun

    def confirm(
        self, rotation_id: str, fingerprint: str, *, actor: str, reason: str = "", version: int | None = None
    ) -> Rotation:
        """Note that a person saved the exported certificate in OpenAir, and wake the rotation.

        ``fingerprint`` is the SHA-256 that the person sees there (colons and case do not matter). Raises InvalidInput
        when it is not the candidate's, IllegalMove when nothing waits for a person, Stale when that was changed
        meanwhile or is not at ``version`` (None: any) any more: then it was not noted.
        """
        before, now = clock_repair.at_version(self._store.rotations.get(rotation_id), version), self._clock.now()
        if refused := preconditions.why_not(Verb.CONFIRM, before, now):
            raise IllegalMove(f"Rotation {before.id} cannot be confirmed: {refused}")
        assert before.proofs.candidate
        seen = plain(fingerprint)
        if seen != before.proofs.candidate.fingerprint:
            raise InvalidInput(
                f"OpenAir holds {seen or 'nothing'}, but this rotation made {before.proofs.candidate.fingerprint}.",
                next_action=by_hand(
                    "Save the exported file in OpenAir.", NextAction(Verb.CONFIRM, {"fingerprint": None})
                ),
            )
        after = replace(before, available_at=now, updated_at=now, waiting_for="", awaits_person=False)
        detail = {"fingerprint": seen, **({"reason": reason} if reason else {})}
        confirmed = self._store.rotations.write(
            before, after, event=CONFIRMED_BY_PERSON, actor=actor, detail=detail, confirmed=seen
        )
        self._listener(events.Confirmed(confirmed, actor))
        return confirmed

    def show(self, rotation_id: str, *, version: int | None = None) -> Rotation:
        """The rotation with this id, or with an id that begins so.

        Raises NotFound, and Stale when it is not at ``version`` (None: any) any more.
        """
        return self._seen(clock_repair.at_version(self._store.rotations.get(rotation_id), version))

    def open_for(self, connection: str) -> Rotation | None:
        """The connection's open rotation, under way or parked; None without one."""
        return self._store.rotations.open_for(connection)

    def unfinished(self) -> list[Rotation]:
        """Every rotation that is under way or parked, the oldest first, however many there are."""
        return self._store.rotations.all_open()

    def journal(self, rotation_id: str) -> list[Entry]:
        """Everything that happened to the rotation, in order."""
        return self._store.journal.of(self._store.rotations.get(rotation_id).id)

    def explain(self, rotation_id: str) -> Explanation:
        """What happened, what is possible now, and the one next safe action."""
        now = self._clock.now()
        try:
            rotation = clock_repair.current(self._store, rotation_id, now)
        except (VaultLocked, SealBroken):  # without the key, what is stored is shown as it is
            rotation = self._store.rotations.get(rotation_id)
        rotation = self._seen(rotation)
        return Explanation(
            rotation=rotation,
            journal=self._store.journal.of(rotation.id),
            next_action=preconditions.advise(rotation, now),
            verbs=[
                (
                    preconditions.action_for(verb, rotation),
                    preconditions.why_not(verb, rotation, now) or _waits(verb, rotation),
                )
                for verb in preconditions.PRECONDITIONS
                if verb is not Verb.WITHDRAW or rotation.circumstances.approval
            ],
        )

    def _seen(self, rotation: Rotation) -> Rotation:
        return self._approvals.seen(rotation) if self._approvals else rotation

    def watch(self, rotation_id: str) -> Iterator[Rotation]:
        """The rotation now, and again after each change, until it is closed or parked."""
        seen = -1
        while True:
            rotation = self._store.rotations.get(rotation_id)
            if rotation.version != seen:
                seen = rotation.version
                yield rotation
            if not preconditions.goes_on(rotation):
                return
            self._clock.sleep(POLL)

    def now(self) -> datetime:
        """The current time (UTC), up to which skews are counted."""
        return self._clock.now()


def _waits(verb: Verb, rotation: Rotation) -> str:
    """Why ``verb`` cannot be asked for while a request waits; empty where it can."""
    request = rotation.circumstances.approval
    if request is None or verb not in APPROVABLE:
        return ""
    return f"{request.actor}'s request to {request.wanted.verb} it waits: approve or withdraw that first."
