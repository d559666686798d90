"""The command line, `keyturn`. Commands are thin: each calls an operation and prints the result."""

import io
import os
import resource
import sys


def version() -> str:
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


def main() -> None:
    """The entry point."""
    os.umask(0o077)  # files and folders that this process makes are closed to other users
    _dump_no_core()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 is no reason to fail
    try:
        exit_code = _run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        exit_code = 130
    except BrokenPipeError:
        # The reader of our output has gone: that is no error, and closing the output at exit must be quiet, too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        exit_code = 0
    sys.exit(exit_code)


def _run(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        print(version())  # noqa: T201
        return 0
    from orchestrator.cli import collector  # noqa: PLC0415 - --version needs none of it

    collector.pause()
    from orchestrator.cli.application import run  # noqa: PLC0415 - likewise

    return run(arguments)
