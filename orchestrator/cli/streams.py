"""The standard streams: a missing one is /dev/null, and a lost output differs from every other error."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from orchestrator import terminal

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_STANDARD: Final = (_STDIN, _STDOUT, _STDERR)


class OutputLost(OSError):
    """Standard output cannot be written: the disk is full, or the reader has gone.

    It is no BrokenPipeError: a network connection raises that one too.
    """

    @property
    def has_no_reader(self) -> bool:
        """Whether the reader of a pipe has gone, which is no error: ``keyturn … | head -1`` has what it wanted."""
        return self.errno == errno.EPIPE


class _Output(io.FileIO):
    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputLost(error.errno, error.strerror) from error


class _Diagnostics(io.FileIO):
    """Drops what cannot be written: a lost message must change neither what a command does nor its exit code."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def prepare() -> None:
    """Open /dev/null in place of each missing standard stream, and replace ``sys.stdout`` and ``sys.stderr``.

    A descriptor that is missing would be given to the next file that is opened: what is printed would be written into
    the database. So call this before anything is opened. Streams that a test has replaced are left alone.
    """
    for descriptor in _STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest free number: this one
    if sys.stdin is None:
        sys.stdin = open(_STDIN, encoding="utf-8", closefd=False)  # noqa: SIM115 - a descriptor, open to the end
    if _is_at(sys.stdout, _STDOUT):
        sys.stdout = _opened(_Output(_STDOUT, "w", closefd=False), sys.stdout)
    if _is_at(sys.stderr, _STDERR):
        sys.stderr = _opened(_Diagnostics(_STDERR, "w", closefd=False), sys.stderr)


def _is_at(stream: TextIO | None, descriptor: int) -> bool:
    """Whether ``stream`` is the standard stream of ``descriptor``, or missing."""
    try:
        return stream is None or stream.fileno() == descriptor
    except (OSError, ValueError):
        return False


def _opened(raw: io.FileIO, before: TextIO | None) -> TextIO:
    encoding = before.encoding if before else "utf-8"
    by_line = raw.isatty() or raw.fileno() == _STDERR
    # A terminal without UTF-8 is no reason to fail. JSON is escaped where the stream cannot carry it (output.py).
    return terminal.Stream(io.BufferedWriter(raw), encoding, errors="replace", line_buffering=by_line)


@contextmanager
def unheard() -> Iterator[None]:
    """Print what may have no reader any more: the exit code tells the outcome in any case."""
    try:
        yield
    except OutputLost as error:
        if not error.has_no_reader:
            raise
        give_up(error)


def give_up(error: OutputLost) -> bool:
    """Stop writing to standard output, and say why on stderr, unless the reader has gone; return whether it has."""
    # Python writes what is left in the buffers once more at exit: this makes it succeed.
    os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)
    if not error.has_no_reader:
        terminal.write(f"error: Standard output cannot be written: {error.strerror}.", error=True)
    return error.has_no_reader
