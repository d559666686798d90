"""Whether a rotation was parked for a true reason, judged by what both systems saw."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from simulator import Entry
from states.rotation import Failure

Reason = Callable[[Sequence[Entry]], bool]
"""Whether it is true of an account's history."""


def _somebody(system: str, *deeds: str) -> Reason:
    """Somebody else did one of these things there."""
    return lambda history: any(
        entry.endpoint == "outside" and entry.system == system and entry.action in deeds for entry in history
    )


def _answered(*, statuses: Iterable[int] = (), codes: Iterable[str] = ()) -> Reason:
    """Some request was answered so."""
    return lambda history: any(entry.status in statuses or entry.code in codes for entry in history)


def _nothing_works(history: Sequence[Entry]) -> bool:
    """The last requests went wrong: lost, refused, or without effect; and several in a row did."""
    ours = [entry for entry in history if entry.endpoint != "outside"]
    return sum(entry.fault is not None for entry in ours) > 2


def _signs_with_an_earlier_one(history: Sequence[Entry]) -> bool:
    """The last signature was not made with what was installed last, but with what was there before."""
    installed = [entry.effect["installed"] for entry in history if "installed" in entry.effect]
    signed = [entry.effect["signed"] for entry in history if "signed" in entry.effect]
    return signed[-1] != installed[-1] and signed[-1] in installed


def _signs_without_us(history: Sequence[Entry]) -> bool:
    """Nothing was installed before the last signature, or somebody else has been there."""
    signed = [place for place, entry in enumerate(history) if "signed" in entry.effect]
    untouched = not any("installed" in entry.effect for entry in history[: signed[-1]])
    return untouched or _TRUE["FOREIGN_ROTATION"](history)


_MESSAGES: Mapping[str, Reason] = {
    "signs with the previous": _signs_with_an_earlier_one,
    "signs already": _signs_without_us,
}
"""Where one code is said for several reasons."""

_TRUE: Mapping[str, Reason] = {
    "FOREIGN_ROTATION": _somebody("netsuite", "foreign", "valid", "placeholder"),
    "CERTIFICATE_NOT_FOUND": _somebody("netsuite", "missing"),
    "CANNOT_SIGN": _somebody("netsuite", "keyless"),
    "DRIFT": _somebody("openair", "foreign", "missing", "administrator"),
    "SIGN_IN_REFUSED": _answered(
        statuses=[401],
        codes=["420", "invalid_grant", "invalid_request", "invalid_client", "access_denied"],  # XML API, OAuth
    ),
    "NOT_PERMITTED": _answered(statuses=[403], codes=["INSUFFICIENT_PERMISSION"]),
    "WRONG_BASE_URL": _answered(statuses=[302]),
    "GAVE_UP": _nothing_works,
    "NOT_VALID_NOW": lambda _history: True,  # only a clock of ours has
    "PARKED_BY_PERSON": lambda _history: True,  # neither system has a part in that
}


def is_true(failure: Failure, history: Iterable[Entry]) -> bool:
    """Whether what the failure's code says really happened."""
    told = (reason for words, reason in _MESSAGES.items() if words in failure.message)
    return next(told, _TRUE[failure.code])(list(history))
