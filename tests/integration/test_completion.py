"""What a shell completes: connections' names and rotations' ids, within a moment, without the vault."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cyclopts.completion.bash import generate_completion_script
from integration.fixture_types import Rotate
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import application, completion
from orchestrator.operations.connections import Connections

Complete = Callable[..., list[str]]


@pytest.fixture
def complete(capsys: pytest.CaptureFixture[str]) -> Complete:
    def run(*words: str) -> list[str]:
        """The candidates for the last of ``words``; nothing else is printed."""
        assert 0 == application.run(["__complete", *words])
        printed = capsys.readouterr()
        assert "" == printed.err
        return [line.partition("\t")[0] for line in printed.out.splitlines()[2:]]

    return run


@pytest.mark.parametrize(
    "words",
    ["connection show", "connection rename", "rotate", "health", "rotation list --connection", "journal --connection"],
)
def test_names_are_completed(app: Keyturn, complete: Complete, words: str) -> None:
    """Where a connection is asked for, those that begin with what was typed."""
    assert app
    assert [NAME] == complete(*words.split(), "")
    assert [NAME] == complete(*words.split(), "ac")
    assert [] == complete(*words.split(), "b")


@pytest.mark.parametrize("words", ["rotation show", "rotation abandon", "diagram", "journal verify"])
def test_ids_are_completed(rotate: Rotate, complete: Complete, words: str) -> None:
    """Where a rotation is asked for, its id in either case, or its connection's name."""
    done = rotate()
    assert [NAME, done.id] == complete(*words.split(), "")
    assert [done.id] == complete(*words.split(), done.id[:4].lower())


def test_a_new_name_is_not_completed(app: Keyturn, complete: Complete) -> None:
    """A connection that is added has a name that no other has."""
    assert app
    assert [] == complete("connection", "add", "")
    assert [] == complete("connection", "rename", NAME, "")


def test_forms_are_completed(complete: Complete) -> None:
    """The forms of the output need neither settings nor database."""
    assert ["table", "wide", "json", "yaml", "name", "jsonpath="] == complete("-o", "")


def test_a_locked_vault_is_not_opened(app: Keyturn, complete: Complete) -> None:
    """Without the key-encryption key, the same is completed."""
    app.settings.kek_file.unlink()
    assert [NAME] == complete("connection", "show", "")


def test_no_error_is_shown(tmp_path: Path, complete: Complete, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings or a database, nothing is completed, and nothing is made."""
    monkeypatch.setenv("KEYTURN_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("KEYTURN_CONFIG", str(tmp_path / "none.toml"))
    assert [] == complete("connection", "show", "")
    assert [] == complete("connection", "show", "--config", str(tmp_path / "none.toml"), "")
    assert [] == list(tmp_path.iterdir())


def test_a_silent_database_is_not_waited_for(app: Keyturn, complete: Complete, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the answer does not come within a moment, nothing is completed."""
    assert app
    answered = threading.Event()

    def silent(_self: Connections) -> list[object]:
        answered.wait()
        return []

    monkeypatch.setattr(Connections, "all", silent)
    monkeypatch.setattr(completion, "_MOMENT", 0.01)
    assert [] == complete("connection", "show", "")
    answered.set()


def test_bash_completes(app: Keyturn, tmp_path: Path) -> None:
    """The script for bash asks Keyturn, and offers what it answers."""
    assert app
    script = tmp_path / "completion.bash"
    script.write_text(generate_completion_script(application.build(), "keyturn"))
    typed = 'COMP_WORDS=(keyturn connection show ""); COMP_CWORD=3; _keyturn; echo "${COMPREPLY[@]}"'
    run = subprocess.run(
        ["bash", "--norc", "-c", f"source {script}; {typed}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert f"{NAME}\n" == run.stdout
