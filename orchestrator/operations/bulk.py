"""Rotating many connections: all that match a list's filter, up to a bound, with a result for each."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.operations.lists import Lists
from orchestrator.operations.rotations import Rotations
from states.connection import OnRefusal, OpenAirKind
from states.errors import KeyturnError, Stale
from states.rotation import Rotation
from states.summary import ConnectionSummary

MOST: Final = 100
"""How many connections are rotated at once: a person can read the rehearsal and the results, and a worker is busy with
them for minutes, not hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One connection that matches."""

    connection: ConnectionSummary
    follows: str
    """The id of its newest rotation, empty for none: what the person who looks has seen."""
    refusal: str
    """Why it is not rotated; empty where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The connections that match, as they are now. Neither system was asked."""

    candidates: Sequence[Candidate]
    is_cut: bool
    """Whether more match than are rotated at once."""

    @property
    def chosen(self) -> list[Candidate]:
        """Those that are rotated."""
        return [each for each in self.candidates if not each.refusal]

    @property
    def seen(self) -> str:
        """What a form carries: it differs once another connection is chosen, or one of them has another rotation."""
        lines = "\n".join(f"{each.connection.name} {each.follows}" for each in self.chosen)
        return hashlib.sha256(lines.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one connection."""

    connection: str
    rotation: Rotation | None
    error: KeyturnError | None


class Bulk:
    """What administrators do with many connections."""

    def __init__(self, lists: Lists, rotations: Rotations) -> None:
        self._lists = lists
        self._rotations = rotations

    def select(self, text: str = "", names: Collection[str] | None = None) -> Selection:
        """Return what matches (see `Lists.connection_page`), and why some of it is not rotated. Changes nothing."""
        page = self._lists.connection_page(text=text, names=names, limit=MOST)
        return Selection(
            candidates=[self._candidate(each) for each in page.items],
            is_cut=page.following is not None,
        )

    def _candidate(self, connection: ConnectionSummary) -> Candidate:
        newest = self._lists.newest(connection.name)
        refusal = next((why for applies, why in _REFUSALS if applies(connection)), "")
        if newest and newest.is_open:
            refusal = "A rotation of this connection is open."
        return Candidate(connection=connection, follows=newest.id if newest else "", refusal=refusal)

    def rotate(
        self,
        seen: str,
        text: str = "",
        names: Collection[str] | None = None,
        *,
        actor: str,
        reason: str,
        on_refusal: OnRefusal,
    ) -> Iterator[Outcome]:
        """Request a rotation of each connection that was seen to match; yield what became of each.

        One that cannot be requested stops no other. ``seen`` is `Selection.seen`. Raises Stale, before anything is
        requested, where another selection matches by now.
        """
        selection = self.select(text, names)
        if selection.seen != seen:
            raise Stale("Other connections match by now, or one of them has another rotation. Nothing was requested.")
        return self._each(selection.chosen, actor, reason, on_refusal)

    def _each(self, chosen: Sequence[Candidate], actor: str, reason: str, on_refusal: OnRefusal) -> Iterator[Outcome]:
        for each in chosen:
            name = each.connection.name
            try:
                rotation = self._rotations.request(
                    name, actor=actor, reason=reason, follows=each.follows, on_refusal=on_refusal
                )
            except KeyturnError as error:
                yield Outcome(connection=name, rotation=None, error=error)
            else:
                yield Outcome(connection=name, rotation=rotation, error=None)


_REFUSALS: Final[tuple[tuple[Callable[[ConnectionSummary], bool], str], ...]] = (
    (lambda each: bool(each.options.hides_certificate), "OpenAir's form does not show the entry for it."),
    (
        lambda each: each.openair.kind is OpenAirKind.EXPORT,
        "A person saves its certificate in OpenAir: begin it from its own page.",
    ),
)
"""The rules of a connection's own page, and that no outage begins which waits for a person."""
