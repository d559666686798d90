"""The bar from issue to expiry, on a scale that shows what matters: the last 30 days have half of its width."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from states.summary import CertificateSummary
from states.timing import ROTATE_EARLIEST, ROTATE_LATEST

WIDTH: Final = 200
_CLOSE: Final = timedelta(days=30)
_HALF: Final = 0.5


@dataclass(frozen=True, slots=True)
class Bar:
    """Where things are on the bar, in units of which it has ``WIDTH``."""

    today: float
    window_from: float
    window_to: float
    left: timedelta
    """Until the expiry; negative after it."""


def bar(certificate: CertificateSummary | None, now: datetime) -> Bar | None:
    """The bar of ``certificate`` at ``now`` (UTC); None without one."""
    if certificate is None:
        return None
    begin, end = certificate.not_before, certificate.not_after

    def place(at: datetime) -> float:
        return round(WIDTH * _fraction(begin, end, min(max(at, begin), end)), 1)

    return Bar(place(now), place(end - ROTATE_EARLIEST), place(end - ROTATE_LATEST), end - now)


def _fraction(begin: datetime, end: datetime, at: datetime) -> float:
    close = end - _CLOSE
    if end <= begin:
        return 1.0
    if close <= begin:  # a short life: one scale for all of it
        return (at - begin) / (end - begin)
    if at <= close:
        return _HALF * ((at - begin) / (close - begin))
    return _HALF + _HALF * ((at - close) / _CLOSE)
