"""Next actions as sentences: complete commands, each of which the real application understands."""

import inspect
import shlex
from dataclasses import replace
from itertools import chain, combinations

import pytest
from support.advice import text

from orchestrator.cli import application
from orchestrator.views import next_actions
from states import errors
from states.errors import KeyturnError
from states.next_action import ADOPT, NextAction, Value, Verb, by_hand

EVERY = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, KeyturnError)]
SUBJECTS: dict[str, Value] = {"rotation": "01KAZ6J5V0ROTATION00000001", "connection": "acme", "token": "ci"}
VALUES: dict[str, Value] = {
    "config": "/etc/keyturn.toml",
    "secret": "openair_refresh_token",
    "algorithm": "ec-p384",
    "account": "1234567",
    "openair_url": "https://acme.app.openair.com",
    "oauth2": True,
    "real_time_integration": True,
    "starts_by_hand": True,
    "bundle": ("369630=4.02", "369637=5.02"),
    "overwrite": True,
    "create_record": True,
    "fingerprint": "0" * 64,
    "approves": "6",
    "certificate_until": "2028-11-26",
    "new_certificate": True,
    "role": "viewer",
}
NEEDS_OPTION = {Verb.CONFIRM, Verb.ADD_TOKEN}
"""Without a fingerprint there is nothing to confirm, and a token has a role."""
SILENT = {Verb.WAIT, Verb.BY_HAND, Verb.REPEAT}
SHELL: dict[Verb, tuple[dict[str, Value], str]] = {
    Verb.CLOSE_FILES: ({"paths": ("a file", "b")}, "chmod go= 'a file' b"),
    Verb.INSTALL_EXTRA: ({"extra": "keyring"}, "pip install '.[keyring]'"),
    Verb.TEST_ALERTS: ({}, "keyturn alert test"),
    Verb.EXPORT_SUITESCRIPT: ({}, "keyturn suitescript export keyturn-suitescript"),
    Verb.DUMP_POSTGRESQL: (
        {"url": "postgresql://keyturn@db/keyturn?sslmode=verify-full", "file": "a file"},
        "pg_dump --format=custom --file='a file' 'postgresql://keyturn@db/keyturn?sslmode=verify-full'",
    ),
    Verb.STORE_KEK: ({"service": "keyturn", "user": "kek"}, "keyring set keyturn kek"),
}


def renderable() -> list[NextAction]:
    """Every verb that is a command of Keyturn's, with every set of options that it may have, known or not."""
    found = []
    for verb, known in next_actions.COMMANDS.items():
        least = 1 if verb in NEEDS_OPTION else 0
        sets = chain.from_iterable(combinations(known.options, size) for size in range(least, len(known.options) + 1))
        found += [NextAction(verb, {**SUBJECTS, **{name: VALUES[name] for name in names}}) for names in sets]
        found.append(NextAction(verb))
    return found


def parsed(line: str) -> object:
    """What the application makes of a command line. Raises where it does not understand it."""
    program, *words = shlex.split(line)
    assert "keyturn" == program
    app = application.build()
    _, bound, _ = app.meta.parse_args(words)
    command, _, _ = app.parse_args(bound.args)
    return command


@pytest.mark.parametrize("action", renderable(), ids=next_actions.line)
def test_every_command_is_understood(action: NextAction) -> None:
    """No command, option or value is unknown to the real command line."""
    assert parsed(next_actions.line(action))


def test_every_verb_is_rendered() -> None:
    """As Keyturn's command, as another command, or as what a person does."""
    assert set(Verb) == {*next_actions.COMMANDS, *SHELL, *SILENT}
    for verb in SILENT:
        assert "" == next_actions.line(NextAction(verb))


@pytest.mark.parametrize("verb", SHELL)
def test_other_programs_are_called_as_they_are(verb: Verb) -> None:
    """Each is complete, and quoted for the shell."""
    options, expected = SHELL[verb]
    assert expected == next_actions.line(NextAction(verb, options))


def test_a_file_that_is_taken_over() -> None:
    """It becomes this user's, and is closed to others."""
    action = NextAction(Verb.CLOSE_FILES, {"paths": ("/k e k",), "take": True})
    assert "chown $USER '/k e k' && chmod 600 '/k e k'" == next_actions.line(action)


def test_what_a_person_supplies_is_said() -> None:
    """The command ends with the option, ready for the value; a secret is read from standard input."""
    adopt = NextAction(Verb.ADOPT, {"rotation": "01JD", "fingerprint": None})
    expected = "Run `keyturn rotation adopt 01JD --fingerprint`, followed by the SHA-256 that OpenAir shows."
    assert expected == text(adopt)
    over = NextAction(Verb.RESTORE, {"rotation": "01JD", "fingerprint": None, "overwrite": True})
    assert "keyturn rotation restore 01JD --overwrite --fingerprint" == next_actions.line(over)
    give = NextAction(Verb.EDIT_CONNECTION, {"connection": "acme", "secret": "openair_api_key"})
    assert (
        "Run `keyturn connection edit acme --openair-api-key-file -`, and give the openair api key on standard input."
        == text(give)
    )


