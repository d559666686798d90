"""People with a password do what their role says, and their sessions end when they must."""

from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from support.clock import OffsetClock
from support.console import PASSWORD, RunningConsole, running_console
from support.environment import NAME, keyturn

from orchestrator.bootstrap import Keyturn
from orchestrator.console.access import ROUTES
from orchestrator.operations.verbs import VERBS
from states.access import OF_ACCOUNT, OF_ADDRESS, Bucket, Role
from states.errors import InvalidInput
from states.rotation import Rotation

OTHER = "staple horse battery"
FORM = {"password": PASSWORD, "again": PASSWORD}


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An installation of its own, with one administrator."""
    with keyturn(tmp_path, monkeypatch) as app:
        app.accounts.add("ada", Role.ADMINISTRATOR, PASSWORD, actor="root")
        yield app


def guarded() -> list[tuple[str, str, Role]]:
    """Every route that needs a role, with a path for each verb."""
    found = []
    for (method, path), role in ROUTES.items():
        if role is None or path in ("/demo", "/sign-out"):
            continue
        verbs = [verb.value for verb in VERBS] if "{verb}" in path else [""]
        found += [(method, path.replace("{verb}", verb), role) for verb in verbs]
    return found


def ask(person: RunningConsole, method: str, path: str, **headers: str) -> int:
    """Ask for a page without reading a stream to its end; a form is empty."""
    verb = person.http.get if method == "GET" else person.http.post
    sent = {"Sec-Fetch-Site": "same-origin", **headers}
    answer = verb(f"{person.url}{path}", headers=sent, stream=True, allow_redirects=False, timeout=60)
    answer.close()
    return answer.status_code


@pytest.mark.parametrize(("method", "path", "needed"), guarded())
def test_every_route_needs_its_role(
    app: Keyturn, people: dict[Role, RunningConsole], parked: Rotation, method: str, path: str, needed: Role
) -> None:
    """A role that is not enough gets 403; one that is does not; a form without the proof that it is the console's own
    gets 403 from everyone. Nothing changes.
    """
    path = path.format(rotation=parked.id, name=NAME, token="none-such", account="none-such")
    for role, person in people.items():
        status = ask(person, method, path)
        assert role.includes(needed) == (status != HTTPStatus.FORBIDDEN), (role, status)
        if method == "POST":
            assert HTTPStatus.FORBIDDEN == ask(person, method, path, **{"Sec-Fetch-Site": "cross-site"})
    assert parked == app.rotations.show(NAME)
    assert {role.value: role for role in Role} == {each.account.name: each.account.role for each in app.accounts.all()}
    assert [] == app.tokens.all()


def test_a_refused_person_reads_why(people: dict[Role, RunningConsole], parked: Rotation) -> None:
    """Who may not do it reads which role it needs, and which they have; the navigation does not offer settings."""
    viewer = people[Role.VIEWER]
    said = viewer.text(f"/rotations/{parked.id}/resume", 403)
    assert "Nothing was done: this needs the role operator, and viewer is signed in with the role viewer." in said
    assert "Settings" not in viewer.text("/")
    assert "Settings" in people[Role.ADMINISTRATOR].text("/")


def test_a_wrong_name_is_answered_as_a_wrong_password(alone: Keyturn) -> None:
    """An unknown name, a wrong password, and a password of another form get the same page; no cookie is set."""
    with running_console(alone) as console:
        answers = [
            console.post("/sign-in", {"name": name, "password": password})
            for name, password in (
                ("ada", OTHER),
                ("bob", PASSWORD),
                ("", ""),
                ("ada", PASSWORD + " "),
                ("a" * 500, "x"),
            )
        ]
        assert {HTTPStatus.UNAUTHORIZED} == {each.status_code for each in answers}
        assert 1 == len({each.text for each in answers})
        assert "The name or the password is wrong." in answers[0].text
        assert not any("set-cookie" in each.headers for each in answers)


@pytest.mark.parametrize("bucket", [OF_ACCOUNT, OF_ADDRESS])
@pytest.mark.parametrize("name", ["ada", "bob"])
def test_guesses_are_bounded(alone: Keyturn, bucket: Bucket, name: str) -> None:
    """After too many attempts for a name, known or not, or from an address, none is looked at, also the right one."""
    key = "127.0.0.1" if bucket is OF_ADDRESS else name
    for _ in range(bucket.size):
        alone.store.attempts.take(bucket, key, alone.clock.now())
    with running_console(alone) as console:
        answer = console.post("/sign-in", {"name": name, "password": PASSWORD})
        assert HTTPStatus.TOO_MANY_REQUESTS == answer.status_code
        assert "The next one is possible in" in answer.text
        assert 0 < int(answer.headers["retry-after"]) <= bucket.interval.total_seconds() + 1
        console.sign_in()
        assert HTTPStatus.OK == console.get("/").status_code


def test_a_session_is_known_to_every_console(alone: Keyturn) -> None:
    """A session of one process is one of another, and signing out in either ends it in both."""
    with running_console(alone) as console, running_console(alone) as other:
        console.sign_in_as("ada", PASSWORD)
        name, _, value = str(console.http.headers["Cookie"]).partition("=")
        other.http.headers["Cookie"] = f"{name.replace(str(console.port), str(other.port))}={value}"
        assert HTTPStatus.OK == other.get("/").status_code
        assert HTTPStatus.SEE_OTHER == other.post("/sign-out").status_code
        for each in (console, other):
            assert HTTPStatus.UNAUTHORIZED == each.get("/").status_code


def test_sessions_end(alone: Keyturn, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session ends with its account's password, with its account, and after twelve hours; another role counts at
    once.
    """
    alone.accounts.add("bob", Role.OPERATOR, PASSWORD, actor="root")
    with running_console(alone) as console:
        bob = console.another()
        bob.sign_in_as("bob", PASSWORD)
        assert HTTPStatus.OK == bob.get("/rotate").status_code
        alone.accounts.set_role("bob", Role.VIEWER, actor="root")
        assert [HTTPStatus.FORBIDDEN, HTTPStatus.OK] == [bob.get(path).status_code for path in ("/rotate", "/")]
        alone.accounts.set_password("bob", OTHER, actor="root")
        assert HTTPStatus.UNAUTHORIZED == bob.get("/").status_code
        bob.sign_in_as("bob", OTHER)
        alone.accounts.remove("bob", actor="root")
        assert HTTPStatus.UNAUTHORIZED == bob.get("/").status_code
        console.sign_in_as("ada", PASSWORD)
        assert HTTPStatus.OK == console.get("/").status_code
        monkeypatch.setattr(alone, "clock", OffsetClock(timedelta(hours=12)))
        monkeypatch.setattr(alone.sign_in, "_clock", alone.clock)
        assert HTTPStatus.UNAUTHORIZED == console.get("/").status_code


