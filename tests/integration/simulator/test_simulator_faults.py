"""Each fault reaches the client as a real one would, at the chosen calls, with the documented effect."""

import json
from datetime import timedelta
from typing import Any

import pytest
import requests

from simulator import KINDS, Fault, Simulator
from simulator.certificates import KeyPair
from simulator.faults import ENDPOINTS

REPORT = {"action": "report"}


def test_throttling_is_netsuites_http_400(sim: Simulator, client: Any) -> None:
    """The RESTlet throttles with 400 SSS_REQUEST_LIMIT_EXCEEDED, with Retry-After if the fault has one."""
    sim.faults.add(Fault("netsuite.restlet", "throttle", retry_after=7))
    answer = client.call(REPORT)
    assert (400, "SSS_REQUEST_LIMIT_EXCEEDED", "7") == (
        answer.status_code,
        answer.json()["error"]["code"],
        answer.headers["Retry-After"],
    )


def test_a_script_error_is_json_inside_json(sim: Simulator, client: Any) -> None:
    """A script error is HTTP 400, and its message is JSON that holds the script's error."""
    sim.faults.add(Fault("netsuite.restlet", "error", code="UNEXPECTED_ERROR"))
    error = client.call(REPORT).json()["error"]
    inner = json.loads(error["message"])
    assert ("UNEXPECTED_ERROR", "UNEXPECTED_ERROR") == (error["code"], inner["name"])


@pytest.mark.parametrize("kind", ["500", "502", "503", "403", "302"])
def test_http_errors(sim: Simulator, client: Any, kind: str) -> None:
    """The client receives each HTTP error once."""
    sim.faults.add(Fault("netsuite.restlet", kind))
    assert [int(kind), 200] == [client.call(REPORT).status_code for _ in range(2)]


def test_unauthorized_has_the_form_of_each_system(sim: Simulator, client: Any) -> None:
    """NetSuite's RESTlet answers in WWW-Authenticate, token endpoints as in RFC 6749, OpenAir's API in Auth."""
    sim.faults.add(*(Fault(endpoint, "401") for endpoint in ENDPOINTS if endpoint != "openair.import"))
    restlet = client.call(REPORT)
    assert "invalid_token" in restlet.headers["WWW-Authenticate"]
    tokens = client.sign_in(), client.openair_token(grant_type="refresh_token", refresh_token="x")
    assert ["invalid_client"] * 2 == [answer.json()["error"] for answer in tokens]
    assert ["401", "2"] == [each.get("status") for each in client.xml('<Read type="Preference"/>')]


def test_openair_throttles_in_the_status(sim: Simulator, client: Any, make_preference: Any) -> None:
    """OpenAir throttles with status 556 of the command and HTTP 200, and applies nothing."""
    sim.faults.add(Fault("openair.api", "throttle", action="Add"), Fault("openair.api", "error", code="965"))
    answers = [client.xml(make_preference("Add", name="a", setting="b")) for _ in range(2)]
    assert [["0", "556"], ["0", "965"]] == [[each.get("status") for each in answer] for answer in answers]
    assert () == sim.openair.settings.preferences()


