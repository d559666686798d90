"""Where the installation asks for it, two people close a parked rotation: one asks, another one approves.

The request is the last entry of the rotation's journal, which only the vault's key can write. An approval is nothing
that is stored by itself: it is the verb, done by another person who names the request. So no row can be forged for one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from orchestrator.events import ApprovalAsked, ApprovalWithdrawn, Listener, ignore
from orchestrator.operations import clock_repair
from persistence.journal import APPROVAL_ASKED, APPROVAL_WITHDRAWN, Entry
from persistence.store import Store
from states.approval import ApprovalRequest, Wanted, check_approval, check_request
from states.errors import ApprovalMissing, InvalidInput
from states.next_action import Verb, by_hand
from states.ports import Clock
from states.rotation import Rotation

_NO_EVIDENCE: Final[dict[str, object]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who wants a verb to be done, and why."""

    actor: str
    reason: str
    approves: int | None = None
    """The number of the request that they approve; None where they ask themselves."""


class Approvals:
    """Requests for approval: made, found, approved, withdrawn."""

    def __init__(self, store: Store, clock: Clock, *, is_required: bool, listener: Listener = ignore) -> None:
        """``is_required``: whether the installation asks for a second person."""
        self._store = store
        self._clock = clock
        self._listener = listener
        self.is_required = is_required

    def seen(self, rotation: Rotation) -> Rotation:
        """Return ``rotation`` with the request that waits for an approval, if one does (``circumstances``).

        One that expired does not.
        """
        return self.all_seen([rotation])[0]

    def all_seen(self, rotations: Iterable[Rotation]) -> list[Rotation]:
        """Like `seen`, of several."""
        found = list(rotations)
        parked = [each.id for each in found if each.failure and each.is_open] if self.is_required else []
        requests, now = self._store.journal.requests(parked), self._clock.now()
        shown = [_with(each, requests.get(each.id)) for each in found]
        return [each if _is_waiting(each, now) else _with(each, None) for each in shown]

    def must_ask(self, parked: Rotation, wanted: Wanted, approves: int | None) -> bool:
        """Whether a person can only ask for what they want.

        A restore that was begun is finished without another approval: it was approved, or Keyturn's own, and imports
        may be refused meanwhile.
        """
        is_finished = parked.restoring_since is not None and wanted.verb is Verb.RESTORE and not wanted.overwrite
        return self.is_required and approves is None and not is_finished

    def ask(self, parked: Rotation, wanted: Wanted, by: By) -> Rotation:
        """Note the request, and return the rotation with it. Neither system is asked.

        Raises InvalidInput without a reason; ApprovalPending where a request waits already; Stale.
        """
        _check_reason(by)
        now = self._clock.now()
        check_request(self._pending(parked), now)
        detail = {**wanted.to_data(), "version": parked.version + 1, "reason": by.reason}
        after = replace(parked, updated_at=now)
        asked = self._store.rotations.write(parked, after, event=APPROVAL_ASKED, actor=by.actor, detail=detail)
        self._listener(ApprovalAsked(asked, wanted.verb.value, by.actor))
        return self.seen(asked)

    def approve(self, parked: Rotation, wanted: Wanted, by: By) -> dict[str, object]:
        """Check the approval; return what the journal keeps of it, nothing where no one approves.

        The caller acts on ``parked`` only if it is at this version then. Raises ApprovalMissing, ApprovalExpired,
        ApprovalDiffers, SamePerson; InvalidInput without a reason.
        """
        if by.approves is None:
            return _NO_EVIDENCE
        _check_reason(by)
        request = check_approval(
            self._pending(parked),
            by.approves,
            wanted,
            rotation=parked.id,
            actor=by.actor,
            now=self._clock.now(),
        )
        return request.evidence

    def withdraw(self, rotation_id: str, *, actor: str, reason: str = "", version: int | None = None) -> Rotation:
        """Take a request back, so that no one can approve it any more; return the rotation.

        Raises NotFound; ApprovalMissing where none waits; Stale when the rotation is not at ``version`` (None: any).
        """
        now = self._clock.now()
        before = clock_repair.current(self._store, rotation_id, now, version)
        request = self._pending(before)
        if request is None:
            raise ApprovalMissing(f"No request waits for approval of rotation {before.id}.")
        detail = {"reason": reason, "withdraws": request.number, "verb": request.wanted.verb.value}
        after = replace(before, updated_at=now)
        withdrawn = self._store.rotations.write(before, after, event=APPROVAL_WITHDRAWN, actor=actor, detail=detail)
        self._listener(ApprovalWithdrawn(withdrawn, actor))
        return withdrawn

    def _pending(self, rotation: Rotation) -> ApprovalRequest | None:
        return _with(rotation, self._store.journal.requests([rotation.id]).get(rotation.id)).circumstances.approval


def _is_waiting(rotation: Rotation, now: datetime) -> bool:
    request = rotation.circumstances.approval
    return request is not None and request.is_valid(now)


def _check_reason(by: By) -> None:
    if not by.reason.strip():
        raise InvalidInput(
            "Two people close this rotation, each with a reason for the journal.", next_action=by_hand("Give a reason.")
        )


def _with(rotation: Rotation, entry: Entry | None) -> Rotation:
    """The rotation with the request of ``entry``, unless it was changed since."""
    request = _request(entry) if entry else None
    if request and request.version != rotation.version:
        request = None
    return replace(rotation, circumstances=replace(rotation.circumstances, approval=request))


def _request(entry: Entry) -> ApprovalRequest | None:
    """The request of an entry; None where Keyturn never wrote that, as can be seen without the key, too."""
    try:
        return ApprovalRequest(
            rotation=entry.rotation_id,
            number=entry.seq,
            wanted=Wanted.from_data(entry.detail),
            version=int(str(entry.detail["version"])),
            actor=entry.actor,
            reason=str(entry.detail["reason"]),
            at=entry.at,
        )
    except (KeyError, ValueError):
        return None