def test_a_stream_ends_with_its_session(alone: Keyturn) -> None:
    """An open page gets nothing more once its person was removed."""
    alone.accounts.add("bob", Role.VIEWER, PASSWORD, actor="root")
    with running_console(alone) as console:
        console.sign_in_as("bob", PASSWORD)
        answer = console.http.get(f"{console.url}/live/", stream=True, timeout=60)
        lines = answer.iter_lines()
        assert b"event: ping" == next(lines)
        alone.accounts.remove("bob", actor="root")
        assert HTTPStatus.UNAUTHORIZED == console.get("/").status_code
        list(lines)  # ends, instead of running into the timeout


def test_a_person_changes_their_own_password(alone: Keyturn) -> None:
    """The current password is asked for; then every session of the person ends."""
    with running_console(alone) as console:
        console.sign_in_as("ada", PASSWORD)
        new = {"password": OTHER, "again": OTHER}
        wrong = console.post("/settings/password", {"current": OTHER, **new})
        assert HTTPStatus.UNPROCESSABLE_ENTITY == wrong.status_code
        assert "The current password is wrong." in wrong.text
        differ = console.post("/settings/password", {"current": PASSWORD, "password": OTHER, "again": PASSWORD})
        assert HTTPStatus.UNPROCESSABLE_ENTITY == differ.status_code
        assert HTTPStatus.OK == console.get("/").status_code
        assert HTTPStatus.SEE_OTHER == console.post("/settings/password", {"current": PASSWORD, **new}).status_code
        assert HTTPStatus.UNAUTHORIZED == console.get("/").status_code
        refused = console.post("/sign-in", {"name": "ada", "password": PASSWORD})
        assert HTTPStatus.UNAUTHORIZED == refused.status_code
        console.sign_in_as("ada", OTHER)


def test_people_are_added_and_removed_by_page(alone: Keyturn) -> None:
    """An administrator adds a person, gives them another role, and removes them; the last administrator stays."""
    with running_console(alone) as console:
        console.sign_in_as("ada", PASSWORD)
        for wrong in ({"name": "a b"}, {"password": "short", "again": "short"}, {"again": OTHER}, {"role": ""}):
            answer = console.post("/settings/people", {"name": "bob", "role": "viewer", **FORM, **wrong})
            assert HTTPStatus.UNPROCESSABLE_ENTITY == answer.status_code, wrong
            assert "short" not in answer.text
        added = {"name": "bob", "role": "viewer", **FORM}
        assert HTTPStatus.SEE_OTHER == console.post("/settings/people", added).status_code
        assert HTTPStatus.CONFLICT == console.post("/settings/people", added).status_code
        shown = console.text("/settings/people")
        assert all(words in shown for words in ("bob", "viewer", "by ada", "ada you administrator"))
        assert "Remove bob" in console.text("/settings/people/bob")
        for path, form in (("ada/remove", {}), ("ada/role", {"role": "operator"})):
            answer = console.post(f"/settings/people/{path}", form)
            assert HTTPStatus.CONFLICT == answer.status_code
            assert "LAST_ADMINISTRATOR" in answer.text
        promoted = console.post("/settings/people/bob/role", {"role": "administrator"})
        assert HTTPStatus.SEE_OTHER == promoted.status_code
        assert HTTPStatus.SEE_OTHER == console.post("/settings/people/ada/remove").status_code
        assert HTTPStatus.UNAUTHORIZED == console.get("/").status_code
        assert ["bob"] == [each.account.name for each in alone.accounts.all()]


def test_the_journal_names_the_person(app: Keyturn, people: dict[Role, RunningConsole], parked: Rotation) -> None:
    """What a person does is in the journal under their account's name."""
    person = people[Role.OPERATOR]
    form = {"version": parked.version, "reason": "seen to"}
    assert HTTPStatus.SEE_OTHER == person.post(f"/rotations/{parked.id}/resume", form).status_code
    resumed = next(each for each in app.rotations.journal(parked.id) if each.event == "resume")
    assert ("operator", "seen to") == (resumed.actor, resumed.detail["reason"])


def test_passwords_that_are_none(alone: Keyturn) -> None:
    """A password has 12 to 200 characters; what was typed is in no error."""
    for wrong in ("", "x" * 11, "y" * 201):
        with pytest.raises(InvalidInput, match="12 to 200") as raised:
            alone.accounts.add("bob", Role.VIEWER, wrong, actor="root")
        assert not wrong or wrong not in str(raised.value)
    assert "argon2" not in repr(alone.accounts.all())
