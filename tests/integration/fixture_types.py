"""What the fixtures that carry rotations are."""

from collections.abc import Callable

from states.rotation import Rotation

Rotate = Callable[[], Rotation]
Carry = Callable[[Rotation], Rotation]
