"""Rotation ids: ULIDs as the specification has them."""

from datetime import UTC, datetime, timedelta

from states import ids

EXAMPLE = "01ARYZ6S41TSV4RRFFQ69G5FAV"
"""The specification's own example, made at MADE (https://github.com/ulid/spec, npm's ulid(1469918176385))."""
MADE = datetime.fromtimestamp(1469918176.385, UTC)
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Fixed:
    """Randomness that gives the example's last 80 bits, and says how many bytes it was asked for."""

    asked = 0

    def bytes(self, count: int) -> bytes:
        """Return the example's random part."""
        self.asked = count
        number = 0
        for digit in EXAMPLE[10:]:
            number = number * 32 + CROCKFORD.index(digit)
        return number.to_bytes(10, "big")

    def fraction(self) -> float:
        """Not needed for an id."""
        raise NotImplementedError


def test_an_id_is_a_ulid() -> None:
    """The moment in milliseconds gives ten characters, ten random bytes give the other sixteen."""
    random = Fixed()
    assert EXAMPLE == ids.new_id(MADE, random)
    assert 10 == random.asked


def test_ids_sort_by_their_moment() -> None:
    """The first id of a moment is not greater than any id of that moment, and greater than all earlier ones."""
    assert "01ARYZ6S41" + 16 * "0" == ids.first_at(MADE)
    assert ids.first_at(MADE) <= EXAMPLE < ids.first_at(MADE + timedelta(milliseconds=1))
