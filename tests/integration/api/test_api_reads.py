"""What the API shows, over real HTTP, and the connections that programs change."""

import pytest
from integration.api.api_calls import pages
from integration.fixture_types import Rotate
from support.api import Program, add_token
from support.database_writer import EVIL, setting, write
from support.environment import NAME, described, secrets

from orchestrator.bootstrap import Keyturn
from orchestrator.secrets import SecretName
from simulator import Simulator
from states.access import Role
from states.state import State


def test_a_connection_that_was_changed(app: Keyturn, operator: Program) -> None:
    """The list, the connection and the status say which one someone wrote outside Keyturn."""
    assert [(True, None)] == [
        (each["checked"], each["broken"]) for each in operator.get("/connections").json()["items"]
    ]
    write(app, setting("openair", "url", EVIL))
    changed = f"Connection {NAME} was changed outside Keyturn"
    listed = operator.get("/connections").json()["items"]
    for shown in (*listed, operator.get(f"/connections/{NAME}").json()):
        assert shown["broken"].startswith(changed)
    (concern,) = operator.get("/status").json()["concerns"]
    assert ("TAMPERED", True) == (concern["code"], concern["message"].startswith(changed))


def test_what_is_read(app: Keyturn, operator: Program, rotate: Rotate) -> None:
    """Lists come in pages that follow from each other and miss nothing; everything else is what the command line's JSON
    has.
    """
    ids = [rotate().id for _ in range(3)]
    assert ids[::-1] == [each["id"] for each in pages(operator, "/rotations?limit=1")]
    assert [ids[0]] == [each["id"] for each in operator.get(f"/rotations?q={ids[0]}").json()["items"]]
    entries = [entry for each in ids for entry in app.rotations.journal(each)]
    whole = pages(operator, "/journal?limit=2")
    assert [(each.rotation_id, each.seq) for each in reversed(entries)] == [
        (each["rotation"], each["seq"]) for each in whole
    ]
    assert {""} == {each["finding"] for each in whole}
    first = pages(operator, f"/rotations/{ids[0]}/journal?limit=1")
    assert [each.seq for each in app.rotations.journal(ids[0])] == [each["seq"] for each in first]
    assert [NAME] == [each["name"] for each in pages(operator, "/connections?limit=1")]
    one = operator.get(f"/rotations/{ids[0]}").json()
    assert (ids[0], State.COMPLETED) == (one["rotation"]["id"], one["rotation"]["state"])
    assert [] == operator.get(f"/connections/{NAME}/health").json()["problems"]
    assert {"alive": True} == operator.get("/health").json()
    own = operator.get(f"/connections/{NAME}/credentials").json()["items"]
    assert [each.id for each in app.credentials.all(NAME)] == [each["credential"] for each in own]
    assert {NAME} == {each["connection"] for each in own}
    assert {"ready": True} == operator.get("/ready").json()
    assert NAME == operator.get(f"/connections/{NAME}").json()["name"]
    assert 1 == operator.get("/status").json()["connections"]


def test_drawings(operator: Program, rotate: Rotate) -> None:
    """The states are drawn as SVG and as Mermaid; of a rotation with its state lit."""
    done = rotate()
    assert "image/svg+xml" == operator.get("/diagram").headers["content-type"]
    lit = operator.get(f"/rotations/{done.id}/diagram?format=mermaid").text
    assert ("stateDiagram-v2" in lit, "class Completed lit" in lit) == (True, True)
    assert 422 == operator.get("/diagram?format=png").status_code


def test_the_description(operator: Program) -> None:
    """The API describes itself as OpenAPI 3.1, with an example of each verb's answer and the role of each route."""
    described = operator.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    resume = described["paths"]["/api/v1/rotations/{rotation}/resume"]["post"]
    assert ("operator", True) == (
        resume["x-role"],
        "example" in resume["responses"]["200"]["content"]["application/json"],
    )


def test_a_connection_is_added_changed_and_removed(
    app: Keyturn, simulator: Simulator, operator: Program, rotate: Rotate, caplog: pytest.LogCaptureFixture
) -> None:
    """An administrator's program adds a connection, with which Keyturn signs in to both systems, changes it and removes
    it, each time as it was seen; no answer and no log has a secret.
    """
    wanted, given = described(simulator.credentials), secrets(simulator.credentials)
    app.connections.remove(app.connections.show(NAME), actor="ada")
    administrator = Program(operator.port, add_token(app, "terraform", Role.ADMINISTRATOR))
    body = {
        "name": NAME,
        "netsuite": {
            name: getattr(wanted.netsuite, name)
            for name in ("account", "client_id", "certificate_id", "restlet_url", "token_url")
        },
        "openair": {name: getattr(wanted.openair, name) for name in ("url", "client_id", "namespace")},
        "policy": {"algorithm": "ec-p256"},
        "bundles": dict(wanted.bundles),
        "secrets": {name.name.lower(): value for name, value in given.items()},
    }
    answers = [administrator.ask("POST", "/connections", body)]
    assert (201, f"/api/v1/connections/{NAME}") == (answers[0].status_code, answers[0].headers["location"])
    assert given.keys() == {name for name in SecretName if answers[0].json()["secrets"][name.name.lower()]}
    assert State.COMPLETED is rotate().state
    answers.append(administrator.ask("POST", "/connections", body))
    old, tag = answers[0].headers["etag"], administrator.tag(f"/connections/{NAME}")
    change = {"policy": {"days": 90}, "bundles": {"369637": ""}}
    answers += [administrator.ask("PATCH", f"/connections/{NAME}", change, If_Match=each) for each in (old, tag, tag)]
    answers.append(administrator.ask("DELETE", f"/connections/{NAME}", If_Match=tag))
    assert [201, 409, 412, 200, 412, 412] == [each.status_code for each in answers], [each.text for each in answers]
    changed = app.connections.show(NAME)
    assert (90, {"369630": "4.02"}, wanted.netsuite) == (changed.policy.days, changed.bundles, changed.netsuite)
    assert State.COMPLETED is rotate().state
    tag = administrator.tag(f"/connections/{NAME}")
    assert 204 == administrator.ask("DELETE", f"/connections/{NAME}", If_Match=tag).status_code
    assert 404 == administrator.get(f"/connections/{NAME}").status_code
    said = "".join(each.text for each in answers) + caplog.text
    assert [] == [name for name, value in given.items() if value in said or repr(value)[1:-1] in said]
