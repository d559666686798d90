"""How the length of time reads: the same in every message."""

from datetime import timedelta
from typing import Final

_SCALE: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def in_words(length: timedelta) -> str:
    """Return a length in the one unit that tells most: ``0.31 s``, ``12 s``, ``3 min``, ``5 h``, ``12 d``."""
    seconds = length.total_seconds()
    if seconds < 10:  # noqa: PLR2004 - below that, a tenth of a second tells something
        return f"{max(0.0, seconds):.2f} s"
    unit, name = next(((unit, name) for unit, name in _SCALE if seconds >= 2 * unit), (1, "s"))
    return f"{seconds / unit:.0f} {name}"
