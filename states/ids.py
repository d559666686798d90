"""Rotation ids: ULIDs, which sort by the time of their creation (https://github.com/ulid/spec)."""

from datetime import datetime
from typing import Final

from states.ports import Random

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH: Final = 26
_RANDOM_BYTES: Final = 10


def new_id(now: datetime, random: Random) -> str:
    """Return 26 characters of Crockford base32: 48 bits of milliseconds, then 80 random bits."""
    return _encoded(now, int.from_bytes(random.bytes(_RANDOM_BYTES)))


def first_at(moment: datetime) -> str:
    """Return the least id that is made at ``moment`` (UTC): ids from then on are equal or greater."""
    return _encoded(moment, 0)


def _encoded(moment: datetime, random: int) -> str:
    number = int(moment.timestamp() * 1000) << 80 | random
    return "".join(_CROCKFORD[number >> 5 * place & 31] for place in reversed(range(_LENGTH)))
