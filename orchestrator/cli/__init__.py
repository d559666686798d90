"""The command line, `keyturn`. Commands are thin: each calls an operation and prints the result."""

import os
import resource
import sys
from collections.abc import Sequence
from typing import Final

from orchestrator import terminal
from orchestrator.cli import streams

_FAILED: Final = 1
_INTERRUPTED: Final = 130
_NO_ANSWER: Final = 255
"""As in exit_codes.py, which this module does not import: `--version` and a broken installation do without it."""
_COMPLETE: Final = "__complete"
"""What the shell's completion script asks; https://cyclopts.readthedocs.io/en/latest/shell_completion.html."""
_WITH_VALUE: Final = ("--config", "--output", "-o")
"""The global options that take a value."""


def version_line() -> str:
    """What `keyturn --version` prints."""
    from importlib import metadata  # noqa: PLC0415 - only for --version

    return f"keyturn {metadata.version('keyturn')}"


def _dump_no_core() -> None:
    """Prevent core dumps: they would contain the keys that are open in memory.

    One byte, where it is allowed, instead of none: at 0 Linux still pipes a core to a program that collects them
    (core(5)), at 1 it makes none at all (fs/coredump.c).
    """
    most = 0 if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 else 1
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def is_question(arguments: Sequence[str]) -> bool:
    """Whether this command line asks `needs-rotation`, whose exit codes are answers: an error must never look like one.

    It reads the words alone, so that it also works where they cannot be parsed.
    """
    words = iter(arguments)
    for word in words:
        if word in _WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word == "needs-rotation"
    return False


def main() -> None:
    """The entry point."""
    os.umask(0o077)  # files and folders that this process makes are closed to other users
    _dump_no_core()
    streams.prepare()
    arguments = [_decoded(word) for word in sys.argv[1:]]
    if arguments[:1] == [_COMPLETE]:
        terminal.answer_shell()
    try:
        exit_code = _run(arguments)
        terminal.flush()
    except KeyboardInterrupt:
        exit_code = _no_answer(arguments) or _INTERRUPTED
    except streams.OutputLost as error:
        has_no_reader = streams.give_up(error)
        exit_code = _no_answer(arguments) or (0 if has_no_reader else _FAILED)
    except Exception as error:  # noqa: BLE001 - outside every command: an installation that lacks a module, no memory
        what = error if isinstance(error, ImportError) else type(error)
        terminal.write(f"error: Keyturn cannot start: {what}.", error=True)
        exit_code = _no_answer(arguments) or _FAILED
    sys.exit(exit_code)


def _decoded(word: str) -> str:
    """Read an argument as UTF-8 where the locale's encoding could not: the locale of cron and containers is ASCII."""
    try:
        word.encode()
    except UnicodeEncodeError:  # Python keeps such bytes as halves of characters, which no text holds
        return os.fsencode(word).decode(errors="surrogateescape")
    return word


def _no_answer(arguments: Sequence[str]) -> int:
    return _NO_ANSWER if is_question(arguments) else 0


def _run(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        terminal.write(version_line())
        return 0
    from orchestrator.cli import collector, uncaught  # noqa: PLC0415 - --version needs none of it

    uncaught.log_them()
    collector.pause()
    from orchestrator.cli.application import run  # noqa: PLC0415 - likewise

    return run(arguments)