@pytest.mark.parametrize("kind", ["reset", "html", "500", "502", "503", "error"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_before_and_after_decide_what_is_applied(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any, kind: str, when: Any
) -> None:
    """The same bad answer comes after a request that was applied, or one that was not."""
    before = sim.netsuite.record.fingerprint
    sim.faults.add(Fault("netsuite.restlet", kind, action="install", when=when))
    request = make_installation(candidate)
    if kind == "reset":
        with pytest.raises(requests.ConnectionError, match=r"(?i)reset"):
            client.call(request)
    else:
        answer = client.call(request)
        assert (200 if kind == "html" else 400 if kind == "error" else int(kind)) == answer.status_code
    expected = candidate.fingerprint if when == "after" else before
    assert expected == sim.netsuite.record.fingerprint


def test_html_is_no_json(sim: Simulator, client: Any) -> None:
    """The fault html answers with a web page and status 200."""
    sim.faults.add(Fault("netsuite.restlet", "html"))
    answer = client.call(REPORT)
    assert (200, True) == (answer.status_code, answer.text.startswith("<!DOCTYPE html>"))


def test_a_truncated_body(sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any) -> None:
    """The fault truncate closes the connection in the middle of the answer, after the request was applied."""
    sim.faults.add(Fault("netsuite.restlet", "truncate"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        client.call(make_installation(candidate))
    assert candidate.fingerprint == sim.netsuite.record.fingerprint


def test_a_slow_drip_defeats_a_read_timeout(sim: Simulator, client: Any) -> None:
    """The fault drip sends the answer byte by byte, for longer than the client's read timeout."""
    sim.faults.add(Fault("netsuite.restlet", "drip", seconds=0.0005))
    answer = client.call(REPORT, timeout=0.15)
    assert (200, "done") == (answer.status_code, answer.json()["outcome"])
    assert len(answer.content) * 0.0005 > 0.15


@pytest.mark.parametrize(("when", "applied"), [("before", False), ("after", True)])
def test_a_delay_outlasts_the_clients_timeout(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any, when: Any, *, applied: bool
) -> None:
    """After a delay that outlasts the client's timeout, the request is applied only if the delay comes after it."""
    sim.faults.add(Fault("netsuite.restlet", "delay", when=when, seconds=30))
    with pytest.raises(requests.ReadTimeout):
        client.call(make_installation(candidate), timeout=0.2)
    assert applied == (sim.netsuite.record.fingerprint == candidate.fingerprint)


def test_a_late_write_lands_after_the_reset(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any
) -> None:
    """The fault late resets the connection and applies the request later; the history has both in this order."""
    before = sim.netsuite.record.fingerprint
    sim.faults.add(Fault("netsuite.restlet", "late", seconds=0.3))
    with pytest.raises(requests.ConnectionError):
        client.call(make_installation(candidate))
    meanwhile = sim.netsuite.record.fingerprint
    sim.history.wait_for(lambda entry: entry.ended == "applied late")
    assert (before, candidate.fingerprint) == (meanwhile, sim.netsuite.record.fingerprint)
    reset, late = sim.history.entries()[-2:]
    assert ("reset", {}, "applied late", candidate.fingerprint) == (
        reset.ended,
        reset.effect,
        late.ended,
        late.effect["installed"],
    )


def test_another_party_replaces_the_record_just_before_or_after(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any
) -> None:
    """An install overwrites a foreign change before it; a foreign change after it remains. The history has both."""
    sim.faults.add(Fault("netsuite.restlet", "foreign", action="install", when="before"))
    client.ask(make_installation(candidate))
    first = sim.netsuite.record.fingerprint
    sim.faults.add(Fault("netsuite.restlet", "foreign", action="install", when="after"))
    client.ask(make_installation(candidate))
    assert candidate.fingerprint == first
    assert candidate.fingerprint != sim.netsuite.record.fingerprint
    assert [True, False, False, True] == [entry.endpoint == "outside" for entry in sim.history.effects("installed")]


def test_another_party_replaces_openairs_certificate(sim: Simulator, client: Any, candidate: KeyPair) -> None:
    """In OpenAir the foreign certificate is in the preference too, so that reading back finds it."""
    sim.faults.add(Fault("openair.api", "foreign", action="Add", when="after"))
    client.save(candidate.certificate_pem())
    (preference,) = sim.openair.settings.preferences()
    assert candidate.certificate_pem() != preference.setting
    assert candidate.fingerprint != sim.openair.settings.fingerprint


def test_record_and_certificate_can_go_missing(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any
) -> None:
    """The fault missing deletes NetSuite's record, or OpenAir's preference and certificate."""
    client.save(candidate.certificate_pem())
    sim.faults.add(Fault("netsuite.restlet", "missing"), Fault("openair.api", "missing", when="after"))
    assert "CERTIFICATE_NOT_FOUND" == client.ask(make_installation(candidate))["error"]["code"]
    client.xml("")
    assert ((), None) == (sim.openair.settings.preferences(), sim.openair.settings.trusted)


def test_a_stale_install_shows_late(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any, make_challenge: Any
) -> None:
    """The reply to a stale install proves the new key, but for a while other calls see the old one."""
    old = sim.netsuite.record.fingerprint
    sim.faults.add(Fault("netsuite.restlet", "stale", seconds=60))
    client.ask(make_installation(candidate))
    client.ask({"action": "sign", "challenge": make_challenge()})
    sim.clock.offset = timedelta(seconds=60)
    client.ask({"action": "sign", "challenge": make_challenge()})
    assert [candidate.fingerprint, old, candidate.fingerprint] == [
        entry.effect["signed"] for entry in sim.history.effects("signed")
    ]


def test_a_stale_read_hides_no_change(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any, make_challenge: Any
) -> None:
    """A stale call that only reads does not undo an earlier change."""
    client.ask(make_installation(candidate))
    sim.faults.add(Fault("netsuite.restlet", "stale", seconds=60, times=None))
    for _ in range(2):
        client.ask({"action": "sign", "challenge": make_challenge()})
    assert [candidate.fingerprint] * 3 == [entry.effect["signed"] for entry in sim.history.effects("signed")]


def test_skip_and_times_choose_the_calls(sim: Simulator, client: Any) -> None:
    """A fault passes over `skip` matching calls, then applies to `times` of them."""
    sim.faults.add(Fault("netsuite.restlet", "500", skip=1, times=2))
    assert [200, 500, 500, 200] == [client.call(REPORT).status_code for _ in range(4)]
    assert [] == sim.faults.pending()


def test_a_fault_may_be_permanent(sim: Simulator, client: Any) -> None:
    """A fault with `times` None applies until it is cleared."""
    sim.faults.add(Fault("netsuite.restlet", "500", times=None))
    struck = [client.call(REPORT).status_code for _ in range(3)]
    sim.faults.clear()
    assert ([500] * 3, 200) == (struck, client.call(REPORT).status_code)


def test_faults_choose_by_action_and_account(sim: Simulator, client: Any, make_challenge: Any) -> None:
    """A fault applies only to its action and its account."""
    sim.faults.add(Fault("netsuite.restlet", "500", action="sign"), Fault("netsuite.restlet", "503", account="TSTDRV9"))
    bodies = [REPORT, {"action": "sign", "challenge": make_challenge()}]
    assert [200, 500] == [client.call(body).status_code for body in bodies]


def test_answering_faults_apply_one_at_a_time_and_others_join(sim: Simulator, client: Any) -> None:
    """Of two faults that answer, the second waits for the next call; a foreign change joins the first."""
    sim.faults.add(
        Fault("netsuite.restlet", "500"), Fault("netsuite.restlet", "foreign"), Fault("netsuite.restlet", "503")
    )
    assert [500, 503] == [client.call(REPORT).status_code for _ in range(2)]
    assert ["500+foreign", "503"] == [entry.fault for entry in sim.history.entries(endpoint="netsuite.restlet")]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "late"])
def test_every_kind_works_at_every_endpoint(sim: Simulator, client: Any, endpoint: str, kind: str) -> None:
    """No combination of kind and endpoint makes the simulator fail, and the history has the kind."""

    def call() -> bytes:
        answer: requests.Response
        match endpoint:
            case "netsuite.token":
                answer = client.sign_in()
            case "netsuite.restlet":
                answer = client.call(REPORT)
            case "netsuite.certificates":
                answer = client.certificates()
            case "openair.token":
                answer = client.openair_token(grant_type="refresh_token", refresh_token="x")
            case "openair.api":
                url, document = sim.openair_url + "/api.pl", client.document("<Time/>")
                answer = requests.post(url, data=document, allow_redirects=False, timeout=10)
            case _:
                return str(sim.import_requests.send()).encode()
        return answer.content

    sim.faults.add(Fault(endpoint, kind, seconds=0.001))
    try:
        content = call()
    except requests.RequestException:
        content = b""
    assert b"the simulator itself failed" not in content
    assert [kind] == [entry.fault for entry in sim.history.entries(endpoint=endpoint) if entry.fault]


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "elsewhere", "kind": "reset"},
        {"endpoint": "openair.api", "kind": "explode"},
        {"endpoint": "openair.api", "kind": "truncate", "when": "before"},
        {"endpoint": "openair.api", "kind": "drip"},
    ],
)
def test_an_impossible_fault_is_refused(wrong: dict[str, Any]) -> None:
    """A fault with an unknown endpoint, kind or moment is refused when it is created."""
    with pytest.raises(ValueError, match=r"unknown|happen|seconds"):
        Fault(**wrong)
