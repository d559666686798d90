"""Serves every call of a simulated endpoint: applies faults, runs the request, records it in the history."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simulator.clock import Clock
from simulator.faults import KINDS, Fault, FaultPlan, When
from simulator.history import Call, History
from simulator.server import Delivery, Reply

Work = Callable[[Call], Reply]

WEB_PAGE = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>We will be back shortly.</body></html>"


@dataclass(frozen=True)
class Endpoint:
    """How one endpoint reacts to a fault.

    refuse        builds the system's own error response for the kinds throttle, error, 401 and 403
    apply_fault   changes what the system holds, for the kinds missing, foreign and stale
    """

    system: str
    name: str
    account: str
    refuse: Callable[[Fault], Reply]
    apply_fault: Callable[[Fault], None]


class FaultInjector:
    """Serves the calls of both systems and injects the faults of `plan`. Delays use the time of `clock`."""

    def __init__(self, history: History, plan: FaultPlan, clock: Clock) -> None:
        self.history = history
        self._plan = plan
        self._clock = clock

    def serve(self, endpoint: Endpoint, actions: Sequence[str], work: Work, *, listed: bool = True) -> Delivery:
        """Serve one call.

        Args:
            endpoint: the endpoint that was called.
            actions: what faults select by and the history shows.
            work: applies the request and returns the proper reply.
            listed: False keeps the call out of the history unless a fault strikes it or `work` records an effect.
        """
        call = self._begin(endpoint, actions)
        faults = self._plan.take(endpoint.name, actions, endpoint.account)
        call.fault = "+".join(fault.kind for fault in faults) or None
        self._apply_side_effects("before", faults, endpoint, call)
        answering = next((fault for fault in faults if KINDS[fault.kind].answers), None)
        delivery = self._deliver(endpoint, actions, call, work, answering)
        self._apply_side_effects("after", faults, endpoint, call)
        if listed or faults or call.listed:
            _end(call, delivery, answering)
        return delivery

    def _begin(self, endpoint: Endpoint, actions: Sequence[str]) -> Call:
        return self.history.begin(endpoint.system, endpoint.account, endpoint.name, "+".join(actions) or None)

    def _deliver(
        self, endpoint: Endpoint, actions: Sequence[str], call: Call, work: Work, fault: Fault | None
    ) -> Delivery:
        if fault is None:
            return Delivery(work(call))
        if fault.kind == "late":
            self._apply_late(endpoint, actions, work, fault.seconds)
            return Delivery(None)
        if fault.moment == "before":
            return Delivery(_fault_reply(fault, endpoint))
        proper = work(call)
        if fault.kind == "truncate":
            return Delivery(proper, truncated=True)
        if fault.kind == "drip":
            return Delivery(proper, pause=fault.seconds)
        return Delivery(_fault_reply(fault, endpoint))

    def _apply_side_effects(self, moment: When, faults: Sequence[Fault], endpoint: Endpoint, call: Call) -> None:
        for fault in faults:
            if KINDS[fault.kind].answers or fault.moment != moment:
                continue
            if fault.kind == "delay":
                self._clock.wait(fault.seconds)
            elif fault.kind != "stale" or call.changed:
                endpoint.apply_fault(fault)

    def _apply_late(self, endpoint: Endpoint, actions: Sequence[str], work: Work, seconds: float) -> None:
        """Apply the request after `seconds`, like a slow backend whose gateway has given up."""
        call = self._begin(endpoint, actions)
        call.fault = "late"

        def apply() -> None:
            reply = work(call)
            call.end(None, "applied late", reply.code)

        self._clock.later(seconds, apply)


def _fault_reply(fault: Fault, endpoint: Endpoint) -> Reply | None:
    """Return the reply that replaces the proper one; None for a reset."""
    if fault.kind == "reset":
        return None
    if fault.kind == "html":
        return Reply(200, WEB_PAGE, "text/html; charset=utf-8")
    if fault.kind == "302":
        return Reply(302, content_type="text/html", headers=(("Location", "https://elsewhere.invalid/"),))
    if fault.kind in ("500", "502", "503"):
        return Reply(int(fault.kind), WEB_PAGE, "text/html; charset=utf-8", fault.headers())
    return endpoint.refuse(fault)


def _end(call: Call, delivery: Delivery, fault: Fault | None) -> None:
    reply = delivery.reply
    if reply is None:
        call.end(None, "reset")
    elif delivery.truncated:
        call.end(reply.status, "truncated", reply.code)
    elif delivery.pause:
        call.end(reply.status, "dripped", reply.code)
    else:
        html = fault is not None and fault.kind == "html"
        call.end(reply.status, "html" if html else "answered", reply.code)
