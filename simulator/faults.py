"""Faults: the kinds of failure that the simulator can inject, and the plan that selects the calls."""

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

ENDPOINTS = (
    "netsuite.token",
    "netsuite.restlet",
    "netsuite.certificates",
    "openair.token",
    "openair.api",
    "openair.import",
)

When = Literal["before", "after"]


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    when      the allowed moments, relative to applying the request; the first is the default
    answers   whether it replaces the proper answer; one call gets at most one such fault
    timed     whether it needs `seconds`
    """

    meaning: str
    when: tuple[When, ...]
    answers: bool = True
    timed: bool = False


KINDS: dict[str, Kind] = {
    "throttle": Kind("the system's own error for too many requests (NetSuite's RESTlets: HTTP 400)", ("before",)),
    "error": Kind("the system's own error format with `code`", ("before", "after")),
    "500": Kind("HTTP 500", ("before", "after")),
    "502": Kind("HTTP 502 from a gateway", ("before", "after")),
    "503": Kind("HTTP 503, with Retry-After if `retry_after` is given", ("before", "after")),
    "401": Kind("sign-in refused, with the system's own error", ("before",)),
    "403": Kind("HTTP 403", ("before",)),
    "302": Kind("redirect to another host, as the wrong data centre answers", ("before",)),
    "reset": Kind("the connection is reset instead of an answer", ("before", "after")),
    "html": Kind("HTTP 200 with a web page instead of JSON or XML", ("before", "after")),
    "truncate": Kind("half of the proper answer; then the connection closes", ("after",)),
    "drip": Kind("the proper answer one byte at a time, `seconds` apart", ("after",), timed=True),
    "late": Kind("the connection is reset at once; the request is applied `seconds` later", ("after",), timed=True),
    "delay": Kind(
        "no answer for `seconds`; before applying, the write happens even if the client times out",
        ("before", "after"),
        answers=False,
        timed=True,
    ),
    "missing": Kind("another party deletes the record, or OpenAir's certificate", ("before", "after"), answers=False),
    "foreign": Kind("another party replaces the certificate", ("before", "after"), answers=False),
    "stale": Kind("the change becomes visible only `seconds` later", ("after",), answers=False, timed=True),
}


@dataclass(frozen=True)
class Fault:
    """A failure to inject into matching calls.

    Args:
        endpoint: one of `ENDPOINTS`.
        kind: a key of `KINDS`.
        action: matches only calls with this action: report, sign, install (RESTlet); list, upload,
            revoke (certificates); Auth, Read, Add, Modify, Delete
            (XML API); the grant type (tokens). A call with several commands matches if one of them does. None matches
            any.
        account: matches only calls for this NetSuite account or the OpenAir company paired with it. None matches any.
        when: before or after the request is applied. None uses the kind's default.
        times: number of matching calls that fail. None means all.
        skip: number of matching calls that succeed first.
        seconds: above 0 for the timed kinds: delay, drip, late, stale.
        code: for error, the system's error code: "SSS_TIME_LIMIT_EXCEEDED" (NetSuite), "965" (OpenAir). None uses the
            system's code for an unknown error.
        retry_after: seconds in the Retry-After header of throttle and 503. None sends no header.

    Raises:
        ValueError: the endpoint or kind is unknown, the kind does not allow this `when`, or `seconds` is missing.
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
            raise ValueError(
                f"{self.kind} must happen {' or '.join(KINDS[self.kind].when)} applying, not {self.when!r}"
            )
        if KINDS[self.kind].timed and self.seconds <= 0:
            raise ValueError(f"{self.kind} needs seconds above 0")

    @property
    def moment(self) -> When:
        """When the fault happens: `when`, or the kind's default."""
        return self.when or KINDS[self.kind].when[0]

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the Retry-After header in whole seconds (RFC 9110 section 10.2.3), if the fault has one."""
        return () if self.retry_after is None else (("Retry-After", f"{self.retry_after:.0f}"),)

    def matches(self, endpoint: str, actions: Sequence[str], account: str) -> bool:
        """Return whether this fault applies to a call."""
        return (
            self.endpoint == endpoint
            and (self.action is None or self.action in actions)
            and self.account in (None, account)
        )


def read_fault(content: Any) -> Fault:
    """Read a fault from parsed JSON: an object with the fields of `Fault`.

    Raises:
        TypeError: `content` is not an object, or has unknown fields.
        ValueError: a field has an invalid value.
    """
    if not isinstance(content, dict):
        raise TypeError("a fault is a JSON object")
    return Fault(**content)


class _Armed:
    """A fault with its remaining `skip` and `times`."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.skip = fault.skip
        self.times = fault.times

    @property
    def spent(self) -> bool:
        return self.times == 0

    def use(self) -> None:
        if self.times is not None:
            self.times -= 1


class FaultPlan:
    """The armed faults, in the order in which they were added. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def add(self, *faults: Fault) -> None:
        """Arm faults."""
        with self._lock:
            self._armed += [_Armed(fault) for fault in faults]

    def clear(self) -> None:
        """Disarm all faults."""
        with self._lock:
            self._armed.clear()

    def pending(self) -> list[dict[str, Any]]:
        """Return the faults that are still armed, with their remaining `skip` and `times`."""
        with self._lock:
            return [asdict(armed.fault) | {"skip": armed.skip, "times": armed.times} for armed in self._armed]

    def take(self, endpoint: str, actions: Sequence[str], account: str) -> list[Fault]:
        """Return the faults of this call: at most one that replaces the answer, and every other that is ready.

        Each matching fault counts the call against its `skip`. A second fault that replaces the answer waits for the
        next call.
        """
        taken: list[Fault] = []
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
                armed.use()
                taken.append(armed.fault)
            self._armed = [armed for armed in self._armed if not armed.spent]
        return taken
