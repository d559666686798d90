"""One run of the command line: its global options, and the application."""

import contextlib
import getpass
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from orchestrator import terminal
from orchestrator.cli import collector, exit_codes
from orchestrator.cli.exit_codes import NeedsRotation
from orchestrator.cli.output import Output
from orchestrator.views.outage import outage_json
from orchestrator.views.values import Json
from states.errors import InvalidInput, KeyturnError
from states.next_action import NextAction, Verb, by_hand
from states.outage import outage_of
from states.preconditions import advise
from states.rotation import Rotation

if TYPE_CHECKING:
    from orchestrator.bootstrap import Keyturn


@dataclass(frozen=True, slots=True)
class Context:
    """What every command is given in addition to its own arguments."""

    out: Output
    config: Path | None = None
    level: str | None = None
    """The log level that was asked for, or None."""
    yes: bool = False
    asks: bool = False
    """Whether a person can be asked."""
    is_question: bool = False
    """Whether the command's exit codes are answers: those of `needs-rotation`."""

    @contextlib.contextmanager
    def keyturn(
        self, *, level: str | None = "critical", new: bool = False, any_database: bool = False
    ) -> Iterator["Keyturn"]:
        """The application with a database of this version, closed at the end.

        A command prints its own errors, so logs are off unless they are asked for; a worker passes ``level=None`` for
        the level of the settings. ``new`` lets the settings file and the database be missing, ``any_database`` the
        latter. Raises InvalidSettings; TryLater when the database is away.
        """
        collector.pause()
        from orchestrator.bootstrap import start  # noqa: PLC0415 - --help needs none of it

        collector.resume()

        keyturn = start(self.config, level=self.level or level or ("error" if self.out.quiet else None), new=new)
        try:
            if not (new or any_database):
                keyturn.installation.check_database()
            yield keyturn
        finally:
            keyturn.close()

    @property
    def verbose(self) -> bool:
        """Whether logs were asked for."""
        return self.level in ("info", "debug")

    def confirm(self, question: str) -> None:
        """Ask ``question``. Raises InvalidInput when the answer is no, or when the user cannot be asked."""
        if self.yes:
            return
        if not self.asks:
            raise InvalidInput(f"{question} The question cannot be asked here.", next_action=by_hand("Add --yes."))
        terminal.write(f"{question} [y/N] ", error=True, end="")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise InvalidInput("Not confirmed.", next_action=NextAction(Verb.WAIT))

    def fail(
        self,
        error: KeyturnError,
        *,
        rotation: str | None = None,
        connection: str | None = None,
    ) -> int:
        """Print ``error`` and return its exit code. ``rotation`` and ``connection`` are what the command was given."""
        exit_code = NeedsRotation.ERROR if self.is_question else exit_codes.of(error)
        next_action = error.next_action if rotation else error.next_action.outside_rotation()
        next_action = next_action.about(rotation=rotation, connection=connection)
        self.out.error(problem(error.code, error.message, exit_codes.kept(error), next_action, exit_code))
        return exit_code

    def fail_rotation(self, rotation: Rotation, now: datetime, exit_code: int) -> int:
        """Print why ``rotation`` is parked, and what is best ``now`` (UTC); return ``exit_code``."""
        assert rotation.failure
        failure, kept = rotation.failure, exit_codes.kept_by(rotation)
        error = problem(failure.code, failure.message, kept, advise(rotation, now), exit_code)
        self.out.error({**error, **about(rotation, now)})
        return exit_code


Given = Annotated[Context, Parameter(parse=False)]
"""A command's parameter for the session: filled in by `orchestrator.cli`, not by the command line."""


def problem(code: str, message: str, kept: str, next_action: NextAction, exit_code: int) -> Json:
    """An error's JSON: ``code``, ``message``, ``kept``, ``next_action``, ``exit_code``; see also `Output.error`."""
    action = next_action.to_data()
    return {"code": code, "message": message, "kept": kept, "next_action": action, "exit_code": int(exit_code)}


def about(rotation: Rotation, now: datetime) -> Json:
    """What an error's JSON has of its rotation: ``rotation``, ``connection``, ``outage`` (null without one)."""
    outage = outage_json(outage_of(rotation), now)
    return {"rotation": rotation.id, "connection": rotation.connection, "outage": outage}


def actor() -> str:
    """The name of the user who runs this command, for the journal; with sudo the user who called it."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"  # a container's user may have no name
