"""The next action as a value: what it consists of, how it changes with where it is met, and its form in JSON."""

import inspect
import json
from dataclasses import FrozenInstanceError, replace

import pytest

from states import errors
from states.errors import CertificateRecordMissing, InvalidInput, KeyturnError, SignInRefused, TryLater
from states.next_action import OVERWRITE, RECOVERY, REPEAT, NextAction, Verb, by_hand

EVERY = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, KeyturnError)]
EACH = pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)

LONG = by_hand(
    "First this.",
    NextAction(Verb.CLOSE_FILES, {"paths": ("a", "b")}, then=NextAction(Verb.CONFIRM, {"fingerprint": None})),
    alternatives=(OVERWRITE, NextAction(Verb.ABANDON, because="Or that.")),
)


def verbs(action: NextAction) -> list[Verb]:
    return [each.verb for each in action.walk()]


def test_it_is_frozen() -> None:
    """Neither the action nor its options change, not even through what they were made of."""
    given = {"overwrite": True}
    action = NextAction(Verb.RESUME, given)
    given["overwrite"] = False
    assert {"overwrite": True} == dict(action.options)
    with pytest.raises(FrozenInstanceError):
        action.verb = Verb.ABANDON  # type: ignore[misc]
    with pytest.raises(TypeError):
        action.options["overwrite"] = False  # type: ignore[index]


def test_equal_actions_are_equal() -> None:
    """By all that they consist of, so that they can be compared and kept in sets."""
    again = NextAction(Verb.RESUME, {"overwrite": True})
    assert (True, True, 1) == (again == OVERWRITE, NextAction(Verb.RESUME) != OVERWRITE, len({again, OVERWRITE}))


def test_it_is_walked_in_its_order() -> None:
    """The action, what follows it, and the alternatives; each choice has its own way."""
    assert [Verb.BY_HAND, Verb.CLOSE_FILES, Verb.CONFIRM, Verb.RESUME, Verb.ABANDON] == verbs(LONG)
    assert [[Verb.BY_HAND, Verb.CLOSE_FILES, Verb.CONFIRM], [Verb.RESUME], [Verb.ABANDON]] == [
        verbs(each) for each in LONG.choices
    ]
    assert (True, False) == (LONG.leads_to(Verb.CONFIRM), LONG.leads_to(Verb.ABANDON))


def test_it_survives_json() -> None:
    """Written and read back it is the same, options of every kind included."""
    assert LONG == NextAction.from_data(json.loads(json.dumps(LONG.to_data())))
    assert {"verb": "repeat", "options": {}} == REPEAT.to_data()


@EACH
def test_every_errors_action_survives_json(kind: type[KeyturnError]) -> None:
    """The store and the journal keep it so."""
    action = kind().next_action
    assert action == NextAction.from_data(json.loads(json.dumps(action.to_data())))


@pytest.mark.parametrize(
    "data", [{}, {"verb": "dance", "options": {}}, {"verb": "resume"}, {"verb": "resume", "options": 1}]
)
def test_anything_else_is_not_read(data: dict[str, object]) -> None:
    """Data that Keyturn never wrote is refused."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        NextAction.from_data(data)


def test_it_is_about_what_it_names_itself() -> None:
    """Every action in it gets the subjects that its verb takes, unless it names another one."""
    action = NextAction(Verb.DOCTOR, then=NextAction(Verb.RESUME, {"rotation": "mine"}, then=NextAction(Verb.EXPLAIN)))
    found = action.about(rotation="other", connection="acme")
    expected = [{"connection": "acme"}, {"rotation": "mine"}, {"rotation": "other"}]
    assert expected == [dict(each.options) for each in found.walk()]
    assert action == action.about()


@EACH
def test_a_parked_rotation_is_resumed(kind: type[KeyturnError]) -> None:
    """Where an operation would be repeated, and where nothing is named that gets it going again."""
    found = verbs(kind().next_action.resuming())
    assert RECOVERY & set(found)
    assert Verb.REPEAT not in found
    assert Verb.WAIT not in found


def test_resuming_is_added_at_the_end() -> None:
    """After all that is to be done before it."""
    assert [Verb.DOCTOR, Verb.RESUME] == verbs(NextAction(Verb.DOCTOR).resuming())
    assert [Verb.ABANDON, Verb.ROTATE] == verbs(NextAction(Verb.ABANDON, then=NextAction(Verb.ROTATE)).resuming())
    assert [Verb.BY_HAND, Verb.DOCTOR, Verb.RESUME] == verbs(SignInRefused().next_action.resuming())


def test_outside_a_rotation_none_is_resumed() -> None:
    """An error that no rotation met advises nothing that only a rotation allows; one that is named is left."""
    assert [Verb.BY_HAND, Verb.REPEAT] == verbs(CertificateRecordMissing().next_action.outside_rotation())
    assert [Verb.BY_HAND] == verbs(by_hand("Do it.", OVERWRITE).outside_rotation())
    named = by_hand("Do it.", NextAction(Verb.EXPLAIN, {"rotation": "ID"}))
    assert named == named.outside_rotation()


@pytest.mark.parametrize("kind", [TryLater, InvalidInput])
def test_what_passes_or_was_mistyped_is_repeated(kind: type[KeyturnError]) -> None:
    """A command is not repeated by itself."""
    assert [Verb.BY_HAND, Verb.REPEAT] == verbs(kind().next_action)


def test_a_verb_is_left_out() -> None:
    """An action without a verb has what follows that verb in its place; a verb that nothing follows stays."""
    resume = NextAction(Verb.RESUME)
    examined = NextAction(Verb.DOCTOR, because="Look.", then=resume, alternatives=(NextAction(Verb.ABANDON),))
    assert replace(resume, alternatives=(NextAction(Verb.ABANDON),)) == examined.without(Verb.DOCTOR)
    repaired = by_hand("Repair it.", NextAction(Verb.DOCTOR, then=resume))
    assert by_hand("Repair it.", resume) == repaired.without(Verb.DOCTOR)
    assert NextAction(Verb.DOCTOR) == NextAction(Verb.DOCTOR).without(Verb.DOCTOR)
