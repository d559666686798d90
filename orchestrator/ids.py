"""Rotation ids: ULIDs, which sort by the time of their creation (https://github.com/ulid/spec)."""

from datetime import datetime
from typing import Final

from states.ports import Random

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH: Final = 26
_RANDOM_BYTES: Final = 10


def new_id(now: datetime, random: Random) -> str:
    """Return 26 characters of Crockford base32: 48 bits of milliseconds, then 80 random bits."""
    number = int(now.timestamp() * 1000) << 80 | int.from_bytes(random.bytes(_RANDOM_BYTES))
    return "".join(_CROCKFORD[number >> 5 * place & 31] for place in reversed(range(_LENGTH)))
