"""Faults: what can go wrong on demand, at which endpoint, for which calls."""

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

ENDPOINTS = ("netsuite.token", "netsuite.restlet", "openair.token", "openair.api", "openair.import")

When = Literal["before", "after"]


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    when      the moments it may strike, relative to applying the request; the first is the default
    answers   whether it takes the place of the proper answer; such faults exclude each other on one call
    timed     whether it needs `seconds`
    """

    meaning: str
    when: tuple[When, ...]
    answers: bool = True
    timed: bool = False


KINDS: dict[str, Kind] = {
    "throttle": Kind("the system's own words for too many requests (NetSuite's RESTlets: HTTP 400)", ("before",)),
    "error": Kind("the system's own error format with `code`", ("before", "after")),
    "500": Kind("HTTP 500", ("before", "after")),
    "502": Kind("HTTP 502 from a gateway", ("before", "after")),
    "503": Kind("HTTP 503, with Retry-After where `retry_after` is given", ("before", "after")),
    "401": Kind("sign-in refused, in the system's own words", ("before",)),
    "403": Kind("HTTP 403", ("before",)),
    "302": Kind("redirect to another host, as a wrong data centre answers", ("before",)),
    "reset": Kind("the connection is reset instead of an answer", ("before", "after")),
    "html": Kind("HTTP 200 with a web page instead of JSON or XML", ("before", "after")),
    "truncate": Kind("half of the proper answer, then the connection closes", ("after",)),
    "drip": Kind("the proper answer one byte at a time, `seconds` apart", ("after",), timed=True),
    "late": Kind("the connection is reset at once, the request applied `seconds` later", ("after",), timed=True),
    "delay": Kind(
        "`seconds` of silence; before applying, a write outlives an impatient client",
        ("before", "after"),
        answers=False,
        timed=True,
    ),
    "missing": Kind("somebody deletes the record, or OpenAir's certificate", ("before", "after"), answers=False),
    "foreign": Kind("somebody else puts another certificate in its place", ("before", "after"), answers=False),
    "stale": Kind("what the call changed shows only `seconds` later", ("after",), answers=False, timed=True),
}


@dataclass(frozen=True)
class Fault:
    """An order to misbehave.

    endpoint      one of `ENDPOINTS`
    kind          a key of `KINDS`
    action        only calls with this action: report, sign, install (RESTlet), Auth, Read, Add, Modify (XML API) or
                  the grant type (tokens); None: any. A call with several commands matches by each of them
    account       only calls for this NetSuite account, or the OpenAir company paired with it; None: any
    when          before or after the request is applied; None: the kind's default
    times         how many matching calls it strikes; None: all
    skip          how many matching calls pass unharmed first
    seconds       above 0 for the kinds that are timed: delay, drip, late, stale
    code          for error: e.g. "SSS_TIME_LIMIT_EXCEEDED" (NetSuite) or "965" (OpenAir); None: the system's code for
                  an unknown error
    retry_after   seconds for the Retry-After header of throttle and 503; None: no header

    Raises ValueError on an unknown endpoint or kind, a `when` the kind does not know, or `seconds` that are missing.
    """

    endpoint: str
    kind: str
    action: str | None = None
    account: str | None = None
    when: When | None = None
    times: int | None = 1
    skip: int = 0
    seconds: float = 0.0
    code: str | None = None
    retry_after: float | None = None

    def __post_init__(self) -> None:
        if self.endpoint not in ENDPOINTS:
            raise ValueError(f"unknown endpoint {self.endpoint!r}; known: {', '.join(ENDPOINTS)}")
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault {self.kind!r}; known: {', '.join(KINDS)}")
        if self.when is not None and self.when not in KINDS[self.kind].when:
            raise ValueError(f"{self.kind} strikes {' or '.join(KINDS[self.kind].when)} applying, not {self.when!r}")
        if KINDS[self.kind].timed and self.seconds <= 0:
            raise ValueError(f"{self.kind} needs seconds above 0")

    @property
    def moment(self) -> When:
        """When it strikes: `when`, or the kind's default."""
        return self.when or KINDS[self.kind].when[0]

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Retry-After in whole seconds (RFC 9110 section 10.2.3), where the fault wants one."""
        return () if self.retry_after is None else (("Retry-After", f"{self.retry_after:.0f}"),)

    def matches(self, endpoint: str, actions: Sequence[str], account: str) -> bool:
        """Whether a call is one of those this fault is meant for."""
        return (
            self.endpoint == endpoint
            and (self.action is None or self.action in actions)
            and self.account in (None, account)
        )


def read_fault(content: Any) -> Fault:
    """A fault from JSON: an object with the fields of `Fault`. Raises TypeError or ValueError where it is none."""
    if not isinstance(content, dict):
        raise TypeError("a fault is a JSON object")
    return Fault(**content)


class _Armed:
    """A fault with what is left of its `skip` and `times`."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.skip = fault.skip
        self.times = fault.times

    @property
    def spent(self) -> bool:
        return self.times == 0

    def strike(self) -> None:
        if self.times is not None:
            self.times -= 1


class FaultPlan:
    """The armed faults, in the order they were added. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def add(self, *faults: Fault) -> None:
        """Arm faults."""
        with self._lock:
            self._armed += [_Armed(fault) for fault in faults]

    def clear(self) -> None:
        """Disarm all."""
        with self._lock:
            self._armed.clear()

    def pending(self) -> list[dict[str, Any]]:
        """The armed faults that have not yet struck all their `times`, with what is left of `skip` and `times`."""
        with self._lock:
            return [asdict(armed.fault) | {"skip": armed.skip, "times": armed.times} for armed in self._armed]

    def strike(self, endpoint: str, actions: Sequence[str], account: str) -> list[Fault]:
        """The faults that strike this call: at most one that answers, and every other that is ready.

        Each armed fault that matches counts the call against its `skip`; one that answers but comes second waits for
        the next call.
        """
        striking: list[Fault] = []
        answered = False
        with self._lock:
            for armed in self._armed:
                if not armed.fault.matches(endpoint, actions, account):
                    continue
                if armed.skip:
                    armed.skip -= 1
                    continue
                answers = KINDS[armed.fault.kind].answers
                if answers and answered:
                    continue
                answered = answered or answers
                armed.strike()
                striking.append(armed.fault)
            self._armed = [armed for armed in self._armed if not armed.spent]
        return striking
