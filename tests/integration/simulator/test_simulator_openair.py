"""OpenAir's sign-in by password and by token, its preferences, and its answers to bad requests."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from simulator import Simulator
from simulator.certificates import KeyPair

NAME = "oa_realtime_certificate"


def statuses(response: Any) -> dict[str, str]:
    """Return the status of each command."""
    return {command.tag: command.get("status") for command in response}


def bearer(token: str) -> str:
    """Return the sign-in with an access token."""
    return f"<access_token>{token}</access_token>"


def test_a_preference_is_added_read_and_modified(client: Any, make_preference: Any) -> None:
    """A preference can be added, read by name, and modified by its id."""
    added = client.xml(make_preference("Add", name="colour", setting="red & <green>"))
    identifier = added.findtext("Add/Preference/id")
    client.xml(make_preference("Modify", id=identifier, setting="blue"))
    read = client.xml(make_preference("Read", 'method="equal to" limit="1"', name="colour"))
    assert ("red & <green>", "blue", identifier) == (
        added.findtext("Add/Preference/setting"),
        read.findtext("Read/Preference/setting"),
        read.findtext("Read/Preference/id"),
    )


def test_a_missing_preference_has_status_601(client: Any, make_preference: Any) -> None:
    """A Read without a match and a Modify of an unknown id answer 601 with HTTP status 200."""
    read = client.xml(make_preference("Read", 'method="equal to" limit="1"', name="colour"))
    modified = client.xml(make_preference("Modify", id="99", setting="blue"))
    assert ({"Auth": "0", "Read": "601"}, {"Auth": "0", "Modify": "601"}) == (statuses(read), statuses(modified))


def test_read_keeps_to_its_limit(client: Any, make_preference: Any) -> None:
    """`limit="offset,count"` selects a page of the result; a Read without a limit is refused."""
    client.xml("".join(make_preference("Add", name=name, setting="x") for name in ("a", "b", "c")))
    page = client.xml('<Read type="Preference" method="all" limit="1,2"/>')
    unlimited = client.xml('<Read type="Preference" method="all"/>')
    assert (["b", "c"], "4") == ([each.text for each in page.iter("name")], statuses(unlimited)["Read"])


@pytest.mark.parametrize(
    ("sign_in", "attributes", "expected"),
    [
        ("<company>x</company><user>keyturn</user><password>x</password>", {}, "401"),
        ("<access_token>unknown</access_token>", {}, "420"),
        (None, {"key": "wrong"}, "505"),
        (None, {"namespace": "wrong"}, "505"),
    ],
)
def test_a_wrong_sign_in_fails_every_command(
    client: Any, make_preference: Any, sign_in: str | None, attributes: dict[str, str], expected: str
) -> None:
    """After a wrong sign-in, Auth has the reason, and each further command status 2 (not logged in)."""
    answer = client.xml(make_preference("Add", name="colour", setting="red"), sign_in, **attributes)
    assert {"Auth": expected, "Add": "2"} == statuses(answer)


def test_a_bad_token_is_not_rescued_by_a_good_password(client: Any) -> None:
    """An invalid access token is refused although the password is valid."""
    known = client.credentials
    both = (
        bearer("unknown")
        + f"<company>{known.company}</company><user>{known.user}</user><password>{known.password}</password>"
    )
    assert {"Auth": "420"} == statuses(client.xml("", both))


def test_a_refresh_token_serves_once(sim: Simulator, client: Any) -> None:
    """Each refresh returns a new refresh token and voids the old one; the access token works in the XML API."""
    first = client.openair_token(grant_type="refresh_token", refresh_token=sim.credentials.refresh_token)
    again = client.openair_token(grant_type="refresh_token", refresh_token=sim.credentials.refresh_token)
    second = client.openair_token(grant_type="refresh_token", refresh_token=first.json()["refresh_token"])
    assert (200, 400, "invalid_grant", 200) == (
        first.status_code,
        again.status_code,
        again.json()["error"],
        second.status_code,
    )
    assert {"Auth": "0"} == statuses(client.xml("", bearer(second.json()["access_token"])))


def test_an_access_token_expires(sim: Simulator, client: Any) -> None:
    """After its lifetime, by OpenAir's clock, an access token is refused."""
    token = client.openair_token(grant_type="refresh_token", refresh_token=sim.credentials.refresh_token).json()
    sim.clock.offset = timedelta(seconds=token["expires_in"])
    assert {"Auth": "420"} == statuses(client.xml("", bearer(token["access_token"])))


def test_consent_gives_a_code_and_the_code_gives_tokens_once(client: Any) -> None:
    """The authorization endpoint redirects with code and state; the code works once."""
    known, target = client.credentials, "http://127.0.0.1:9/callback"
    consent = requests.get(
        known.openair_url + "/login/oauth2/v1/authorize",
        params={
            "response_type": "code",
            "client_id": known.openair_client_id,
            "redirect_uri": target,
            "scope": "rest xml",
            "state": "s",
        },
        allow_redirects=False,
        timeout=10,
    )
    back = parse_qs(urlsplit(consent.headers["Location"]).query)
    code = back["code"][0]
    answers = [
        client.openair_token(grant_type="authorization_code", code=code, redirect_uri=uri).status_code
        for uri in (target, target)
    ]
    assert (302, ["s"], [200, 400]) == (consent.status_code, back["state"], answers)


