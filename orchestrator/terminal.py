"""The one place that writes to standard output and standard error; a lint rule keeps it so.

It escapes control characters in every text: a remote name, the database, an argument, a file name, an
exception. `Stream` does so even for a library that prints by itself. Only colours and cursor movements of this module
and of Rich pass it, which gets escaped texts.
"""

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

from orchestrator.control_characters import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.style import Style
    from rich.text import Text

_CLEAR: Final = "\x1b[2J\x1b[H"
_SHOW_CURSOR: Final = b"\x1b[?25h"
_STDERR: Final = 2
_DIVIDERS: Final = re.compile("([\t\x1f])")


class Stream(io.TextIOWrapper):
    """A standard stream that escapes the control characters of all that is written to it."""

    answers_shell = False
    """Whether tab and unit separator pass, with which Cyclopts divides its answer to a shell that completes a word."""

    def write(self, text: str, /) -> int:
        """Write ``text``, escaped; return how many characters ``text`` has."""
        parts = _DIVIDERS.split(text) if self.answers_shell else [text]
        super().write("".join(part if _DIVIDERS.fullmatch(part) else visible(part) for part in parts))
        return len(text)

    def write_unescaped(self, text: str) -> int:
        """Write what this module, or Rich, made of escaped texts."""
        return super().write(text)


class _Unescaped:
    """A file for Rich: what is written to it passes `Stream`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if isinstance(self._stream, Stream):
            return self._stream.write_unescaped(text)
        return self._stream.write(text)  # a test's own stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Drawing:
    """What is drawn at the moment, of which a process has one."""

    console: "Console | None" = None


_drawing: Final = _Drawing()


@contextmanager
def drawing(on: "Console") -> Iterator[None]:
    """While the block runs, keep what any thread writes to a terminal above that which ``on`` draws."""
    _drawing.console = on
    try:
        yield
    finally:
        _drawing.console = None


def write(text: str, *, style: str = "", error: bool = False, end: str = "\n") -> None:
    """Write a text with control characters escaped, to standard output or, for ``error``, to standard error.

    Args:
        text: May have several lines.
        style: Its style in Rich's words; used at a terminal only.
        error: Whether it goes to standard error.
        end: What follows it.
    """
    if (style or _drawing.console) and is_terminal(error=error):
        above = _drawing.console or console(error=error)
        above.print(rich_text(text, style), soft_wrap=True, end=end)
        return
    stream = _stream(error=error)
    stream.write(visible(text) + end)
    stream.flush()


def is_terminal(*, error: bool = False) -> bool:
    """Whether the stream is a terminal."""
    return _stream(error=error).isatty()


def is_unicode(*, error: bool = False) -> bool:
    """Whether the stream can carry every character."""
    return (_stream(error=error).encoding or "ascii").lower().replace("_", "-") in ("utf-8", "utf8")


def console(*, error: bool = False, **options: Any) -> "Console":
    """Return a console of Rich that writes to the stream. Pass it texts of `rich_text`."""
    from rich.console import Console  # noqa: PLC0415 - imported where it is used: start-up counts

    return Console(file=_Unescaped(_stream(error=error)), highlight=False, **options)  # type: ignore[arg-type]


class _LazyConsole:
    def __getattr__(self, name: str) -> Any:
        return getattr(console(), name)


def lazy_console() -> "Console":
    """Return a console that is made when something is printed on it: importing Rich takes time."""
    return cast("Console", _LazyConsole())


def rich_text(text: str, style: "str | Style" = "") -> "Text":
    """Return a piece of what a console prints, with control characters escaped."""
    from rich.text import Text  # noqa: PLC0415 - imported where it is used: start-up counts

    return Text(visible(text), style=style)


def clear() -> None:
    """Clear the terminal, and go to its first line."""
    _Unescaped(_stream(error=False)).write(_CLEAR)


def show_cursor() -> None:
    """Show the cursor that a live display has hidden, from any thread, right before the process ends."""
    if is_terminal(error=True):
        os.write(_STDERR, _SHOW_CURSOR)


def answer_shell() -> None:
    """Let standard output carry what divides a completion, which a shell reads and no terminal shows."""
    if isinstance(stream := _stream(error=False), Stream):
        stream.answers_shell = True


def flush() -> None:
    """Write what standard output still holds. Raises OSError where it cannot."""
    _stream(error=False).flush()


def _stream(*, error: bool) -> TextIO:
    # Looked up each time: tests replace the streams for a while.
    return sys.stderr if error else sys.stdout