def test_names_are_quoted() -> None:
    """Each value is quoted, so that the shell reads it as one word."""
    assert "keyturn init --config '/a b.toml'" == next_actions.line(NextAction(Verb.INIT, {"config": "/a b.toml"}))


def test_without_a_subject_the_list_is_shown() -> None:
    """No placeholder is ever in a command."""
    found = [next_actions.line(NextAction(verb)) for verb in (Verb.RESUME, Verb.ROTATE, Verb.DOCTOR)]
    assert ["keyturn rotation list", "keyturn connection list", "keyturn doctor"] == found


def test_a_sequence_and_a_choice() -> None:
    """What is first comes first; an alternative says what it is for, or when."""
    action = by_hand("Find out who.", ADOPT, alternatives=(NextAction(Verb.RESUME, {"overwrite": True}),))
    assert (
        "Find out who. You can adopt the foreign certificate once OpenAir holds it too. Then run `keyturn rotation "
        "adopt ID`. Or run `keyturn rotation resume ID --overwrite` to put Keyturn's certificate in its place."
    ) == text(action)
    action = NextAction(Verb.RESUME, alternatives=(ADOPT, by_hand("Ask for help instead.", None)))
    assert (
        "Run `keyturn rotation resume ID`. You can adopt the foreign certificate once OpenAir holds it too. Run "
        "`keyturn rotation adopt ID` instead. Ask for help instead."
    ) == text(action)


def test_the_lines_of_a_list_stay_lines() -> None:
    """What follows a list begins on a line of its own."""
    assert "Do:\n  1. This.\nThen repeat the command." == text(by_hand("Do:\n  1. This.\n"))


def test_nothing_to_do() -> None:
    """Said first, with the reason where there is one, and without a command."""
    waiting = NextAction(Verb.WAIT, because="A worker carries it on.")
    assert ("Nothing to do. A worker carries it on.", "") == (text(waiting), next_actions.command(waiting))
    assert "Nothing to do." == text(NextAction(Verb.WAIT))


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_errors_commands_are_understood(kind: type[KeyturnError]) -> None:
    """As a command met it, and as a rotation was parked for it."""
    for action in (kind().next_action, kind().next_action.resuming()):
        for each in action.about(rotation="01KAZ6J5V0ROTATION00000001", connection="acme").walk():
            line = next_actions.line(each)
            supplied = [VALUES[name] for name, value in each.options.items() if value is None]
            assert not line or parsed(" ".join([line, *map(str, supplied)]))


def test_the_command_is_one_that_can_be_run_as_it_is() -> None:
    """Of several choices, that of the first that needs nothing by hand; where each does, what follows the first."""
    again = NextAction(Verb.RESUME, {"rotation": "01JD"})
    allowed = NextAction(Verb.RESUME, {"rotation": "01JD", "create_record": True})
    by_person = by_hand("Recreate the record.", again, alternatives=(allowed,))
    assert "keyturn rotation resume 01JD --create-record" == next_actions.command(by_person)
    assert "keyturn rotation resume 01JD" == next_actions.command(by_hand("Do this.", again))
    assert "keyturn rotation resume 01JD" == next_actions.command(replace(again, alternatives=(allowed,)))


def test_the_command_replaces_nothing_of_another_party() -> None:
    """Alone, first or after something done by hand: such a line is a choice that a person makes, and keeps its own."""
    over = NextAction(Verb.RESUME, {"rotation": "01JD", "overwrite": True})
    adopt = NextAction(Verb.ADOPT, {"rotation": "01JD"})
    assert "" == next_actions.command(over) == next_actions.command(by_hand("Find out who.", over))
    assert "keyturn rotation adopt 01JD" == next_actions.command(replace(over, alternatives=(adopt,)))
    assert "keyturn rotation adopt 01JD" == next_actions.command(by_hand("Ask.", adopt, alternatives=(over,)))
    shown = next_actions.with_commands({"fix": replace(adopt, alternatives=(over,)).to_data()})["fix"]
    assert "keyturn rotation adopt 01JD" == shown["command"]
    assert "keyturn rotation resume 01JD --overwrite" == shown["alternatives"][0]["command"]


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_no_errors_command_replaces_anything_of_another_party(kind: type[KeyturnError]) -> None:
    """Neither the first thing to do nor the line to run next, as a command met the error and as a rotation has it."""
    for action in (kind().next_action, kind().next_action.resuming()):
        assert not action.replaces_others
        assert "--overwrite" not in next_actions.command(action.about(rotation="01JD", connection="acme"))


def test_json_gets_commands() -> None:
    """In a JSON record each next action gets its first command, and all of it as text."""
    action = by_hand(
        "Correct it.", NextAction(Verb.RESUME, {"rotation": "01JD"}), alternatives=(NextAction(Verb.WAIT),)
    )
    record = {"a": [{"next_action": action.to_data(), "fix": None}], "detail": {"next": action.to_data()}}
    shown = next_actions.with_commands(record)
    (first,) = shown["a"]
    assert "keyturn rotation resume 01JD" == first["next_action"]["command"] == first["next_action"]["then"]["command"]
    assert first["next_action"]["alternatives"][0]["command"] is None
    assert text(action) == first["next_action"]["text"]
    assert (None, {"next": action.to_data()}) == (first["fix"], shown["detail"])
