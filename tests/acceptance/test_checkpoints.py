"""A checkpoint that is kept elsewhere shows histories that were removed, and a database that was set back."""

import json
import shutil
from pathlib import Path

from acceptance.installed_keyturn import NAME, InstalledKeyturn, error


def test_a_checkpoint_is_printed_and_compared(connected: InstalledKeyturn, tmp_path: Path) -> None:
    """What `journal checkpoint` prints, in any form, is what `journal verify --against` reads, later too."""
    assert 0 == connected("rotate", NAME).returncode
    forms = [connected("journal", "checkpoint", *options) for options in ((), ("-o", "json"), ("-o", "name"))]
    assert [0, 0, 0] == [run.returncode for run in forms]
    assert forms[0].stdout.startswith("Checkpoint 1 of ")
    assert "5 entries of 1 rotation." in forms[0].stdout
    made = json.loads(forms[1].stdout)
    assert (2, 5, 1) == (made["number"], made["entries"], made["rotations"])
    copies = tmp_path / "copies"
    copies.write_text("".join(run.stdout for run in forms))
    assert 0 == connected("rotate", NAME).returncode
    verified = connected("journal", "verify", "--against", copies)
    assert 0 == verified.returncode
    assert "10 entries checked: none was changed." in verified.stdout
    assert "3 checkpoints compared: no history was removed that began before " in verified.stdout
    assert 3 == len(connected.json("journal", "verify", "--against", copies)["checkpoints"])


def test_a_run_of_the_schedule_logs_the_days_checkpoint(connected: InstalledKeyturn, tmp_path: Path) -> None:
    """The first run of a day logs a checkpoint, and the log is a copy of it; the next run makes none."""
    first, second = connected("run-due"), connected("run-due")
    assert (1, 0) == (first.stderr.count("journal checkpoint"), second.stderr.count("journal checkpoint"))
    log = tmp_path / "log"
    log.write_text(first.stderr)
    assert 0 == connected("journal", "verify", "--against", log).returncode


def test_a_history_that_was_removed(connected: InstalledKeyturn, tmp_path: Path) -> None:
    """Where every trace of a rotation is gone from the database, `journal verify` alone finds nothing; a copy does."""
    assert 0 == connected("rotate", NAME).returncode
    copies = tmp_path / "copies"
    copies.write_text(connected("journal", "checkpoint").stdout)
    for statement in (
        "UPDATE connections SET latest_rotation = NULL",
        "DELETE FROM journal",
        "DELETE FROM rotations",
        "DELETE FROM checkpointheads",
        "DELETE FROM checkpoints",
    ):
        connected.alter(statement)
    found = connected("journal", "verify", "--against", copies, "-o", "json")
    assert 1 == found.returncode
    assert "JOURNAL_BROKEN" == error(found)["code"]
    assert "histories were removed: it lacks checkpoint 1 " in error(found)["message"]


def test_a_database_that_was_set_back(connected: InstalledKeyturn, tmp_path: Path) -> None:
    """An older copy of the database is intact, and lacks the newest checkpoint."""
    assert 0 == connected("rotate", NAME).returncode
    shutil.copy(connected.database, tmp_path / "older.db")
    assert 0 == connected("rotate", NAME).returncode
    copies = tmp_path / "copies"
    copies.write_text(connected("journal", "checkpoint").stdout)
    shutil.copy(tmp_path / "older.db", connected.database)
    assert 0 == connected("journal", "verify").returncode
    found = connected("journal", "verify", "--against", copies, "-o", "json")
    assert 1 == found.returncode
    assert error(found)["message"].startswith("The database was set back, or its newest histories were removed: ")


def test_what_cannot_be_compared(connected: InstalledKeyturn, tmp_path: Path) -> None:
    """A file without a checkpoint, a missing file, and one rotation alone are refused as invalid input."""
    empty = tmp_path / "empty"
    empty.write_text("nothing\n")
    for arguments, message in (
        (("--against", empty), "has no checkpoint"),
        (("--against", tmp_path / "missing"), "cannot be read: No such file or directory"),
        ((NAME, "--against", empty), "A checkpoint covers all rotations"),
    ):
        found = connected("journal", "verify", *arguments, "-o", "json")
        assert ("INVALID_INPUT", True) == (error(found)["code"], message in error(found)["message"])
