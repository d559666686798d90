"""The history is one sequence over both systems, and holds no secret."""

import json
from typing import Any

from simulator import Simulator
from simulator.certificates import KeyPair
from simulator.clock import Clock
from simulator.history import History


def rotate(client: Any, pair: KeyPair, request: dict[str, Any]) -> None:
    """Install in NetSuite, then save in OpenAir."""
    client.ask(request)
    client.save(pair.certificate_pem())


def test_a_rotation_reads_in_order(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any, make_challenge: Any
) -> None:
    """The entries of a rotation are in order and without gaps, each with its effect."""
    rotate(client, candidate, make_installation(candidate))
    client.ask({"action": "sign", "challenge": make_challenge()})
    proof = candidate.fingerprint
    assert [
        (1, "netsuite", "netsuite.token", "client_credentials", 200, {}),
        (2, "netsuite", "netsuite.restlet", "install", 200, {"installed": proof, "signed": proof}),
        (3, "openair", "openair.api", "Auth+Add", 200, {"saved": proof}),
        (4, "netsuite", "netsuite.restlet", "sign", 200, {"signed": proof}),
    ] == [
        (entry.seq, entry.system, entry.endpoint, entry.action, entry.status, entry.effect)
        for entry in sim.history.entries()
    ]


def test_times_follow_the_sequence(sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any) -> None:
    """`at` never decreases along `seq`, and no request acts before it is received."""
    rotate(client, candidate, make_installation(candidate))
    entries = sim.history.entries()
    moments = [entry.at for entry in entries]
    assert sorted(moments) == moments
    assert [] == [entry for entry in entries if entry.received > entry.at]


def test_the_systems_own_codes_are_kept(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any
) -> None:
    """A refusal with HTTP status 200 has its code in the history."""
    client.ask(make_installation(candidate, seconds=-1))
    client.xml('<Modify type="Preference"><Preference><id>9</id></Preference></Modify>')
    assert ["DEADLINE_PASSED", "601"] == [entry.code for entry in sim.history.entries()[-2:]]


def test_entries_can_be_selected(sim: Simulator, client: Any) -> None:
    """Entries can be selected by the number that they come after, and by endpoint."""
    client.ask({"action": "report"})
    client.xml("")
    assert ([2, 3], ["openair.api"]) == (
        [entry.seq for entry in sim.history.entries(1)],
        [entry.endpoint for entry in sim.history.entries(endpoint="openair.api")],
    )


def test_no_secret_is_in_the_history_nor_in_any_repr(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any
) -> None:
    """Neither the history nor the repr of credentials, records and files holds a token, password or key."""
    rotate(client, candidate, make_installation(candidate))
    client.openair_token(grant_type="refresh_token", refresh_token=sim.credentials.refresh_token)
    known = sim.credentials
    shown = json.dumps([entry.as_json() for entry in sim.history.entries()]) + repr(
        [
            known,
            candidate,
            sim.netsuite.record.held,
            sim.netsuite.record.file_cabinet,
            sim.openair.settings.preferences(),
        ]
    )
    secrets = [
        client.session.headers["Authorization"].removeprefix("Bearer "),
        known.openair_client_secret,
        known.refresh_token,
        known.password,
        known.api_key,
        "PRIVATE KEY",
        *known.private_key_pem.splitlines()[1:-1],
        *candidate.pem().rpartition("BEGIN PRIVATE")[2].splitlines()[1:-1],
    ]
    assert [] == [secret for secret in secrets if secret in shown]


def test_accounts_share_the_sequence(make_client: Any) -> None:
    """Several pairs of systems have one history, with the account in each entry."""
    with Simulator(accounts=3) as sim:
        for pair in sim.pairs.values():
            make_client(pair.credentials).sign_in()
        assert [(1, "TSTDRV1"), (2, "TSTDRV2"), (3, "TSTDRV3")] == [
            (entry.seq, entry.account) for entry in sim.history.entries()
        ]
        assert [2] == [entry.seq for entry in sim.history.entries(account="TSTDRV2")]


def test_entries_can_be_forgotten() -> None:
    """Forgotten entries are gone and the numbers continue; a call may end after its entry was forgotten."""
    history = History(Clock())
    for _ in range(3):
        history.begin("netsuite", "TSTDRV1", "netsuite.restlet").end(200, "answered")
    late = history.begin("netsuite", "TSTDRV1", "netsuite.restlet")
    late.effect(signed="ab")
    history.forget(4)
    late.end(200, "answered")
    history.begin("openair", "TSTDRV1", "openair.api").end(200, "answered")
    history.forget(2)
    assert [5] == [entry.seq for entry in history.entries()] == [entry.seq for entry in history.entries(4)]
    assert 5 == history.wait_for(lambda entry: entry.system == "openair").seq