def test_the_token_endpoint_wants_the_clients_secret(sim: Simulator) -> None:
    """With a wrong client secret no token is issued, and the refresh token stays valid."""
    url = sim.openair_url + "/login/oauth2/v1/token"
    form = {"grant_type": "refresh_token", "refresh_token": sim.credentials.refresh_token}
    known = sim.credentials
    refused = requests.post(url, data=form, auth=(known.openair_client_id, "wrong"), timeout=10)
    accepted = requests.post(url, data=form, auth=(known.openair_client_id, known.openair_client_secret), timeout=10)
    assert (401, "invalid_client", 200) == (refused.status_code, refused.json()["error"], accepted.status_code)


def test_openair_trusts_the_certificate_in_the_preference(sim: Simulator, client: Any, candidate: KeyPair) -> None:
    """OpenAir verifies imports with the certificate in its preference; other preferences have no effect."""
    client.xml(
        f'<Add type="Preference"><Preference><name>x</name><setting>{candidate.pem()}</setting></Preference></Add>'
    )
    before = sim.openair.settings.fingerprint
    client.save(candidate.certificate_pem())
    assert (None, candidate.fingerprint) == (before, sim.openair.settings.fingerprint)


def test_a_leaked_private_key_is_noted(sim: Simulator, client: Any, candidate: KeyPair) -> None:
    """If a private key reaches OpenAir, the history says so without its content."""
    client.save(candidate.pem())
    (entry,) = sim.history.effects("leaked")
    assert {"saved": candidate.fingerprint, "leaked": "private key"} == entry.effect


def test_a_text_that_is_no_certificate_verifies_nothing(sim: Simulator, client: Any) -> None:
    """A preference accepts any text; with one that is no certificate, OpenAir trusts no key."""
    client.save("not a certificate")
    assert ("unreadable", None) == (sim.history.effects("saved")[0].effect["saved"], sim.openair.settings.trusted)


def test_an_administrator_can_set_the_certificate(sim: Simulator, candidate: KeyPair) -> None:
    """An administrator sets and removes the certificate without the API."""
    sim.openair.settings.set_certificate(candidate.certificate_pem())
    held = sim.openair.settings.fingerprint
    sim.openair.settings.set_certificate(None)
    assert (candidate.fingerprint, None) == (held, sim.openair.settings.fingerprint)
    assert [{"saved": candidate.fingerprint}, {"removed": candidate.fingerprint}] == [
        entry.effect for entry in sim.history.entries(endpoint="outside")
    ]


def test_another_party_can_save_a_certificate(sim: Simulator, client: Any, candidate: KeyPair) -> None:
    """A certificate saved by another party is trusted and readable; the history has it as an outside change."""
    client.save("not a certificate")
    sim.openair.settings.save_outside(candidate.certificate_pem())
    assert candidate.fingerprint == sim.openair.settings.fingerprint
    assert [candidate.certificate_pem()] == [each.setting for each in sim.openair.settings.preferences()]
    assert [{"saved": candidate.fingerprint}] == [entry.effect for entry in sim.history.entries(endpoint="outside")]


@pytest.mark.parametrize(
    "body",
    [
        "not xml",
        "<other/>",
        '<!DOCTYPE request [<!ENTITY a "aaaa">]><request>&a;</request>',
    ],
)
def test_broken_or_harmful_xml_is_refused(sim: Simulator, body: str) -> None:
    """A body that is no plain request document gets status 1 (unknown error) and HTTP status 200."""
    answer = requests.post(sim.openair_url + "/api.pl", data=body, timeout=10)
    assert (200, '<response status="1" />') == (answer.status_code, answer.text)


def test_a_preference_is_deleted(sim: Simulator, client: Any, make_preference: Any, candidate: KeyPair) -> None:
    """A Delete removes the Preference of that id, once; with the certificate's, OpenAir trusts no key any more."""
    client.save(candidate.certificate_pem())
    client.xml(make_preference("Add", name="colour", setting="blue"))
    (own, other) = sim.openair.settings.preferences()
    answers = [statuses(client.xml(make_preference("Delete", id=str(each.id))))["Delete"] for each in (other, other)]
    assert (["0", "601"], (own,), candidate.fingerprint) == (
        answers,
        sim.openair.settings.preferences(),
        sim.openair.settings.fingerprint,
    )
    client.xml(make_preference("Delete", id=str(own.id)))
    assert ((), None) == (sim.openair.settings.preferences(), sim.openair.settings.fingerprint)
    assert [{"removed": candidate.fingerprint}] == [entry.effect for entry in sim.history.effects("removed")]


def test_an_unknown_command_has_status_5(client: Any) -> None:
    """An unknown command or type gets status 5, and the other commands are carried out."""
    answer = client.xml('<Submit type="Preference"/><Read type="User" method="all" limit="1"/>')
    assert {"Auth": "0", "Submit": "5", "Read": "5"} == statuses(answer)


def test_a_valid_start_has_the_same_certificate_on_both_sides() -> None:
    """With `record="valid"` both systems hold the same certificate, and the history is empty."""
    with Simulator(record="valid") as sim:
        held = sim.netsuite.record.fingerprint
        assert held is not None
        assert (held, [NAME], []) == (
            sim.openair.settings.fingerprint,
            [preference.name for preference in sim.openair.settings.preferences()],
            sim.history.entries(),
        )
