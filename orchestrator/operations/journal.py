"""The verbs on the whole journal: checking it, and the checkpoints that are kept elsewhere."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from orchestrator.events import Checkpointed, Listener, ignore
from persistence.checkpoint import Checkpoint, read_lines
from persistence.store import Store
from states.errors import InvalidInput
from states.timing import CHECKPOINT_EVERY

__all__ = ["Checked", "Checkpoint", "JournalChecks"]

_LONGEST_LINE: Final = 1_000_000
"""Characters of a line of a log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check of the journal looked at; it found nothing that was changed."""

    entries: int
    copies: Sequence[Checkpoint]
    """The checkpoints that were kept elsewhere, in order."""


class JournalChecks:
    """Checks of the journal."""

    def __init__(self, store: Store, listener: Listener = ignore) -> None:
        self._store = store
        self._listener = listener

    def verify(self, rotation_id: str | None = None, against: Path | None = None) -> Checked:
        """Check the journal of one rotation, or of all with the checkpoints that are stored.

        Args:
            rotation_id: the rotation's id or its connection's name; None for all.
            against: a file with copies of checkpoints, such as a log.

        Raises:
            JournalBroken: naming the first entry, rotation or checkpoint that is not as it was written.
            InvalidInput: where ``against`` cannot be read or has no checkpoint, or is given for one rotation.
            NotFound: without such a rotation.

        """
        if rotation_id is not None:
            if against is not None:
                raise InvalidInput("A checkpoint covers all rotations: name none together with --against.")
            full = self._store.rotations.get(rotation_id).id
            return Checked(entries=self._store.journal.verify(full), copies=())
        copies = _read(against) if against else ()
        # What is missing altogether comes first: it is the most harmful, and the chains do not show it.
        self._store.checkpoints.verify(copies)
        return Checked(entries=self._store.journal.verify(), copies=copies)

    def checkpoint(self) -> Checkpoint:
        """Make a checkpoint of the journal as it is now; return it, and log it. Raises JournalBroken, VaultLocked."""
        made = self._store.checkpoints.make()
        self._publish(made)
        return made

    def checkpoint_daily(self) -> None:
        """Make a checkpoint unless this worker or another one made one within a day. Raises likewise."""
        if made := self._store.checkpoints.make_after(CHECKPOINT_EVERY):
            self._publish(made)

    def _publish(self, made: Checkpoint) -> None:
        self._listener(
            Checkpointed(made.number, made.at, made.entries, made.rotations, made.head, made.code, made.line)
        )


def _lines(opened: TextIO, file: Path) -> Iterator[str]:
    """Yield the lines of ``file``: a device, or a file that is no text, may have one that never ends."""
    while line := opened.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise InvalidInput(f"The file {file} is no text: a line has {_LONGEST_LINE:,} characters or more.")
        yield line


def _read(file: Path) -> list[Checkpoint]:
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            found = read_lines(_lines(lines, file))
    except OSError as error:
        raise InvalidInput(f"The file {file} cannot be read: {error.strerror}.") from error
    if not found:
        raise InvalidInput(f"The file {file} has no checkpoint.")
    return found
