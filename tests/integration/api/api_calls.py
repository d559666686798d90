"""What programs do with the API in several tests."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import requests
from support.api import Program
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.connection import OnRefusal
from states.rotation import Rotation

REFUSED = [Fault("openair.api", "error", action=action, code="602", times=None) for action in ("Add", "Modify")]
BODY = {"reason": "the key was seen"}


def park(app: Keyturn, simulator: Simulator) -> Rotation:
    """A rotation that OpenAir refused, with imports refused."""
    simulator.faults.add(*REFUSED)
    _, claim = app.rotations.request_and_claim(NAME, actor="bob", reason="quarterly", on_refusal=OnRefusal.PARK)
    assert claim
    with app.engine() as engine:
        parked = engine.run(claim)
    simulator.faults.clear()
    return parked


def start(operator: Program, key: str = "one", **more: str) -> tuple[int, dict[str, object]]:
    tag = operator.tag(f"/connections/{NAME}")
    headers = {"If_Match": tag, "Idempotency_Key": key, **more}
    answer = operator.ask("POST", f"/connections/{NAME}/rotations", BODY, **headers)
    return answer.status_code, answer.json()


def events(operator: Program, rotation: str, last: str = "0") -> list[dict[str, object]]:
    """Every event of a rotation, until its stream ends."""
    answer = operator.get(f"/events?rotation={rotation}", Last_Event_ID=last)
    assert "text/event-stream; charset=utf-8" == answer.headers["content-type"]
    found = list(fed(answer))
    assert [str(entry["seq"]) for _, entry in found] == [place for place, _ in found]
    return [entry for _, entry in found]


def fed(answer: requests.Response) -> Iterator[tuple[str, dict[str, object]]]:
    """The events of an answer while they come, each with its id."""
    place = ""
    for line in answer.iter_lines(decode_unicode=True):
        name, _, value = line.partition(": ")
        if name == "id":
            place = value
        elif name == "data":
            yield place, json.loads(value)


def ended(operator: Program, rotation: str) -> bool:
    """Whether nothing goes on in the console's process that a program had begun with the rotation."""
    work = operator.get(f"/rotations/{rotation}").json()["work"]
    return work is None or work["ended_at"] is not None


def pages(operator: Program, path: str) -> list[dict[str, object]]:
    """All items of a list, page after page."""
    found: list[dict[str, object]] = []
    after = ""
    while True:
        page = operator.get(path + after).json()
        found += page["items"]
        if page["next"] is None:
            return found
        after = f"&after={quote(page['next'])}"
