"""One run of the command line: its global options, and the application."""

import contextlib
import getpass
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from orchestrator import terminal
from orchestrator.cli import collector, exit_codes
from orchestrator.cli.exit_codes import NeedsRotation
from orchestrator.cli.output import Output
from orchestrator.cli.streams import OutputLost
from orchestrator.views.outage import outage_json
from orchestrator.views.values import Json
from states.errors import Declined, InvalidInput, KeyturnError
from states.next_action import NextAction, Verb, by_hand
from states.outage import outage_of
from states.preconditions import advise, why_not
from states.rotation import Rotation

if TYPE_CHECKING:
    from orchestrator.bootstrap import Keyturn
    from orchestrator.operations.effects import Effects, Found


_LONGEST_NAME: Final = 100
"""Characters of the name of a user."""


class Run:
    """What one run of a command is about and has changed, for the error that may end it."""

    def __init__(self) -> None:
        self.rotation: str | None = None
        """The rotation that the command was given, as it was written."""
        self.effects: Effects | None = None
        """What the command has changed so far; None before it has a store."""
        self.found: Found | None = None
        """What the command has changed, looked up when it failed."""


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
    run: Run = field(default_factory=Run)

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
            self.run.effects = keyturn.effects
            with keyturn.events.listening(self.run.effects.receive):
                yield keyturn
        except Exception:
            self.run.found = self.run.effects.look(self.run.rotation) if self.run.effects else None
            raise
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
            raise Declined

    def fail(
        self, error: KeyturnError, *, rotation: str | None = None, connection: str | None = None, kept: str = ""
    ) -> int:
        """Print ``error`` and return its exit code. ``rotation`` and ``connection`` are what the command was given.

        ``kept`` says what was kept, where the command knows it; otherwise what was looked up when it failed says so.
        """
        exit_code = NeedsRotation.ERROR if self.is_question else exit_codes.of(error)
        changed = self.run.found.rotations[0] if self.run.found and self.run.found.rotations else None
        next_action, more = error.next_action, {}
        if changed:
            now = datetime.now(UTC)
            next_action, more = continuing(next_action, changed, now), about(changed, now)
        elif not rotation:
            next_action = next_action.outside_rotation()
        next_action = next_action.about(rotation=rotation, connection=connection)
        kept = kept or exit_codes.kept(error, self.run.found)
        self.out.error({**problem(error.code, error.message, kept, next_action, exit_code), **more})
        return exit_code

    def note_unchanged(self) -> None:
        """Say that a dry run changed nothing: what it wrote, if anything, is a renewed token for signing in."""
        is_unchanged = self.run.effects is None or not self.run.effects.has_written
        but = "" if is_unchanged else ", except that tokens for signing in were renewed"
        self.out.note(f"Nothing was changed{but}.")

    def note_kept(self, lost: OutputLost) -> None:
        """Say on stderr what the command kept, whose output was ``lost`` because the disk is full."""
        if self.run.found and self.run.found.rotations and not lost.has_no_reader:
            rotation = self.run.found.rotations[0]
            self.out.warn(f"rotation {rotation.id} of {rotation.connection}: {exit_codes.kept_by(rotation)}")

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


def continuing(action: NextAction, rotation: Rotation, now: datetime) -> NextAction:
    """Return the next ``action`` of a command that failed after it changed ``rotation``.

    Repeating it would begin another rotation, or be refused: the one that it changed is carried on instead.
    """
    if not why_not(Verb.CARRY, rotation, now):
        carry = NextAction(Verb.CARRY)
        if action.leads_to(Verb.REPEAT):
            action = action.mapped(lambda each: replace(each, verb=Verb.CARRY) if each.verb is Verb.REPEAT else each)
        else:
            action = replace(action, alternatives=(*action.alternatives, carry))
    return action.about(rotation=rotation.id, connection=rotation.connection)


def about(rotation: Rotation, now: datetime) -> Json:
    """What an error's JSON has of its rotation: ``rotation``, ``connection``, ``outage`` (null without one)."""
    outage = outage_json(outage_of(rotation), now)
    return {"rotation": rotation.id, "connection": rotation.connection, "outage": outage}


def actor() -> str:
    """The name of the user who runs this command, for the journal; with sudo the user who called it."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"  # a container's user may have no name
    # A variable of the environment may hold any bytes, and any number of them.
    return os.fsencode(name).decode(errors="replace")[:_LONGEST_NAME]
