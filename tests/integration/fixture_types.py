"""The types of the fixtures that run rotations."""

from collections.abc import Callable

from states.rotation import Rotation

Rotate = Callable[[], Rotation]
Carry = Callable[[Rotation], Rotation]
