"""A checkpoint as a value, and as one word that can be kept elsewhere."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from states.errors import InvalidInput

_MARK: Final = "keyturn-checkpoint:"
_LINE: Final = re.compile(
    _MARK + r"([1-9][0-9]{0,8}):([0-9]{8}T[0-9]{6}\.[0-9]{6}Z):([0-9]{1,18}):([0-9]{1,18}):"
    r"([0-9a-f]{64}):([1-9][0-9]{0,8}-[0-9a-f]{64})(?![0-9A-Za-z])"
)
_MOMENT: Final = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The whole journal at one moment."""

    number: int
    """Counts from 1 without gaps."""
    at: datetime
    """By the database's clock (UTC)."""
    entries: int
    rotations: int
    head: str
    """Covers the checkpoint before this one, and where each journal ended that went on since then."""
    code: str = ""
    """The vault's code of all of the above."""

    @property
    def line(self) -> str:
        """The checkpoint as one word, for a copy elsewhere."""
        counts = f"{self.number}:{self.at.astimezone(UTC).strftime(_MOMENT)}:{self.entries}:{self.rotations}"
        return f"{_MARK}{counts}:{self.head}:{self.code}"

    @property
    def content(self) -> bytes:
        """What the code covers."""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        return json.dumps(["keyturn checkpoint", self.number, at, self.entries, self.rotations, self.head]).encode()

    def __str__(self) -> str:
        return f"Checkpoint {self.number} of {self.at:%Y-%m-%d %H:%M:%S} UTC"


def read_lines(lines: Iterable[str]) -> list[Checkpoint]:
    """Return every checkpoint in ``lines`` once, in order of their numbers; text around them does not matter.

    Raises InvalidInput for a checkpoint that was cut off.
    """
    found: set[Checkpoint] = set()
    for number, line in enumerate(lines, 1):
        matches = list(_LINE.finditer(line))
        if len(matches) != line.count(_MARK):
            raise InvalidInput(f"Line {number} holds a checkpoint that was cut off or changed.")
        found.update(map(_parsed, matches))
    return sorted(found, key=lambda checkpoint: checkpoint.number)


def _parsed(match: re.Match[str]) -> Checkpoint:
    number, at, entries, rotations, head, code = match.groups()
    try:
        moment = datetime.strptime(at, _MOMENT).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidInput(f"A checkpoint names the time {at}, which there is not.") from error
    return Checkpoint(
        number=int(number), at=moment, entries=int(entries), rotations=int(rotations), head=head, code=code
    )
