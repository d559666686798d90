"""`keyturn rotation list`: the rotations of all connections."""

import time
from dataclasses import dataclass, replace
from typing import Annotated, Final

from cyclopts import Parameter

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import outages
from orchestrator.cli.arguments import WHOLE, OnlyConnection, flag
from orchestrator.cli.context import Context, Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import View
from orchestrator.operations.lists import Listing, Sort
from orchestrator.views import formatting, timeline
from orchestrator.views.rotation import rotation_json
from states.errors import InvalidInput, Tampered
from states.state import State
from states.summary import RotationSummary

_STATES: Final = tuple(state.value for state in State)
_EVERY: Final = 1.0
"""Seconds between two looks with --watch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filter:
    """Which rotations to list."""

    connection: OnlyConnection = None
    state: Annotated[
        list[str] | None, Parameter(choices=_STATES, negative=(), help="Only rotations in this state. Repeatable.")
    ] = None
    open: Annotated[bool, flag("Only those under way or parked.")] = False
    parked: Annotated[bool, flag("Only those that are parked.")] = False
    since: Annotated[str | None, Parameter(help="Only those requested since then, such as 2d or 2026-11-23.")] = None


_EVERYTHING: Final = _Filter()


def list_(
    *,
    wanted: Annotated[_Filter, Parameter(name="*")] = _EVERYTHING,
    sort: Annotated[Sort, Parameter(help="What comes first.")] = Sort.NEWEST,
    limit: Annotated[int, WHOLE, Parameter(help="How many at most.")] = 50,
    watch: Annotated[bool, flag("Show the list again whenever it changes, until Ctrl-C.")] = False,
    context: Given,
) -> int:
    """List rotations, the newest first; parked ones with the reason.

    What imports are refused for comes before the list. Where the list is cut, it says how many more there are.

    ```
    keyturn rotation list --open
    keyturn rotation list --parked -o name
    keyturn rotation list --connection acme --since 30d --sort skew
    keyturn rotation list --parked -o jsonpath='{[*].failure.code}'
    ```
    """
    if limit < 1:
        raise InvalidInput(f"A list has at least one line, not {limit}.")
    with context.keyturn() as keyturn:
        listing = _read(keyturn, wanted, sort, limit)
        if not watch:
            _print(context, keyturn, listing, wanted.connection)
            return Exit.FINE
        before: list[RotationSummary] | None = None
        while True:
            items = list(listing.items)
            if items != before or context.out.is_live:  # at a terminal, ages and outages count up
                if context.out.is_live and before is not None:
                    context.out.clear()
                _print(context, keyturn, replace(listing, items=items), wanted.connection)
            before = items
            time.sleep(_EVERY)
            listing = _read(keyturn, wanted, sort, limit)


def _read(keyturn: Keyturn, wanted: _Filter, sort: Sort, limit: int) -> Listing:
    return keyturn.lists.rotations(
        connection=wanted.connection,
        states=[State(name) for name in wanted.state or []],
        is_open=wanted.open,
        is_parked=wanted.parked,
        since=formatting.to_moment(wanted.since, keyturn.rotations.now()) if wanted.since is not None else None,
        sort=sort,
        limit=limit,
    )


def _print(context: Context, keyturn: Keyturn, listing: Listing, connection: str | None) -> None:
    now = keyturn.rotations.now()
    outages.announce(context.out, keyturn.status.outages(connection), now)
    view = View[RotationSummary](
        name=lambda rotation: rotation.id,
        record=lambda rotation: rotation_json(rotation, now),
        columns={
            "ROTATION": lambda rotation: rotation.id,
            "CONNECTION": lambda rotation: rotation.connection,
            "STATE": timeline.state,
            "SKEW": lambda rotation: formatting.span(rotation.skew(now)),
            "AGE": lambda rotation: formatting.span(now - rotation.created_at),
            "WHO": lambda rotation: rotation.actor,
        },
        flexible=("CONNECTION", "WHO"),
        wide={
            "REQUESTED (UTC)": lambda rotation: formatting.instant(rotation.created_at),
            "CAUSE": lambda rotation: rotation.cause.value,
            "ATTEMPT": lambda rotation: str(rotation.attempt),
            "REASON": lambda rotation: rotation.reason or formatting.NOTHING,
            "FINGERPRINT": lambda rotation: (
                rotation.candidate.fingerprint if rotation.candidate else formatting.NOTHING
            ),
        },
        remark=_remark,
    )
    none = "There are no such rotations. Begin one: `keyturn rotate NAME`."
    shown = context.out.list(listing.items, view, empty=none)
    if context.out.is_for_people and (more := listing.count() - shown) > 0:  # counting reads all that match
        context.out.note(f"{more} more: give a higher --limit.")


def _remark(rotation: RotationSummary) -> str:
    if rotation.broken and not rotation.failure:
        return f"[{Tampered.code}]: {rotation.broken}"
    if rotation.failure:
        what = rotation.ending.value if rotation.ending else f"parked in {rotation.position}"
        return f"{what} [{rotation.failure.code}]: {rotation.failure.message}"
    return f"waits: {rotation.waiting_for}" if rotation.waiting_for else ""
