"""The API keeps to its own description: requests are made from that, allowed and not allowed ones.

EXAMPLES=500    how many of each route and kind; without it 25
"""

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Config, GenerationMode
from support.api import Program, add_token
from support.console import RunningConsole

from orchestrator.api.access import ROUTES
from orchestrator.bootstrap import Keyturn
from states.access import Role

ALLOWED = ["2xx", "401", "403", "404", "409", "412", "428", "422", "502", "503"]
"""What a request may be answered that keeps to the description. A version that is none, or a cursor, is not in it."""
EXAMPLES = int(os.environ.get("EXAMPLES", "25"))


@pytest.fixture(scope="module")
def administrator(app: Keyturn, console: RunningConsole) -> Program:
    """A program that may do everything: what refuses it is not its role."""
    return Program(console.port, add_token(app, "administrator-of-the-test", Role.ADMINISTRATOR))


@pytest.fixture(scope="module")
def described(administrator: Program) -> Any:
    """The API as it describes itself."""
    checks = {"positive_data_acceptance": {"expected-statuses": ALLOWED}, "negative_data_rejection": {"enabled": False}}
    config = Config.from_dict({"checks": checks})
    return schemathesis.openapi.from_dict(administrator.get("/openapi.json").json(), config=config)


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
def test_every_route_keeps_to_its_description(
    described: Any, administrator: Program, method: str, path: str, mode: GenerationMode
) -> None:
    """No request makes the API fail, also none that the description forbids; every answer has a status, a type and a
    shape that the description names; what the description allows is accepted, and without a token no one is answered.
    """

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=described[path][method].as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if path.endswith("/events"):
            case.query = {**(case.query or {}), "follow": "false"}  # else an answer can go on for ever
        case.call_and_validate(
            base_url=f"http://127.0.0.1:{administrator.port}",
            headers={"Authorization": f"Bearer {administrator.secret}"},
            session=administrator.http,
            timeout=60,
        )

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "some request is allowed"
