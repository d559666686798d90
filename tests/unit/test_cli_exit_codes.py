"""Exit codes, and the text about what an error kept."""

from dataclasses import replace

import pytest
from support.factories import NOW, a_rotation, advance_to, changed

from orchestrator.cli import exit_codes, is_question
from orchestrator.cli.context import Context
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import Output
from orchestrator.operations.effects import Found
from states import errors, machine
from states.errors import KeyturnError
from states.rotation import Ending
from states.state import State
from states.table import ACTIVE

CODES = {
    errors.InvalidInput: 2,
    errors.InvalidSettings: 2,
    errors.TlsRequired: 2,
    errors.AwaitingPerson: 3,
    errors.SignInRefused: 4,
    errors.NotPermitted: 4,
    errors.NotFound: 5,
    errors.RotationOpen: 6,
    errors.AlreadyExists: 6,
    errors.Stale: 6,
    errors.IllegalMove: 6,
    errors.Exhausted: 1,
    errors.TryLater: 7,
    errors.Throttled: 7,
    errors.Busy: 7,
    errors.TooManyAttempts: 7,
    errors.NotSavedYet: 7,
    errors.HeldOff: 6,
    errors.Unknown: 7,
    errors.RestoreUnfinished: 7,
    errors.GaveUp: 7,
    errors.VaultLocked: 1,
    errors.JournalBroken: 1,
    errors.Tampered: 1,
    errors.InternalError: 1,
}


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_exit_code_of_an_error(kind: type[KeyturnError], code: int) -> None:
    """Each kind of error has the exit code that scripts rely on."""
    assert code == exit_codes.of(kind())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.CertificateRecordMissing(), Exit.ATTENTION),
        (errors.ForeignRotation(), Exit.ATTENTION),
        (errors.VaultLocked(), Exit.ATTENTION),
        (errors.SignInRefused(), Exit.SIGN_IN),
        (errors.NotPermitted(), Exit.SIGN_IN),
        (errors.GaveUp(), Exit.REMOTE_DOWN),
        (errors.InternalError(), Exit.FAILED),
    ],
)
def test_exit_code_of_a_parked_rotation(error: KeyturnError, code: Exit) -> None:
    """A parked rotation has the exit code of its failure, or "needs attention" if the failure has no specific one."""
    assert code == exit_codes.of_rotation(machine.fail(a_rotation(), error, NOW))


def test_exit_code_of_a_rotation_that_is_not_parked() -> None:
    """Completed is 0, postponed has the exit code of its reason, and waiting for a person needs attention."""
    assert (Exit.FINE, Exit.REMOTE_DOWN, Exit.ATTENTION) == (
        exit_codes.of_rotation(advance_to(a_rotation(), State.COMPLETED)),
        exit_codes.of_rotation(a_rotation(), "TRY_LATER"),
        exit_codes.of_rotation(a_rotation(), "AWAITING_PERSON"),
    )


@pytest.mark.parametrize("state", ACTIVE)
def test_parked_rotations_say_what_is_kept(state: State) -> None:
    """A parked rotation says what both systems hold, and whether a write is in doubt."""
    parked = machine.fail(advance_to(a_rotation(), state), errors.GaveUp(), NOW)
    doubtful = changed(parked, doubt_since=NOW)
    assert exit_codes.kept_by(parked)
    assert exit_codes.kept_by(
        parked
    ) + " A request was sent and its answer lost: a resumed rotation reads back first." == (
        exit_codes.kept_by(doubtful)
    )


@pytest.mark.parametrize("ending", Ending)
def test_a_closed_rotation_needs_no_attention(ending: Ending) -> None:
    """A closed rotation has the exit code for "failed", and says what both systems held when it was closed."""
    parked = machine.fail(advance_to(a_rotation(), State.UPLOADED_TO_NETSUITE), errors.GaveUp(), NOW)
    ended = replace(parked, ending=ending, closed_at=NOW)
    assert (Exit.REMOTE_DOWN, Exit.FAILED) == (exit_codes.of_rotation(parked), exit_codes.of_rotation(ended))
    assert exit_codes.kept_by(parked) != exit_codes.kept_by(ended)
    assert "when the rotation was closed" in exit_codes.kept_by(ended) or ending is Ending.ABANDONED


def test_what_an_error_kept() -> None:
    """Nothing was changed where nothing was written; else the rotation says what both sides have, and only an unknown
    outcome may have changed something more.
    """
    uploaded = advance_to(a_rotation(), State.UPLOADED_TO_NETSUITE)
    wrote = Found(has_written=True)
    assert "Nothing was changed." == exit_codes.kept(errors.RotationOpen(), None)
    assert "Nothing was changed." == exit_codes.kept(errors.Stale(), Found(has_written=False))
    assert "What the command had stored by then is kept." == exit_codes.kept(errors.TryLater(), wrote)
    assert exit_codes.kept_by(uploaded) == exit_codes.kept(errors.InternalError(), replace(wrote, rotations=[uploaded]))
    unread = exit_codes.kept(errors.TryLater(), Found(has_written=True, rotations=[uploaded], is_read=False))
    assert unread.startswith(exit_codes.kept_by(uploaded))
    assert unread.endswith("the database cannot be read now.")
    for unknown in (errors.Unknown(), errors.RestoreUnfinished()):
        assert "may have taken effect" in exit_codes.kept(unknown, None)
        assert "may have taken effect" in exit_codes.kept(unknown, wrote)


QUESTIONS = {
    "needs-rotation acme": True,
    "-o json needs-rotation acme": True,
    "--config needs-rotation rotate acme": False,
    "--config=x -v needs-rotation acme --bad": True,
    "rotate needs-rotation": False,
    "-o": False,
    "": False,
}


@pytest.mark.parametrize(("words", "expected"), QUESTIONS.items())
def test_a_question_is_recognized_by_its_words(words: str, *, expected: bool) -> None:
    """A command line that cannot be parsed is `needs-rotation` too if that is its first word after global options."""
    assert expected is is_question(words.split())


@pytest.mark.parametrize("kind", [*CODES, KeyturnError])
def test_no_error_is_an_answer(kind: type[KeyturnError]) -> None:
    """Any error of `needs-rotation` has the exit code 255, which is no answer: also Keyturn's own failure."""
    assert 255 == Context(Output(quiet=True), is_question=True).fail(kind())
