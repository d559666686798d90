"""Randomness that repeats."""


class FakeRandom:
    """Randomness (states.ports.Random) that is the same in each run and never the same twice.

    It counts, so that ids made at one moment are in order. Two sources with different names give different bytes.
    """

    def __init__(self, name: str = "", fraction: float = 0.5) -> None:
        self._name = name.encode()
        self._fraction = fraction
        self._count = 0

    def bytes(self, count: int) -> bytes:
        self._count += 1
        return (self._name + self._count.to_bytes(count - len(self._name), "big"))[:count]

    def fraction(self) -> float:
        return self._fraction
