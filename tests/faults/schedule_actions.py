"""What may happen in a schedule, as Hypothesis draws it: who does what, which fault, how much time goes by."""

from datetime import timedelta

from hypothesis import strategies as st

from simulator import KINDS, Fault, Pair
from simulator.certificate_record import STATES
from simulator.faults import ENDPOINTS
from simulator.netsuite import ACTIONS
from tests.faults.error_codes import codes

NAMES = ("acme", "bolt")
WORKERS = ("w1", "w2", "w3")
OPERATORS = ("ada", "bob")
APART = 30
"""Seconds that a clock may be off: any two disagree by a minute at most."""
ERRING = timedelta(days=3)
"""How far ahead a clock is that is wrong."""
CALLED = {
    "netsuite.token": (None,),
    "netsuite.restlet": (None, *ACTIONS),
    "openair.token": (None, "refresh_token"),
    "openair.api": (None, "Read", "Add", "Modify"),
}
VERBS = ("resume", "resume create", "resume overwrite", "restore", "restore overwrite", "adopt", "abandon", "park")
FOREIGN_CHANGES = (
    *(f"netsuite {state}" for state in STATES),
    "netsuite foreign",
    "openair foreign",
    "openair missing",
    "openair netsuite's",
    "tokens revoked",
)

names = st.sampled_from(NAMES)
workers = st.sampled_from(WORKERS)
actors = st.sampled_from(WORKERS + OPERATORS)
places = st.integers(0, 12)
ahead = st.integers(-APART, APART)
foreign_changes = st.tuples(names, st.sampled_from(FOREIGN_CHANGES))
waits = st.sampled_from([1, 6, 30, 61, 61, 61, 130, 200, 4000])
"""Seconds: leases run out, proofs age, what is late lands."""


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    """A fault at an endpoint that Keyturn calls, as the simulator knows them."""
    endpoint = draw(st.sampled_from([endpoint for endpoint in ENDPOINTS if endpoint in CALLED]))
    kind = draw(st.sampled_from(list(KINDS)))
    seconds = {"drip": [0.001, 1.0], "late": [1, 3, 30, 45], "delay": [1, 15, 25]}.get(kind, [1, 3, 60])
    if kind == "late" and endpoint == "netsuite.restlet":
        seconds.append(600)  # an install that arrives so late is past its deadline
    action = draw(st.sampled_from(CALLED[endpoint]))
    code = draw(st.sampled_from([None, *codes(endpoint, action)])) if kind == "error" else None
    return Fault(
        endpoint,
        kind,
        action,
        when="before" if code else draw(st.sampled_from(KINDS[kind].when)),
        code=code,
        times=draw(st.sampled_from([1, 1, 1, 2, 8])),
        skip=draw(st.integers(0, 2)),
        seconds=draw(st.sampled_from(seconds)) if KINDS[kind].timed else 0,
        retry_after=draw(st.sampled_from([None, 0, 5, 900])),
    )


working = st.tuples(st.just("work"), st.one_of(st.none(), faults(), faults(), foreign_changes, waits), workers, places)
asking = st.tuples(st.just("ask"), names, st.sampled_from(OPERATORS), st.integers(0, 20), places)
dying = st.tuples(st.just("kill"), actors)
disagreeing = st.tuples(st.just("disagree"), st.sampled_from([*WORKERS, *OPERATORS, "systems", "database"]), ahead)
erring = st.tuples(st.just("err"), workers)
actions = st.one_of(working, working, working, working, asking, asking, dying, disagreeing, erring)


def change_systems(pair: Pair, change: str) -> None:
    """Another party changes what a system holds, saves in OpenAir what NetSuite holds, or revokes tokens."""
    held = pair.netsuite.record.held
    match change.split():
        case ["netsuite", state]:
            pair.netsuite.record.reset(state)
        case ["openair", "netsuite's"] if held:
            pair.openair.settings.save_outside(held.pair.certificate_pem())
        case ["openair", "foreign" | "missing" as kind]:
            pair.openair.settings.apply_fault(Fault("openair.api", kind))
        case ["tokens", "revoked"]:
            pair.netsuite.revoke_tokens()
            pair.openair.revoke_tokens()
